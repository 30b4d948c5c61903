"""Whether a bundle does what training claimed: how often the remark errs, and how often it comes when it should.

Runs are simulated with a fixed seed and judged by binomial counts: a method that errs in exactly 5 % of runs passes with
66 of 1,000 in 99 % of cases. Shapes: J images.
"""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest

from drivetrain.core.types import Interval
from drivetrain.evaluation.against_training import Standing, against_training, worse_than_claimed
from drivetrain.learn.accept_rule import Accepted
from drivetrain.learn.figures import Figures, figure
from drivetrain.model.figure_row import rows_of
from drivetrain.model.kinds.numbers import NumberKind, NumberMetrics
from drivetrain.model.manifest import Accept, Manifest, parse_manifest
from drivetrain.model.part import Amount, Share
from drivetrain.model.policy import Confident
from drivetrain.stats.metrics import (
    Floats,
    accuracy,
    clopper_pearson,
    difference,
    independent_trials,
    wilson,
)
from drivetrain.stats.mistakes import share
from drivetrain.stats.number_metrics import mean_absolute_error

KEPT = Path(__file__).parent.parent / "bundles" / "v1"
RUNS, MOST = 1000, 66


def found_here(accuracy: Interval) -> Figures:
    """The figures of an evaluation."""
    return Figures((figure("accuracy", "accuracy", accuracy, "percent", "higher", "so many images"),), "so many images")


class Drawn:
    """Answers to images in groups: right with their confidence, less ``drop``, which groups share by half."""

    def __init__(self, rng: np.random.Generator, n: int, sure: float, group: int = 1, drop: float = 0.0) -> None:
        self.groups_J = np.arange(n) // group
        self.confidence_J: Floats = rng.beta(sure, 1, n)
        luck_J = rng.random(n)
        if group > 1:
            luck_J = np.where(rng.random(n) < 0.5, luck_J, luck_J[self.groups_J * group])
        self.right_J = luck_J < self.confidence_J - drop
        self.accepted_J = self.confidence_J >= 0.9

    @property
    def accuracy(self) -> Interval:
        return accuracy(self.right_J.astype(np.int64), np.ones(len(self.right_J), np.int64), self.groups_J)

    @property
    def accepted(self) -> Accepted:
        error = share(~self.right_J, self.accepted_J, self.groups_J) or wilson(0, 0)
        n, wrong = int(self.accepted_J.sum()), int((self.accepted_J & ~self.right_J).sum())
        return Accepted(Confident(0.9).lets, wilson(n, len(self.right_J)), n, wrong, error)

    @property
    def figures(self) -> Figures:
        return found_here(self.accuracy)

    @property
    def manifest(self) -> Manifest:
        """Of a bundle that claims this."""
        kept = parse_manifest((KEPT / "manifest.json").read_bytes())
        accept = Accept(confidence=0.9, coverage=1.0, error=Share.of(self.accepted.error))
        return claiming(kept.model_copy(update={"accept": accept}), self.accuracy)


def claiming(manifest: Manifest, accuracy: Interval) -> Manifest:
    """The same with another accuracy."""
    how = f"out of fold; {accuracy.method}"
    found = {"value": accuracy.value, "low": accuracy.low, "high": accuracy.high, "how": how}
    first, *others = manifest.figures
    assert first.slug == "accuracy"
    return manifest.model_copy(update={"figures": (first.model_copy(update=found), *others)})


def remarks(seed: int, training: int, here: int, sure: float, group: int, drop: float = 0.0, runs: int = RUNS) -> int:
    rng = np.random.default_rng(seed)
    count = 0
    for _ in range(runs):
        claimed, found = Drawn(rng, training, sure, group), Drawn(rng, here, sure, group, drop)
        count += bool(worse_than_claimed(against_training(found.figures, found.accepted, claimed.manifest)))
    return count


@pytest.mark.thorough
@pytest.mark.parametrize(
    ("training", "here", "sure", "group"),
    [(180, 2, 20, 1), (180, 30, 20, 1), (1000, 50, 60, 1), (1000, 300, 8, 1), (300, 300, 20, 3), (1000, 200, 20, 10)],
)
def test_where_nothing_is_worse_the_remark_is_as_rare_as_its_level(
    training: int, here: int, sure: float, group: int
) -> None:
    assert remarks(1, training, here, sure, group) <= MOST


@pytest.mark.thorough
def test_groups_that_are_taken_for_single_images_would_break_the_level() -> None:
    # The check can fail: of frames of one video, each counted as an image of its own.
    rng = np.random.default_rng(2)
    count = 0
    for _ in range(RUNS):
        claimed, found = Drawn(rng, 600, 20, 10), Drawn(rng, 300, 20, 10)
        for one in (claimed, found):
            one.groups_J = np.arange(len(one.right_J))
        count += bool(worse_than_claimed(against_training(found.figures, found.accepted, claimed.manifest)))
    assert count > MOST


def test_what_is_worse_is_noticed() -> None:
    assert remarks(3, 500, 300, 30, 1, drop=0.1, runs=200) > 190


def manifest_and_figures(right: int, of: int, claimed: int, of_claimed: int) -> Standing:
    rng = np.random.default_rng(0)
    drawn = Drawn(rng, 10, 5)
    manifest = drawn.manifest
    figures = found_here(wilson(right, of))
    nothing = Accepted(Confident(0.9).lets, wilson(0, of), 0, 0, wilson(0, 0))
    (only,) = against_training(figures, nothing, claiming(manifest, wilson(claimed, of_claimed)))
    return only.standing


def test_too_few_images_are_not_called_fine() -> None:
    assert manifest_and_figures(20, 20, 980, 1000) is Standing.CANNOT_TELL
    assert manifest_and_figures(0, 10, 980, 1000) is Standing.WORSE
    assert manifest_and_figures(196, 200, 980, 1000) is Standing.AS_CLAIMED
    assert manifest_and_figures(170, 200, 980, 1000) is Standing.WORSE
    # A claim from few images is as uncertain as a figure from few.
    assert manifest_and_figures(850, 1000, 20, 20) is Standing.CANNOT_TELL


def test_the_sentences_say_what_was_claimed_and_what_was_found() -> None:
    kept = Drawn(np.random.default_rng(0), 10, 5).manifest
    figures = found_here(wilson(170, 200))
    compared = against_training(figures, None, claiming(kept, wilson(980, 1000)))
    (found,) = worse_than_claimed(compared)
    assert found.code == "worse-than-claimed"
    assert found.sentence.startswith(
        "Significantly worse than training claimed: accuracy 85.0 % here, 98.0 % then (worse by 8"
    )
    assert compared[0].line().startswith("accuracy 98.0 %  (96.9 % to 98.7 %); here worse by 8")
    assert compared[0].to_json()["standing"] == "worse"


@pytest.mark.parametrize(("factor", "worse"), [(1.0, False), (1.6, True)])
def test_numbers_are_compared_by_their_mean_error(factor: float, worse: bool) -> None:
    rng = np.random.default_rng(5)

    def mean_error(n: int, spread: float) -> Interval:
        return mean_absolute_error(rng.normal(0, spread, n), np.zeros(n), np.arange(n), seed=0)

    claim, found = mean_error(400, 1.0), mean_error(200, factor)
    figures = Figures(
        (figure("mean-absolute-error", "mean absolute error", found, "significant", "lower", "so many", of="years"),),
        "so many",
    )
    kept = Drawn(np.random.default_rng(0), 10, 5).manifest
    kind = NumberKind(targets=("years",), half_widths=(2.0,), coverage=0.9, spreads=(1.0,))
    claims = NumberMetrics(
        mean_absolute_error=(Amount.of(claim),),
        baseline=(1.0,),
        root_mean_squared_error=(1.0,),
        r_squared=(1.0,),
        how="out of fold",
    )
    rows = rows_of(kind.lifted(claims))
    manifest = kept.model_copy(update={"kind": kind, "accept": None, "figures": rows})
    assert bool(worse_than_claimed(against_training(figures, None, manifest))) is worse


def test_intervals_tell_how_many_images_are_behind_them() -> None:
    for successes, trials in ((18, 20), (20, 20), (0, 7.5), (0.3, 41.7), (499, 1000)):
        assert independent_trials(wilson(successes, trials)) == pytest.approx(trials)


def test_exact_limits_are_those_of_scipy() -> None:
    from scipy.stats import binomtest

    for successes, trials in ((0, 59), (3, 40), (40, 40)):
        wanted = binomtest(successes, trials).proportion_ci(0.95, "exact")
        found = clopper_pearson(successes, trials, 0.025)
        assert (found.low, found.high) == pytest.approx((wanted.low, wanted.high))


def test_the_difference_is_newcombes_of_his_own_example() -> None:
    # Newcombe 1998, table II, case (a): 56/70 and 48/80, method 10: 0.0524 to 0.3339.
    found = difference(wilson(56, 70), wilson(48, 80))
    assert (found.value, found.low, found.high) == pytest.approx((0.2, 0.0524, 0.3339), abs=5e-5)
