"""A plan: the real machine on made-up cases. What is taken for granted holds in the cases, and the figures follow from it."""

from __future__ import annotations

from dataclasses import replace
from datetime import timedelta
from pathlib import Path

import numpy as np
import pytest

from drivetrain.core.errors import UsageError
from drivetrain.model.predictor import load
from drivetrain.rollout.events import ReviewKind
from drivetrain.rollout.planning.plan import plan, simulations
from drivetrain.rollout.planning.scores import ScoredAnswer, Scores
from drivetrain.rollout.planning.simulation import BEGAN, Simulation
from drivetrain.rollout.planning.world import Assumed, World
from drivetrain.rollout.policy import Cases, Expanding, Parallel, Policy, Supervised
from drivetrain.rollout.stage import Stage

BUNDLES = Path(__file__).parent.parent / "bundles"

ANSWERS = tuple(
    ScoredAnswer("ab"[number % 2], "ba"[number % 2], 0.5 + number / 200, number >= 20, number % 10 > 0)
    for number in range(100)
)
SCORES = Scores("0" * 16, ("a", "b"), ANSWERS, 0.05)

QUICK = Policy(
    name="line-3",
    model="cells",
    parallel=Parallel(min_cases=50, min_days=1, margin=0.1),
    supervised=Supervised(min_cases=50, min_days=1, max_error=0.1, max_override=0.3, seeded=0.1),
    expanding=Expanding(min_cases=20, min_days=1, steps=(0.5, 1.0), max_error=0.1, new_audits=10),
)


def worlds(assumed: Assumed, cases: int, error: float = 0.1) -> list[tuple[bool, bool, bool]]:
    """Certified, model wrong and person wrong, of many cases."""
    world = World(SCORES, assumed, np.random.default_rng(0), error)
    made = [world.case(BEGAN) for _ in range(cases)]
    return [(one.answer.certified, one.answer.label != one.truth, one.person != one.truth) for one in made]


@pytest.mark.parametrize("correlation", [0.0, 0.4, -0.1])
def test_errors_and_their_correlation_are_those_assumed(correlation: float) -> None:
    assumed = Assumed(people_error=0.15, correlation=correlation)
    found = np.array([one[1:] for one in worlds(assumed, 40_000) if one[0]], float)
    model, person = found.mean(axis=0)
    assert model == pytest.approx(0.1, abs=0.006)
    assert person == pytest.approx(0.15, abs=0.008)
    assert np.corrcoef(found.T)[0, 1] == pytest.approx(correlation, abs=0.03)


def test_a_correlation_that_no_two_errors_have_is_refused() -> None:
    with pytest.raises(
        UsageError, match=r"errors of 0.01 and 0.3 cannot have a correlation of 0.9; give one from -0.07 to 0.15"
    ):
        plan(QUICK, SCORES, Assumed(model_error=0.01, people_error=0.3, correlation=0.9), runs=1)


def test_shares_of_certified_cases_and_slices_are_those_of_scores_and_words() -> None:
    assumed = Assumed(slices={"site": {"north": 0.7, "south": 0.3}})
    world = World(SCORES, assumed, np.random.default_rng(1), 0.1)
    made = [world.case(BEGAN) for _ in range(10_000)]
    assert SCORES.certified == pytest.approx(0.76)
    assert np.mean([one.answer.certified for one in made]) == pytest.approx(SCORES.certified, abs=0.015)
    assert np.mean([not one.answer.in_domain for one in made]) == pytest.approx(0.05, abs=0.008)
    assert np.mean([one.case.slices["site"] == "north" for one in made]) == pytest.approx(0.7, abs=0.015)


def test_scores_are_those_of_the_bundle() -> None:
    scores = Scores.of(load(BUNDLES / "v1"), "v1")
    assert scores.labels == ("blau", "grün", "rot")
    assert all(
        one.sure and one.right and one.second in scores.labels and one.second != one.label for one in scores.answers
    )
    with pytest.raises(
        UsageError, match="none of the 30 answers that v3-grades keeps of images it had not seen reaches"
    ):
        Scores.of(load(BUNDLES / "v3-grades"), "v3-grades")


def test_a_stage_is_run_as_it_would_be() -> None:
    one = Simulation(QUICK, SCORES, Assumed(traffic_per_day=100), np.random.default_rng(0), 0.01)
    run = one.stage()
    assert run.passed
    assert one.machine.stage is Stage.PARALLEL
    assert run.days >= 1
    assert run.reviews[ReviewKind.DECIDE] == pytest.approx(run.cases, rel=0.1)
    assert run.reviews[ReviewKind.CONFIRM] == run.acted == 0
    one.advance()
    supervised = one.stage()
    assert one.machine.stage is Stage.SUPERVISED
    assert supervised.passed
    assert supervised.reviews[ReviewKind.CONFIRM] > 0
    one.advance()
    expanding = one.stage()
    assert expanding.passed
    assert 0 < expanding.acted < expanding.cases
    assert 0 < expanding.tested < expanding.acted


def test_busy_days_are_thinned_and_counted_in_full() -> None:
    policy = QUICK.model_copy(update={"parallel": Parallel(min_cases=50, min_days=5, margin=0.1)})
    assumed = Assumed(traffic_per_day=2_000, adjudication_days=0.05)
    run = Simulation(policy, SCORES, assumed, np.random.default_rng(0), 0.01).stage()
    assert run.passed
    assert run.days == pytest.approx(5, abs=1.1)
    assert run.cases == pytest.approx(2_000 * run.days, rel=0.05)
    assert run.simulated < 2_000
    assert run.reviews[ReviewKind.DECIDE] == pytest.approx(run.cases, rel=0.15)


def test_a_plan_has_every_stage_and_the_same_seed_the_same_plan() -> None:
    told = []
    assumed = Assumed(traffic_per_day=200, adjudication_days=0.2)
    made = plan(
        QUICK, SCORES, assumed, runs=2, seed=7, most_labelled=300, advance=lambda count, _note="": told.append(count)
    )
    assert sum(told) == simulations(2) == 4
    assert [(row.stage.value, row.share) for row in made.rows] == [
        ("parallel", None), ("supervised", None), ("expanding", 0.5),
    ]  # fmt: skip
    assert made.reached.value == 1.0
    for row in made.rows:
        assert row.passed == row.begun == 2
        assert row.days.median is not None
        assert row.labelled.median
    assert made.days.p90 == pytest.approx(sum(row.days.p90 or 0 for row in made.rows), rel=0.5)
    assert made.fault.found == made.fault.runs == 2
    assert made.fault.audits.median
    assert made.at_margin.value == 0.0
    assert made.to_json() == plan(QUICK, SCORES, assumed, runs=2, seed=7, most_labelled=300).to_json()


@pytest.mark.processes
def test_processes_of_their_own_change_nothing() -> None:
    assumed = Assumed(traffic_per_day=200, adjudication_days=0.2)
    policy = QUICK.model_copy(update={"expanding": QUICK.expanding.model_copy(update={"steps": (1.0,)})})
    here, there = (plan(policy, SCORES, assumed, runs=2, most_labelled=100, workers=workers) for workers in (1, 2))
    assert here == there


def test_a_worse_model_takes_more_labels() -> None:
    assumed = Assumed(traffic_per_day=500, people_error=0.05, adjudication_days=0.1)
    labelled = []
    for error in (0.005, 0.09):
        run = Simulation(QUICK, SCORES, assumed, np.random.default_rng(0), error).stage(3_000)
        labelled.append(run.labelled if run.passed else 3_000)
    assert labelled[0] < labelled[1]


def test_what_contradicts_the_policy_is_said() -> None:
    sliced = QUICK.model_copy(update={"cases": Cases(slices=("site",))})
    with pytest.raises(
        UsageError, match=r"say how cases are shared among them, such as --slice site=north:0\.7,south:0\.3"
    ):
        plan(sliced, SCORES, Assumed(), runs=1)
    with pytest.raises(UsageError, match="the shares are of the column 'site', and the policy's slices are none"):
        plan(QUICK, SCORES, Assumed(slices={"site": {"north": 1.0}}), runs=1)
    with pytest.raises(UsageError, match="an error of 0 cannot be simulated"):
        plan(QUICK, SCORES, replace(Assumed(), model_error=0.0), runs=1)
    with pytest.raises(UsageError, match="a plan needs at least one run; received 0"):
        plan(QUICK, SCORES, Assumed(), runs=0)


def test_every_slice_has_to_pass_so_that_a_small_one_takes_longer() -> None:
    sliced = QUICK.model_copy(update={"cases": Cases(slices=("site",))})
    days = []
    for policy, slices in ((QUICK, {}), (sliced, {"site": {"north": 0.9, "south": 0.1}})):
        assumed = Assumed(traffic_per_day=100, slices=slices)
        run = Simulation(policy, SCORES, assumed, np.random.default_rng(3), 0.01).stage()
        assert run.passed
        days.append(run.days)
    assert days[1] > days[0]


def test_a_fault_is_found_and_a_healthy_model_is_not_stopped() -> None:
    policy = QUICK.model_copy(update={"expanding": QUICK.expanding.model_copy(update={"steps": (1.0,)})})
    one = Simulation(
        policy, SCORES, Assumed(traffic_per_day=200, adjudication_days=0.1), np.random.default_rng(0), 0.005
    )
    for _ in range(2):
        assert one.stage().passed
        one.advance()
    found = one.fault(30, 0.3, 500)
    assert found is not None
    assert 0 < found.errors <= found.acted
    assert found.audits <= found.acted <= found.cases
    assert one.machine.holds or one.machine.stage is Stage.ROLLED_BACK
    assert one.machine.now - BEGAN > timedelta(days=2)
