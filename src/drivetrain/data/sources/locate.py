"""Finding the files that a table's rows name: as written, as other systems write it, or by name alone.

A table may list ids (``ISIC_0001``) or bare names (``1.jpg``) of files that have an ending, or stand in a folder beside it.
Such names are looked for only where no row of the table is found as it is written, and must fit one file.
"""

# ruff: noqa: PTH100, PTH113, PTH117, PTH118
# Paths are strings until they are items: a Path costs more than all else that is done for a row.

from __future__ import annotations

import os
import posixpath
import re
import unicodedata
from collections.abc import Iterator
from functools import cached_property
from typing import NamedTuple

from ...core.errors import SourceError
from .file_form import FileForm
from .folder import is_litter, shown

# Paths that leave the folder they are joined to: absolute for Linux or Windows, or relative to a Windows drive.
ROOTED = re.compile(r"[/\\]|[A-Za-z]:")

DEPTH = 4
"""Folders below the table's own into which names are looked for."""
MOST_FILES = 1_000_000


class Place(NamedTuple):
    """The folder at which rows' relative paths start: ``root`` is the source, ``below`` the table's folder within it.

    ``confined`` rows may not name a file outside the root: the table came with the data, not from the user's hand.
    """

    root: str
    below: str = ""
    confined: bool = False


class Located(NamedTuple):
    """A path relative to the root, and the file it names; the latter is empty where there is none."""

    rel: str
    path: str


class Finder:
    """Finds files from one place. ``near`` is the name of a folder that goes before others, such as the table's own name."""

    def __init__(self, place: Place, form: FileForm, near: str = "") -> None:
        self._place = place
        self._form = form
        self._near = near.lower()

    def as_written(self, path: str, at: str) -> Located:
        """Find a path as it is listed, or as other systems and editors would have written it.

        Raises:
            SourceError: it points outside, where that is not allowed.
        """
        first = ""
        for spelling in _spellings(path):
            rel = self._relative(spelling, at)
            first = first or rel
            file = os.path.normpath(os.path.join(self._place.root, rel))
            if os.path.isfile(file):
                return Located(rel, file)
        return Located(first, "")

    def by_name(self, path: str, at: str) -> Located:
        """Find the one file that an id or a bare name fits.

        Raises:
            SourceError: it fits several; names two.
        """
        fits = self.fitting(path)
        if not fits:
            return Located(self._relative(path, at), "")
        if len(fits) > 1:
            raise SourceError(
                f"{at}: {shown(path)!r} could be {shown(fits[0])} or {shown(fits[1])}; write the path as it stands in the folder"
            )
        return Located(fits[0], os.path.normpath(os.path.join(self._place.root, fits[0])))

    def exists(self, path: str) -> bool:
        """Tells whether a text names a file, in whichever way."""
        try:
            return bool(self.as_written(path, "").path or self.fitting(path))
        except SourceError:
            return False

    def fitting(self, path: str) -> list[str]:
        """The files that a name fits: those nearest to the table, else those in the folder called like it, else all."""
        wanted = unicodedata.normalize("NFC", posixpath.normpath(path.strip().replace("\\", "/")))
        above, _, name = wanted.rpartition("/")
        if not name or ROOTED.match(wanted) or name in (".", ".."):
            return []
        found = self._files.get(name.casefold(), [])
        # Cameras and other systems write another case; of several files those written alike are meant.
        found = [rel for rel in found if _is_called(rel, name)] or found
        if above:
            found = [rel for rel in found if f"/{rel.rpartition('/')[0]}".casefold().endswith(f"/{above}".casefold())]
        own = posixpath.join(self._place.below, above).rstrip("/")
        beside = [rel for rel in found if rel.rpartition("/")[0] == own]
        near = [rel for rel in found if self._near and self._near in rel.lower().split("/")[:-1]]
        return beside or near or found

    @cached_property
    def _files(self) -> dict[str, list[str]]:
        """Name, and name without ending, without regard to case → the files that have it, relative to the root; sorted."""
        start = os.path.join(self._place.root, self._place.below) if self._place.below else self._place.root
        found: dict[str, list[str]] = {}
        for rel in sorted(_files_below(start)) if self._place.root else ():
            name = unicodedata.normalize("NFC", rel.rpartition("/")[2]).casefold()
            stem, ending = os.path.splitext(name)  # noqa: PTH122
            whole = posixpath.join(self._place.below, rel)
            found.setdefault(name, []).append(whole)
            if ending in self._form.endings and stem != name:
                found.setdefault(stem, []).append(whole)
        return found

    def _relative(self, path: str, at: str) -> str:
        """Return the normal form of a path, relative to the root where it stands below."""
        place = self._place
        path = path.replace(os.sep, "/")
        if not place.confined and os.path.isabs(path):
            path = posixpath.normpath(path)
            root = os.path.abspath(place.root).replace(os.sep, "/") + "/"
            return path.removeprefix(root) if place.root else path
        rel = posixpath.normpath(posixpath.join(place.below, path) if place.below else path)
        if place.confined and (ROOTED.match(path) or rel == ".." or rel.startswith("../")):
            raise SourceError(f"{at}: {path!r} points outside the data; list files by their path relative to the table")
        return rel


def _is_called(rel: str, name: str) -> bool:
    """Tells whether a file has a name, with or without its ending."""
    own = unicodedata.normalize("NFC", rel.rpartition("/")[2])
    return name in (own, os.path.splitext(own)[0])  # noqa: PTH122


def _spellings(path: str) -> Iterator[str]:
    """Yield a path as listed, then as other systems and editors would have written it, which is seldom asked for."""
    yield path
    others = (
        path.strip(),
        unicodedata.normalize("NFC", path),
        unicodedata.normalize("NFD", path),
        path.replace("\\", "/"),
    )
    yield from dict.fromkeys(other for other in others if other != path)


def _files_below(folder: str) -> Iterator[str]:
    """The visible files below a folder, to some depth and number; a folder that links lead to twice is read once."""
    left, count, seen = [("", folder, 0)], 0, set[str]()
    while left:
        rel, at, depth = left.pop()
        real = os.path.realpath(at)
        if real in seen:
            continue
        seen.add(real)
        try:
            with os.scandir(at) as entries:
                inside = [entry for entry in entries if not is_litter(entry.name)]
        except OSError:
            continue
        for entry in inside:
            below = f"{rel}{entry.name}"
            if entry.is_dir():
                if depth < DEPTH:
                    left.append((f"{below}/", entry.path, depth + 1))
            elif entry.is_file():
                count += 1
                yield below
        if count > MOST_FILES:
            return
