"""The one writer: bytes and their provenance → a file in the folder and a line in its record.

Whatever yields pictures, a search or a video, is written here. A picture is first written to a hidden file beside its place;
then its line goes to disk, and then the file takes its place. A run that was killed between is finished at the next start, so
that no picture is without its line, and half a picture is never seen.
"""

from __future__ import annotations

import hashlib
import os
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import replace
from pathlib import Path, PurePosixPath

from ...core.cores import available_cores
from ...core.errors import InputError, UsageError
from ...core.ordered_map import ordered_map
from ...core.plain_file import read_plain
from ...core.ports import Progress
from ...core.types import ItemFacts
from ...data.image.decode import decode
from ...data.image.facts import facts_of
from ...data.image.files import IMAGES
from ...data.provenance.line import Provenance
from ...data.provenance.record import ProvenanceRecord
from ...data.sources.folder import walk
from .known import Known
from .origins import REMOVED
from .prepared import Prepared, prepare
from .refusal import NotFetchedError

DUPLICATE = "duplicate"

# Characters of the hash by which files are called.
NAME_LENGTH = 16
# The beginning of a hidden file's name that is a picture on its way.
_START = ".gathering-"


class Writer:
    """Writes pictures into one folder. For one thread, but for `prepare`."""

    def __init__(self, folder: Path, record: ProvenanceRecord, known: Known, resize: int | None) -> None:
        self.folder = folder
        self._record = record
        self._known = known
        self._resize = resize

    @property
    def lines(self) -> list[Provenance]:
        """The provenance of all that is there, and of what was."""
        return self._record.lines

    def prepare(self, data: bytes) -> Prepared:
        """Look into a picture; any thread may do that.

        Raises:
            ImageError: it is of no use.
        """
        return prepare(data, self._resize)

    def write(self, data: bytes, origin: Provenance) -> Provenance:
        """Write a picture, see `keep`.

        Raises:
            ImageError: it is of no use.
            NotFetchedError: it is a copy of one that is there.
            OSError: the disk is full, or may not be written.
        """
        return self.keep(self.prepare(data), origin)

    def keep(self, prepared: Prepared, origin: Provenance) -> Provenance:
        """Write a picture, and return its provenance as recorded.

        ``origin.name`` is the wish for its name: a class folder alone (``grizzly/``, or empty), or with a name without an ending
        (``grizzly/clip-0012``). ``origin.sha256`` is not looked at.

        Raises:
            NotFetchedError: it is a copy of one that is there.
            OSError: the disk is full, or may not be written.
        """
        copied = self._known.copy_of(prepared.facts)
        if copied is not None:
            raise NotFetchedError(DUPLICATE, f"a copy of {copied}")
        name = self._free_name(origin.name, prepared)
        place = self.folder / name
        place.parent.mkdir(parents=True, exist_ok=True)
        part = place.with_name(f"{_START}{place.name}")
        _write_through(part, prepared.data)
        line = replace(origin, name=name, sha256=prepared.sha256)
        self._record.add([line])
        part.replace(place)
        self._known.add(name, prepared.facts)
        return line

    def _free_name(self, wish: str, prepared: Prepared) -> str:
        stem = f"{wish}{prepared.sha256[:NAME_LENGTH]}" if wish.endswith("/") or not wish else wish
        number, name = 1, f"{stem}{prepared.ending}"
        while os.path.lexists(self.folder / name):
            number += 1
            name = f"{stem} ({number}){prepared.ending}"
        return name


@contextmanager
def open_writer(folder: Path, *, resize: int | None, progress: Progress) -> Iterator[Writer]:
    """Open a folder for gathering, made if need be. What an earlier run left is finished, and its pictures are looked at.

    Raises:
        UsageError: it is a file, or another program gathers into it.
        SourceError: its record cannot be read.
    """
    if folder.exists() and not folder.is_dir():
        raise UsageError(f"{folder} is a file; --into takes a folder")
    folder.mkdir(parents=True, exist_ok=True)
    record = ProvenanceRecord(folder)
    try:
        _finish(folder, record.lines)
        yield Writer(folder, record, _looked_at(folder, progress), resize)
    finally:
        record.close()


def _finish(folder: Path, lines: list[Provenance]) -> None:
    """Put files in their place whose line was written, and take away those without, which the next run fetches again."""
    sums = {line.name: line.sha256 for line in lines}
    for part in sorted(folder.rglob(f"{_START}*")):
        place = part.with_name(part.name.removeprefix(_START))
        name = place.relative_to(folder).as_posix()
        whole = name in sums and hashlib.sha256(read_plain(part)).hexdigest() == sums[name]
        if whole and not os.path.lexists(place):
            part.replace(place)
        else:
            part.unlink()


def _looked_at(folder: Path, progress: Progress) -> Known:
    """Look at the pictures below a folder. Those that a person took out are among them, so as not to come again."""
    known = Known()
    places = [folder, *(one for one in [folder / REMOVED] if one.is_dir())]
    files = {file.path: file for place in places for file in walk(place, folder.name, IMAGES, None).inputs}.values()
    if not files:
        return known
    workers = available_cores()
    with progress.stage("look at what is there", len(files)) as advance:
        paths = (Path(file.path) for file in files)
        for file, facts in zip(files, ordered_map(_facts, paths, workers=workers, ahead=4 * workers), strict=True):
            if facts is not None:
                known.add(PurePosixPath(file.name).as_posix(), facts)
            advance(1)
    return known


def _facts(path: Path) -> ItemFacts | None:
    try:
        data = read_plain(path)
        return facts_of(hashlib.sha256(data).hexdigest(), decode(data))
    except (InputError, OSError):
        return None  # whatever it is, nothing can be a copy of it


def _write_through(path: Path, data: bytes) -> None:
    file = os.open(path, os.O_WRONLY | os.O_CREAT | os.O_TRUNC | getattr(os, "O_NOFOLLOW", 0), 0o666)
    try:
        view = memoryview(data)
        while view:
            view = view[os.write(file, view) :]
        os.fsync(file)
    finally:
        os.close(file)
