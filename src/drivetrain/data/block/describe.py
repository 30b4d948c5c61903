"""Describing a value in a few words, as errors and summaries say what they received."""

from __future__ import annotations

import os
import reprlib
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

from PIL import Image

from ...core.types import Item

MOST_COLUMNS = 8
MOST_PARTS = 4

_short = reprlib.Repr()
_short.maxstring = _short.maxother = 80
_short.maxtuple = _short.maxlist = 6


def describe(value: object) -> str:
    """Describe a value by its type, shape and beginning.

    >>> describe(Image.new("L", (640, 480)))
    'L image 640×480'
    >>> describe({"file": "a.jpg", "age": 27})
    "dict with 'file', 'age'"
    >>> describe("cat"), describe(None), describe(3.5)
    ("'cat'", 'None', '3.5 of type float')
    """
    shape = getattr(value, "shape", None)
    match value:
        case None:
            return "None"
        case Image.Image():
            return f"{value.mode} image {value.width}×{value.height}"
        case Item(name=name, label=label):
            return f"Item {name}" + (f" labelled {label!r}" if label is not None else "")
        case os.PathLike():
            return f"path {Path(value).as_posix()}"
        case str():
            return _short.repr(value)
        case bytes():
            return f"{len(value)} bytes"
        case Mapping():
            return f"{type(value).__name__} with {columns(value)}"
        case _ if shape and hasattr(value, "dtype"):  # an array or a tensor of any library
            kind = str(value.dtype).removeprefix("torch.")
            return f"{kind} {type(value).__name__} {'×'.join(str(side) for side in shape)}"
        case tuple() | list() if len(value) <= MOST_PARTS:
            return _short.repr(value)
        case Sequence():
            return f"{type(value).__name__} of {len(value)}: {_short.repr(value)}"
    return f"{_short.repr(value)} of type {type(value).__name__}"


def columns(row: Mapping[Any, object]) -> str:
    """Quote the first names of a row's columns.

    >>> columns({"file": 1, "age": 2})
    "'file', 'age'"
    """
    names = [repr(name) for name in row]
    more = f" and {len(names) - MOST_COLUMNS} more" if len(names) > MOST_COLUMNS else ""
    return ", ".join(names[:MOST_COLUMNS]) + more if names else "no columns"


def called(step: object) -> str:
    """Name a function, class or configured object as a person would.

    >>> called(len), called(Path), called(lambda: 0)
    ('len', 'Path', 'lambda')
    """
    name = getattr(step, "__name__", None)
    if isinstance(name, str):
        return "lambda" if name == "<lambda>" else name
    inner = getattr(step, "func", None)  # functools.partial
    return called(inner) if inner is not None else type(step).__name__
