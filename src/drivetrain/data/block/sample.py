"""One item on its way through a DataBlock: the item itself, and what the block's functions made of it."""

from __future__ import annotations

import os
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np
from PIL import Image

from ...core.errors import DataError
from ...core.reference import Reference
from ...core.types import Item
from ..sources.folder import shown
from .describe import describe


@dataclass(frozen=True, slots=True)
class Sample:
    """An item, resolved: where its image is, its target, and what a split must know of it."""

    row: int
    """Position among what ``get_items`` gave; seeds and batches refer to it."""
    name: str
    """The name people see: relative to the source, with forward slashes."""
    item: object
    """The item as ``get_items`` gave it."""
    x: object
    """The place the input is read from: a path or another reference, bytes, a Pillow image or a uint8 array; None for a row
    without
    one."""
    target: object = None
    """The value from ``get_y``, parsed by the target's block (a text, a tuple of texts, a tuple of numbers)."""
    stratum: str | None = None
    """The stratum, whose proportions a split keeps: the label, the rarest of several labels, or a range of numbers."""
    group: str | None = None
    split: str | None = None
    weight: float = 1.0

    @property
    def path(self) -> Path | None:
        """The image's file, where it is one."""
        return self.x if isinstance(self.x, Path) else None

    def __str__(self) -> str:
        return f"item {self.row} ({self.name})"


def default_x(item: object) -> object:
    """Return the place an item's image is read from where no ``get_x`` says it.

    >>> default_x(Item(Path("cat/1.jpg"), "1.jpg")).as_posix()
    'cat/1.jpg'

    Raises:
        DataError: the item is no path, image or `Item`.
    """
    match item:
        case Item(reference=reference):
            return reference
        case str() | os.PathLike():
            return Path(item)
        case bytes() | Image.Image() | np.ndarray() | Reference():
            return item
    raise DataError(f"received {describe(item)}; give get_x, a function from it to the path of an image")


def names_of(items: Sequence[object], xs: Sequence[object], root: Path | None = None) -> list[str]:
    """Return a name for each item: its own, or its path below ``root``, or below the folder that all paths have in common.

    Names do not depend on where the data lie nor on the order of the listing, and so neither does what is drawn by
    name. Images in memory have only their place.

    >>> names_of(["", ""], [Path("a/cat/1.jpg"), Path("a/dog/2.jpg")])
    ['cat/1.jpg', 'dog/2.jpg']
    """
    paths = [x for x in xs if isinstance(x, Path)]
    base = str(root) if root is not None else _common_folder(paths)
    names = []
    for row, (item, x) in enumerate(zip(items, xs, strict=True)):
        if isinstance(item, Item):
            names.append(item.name)
        elif isinstance(x, Path):
            names.append(_below(x, base))
        elif isinstance(x, Reference):
            names.append(shown(x.name))
        else:
            names.append(f"number {row}")
    return names


def _common_folder(paths: Sequence[Path]) -> str:
    try:
        return os.path.commonpath({str(path.parent) for path in paths})
    except ValueError:  # there is no path at all, or relative paths stand beside absolute ones
        return ""


def _below(path: Path, base: str) -> str:
    try:
        return shown(path.relative_to(base).as_posix())
    except ValueError:
        return shown(path.as_posix())


def folder_of(source: object) -> Path | None:
    """The source as the folder that names are relative to, if it is one."""
    if not isinstance(source, str | os.PathLike) or not Path(source).is_dir():
        return None
    return Path(os.path.normpath(Path(source)))


def plain_samples(items: Sequence[object]) -> tuple[Sample, ...]:
    """Make samples of items that no DataBlock describes: an `Item`'s own fields, paths, and rows of tables as they are."""
    xs: list[object] = []
    for item in items:
        try:
            xs.append(default_x(item))
        except DataError:
            xs.append(None)
    names = names_of(items, xs)
    return tuple(
        Sample(row, name, item, x, target=label, stratum=label, group=group, split=split, weight=weight)
        for row, (name, item, x) in enumerate(zip(names, items, xs, strict=True))
        for label, group, split, weight in [marks_of(item)]
    )


def marks_of(item: object) -> tuple[str | None, str | None, str | None, float]:
    """Return the (label, group, split, weight) that an item carries by itself."""
    if isinstance(item, Item):
        return item.label, item.group, item.split, item.weight
    return None, None, None, 1.0
