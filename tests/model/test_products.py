"""Products without BLAS's own threads are those of BLAS."""

from __future__ import annotations

import numpy as np
import pytest

from drivetrain.model.products import FEW, products


@pytest.mark.parametrize("items", [0, 1, FEW, FEW + 1])
def test_products_are_those_of_matrices(items: int) -> None:
    rng = np.random.default_rng(items)
    rows_NA, others_BA = (rng.normal(size=(n, 37)).astype(np.float32) for n in (items, 11))
    found_NB = products(rows_NA, others_BA)
    assert found_NB.dtype == np.float32
    assert found_NB.shape == (items, 11)
    assert found_NB == pytest.approx(rows_NA.astype(np.float64) @ others_BA.T.astype(np.float64), abs=1e-5)
