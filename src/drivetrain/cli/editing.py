"""``drivetrain apply``, ``undo``, ``redo`` and ``edits``: the log of what people changed about a data set."""

from __future__ import annotations

from datetime import UTC, datetime
from typing import TYPE_CHECKING, Annotated, Any

import typer

from .flags import JsonFlag

if TYPE_CHECKING:
    from ..data.edits.edit import Edit
    from ..data.edits.last_step import Done
    from ..data.edits.log import EditLog
    from ..data.edits.moves import Journal

Edited = Annotated[str, typer.Argument(metavar="DATA", help="The folder or table that was edited.")]
By = Annotated[
    str | None,
    typer.Option("--by", metavar="NAME", help="Only what this person did (the newest, by anybody, unless given)."),
]
All = Annotated[bool, typer.Option("--all", help="Every step, one after the other.")]


def apply(
    data: Edited,
    by: Annotated[
        str | None,
        typer.Option("--by", metavar="NAME", help="Your name in the log (that of the account unless given)."),
    ] = None,
    json: JsonFlag = False,
) -> None:
    """Apply edits to the files themselves.

    Labels become folders, or cells of a table; what was removed goes to removed/ beside the classes. Nothing is deleted, and
    drivetrain undo puts everything back. Without this, training reads the data with the edits all the same.
    """
    from ..core.account import account_name
    from ..data.edits.applying import apply_edits
    from .console import ConsoleProgress, print_json, print_line, remark

    found = apply_edits(data, by or account_name(), _now(), ConsoleProgress())
    if json:
        about = _journal(found.journal) if found.journal else {"moves": [], "tables": []}
        print_json({"applied": found.journal is not None, **about, "not_applied": list(found.left)})
        return
    print_line(_in_words(found.journal) if found.journal else "nothing to apply: every file lies as it was edited")
    for sentence in found.left:
        remark(f"not applied: {sentence}")


def undo(data: Edited, by: By = None, every: All = False, json: JsonFlag = False) -> None:
    """Take back the last step of editing.

    A step is the edits made at one stroke, or their being applied. It can be taken back further, one step after the other;
    drivetrain redo goes the other way. Where somebody else has changed an item since, it is refused (exit code 1).
    """
    from ..data.edits.last_step import undo_last

    _again(data, lambda log, progress: undo_last(log, by, _now(), progress), every, json)


def redo(data: Edited, by: By = None, every: All = False, json: JsonFlag = False) -> None:
    """Make again what was undone last."""
    from ..data.edits.last_step import redo_last

    _again(data, lambda log, progress: redo_last(log, by, _now(), progress), every, json)


def edits(
    data: Edited,
    by: Annotated[str | None, typer.Option("--by", metavar="NAME", help="Only those of this person.")] = None,
    json: JsonFlag = False,
) -> None:
    """List what people changed about a data set.

    Who changed what, when, from what to what, and why; and how many items stand otherwise now.
    """
    from ..data.edits.applying import opened
    from .console import print_json, print_line, print_table

    log = opened(data)
    _finish(log)
    found = [edit for edit in log.edits if by in (None, edit.by)]
    if json:
        print_json(
            {
                "log": str(log.path),
                "edits": [_edit(edit) for edit in found],
                "standings": [_stood(stood) for stood in log.standings.all()],
                "applied": [_journal(one.journal) for one in log.standings.applied],
            }
        )
        return
    if not found:
        print_line(f"no edits{f' by {by}' if by else ''} in {log.path}")
        return
    print_table([("When", "Who", "Item", "From", "To", "Why"), *map(_row, found)])
    print_line("")
    print_line(_sum(log))


def _now() -> datetime:
    return datetime.now(UTC)


def _again(data: str, last: Any, every_step: bool, json: bool) -> None:
    from ..data.edits.applying import opened
    from ..data.edits.last_step import every
    from ..data.edits.undoing import Refused
    from .console import SAID_NO, ConsoleProgress, print_json, print_line

    log = opened(data)
    _finish(log)
    steps = list(every(lambda: last(log, ConsoleProgress()))) if every_step else [last(log, ConsoleProgress())]
    done = [one for one in steps if not isinstance(one, Refused)]
    refused = next((one.sentence for one in steps if isinstance(one, Refused)), None)
    if json:
        print_json(
            {"steps": [_step(one) for one in done], "refused": refused if not done or not _at_end(refused) else None}
        )
    else:
        for one in done:
            print_line(_step_in_words(one))
        if refused and not (done and _at_end(refused)):
            print_line(refused)
    if refused and not (done and _at_end(refused)):
        raise typer.Exit(SAID_NO)


def _at_end(refused: str | None) -> bool:
    """Tells whether a sentence says only that nothing is left."""
    return refused is not None and refused.startswith("there is nothing")


def _finish(log: EditLog) -> None:
    from ..data.edits.last_step import finished
    from .console import ConsoleProgress, remark

    if finished(log, ConsoleProgress()):
        remark("finished what a program that was killed had begun to move")


def _row(edit: Edit) -> tuple[str, ...]:
    from ..data.edits.undoing import in_words

    why = "undone" if edit.undoes else "redone" if edit.redoes else edit.why
    return (
        f"{edit.at:%Y-%m-%d %H:%M}",
        edit.by,
        edit.item.name,
        in_words(edit.before),
        in_words(edit.after),
        why,
    )


def _sum(log: EditLog) -> str:
    from ..data.edits.edit import Fate

    stoods = log.standings.all()
    counts = {
        "relabelled": sum(
            one.standing.fate is not Fate.REMOVED and one.standing.label != one.original.label for one in stoods
        ),
        "removed": sum(one.standing.fate is Fate.REMOVED for one in stoods),
        "kept": sum(one.standing.fate is Fate.KEPT and one.standing.label == one.original.label for one in stoods),
    }
    told = ", ".join(f"{count} {what}" for what, count in counts.items() if count) or "nothing"
    applied = f"; applied to files on {log.standings.applied[-1].journal.at:%Y-%m-%d}" if log.standings.applied else ""
    return f"{told} by now{applied}"


def _step(done: Done) -> dict[str, Any]:
    from ..data.edits.log import Recorded

    if isinstance(done, Recorded):
        return {"kind": "edits", "edits": [_edit(edit) for edit in done.edits]}
    return {"kind": "apply", **_journal(done)}


def _step_in_words(done: Done) -> str:
    from ..data.edits.log import Recorded
    from ..data.edits.undoing import in_words

    if not isinstance(done, Recorded):
        return _in_words(done)
    first = done.edits[0]
    more = f" and {len(done.edits) - 1} more" if len(done.edits) > 1 else ""
    return f"{first.item.name}: {in_words(first.before)} → {in_words(first.after)}{more} ({first.by})"


def _in_words(journal: Journal) -> str:
    moved, tables = len(journal.moves), [swap.table for swap in journal.swaps]
    back = journal.undoes is not None
    parts = [f"moved {moved} file{'s' * (moved != 1)}{' back' * back}"] if moved else []
    parts += [f"{'put back' if back else 'wrote'} {', '.join(tables)}"] if tables else []
    aside = sum(move.new.startswith(f"{journal.aside}/") for move in journal.moves)
    kept = f" ({aside} to {journal.aside}/)" if aside else ""
    kept += f"; as it was it is kept as {journal.swaps[0].old}" if journal.swaps and not back else ""
    return f"{' and '.join(parts) or 'moved nothing'}{kept}"


def _journal(journal: Journal) -> dict[str, Any]:
    return {
        "id": journal.id,
        "at": journal.at.isoformat(),
        "by": journal.by,
        "moves": [{"from": move.old, "to": move.new, "sha256": move.sha256} for move in journal.moves],
        "tables": [{"path": swap.table, "before": swap.old, "after": swap.new} for swap in journal.swaps],
    }


def _edit(edit: Edit) -> dict[str, Any]:
    from ..data.edits.line import KIND, edit_line

    return {name: value for name, value in edit_line(edit).items() if name != KIND}


def _stood(stood: Any) -> dict[str, Any]:
    from ..data.edits.line import standing_line

    return {"name": stood.item.name, **standing_line(stood.standing), "before": standing_line(stood.original)}
