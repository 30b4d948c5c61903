"""``drivetrain rollout export|verify``: a rollout's log as a file, and whether each line is as it was written, and follows."""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

from ..core.local_path import local_path
from .flags import JsonFlag
from .opened_store import WHERE, opened_store
from .rollouts_in_store import RolloutArgument, row_of

if TYPE_CHECKING:
    from ..core.rollout_records import LogLine, RolloutRow
    from ..rollout.verified_log import VerifiedLog
    from ..store.log_export import LogEnd
    from ..store.sql_store import SqlStore

StoreOption = Annotated[str | None, typer.Option("--store", metavar="STORE", help=WHERE)]

_LONG = 20_000
"""Lines from which on it takes long enough for a bar."""


def export(
    out: Annotated[
        Path, typer.Argument(metavar="OUT", parser=local_path, help="File to write: JSON lines, such as log.jsonl.")
    ],
    rollout: RolloutArgument = None,
    store: StoreOption = None,
    json: JsonFlag = False,
) -> None:
    """Write a rollout's whole log to a file.

    It can be verified by itself.
    """
    from ..store.log_export import export_log
    from .console import print_json, print_line

    with opened_store(store) as opened:
        row = row_of(opened, rollout)
        end = export_log(opened, row.id, out)
    if json:
        print_json({"out": str(out), "rollout": row.name, **_end(end)})
        return
    print_line(f"wrote {end.number:,} lines of {row.name} to {out}; the last has the hash {end.hash}")


def verify(
    log: Annotated[
        Path | None,
        typer.Argument(
            metavar="[LOG]", parser=local_path, show_default=False, help="An exported log; else the store's."
        ),
    ] = None,
    rollout: Annotated[
        str | None, typer.Option(metavar="NAME", help="The rollout in the store, by name or id.")
    ] = None,
    store: StoreOption = None,
    json: JsonFlag = False,
) -> None:
    """Verify that no line of a log was changed or left out, and recompute from it every draw, gate and turn.

    Exit code 1, with the line, where one was, was put in later, or says what does not follow from those before. A file by itself
    cannot tell that its end is missing, nor what it was to be drawn for: with --store it is held against the log there, and the
    salt is at hand.
    """
    from .console import SAID_NO, print_json

    if log is not None and store is None and rollout is None:
        what, found = str(log), _chain_of(log)
    else:
        with opened_store(store) as opened:
            row = row_of(opened, rollout)
            what, found = _in_store(opened, row) if log is None else (str(log), _against_store(log, opened, row))
    print_json(found.to_json()) if json else _print_found(what, found)
    if found.problem is not None or found.differences:
        raise typer.Exit(SAID_NO)


def _in_store(store: SqlStore, row: RolloutRow) -> tuple[str, VerifiedLog]:
    from ..rollout.verified_log import verify_lines

    return f"the log of {row.name}", verify_lines(_with_progress(store.verify_log(row.id), row.head), row.salt)


def _chain_of(log: Path) -> VerifiedLog:
    """Verify a file by itself."""
    from ..core.errors import StoreError
    from ..rollout.verified_log import VerifiedLog
    from ..store.log_export import verify_file

    try:
        end = verify_file(log)
    except StoreError as error:
        return VerifiedLog(problem=str(error))
    return VerifiedLog(end.number, end.hash)


def _against_store(log: Path, store: SqlStore, row: RolloutRow) -> VerifiedLog:
    """Verify a file, hold it against the log in a store, and recompute it with the salt there."""
    from ..rollout.verified_log import VerifiedLog, verify_lines
    from ..store.log_export import LogEnd, is_beginning, lines_of_file

    found = _chain_of(log)
    if found.lines is None or found.hash is None:
        return found
    if not is_beginning(store, row.id, LogEnd(found.lines, found.hash)):
        return VerifiedLog(problem=f"{log} is not the beginning of the log of {row.name} in the store")
    return verify_lines(_with_progress(lines_of_file(log), found.lines), row.salt)


def _with_progress(lines: Iterable[LogLine], total: int) -> Iterator[LogLine]:
    """Pass lines on and show how many have been; a short log needs no bar."""
    from .console import ConsoleProgress

    with ConsoleProgress(quiet=total < _LONG, counted="lines").stage("recomputing", total) as advance:
        for line in lines:
            yield line
            advance(1)


def _print_found(what: str, found: VerifiedLog) -> None:
    from .console import print_line

    if found.problem is not None:
        print_line(found.problem)
        return
    print_line(f"{what} is whole: {found.lines:,} lines, the last with the hash {found.hash}")
    for one in found.differences:
        print_line(f"line {one.number}: {one.words}")
    if not found.recomputed:
        print_line("only its chain was looked at; with --store its draws, gates and turns are recomputed as well")
    elif not found.differences:
        print_line("recomputed: every draw, gate and turn follows from the lines before it")


def _end(end: LogEnd) -> dict[str, Any]:
    return {"lines": end.number, "hash": end.hash}
