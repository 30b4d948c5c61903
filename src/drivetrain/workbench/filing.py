"""Filing: an item that got a label becomes a file in the class folder of a data set, with its origin on record.

A file is written beside its place and moved there, so that a folder never holds half a picture. Nothing is deleted: what loses
its label goes to ``removed/``. Everything may be done twice, as it is after a kill between the log and the file.
"""

from __future__ import annotations

import hashlib
import os
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from pathlib import Path, PurePosixPath
from threading import Lock

from ..core.confined import leads_out
from ..core.errors import DataError, UsageError
from ..core.plain_file import read_plain
from ..core.reference import read_reference
from ..core.types import Item
from ..data.edits.edit import Edit, Fate, Standing
from ..data.provenance.line import Provenance
from ..data.provenance.record import ProvenanceRecord
from .label_classes import LONGEST, checked_class

REMOVED = "removed"
"""The folder for files that have no label any more."""

NO_LINK = getattr(os, "O_NOFOLLOW", 0)

# Letters of the hash that tell two files of one name apart.
APART = 8


@dataclass(frozen=True, eq=False)
class Filing:
    """Puts the files of one source's items into a data set's class folders."""

    into: Path
    record: ProvenanceRecord
    file_name: Callable[[Item], str]
    """The name that an item's file gets, with its ending."""
    origin: Callable[[Item, Provenance], Provenance]
    """Adds what is known of where an item came from."""
    _turn: Lock = field(default_factory=Lock)

    def settle(self, item: Item, edit: Edit) -> None:
        """Bring an item's file to where an edit has it.

        Raises:
            DataError: it cannot be read, written or moved.
        """
        with self._turn:
            try:
                self._settle(item, edit)
            except OSError as error:
                why = error.strerror or str(error)
                raise DataError(
                    f"{item.name} has its label, but its file could not be put into {self.into}: {why}; it is tried again at the "
                    "next start"
                ) from None

    def _settle(self, item: Item, edit: Edit) -> None:
        data = read_reference(item.reference)
        sha256 = hashlib.sha256(data).hexdigest()
        wanted = _folder(edit.after)
        if any(line.at >= edit.at for line in self.record.lines if self._is_of(item, sha256, line)):
            return  # it is filed already, and may have been moved by somebody since
        found = self._found(item, sha256)
        if wanted is None:
            if found is not None and found.parts[0] != REMOVED:
                self._move(found, PurePosixPath(REMOVED, found))
            return
        if found is not None and str(found.parent) == wanted:
            return
        _check_folder(wanted, item, self.into)
        place = self._free(wanted, item, sha256)
        if found is not None:
            self._move(found, place)
        else:
            self._write(place, data)
        line = Provenance(str(place), sha256, "", edit.at, label_how=str(edit.how))
        self.record.add([self.origin(item, line)])

    def _found(self, item: Item, sha256: str) -> PurePosixPath | None:
        """Return the place of an item's file, by the record of origins; None where it has none yet."""
        named = {line.name for line in self.record.lines if self._is_of(item, sha256, line)}
        for name in sorted(named):
            for place in (PurePosixPath(name), PurePosixPath(REMOVED, name)):
                if (self.into / place).is_file():
                    return place
        return None

    def _is_of(self, item: Item, sha256: str, line: Provenance) -> bool:
        ours = self.origin(item, line) if line.sha256 == sha256 else None
        return ours is not None and (ours.source, ours.url) == (line.source, line.url)

    def _free(self, folder: str, item: Item, sha256: str) -> PurePosixPath:
        """Return a place in a class folder that holds nothing, or the very bytes: those of a writer that was killed."""
        for name in _names(self.file_name(item), sha256):
            path = self.into / folder / name
            if not os.path.lexists(path) or hashlib.sha256(read_plain(path)).hexdigest() == sha256:
                return PurePosixPath(folder, name)
        raise AssertionError("names never end")

    def _move(self, old: PurePosixPath, new: PurePosixPath) -> None:
        target = self.into / new
        target.parent.mkdir(parents=True, exist_ok=True)
        for name in _names(target.name, "again"):
            if not os.path.lexists(target.with_name(name)):
                target = target.with_name(name)
                break
        (self.into / old).rename(target)
        _on_disk(target.parent)

    def _write(self, place: PurePosixPath, data: bytes) -> None:
        target = self.into / place
        target.parent.mkdir(parents=True, exist_ok=True)
        beside = target.with_name(f".{target.name}.part")
        with open(beside, "wb", opener=lambda name, flags: os.open(name, flags | NO_LINK, 0o666)) as file:
            file.write(data)
            file.flush()
            os.fsync(file.fileno())
        beside.replace(target)
        _on_disk(target.parent)


def _check_folder(label: str, item: Item, into: Path) -> None:
    """Check that a label can be a folder's name, and the folder is in its place: a log may come with a stranger's pictures.

    Raises:
        DataError: it cannot.
    """
    try:
        same = checked_class(label) == label
    except UsageError:
        same = False
    if not same:
        raise DataError(
            f"{item.name} cannot be filed under {label[:LONGEST]!r}, which no class can be called; give it another label"
        )
    if leads_out(into / label, into):
        raise DataError(
            f"{item.name} cannot be filed under {label}, as that folder of {into} is a link that leads out of it"
        )


def _folder(standing: Standing) -> str | None:
    return None if standing.fate is Fate.REMOVED else standing.label


def _names(name: str, sha256: str) -> Iterator[str]:
    plain = PurePosixPath(name)
    yield name
    yield f"{plain.stem}-{sha256[:APART]}{plain.suffix}"
    number = 2
    while True:
        yield f"{plain.stem}-{sha256[:APART]}-{number}{plain.suffix}"
        number += 1


def _on_disk(folder: Path) -> None:
    """Have the folder's entries written to the disk, where the system can be told to."""
    if os.name == "nt":
        return
    opened = os.open(folder, os.O_RDONLY)
    try:
        os.fsync(opened)
    finally:
        os.close(opened)
