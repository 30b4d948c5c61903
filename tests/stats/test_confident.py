"""Confident learning flags what the published program flags, and orders by margin."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from drivetrain.stats.confident import confident_joint, flagged, margins, thresholds

pytest.importorskip("cleanlab", reason="cleanlab, the oracle, is not installed; make install")
from cleanlab.count import compute_confident_joint
from cleanlab.filter import find_label_issues


def drawn(n: int, classes: int, seed: int, sharp: float, wrong: float) -> tuple[np.ndarray, np.ndarray]:
    """Labels of which some are wrong, and probabilities that know better; every class occurs."""
    rng = np.random.default_rng(seed)
    true_N = np.concatenate([np.arange(classes), rng.integers(0, classes, n - classes)])
    logits_NC = rng.normal(0, 1, (n, classes))
    logits_NC[np.arange(n), true_N] += sharp
    probs_NC = np.exp(logits_NC)
    labels_N = np.where(rng.random(n) < wrong, rng.integers(0, classes, n), true_N)
    labels_N[:classes] = np.arange(classes)
    return labels_N, probs_NC / probs_NC.sum(axis=1, keepdims=True)


def theirs(labels_N: np.ndarray, probs_NC: np.ndarray) -> np.ndarray:
    return np.asarray(find_label_issues(labels_N, probs_NC, filter_by="confident_learning", n_jobs=1))


@settings(deadline=None, max_examples=60)
@given(
    n=st.integers(8, 300),
    classes=st.integers(2, 7),
    seed=st.integers(0, 2**16),
    sharp=st.floats(0, 5),
    wrong=st.floats(0, 0.6),
)
def test_the_flags_are_those_of_cleanlab(n: int, classes: int, seed: int, sharp: float, wrong: float) -> None:
    labels_N, probs_NC = drawn(n, classes, seed, sharp, wrong)
    assert flagged(labels_N, probs_NC).tolist() == theirs(labels_N, probs_NC).tolist()


def test_the_joint_is_that_of_cleanlab_but_for_its_filled_diagonal() -> None:
    labels_N, probs_NC = drawn(400, 5, 3, 2.0, 0.3)
    joint_CC = confident_joint(labels_N, probs_NC)
    assert (joint_CC.diagonal() > 0).all()  # so that theirs, whose diagonal is at least 1, had nothing to fill
    assert joint_CC.tolist() == compute_confident_joint(labels_N, probs_NC, calibrate=False).tolist()


@pytest.mark.parametrize("rounded", [1, 2])
def test_equal_probabilities_are_broken_as_cleanlab_breaks_them(rounded: int) -> None:
    labels_N, probs_NC = drawn(500, 3, 11, 1.0, 0.4)
    probs_NC = np.round(probs_NC, rounded)
    probs_NC[:, 0] += 1 - probs_NC.sum(axis=1)
    assert flagged(labels_N, probs_NC).tolist() == theirs(labels_N, probs_NC).tolist()


def test_a_class_without_an_item_takes_no_label_away() -> None:
    labels_N = np.asarray([0, 0, 1, 1])
    probs_NC = np.asarray([[0.1, 0.1, 0.8], [0.2, 0.0, 0.8], [0.0, 0.1, 0.9], [0.1, 0.9, 0.0]])
    assert thresholds(labels_N, probs_NC)[2] > 1
    assert not flagged(labels_N, probs_NC).any()
    assert flagged(labels_N, probs_NC).tolist() == theirs(labels_N, probs_NC).tolist()


def test_every_item_of_a_class_may_be_flagged() -> None:
    labels_N = np.asarray([0, 0, 0, 1, 1, 1])
    probs_NC = np.asarray([[0.9, 0.1], [0.8, 0.2], [0.95, 0.05], [0.99, 0.01], [0.98, 0.02], [0.97, 0.03]])
    assert flagged(labels_N, probs_NC).tolist() == theirs(labels_N, probs_NC).tolist() == [False] * 3 + [True] * 3


def test_certain_answers_and_one_class_alone_are_no_trouble() -> None:
    assert not flagged(np.zeros(3, np.int64), np.ones((3, 1))).any()
    assert margins(np.zeros(3, np.int64), np.ones((3, 1))).tolist() == [1, 1, 1]
    labels_N, probs_NC = np.asarray([0, 1, 1]), np.eye(2)[[0, 0, 1]]
    assert flagged(labels_N, probs_NC).tolist() == theirs(labels_N, probs_NC).tolist()


def test_what_is_flagged_is_answered_otherwise() -> None:
    labels_N, probs_NC = drawn(300, 4, 5, 1.5, 0.3)
    flagged_N = flagged(labels_N, probs_NC)
    assert 0 < flagged_N.sum() < 300
    assert (margins(labels_N, probs_NC)[flagged_N] < 0).all()
