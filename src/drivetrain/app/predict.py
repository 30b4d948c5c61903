"""Predict files, folders and patterns, in the order they were given."""

from __future__ import annotations

import glob
import os
from collections.abc import Sequence
from dataclasses import dataclass, replace
from pathlib import Path

from ..core.errors import SourceError
from ..core.local_path import local_path
from ..core.types import Skipped
from ..data.sources.file_form import FileForm
from ..data.sources.opening import open_source


@dataclass(frozen=True)
class Found:
    """The files that were meant, and those among them that are passed over."""

    files: tuple[Path, ...]
    passed_over: tuple[Skipped, ...]
    """Other files in folders and patterns, and folders that cannot be read."""


def expand(paths: Sequence[str], form: FileForm) -> Found:
    """Expand places: files as they are, folders to the files of ``form`` below them, patterns to their matches (sorted, each
    file once).

    A file that does not exist stays in the list: it is answered as unreadable.

    Raises:
        SourceError: a folder or pattern holds none.
        UsageError: one of them is an address, not a path.
    """
    files: list[Path] = []
    passed_over: list[Skipped] = []
    for given in paths:
        text = str(local_path(given))
        # os.path takes a name that no file can have for one that is not there, where Path raises an error.
        if os.path.isdir(text):  # noqa: PTH112
            files += _inputs_below(text, form, passed_over)
        elif os.path.exists(text) or not glob.has_magic(text):  # noqa: PTH110
            files.append(Path(text))
        else:
            files += _matches(text, form, passed_over)
    return Found(tuple(files), tuple(passed_over))


def _inputs_below(folder: str | Path, form: FileForm, passed_over: list[Skipped]) -> list[Path]:
    dataset = open_source(folder, labelled=False, form=form)
    passed_over += [replace(one, name=str(Path(folder) / one.name)) for one in dataset.skipped]
    return [item.path for item in dataset.items]


def _matches(pattern: str, form: FileForm, passed_over: list[Skipped]) -> list[Path]:
    matched = [Path(name) for name in glob.glob(pattern, recursive=True)]  # noqa: PTH207  # a user's pattern
    if not matched:
        raise SourceError(f"no file matches {pattern!r}; check the folder and the ending, capitals included")
    # Files may come twice, as “**” matches folders and the files in them.
    below = (_inputs_below(match, form, passed_over) if match.is_dir() else [match] for match in matched)
    found = {file for files in below for file in files}
    return sorted(found)
