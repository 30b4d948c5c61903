"""``drivetrain suspects``."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any, cast

import typer

from ..core.local_path import local_path
from ..training.options import table
from .desk import READ_BY
from .flags import JsonFlag, check_cache
from .from_table import given, with_options
from .training import Source

if TYPE_CHECKING:
    from ..training.choices import Choices
    from ..workbench.looking import Look

ROWS = tuple(row for row in table() if row.name in READ_BY or row.name == "edits")

SHOWN = 20
"""Suspects shown on a terminal where no number is named."""


@with_options(ROWS)
def suspects(
    context: typer.Context,
    source: Source,
    top: Annotated[
        int | None, typer.Option("--top", min=1, help=f"Show so many ({SHOWN} unless given; with --json or --csv all).")
    ] = None,
    audit: Annotated[
        int | None,
        typer.Option(
            "--audit",
            min=1,
            metavar="N",
            help="Draw N items that nobody suspects, mixed with some suspects, to learn how many labels are wrong.",
        ),
    ] = None,
    csv: Annotated[
        Path | None, typer.Option("--csv", parser=local_path, metavar="FILE", help="Write the list to a table, too.")
    ] = None,
    *,
    json: JsonFlag = False,
    **choices: Any,
) -> None:
    """List what looks wrong in a data set, most suspicious first.

    Labels that a model doubts which has not seen the image, copies, copies with other labels, and images unlike the others of
    their class, each with its reason. Nothing is changed.
    """
    from datetime import UTC, datetime

    from ..training.choices import options_of
    from ..workbench.looking import look
    from .console import ConsoleProgress, print_json

    check_cache(source, choices["cache"], choices["use_cache"])
    options = options_of(cast("Choices", given(context, ROWS, choices)), None)
    found = look(source, options, ConsoleProgress(), audit=audit, now=datetime.now(UTC))
    if csv is not None:
        _write(csv, found, top, audited=audit is not None)
    if json:
        print_json(found.to_json(top) if audit is None else found.audit_to_json())
    elif audit is None:
        _print(found, source, top or SHOWN)
    else:
        _print_audit(found, source)


def _print(found: Look, source: str, top: int) -> None:
    from ..core.shell_path import quoted
    from .console import print_line, print_pairs

    for note in found.notes:
        print_line(note)
    for one in found.suspects[:top]:
        print_line(f"{one.name}  {_labels(one.label, one.suggested)}")
        print_pairs(("", ground.words) for ground in one.grounds)
    if found.suspects:
        print_line("")
    counts = ", ".join(f"{count} {code}" for code, count in found.counts().items())
    rows = [("Suspects", f"{len(found.suspects)} of {found.items} items{f' ({counts})' if counts else ''}")]
    if found.looked_at:
        rows.append(("Looked at", f"{found.looked_at} by people, which are left out"))
    if len(found.suspects) > top:
        rows.append(
            ("Not shown", f"{len(found.suspects) - top}; --top {len(found.suspects)} shows all, --csv FILE too")
        )
    if found.skipped:
        rows.append(("Unusable", f"{len(found.skipped)} files, such as {found.skipped[0].name}"))
    if found.unfit:
        rows.append(("Labels", f"not judged: {found.unfit}"))
    if found.audit is not None:
        rows += [("Audit" if place == 0 else "", line) for place, line in enumerate(found.audit.sentences())]
    print_pairs(rows)
    if found.suspects:
        print_line("")
        print_line("Next: look at them, and keep, relabel or remove each")
        print_line(f"  drivetrain clean {quoted(source)}")


def _print_audit(found: Look, source: str) -> None:
    from ..core.shell_path import quoted
    from .console import print_line, print_pairs, print_table

    assert found.audit is not None, "an audit was asked for"
    still_open = found.audit.answers.open
    print_table([(one.item.name, one.label) for one in still_open])
    if still_open:
        print_line("")
    print_pairs(("Audit" if place == 0 else "", line) for place, line in enumerate(found.audit.sentences()))
    if still_open:
        print_line("")
        print_line("Next: say of each whether its label is right, without a suggestion in sight")
        unsuspected = sum(not one.suspected for one in found.audit.answers.audit.items)
        print_line(f"  drivetrain clean {quoted(source)} --audit {unsuspected}")


def _labels(label: str | None, suggested: str | None) -> str:
    return f"{label or '–'}{f' → {suggested}' if suggested else ''}"


def _write(path: Path, found: Look, top: int | None, *, audited: bool) -> None:
    """Write the list as a table; that of an audit without what would give a suspect away.

    Raises:
        UsageError: the file cannot be written.
    """
    import csv
    import io

    from ..core.errors import UsageError

    text = io.StringIO(newline="")
    writer = csv.writer(text)
    if audited and found.audit is not None:
        writer.writerow(("path", "label"))
        writer.writerows((one.item.name, one.label) for one in found.audit.answers.open)
    else:
        writer.writerow(("path", "label", "suggested", "score", "reasons", "text", "neighbours"))
        for one in found.suspects[:top]:
            codes, words = " ".join(g.code for g in one.grounds), "; ".join(g.words for g in one.grounds)
            row = (one.name, one.label, one.suggested or "", f"{one.score:.6f}", codes, words)
            writer.writerow((*row, " ".join(one.neighbours)))
    try:
        path.write_text(text.getvalue(), encoding="utf-8", newline="")
    except OSError as error:
        raise UsageError(
            f"{path} cannot be written ({error.strerror or error}); name another file with --csv"
        ) from None
