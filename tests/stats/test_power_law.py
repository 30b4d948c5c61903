"""Learning curves read beyond their end."""

from __future__ import annotations

import numpy as np

from drivetrain.stats.power_law import EXPONENTS, fit_and_read

SIZES = np.array([100.0, 200, 400, 800])


def test_curves_that_are_power_laws_are_read_exactly() -> None:
    curves = np.stack([floor + 0.7 * SIZES**-c for floor in (0.0, 0.05) for c in EXPONENTS[::3]])
    truth = np.stack([floor + 0.7 * np.array([850.0, 4000]) ** -c for floor in (0.0, 0.05) for c in EXPONENTS[::3]])
    np.testing.assert_allclose(fit_and_read(SIZES, curves, np.array([850.0, 4000])), truth, atol=1e-9)


def test_nothing_rises_and_nothing_falls_below_zero() -> None:
    rng = np.random.default_rng(0)
    curves = rng.uniform(0, 0.3, (200, 4))
    read = fit_and_read(SIZES, curves, np.array([800.0, 850, 1e6]))
    assert (np.diff(read, axis=1) <= 1e-12).all()
    assert (read >= 0).all()
    rising = fit_and_read(SIZES, np.array([[0.01, 0.02, 0.03, 0.04]]), np.array([900.0]))
    np.testing.assert_allclose(rising, 0.025)
