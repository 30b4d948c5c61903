"""The origins of a folder's items: which line of which record is about which file that is there."""

from __future__ import annotations

import hashlib
from collections import Counter
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

from ...core.cores import available_cores
from ...core.errors import SourceError
from ...core.ordered_map import ordered_map
from ...core.plain_file import read_plain
from ...core.ports import Progress
from ...data.edits.edit import Fate
from ...data.edits.log import EditLog
from ...data.edits.places import log_place
from ...data.image.files import IMAGES
from ...data.provenance.line import FILE, Provenance
from ...data.provenance.record import read_record
from ...data.sources.folder import walk

REMOVED = "removed"
"""The folder for what was taken out."""


@dataclass(frozen=True)
class Origins:
    """Items by name, each with its line, and what does not fit together."""

    known: Mapping[str, Provenance]
    """Item → its line, with the name that the item has now."""
    unknown: tuple[str, ...]
    """Items that no line is about."""
    removed: tuple[str, ...]
    """Items that a person has taken out, by the log of edits; their files are still there."""
    gone: int
    """Lines about files that are no longer there."""

    def counts(self) -> list[tuple[tuple[str, str], int]]:
        """(licence, source) → items, the most frequent first."""
        found = Counter((line.licence, line.source) for line in self.known.values())
        return sorted(found.items(), key=lambda one: (-one[1], one[0]))

    def without(self, names: Iterable[str]) -> Origins:
        """The same with further items taken out."""
        out = tuple(names)
        known = {name: line for name, line in self.known.items() if name not in out}
        return replace(self, known=known, removed=tuple(sorted({*self.removed, *out})))

    def to_json(self) -> dict[str, Any]:
        """Return the counts, as ``provenance --json`` prints them."""
        rows = [{"licence": licence, "source": source, "items": n} for (licence, source), n in self.counts()]
        return {
            "items": len(self.known) + len(self.unknown),
            "without_line": len(self.unknown),
            "removed": len(self.removed),
            "gone": self.gone,
            "by_licence": rows,
        }


def origins_of(folder: Path, progress: Progress) -> Origins:
    """Find the origin of every picture below a folder, by the bytes, so that one that was moved keeps its origin.

    Raises:
        SourceError: there is no such folder, or a record cannot be read.
        DataError: the log of edits cannot be read.
    """
    if not folder.is_dir():
        raise SourceError(f"{folder} is no folder; give the folder that pictures were gathered into")
    names = sorted(name for name in _pictures(folder) if not name.startswith(f"{REMOVED}/"))
    sums = dict(_sums(folder, names, progress))
    out = _taken_out(folder)
    lines = list(_lines(folder))
    by_name = {line.name: line for line in lines}
    by_sum = {line.sha256: line for line in lines}
    known: dict[str, Provenance] = {}
    unknown, removed = [], []
    for name in names:
        line = by_name.get(name)
        if line is None or line.sha256 != sums[name]:
            line = by_sum.get(sums[name])
        if name in out:
            removed.append(name)
        elif line is None:
            unknown.append(name)
        else:
            known[name] = replace(line, name=name)
    gone = len({line.sha256 for line in lines} - set(sums.values()))
    return Origins(known, tuple(unknown), tuple(removed), gone)


def _pictures(folder: Path) -> Iterator[str]:
    return (file.name for file in walk(folder, folder.name, IMAGES, None).inputs)


def _lines(folder: Path) -> Iterator[Provenance]:
    """Yield the lines of all records below the folder, with names relative to it; nearer records come last, and count."""
    records = sorted(folder.rglob(FILE), key=lambda path: len(path.parts))
    for record in records:
        below = record.parent.relative_to(folder).as_posix()
        start = "" if below == "." else f"{below}/"
        for line in read_record(record.parent):
            yield replace(line, name=f"{start}{line.name}")


def _sums(folder: Path, names: list[str], progress: Progress) -> Iterator[tuple[str, str]]:
    def summed(name: str) -> str:
        try:
            return hashlib.sha256(read_plain(folder / name)).hexdigest()
        except OSError:
            return ""  # gone meanwhile, or not to be read: no line is about it

    workers = available_cores()
    with progress.stage("read pictures", len(names)) as advance:
        for name, found in zip(names, ordered_map(summed, names, workers=workers, ahead=64), strict=True):
            advance(1)
            yield name, found


def _taken_out(folder: Path) -> frozenset[str]:
    stood = EditLog.open(log_place(folder)).standings.all()
    return frozenset(one.item.name for one in stood if one.standing.fate is Fate.REMOVED)
