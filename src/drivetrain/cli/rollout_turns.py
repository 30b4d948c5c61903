"""``drivetrain rollout advance|pause|resume|rollback|clear|end``: what a named person does to a rollout."""

from __future__ import annotations

from collections.abc import Callable
from typing import Annotated, Any

import typer

from .flags import JsonFlag
from .opened_store import WHERE, opened_store
from .rollouts_in_store import RolloutArgument, live_of

StoreOption = Annotated[str | None, typer.Option("--store", metavar="STORE", help=WHERE)]
ByOption = Annotated[str, typer.Option(metavar="NAME", show_default=False, help="The person who answers for it.")]
ReasonOption = Annotated[
    str, typer.Option(metavar="WORDS", show_default=False, help="Why; it stands in the log for good.")
]


def advance(
    by: ByOption,
    reason: ReasonOption,
    rollout: RolloutArgument = None,
    store: StoreOption = None,
    json: JsonFlag = False,
) -> None:
    """Advance to the next stage or step, if the gates let it.

    Exit code 1, with every reason, where one says no.
    """
    from .console import SAID_NO, print_json, print_line

    with opened_store(store) as opened:
        live = live_of(opened, rollout)
        refusals = live.status().refusals
        if not refusals:
            live.advance(named(by), _said(reason))
        found = live.status()
    if json:
        print_json(found.to_json())
    elif refusals:
        print_line(f"{found.row.name} stays in {found.stage.value}:")
        for refusal in refusals:
            print_line(f"  {refusal}")
    else:
        _print_stands(found)
    if refusals:
        raise typer.Exit(SAID_NO)


WITHOUT_GATES = {
    "pause": "Pause a rollout: people decide blind, evidence stands.",
    "resume": "Let a paused rollout go on where it stood.",
    "rollback": "Roll a model back, until a person clears it.",
    "clear": "Clear a rollback: begin again in parallel, with fresh evidence.",
    "end": "End a rollout, for good.",
}
"""The turns that ask no gate, and the help of their commands."""


def _command(verb: str, words: str) -> Callable[..., None]:
    """Make the command of such a turn."""

    def turn(
        by: ByOption,
        reason: ReasonOption,
        rollout: RolloutArgument = None,
        store: StoreOption = None,
        json: JsonFlag = False,
    ) -> None:
        _turn(verb, rollout, by, reason, store, json)

    turn.__name__, turn.__doc__ = verb, words
    return turn


COMMANDS = tuple(_command(verb, words) for verb, words in WITHOUT_GATES.items())


def _turn(verb: str, rollout: str | None, by: str, reason: str, store: str | None, json: bool) -> None:
    from .console import print_json

    with opened_store(store) as opened:
        live = live_of(opened, rollout)
        getattr(live, verb)(named(by), _said(reason))
        found = live.status()
    if json:
        print_json(found.to_json())
    else:
        _print_stands(found)


def _print_stands(found: Any) -> None:
    from .console import print_pairs
    from .rollout_words import head_rows

    print_pairs(head_rows(found))


def named(by: str) -> str:
    from ..core.errors import UsageError

    if not by.strip():
        raise UsageError("--by is empty; name the person who answers for it")
    return by.strip()


def _said(reason: str) -> str:
    from ..core.errors import UsageError

    if not reason.strip():
        raise UsageError("--reason is empty; say why, as it stands in the log for good")
    return reason.strip()
