"""Applying edits to the files themselves, and taking that back. Nothing is deleted.

Whatever is done stands in the log before it is done, so that a program that is killed leaves something to be finished: the next
call does so first.
"""

from __future__ import annotations

import os
from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace
from datetime import datetime
from pathlib import Path

from ...core.errors import DataError, DrivetrainError, SourceError, UsageError
from ...core.local_path import local_path
from ...core.plain_file import read_plain, write_plain
from ...core.ports import Progress
from ...core.types import Dataset
from ..image.files import IMAGES
from ..sources.archive import is_archive
from ..sources.file_form import FileForm
from ..sources.folder import shown, walk
from ..sources.locate import Place
from ..sources.opening import open_source
from .edit import Fate
from .log import Alone, EditLog
from .moves import MOVED, MOVES, Journal
from .moving import carry_out, check_links, sha256_of, sync_file, sync_folder
from .places import log_place
from .planning import (
    Lying,
    as_it_stands,
    aside_folder,
    folders_of,
    lying,
    nothing_labelled,
    plan_moves,
)
from .standings import Standings
from .tables import Listed, Rewrite, listed, rewrites, swap_of, tables_of
from .undoing import Refused

REWRITTEN = (".csv", ".tsv", ".jsonl")


@dataclass(frozen=True, slots=True)
class Outcome:
    """The changes made to files; ``journal`` is None where there was nothing to do."""

    journal: Journal | None
    left: tuple[str, ...] = ()
    """Sentences on edits that could not be applied."""


@dataclass(frozen=True)
class _Planned:
    files: tuple[Lying, ...]
    journal: Journal
    rewritten: tuple[Rewrite, ...]
    left: tuple[str, ...]


def apply_edits(
    source: str | os.PathLike[str], by: str, at: datetime, progress: Progress | None = None, form: FileForm = IMAGES
) -> Outcome:
    """Move files to the folders of their labels, those removed to ``removed/``; of a table write the labels and leave out rows.

    Raises:
        UsageError: there are no edits, or the source is an archive or another file that is not rewritten.
        DataError: the log or the source cannot be read or written; everything is as it was.
    """
    path = local_path(source)
    _check_kind(path)
    log = opened(path)
    root = log.path.parent
    with log.alone() as alone:
        finish(alone, root, progress)
        planned = _plan(path, root, alone, by, at, form)
        if not (planned.journal.moves or planned.journal.swaps):
            return Outcome(None, planned.left)
        check_links(planned.journal, root)
        _keep_tables(planned, root)
        alone.write(MOVES, planned.journal.to_line())
        try:
            left = carry_out(planned.journal, root, progress)
            _check_read(path, planned, form)
        except DrivetrainError as error:
            _carry_out(planned.journal.reversed(alone.new_id(), at, by), alone, root, progress)
            raise DataError(f"{error}; every file is back where it was") from None
        alone.write(MOVED, {"of": planned.journal.id})
        return Outcome(planned.journal, (*planned.left, *left))


def opened(source: str | os.PathLike[str]) -> EditLog:
    """Open the log of a source that has one.

    Raises:
        UsageError: it has none.
        DataError: it cannot be read.
    """
    place = log_place(source)
    if not place.exists():
        title = shown(str(source))
        if not Path(source).exists():
            raise UsageError(f"there is no {title}; give the folder or table that was edited")
        raise UsageError(
            f"{title} has no edits ({shown(str(place))} is not there); drivetrain clean {title} makes some"
        )
    return EditLog.open(place)


def finish(alone: Alone, root: Path, progress: Progress | None = None) -> bool:
    """Finish what a killed program has begun to do to files; tells whether there was anything.

    Raises:
        DataError: it cannot be done.
    """
    pending = alone.log.standings.pending
    if pending is None:
        return False
    left = carry_out(pending, root, progress, again=True)
    alone.write(MOVED, {"of": pending.id, "not_moved": list(left)})
    return True


def take_back(
    log: EditLog, journal: Journal, by: str, at: datetime, progress: Progress | None = None
) -> Journal | Refused:
    """Put every file back that applying edits has moved, and every table; refused where one has been changed since.

    Raises:
        DataError: a file cannot be moved.
    """
    return _reapplied(log, lambda alone: journal.reversed(alone.new_id(), at, by), progress)


def do_again(
    log: EditLog, journal: Journal, by: str, at: datetime, progress: Progress | None = None
) -> Journal | Refused:
    """Apply once more what was taken back; refused where a file has been changed since.

    Raises:
        DataError: a file cannot be moved.
    """
    return _reapplied(log, lambda alone: journal.again(alone.new_id(), at, by), progress)


def _reapplied(log: EditLog, make: Callable[[Alone], Journal], progress: Progress | None) -> Journal | Refused:
    root = log.path.parent
    with log.alone() as alone:
        finish(alone, root, progress)
        # Folders that any applying has made go where nothing is left in them.
        journal = replace(make(alone), unmade=made_once(log.standings))
        if why := _in_the_way(journal, root):
            return Refused(
                f"cannot {'undo' if journal.undoes else 'redo'} the applying of edits: {why}; nothing was moved"
            )
        _carry_out(journal, alone, root, progress)
        return journal


def made_once(standings: Standings) -> tuple[str, ...]:
    """The folders that applying edits has made, those below before those above."""
    return tuple(sorted(standings.made, key=lambda folder: (-folder.count("/"), folder)))


def _carry_out(journal: Journal, alone: Alone, root: Path, progress: Progress | None) -> None:
    check_links(journal, root)
    alone.write(MOVES, journal.to_line())
    left = carry_out(journal, root, progress)
    alone.write(MOVED, {"of": journal.id, "not_moved": list(left)})


def _in_the_way(journal: Journal, root: Path) -> str | None:
    """Say which file keeps a journal from being carried out as it stands; None where none does."""
    leaving = {move.old for move in journal.moves}
    for move in journal.moves:
        if not os.path.lexists(root / move.old):
            return f"{shown(move.old)} is gone"
        if move.sha256 and sha256_of(root / move.old) != move.sha256:
            return f"{shown(move.old)} is another file now"
        if os.path.lexists(root / move.new) and move.new not in leaving:
            return f"another file lies at {shown(move.new)}"
    for swap in journal.swaps:
        if not (root / swap.table).is_file() or sha256_of(root / swap.table) != swap.old_sha256:
            return f"{shown(swap.table)} has been changed since"
        if not (root / swap.new).is_file():
            return f"the copy {shown(swap.new)} is gone"
    return None


def _check_kind(path: Path) -> None:
    """Check that a source's files can be moved, or its text rewritten.

    Raises:
        UsageError: they cannot.
    """
    title = shown(str(path))
    if path.is_dir() or not path.exists() or path.suffix.lower() in REWRITTEN:
        return
    if path.suffix.lower() == ".parquet":
        raise UsageError(
            f"{title} is a Parquet table, which is not rewritten; training reads it with the edits all the same (a CSV, TSV or "
            "JSON lines table can be rewritten)"
        )
    if is_archive(path):
        raise UsageError(
            f"{title} is an archive, which is not rewritten; training reads it with the edits all the same (to apply them, "
            f"unpack it to a folder, copy {shown(log_place(path).name)} there as edits.jsonl, and give the folder)"
        )
    raise UsageError(f"{title} is neither a folder nor a table; give the folder or table that was edited")


def _plan(path: Path, root: Path, alone: Alone, by: str, at: datetime, form: FileForm) -> _Planned:
    standings = alone.log.standings
    known = next((one.journal.aside for one in reversed(standings.applied) if one.journal.aside), None)
    aside = aside_folder(root, known)
    tables = _tables(path, root, alone.log, form)
    files: list[Lying] = []
    if tables:
        rewritten, left = rewrites(tables, standings, root)
        plan_left: Sequence[str] = ()
        moves = []
    else:
        found = _as_it_lies(path, form)
        files, left = lying(standings, found, root)
        plan = plan_moves(files, root, aside, found.classes)
        moves, plan_left, rewritten = plan.moves, plan.left, []
    swaps = tuple(swap_of(one, aside) for one in rewritten)
    needed = [aside] if swaps and not (root / aside).exists() else []
    made = (*needed, *(folder for folder in folders_of(moves, root) if folder not in needed))
    staying = {str(above) for move in moves for above in Path(move.new).parents}
    unmade = [folder for folder in made_once(standings) if folder not in staying and not swaps]
    uses_aside = bool(swaps) or any(move.new.startswith(f"{aside}/") for move in moves)
    journal = Journal(
        alone.new_id(),
        at,
        by,
        tuple(moves),
        swaps,
        made,
        tuple(unmade),
        aside if uses_aside or known is not None else None,
    )
    return _Planned(tuple(files), journal, tuple(rewritten), (*left, *plan_left))


def _tables(path: Path, root: Path, log: EditLog, form: FileForm) -> list[Listed]:
    """The tables that give the labels of edited items; none where class folders do."""
    if not path.is_dir():
        if not path.exists():  # its log is still there
            raise UsageError(f"there is no {shown(str(path))}; put it back beside {shown(log.path.name)}")
        one = listed(root, path.name, Place(str(root)), "path", form, log.standings)
        if one is None:
            open_source(path, form=form)  # which says what is wrong with it
            raise DataError(f"{shown(str(path))} gives no labels")
        return [one]
    tree = walk(path, shown(str(path)), form)
    found: list[Listed] = []
    for name, place, column in tables_of(tree):
        one = listed(root, name, place, column, form, log.standings)
        if one is not None and (column == "file_name" or not _named_by_folders(log)):
            found.append(one)
    names = {item.name for one in found for item in one.items}
    return found if any(stood.item.name in names for stood in log.standings.all()) else []


def _named_by_folders(log: EditLog) -> bool:
    """Tells whether every edited item lay in a folder of its label's name."""
    stoods = log.standings.all()
    return all(stood.original.label in stood.origin.split("/")[:-1] for stood in stoods)


def _as_it_lies(path: Path, form: FileForm) -> Dataset:
    """Read a folder without edits, also one without any labels."""
    try:
        return open_source(path, form=form)
    except SourceError:
        return nothing_labelled(open_source(path, form=form, labelled=False))


def _keep_tables(planned: _Planned, root: Path) -> None:
    """Keep copies of tables as they are and as they will be."""
    for swap, one in zip(planned.journal.swaps, planned.rewritten, strict=True):
        for name, data in ((swap.old, one.old), (swap.new, one.new)):
            place = root / name
            try:
                place.parent.mkdir(exist_ok=True)
                if not place.exists() or read_plain(place) != data:
                    write_plain(place, data)
                    sync_file(place)
                    sync_folder(place.parent)
            except OSError as error:
                raise DataError(
                    f"cannot write {shown(str(place))}: {error.strerror or error}; make room or give write permission there"
                ) from None


def _check_read(path: Path, planned: _Planned, form: FileForm) -> None:
    """Check that what was moved is read as it was edited.

    Raises:
        DataError: it is not.
        SourceError: nothing can be read any more.
    """
    if planned.journal.swaps:
        open_source(path, form=form)
    stays = [one for one in planned.files if one.stood.standing.fate is not Fate.REMOVED]
    if not stays or not any(one.stood.standing.label is not None for one in stays):
        return
    now = {item.name: item.label for item in _as_it_lies(path, form).items}
    if wrong := as_it_stands(planned.files, now, planned.journal.moves):
        raise DataError(f"the folder's own way of being read does not allow it: {wrong}")
