"""``drivetrain rollout promote`` and ``drivetrain rollout history``."""

from __future__ import annotations

from typing import TYPE_CHECKING, Annotated, Any

import typer

from .flags import JsonFlag
from .opened_store import WHERE, opened_store
from .rollout_turns import ByOption, ReasonOption, named
from .rollouts_in_store import RolloutArgument, row_of

if TYPE_CHECKING:
    from ..rollout.history import History, Past

StoreOption = Annotated[str | None, typer.Option("--store", metavar="STORE", help=WHERE)]
CandidateArgument = Annotated[
    str, typer.Argument(metavar="CANDIDATE", help="The candidate's rollout, which runs beside its champion's.")
]

SHOWN = 60
"""The most of a history that is printed; --json has all."""


def promote(
    candidate: CandidateArgument,
    by: ByOption,
    reason: ReasonOption,
    store: StoreOption = None,
    json: JsonFlag = False,
) -> None:
    """Give a candidate the place of its champion, if the gates let it.

    The champion's rollout ends, and cases sent to its name go to the candidate's, which goes on supervised. Exit code 1,
    with every reason, where a gate says no.
    """
    from datetime import UTC, datetime

    from ..core.errors import UsageError
    from ..core.identifiers import new_id
    from ..rollout.live import Live
    from ..rollout.promotion import Promotion
    from ..rollout.row_json import row_json
    from ..rollout.succession import champion_of
    from .console import SAID_NO, print_json, print_line

    def clock() -> datetime:
        return datetime.now(UTC)

    with opened_store(store) as opened:
        row = row_of(opened, candidate)
        champion = champion_of(opened, row)
        if champion is None:
            raise UsageError(f"{row.name} is no candidate beside a live rollout, and cannot take the place of one")
        promotion = Promotion(opened, clock, new_id)
        began = promotion.began(row, champion)
        refusals = () if began else Live(opened, row.id, clock, new_id).status().refusals
        if not refusals:
            champion, row = promotion.promote(row.id, named(by), reason)
    if json:
        print_json(
            {
                "promoted": not refusals,
                "refusals": list(refusals),
                "candidate": row_json(row),
                "champion": row_json(champion),
            }
        )
    elif refusals:
        print_line(f"{row.name} stays a candidate:")
        for refusal in refusals:
            print_line(f"  {refusal}")
    else:
        print_line(
            f"{row.name} ({row.bundle_id}) has the place of {champion.name} ({champion.bundle_id}), which has ended."
        )
        print_line(f"Cases sent to {champion.name} go to it; it stands in {row.stage}.")
    if refusals:
        raise typer.Exit(SAID_NO)


def history(rollout: RolloutArgument = None, store: StoreOption = None, json: JsonFlag = False) -> None:
    """Show who holds a name, and what people and evidence did to its rollouts."""
    from ..rollout.history import history_of
    from .console import print_json, print_line, print_pairs

    with opened_store(store) as opened:
        found = history_of(opened, row_of(opened, rollout).id)
    if json:
        print_json(found.to_json())
        return
    print_pairs(_aliases(found))
    print_line("")
    if len(found.events) > SHOWN:
        print_line(f"{len(found.events) - SHOWN} earlier ones are in --json")
    print_pairs(_line(past) for past in found.events[-SHOWN:])


def _aliases(found: History) -> list[tuple[str, str]]:
    rows = [("Champion", f"{found.champion.name}, bundle {found.champion.bundle_id}, in {found.champion.stage}")]
    return [*rows, *(("Candidate", f"{row.name}, bundle {row.bundle_id}, in {row.stage}") for row in found.candidates)]


def _line(past: Past) -> tuple[str, str]:
    by = "the evidence by itself" if past.by is None else past.by
    words = f": {past.words}" if past.words else ""
    to = f" to {past.stage}" if past.what in ("advanced", "promoted") else ""
    return f"{past.at:%Y-%m-%d %H:%M}", f"{past.row.name} {past.what}{to} by {by}{words}{_rests_on(past.evidence)}"


def _rests_on(evidence: Any) -> str:
    """Name the log that a turn rested on, by the first digits of its head's hash."""
    line_hash = evidence.get("head_hash")
    return f" (line {evidence.get('head')}, {line_hash[:12]})" if isinstance(line_hash, str) else ""
