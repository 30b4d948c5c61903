"""Suspicion of each kind of target, by answers made up for it."""

from __future__ import annotations

import numpy as np

from drivetrain.learn.suspicion import FAR, NEUTRAL, of_classes, of_labels, of_numbers
from drivetrain.model.kinds.labels import LabelKind

NAMES = ("ant", "bee", "cat")


def test_a_label_is_as_suspicious_as_the_odds_against_it() -> None:
    labels_N = np.asarray([0, 0, 1, 1, 2, 2])
    probs_NC = np.asarray(
        [[0.8, 0.1, 0.1], [0.06, 0.88, 0.06], [0.1, 0.8, 0.1], [0.0, 0.9, 0.1], [0.1, 0.1, 0.8], [0.2, 0.3, 0.5]]
    )
    found = of_classes(labels_N, probs_NC, np.arange(6), NAMES)
    assert np.argmax(found.score_N) == 1
    assert found.score_N[1] == 0.88 / 0.94
    assert found.suggested == (None, "bee", None, None, None, None)
    assert found.flagged_N.tolist() == [False, True, False, False, False, False]
    assert found.reason(1) == "by the other images it is “bee” (88.0 %) rather than “ant” (6.0 %)"


def test_a_probability_spread_over_many_classes_makes_no_label_safe() -> None:
    spread = np.asarray([[0.04, 0.32, 0.32, 0.32]])
    torn = np.asarray([[0.36, 0.64, 0.0, 0.0]])
    probs_NC = np.concatenate([spread, torn, np.eye(4), np.eye(4)])
    labels_N = np.asarray([0, 0, 0, 1, 2, 3, 0, 1, 2, 3])
    found = of_classes(labels_N, probs_NC, np.arange(10), ("a", "b", "c", "d"))
    assert found.score_N[0] > found.score_N[1] > NEUTRAL  # by the margin both were as suspicious


def test_a_class_of_one_group_is_neutral() -> None:
    labels_N, groups_N = np.asarray([0, 0, 1, 1, 2, 2]), np.asarray([0, 1, 2, 3, 4, 4])
    probs_NC = np.asarray([[0.9, 0.1, 0.0]] * 2 + [[0.1, 0.9, 0.0]] * 2 + [[0.9, 0.1, 0.0]] * 2)
    found = of_classes(labels_N, probs_NC, groups_N, NAMES)
    assert found.score_N[4:].tolist() == [NEUTRAL, NEUTRAL]
    assert found.suggested[4:] == (None, None)
    assert not found.flagged_N[4:].any()


def test_an_item_of_several_labels_is_as_suspicious_as_its_worst() -> None:
    present_NL = np.asarray([[1, 0], [1, 0], [0, 1], [0, 1], [1, 1], [0, 0]], np.float32)
    probs_NL = np.asarray([[0.9, 0.1], [0.95, 0.97], [0.05, 0.9], [0.2, 0.8], [0.9, 0.9], [0.98, 0.1]])
    found = of_labels(present_NL, probs_NL, np.arange(6), ("sea", "sun"), LabelKind.text_of)
    assert set(np.argsort(-found.score_N)[:2].tolist()) == {1, 5}
    assert found.flagged_N.tolist() == [False, True, False, False, False, True]
    assert found.suggested == (None, "sea, sun", None, None, None, "sea")
    assert found.reason(1) == "by the other images it has “sun” (97.0 %)"


def test_a_label_too_much_is_told_from_one_too_few() -> None:
    present_NL = np.asarray([[1], [1], [1], [0], [0], [0]], np.float32)
    probs_NL = np.asarray([[0.9], [0.95], [0.01], [0.05], [0.1], [0.02]])
    found = of_labels(present_NL, probs_NL, np.arange(6), ("sea",), LabelKind.text_of)
    assert found.suggested[2] == "–"
    assert found.reason(2) == "by the other images it lacks “sea” (99.0 %)"


def test_labels_that_no_fold_can_know_are_passed_over() -> None:
    present_NL = np.asarray([[1, 1], [1, 0], [0, 0], [0, 0]], np.float32)
    probs_NL = np.asarray([[0.9, 0.01], [0.9, 0.01], [0.1, 0.01], [0.1, 0.01]])
    found = of_labels(present_NL, probs_NL, np.arange(4), ("sea", "rare"), LabelKind.text_of)
    assert found.score_N.max() < NEUTRAL
    assert not found.flagged_N.any()


def test_a_number_is_as_suspicious_as_it_is_far_from_what_is_usual() -> None:
    rng = np.random.default_rng(0)
    said_NM = rng.normal(30, 10, (200, 1))
    values_NM = (said_NM + rng.normal(0, 2, (200, 1))).astype(np.float32)
    values_NM[17] = said_NM[17] + 40
    found = of_numbers(values_NM, said_NM, ("age",))
    assert np.argmax(found.score_N) == 17
    assert found.flagged_N[17]
    assert found.flagged_N.sum() <= 3
    assert found.suggested[17] == f"{said_NM[17, 0]:.4g}"
    assert (found.score_N > NEUTRAL).tolist() == found.flagged_N.tolist()
    assert "usual errors from what the other images let expect" in found.reason(17)


def test_numbers_that_are_all_exact_are_no_suspects() -> None:
    values_NM = np.arange(10, dtype=np.float32)[:, None]
    found = of_numbers(values_NM, values_NM.astype(np.float64), ("n",))
    assert found.score_N.tolist() == [0.0] * 10
    one_off = values_NM.astype(np.float64)
    one_off[3] += 5
    found = of_numbers(values_NM, one_off, ("n",))
    assert found.flagged_N.tolist() == [row == 3 for row in range(10)]
    assert found.score_N[3] > FAR / (FAR + FAR)
