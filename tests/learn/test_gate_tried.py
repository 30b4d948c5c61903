"""What a gate makes of sets: shares and areas against its own p-values and scikit-learn, and classes left out near and far."""

from __future__ import annotations

import numpy as np
import pytest
from sklearn.metrics import roc_auc_score

from drivetrain.learn.gate_fit import Asked, FittedGate, fit_gate
from drivetrain.learn.gate_tried import MOST_LEFT_OUT, known_scores, left_out, tried

ASKED = Asked(0.05, "marginal", 0)
WIDTH = 16


def clusters(centres_CD: np.ndarray, each: int, seed: int) -> tuple[np.ndarray, np.ndarray]:
    """(N, D) embeddings around the centres, and (N,) classes."""
    classes_N = np.repeat(np.arange(len(centres_CD)), each)
    noise_ND = np.random.default_rng(seed).standard_normal((len(classes_N), WIDTH))
    return np.float32(centres_CD[classes_N] + noise_ND), classes_N


def centres(count: int) -> np.ndarray:
    return 6 * np.random.default_rng(5).standard_normal((count, WIDTH))


def fitted(embeddings_ND: np.ndarray, classes_N: np.ndarray) -> FittedGate:
    n = len(embeddings_ND)
    found = fit_gate(embeddings_ND, classes_N, np.arange(n), np.arange(n) % 5, ASKED)
    assert isinstance(found, FittedGate)
    return found


def test_the_limit_parts_scores_as_the_level_parts_p_values() -> None:
    embeddings_ND, classes_N = clusters(centres(3), 100, 1)
    gate = fitted(embeddings_ND, classes_N)
    fresh_ND, _ = clusters(centres(4), 50, 2)
    scores_K, p_K = gate.arrays.scores(fresh_ND), gate.arrays.p_values(fresh_ND)
    refused_K = p_K <= gate.info.level * (1 + 1e-9)
    assert 0 < refused_K.sum() < len(refused_K)
    assert ((scores_K < gate.limit) == refused_K).all()
    assert ((gate.scores_N < gate.limit) == (gate.p_N <= gate.info.level * (1 + 1e-9))).all()


def test_a_sets_figures_are_those_of_its_scores() -> None:
    embeddings_ND, classes_N = clusters(centres(3), 100, 1)
    gate = fitted(embeddings_ND, classes_N)
    fresh_ND, _ = clusters(centres(4), 50, 2)
    scores_K, known_I = gate.arrays.scores(fresh_ND), known_scores(gate, np.arange(300), 0)
    found = tried("fresh", gate, scores_K, np.arange(200), known_I)
    assert found is not None
    assert found.refused.value == pytest.approx((scores_K < gate.limit).mean())
    assert found.refused.low < found.refused.value < found.refused.high
    assert ((found.strange_K > 1) == (scores_K < gate.limit)).all()
    truth = np.arange(len(scores_K) + len(known_I)) < len(scores_K)
    assert found.auroc == pytest.approx(roc_auc_score(truth, -np.concatenate([scores_K, known_I])))
    assert tried("none", gate, np.empty(0), np.empty(0, np.int64), known_I) is None


def test_views_of_one_thing_are_worth_less_than_as_many_things() -> None:
    embeddings_ND, classes_N = clusters(centres(3), 100, 1)
    gate = fitted(embeddings_ND, classes_N)
    scores_K = np.repeat([gate.limit - 1, gate.limit - 2], 5)
    apart, together = (tried("", gate, scores_K, groups_K, None) for groups_K in (np.arange(10), np.arange(10) // 5))
    assert apart is not None
    assert together is not None
    assert apart.refused.value == together.refused.value == 1
    assert together.refused.low < apart.refused.low


def test_a_class_apart_is_refused_when_it_is_left_out_and_a_double_of_another_is_not() -> None:
    places_CD = centres(3)
    embeddings_ND, classes_N = clusters(np.concatenate([places_CD, places_CD[:1]]), 80, 3)
    n = len(classes_N)
    found = {
        one: (gate, scores_K)
        for one, gate, scores_K, _ in left_out(embeddings_ND, classes_N, np.arange(n), np.arange(n) % 5, ASKED)
    }
    refused = {one: float((scores_K < gate.limit).mean()) for one, (gate, scores_K) in found.items()}
    assert sorted(refused) == [0, 1, 2, 3]
    assert refused[1] > 0.95
    assert refused[2] > 0.95
    # Classes 0 and 3 lie in one place, so that nothing tells either from the other.
    assert max(refused[0], refused[3]) < 0.2


def test_only_the_largest_classes_are_left_out_and_never_pictures_that_others_have_as_well() -> None:
    places_CD = centres(6)
    embeddings_ND, classes_N = clusters(places_CD, 30, 4)
    embeddings_ND, classes_N = embeddings_ND[5:], classes_N[5:]  # the first class is the smallest now
    groups_N = np.arange(len(classes_N))
    groups_N[np.flatnonzero(classes_N == 1)[0]] = groups_N[np.flatnonzero(classes_N == 2)[0]]
    found = left_out(embeddings_ND, classes_N, groups_N, groups_N % 5, ASKED)
    assert [one for one, *_ in found] == [1, 2, 3, 4][:MOST_LEFT_OUT]
    assert [len(rows_K) for *_, rows_K in found] == [29, 29, 30, 30]
    for one, gate, _, rows_K in found:
        assert (classes_N[rows_K] == one).all()
        assert len(gate.scores_N) == (classes_N != one).sum()


def test_with_two_classes_of_too_few_nothing_is_left_out() -> None:
    embeddings_ND, classes_N = clusters(centres(2), 12, 6)
    n = len(classes_N)
    assert left_out(embeddings_ND, classes_N, np.arange(n), np.arange(n) % 5, ASKED) == []
