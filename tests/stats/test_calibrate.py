"""Temperature scaling: recovers what was done to the logits, and never hurts."""

from __future__ import annotations

import numpy as np
import pytest
from scipy.optimize import minimize_scalar

from drivetrain.stats.calibrate import fit_beta
from drivetrain.stats.metrics import log_loss, softmax


def calibrated(seed: int, n: int, classes: int = 4) -> tuple[np.ndarray, np.ndarray]:
    rng = np.random.default_rng(seed)
    logits = rng.normal(size=(n, classes)).astype(np.float32) * 2
    labels = np.asarray([rng.choice(classes, p=p) for p in softmax(logits)], np.int64)
    return logits, labels


def test_calibrated_logits_need_no_temperature() -> None:
    logits, labels = calibrated(0, 20_000)
    assert fit_beta(logits, labels) == pytest.approx(1.0, abs=0.03)


@pytest.mark.parametrize("k", [0.2, 3.0, 10.0])
def test_logits_scaled_by_k_give_temperature_k(k: float) -> None:
    logits, labels = calibrated(1, 2000)
    plain = fit_beta(logits, labels)
    assert fit_beta(logits * np.float32(k), labels) * k == pytest.approx(plain, rel=1e-4)


def test_the_minimum_is_the_minimum() -> None:
    logits, labels = calibrated(2, 500)
    found = minimize_scalar(lambda b: log_loss(labels, softmax(logits, b)), bounds=(0.01, 10), method="bounded")
    assert fit_beta(logits, labels) == pytest.approx(found.x, rel=1e-3)


def test_few_items_are_pulled_towards_one() -> None:
    _, labels = calibrated(3, 30)
    perfect = np.eye(4, dtype=np.float32)[labels] * 5
    assert 1.0 < fit_beta(perfect, labels) < 10.0
    many = np.tile(perfect, (10, 1)), np.tile(labels, 10)
    assert fit_beta(*many) > fit_beta(perfect, labels)


def test_separable_logits_stay_finite() -> None:
    labels = np.arange(300, dtype=np.int64) % 3
    beta = fit_beta(np.eye(3, dtype=np.float32)[labels], labels)
    assert 1 < beta <= 100


def test_random_logits_are_damped() -> None:
    rng = np.random.default_rng(5)
    beta = fit_beta(rng.normal(size=(1000, 3)).astype(np.float32) * 4, rng.integers(3, size=1000))
    assert beta < 0.1


def test_weights_count_like_copies() -> None:
    logits, labels = calibrated(6, 400)
    copies = np.random.default_rng(0).integers(1, 4, size=400)
    weighted = fit_beta(logits, labels, copies.astype(np.float32))
    assert weighted == pytest.approx(fit_beta(np.repeat(logits, copies, axis=0), np.repeat(labels, copies)), rel=1e-6)
