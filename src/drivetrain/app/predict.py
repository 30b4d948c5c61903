"""Predict files, folders, patterns, archives and tables, in the order they were given."""

from __future__ import annotations

import glob
import os
from collections.abc import Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import NamedTuple

from ..core.errors import SourceError
from ..core.local_path import local_path
from ..core.scratch import Into
from ..core.types import Item, Skipped
from ..data.sources import table
from ..data.sources.archive import is_archive
from ..data.sources.file_form import FileForm
from ..data.sources.opening import open_source


class Meant(NamedTuple):
    """A file, and the name that people know it by: its path, or within an archive or a table its place there."""

    file: Path
    name: str


@dataclass(frozen=True)
class Found:
    """The files that were meant, and those among them that are passed over."""

    meant: tuple[Meant, ...]
    passed_over: tuple[Skipped, ...]
    """Other files in folders, archives and patterns, and folders that cannot be read."""

    @property
    def files(self) -> tuple[Path, ...]:
        """The files, in their order."""
        return tuple(one.file for one in self.meant)


def expand(paths: Sequence[str], form: FileForm, into: Into) -> Found:
    """Expand places: files as they are, folders, archives and tables to the files of ``form`` in them, patterns to their
    matches (sorted, each file once). What has to be unpacked goes ``into`` a folder.

    A file that does not exist stays in the list: it is answered as unreadable.

    Raises:
        SourceError: a folder, archive, table or pattern holds none.
        UsageError: one of them is an address, not a path.
    """
    meant: list[Meant] = []
    passed_over: list[Skipped] = []
    for given in paths:
        text = str(local_path(given))
        # os.path takes a name that no file can have for one that is not there, where Path raises an error.
        if os.path.exists(text) or not glob.has_magic(text):  # noqa: PTH110
            meant += _inputs_of(text, form, into, passed_over)
        else:
            meant += _matches(text, form, into, passed_over)
    return Found(tuple(meant), tuple(passed_over))


def _inputs_of(path: str, form: FileForm, into: Into, passed_over: list[Skipped]) -> list[Meant]:
    if not os.path.isdir(path) and not _holds_several(path, form):  # noqa: PTH112  # as above
        return [Meant(Path(path), path)]
    dataset = open_source(path, labelled=False, form=form, unpack_dir=into)
    passed_over += [replace(one, name=str(Path(path) / one.name)) for one in dataset.skipped]
    return [Meant(item.path, _name(item, Path(path))) for item in dataset.items]


def _holds_several(path: str, form: FileForm) -> bool:
    """Tells whether a file is an archive or a table rather than an input."""
    ending = os.path.splitext(path)[1].lower()  # noqa: PTH122  # asked of every file that is given
    if ending in form.endings or not os.path.isfile(path):  # noqa: PTH113
        return False
    try:
        return ending in table.SUFFIXES or is_archive(Path(path))
    except OSError:
        return False


def _name(item: Item, given: Path) -> str:
    """The item's path where it lies by itself, else its place in what was given."""
    if given.is_file() and given.suffix.lower() in table.SUFFIXES:
        inside = item.name.removeprefix(f"{given.name}/")
        return str(given / inside) if inside != item.name else str(item.path)
    return str(given / item.name)


def _matches(pattern: str, form: FileForm, into: Into, passed_over: list[Skipped]) -> list[Meant]:
    matched = glob.glob(pattern, recursive=True)  # noqa: PTH207  # a user's pattern
    if not matched:
        raise SourceError(f"no file matches {pattern!r}; check the folder and the ending, capitals included")
    # Files may come twice, as “**” matches folders and the files in them.
    found = {one.file: one for match in matched for one in _inputs_of(match, form, into, passed_over)}
    return sorted(found.values())
