"""A plan of a watch before it starts: how soon which contamination is found, and how often it would be a false alarm.

Simulated for a bundle's own gate: the rate at which it refuses in-domain images is drawn for each run from what its calibration
leaves possible, Beta(k, n + 1 − k). Images of another domain are taken to be refused each time. Beside the watch stand two
things that people do instead: always look, and test every day by itself.

Shapes: R runs.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import numpy as np

from ..core.errors import UsageError
from ..core.ports import Advance
from ..core.types import IntArray, Interval
from ..stats.metrics import Floats, clopper_pearson
from .reference import GateReference
from .runs import Runs
from .settings import Settings

CONTAMINATIONS = (0.02, 0.05, 0.1, 0.2)
CHANGES = (0, 1_000, 5_000)
"""Clean votes before the change."""
RUNS = 200
MINUTES_A_DAY = 1_440


@dataclass(frozen=True, slots=True)
class Delay:
    """The votes from a change to its alarm, over the runs; None where fewer of them find it within the horizon."""

    median: float | None
    p90: float | None
    found: float
    """The share of runs that find it within the horizon."""

    def to_json(self, votes_per_day: float) -> dict[str, Any]:
        """Return it in votes and in days."""
        days = {
            f"{name}_days": None if value is None else value / votes_per_day
            for name, value in (("median", self.median), ("p90", self.p90))
        }
        return {"median": self.median, "p90": self.p90, **days, "found": self.found}


@dataclass(frozen=True, slots=True)
class PlanRow:
    """One change, as three ways of watching would see it."""

    contamination: float
    change_after: int
    watch: Delay
    daily: Delay


@dataclass(frozen=True)
class Plan:
    """The whole plan."""

    traffic_per_day: float
    votes_per_day: float
    sources: int
    runs: int
    seed: int
    in_domain_at_most: float
    settings: Settings
    rows: tuple[PlanRow, ...]
    false_alarms: Interval
    """The share of runs with a false alarm within the horizon."""
    daily_false_alarms: Interval
    """The same for a test every day."""

    def to_json(self) -> dict[str, Any]:
        """Return the object of ``monitor plan --json``."""
        always = {
            "median": 0,
            "p90": 0,
            "median_days": 0.0,
            "p90_days": 0.0,
            "found": 1.0,
            "false_alarms": _shown(ALWAYS),
        }
        daily_false = _shown(self.daily_false_alarms)
        return {
            "traffic_per_day": self.traffic_per_day,
            "votes_per_day": self.votes_per_day,
            "sources": self.sources,
            "horizon": self.settings.horizon,
            "horizon_days": self.settings.horizon / self.votes_per_day,
            "alpha": self.settings.alpha,
            "in_domain_at_most": self.in_domain_at_most,
            "runs": self.runs,
            "seed": self.seed,
            "rows": [
                {
                    "contamination": row.contamination,
                    "change_after": row.change_after,
                    **row.watch.to_json(self.votes_per_day),
                    "false_alarms": _shown(self.false_alarms),
                    "always_alarm": always,
                    "daily_test": {**row.daily.to_json(self.votes_per_day), "false_alarms": daily_false},
                }
                for row in self.rows
            ],
        }


ALWAYS = Interval(1.0, 1.0, 1.0, "by definition")


def plan(
    gate: GateReference,
    *,
    traffic_per_day: float,
    sources: int = 1,
    runs: int = RUNS,
    seed: int = 0,
    settings: Settings | None = None,
    advance: Advance = lambda _count, _note="": None,
) -> Plan:
    """Simulate a watch with this gate. Of several sources, which send in turn, one changes.

    ``advance`` is told of each of `stages`.

    Raises:
        UsageError: there is no source, or no run.
    """
    if sources < 1 or runs < 1:
        raise UsageError(f"a plan needs at least one source and one run; received {sources} and {runs}")
    settings = settings or Settings()
    votes_per_day = min(traffic_per_day, float(MINUTES_A_DAY * sources))
    clean = Runs(gate, settings, sources, max(1, round(votes_per_day)), runs, seed)
    kept: list[tuple[int, Runs]] = []
    for number in range(settings.horizon):
        if number in CHANGES:
            kept.append((number, clean.copy()))
        clean.vote()
    advance(1)
    rows = []
    for contamination in CONTAMINATIONS:
        for change_after, before in kept:
            changed = before.copy()
            for _ in range(settings.horizon):
                if changed.is_done:
                    break
                changed.vote(contamination)
            rows.append(
                PlanRow(contamination, change_after, *(_delay(found) for found in changed.delays(change_after)))
            )
            advance(1)
    false_alarms, daily = _share(clean.alarm_R), _share(clean.daily_R)
    return Plan(
        traffic_per_day=traffic_per_day,
        votes_per_day=votes_per_day,
        sources=sources,
        runs=runs,
        seed=seed,
        in_domain_at_most=clean.bound,
        settings=settings,
        rows=tuple(rows),
        false_alarms=false_alarms,
        daily_false_alarms=daily,
    )


def stages() -> int:
    """The number of simulations of a plan."""
    return 1 + len(CONTAMINATIONS) * len(CHANGES)


def _delay(delay_R: Floats) -> Delay:
    """``delay_R``: votes from the change on, infinite where it was not found; without the runs that alarmed before."""
    if not len(delay_R):
        return Delay(None, None, 0.0)
    median, p90 = (float(np.quantile(delay_R, q, method="inverted_cdf")) for q in (0.5, 0.9))
    finite = float(np.isfinite(delay_R).mean())
    return Delay(median if np.isfinite(median) else None, p90 if np.isfinite(p90) else None, finite)


def _share(alarm_R: IntArray) -> Interval:
    return clopper_pearson(int((alarm_R > 0).sum()), len(alarm_R), 0.025)


def _shown(share: Interval) -> dict[str, float]:
    return {"value": share.value, "low": share.low, "high": share.high}
