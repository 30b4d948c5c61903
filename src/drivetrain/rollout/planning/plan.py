"""A plan of a rollout: how many labels, people's hours and days each stage takes, from runs of the real machine.

Beside it stand how often a model at the margin would be advanced, and what passes until a model that falls ill is stopped.
"""

from __future__ import annotations

import multiprocessing
from collections import Counter
from collections.abc import Callable, Mapping, Sequence
from concurrent.futures import ProcessPoolExecutor, as_completed
from dataclasses import asdict, dataclass
from typing import Any

import numpy as np

from ...core.errors import UsageError
from ...core.ports import Advance
from ...core.types import Interval
from ...stats.metrics import clopper_pearson
from ..events import ReviewKind
from ..policy import Policy
from ..stage import Stage
from .scores import Scores
from .simulation import Found, Simulation, StageRun
from .world import Assumed

RUNS = 10

FAULT = 0.1
"""The error of a model that has fallen ill."""

HEALTHY_AUDITS, MOST_AUDITS = 100, 1_000
"""Audits of the last step before the model falls ill, and the most after it until it counts as not found."""

MOST_LABELLED = 4_000
"""Labelled cases after which a model at the margin has had its chance."""

HOUR_S = 3_600.0


@dataclass(frozen=True, slots=True)
class Spread:
    """An amount over the runs; None where fewer of them came to an end at all."""

    median: float | None
    p90: float | None


@dataclass(frozen=True, slots=True)
class PlanRow:
    """One stage, or one step of expanding."""

    stage: Stage
    step: int
    share: float | None
    """The share of certified cases that the model acts on."""
    begun: int
    """Runs that came to it."""
    passed: int
    """Runs among them that left it for the next."""
    labelled: Spread
    """Labelled cases with which the evidence first sufficed."""
    adjudications: Spread
    hours: Spread
    """Hours that people work."""
    days: Spread
    missing: Mapping[str, int]
    """Runs that were given up here, by the gate that did not pass, or what stopped the model."""


@dataclass(frozen=True, slots=True)
class FaultRow:
    """The work and the errors between the moment a model falls ill and its being stopped."""

    error: float
    runs: int
    found: int
    audits: Spread
    acted: Spread
    errors: Spread
    days: Spread


@dataclass(frozen=True)
class Plan:
    """The whole plan."""

    name: str
    bundle_id: str
    assumed: Assumed
    certified: float
    """The share of cases whose answer is certified."""
    margin: float
    runs: int
    seed: int
    rows: tuple[PlanRow, ...]
    days: Spread
    """Days until the last step is reached."""
    hours: Spread
    reached: Interval
    """The share of runs that reach the last step."""
    at_margin: Interval
    """The share of runs that advance a model whose error is people's and the margin."""
    fault: FaultRow

    def to_json(self) -> dict[str, Any]:
        """Return the object of ``rollout plan --json``."""
        return {
            "name": self.name,
            "bundle_id": self.bundle_id,
            "assumed": asdict(self.assumed),
            "certified": self.certified,
            "margin": self.margin,
            "runs": self.runs,
            "seed": self.seed,
            "rows": [{**asdict(row), "stage": row.stage.value} for row in self.rows],
            "days": asdict(self.days),
            "hours": asdict(self.hours),
            "reached": _shown(self.reached),
            "at_margin": _shown(self.at_margin),
            "fault": asdict(self.fault),
        }


def plan(
    policy: Policy,
    scores: Scores,
    assumed: Assumed,
    *,
    runs: int = RUNS,
    seed: int = 0,
    fault: float = FAULT,
    most_labelled: int = MOST_LABELLED,
    workers: int = 1,
    advance: Advance = lambda _count, _note="": None,
) -> Plan:
    """Simulate a rollout, in as many processes as there are workers. ``advance`` is told of each of `simulations`.

    ``most_labelled`` are the labelled cases in which a model at the margin has its chance to be advanced.

    Raises:
        UsageError: the assumptions contradict each other or the policy.
    """
    _check(policy, assumed, runs)
    tasks = [
        _Task(policy, scores, assumed, seed, number, fault, most_labelled if margin else None)
        for margin in (False, True)
        for number in range(runs)
    ]
    done = _done(tasks, workers, advance)
    through = done[:runs]
    return _plan(
        policy,
        scores,
        assumed,
        runs,
        seed,
        fault,
        [one.stages for one in through],
        [one.found for one in through if one.stages[-1].passed],
        sum(one.stages[-1].passed for one in done[runs:]),
    )


@dataclass(frozen=True)
class _Task:
    """One run, as a process of its own is told of it."""

    policy: Policy
    scores: Scores
    assumed: Assumed
    seed: int
    number: int
    fault: float
    most_labelled: int | None
    """The labelled cases in which a model that is worse than people by the margin may be advanced; None: the run is of the model
    as it is assumed to be."""


@dataclass(frozen=True)
class _Done:
    stages: Sequence[StageRun]
    found: Found | None = None


def _done(tasks: Sequence[_Task], workers: int, advance: Advance) -> list[_Done]:
    """Do every task, in this process or in others, and return what came of each in their order."""
    found: list[_Done | None] = [None] * len(tasks)
    if workers < 2:
        for number, task in enumerate(tasks):
            found[number] = _did(task)
            advance(1)
    else:
        with ProcessPoolExecutor(workers, multiprocessing.get_context("spawn")) as pool:
            numbers = {pool.submit(_did, task): number for number, task in enumerate(tasks)}
            for future in as_completed(numbers):
                found[numbers[future]] = future.result()
                advance(1)
    return [one for one in found if one is not None]


def _did(task: _Task) -> _Done:
    assumed = task.assumed
    random = np.random.default_rng([task.seed, task.number, int(task.most_labelled is not None)])
    if task.most_labelled is not None:
        error = assumed.people_error + task.policy.parallel.margin
        return _Done([Simulation(task.policy, task.scores, assumed, random, error).stage(task.most_labelled)])
    one = Simulation(task.policy, task.scores, assumed, random, assumed.model_error)
    stages = _through(one, len(task.policy.expanding.steps))
    return _Done(stages, one.fault(HEALTHY_AUDITS, task.fault, MOST_AUDITS) if stages[-1].passed else None)


def simulations(runs: int) -> int:
    """The number of simulations of a plan."""
    return 2 * runs


def _check(policy: Policy, assumed: Assumed, runs: int) -> None:
    if runs < 1:
        raise UsageError(f"a plan needs at least one run; received {runs}")
    columns = set(policy.cases.slices)
    if strange := sorted(set(assumed.slices) - columns):
        raise UsageError(
            f"the shares are of the column {strange[0]!r}, and the policy's slices are "
            f"{', '.join(policy.cases.slices) or 'none'}"
        )
    if missing := sorted(columns - set(assumed.slices)):
        raise UsageError(
            f"the policy looks at every {missing[0]} by itself; say how cases are shared among them, such as "
            f"--slice {missing[0]}=north:0.7,south:0.3"
        )
    for error in (assumed.model_error, assumed.people_error + policy.parallel.margin):
        if not 0 < error < 1:
            raise UsageError(f"an error of {error:g} cannot be simulated; errors lie between 0 and 1")
        assumed.joint(error)


def _through(one: Simulation, steps: int) -> list[StageRun]:
    """Go through every stage that has another one behind it."""
    done: list[StageRun] = []
    for _ in range(2 + steps - 1):
        done.append(one.stage())
        if not done[-1].passed:
            break
        one.advance()
    return done


def _plan(
    policy: Policy,
    scores: Scores,
    assumed: Assumed,
    runs: int,
    seed: int,
    error: float,
    stages: Sequence[Sequence[StageRun]],
    faults: Sequence[Found | None],
    advanced: int,
) -> Plan:
    steps = policy.expanding.steps
    places = [(Stage.PARALLEL, 0), (Stage.SUPERVISED, 0), *((Stage.EXPANDING, step) for step in range(len(steps) - 1))]
    rows = []
    for number, (stage, step) in enumerate(places):
        here = [run[number] for run in stages if len(run) > number]
        rows.append(_row(stage, step, steps[step] if stage is Stage.EXPANDING else None, here))
    whole = [run for run in stages if len(run) == len(places) and run[-1].passed]
    return Plan(
        name=policy.name,
        bundle_id=scores.bundle_id,
        assumed=assumed,
        certified=scores.certified,
        margin=policy.parallel.margin,
        runs=runs,
        seed=seed,
        rows=tuple(rows),
        days=_spread([sum(one.days for one in run) for run in whole], runs),
        hours=_spread([sum(one.seconds for one in run) / HOUR_S for run in whole], runs),
        reached=clopper_pearson(len(whole), runs, 0.025),
        at_margin=clopper_pearson(advanced, runs, 0.025),
        fault=_fault(error, faults, assumed),
    )


def _row(stage: Stage, step: int, share: float | None, here: Sequence[StageRun]) -> PlanRow:
    passed = [run for run in here if run.passed]

    def spread(amount: Callable[[StageRun], float]) -> Spread:
        return _spread([amount(run) for run in passed], len(here))

    return PlanRow(
        stage=stage,
        step=step,
        share=share,
        begun=len(here),
        passed=len(passed),
        labelled=spread(lambda run: run.labelled),
        adjudications=spread(lambda run: run.reviews[ReviewKind.ADJUDICATE]),
        hours=spread(lambda run: run.seconds / HOUR_S),
        days=spread(lambda run: run.days),
        missing=dict(Counter(gate for run in here for gate in run.missing).most_common()),
    )


def _fault(error: float, faults: Sequence[Found | None], assumed: Assumed) -> FaultRow:
    found = [one for one in faults if one is not None]
    total = len(faults)
    return FaultRow(
        error=error,
        runs=total,
        found=len(found),
        audits=_spread([one.audits for one in found], total),
        acted=_spread([one.acted for one in found], total),
        errors=_spread([one.errors for one in found], total),
        days=_spread([one.cases / assumed.traffic_per_day for one in found], total),
    )


def _spread(amounts: Sequence[float], of: int) -> Spread:
    """``amounts`` are those of the runs that came to an end, of so many; the others took longer than any of them."""
    if not of:
        return Spread(None, None)
    all_R = np.concatenate([np.asarray(amounts, float), np.full(of - len(amounts), np.inf)])
    median, p90 = (float(np.quantile(all_R, q, method="inverted_cdf")) for q in (0.5, 0.9))
    return Spread(median if np.isfinite(median) else None, p90 if np.isfinite(p90) else None)


def _shown(share: Interval) -> dict[str, float]:
    return {"value": share.value, "low": share.low, "high": share.high}
