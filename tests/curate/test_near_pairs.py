"""All near pairs are found, exactly those, whether or not bounds are used; and a group of thousands stays affordable."""

from __future__ import annotations

import numpy as np
import pytest

from drivetrain.core.types import FloatArray
from drivetrain.curate.near_pairs import cosines, near_pairs, norms


def clumps(n: int, width: int, seed: int, scatter: float) -> FloatArray:
    """Vectors around a few centres, of any length, with near copies among them."""
    rng = np.random.default_rng(seed)
    vectors = rng.normal(size=(12, width))[rng.integers(0, 12, n)] + scatter * rng.normal(size=(n, width))
    vectors[n - n // 10 :] = vectors[: n // 10] + 0.05 * rng.normal(size=(n // 10, width))
    lengths = rng.uniform(0.1, 9, (n, 1))
    scaled: FloatArray = (vectors * lengths).astype(np.float32)
    return scaled


def found(features: FloatArray, least: float, many: int) -> list[tuple[int, int, float]]:
    lengths = norms(features)
    return sorted(
        pair
        for i, j, score in near_pairs(features, lengths, least, many=many)
        for pair in zip(i.tolist(), j.tolist(), score.tolist(), strict=True)
    )


@pytest.mark.parametrize("scatter", [0.2, 1.0])
@pytest.mark.parametrize("least", [0.5, 0.9, 0.99])
@pytest.mark.parametrize(("n", "width"), [(1300, 40), (700, 300), (2, 5), (1, 5)])
def test_pairs_are_those_of_a_double_loop(n: int, width: int, least: float, scatter: float) -> None:
    features = clumps(n, width, n + width, scatter)
    unit = features.astype(np.float64)
    unit /= np.linalg.norm(unit, axis=1, keepdims=True)
    exact = np.triu(unit @ unit.T, 1)
    certain = set(zip(*(side.tolist() for side in np.nonzero(exact >= least + 1e-6)), strict=True))
    possible = set(zip(*(side.tolist() for side in np.nonzero(exact >= least - 1e-6)), strict=True))
    by_bounds, by_all = found(features, least, many=0), found(features, least, many=n)
    assert certain <= {pair[:2] for pair in by_bounds} <= possible
    assert by_bounds == by_all  # scores too, to the bit
    assert all(abs(score - exact[i, j]) < 1e-6 for i, j, score in by_bounds)


def test_cosines_do_not_depend_on_company() -> None:
    features = clumps(200, 70, 0, 1.0)
    lengths, i, j = norms(features), np.arange(150), np.arange(50, 200)
    alone = [cosines(features, lengths, i[k : k + 1], j[k : k + 1])[0] for k in range(150)]
    assert cosines(features, lengths, i, j).tolist() == alone


def test_pairs_of_two_settled_vectors_are_passed_over() -> None:
    features = np.ones((5000, 8), np.float32)
    settled, partners, pairs = np.zeros(5000, bool), np.zeros(5000, int), 0
    for i, j, _ in near_pairs(features, norms(features), 0.99, settled):
        pairs += len(i)
        partners += np.bincount(i, minlength=5000) + np.bincount(j, minlength=5000)
        settled |= partners >= 16
    assert partners.min() >= 16
    assert pairs < 5000 * 600  # of 12 million
