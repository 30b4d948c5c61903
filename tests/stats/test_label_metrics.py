"""Figures for labels that each apply or not, against scikit-learn and brute force."""

from __future__ import annotations

import warnings

import numpy as np
import pytest
from scipy.special import expit
from sklearn.metrics import (
    average_precision_score,
    f1_score,
    log_loss,
    precision_recall_curve,
    precision_score,
    recall_score,
)

from drivetrain.core.errors import DataError
from drivetrain.stats.label_metrics import (
    average_precision,
    best_thresholds,
    binary_log_loss,
    binary_losses,
    label_rows,
    mean_average_precision,
    sigmoid,
)
from drivetrain.stats.metrics import wilson


def answers(seed: int, n: int = 300, labels: int = 4, decimals: int = 8) -> tuple[np.ndarray, np.ndarray]:
    rng = np.random.default_rng(seed)
    logits = rng.normal(size=(n, labels)) * 1.5 - np.linspace(0, 3, labels)
    present = (rng.random((n, labels)) < expit(logits)).astype(np.float32)
    return present, np.round(expit(logits), decimals)


@pytest.mark.parametrize("decimals", [8, 2, 1, 0])
@pytest.mark.parametrize("n", [1, 2, 7, 300])
def test_average_precision_is_scikit_learns_ties_included(n: int, decimals: int) -> None:
    present, probs = answers(n, n, decimals=decimals)
    present[0, 0] = 1
    assert average_precision(present[:, 0], probs[:, 0]) == pytest.approx(
        average_precision_score(present[:, 0], probs[:, 0]), abs=1e-12
    )


def test_average_precision_at_its_ends() -> None:
    truth = np.asarray([1, 1, 0, 0])
    assert average_precision(truth, np.asarray([4.0, 3.0, 2.0, 1.0])) == 1.0
    assert average_precision(truth, np.zeros(4)) == 0.5  # nothing ranked: the share of positives
    assert np.isnan(average_precision(np.zeros(4), np.arange(4.0)))
    assert np.isnan(average_precision(np.zeros(0), np.zeros(0)))


def test_average_precision_of_chance_is_the_share_of_positives() -> None:
    rng = np.random.default_rng(0)
    truth = np.arange(2000) < 400
    figures = [average_precision(truth, rng.random(2000)) for _ in range(200)]
    assert np.mean(figures) == pytest.approx(0.2, abs=0.01)


def test_the_mean_is_over_labels_that_occur() -> None:
    present, probs = answers(1, labels=5)
    present[:, 3] = 0
    there = [0, 1, 2, 4]
    expected = average_precision_score(present[:, there], probs[:, there], average="macro")
    assert mean_average_precision(present, probs) == pytest.approx(expected, abs=1e-12)
    assert np.isnan(mean_average_precision(np.zeros((3, 2), np.float32), np.ones((3, 2))))


def test_binary_log_loss_is_scikit_learns() -> None:
    present, probs = answers(2)
    each = [log_loss(present[:, label], probs[:, label]) for label in range(4)]
    assert binary_log_loss(present, probs) == pytest.approx(np.mean(each), rel=1e-9)
    assert binary_losses(present, probs).shape == (300,)
    certain_and_wrong = binary_log_loss(np.ones((1, 1), np.float32), np.zeros((1, 1)))
    assert certain_and_wrong == pytest.approx(-np.log(1e-7))


def test_sigmoid_is_scipys_and_keeps_the_order_of_far_negative_logits() -> None:
    logits = np.asarray([[-700.0, -60.0, -40.0, -1.0, 0.0, 1.0, 40.0, 1e4, -1e4]])
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        ours = sigmoid(logits, 1.0)
    np.testing.assert_allclose(ours, expit(logits), rtol=1e-12)
    np.testing.assert_allclose(sigmoid(logits, 0.25), expit(logits * 0.25), rtol=1e-12)
    assert len(np.unique(ours[0, :3])) == 3
    assert sigmoid(logits.astype(np.float32)).dtype == np.float64


@pytest.mark.parametrize("decimals", [8, 2, 1])
@pytest.mark.parametrize("seed", range(5))
def test_the_threshold_is_the_best_there_is(seed: int, decimals: int) -> None:
    present, probs = answers(seed, n=80, decimals=decimals)
    for label, threshold in enumerate(best_thresholds(present, probs)):
        precision, recall, _ = precision_recall_curve(present[:, label], probs[:, label])
        best = np.max(2 * precision * recall / np.maximum(precision + recall, 1e-12))
        assert f1_score(present[:, label], probs[:, label] >= threshold) == pytest.approx(best, abs=1e-12)
        # Half way: as far from the score above as from the one below.
        above = probs[probs[:, label] >= threshold, label].min()
        below = probs[probs[:, label] < threshold, label].max(initial=0.0)
        assert threshold == pytest.approx((above + below) / 2, abs=1e-12)


def test_of_equally_good_thresholds_the_highest() -> None:
    # At 0.9: 1 of 1 right, 1 of 2 found, F1 = 2/3; at 0.3: 2 of 4 right, 2 of 2 found, F1 = 2/3.
    truth, probs = np.asarray([[1], [0], [0], [1]], np.float32), np.asarray([[0.9], [0.7], [0.5], [0.3]])
    assert best_thresholds(truth, probs) == pytest.approx([0.8])


def test_thresholds_where_nothing_can_be_learned() -> None:
    probs = np.linspace(0.1, 0.9, 5)[:, None]
    assert best_thresholds(np.zeros((5, 1), np.float32), probs) == [0.5]
    assert best_thresholds(np.ones((5, 1), np.float32), probs) == [0.5]
    assert best_thresholds(np.zeros((0, 1), np.float32), np.zeros((0, 1))) == [0.5]
    # One score for all: everything is claimed, also where that score is 0.
    assert best_thresholds(np.asarray([[1], [0]], np.float32), np.full((2, 1), 0.4)) == pytest.approx([0.2])
    assert best_thresholds(np.asarray([[1], [0]], np.float32), np.zeros((2, 1))) == [0.0]


def test_a_threshold_between_neighbouring_floats_still_parts_them() -> None:
    below = 0.3
    for _ in range(2):  # half way is rounded down between one pair of neighbours and up between the next
        above = np.nextafter(below, 1)
        truth, probs = np.asarray([[1], [0]], np.float32), np.asarray([[above], [below]])
        (threshold,) = best_thresholds(truth, probs)
        assert (probs[:, 0] >= threshold).tolist() == [True, False]
        below = above


def test_float32_probabilities_give_the_same_claims() -> None:
    present, probs = answers(8)
    narrow = probs.astype(np.float32)
    thresholds = best_thresholds(present, narrow)
    assert thresholds.dtype == np.float64
    np.testing.assert_array_equal(thresholds, best_thresholds(present, narrow.astype(np.float64)))


def test_rows_are_scikit_learns_figures() -> None:
    present, probs = answers(4)
    thresholds = best_thresholds(present, probs)
    rows = label_rows(present, probs, thresholds, np.arange(300), ("a", "b", "c", "d"))
    for column, row in enumerate(rows):
        claimed = probs[:, column] >= thresholds[column]
        assert row.label == "abcd"[column]
        assert row.count == present[:, column].sum()
        assert row.threshold == thresholds[column]
        assert row.precision is not None
        assert row.recall is not None
        assert row.precision.value == pytest.approx(precision_score(present[:, column], claimed))
        assert row.recall.value == pytest.approx(recall_score(present[:, column], claimed))
        assert row.average_precision == pytest.approx(average_precision_score(present[:, column], probs[:, column]))
        found = int((claimed & (present[:, column] > 0)).sum())
        assert row.recall == wilson(found, row.count)  # items stand alone, so each counts as one


def test_groups_widen_the_intervals() -> None:
    rng = np.random.default_rng(5)
    present = np.repeat((rng.random((60, 1)) < 0.5).astype(np.float32), 8, axis=0)
    probs = np.repeat(np.clip(0.5 + 0.3 * (2 * present[::8] - 1) + 0.4 * rng.normal(size=(60, 1)), 0, 1), 8, axis=0)
    (alone,) = label_rows(present, probs, [0.5], np.arange(480), ["a"])
    (grouped,) = label_rows(present, probs, [0.5], np.repeat(np.arange(60), 8), ["a"])
    for one, other in ((alone.recall, grouped.recall), (alone.precision, grouped.precision)):
        assert one is not None
        assert other is not None
        assert other.value == pytest.approx(one.value)
        assert other.high - other.low > 2 * (one.high - one.low)


def test_rows_of_labels_that_never_occur_or_are_never_claimed() -> None:
    present = np.asarray([[0, 1], [0, 0]], np.float32)
    probs = np.full((2, 2), 0.1)
    never, unclaimed = label_rows(present, probs, [0.05, 0.5], np.arange(2), ["never", "unclaimed"])
    assert never.recall is None
    assert never.average_precision is None
    assert never.precision is not None
    assert never.precision.value == 0
    assert unclaimed.precision is None
    assert unclaimed.recall is not None
    assert unclaimed.recall.value == 0
    with pytest.raises(DataError, match="1 labels, 2 thresholds"):
        label_rows(present, probs, [0.5, 0.5], np.arange(2), ["one"])
