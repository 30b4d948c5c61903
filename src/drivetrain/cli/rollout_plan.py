"""``drivetrain rollout plan``."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from ..core.local_path import local_path
from .flags import JsonFlag, NoGolden

if TYPE_CHECKING:
    from ..rollout.planning.plan import Plan, PlanRow, Spread


def plan(
    policy: Annotated[
        Path, typer.Argument(metavar="POLICY", parser=local_path, help="The policy, as rollout init writes it.")
    ],
    bundle: Annotated[
        Path, typer.Option("--bundle", "-b", parser=local_path, metavar="BUNDLE", help="The bundle: its folder or zip.")
    ],
    traffic: Annotated[
        str, typer.Option(metavar="N/day", help="Cases that will come, such as 500/day or 20/hour.")
    ] = "500/day",
    model_error: Annotated[
        float | None,
        typer.Option(min=0, max=1, help="Error of certified answers; the bundle's own estimate unless given."),
    ] = None,
    people_error: Annotated[float, typer.Option(min=0, max=1, help="Error of a person who decides.")] = 0.03,
    correlation: Annotated[
        float, typer.Option(min=-1, max=1, help="Correlation of the model's errors and people's.")
    ] = 0.0,
    adjudicator_error: Annotated[float, typer.Option(min=0, max=0.5, help="Error of who says which is right.")] = 0.02,
    cannot_tell: Annotated[float, typer.Option(min=0, max=1, help="Share of reviews in which nobody can tell.")] = 0.01,
    overlooked: Annotated[
        float, typer.Option(min=0, max=1, help="Share of wrong proposals that people confirm all the same.")
    ] = 0.3,
    lag_days: Annotated[float, typer.Option(min=0, help="Mean days until an adjudication is done.")] = 1.0,
    decision_s: Annotated[float, typer.Option(min=0, help="Seconds that a person works on a decision.")] = 15.0,
    adjudication_s: Annotated[float, typer.Option(min=0, help="The same of an adjudication.")] = 40.0,
    slices: Annotated[
        list[str] | None,
        typer.Option(
            "--slice",
            metavar="NAME=VALUE:SHARE,…",
            help="How cases are shared among the values of a column of the policy: site=north:0.7,south:0.3.",
        ),
    ] = None,
    fault: Annotated[float, typer.Option(min=0.001, max=1, help="Error of a model that has fallen ill.")] = 0.1,
    runs: Annotated[int, typer.Option(min=1, help="Runs of the simulation.")] = 10,
    seed: Annotated[int, typer.Option(min=0, help="Seed of the simulation.")] = 0,
    no_golden: NoGolden = False,
    json: JsonFlag = False,
) -> None:
    """Tell what each stage will take, before it starts.

    Labels, hours of people's work, and days: simulated with the machine that the rollout itself runs on, and with the bundle's
    own scores. Beside it stand how often a model that is worse than people by the margin would be advanced, and what passes until
    a model that has fallen ill is stopped.
    """
    from ..core.traffic import per_day
    from ..rollout.planning.plan import plan as simulate
    from ..rollout.planning.plan import simulations
    from ..rollout.planning.scores import Scores
    from ..rollout.planning.world import Assumed
    from .console import ConsoleProgress, print_json
    from .policies import policy_of

    daily, shares = per_day(traffic), dict(map(_shares, slices or ()))
    read, predictor = policy_of(policy, bundle, no_golden)
    scores = Scores.of(predictor, str(bundle))
    assumed = Assumed(
        traffic_per_day=daily,
        model_error=_error_of(scores.error(sure=True), predictor.manifest.accept, model_error),
        people_error=people_error,
        correlation=correlation,
        adjudicator_error=adjudicator_error,
        cannot_tell=cannot_tell,
        overlooked=overlooked,
        adjudication_days=lag_days,
        decision_s=decision_s,
        adjudication_s=adjudication_s,
        slices=shares,
    )
    with ConsoleProgress().stage("simulate", simulations(runs), "runs") as advance:
        made = simulate(
            read, scores, assumed, runs=runs, seed=seed, fault=fault, workers=_workers(runs), advance=advance
        )
    if json:
        print_json({"bundle": str(bundle), **made.to_json()})
    else:
        _print(made)


def _workers(runs: int) -> int:
    """Return how many processes the runs are shared among: none of their own for what is quickly done."""
    from ..core.cores import available_cores

    return min(available_cores(), runs) if runs > 2 else 1


def _error_of(observed: float, accept: object, given: float | None) -> float:
    """Return the error of certified answers: as given, as the accept rule estimates it, or as observed."""
    if given is not None:
        return given
    estimate = getattr(accept, "error", None)
    return max(estimate.value, 0.001) if estimate is not None and estimate.value > 0 else observed


def _shares(text: str) -> tuple[str, dict[str, float]]:
    """Read ``site=north:0.7,south:0.3``.

    Raises:
        UsageError: it is written otherwise.
    """
    from ..core.errors import UsageError

    column, _, rest = text.partition("=")
    shares: dict[str, float] = {}
    for part in rest.split(","):
        value, _, share = part.rpartition(":")
        try:
            shares[value.strip()] = float(share)
        except ValueError:
            shares = {}
            break
    if not column.strip() or not shares or "" in shares or not all(0 < one <= 1 for one in shares.values()):
        raise UsageError(f"--slice {text!r} cannot be read; write it as site=north:0.7,south:0.3")
    if abs(sum(shares.values()) - 1) > 0.01:
        raise UsageError(f"--slice {text!r}: the shares sum to {sum(shares.values()):g}; they have to sum to 1")
    return column.strip(), shares


def _print(made: Plan) -> None:
    from ..draw.numbers import percent, whole_percent
    from .console import print_line, print_pairs, print_table

    assumed = made.assumed
    print_pairs(_taken_for_granted(made))
    print_line("")
    head = ("STAGE", "LABELLED CASES", "ADJUDICATIONS", "PEOPLE'S HOURS", "DAYS", "PASSED")
    print_table([head, *map(_row, made.rows)], right=frozenset({5}))
    print_line("each: half of the runs need at most so many, nine in ten so many; – is more than was tried")
    print_line("")
    margin, fault = made.at_margin, made.fault
    print_line(_reached(made))
    print_line(
        f"A model worse than people by the margin, {whole_percent(made.margin)}, was advanced in {percent(margin.value)} of "
        f"{made.runs} runs (at most {percent(margin.high)}), correlation {assumed.correlation:g}."
    )
    print_line(_fault(made) if fault.runs else "No run came so far that a fault could be looked for.")


def _taken_for_granted(made: Plan) -> list[tuple[str, str]]:
    from ..draw.numbers import percent

    assumed = made.assumed
    people = f"people {percent(assumed.people_error)}, correlation of their errors {assumed.correlation:g}"
    lag = f"adjudicators {percent(assumed.adjudicator_error)}, after {_days(assumed.adjudication_days)} on average"
    return [
        ("Errors", f"certified answers {percent(assumed.model_error)}, {people}, {lag}"),
        ("Traffic", f"{assumed.traffic_per_day:,.0f} cases a day, {percent(made.certified)} of them certified"),
    ]


def _days(days: float) -> str:
    return f"{days:g} day{'' if days == 1 else 's'}"


def _reached(made: Plan) -> str:
    from ..draw.numbers import percent

    reached = made.reached
    stuck = [
        f"in {_name(row)} at {' and '.join(row.missing)} ({row.begun - row.passed})" for row in made.rows if row.missing
    ]
    why = f"; others were given up {', '.join(stuck)}" if stuck else ""
    if not reached.value:
        return f"No run reached the last step: they were given up {', '.join(stuck)}. Ask for less, or for more labels."
    return (
        f"The last step is reached in {percent(reached.value)} of {made.runs} runs ({percent(reached.low)} to "
        f"{percent(reached.high)}), within {_spread(made.days, 'days')} and {_spread(made.hours, 'hours')} of people's work{why}."
    )


def _fault(made: Plan) -> str:
    from ..draw.numbers import percent, whole_percent

    fault = made.fault
    if not fault.found:
        return f"A rise of the error to {whole_percent(fault.error)} was not found in {fault.runs} runs."
    return (
        f"A rise of the error from {percent(made.assumed.model_error)} to {whole_percent(fault.error)} stops the model after "
        f"{_spread(fault.audits, 'audits')}, {_spread(fault.acted, 'acted cases')}, {_spread(fault.errors, 'errors')} and "
        f"{_spread(fault.days, 'days')} ({fault.found} of {fault.runs} runs)."
    )


def _row(row: PlanRow) -> Sequence[str]:
    return (
        _name(row),
        _spread(row.labelled),
        _spread(row.adjudications),
        _spread(row.hours),
        _spread(row.days),
        f"{row.passed} of {row.begun}",
    )


def _name(row: PlanRow) -> str:
    from ..draw.numbers import whole_percent

    return row.stage.value if row.share is None else f"{row.stage.value}, {whole_percent(row.share)}"


def _spread(spread: Spread, unit: str = "") -> str:
    """Write median and ninth decile."""
    from ..draw.numbers import MISSING

    median, p90 = (MISSING if one is None else _number(one) for one in (spread.median, spread.p90))
    return f"{median} / {p90}{f' {unit}' if unit else ''}"


def _number(value: float) -> str:
    return f"{value:,.0f}" if value >= 10 or value == round(value) else f"{value:.1f}"
