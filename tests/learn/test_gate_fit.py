"""The gate: its distances against independent implementations, its rate of false alarms, and data with nothing to tell apart."""

from __future__ import annotations

import numpy as np
import pytest
from scipy.spatial.distance import mahalanobis
from sklearn.covariance import ledoit_wolf

from drivetrain.learn.gate_fit import Asked, FittedGate, NoGate, Spread, fit_gate
from drivetrain.model.arrays import unit
from drivetrain.model.manifest import GateMode
from drivetrain.stats.conformal import false_alarm_interval

ASKED = Asked(0.05, "marginal", 0)
WIDTH = 24


def clusters(count: int, seed: int, classes: int = 3, centre: float = 1.0) -> tuple[np.ndarray, np.ndarray]:
    """(N, D) embeddings around ``classes`` centres that are always the same, and (N,) classes."""
    centres_CD = np.random.default_rng(99).standard_normal((classes, WIDTH)) + 3
    rng = np.random.default_rng(seed)
    classes_N = rng.integers(0, classes, count)
    noise_ND = rng.standard_normal((count, WIDTH)) * np.linspace(1.0, 0.1, WIDTH)
    return np.float32(centre * centres_CD[classes_N] + 0.5 * noise_ND), classes_N


def fitted(embeddings_ND: np.ndarray, classes_N: np.ndarray, asked: Asked = ASKED) -> FittedGate:
    n = len(embeddings_ND)
    found = fit_gate(embeddings_ND, classes_N, np.arange(n), np.arange(n) % 5, asked)
    assert isinstance(found, FittedGate)
    return found


def test_the_distance_to_the_whole_is_mahalanobis_with_ledoit_wolf() -> None:
    """With an axis for all but one direction nothing is left out, and SciPy and scikit-learn give the same."""
    embeddings_ND, classes_N = clusters(400, 1)
    arrays = fitted(embeddings_ND, classes_N).arrays
    assert arrays.axes_DR.shape == (WIDTH, WIDTH - 1)
    unit_ND = unit(embeddings_ND).astype(np.float64)
    covariance_DD, _ = ledoit_wolf(unit_ND)
    inverse_DD, mean_D = np.linalg.inv(covariance_DD), unit_ND.mean(axis=0)
    expected_N = [-(mahalanobis(row, mean_D, inverse_DD) ** 2) for row in unit_ND[:50]]
    np.testing.assert_allclose(arrays.distances(embeddings_ND[:50])[:, 0], expected_N, rtol=0.04)


def test_the_relative_distance_is_that_to_the_nearest_class() -> None:
    embeddings_ND, classes_N = clusters(400, 1)
    arrays = fitted(embeddings_ND, classes_N).arrays
    unit_ND = unit(embeddings_ND).astype(np.float64)
    means_CD = np.stack([unit_ND[classes_N == c].mean(axis=0) for c in range(3)])
    whole_DD, _ = ledoit_wolf(unit_ND)
    within_DD, _ = ledoit_wolf(unit_ND - means_CD[classes_N])
    axes_DR = arrays.axes_DR.astype(np.float64)
    whole_RR, within_RR = (np.linalg.inv(axes_DR.T @ each @ axes_DR) for each in (whole_DD, within_DD))
    for row, found in zip(unit_ND[:50], arrays.distances(embeddings_ND[:50])[:, 1], strict=True):
        inside_R, centres_CR = (row - unit_ND.mean(axis=0)) @ axes_DR, (means_CD - unit_ND.mean(axis=0)) @ axes_DR
        nearest = min(mahalanobis(inside_R, centre_R, within_RR) ** 2 for centre_R in centres_CR)
        expected = mahalanobis(inside_R, np.zeros_like(inside_R), whole_RR) ** 2 - nearest
        assert found == pytest.approx(expected, rel=0.03, abs=0.3)


def test_the_last_distance_is_the_cosine_of_the_fifth_nearest_image() -> None:
    embeddings_ND, classes_N = clusters(60, 1)
    wide_NE = np.concatenate([np.random.default_rng(4).standard_normal((60, 7)), embeddings_ND], axis=1)
    gate = fit_gate(wide_NE, classes_N, np.arange(60), np.arange(60) % 5, ASKED, (7, 7 + WIDTH))
    assert isinstance(gate, FittedGate)
    new_ND, _ = clusters(20, 2)
    unit_ND, new_unit_ND = (unit(each).astype(np.float64) for each in (embeddings_ND, new_ND))
    expected_N = np.sort(new_unit_ND @ unit_ND.T, axis=1)[:, -5]
    junk_NE = np.concatenate([np.full((20, 7), 1e3), new_ND], axis=1)  # columns that do not count
    np.testing.assert_allclose(gate.arrays.distances(junk_NE)[:, 2], expected_N, atol=2e-3)
    few_ND, few_N = clusters(3, 1)
    assert fitted(np.repeat(few_ND, 8, axis=0), np.repeat(few_N, 8)).arrays.bank_BD.shape == (24, WIDTH)


def test_few_rows_are_shrunk_as_ledoit_and_wolf_have_it() -> None:
    rows_ND = np.float32(np.random.default_rng(3).standard_normal((15, WIDTH)))
    away_ND = rows_ND - rows_ND.mean(axis=0)
    expected_DD, _ = ledoit_wolf(away_ND, assume_centered=True)
    found = Spread.of(away_ND, away_ND).within_RR
    np.testing.assert_allclose(found, expected_DD, atol=1e-5)
    white_NR = away_ND @ Spread.of(away_ND, away_ND).whitening()
    np.testing.assert_allclose(
        (white_NR**2).sum(axis=1), np.einsum("nd,de,ne->n", away_ND, np.linalg.inv(found), away_ND)
    )


@pytest.mark.parametrize("mode", ["marginal", "training-conditional"])
def test_false_alarms_on_new_images_are_as_many_as_were_asked_for(mode: GateMode) -> None:
    embeddings_ND, classes_N = clusters(400, 1)
    gate = fitted(embeddings_ND, classes_N, Asked(0.05, mode, 0))
    new_ND, _ = clusters(2000, 2)
    refused = float((gate.arrays.p_values(new_ND) <= gate.info.level).mean())
    rank = round(gate.info.level * 401)
    assert rank == {"marginal": 20, "training-conditional": 13}[mode]
    low, high = false_alarm_interval(rank, 400, judged=2000, level=0.99)
    assert low <= refused <= high


def test_p_values_of_small_training_sets_are_no_smaller_than_uniform_ones() -> None:
    """Of 120 training sets of 40 images: how often the p-value of one new image is at most 5, 10, 25 and 50 %."""
    p = []
    for run in range(120):
        embeddings_ND, classes_N = clusters(41, 1000 + run)
        gate = fit_gate(embeddings_ND[:40], classes_N[:40], np.arange(40), np.arange(40) % 5, ASKED)
        assert isinstance(gate, FittedGate)
        p.append(gate.arrays.p_values(embeddings_ND[40:])[0])
    for share in (0.05, 0.1, 0.25, 0.5):
        rank_share = np.floor(share * 41) / 41
        most = 120 * rank_share + 2.6 * np.sqrt(120 * rank_share * (1 - rank_share))
        assert (np.asarray(p) <= share).sum() <= most


def test_what_is_far_is_refused_and_what_is_of_no_class_looks_stranger() -> None:
    embeddings_ND, classes_N = clusters(400, 1)
    known = classes_N < 2
    gate = fitted(embeddings_ND[known], classes_N[known])
    new_ND, new_N = clusters(600, 2)
    far_ND = np.random.default_rng(5).standard_normal((100, WIDTH)).astype(np.float32)
    assert (gate.arrays.p_values(far_ND) <= gate.info.level).all()
    scores_N = gate.arrays.scores(new_ND)
    assert np.median(scores_N[new_N == 2]) < np.quantile(scores_N[new_N < 2], 0.05)


def test_copies_are_no_evidence() -> None:
    embeddings_ND, classes_N = clusters(18, 1)
    tenfold_ND, tenfold_N = np.repeat(embeddings_ND, 10, axis=0), np.repeat(classes_N, 10)
    groups_N = np.repeat(np.arange(18), 10)
    found = fit_gate(tenfold_ND, tenfold_N, groups_N, groups_N % 5, ASKED)
    assert isinstance(found, NoGate)
    assert "at least 19 independent images" in found.sentence
    assert "there are 18" in found.sentence
    one_more_N = np.append(groups_N, 18)
    more = fit_gate(
        np.append(tenfold_ND, embeddings_ND[:1], axis=0), np.append(tenfold_N, 0), one_more_N, one_more_N % 5, ASKED
    )
    assert isinstance(more, FittedGate)
    assert more.info.calibrated_on == 19
    assert len(more.p_N) == 181


@pytest.mark.parametrize("nothing", ["constant", "not finite", "zeros", "all but one constant"])
def test_embeddings_that_say_nothing_are_no_crash(nothing: str) -> None:
    embeddings_ND = np.ones((60, WIDTH), np.float32)
    if nothing == "not finite":
        embeddings_ND[::2] = np.nan
    elif nothing == "zeros":
        embeddings_ND[:] = 0
    elif nothing == "all but one constant":
        embeddings_ND[7] = -2
    gate = fitted(embeddings_ND, np.arange(60) % 2)
    assert np.isfinite(gate.arrays.scores_M).all()
    assert gate.arrays.p_values(embeddings_ND).min() > 0
    if nothing == "constant":  # what looks the same is not refused, and what does not is
        assert gate.arrays.p_values(embeddings_ND).min() > 0.05
        assert gate.arrays.p_values(-embeddings_ND[:1])[0] <= gate.info.level


@pytest.mark.parametrize("classes_N", [np.zeros(60, int), np.arange(60), np.append(np.zeros(59, int), 1)])
def test_one_class_or_one_image_a_class_is_no_crash(classes_N: np.ndarray) -> None:
    embeddings_ND, _ = clusters(60, 1)
    gate = fitted(embeddings_ND, classes_N)
    assert (gate.arrays.weights_J[1] > 0) == (len(np.unique(classes_N)) == 2)
    far_ND = -embeddings_ND[:5]
    assert (gate.arrays.p_values(far_ND) <= gate.info.level).all()


def test_equal_data_give_equal_bytes_and_items_are_judged_alike_alone_and_among_others() -> None:
    embeddings_ND, classes_N = clusters(100, 1)
    gate = fitted(embeddings_ND, classes_N)
    assert fitted(embeddings_ND, classes_N).arrays.to_bytes() == gate.arrays.to_bytes()
    new_ND, _ = clusters(5000, 2)
    together_N = gate.arrays.scores(new_ND)
    alone = [gate.arrays.scores(row[None])[0] for row in new_ND[:20]]
    np.testing.assert_allclose(together_N[:20], alone, atol=1e-3)
    assert not len(gate.arrays.p_values(new_ND[:0]))
    assert gate.arrays.straddles(embeddings_ND[0], gate.arrays.p_values(embeddings_ND[:1])[0], 10.0)
    assert not gate.arrays.straddles(-embeddings_ND[0], gate.info.level, 1e-4)
