"""The figures of a backtest as terminal and page say them."""

from __future__ import annotations

from collections.abc import Iterator, Sequence

from ...core.types import Interval
from ...draw.numbers import MISSING, percent_number, unbroken
from ..reading import GateReading, GateVerdict
from ..stage import Stage
from .account import Account
from .backtest import Backtest, Reached, reached
from .supposed import Supposing
from .trial import Supposition, Trial

MINUS = "\N{MINUS SIGN}"

SUPPOSING = {
    Supposing.NOTHING: "as the log has it",
    Supposing.AGREED: "agreement counts as right",
    Supposing.LIKELY: "likely",
    Supposing.WORST: "worst case",
    Supposing.BEST: "best case",
}

VERDICTS = {GateVerdict.PASS: "pass", GateVerdict.FAIL: "fail", GateVerdict.NOT_YET: "not yet"}


def signed(fraction: float) -> str:
    """Write a difference in percentage points, with its sign.

    >>> signed(-0.0123), signed(0.004), signed(0.0)
    ('−1.2', '+0.4', '0.0')
    """
    text = percent_number(abs(fraction))
    if text == "0.0":
        return text
    return f"{MINUS if fraction < 0 else '+'}{text}"


def errors(account: Account) -> str:
    """Write the difference of errors with its interval, or else its bounds."""
    if not account.otherwise and not account.unknown:
        return "0.0"
    if account.errors is not None:
        return f"{signed(account.errors.value)} ({signed(account.errors.low)} to {signed(account.errors.high)})"
    return f"{signed(account.lowest)} to {signed(account.highest)} at most"


def saved(account: Account) -> str:
    """Write the share of reviews saved, with its interval where there is one."""
    value = f"{_per_cent(account.saved_a_case)}"
    if account.saved is None or account.saved.low == account.saved.high or not account.acted:
        return value
    return f"{value} ({_per_cent(account.saved.low, sign=False)} to {_per_cent(account.saved.high, sign=False)})"


def _per_cent(fraction: float, *, sign: bool = True) -> str:
    text = percent_number(abs(fraction))
    minus = MINUS if fraction < 0 and text != "0.0" else ""
    return f"{minus}{text}{' %' if sign else ''}"


def interval(found: Interval | None) -> str:
    """Write a difference of shares with its interval, in points; a dash where there is none."""
    return MISSING if found is None else f"{signed(found.value)} ({signed(found.low)} to {signed(found.high)})"


def step_name(stage: Stage, step: int, shares: Sequence[float]) -> str:
    """Name a stage, and of expanding its share.

    >>> step_name(Stage.EXPANDING, 1, (0.05, 0.25)), step_name(Stage.PARALLEL, 0, ())
    ('expanding to 25 %', 'parallel')
    """
    if stage is Stage.EXPANDING:
        return f"expanding to {100 * shares[step]:g} %"
    return stage.value.replace("-", " ")


def when(one: Reached) -> str:
    """Say when a stage was reached: after so many days and cases."""
    if not one.cases and not one.days:
        return "from the first case on"
    return f"on {one.at:%Y-%m-%d}, after {one.days:.0f} days and {one.cases:,} cases"


def way(found: Supposition, trial: Trial) -> Iterator[tuple[str, str]]:
    """Yield the stages that a run went through, and where it ended: name, and when."""
    steps = trial.contender.policy.expanding.steps
    for one in reached(found.run):
        yield step_name(one.stage, one.step, steps), when(one)
    run = found.run
    if run.holds:
        yield "paused at the end", "; ".join(run.holds)
    elif run.stage is Stage.ROLLED_BACK:
        yield "at the end", f"rolled back: {_last_reason(found)}; a backtest has nobody to clear it"
    elif run.refusals and not (run.stage is Stage.EXPANDING and run.step == len(steps) - 1):
        yield "then waits for", waits(run.samples[-1].readings)


def waits(readings: Sequence[GateReading]) -> str:
    """Name the gates that do not pass, with the slices in which they do not."""
    found: dict[str, list[str]] = {}
    for one in readings:
        if one.verdict is not GateVerdict.PASS:
            found.setdefault(one.gate, []).append(one.slice or "all cases")
    said = ", ".join(f"{gate} ({', '.join(slices)})" for gate, slices in found.items())
    more = max((one.expected_more or 0 for one in readings), default=0)
    return f"{said}; about {float(f'{more:.2g}'):,.0f} labelled cases more are to be expected" if more else said


def _last_reason(found: Supposition) -> str:
    return next(
        (done.turned.reason for done in reversed(found.run.turns) if done.turned.stage is Stage.ROLLED_BACK), ""
    )


HEAD = ("", "by model", "errors, points", "prevented", "made", "saved")


def row(account: Account, name: str | None = None) -> tuple[str, ...]:
    """Write an account as a row under `HEAD`."""
    return (
        name or account.name,
        _per_cent(account.acted / account.cases),
        errors(account),
        f"{account.prevented:,}",
        f"{account.made:,}" + (f" ({account.unknown:,} unknown)" if account.unknown else ""),
        saved(account),
    )


def rows(trial: Trial) -> Iterator[tuple[str, ...]]:
    """Yield a trial's rows for a terminal: the policy under each supposition, then the plainer ways of working.

    Reviews saved stand without their interval, so that a row fits in 80 columns.
    """
    for cells in _rows(trial):
        yield (*cells[:-1], cells[-1].partition(" (")[0])


def _rows(trial: Trial) -> Iterator[tuple[str, ...]]:
    several = len(trial.suppositions) > 1
    for one in trial.suppositions:
        name = f"{trial.contender.name}, {SUPPOSING[one.supposed.side]}" if several else trial.contender.name
        yield row(one.account, name)
    for account in trial.beside:
        yield row(account)


def summary(found: Backtest) -> str:
    """Say in a sentence what the log holds."""
    past = found.past
    days = "1 day" if found.days == 1 else f"{found.days:,} days"
    return f"{len(past.cases):,} cases of {days}, {past.first:%Y-%m-%d} to {past.last:%Y-%m-%d}"


def compared(trial: Trial) -> str:
    """Say in a sentence on how many cases a contender was tried, and how often people and model differ."""
    n = len(trial.used.cases)
    return f"{n:,} cases; people and model differ in {trial.discordant:,} ({percent_number(trial.discordant / n)} %)"


_SHARES = frozenset(
    {"non-inferior", "risk", "override-rate", "out-of-domain", "unresolved", "automation-bias", "seeded"}
)
"""The gates whose numbers are shares."""


def _number(gate: str, value: float | None) -> str:
    if value is None:
        return MISSING
    return f"{_per_cent(value)}" if gate in _SHARES else f"{value:.4g}"


def reading(one: GateReading) -> tuple[str, ...]:
    """Write a gate's reading as a row: gate, value, bound, threshold, n, verdict, words."""
    where = one.gate if one.slice is None else f"{one.gate} ({one.slice})"
    numbers = (_number(one.gate, value) for value in (one.value, one.bound, one.threshold))
    return (where, *numbers, f"{one.n:,}", VERDICTS[one.verdict], unbroken(one.words))


NOTES = (
    (
        "A simulated person looks at the gates before every case (of more than 250: some 250 times) and advances it once "
        "they let it: stages are reached at the earliest, and people are slower. Only the log of a rollout under its own policy "
        "is repeated with everything that people did to it."
    ),
    "Whoever adjudicates is supposed to answer at once, and to say what turned out or was adjudicated afterwards.",
    (
        "Where the model would have proposed, people are supposed to decide as they did without a proposal: how far they would "
        "have followed the model (automation bias), a log of blind decisions cannot tell. The supervised stage measures it."
    ),
    (
        "A difference counts only cases decided otherwise than people did: where both agree nothing changes, whoever is right. "
        "Somebody who cannot tell makes no error."
    ),
    (
        "Each policy runs once over all cases, as its later decisions rest on earlier ones; its differences, case by case, are "
        "resampled in blocks of day × group (95 %, 2,000 resamples). Fewer than 10 blocks give no interval."
    ),
    (
        "How fast the model answered is not judged: its latency counts as 0 where nobody recorded it. Alarms of monitors are "
        "known only of a rollout's own log."
    ),
)
"""Sentences on how a backtest was done."""
