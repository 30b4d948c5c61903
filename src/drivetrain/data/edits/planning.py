"""The plan of applying edits to a folder of class folders: which file gets which name.

An item whose label and fate are those that it had before any edit goes back to where it lay, so that applying is also the way
back from what was undone since.
"""

from __future__ import annotations

import os
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field, replace
from pathlib import Path, PurePosixPath

from ...core.confined import is_below, links_out
from ...core.errors import DataError
from ...core.types import Dataset, Item
from ..sources.folder import ASIDE, is_litter, label_of, shown
from .edit import Fate, Standing
from .matching import match, there_in
from .moves import Move
from .moving import sha256_of
from .standings import Standings, Stood

ASIDE_FOLDER = "removed"
MOST_BYTES = 255
"""The most bytes of a file's or folder's name on any usual system."""


@dataclass(frozen=True)
class Lying:
    """An edited item's file: where it lies, and where it lay before edits were applied to it."""

    stood: Stood
    file: str
    home: str
    label: str | None
    """The label that reading gives it there."""


@dataclass
class Plan:
    """Names that files are to get, and sentences on those that cannot get theirs."""

    moves: list[Move] = field(default_factory=list)
    left: list[str] = field(default_factory=list)


def lying(standings: Standings, found: Dataset, root: Path) -> tuple[list[Lying], tuple[str, ...]]:
    """Find the files of edited items, those moved out of the way included; and sentences on those that are not found."""
    items = found.items
    matched = match(
        standings,
        [item.name for item in items],
        [item.reference for item in items],
        there_in(root),
    )
    lies = [_at(stood, relative(items[row], root), items[row].label) for row, stood in matched.rows.items()]
    away = [
        _at(stood, stood.file, None)
        for stood in standings.all()
        if stood.file is not None
        and stood not in matched.rows.values()
        and (root / stood.file).is_file()
        and sha256_of(root / stood.file) == stood.item.sha256
    ]
    return [*lies, *away], matched.unmatched


def relative(item: Item, root: Path) -> str:
    """The file's name below the root, as the file system has it."""
    return Path(os.path.relpath(item.path, root)).as_posix()


def _at(stood: Stood, file: str, label: str | None) -> Lying:
    moved_by_us = stood.home is not None
    return Lying(stood, file, (stood.home if moved_by_us and stood.home else file), label)


def plan_moves(files: Sequence[Lying], root: Path, aside: str, classes: Sequence[str | None]) -> Plan:
    """Plan where each file is to lie; ``classes`` are the labels that reading finds in the folder."""
    plan, wanted = Plan(), dict[str, tuple[Lying, str]]()
    for one in sorted(files, key=lambda one: one.file):
        try:
            place = _place(one, root, aside, classes)
            _check_links(one.file, place, root)
            wanted[one.file] = (one, place)
        except DataError as error:
            plan.left.append(str(error))
    waiting = {file: place for file, (_, place) in wanted.items() if file != place}
    digests = {file: one.stood.item.sha256 for file, (one, _) in wanted.items()}
    taken = set[str]()
    while waiting:
        progressed = False
        for file, place in sorted(waiting.items()):
            home = place == wanted[file][0].home
            free = place if home else _free(place, root, taken)
            blocked = os.path.lexists(root / free) and free not in _left(plan)
            if free in taken or blocked:
                continue
            plan.moves.append(Move(file, free, digests[file] or sha256_of(root / file)))
            taken.add(free)
            del waiting[file]
            progressed = True
        if not progressed:
            plan.left += [
                f"{shown(file)} cannot go back to {shown(place)}, as another file lies there"
                for file, place in sorted(waiting.items())
            ]
            break
    return plan


def _check_links(file: str, place: str, root: Path) -> None:
    """Check that a file that is to be moved neither lies outside the root nor would.

    Raises:
        DataError: a folder on the way is a link that leads out.
    """
    if file != place and (out := links_out((file, place), root)):
        raise DataError(
            f"{shown(file)} stays where it is, as the way to {shown(out)} leads out of the folder by a link"
        )


def _left(plan: Plan) -> set[str]:
    """The names that files have left by what is planned so far."""
    return {move.old for move in plan.moves} - {move.new for move in plan.moves}


def _place(one: Lying, root: Path, aside: str, classes: Sequence[str | None]) -> str:
    """The name that a file is to have.

    Raises:
        DataError: its label is in no folder's name, or can be in none.
    """
    standing, original = one.stood.standing, one.stood.original
    if standing.fate is Fate.REMOVED:
        if one.file.startswith(f"{aside}/"):
            return one.file
        return f"{aside}/{one.home}"
    if (standing.label, standing.labels) == (original.label, original.labels):
        return one.home
    if one.label is not None and one.label == standing.label:
        return one.file
    return _relabelled(one, standing, original, root, aside, classes)


def _relabelled(
    one: Lying, standing: Standing, original: Standing, root: Path, aside: str, classes: Sequence[str | None]
) -> str:
    *folders, name = one.home.split("/")
    if standing.label is None:
        raise DataError(f"{shown(one.home)} cannot lose its label in a folder of class folders; remove it instead")
    _check_folder(standing.label, one.home, aside)
    if original.label is None:
        return "/".join([standing.label, *folders, name])
    places = [place for place, folder in enumerate(folders) if label_of(folder) == original.label]
    if not places:
        raise DataError(f"the label {original.label!r} of {shown(one.home)} is not the name of a folder it lies in")
    above = folders[: places[0]]
    new = _folder_named(standing.label, root.joinpath(*above)) if standing.label in classes else standing.label
    return "/".join([*above, new, *folders[places[0] + 1 :], name])


def _folder_named(label: str, above: Path) -> str:
    """The name of the class's folder as it is written on disk, which may compose letters otherwise."""
    if not above.is_dir() or (above / label).is_dir():
        return label
    return next((entry.name for entry in above.iterdir() if entry.is_dir() and label_of(entry.name) == label), label)


def _check_folder(label: str, name: str, aside: str) -> None:
    """Check that a label can be the name of a class folder.

    Raises:
        DataError: it cannot.
    """
    odd = label in ("", ".", "..", aside) or "/" in label or "\\" in label or "\0" in label or is_litter(label)
    size = len(label.encode("utf-8", "surrogatepass"))
    if odd or not is_below(label) or label != label.strip() or size > MOST_BYTES or label_of(label) != label:
        raise DataError(
            f"{shown(name)} cannot go to a class folder called {label!r}; choose another name for the class"
        )


def _free(place: str, root: Path, taken: set[str]) -> str:
    """The place itself, or where it is taken the next one with a number."""
    path = PurePosixPath(place)
    for number in range(1, 100_000):
        name = path.name if number == 1 else f"{path.stem} ({number}){path.suffix}"
        free = str(path.with_name(name)) if "/" in place else name
        if free not in taken and not os.path.lexists(root / free):
            return free
    return place


def aside_folder(root: Path, known: str | None) -> str:
    """The folder for what is removed: the one used before, else one of a name that nothing has."""
    if known is not None:
        return known
    names = (ASIDE_FOLDER, *(f"{ASIDE_FOLDER}-{number}" for number in range(2, 1000)))
    return next(name for name in names if not os.path.lexists(root / name) or (root / name / ASIDE).is_file())


def folders_of(moves: Sequence[Move], root: Path) -> Iterator[str]:
    """The folders that have to be made, those above before those below."""
    wanted = {str(above) for move in moves for above in PurePosixPath(move.new).parents if str(above) != "."}
    for folder in sorted(wanted, key=lambda one: (one.count("/"), one)):
        if not (root / folder).exists():
            yield folder


def as_it_stands(files: Sequence[Lying], now: Mapping[str, str | None], moves: Sequence[Move]) -> str | None:
    """Say which file reads otherwise than it was edited to, after it was moved; None where all do."""
    places = {move.old: move.new for move in moves}
    for one in files:
        standing, place = one.stood.standing, shown(places.get(one.file, one.file))
        if one.file not in places:
            continue
        if standing.fate is Fate.REMOVED and place in now:
            return f"{place} is still read, although it was removed"
        if standing.fate is not Fate.REMOVED and now.get(place) != standing.label:
            said = "is not read" if place not in now else f"is read as {now[place]!r}"
            return f"{place} {said} there, and not as {standing.label!r}"
    return None


def nothing_labelled(found: Dataset) -> Dataset:
    """Return the data set with every label left out."""
    return replace(found, items=tuple(replace(item, label=None, labels=None) for item in found.items))
