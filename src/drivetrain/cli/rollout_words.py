"""A rollout's status on a terminal: where it stands, its gates as a table, and what people and model have done."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from datetime import datetime
from typing import TYPE_CHECKING

from ..draw.numbers import MISSING, percent, whole_percent
from ..rollout.reading import GateReading, GateVerdict
from ..rollout.stage import Stage

if TYPE_CHECKING:
    from ..rollout.status import Counts, Status

# Turns and reviewers that are listed.
SHOWN = 5

STAGES = {
    Stage.BACKTEST: "nothing is live",
    Stage.PARALLEL: "people decide every case and never see the model's answer",
    Stage.SUPERVISED: "in its scope the model proposes, and a person confirms",
    Stage.EXPANDING: "a share of certified cases takes effect without a person",
    Stage.ROLLED_BACK: "people decide every case, until a person clears it with a reason",
    Stage.ENDED: "it is over",
}

VERDICTS = {GateVerdict.PASS: "pass", GateVerdict.FAIL: "FAIL", GateVerdict.NOT_YET: "not yet"}

# Gates whose numbers are not shares.
COUNTED = frozenset({"cases", "alarms"})
TIMED = frozenset({"latency"})
DAYS = frozenset({"days"})
DIFFERENCES = frozenset({"non-inferior"})
PLAIN = frozenset({"sample-ratio"})


def print_status(found: Status) -> None:
    """Print everything."""
    from .console import print_line, print_pairs, print_table

    print_pairs(head_rows(found))
    if found.readings:
        print_line("")
        print_table(_gates(found.readings), right=frozenset({2, 3, 4, 5}))
    print_line("")
    print_pairs(_done_rows(found))
    if found.turns:
        print_line("")
        print_table(_turns(found))


def head_rows(found: Status) -> list[tuple[str, str]]:
    """Return the first lines: stage, holds, and what it takes to go on."""
    row = found.row
    rows = [
        ("Rollout", f"{row.name}, of {row.model} ({row.bundle_id}), opened {minute(row.opened_at)} UTC"),
        ("Stage", f"{_stage(found)}; {STAGES[found.stage]}"),
    ]
    rows += [("Held", f"{hold.words}, since {minute(hold.at)} UTC") for hold in found.holds]
    return [*rows, *_ahead(found)]


def _stage(found: Status) -> str:
    if found.stage is not Stage.EXPANDING or found.share is None:
        return found.stage.value
    return f"{found.stage.value}, step {found.step + 1} ({whole_percent(found.share)} of certified cases)"


def _ahead(found: Status) -> Iterator[tuple[str, str]]:
    """Yield what it takes to advance."""
    if found.next_stage is None:
        return
    place = found.next_stage.value
    if found.next_stage is Stage.EXPANDING:
        place = f"{place}, step {found.next_step + 1}"
    if not found.refusals:
        yield "Next", f"{place}; the gates let it, and a person has to: drivetrain rollout advance"
        return
    more = found.expected_more
    yield "Next", f"{place}, not yet" + (f"; about {more:,} labelled cases more are to be expected" if more else "")
    for number, refusal in enumerate(found.refusals):
        yield "" if number else "Since", refusal


def _gates(readings: Sequence[GateReading]) -> list[tuple[str, ...]]:
    rows: list[tuple[str, ...]] = [("GATE", "SLICE", "VALUE", "BOUND", "NEEDED", "N", "VERDICT", "EXPECTED")]
    for one in readings:
        more = "" if one.expected_more is None else f"{one.expected_more:,} more"
        rows.append(
            (
                one.gate,
                one.slice or "all",
                amount(one.gate, one.value),
                amount(one.gate, one.bound),
                amount(one.gate, one.threshold),
                f"{one.n:,}",
                VERDICTS[one.verdict],
                more,
            )
        )
    return rows


def amount(gate: str, value: float | None) -> str:
    """Write a number in the unit of its gate.

    >>> amount("non-inferior", 0.0123), amount("risk", 0.02), amount("cases", 1200), amount("latency", 51.3)
    ('1.2 pp', '2.0 %', '1,200', '51 ms')
    """
    if value is None:
        return MISSING
    if gate in COUNTED:
        return f"{value:,.0f}"
    if gate in TIMED:
        return f"{value:,.0f} ms"
    if gate in DAYS:
        return f"{value:.1f} days"
    if gate in DIFFERENCES:
        return f"{100 * value:.1f} pp"
    return f"{value:.3g}" if gate in PLAIN else percent(value)


def _done_rows(found: Status) -> Iterator[tuple[str, str]]:
    yield "Cases", _counts(found.counts)
    for name, counts in found.slices.items():
        yield "", f"{name}: {_counts(counts)}"
    changed = found.changed
    if changed.compared:
        sides = f"{changed.model_right:,} times the model was right, {changed.person_right:,} times the person"
        differ = f"{changed.discordant:,} differ: {sides}, {changed.neither:,} times neither"
        yield "Compared", f"{changed.compared:,} with a blind decision; {differ}"
    for one in [each for each in found.overrides if each.proposed][:SHOWN]:
        who = one.by or one.slice or "all"
        yield "Overridden", f"{who}: {one.overridden:,} of {one.proposed:,} proposals"
    queue = [f"{counts.get('open', 0):,} to {kind}" for kind, counts in found.queue.items()]
    overdue = sum(counts.get("overdue", 0) for counts in found.queue.values())
    if queue:
        yield "Queue", f"{', '.join(queue)}{f'; {overdue:,} overdue' if overdue else ''}"
    yield from _work_rows(found)


def _work_rows(found: Status) -> Iterator[tuple[str, str]]:
    work = found.workload
    if work.decisions:
        pace = f", {work.seconds / work.timed:.0f} s each" if work.timed else ""
        saved = f"; the model saved {work.saved:,}" if work.saved else ""
        yield "Work", f"{work.decisions:,} reviews{pace}{saved}"
    harm = found.harm
    if harm is not None:
        until = f"{harm.audits:,} audits, {harm.acted:,} acted cases and {harm.errors:,} errors"
        yield (
            "Harm",
            f"were {whole_percent(harm.error)} wrong from now on, about {until} would pass until it is rolled back",
        )
    spent = found.spent
    since = f" in attempt {spent.attempt + 1}, since it was last cleared" if spent.attempt else ""
    yield "Alpha", f"{spent.spent:.3g} of {spent.alpha:.3g} spent on advances{since}"


def _counts(counts: Counts) -> str:
    parts = [
        f"{counts.arrived:,} came",
        f"{counts.waiting:,} wait",
        f"{counts.blind:,} decided blind",
        *([f"{counts.assisted:,} confirmed"] if counts.assisted else []),
        *([f"{counts.acted:,} by the model"] if counts.acted else []),
        *([f"{counts.unresolved:,} unresolved"] if counts.unresolved else []),
        *([f"{counts.cannot_tell:,} could not be told"] if counts.cannot_tell else []),
        f"{counts.certified:,} certified",
        f"{counts.out_of_domain:,} out of domain",
    ]
    return ", ".join(parts)


def _turns(found: Status) -> list[tuple[str, str, str, str]]:
    from .console import one_line

    turns = [
        (minute(turn.at), turn.turn.value, one_line(turn.by or "the evidence"), one_line(turn.reason))
        for turn in found.turns[:SHOWN]
    ]
    return [("WHEN", "WHAT", "WHO", "WHY"), *turns]


def minute(at: datetime) -> str:
    """Write a moment to the minute."""
    return at.strftime("%Y-%m-%d %H:%M")
