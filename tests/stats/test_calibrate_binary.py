"""One temperature for all labels: agrees with the two-class one, finds the minimum, stays finite."""

from __future__ import annotations

import numpy as np
import pytest
from scipy.optimize import minimize_scalar

from drivetrain.stats.calibrate import fit_beta
from drivetrain.stats.calibrate_binary import fit_beta_binary
from drivetrain.stats.label_metrics import binary_log_loss, sigmoid


def calibrated(seed: int, n: int, labels: int = 3) -> tuple[np.ndarray, np.ndarray]:
    rng = np.random.default_rng(seed)
    logits = (rng.normal(size=(n, labels)) * 2 - 1).astype(np.float32)
    return logits, (rng.random((n, labels)) < sigmoid(logits)).astype(np.float32)


@pytest.mark.parametrize("n", [50, 1000])
def test_one_label_is_the_same_as_two_classes(n: int) -> None:
    logits, present = calibrated(0, n, labels=1)
    logits *= np.float32(2.5)
    weights = np.random.default_rng(1).random(n).astype(np.float32)
    two_classes = fit_beta(np.hstack([np.zeros_like(logits), logits]), present[:, 0].astype(np.int64), weights)
    assert fit_beta_binary(logits, present, weights) == pytest.approx(two_classes, rel=1e-7)


def test_calibrated_logits_need_no_temperature() -> None:
    logits, present = calibrated(2, 20_000)
    assert fit_beta_binary(logits, present) == pytest.approx(1.0, abs=0.03)


@pytest.mark.parametrize("k", [0.2, 1.0, 10.0])
def test_the_minimum_is_the_minimum(k: float) -> None:
    logits, present = calibrated(3, 500)
    logits *= np.float32(k)
    found = minimize_scalar(
        lambda b: binary_log_loss(present, sigmoid(logits, b)),
        bounds=(0.01, 20),
        method="bounded",
        options={"xatol": 1e-8},
    )
    assert fit_beta_binary(logits, present) == pytest.approx(found.x, rel=1e-3)


def test_labels_that_say_the_same_count_once() -> None:
    """With the prior of few items in play, a label written twice must not look like more evidence."""
    logits, present = calibrated(4, 40, labels=1)
    logits *= np.float32(6)
    assert fit_beta_binary(np.tile(logits, 5), np.tile(present, 5)) == pytest.approx(fit_beta_binary(logits, present))


def test_weights_count_like_copies() -> None:
    logits, present = calibrated(5, 400)
    copies = np.random.default_rng(0).integers(1, 4, size=400)
    weighted = fit_beta_binary(logits * 3, present, copies.astype(np.float32))
    repeated = fit_beta_binary(np.repeat(logits * 3, copies, axis=0), np.repeat(present, copies, axis=0))
    assert weighted == pytest.approx(repeated, rel=1e-8)


def test_separable_and_meaningless_logits_stay_finite() -> None:
    present = (np.arange(600).reshape(300, 2) % 3 == 0).astype(np.float32)
    assert 1 < fit_beta_binary(2 * present - 1, present) <= 100
    assert 0.01 <= fit_beta_binary(1 - 2 * present, present) < 0.02
    assert fit_beta_binary(np.zeros((300, 2), np.float32), present) == pytest.approx(1.0)
