"""``drivetrain rollout export|verify``: a rollout's log as a file, and whether every line of it is as it was written."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

from ..core.local_path import local_path
from .flags import JsonFlag
from .opened_store import WHERE, opened_store
from .rollouts_in_store import RolloutArgument, row_of

if TYPE_CHECKING:
    from ..core.rollout_records import RolloutRow
    from ..store.log_export import LogEnd
    from ..store.sql_store import SqlStore

StoreOption = Annotated[str | None, typer.Option("--store", metavar="STORE", help=WHERE)]


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
    """Verify that no line of a log was changed or left out.

    Exit code 1, with the line, where one was, or was put in later. The store's log is recomputed as well: every draw from the
    salt, every turn, and what each advance rested on. A file by itself cannot tell that its end is missing: with
    --store it is held against the log there.
    """
    from ..store.log_export import LogEnd, is_beginning, verify_file
    from .console import SAID_NO, print_json, print_line

    if log is None:
        with opened_store(store) as opened:
            row = row_of(opened, rollout)
            what = f"the log of {row.name}"
            found: LogEnd | str = _checked(lambda: _recomputed(opened, row))
    else:
        what, found = str(log), _checked(lambda: verify_file(log))
        if isinstance(found, LogEnd) and (store is not None or rollout is not None):
            with opened_store(store) as opened:
                row = row_of(opened, rollout)
                if not is_beginning(opened, row.id, found):
                    found = f"{log} is not the beginning of the log of {row.name} in the store"
    if json:
        problem, end = (None, found) if isinstance(found, LogEnd) else (found, None)
        print_json({"whole": problem is None, "problem": problem, **_end(end)})
    elif isinstance(found, LogEnd):
        print_line(f"{what} is whole: {found.number:,} lines, the last with the hash {found.hash}")
    else:
        print_line(found)
    if not isinstance(found, LogEnd):
        raise typer.Exit(SAID_NO)


def _checked(look: Callable[[], LogEnd]) -> LogEnd | str:
    """Return the end of a log, or say what is wrong with a line of it."""
    from ..core.errors import LogError, StoreError

    try:
        return look()
    except (LogError, StoreError) as error:
        return str(error)


def _recomputed(store: SqlStore, row: RolloutRow) -> LogEnd:
    """Read a rollout's log to its end, and hold every line against what those before it lead to: whoever changes a line and
    hashes all behind it anew keeps the chain whole, and still has not the evidence.

    Raises:
        LogError: a line says what the log before it does not lead to; says which.
    """
    from ..core.errors import LogError
    from ..rollout.recomputation import Recomputation
    from ..store.log_export import LogEnd

    recomputation = Recomputation(row.salt, draws=row.shadow_of is None)
    try:
        for found in recomputation.take(store.verify_log(row.id)):
            raise LogError(f"line {found.number}: {found.words}")
    except LogError as error:
        raise LogError(f"the log of rollout {row.name}: {error}; its hashes fit, what it says does not") from None
    return LogEnd(recomputation.lines, recomputation.head_hash)


def _end(end: LogEnd | None) -> dict[str, Any]:
    return {"lines": None if end is None else end.number, "hash": None if end is None else end.hash}
