"""The solver against scikit-learn's, and against the optimality conditions."""

from __future__ import annotations

import numpy as np
import pytest
from scipy.special import softmax
from sklearn.linear_model import LogisticRegression

from drivetrain.learn import logistic
from drivetrain.learn.logistic import Axes


def problem(n: int, d: int, classes: int, seed: int = 0) -> tuple[np.ndarray, np.ndarray]:
    """Unit-length features whose classes overlap."""
    rng = np.random.default_rng(seed)
    labels = rng.integers(classes, size=n)
    centres = rng.normal(size=(classes, d))
    features = centres[labels] * 0.3 + rng.normal(size=(n, d))
    return (features / np.linalg.norm(features, axis=1, keepdims=True)).astype(np.float32), labels.astype(np.int64)


@pytest.mark.parametrize(("n", "d", "classes"), [(300, 40, 3), (60, 200, 4), (150, 150, 10)])
@pytest.mark.parametrize("penalty", [0.1, 3.0, 100.0])
def test_the_optimum_is_scikit_learns(n: int, d: int, classes: int, penalty: float) -> None:
    features, labels = problem(n, d, classes)
    axes = Axes.of(features)
    ours = logistic.fit(axes, labels, classes, penalty, tolerance=1e-4, dtype=np.float64)
    weight, bias = ours.in_features(axes)
    theirs = LogisticRegression(C=penalty, max_iter=20_000, tol=1e-9).fit(features.astype(np.float64), labels)
    probs = softmax(features @ weight + bias, axis=1)
    assert np.abs(probs - theirs.predict_proba(features)).max() < 2e-3


def test_weights_count_like_copies() -> None:
    features, labels = problem(80, 20, 3)
    copies = np.random.default_rng(1).integers(1, 4, size=80)
    axes = Axes.of(features)
    weighted = logistic.fit(
        axes, labels, 3, 2.0, weights_N=copies.astype(np.float32), tolerance=1e-5, dtype=np.float64
    ).in_features(axes)[0]
    repeated_axes = Axes.of(np.repeat(features, copies, axis=0))
    repeated = logistic.fit(
        repeated_axes, np.repeat(labels, copies), 3, 2.0, tolerance=1e-5, dtype=np.float64
    ).in_features(repeated_axes)[0]
    np.testing.assert_allclose(weighted, repeated, atol=2e-3)


def test_rows_fit_as_if_the_others_were_not_there() -> None:
    features, labels = problem(200, 30, 3)
    rows = np.arange(0, 200, 2)
    axes, own_axes = Axes.of(features), Axes.of(features[rows])
    some = logistic.fit(axes, labels, 3, 1.0, rows=rows, tolerance=1e-5, dtype=np.float64).in_features(axes)
    alone = logistic.fit(own_axes, labels[rows], 3, 1.0, tolerance=1e-5, dtype=np.float64).in_features(own_axes)
    probs = [softmax(features @ w + b, axis=1) for w, b in (some, alone)]
    np.testing.assert_allclose(probs[0], probs[1], atol=2e-3)


def test_a_warm_start_changes_the_path_not_the_end() -> None:
    features, labels = problem(200, 30, 4)
    axes = Axes.of(features)
    near = logistic.fit(axes, labels, 4, 1.0)
    cold = logistic.fit(axes, labels, 4, 3.0, tolerance=1e-5, dtype=np.float64)
    warm = logistic.fit(axes, labels, 4, 3.0, start=near, tolerance=1e-5, dtype=np.float64)
    np.testing.assert_allclose(
        softmax(warm.logits(axes.coordinates_NR), axis=1), softmax(cold.logits(axes.coordinates_NR), axis=1), atol=1e-3
    )


def test_the_quick_tolerance_is_close_enough_for_cross_validation() -> None:
    features, labels = problem(400, 60, 3)
    axes = Axes.of(features)
    quick = softmax(logistic.fit(axes, labels, 3, 10.0).logits(axes.coordinates_NR), axis=1)
    exact_fit = logistic.fit(axes, labels, 3, 10.0, tolerance=1e-5, dtype=np.float64)
    exact = softmax(exact_fit.logits(axes.coordinates_NR), axis=1)
    loss = [-np.log(p[np.arange(400), labels]).mean() for p in (quick, exact)]
    assert abs(loss[0] - loss[1]) < 0.01 * loss[1]


def test_a_class_without_examples_gets_next_to_no_probability() -> None:
    features, labels = problem(100, 20, 3)
    axes = Axes.of(features)
    rows = np.flatnonzero(labels != 2)
    fitted = logistic.fit(axes, labels, 3, 1.0, rows=rows)
    assert softmax(fitted.logits(axes.coordinates_NR), axis=1)[:, 2].max() < 0.05


def test_axes_reproduce_the_features() -> None:
    for n, d in ((30, 80), (80, 30)):
        features, _ = problem(n, d, 2)
        axes = Axes.of(features)
        back = axes.coordinates_NR @ axes.axes_DR.T + axes.mean_D
        np.testing.assert_allclose(back, features, atol=1e-4)
        np.testing.assert_allclose(axes.axes_DR.T @ axes.axes_DR, np.eye(axes.axes_DR.shape[1]), atol=1e-3)


def test_constant_features_leave_the_class_shares() -> None:
    labels = np.asarray([0] * 30 + [1] * 10, np.int64)
    axes = Axes.of(np.ones((40, 5), np.float32))
    fitted = logistic.fit(axes, labels, 2, 1.0, tolerance=1e-5, dtype=np.float64)
    np.testing.assert_allclose(softmax(fitted.logits(axes.coordinates_NR), axis=1)[0], [0.75, 0.25], atol=1e-3)
