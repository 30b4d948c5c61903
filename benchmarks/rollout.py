"""The gates of a rollout: false advances, labels that a good model needs, and audits until a fault is found.

    python -m benchmarks.rollout --out benchmarks/results/rollout.json

Every row is 1,000 simulated worlds or more that drive the classes of `drivetrain.rollout.evidence`, which run live; each gate is
looked at after every case. Where a share is claimed, ``pass_count`` is what a method exactly at the claim stays within with 99 %.
Rows state the correlation of the errors of model and people. ``cifar10n`` is labels that people really gave to 2,000 photos.
With two processes about an hour; ``--worlds 100`` for a first look.
"""

from __future__ import annotations

import math
import os
from collections.abc import Callable
from functools import partial
from multiprocessing import Pool
from typing import Any

import numpy as np
from scipy.stats import binom

from drivetrain.rollout.accuracy_gates import non_inferior

from .record import data_root, parser, record
from .rollout_worlds import (
    Acting,
    Beside,
    Binary,
    People,
    Photos,
    Sites,
    acting_policy,
    parallel_policy,
    passes_at,
)

SEED = 16
CASES = 4_000
PLANNED = {"equal": 1033, "better": 230}
"""Medians of METHODS: both 3 %, and model 2 % against people 4 %, margin 2 points, alpha .05."""
PLANNED_RISK = {
    (0.02, 0.005): (330, 800),
    (0.02, 0.01): (1038, 2373),
    (0.05, 0.02): (213, 559),
    (0.05, 0.03): (602, 1673),
}
HOPELESS = -12.0
"""A world of audits whose log-evidence has fallen so low is ended: at most e^-12/alpha of such are certified later (Ville)."""
PARTLY = People(missing=0.03, cannot_tell=0.05)


def beside(seed: int, source: Any, how: dict[str, Any]) -> tuple[float, float]:
    """One world in parallel: the case at which it passes, and labelled cases in evidence then."""
    rng = np.random.default_rng([SEED, seed])
    policy = parallel_policy(how["alpha"], how["margin"], how["twice"], how.get("sites", 0))
    inspected = source.draw(rng, how.get("cases", CASES))
    world = Beside(policy, inspected, how["people"], rng, how.get("sites", 0), how.get("in_order", True))
    return passes_at(world)


def advances(pool: Any, worlds: int, name: str, source: Any, **how: Any) -> dict[str, Any]:
    """A row of worlds in parallel."""
    how = {"alpha": 0.05, "margin": 0.02, "twice": 0.2, "people": People(), **how}
    found = np.array(pool.map(partial(beside, source=source, how=how), range(worlds), chunksize=10))
    advanced = np.isfinite(found[:, 0])
    people: People = how["people"]
    row = {
        "row": name,
        "source": "cifar10n" if isinstance(source, Photos) else "simulated",
        **source.said(),
        **{key: how[key] for key in ("alpha", "margin") if key in how},
        "adjudicated_twice": how["twice"],
        "lag": people.lag,
        "missing": people.missing,
        "cannot_tell": people.cannot_tell,
        "slices": how.get("sites", 0),
        "consumed": "in case order" if how.get("in_order", True) else "as it becomes final (baseline, not the product)",
        "cases_at_most": how.get("cases", CASES),
        "worlds": worlds,
        "advanced": int(advanced.sum()),
        "labelled_median": _quantile(found[:, 1], 0.5),
        "labelled_p90": _quantile(found[:, 1], 0.9),
    }
    print(row, flush=True)
    return row


def _quantile(values: np.ndarray, q: float) -> float | None:
    found = float(np.quantile(values, q, method="higher"))
    return found if math.isfinite(found) else None


def must_not(row: dict[str, Any]) -> dict[str, Any]:
    """Hold a row of models at the margin against alpha."""
    limit = int(binom.ppf(0.99, row["worlds"], row["alpha"]))
    return {**row, "pass_count": limit, "passed": row["advanced"] <= limit}


def at_the_margin(pool: Any, worlds: int) -> list[dict[str, Any]]:
    """Models at the margin, which must not advance."""
    rows = []
    for lag in (0, 200, 500):
        partly = People(lag, PARTLY.missing, PARTLY.cannot_tell)
        rows.append(advances(pool, worlds, "at the margin", Binary(0.05, 0.03), people=People(lag)))
        rows.append(advances(pool, worlds, "at the margin", Binary(0.05, 0.03, 0.0, 0.1), people=People(lag)))
        rows.append(advances(pool, worlds, "at the margin", Binary(0.05, 0.03, 0.0, 0.1), people=partly))
        rows.append(advances(pool, worlds, "at the margin", Binary(0.05, 0.03, 0.3, 0.1), people=partly))
    rows.append(advances(pool, worlds, "at the margin, default spend", Binary(0.05, 0.03, 0.0, 0.1), alpha=0.02))
    sites = Sites(Binary(0.05, 0.03), Binary(0.01, 0.03), 2)
    rows.append(advances(pool, worlds, "at the margin at one of 2 sites", sites, sites=2))
    for margin in (0.02, 0.05):
        photos = Photos(data_root() / "cifar10n" / "labels.csv", margin)
        for lag in (0, 500):
            people = People(lag, PARTLY.missing / 3, PARTLY.cannot_tell / 3)
            rows.append(advances(pool, worlds, "at the margin", photos, margin=margin, people=people))
    return [must_not(row) for row in rows]


def baselines(pool: Any, worlds: int) -> list[dict[str, Any]]:
    """The same done wrongly: evidence as it arrives, adjudicators taken to be right."""
    rows = []
    for lag in (200, 500):
        source = Binary(0.05, 0.03)
        rows.append(advances(pool, worlds, "baseline", source, people=People(lag), twice=0.0, in_order=False))
    name = "baseline, adjudicators taken to be right"
    return rows + [advances(pool, worlds, name, Binary(0.05, 0.03, 0, slips), twice=0.0) for slips in (0.1, 0.2)]


def good_enough(pool: Any, worlds: int) -> list[dict[str, Any]]:
    """Models that may advance, and the labels it takes."""
    equal, better = Binary(0.03, 0.03), Binary(0.02, 0.04)
    rows = [
        {**advances(pool, worlds, "as good as people", equal), "planned_median": PLANNED["equal"]},
        advances(pool, worlds, "as good as people, nobody adjudicates twice", equal, twice=0.0),
        advances(pool, worlds, "as good as people, all adjudicated twice", equal, twice=1.0),
        advances(pool, worlds, "as good as people, default spend", equal, alpha=0.02),
        advances(pool, worlds, "as good as people", Binary(0.03, 0.03, 0.3)),
        advances(pool, worlds, "as good as people", Binary(0.03, 0.03, 0, 0.05)),
        advances(pool, worlds, "as good as people", Binary(0.03, 0.03, 0, 0.1), cases=10_000),
        advances(pool, worlds, "as good as people", Binary(0.03, 0.03, 0, 0.1), twice=0.5, cases=10_000),
        advances(pool, worlds, "as good as people", equal, people=People(200, 0.005, 0.01)),
        {
            **advances(pool, worlds, "better than people, nobody adjudicates twice", better, twice=0.0),
            "planned_median": PLANNED["better"],
        },
        advances(pool, worlds, "better than people", better),
        advances(pool, worlds, "better than people, all adjudicated twice", better, twice=1.0),
        advances(pool, worlds, "better than people", Binary(0.02, 0.04, 0, 0.1)),
    ]
    photos = Photos(data_root() / "cifar10n" / "labels.csv", 0.0)
    rows.append(advances(pool, worlds, "as good as people", photos, margin=0.05, cases=10_000))
    for row in rows:
        if "planned_median" in row:
            row["limit"] = 1.15 * row["planned_median"]
            row["passed"] = row["labelled_median"] is not None and row["labelled_median"] <= row["limit"]
    return rows


def foretold(seed: int) -> tuple[float, float]:
    """What is foretold after 400 cases of both 3 %, and what then came, for worlds that had not passed by then."""
    rng = np.random.default_rng([SEED + 1, seed])
    world = Beside(parallel_policy(0.05, 0.02, 0.2), Binary(0.03, 0.03).draw(rng, 12_000), People(), rng)
    evidence, told = world.evidence, math.nan
    for number in world.cases():
        if number == 400:
            reading = non_inferior(None, evidence.comparison, 0.02, evidence.alpha, evidence.adjudicators)
            if reading.verdict == "pass":
                return math.nan, math.nan
            told = math.inf if reading.expected_more is None else reading.expected_more
        looked_at = number > 400 and number % 10 == 0
        if looked_at and evidence.comparison.evidence(0.02, evidence.adjudicators) >= -math.log(evidence.alpha):
            return told, number - 400
    return told, math.inf


def forecasts(pool: Any, worlds: int) -> dict[str, Any]:
    """The cases foretold against those that it took."""
    found = np.array(pool.map(foretold, range(worlds), chunksize=10))
    found = found[~np.isnan(found[:, 0])]
    row = {
        "row": "labelled cases foretold after 400, both 3 %, independent",
        "worlds": len(found),
        "foretold_median": _quantile(found[:, 0], 0.5),
        "took_median": _quantile(found[:, 1], 0.5),
    }
    print(row, flush=True)
    return row


def certified(seed: int, max_error: float, error: float, cases: int) -> float:
    """One world of audits: the audit at which the risk is certified."""
    rng = np.random.default_rng([SEED, seed])
    world = Acting(acting_policy(0.05, max_error, 0.3))
    evidence, needed, found, n = world.evidence, -math.log(0.05), 0.0, 0
    risk = evidence.risk_of(None)
    for wrong in rng.random(cases) < error:
        world.audit(bool(wrong))
        # No audit adds more evidence than one that finds nothing.
        if found - (risk.n - n) * math.log1p(-max_error) < needed:
            continue
        n, found = risk.n, risk.evidence(max_error, evidence.adjudicators)
        if found >= needed:
            return float(n)
        if found < HOPELESS:
            break
    return math.inf


def risks(pool: Any, worlds: int) -> list[dict[str, Any]]:
    """Audits until a risk is certified, and how often one at the threshold is."""
    rows = []
    cells = [*PLANNED_RISK, (0.02, 0.02), (0.05, 0.05)]
    for max_error, error in cells:
        one = partial(certified, max_error=max_error, error=error, cases=4_000)
        found = np.array(pool.map(one, range(worlds), chunksize=10))
        row = {
            "row": "risk",
            "max_error": max_error,
            "error": error,
            "alpha": 0.05,
            "correlation": "does not matter: disagreements are adjudicated, without errors here",
            "worlds": worlds,
            "certified": int(np.isfinite(found).sum()),
            "audits_median": _quantile(found, 0.5),
            "audits_p90": _quantile(found, 0.9),
        }
        if error == max_error:
            row["pass_count"] = int(binom.ppf(0.99, worlds, 0.05))
            row["passed"] = row["certified"] <= row["pass_count"]
        else:
            row["planned_median"], row["planned_p90"] = PLANNED_RISK[max_error, error]
        print(row, flush=True)
        rows.append(row)
    return rows


def rolled_back(seed: int, healthy: float, audits: int, faulty: float, slices: int, in_one: bool) -> float:
    """One world of audits: the audit at which it is rolled back, counted from 1; infinite: not within 1,000 after the change."""
    rng = np.random.default_rng([SEED, seed])
    world = Acting(acting_policy(0.05, 0.05, 0.02, slices), slices)
    for number in range(audits + 1_000):
        site = int(rng.integers(slices)) if slices else 0
        error = faulty if number >= audits and (not in_one or site == 0) else healthy
        stop = world.audit(bool(rng.random() < error), site)
        if stop is not None and stop.rollback:
            return number + 1.0
    return math.inf


def rollbacks(pool: Any, worlds: int) -> list[dict[str, Any]]:
    """Audits from a fault until the rollback, and healthy models rolled back."""
    rows = []
    for healthy, audits, slices, in_one in (
        (0.02, 300, 0, False),
        (0.02, 1000, 0, False),
        (0.01, 300, 0, False),
        (0.01, 1000, 0, False),
        (0.01, 1000, 4, False),
        (0.01, 1000, 4, True),
    ):
        one = partial(rolled_back, healthy=healthy, audits=audits, faulty=0.1, slices=slices, in_one=in_one)
        found = np.array(pool.map(one, range(worlds), chunksize=10))
        took = found[found > audits] - audits
        early = int((found <= audits).sum())
        row = {
            "row": "fault in one of the slices" if in_one else "fault",
            "healthy_error": healthy,
            "faulty_error": 0.1,
            "audits_before": audits,
            "slices": slices,
            "worlds": worlds,
            "rolled_back_before": early,
            "audits_median": _quantile(took, 0.5),
            "audits_p90": _quantile(took, 0.9),
        }
        if not in_one:
            row["passed"] = row["audits_median"] <= 75 and row["audits_p90"] <= 160
        if healthy == 0.01 and audits == 1000:
            row["pass_count"] = int(binom.ppf(0.99, worlds, 0.01))
            row["healthy_passed"] = early <= row["pass_count"]
        print(row, flush=True)
        rows.append(row)
    return rows


def main() -> None:
    arguments = parser(__doc__)
    arguments.add_argument("--worlds", type=int, default=1_000, help="simulated worlds a row (1000)")
    arguments.add_argument("--processes", type=int, default=2, help="processes (2)")
    chosen = arguments.parse_args()
    os.nice(5)
    worlds: int = chosen.worlds
    parts: dict[str, Callable[[Any, int], Any]] = {
        "at_the_margin": at_the_margin,
        "good_enough": good_enough,
        "rolled_back": rollbacks,
        "baselines": baselines,
        "risk": risks,
        "forecast": forecasts,
    }
    result: dict[str, Any] = {}
    with Pool(chosen.processes) as pool:
        for name, part in parts.items():
            result[name] = part(pool, worlds)
            record({"worlds_a_row": worlds, **result}, chosen.out)


if __name__ == "__main__":
    main()
