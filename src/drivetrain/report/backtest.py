"""The page about a backtest: one HTML file that loads and runs nothing."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from functools import cache
from typing import TYPE_CHECKING

from ..core.types import Interval
from ..core.visible import visible
from ..draw.charts import Axis, axis_row, interval_row, value_axis
from ..draw.numbers import unbroken
from ..draw.stage_plot import CurvePoint, Span, cases_axis, gate_curve, stage_row
from ..rollout.backtest.account import Account
from ..rollout.backtest.backtest import Backtest, reached
from ..rollout.backtest.player import Done
from ..rollout.backtest.words import (
    NOTES,
    SUPPOSING,
    compared,
    interval,
    reading,
    row,
    saved,
    signed,
    step_name,
    summary,
    way,
)
from ..rollout.events import Turn
from ..rollout.stage import Stage
from .environment import page_environment

if TYPE_CHECKING:
    import jinja2
    from markupsafe import Markup

    from ..rollout.backtest.trial import Supposition, Trial

_TONES = {
    Stage.PARALLEL: "b2",
    Stage.SUPERVISED: "b4",
    Stage.EXPANDING: "b5",
    Stage.ROLLED_BACK: "o4",
    Stage.ENDED: "b0",
}

_GATES = {
    "non-inferior": "Not worse than people: errors of the model less people's, percentage points",
    "risk": "Errors among answers that the model would act on, per cent",
    "override-rate": "Proposals that people would have overridden, per cent",
}
"""The gates whose way is drawn, with what their axis shows."""


@dataclass(frozen=True)
class Card:
    """A figure on top."""

    name: str
    value: str
    interval: str = ""
    note: str = ""


@dataclass(frozen=True)
class Line:
    """A row of the table side by side."""

    cells: tuple[str, ...]
    plot: str
    mine: bool
    """Tells whether it is the policy's own, and not one of the plainer ways."""


@dataclass(frozen=True)
class Curve:
    """A gate's way."""

    title: str
    svg: str


@dataclass(frozen=True)
class Ran:
    """A run under a supposition."""

    title: str
    row_svg: str
    way: tuple[tuple[str, str], ...]
    curves: tuple[Curve, ...]
    gates: tuple[tuple[str, ...], ...]
    """The gates as they stand at the end."""
    turns: tuple[tuple[str, str, str, str], ...]
    """(when, what, by, reason)."""


@dataclass(frozen=True)
class Tried:
    """A contender."""

    id: str
    title: str
    about: str
    remarks: tuple[str, ...]
    lines: tuple[Line, ...]
    axis_svg: str
    cases_svg: str
    runs: tuple[Ran, ...]


def backtest_report(found: Backtest) -> str:
    """Render a backtest as one HTML document; the same text for the same backtest."""
    trials = [_tried(number, one) for number, one in enumerate(found.trials, start=1)]
    page = _template().render(
        title=f"Backtest of {found.past.source}",
        subtitle=summary(found),
        cards=list(_cards(found.trials[0])),
        warnings=list(_warnings(found)),
        trials=trials,
        pairs=[
            (one.one, one.other, f"{one.cases:,}", interval(one.errors), interval(one.reviews)) for one in found.pairs
        ],
        remarks=found.remarks,
        notes=(f"Everything random follows from the seed {found.seed}.", *NOTES),
    )
    # File names may hold any byte: control characters are not HTML, and lone surrogates cannot be written as UTF-8.
    return visible(page, keep="\t\r\n")


@cache
def _template() -> jinja2.Template:
    environment = page_environment()
    environment.filters["split_interval"] = _split_interval
    return environment.get_template("backtest.html.j2")


def _split_interval(text: str) -> Markup:
    """Set the interval of a figure apart from it."""
    from markupsafe import Markup

    value, _, rest = unbroken(text).partition(" (")
    return Markup("<b>{}</b> <span class='between'>{}</span>").format(value, rest.rstrip(")"))


def _cards(trial: Trial) -> Iterator[Card]:
    account = trial.main.account
    yield _acting_card(trial)
    yield _errors_card(trial)
    said = f"{account.otherwise:,} of {account.cases:,} cases decided otherwise than people did"
    if account.unknown:
        said += f"; of {account.unknown:,} nobody knows who was right"
    yield Card("Errors prevented and made", f"{account.prevented:,} and {account.made:,}", note=said)
    value, _, rest = saved(account).partition(" (")
    said = "of the reviews that people make today; audits and adjudications are counted"
    yield Card("Reviews saved", value, rest.rstrip(")"), said)


def _acting_card(trial: Trial) -> Card:
    """Say when the model first acts by itself, how far it comes, and whether it is stopped."""
    run, steps = trial.main.run, trial.contender.policy.expanding.steps
    stages = reached(run)
    first = next((one for one in stages if one.stage is Stage.EXPANDING), None)
    working = [one for one in stages if one.stage not in (Stage.ROLLED_BACK, Stage.ENDED)]
    furthest = max(working, key=lambda one: (list(Stage).index(one.stage), one.step))
    note = f"{trial.contender.name}: comes as far as {step_name(furthest.stage, furthest.step, steps)}"
    back = next((one for one in stages if one.stage is Stage.ROLLED_BACK), None)
    if back is not None:
        note += f"; rolled back after {back.days:.0f} days"
    if len(trial.suppositions) > 1:
        note += f" ({SUPPOSING[trial.main.supposed.side]})"
    if first is None:
        return Card("The model acts by itself", "never", note=note)
    return Card("The model acts by itself", f"after {first.days:.0f} days", f"{first.cases:,} cases", note)


def _errors_card(trial: Trial) -> Card:
    account = trial.main.account
    name = "Errors, against people"
    if account.errors is not None and not trial.is_bounded_only:
        found = account.errors
        between = f"{signed(found.low)} to {signed(found.high)}"
        return Card(
            name, f"{signed(found.value)} points", between, "percentage points of all cases; below 0: fewer errors"
        )
    accounts = [one.account for one in trial.suppositions]
    low, high = min(one.lowest for one in accounts), max(one.highest for one in accounts)
    return Card(
        name, f"{signed(low)} to {signed(high)}", "bounds, percentage points", "nobody knows who was right; see below"
    )


def _warnings(found: Backtest) -> Iterator[str]:
    """Yield what a reader must not miss."""
    for trial in found.trials:
        run, name = trial.main.run, trial.contender.name
        if run.stage is Stage.PARALLEL:
            yield f"The gates would not have let {name} leave the parallel stage within these cases."
        if not any(answer.certified for answer in trial.contender.answers.values()):
            yield f"The bundle {trial.contender.bundle} lets none of its answers stand by itself, so that the model never acts."
        if run.stage is Stage.ROLLED_BACK:
            yield f"The rollout of {name} would have been rolled back; people decide everything that comes after it."
        if trial.is_bounded_only:
            yield (
                f"There are only bounds for {name}: nobody knows who was right in {trial.unknown:,} cases in which people and "
                "model differ. --adjudicate 100 has a random sample of them judged, blind."
            )
        elif trial.main.account.errors is None:
            yield f"The cases of {name} come from too few days and groups for an interval; bounds are given instead."
    for said in found.remarks:
        if said.startswith("outcomes are known unevenly"):
            yield f"{said[0].upper()}{said[1:]}."


def _tried(number: int, trial: Trial) -> Tried:
    accounts = [(one.account, True, _name(one, trial)) for one in trial.suppositions]
    accounts += [(account, False, account.name) for account in trial.beside]
    axis = _axis([account for account, _, _ in accounts])
    return Tried(
        id=f"trial-{number}",
        title=trial.contender.title,
        about=compared(trial),
        remarks=trial.remarks,
        lines=tuple(Line(row(account, name), _plot(account, axis), mine) for account, mine, name in accounts),
        axis_svg=axis_row(axis, [signed(tick) for tick in axis.ticks]),
        cases_svg=axis_row(*cases_axis(len(trial.used.cases))),
        runs=tuple(_ran(one, trial) for one in trial.suppositions),
    )


def _name(one: Supposition, trial: Trial) -> str:
    if len(trial.suppositions) == 1:
        return trial.contender.name
    return f"{trial.contender.name}, {SUPPOSING[one.supposed.side]}"


def _ends(account: Account) -> tuple[float, float]:
    found: Interval | None = account.errors
    return (account.lowest, account.highest) if found is None else (found.low, found.high)


def _axis(accounts: Sequence[Account]) -> Axis:
    ends = [end for account in accounts for end in _ends(account)]
    return value_axis(min(0.0, *ends), max(0.0, *ends, 0.001))


def _plot(account: Account, axis: Axis) -> str:
    low, high = _ends(account)
    if account.errors is None:
        return interval_row([("plain", (low + high) / 2, low, high)], axis)
    style = "off" if low > 0 else "first"
    return interval_row([(style, account.errors.value, low, high)], axis)


def _ran(one: Supposition, trial: Trial) -> Ran:
    run, steps = one.run, trial.contender.policy.expanding.steps
    turns = tuple(
        (
            f"{done.turned.at:%Y-%m-%d}, {done.cases:,} cases",
            _turn(done.turned.turn, step_name(done.turned.stage, done.turned.step, steps)),
            done.turned.by or "the evidence",
            _rested_on(done) or done.turned.reason,
        )
        for done in run.turns
    )
    return Ran(
        title=SUPPOSING[one.supposed.side].capitalize() if len(trial.suppositions) > 1 else "",
        row_svg=stage_row(list(_spans(one, trial))),
        way=tuple(way(one, trial)),
        curves=tuple(_curves(one)),
        gates=tuple(reading(found) for found in run.samples[-1].readings),
        turns=turns,
    )


def _rested_on(done: Done) -> str:
    """Write the bounds that an advance rested on; empty of anything else."""
    said = (
        f"{reading(one)[0]} {reading(one)[1]}, bound {reading(one)[2]} (at most {reading(one)[3]}), n {one.n:,}"
        for one in done.readings
        if one.bound is not None
    )
    return "; ".join(said)


def _turn(turn: Turn, where: str) -> str:
    return f"{turn.value.replace('-', ' ')} ({where})" if turn is Turn.ADVANCED else turn.value.replace("-", " ")


def _spans(one: Supposition, trial: Trial) -> Iterator[Span]:
    total, steps = len(trial.used.cases), trial.contender.policy.expanding.steps
    stages = reached(one.run)
    for place, found in enumerate(stages):
        end = stages[place + 1].cases if place + 1 < len(stages) else total
        tone = _TONES[found.stage]
        if found.stage is Stage.EXPANDING and found.step == len(steps) - 1:
            tone = "b6"
        yield Span(step_name(found.stage, found.step, steps), tone, found.cases / total, end / total)


def _curves(one: Supposition) -> Iterator[Curve]:
    for gate, title in _GATES.items():
        points, threshold = [], 0.0
        for sample in one.run.samples:
            for found in sample.readings:
                if found.gate == gate and found.slice is None:
                    points.append(CurvePoint(sample.cases, found.value, found.bound))
                    threshold = found.threshold
        if len(points) > 1:
            yield Curve(title, gate_curve(points, threshold, title))
