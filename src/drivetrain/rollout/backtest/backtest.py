"""A backtest: several policies and bundles on the same past cases, side by side."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Any

from ...core.types import Interval
from ..events import Turn
from ..moments import to_text
from ..stage import Stage
from .account import interval_json, paired
from .past import PastLog
from .player import Played
from .trial import Supposition, Trial


@dataclass(frozen=True)
class Pair:
    """Two contenders on the cases that both were tried on; below 0 the first has fewer errors, or asks for fewer reviews."""

    one: str
    other: str
    cases: int
    errors: Interval | None
    """The difference of the shares of wrong decisions; None where blocks or truths are too few."""
    reviews: Interval | None
    """The difference of reviews a case."""

    def to_json(self) -> dict[str, Any]:
        """Return the object that ``--json`` prints."""
        return {
            "one": self.one,
            "other": self.other,
            "cases": self.cases,
            "errors": interval_json(self.errors),
            "reviews": interval_json(self.reviews),
        }


@dataclass(frozen=True, eq=False)
class Backtest:
    """The backtest of a log."""

    past: PastLog
    trials: tuple[Trial, ...]
    pairs: tuple[Pair, ...]
    seed: int
    remarks: tuple[str, ...] = ()

    @property
    def days(self) -> int:
        """The days on which cases came."""
        return len({one.case.at.date() for one in self.past.cases})

    def to_json(self) -> dict[str, Any]:
        """Return the document of ``drivetrain backtest --json``; see docs/json.md."""
        return {
            "log": {
                "source": self.past.source,
                "cases": len(self.past.cases),
                "days": self.days,
                "first": to_text(self.past.first),
                "last": to_text(self.past.last),
            },
            "seed": self.seed,
            "trials": [_trial_json(one) for one in self.trials],
            "pairs": [one.to_json() for one in self.pairs],
            "remarks": list(self.remarks),
        }


def pairs_of(trials: Sequence[Trial]) -> Iterator[Pair]:
    """Compare each two contenders, on the cases of both."""
    for n, one in enumerate(trials):
        for other in trials[n + 1 :]:
            places = {case.case.id: place for place, case in enumerate(other.used.cases)}
            rows = [(n, places[case.case.id]) for n, case in enumerate(one.used.cases) if case.case.id in places]
            if not rows:
                yield Pair(one.contender.name, other.contender.name, 0, None, None)
                continue
            mine, its = zip(*rows, strict=True)
            ground = one.ground.take(mine)
            errors, reviews = paired(one.main.course.take(mine), other.main.course.take(its), ground)
            yield Pair(one.contender.name, other.contender.name, len(rows), errors, reviews)


@dataclass(frozen=True, slots=True)
class Reached:
    """A stage, or a step of expanding, from when on the rollout stood in it."""

    stage: Stage
    step: int
    at: datetime
    cases: int
    """Cases that had come in by then."""
    days: float
    """Days since the rollout was opened."""


def reached(run: Played) -> tuple[Reached, ...]:
    """List the stages and steps that a run went through, in order; pauses are no stage."""
    opened = run.opened_at
    found = [Reached(Stage.PARALLEL, 0, opened, 0, 0.0)]
    for done in run.turns:
        turned = done.turned
        if turned.turn in (Turn.PAUSED, Turn.RESUMED):
            continue
        days = (turned.at - opened).total_seconds() / 86_400
        found.append(Reached(turned.stage, turned.step, turned.at, done.cases, days))
    return tuple(found)


def _trial_json(trial: Trial) -> dict[str, Any]:
    contender, used = trial.contender, trial.used
    return {
        "name": contender.name,
        "policy": contender.policy.name,
        "bundle": contender.bundle,
        "bundle_id": contender.bundle_id,
        "trained_until": to_text(contender.trained_until),
        "dated_by": contender.dated_by,
        "as_logged": contender.as_logged,
        "cases": len(used.cases),
        "left_out": {"before": used.before, "copies": used.copies, "unanswered": used.unanswered},
        "discordant": trial.discordant,
        "unknown": trial.unknown,
        "runs": [_run_json(one) for one in trial.suppositions],
        "beside": [one.to_json() for one in trial.beside],
        "remarks": list(trial.remarks),
    }


def _run_json(one: Supposition) -> dict[str, Any]:
    run = one.run
    return {
        "supposed": one.supposed.side.value,
        "stage": run.stage.value,
        "step": run.step,
        "reached": [
            {"stage": r.stage.value, "step": r.step, "at": to_text(r.at), "cases": r.cases, "days": r.days}
            for r in reached(run)
        ],
        "turns": [
            {
                "at": to_text(done.turned.at),
                "turn": done.turned.turn.value,
                "stage": done.turned.stage.value,
                "step": done.turned.step,
                "by": done.turned.by,
                "reason": done.turned.reason,
                "cases": done.cases,
                "readings": [reading.to_json() for reading in done.readings],
            }
            for done in run.turns
        ],
        "readings": [reading.to_json() for reading in run.samples[-1].readings],
        "refusals": list(run.refusals),
        "holds": list(run.holds),
        "account": one.account.to_json(),
    }
