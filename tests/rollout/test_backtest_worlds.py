"""Worlds whose errors are known: what the backtest says of them is what is true of them."""

from __future__ import annotations

from pathlib import Path

import pytest
from past_world import World

from drivetrain.model.manifest import Manifest, parse_manifest
from drivetrain.rollout.backtest.backtest import reached
from drivetrain.rollout.backtest.contender import Contender
from drivetrain.rollout.backtest.past import PastLog
from drivetrain.rollout.backtest.recorded import recorded_answers
from drivetrain.rollout.backtest.supposed import Supposing
from drivetrain.rollout.backtest.table import read_table
from drivetrain.rollout.backtest.trial import Trial, try_out
from drivetrain.rollout.policy import Cases, Expanding, Parallel, Policy, Rollback, Supervised
from drivetrain.rollout.stage import Stage

BUNDLE = Path(__file__).parents[1] / "bundles" / "v4-classes"

EASY = {"min_cases": 60, "min_days": 1.0, "max_out_of_domain": 0.9, "max_unresolved": 0.5}
POLICY = Policy(
    name="line-3",
    model="cells",
    alpha=0.2,
    cases=Cases(unresolved_after_days=5.0),
    parallel=Parallel(margin=0.1, audit=0.2, **EASY),
    supervised=Supervised(max_error=0.15, max_override=0.4, blind=0.5, **EASY),
    expanding=Expanding(max_error=0.15, steps=(0.25, 1.0), new_audits=5, audit=0.2, **EASY),
    rollback=Rollback(max_error=0.05, level=100.0, pause_level=50.0),
)


@pytest.fixture(scope="module")
def manifest() -> Manifest:
    return parse_manifest((BUNDLE / "manifest.json").read_bytes())


def trial(folder: Path, world: World, manifest: Manifest, policy: Policy = POLICY) -> tuple[Trial, PastLog]:
    path = world.write(folder / f"{world.seed}-{world.outcomes}.csv")
    past = read_table(path, policy.cases.slices)
    answers, _ = recorded_answers(path, past, manifest)
    contender = Contender(
        policy.name, policy, "light", manifest.bundle_id, tuple(manifest.outputs), past.first, "as stated", answers
    )
    return try_out(past, contender, seed=1), past


def test_a_model_that_is_better_is_let_and_prevents_errors(tmp_path: Path, manifest: Manifest) -> None:
    world = World(cases=1500, seed=1, person=(0.08, 0.2), model=(0.005, 0.2), group=1)
    found, past = trial(tmp_path, world, manifest)
    stages = reached(found.main.run)
    assert [one.stage for one in stages] == [Stage.PARALLEL, Stage.SUPERVISED, Stage.EXPANDING, Stage.EXPANDING]
    assert [one.cases for one in stages] == sorted(one.cases for one in stages)
    account = found.main.account
    # Counted from the world itself, whose truths are known.
    rows = {row["key"]: row for row in world}
    ways = {one.case.key: found.main.run.ways[one.case.id] for one in past.cases}
    acted = [key for key, way in ways.items() if way.draw.route.value == "acted"]
    prevented = sum(rows[k]["decided"] != rows[k]["truth"] == rows[k]["answer"] for k in acted)
    made = sum(rows[k]["answer"] != rows[k]["truth"] == rows[k]["decided"] for k in acted)
    assert (account.acted, account.prevented, account.made) == (len(acted), prevented, made)
    assert account.errors is not None
    assert account.errors.value == pytest.approx((made - prevented) / 1500)
    assert account.errors.high < 0
    assert found.suppositions[0].supposed.side is Supposing.NOTHING


def test_a_model_that_breaks_is_rolled_back_and_people_decide_the_rest(tmp_path: Path, manifest: Manifest) -> None:
    world = World(cases=2000, seed=2, person=(0.05, 0.2), model=(0.005, 0.5), breaks_at=1100, group=1)
    found, past = trial(tmp_path, world, manifest)
    run = found.main.run
    assert run.stage is Stage.ROLLED_BACK
    back = reached(run)[-1]
    assert 1100 < back.cases < 1700
    later = [run.ways[one.case.id] for one in past.cases[back.cases :]]
    assert not any(way.draw.route.value == "acted" for way in later)
    plain = next(one for one in found.beside if one.name.startswith("confidence"))
    assert found.main.account.errors is not None
    assert plain.errors is not None
    # The plain threshold does not notice.
    assert found.main.account.errors.value < plain.errors.value - 0.03


def test_a_model_that_is_worse_stays_where_it_is(tmp_path: Path, manifest: Manifest) -> None:
    found, _ = trial(tmp_path, World(cases=800, seed=3, person=(0.01, 0.02), model=(0.2, 0.5), group=1), manifest)
    assert found.main.run.stage is Stage.PARALLEL
    assert found.main.account.acted == 0
    assert found.main.account.saved_a_case < 0  # adjudications, and nothing for them yet


def test_without_outcomes_the_truth_lies_within_the_bounds(tmp_path: Path, manifest: Manifest) -> None:
    world = World(cases=1200, seed=4, person=(0.08, 0.2), model=(0.005, 0.2), group=1)
    known, _ = trial(tmp_path, world, manifest)
    blind, _ = trial(tmp_path, World(**{**world.__dict__, "outcomes": False}), manifest)
    worst, best = blind.suppositions
    assert (worst.supposed.side, best.supposed.side) == (Supposing.WORST, Supposing.BEST)
    assert blind.is_bounded_only
    for one, other in zip(known.beside, blind.beside, strict=True):
        if one.name.startswith(("model", "confidence")):
            assert one.errors is not None
            assert other.errors is None
            assert other.lowest <= one.errors.value <= other.highest
    assert reached(best.run)[-1].stage is Stage.EXPANDING
    assert reached(worst.run)[-1].stage is Stage.PARALLEL
    first = {one.stage: one.cases for one in reversed(reached(known.main.run))}
    earliest = {one.stage: one.cases for one in reversed(reached(best.run))}
    assert earliest[Stage.SUPERVISED] <= first[Stage.SUPERVISED]
