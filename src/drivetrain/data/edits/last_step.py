"""Undoing and redoing whatever was done last: edits, or their being applied to files."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from datetime import datetime

from ...core.ports import Progress
from .applying import do_again, finish, take_back
from .log import EditLog, Recorded
from .moves import Journal
from .standings import Applied, Step
from .undoing import Refused

Done = Recorded | Journal


def undo_last(log: EditLog, by: str | None, at: datetime, progress: Progress | None = None) -> Done | Refused:
    """Take back the newest thing that a person has done, or anybody where none is named.

    Raises:
        DataError: the log or a file cannot be written.
    """
    log.refresh()
    found = _newest(log.standings.done, log.standings.applied, by)
    if found is None:
        return Refused(f"there is nothing to undo{f' for {by}' if by else ''}")
    if isinstance(found, Applied):
        return take_back(log, found.journal, by or found.journal.by, at, progress)
    return log.undo(found.by, at)


def redo_last(log: EditLog, by: str | None, at: datetime, progress: Progress | None = None) -> Done | Refused:
    """Make again what a person, or anybody where none is named, has undone last.

    Raises:
        DataError: the log or a file cannot be written.
    """
    log.refresh()
    found = _newest(log.standings.undone, log.standings.unapplied, by)
    if found is None:
        return Refused(f"there is nothing to redo{f' for {by}' if by else ''}")
    if isinstance(found, Applied):
        return do_again(log, found.journal, by or found.journal.by, at, progress)
    return log.redo(found.by, at)


def every(last: Callable[[], Done | Refused]) -> Iterator[Done | Refused]:
    """Repeat until nothing is left, or something is refused, which comes last.

    Raises:
        DataError: the log or a file cannot be written.
    """
    while True:
        done = last()
        yield done
        if isinstance(done, Refused):
            return


def finished(log: EditLog, progress: Progress | None = None) -> bool:
    """Finish what a killed program has begun to do to files; tells whether there was anything.

    Raises:
        DataError: it cannot be done.
    """
    log.refresh()
    if log.standings.pending is None:
        return False
    with log.alone() as alone:
        return finish(alone, log.path.parent, progress)


def _newest(steps: Sequence[Step], applied: Sequence[Applied], by: str | None) -> Step | Applied | None:
    mine: list[Step | Applied] = [one for one in steps if by in (None, one.by)]
    mine += [one for one in applied if by in (None, one.journal.by)]
    return max(mine, key=lambda one: one.turn, default=None)
