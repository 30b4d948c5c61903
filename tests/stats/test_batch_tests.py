"""Two-sample tests on batches, against SciPy."""

from __future__ import annotations

import numpy as np
import pytest
from scipy import stats

from drivetrain.stats.batch_tests import NOTHING, categories, classifier_two_sample, kolmogorov_smirnov, means


def test_kolmogorov_smirnov_is_scipys_where_every_value_has_its_bin() -> None:
    rng = np.random.default_rng(0)
    a, b = rng.random(120), rng.random(90) ** 1.5
    edges = np.r_[-1, np.sort(np.r_[a, b])]
    found = kolmogorov_smirnov(np.histogram(a, np.r_[edges, 2])[0], np.histogram(b, np.r_[edges, 2])[0])
    known = stats.ks_2samp(a, b, method="asymp")
    assert found.distance == pytest.approx(known.statistic)
    assert found.p == pytest.approx(stats.kstwobign.sf(known.statistic * np.sqrt(120 * 90 / 210)))


def test_categories_are_scipys_chi_square() -> None:
    a, b = {"x": 40, "y": 30, "z": 30}, {"x": 60, "y": 10, "z": 30}
    known = stats.chi2_contingency([[40, 30, 30], [60, 10, 30]], correction=False)
    found = categories(a, b)
    assert found.p == pytest.approx(known.pvalue)
    assert found.distance == pytest.approx(0.2)


def test_rare_categories_are_counted_as_one() -> None:
    a = {"x": 50, **{f"rare {n}": 1 for n in range(20)}}
    b = {"x": 50, **{f"other {n}": 1 for n in range(20)}}
    assert categories(a, b).p == pytest.approx(1)


def test_means_are_welchs() -> None:
    rng = np.random.default_rng(1)
    a, b = rng.normal(0, 1, 300), rng.normal(0.3, 2, 200)
    found = means([len(a), a.sum(), (a**2).sum()], [len(b), b.sum(), (b**2).sum()])
    known = stats.ttest_ind(a, b, equal_var=False)
    assert found.p == pytest.approx(2 * stats.norm.sf(abs(known.statistic)))
    assert means([5, 10.0, 20.0], [5, 20.0, 80.0]).p == 0  # each is one value


@pytest.mark.parametrize(
    "nothing", [kolmogorov_smirnov([], [1]), categories({}, {"a": 1}), means([1, 1, 1], [9, 1, 1])]
)
def test_nothing_is_like_everything(nothing: object) -> None:
    assert nothing == NOTHING


def test_a_classifier_tells_a_shifted_batch_and_not_its_own_kind() -> None:
    rng = np.random.default_rng(2)
    a, b = rng.normal(size=(60, 8)), rng.normal(size=(50, 8))
    assert classifier_two_sample(a, b + 0.8, permutations=99).p == 0.01
    p_values = [
        classifier_two_sample(rng.normal(size=(20, 4)), rng.normal(size=(20, 4)), permutations=19, seed=n).p
        for n in range(200)
    ]
    # Exact: at most 5 % are the smallest possible p of 1/20.
    assert sum(p <= 0.05 for p in p_values) <= stats.binom.ppf(0.99, 200, 0.05)


def test_a_classifier_needs_samples_of_the_same_features() -> None:
    with pytest.raises(ValueError, match=r"\(3, 2\) and \(9, 2\): four samples"):
        classifier_two_sample(np.zeros((3, 2)), np.zeros((9, 2)))
    assert classifier_two_sample(np.zeros((9, 2)), np.zeros((9, 2)), permutations=9).p == 1  # constant features
