"""Figures of merit against closed forms, scikit-learn and simulation."""

from __future__ import annotations

import numpy as np
import pytest
from scipy.stats import binomtest
from sklearn.metrics import confusion_matrix, log_loss, roc_auc_score

from drivetrain.stats import metrics


def answers(seed: int, n: int = 400, classes: int = 3) -> tuple[np.ndarray, np.ndarray]:
    rng = np.random.default_rng(seed)
    probs = metrics.softmax(rng.normal(size=(n, classes)) * 1.5)
    labels = np.asarray([rng.choice(classes, p=p) for p in probs], np.int64)
    return labels, probs


@pytest.mark.parametrize(("k", "n"), [(0, 10), (10, 10), (7, 10), (950, 1000), (1, 3)])
def test_wilson_is_scipys(k: int, n: int) -> None:
    ours = metrics.wilson(k, n)
    theirs = binomtest(k, n).proportion_ci(0.95, method="wilson")
    assert (ours.low, ours.high) == pytest.approx((theirs.low, theirs.high), abs=1e-12)


def test_wilson_covers_as_often_as_it_says() -> None:
    rng = np.random.default_rng(0)
    covered = []
    for k in rng.binomial(200, 0.93, size=4000):
        interval = metrics.wilson(int(k), 200)
        covered.append(interval.low <= 0.93 <= interval.high)
    assert 0.93 <= np.mean(covered) <= 0.975


def test_grouped_accuracy_covers_where_the_plain_interval_does_not() -> None:
    """Groups of ten that stand and fall together: 1,000 images worth about 100."""
    rng = np.random.default_rng(1)
    grouped, plain = [], []
    groups = np.repeat(np.arange(100), 10)
    for _ in range(1500):
        hits = np.repeat(rng.random(100) < 0.9, 10)
        labels = np.zeros(1000, np.int64)
        predicted = np.where(hits, 0, 1)
        a, b = metrics.accuracy(labels, predicted, groups), metrics.accuracy(labels, predicted)
        grouped.append(a.low <= 0.9 <= a.high)
        plain.append(b.low <= 0.9 <= b.high)
    assert np.mean(plain) < 0.6
    assert np.mean(grouped) >= 0.92  # Wilson itself covers 0.936 at 100 independent trials and p = 0.9


def test_without_groups_every_image_counts_as_one() -> None:
    labels, probs = answers(0)
    alone = metrics.accuracy(labels, probs.argmax(axis=1), np.arange(len(labels)))
    assert alone == metrics.accuracy(labels, probs.argmax(axis=1))
    assert alone.method == "Wilson 95 %"


def test_log_loss_and_confusion_are_scikit_learns() -> None:
    labels, probs = answers(1)
    assert metrics.log_loss(labels, probs) == pytest.approx(log_loss(labels, probs), rel=1e-9)
    np.testing.assert_array_equal(
        metrics.confusion(labels, probs.argmax(axis=1), 3), confusion_matrix(labels, probs.argmax(axis=1))
    )


def test_auc_is_scikit_learns_ties_included() -> None:
    rng = np.random.default_rng(2)
    positive = rng.random(500) < 0.3
    scores = np.round(rng.random(500) + 0.3 * positive, 1)
    assert metrics.auc(positive, scores) == pytest.approx(roc_auc_score(positive, scores), abs=1e-12)
    assert np.isnan(metrics.auc(np.ones(5, bool), np.arange(5.0)))


def test_ece_vanishes_for_calibrated_answers_and_grows_with_overconfidence() -> None:
    labels, probs = answers(3, n=20_000)
    assert metrics.expected_calibration_error(labels, probs) < 0.02
    sharper = metrics.softmax(np.log(probs), beta=3.0)
    assert metrics.expected_calibration_error(labels, sharper) > 0.1


def test_ece_of_one_bin_is_the_gap_itself() -> None:
    probs = np.tile([0.9, 0.1], (10, 1))
    labels = np.asarray([0] * 6 + [1] * 4, np.int64)
    assert metrics.expected_calibration_error(labels, probs) == pytest.approx(0.3)


def test_bootstrap_over_groups_is_as_wide_as_the_groups_demand() -> None:
    rng = np.random.default_rng(4)
    values = np.repeat(rng.normal(size=80), 10)
    groups = np.repeat(np.arange(80), 10)
    low, high = metrics.bootstrap(groups, lambda rows: float(values[rows].mean()), seed=0, resamples=800)
    expected = 2 * 1.96 * values[::10].std() / np.sqrt(80)
    assert high - low == pytest.approx(expected, rel=0.2)
    assert metrics.bootstrap(groups, lambda rows: float(values[rows].mean()), seed=0, resamples=800) == (low, high)
