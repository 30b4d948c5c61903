"""Cases found in a folder, one a picture. A file that is still being written is waited for."""

from __future__ import annotations

import hashlib
import os
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path

from ...core.plain_file import read_plain
from ...data.image.decode import EXTENSIONS
from .key import key_of_file
from .outgoing import OutgoingCase

SETTLE_S = 2.0
"""A file that has not changed for so long between two looks is complete."""

OLD_S = 60.0
"""A file that was last written so long ago is complete at first sight."""

_PARTIAL = (".part", ".partial", ".tmp", ".crdownload", ".filepart")

Stamp = tuple[int, int]
"""Size and time of the last change, by which a file is known to be as it was."""


@dataclass(frozen=True, slots=True)
class Sighting:
    """A picture in the folder, complete."""

    relative: str
    """The path below the folder, with slashes."""
    path: Path
    stamp: Stamp


@dataclass(frozen=True, slots=True)
class Look:
    """One look at the folder."""

    complete: tuple[Sighting, ...]
    """Pictures that were not sent yet, by path."""
    growing: tuple[str, ...]
    """Pictures that may still be being written."""


class CaseFolder:
    """A folder of pictures, looked at again and again."""

    def __init__(self, root: Path, slices: Sequence[str] = ()) -> None:
        """``slices``: names for the subfolders, from the top down: in ``north/cam7/1.jpg`` site and camera."""
        self._root, self._slices = root, tuple(slices)
        self._sent: dict[str, Stamp] = {}
        self._seen: dict[str, tuple[Stamp, float]] = {}
        """Files that are not complete yet: as they were, and since when by the steady clock."""

    def sent(self, relative: str, stamp: Stamp) -> None:
        """Take note that a file was sent as it is."""
        self._sent[relative] = stamp
        self._seen.pop(relative, None)

    def look(self, now_s: float, wall_s: float) -> Look:
        """Look for pictures that were not sent. ``now_s`` is a steady clock's, ``wall_s`` seconds since 1970."""
        complete, growing, there = [], [], set[str]()
        for sighting in _pictures(self._root):
            there.add(sighting.relative)
            if self._sent.get(sighting.relative) == sighting.stamp:
                continue
            before, since_s = self._seen.get(sighting.relative, (None, now_s))
            if before != sighting.stamp:
                since_s = now_s
                self._seen[sighting.relative] = (sighting.stamp, now_s)
            size, changed_ns = sighting.stamp
            still = now_s - since_s >= SETTLE_S or wall_s - changed_ns / 1e9 >= OLD_S
            if size and still:
                complete.append(sighting)
            else:
                growing.append(sighting.relative)
        for gone in [name for name in self._seen if name not in there]:
            del self._seen[gone]
        return Look(tuple(complete), tuple(growing))

    def case(self, sighting: Sighting) -> tuple[OutgoingCase, bytes] | None:
        """Make the case of a picture, and read it; None where it has changed since it was seen, or has gone."""
        try:
            data = read_plain(sighting.path)
            if _stamp(os.stat(sighting.path)) != sighting.stamp:  # noqa: PTH116  # as the listing has it
                return None
        except OSError:
            return None
        folders = sighting.relative.split("/")[:-1]
        slices = dict(zip(self._slices, folders, strict=False))
        key = key_of_file(sighting.relative, hashlib.sha256(data).hexdigest())
        return OutgoingCase(key=key, files=(sighting.path,), slices=slices), data


def _pictures(root: Path) -> Iterator[Sighting]:
    """Yield every picture below a folder by path; hidden files and those that a program has not finished are left out."""
    for folder, folders, names in os.walk(root):
        folders[:] = sorted(name for name in folders if not name.startswith("."))
        for name in sorted(names):
            lowered = name.lower()
            if name.startswith((".", "~")) or lowered.endswith(_PARTIAL) or not lowered.endswith(_ENDINGS):
                continue
            path = Path(folder, name)
            try:
                stamp = _stamp(path.stat())
            except OSError:
                continue  # it has gone since the folder was listed
            yield Sighting(path.relative_to(root).as_posix(), path, stamp)


def _stamp(found: os.stat_result) -> Stamp:
    return found.st_size, found.st_mtime_ns


_ENDINGS = tuple(sorted(EXTENSIONS))
