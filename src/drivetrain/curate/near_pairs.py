"""All pairs of embeddings with a cosine from a threshold on, exactly, and without an N×N matrix in memory.

Each vector is split into its part along a few orthonormal directions and the rest. Distances within the few are quick to compute
and never larger than the whole: ``|x − y|² ≥ |xP − yP|² + (|rx| − |ry|)²``. One product of matrices gives that bound for a tile
of pairs; the few pairs that it lets through are looked at in full. The directions are the principal axes of a sample, so
that little is left over; which they are changes how long it takes, never what is found.
Shapes: N vectors, D dimensions, P pairs, S vectors of a sample, R and C rows and columns of a tile.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from ..core.types import FloatArray

Rows = NDArray[np.intp]
Found = tuple[Rows, Rows, FloatArray]
"""Pairs i < j and their cosines."""

# From this many vectors on the bound is worth its preparation.
MANY = 4096
# The number of principal axes, and of vectors that they are found on.
AXES, SAMPLE = 96, 1024
# The size of a tile of pairs: its bounds fill a processor's cache. In a tile of which more than a share of the pairs pass, all
# are multiplied out.
TILE_ROWS, TILE_COLUMNS = 512, 2048
DENSE = 1 / 64
# Bounds and quick cosines are rounded to about 1e-6.
ROUNDING = 1e-5
# The number of pairs multiplied out at a time.
PAIR_BLOCK = 1 << 12


def norms(features_ND: FloatArray) -> FloatArray:
    """(N,) lengths, at least 1e-12, without a copy of all the features."""
    squares_N = np.einsum("nd,nd->n", features_ND, features_ND, dtype=np.float64)
    lengths_N: FloatArray = np.maximum(np.sqrt(squares_N), 1e-12).astype(np.float32)
    return lengths_N


def cosines(features_ND: FloatArray, norms_N: FloatArray, i_P: Rows, j_P: Rows) -> FloatArray:
    """(P,) cosines of pairs: the same to the bit however many are asked for at once."""
    cosines_P = np.empty(len(i_P), np.float32)
    for start in range(0, len(i_P), PAIR_BLOCK):
        i, j = i_P[start : start + PAIR_BLOCK], j_P[start : start + PAIR_BLOCK]
        product = np.einsum("pd,pd->p", features_ND[i], features_ND[j], dtype=np.float64)
        cosines_P[start : start + PAIR_BLOCK] = product / norms_N[i] / norms_N[j]
    # The vectors are of unit length to within the rounding of float32, so a cosine may exceed 1 and is clipped.
    return np.clip(cosines_P, -1.0, 1.0)


def spread(n: int, size: int) -> Rows:
    """Up to ``size`` rows of n, evenly spread."""
    return np.arange(n) if n <= size else np.linspace(0, n - 1, size).round().astype(np.intp)


def whole(features_ND: FloatArray, norms_N: FloatArray) -> FloatArray:
    """(N, N) cosines to within `ROUNDING`, of few vectors (`MANY`): one product of a matrix with itself, which costs half."""
    cosines_NN: FloatArray = features_ND @ features_ND.T
    cosines_NN /= norms_N[:, None]
    cosines_NN /= norms_N
    return cosines_NN


def near_pairs(
    features_ND: FloatArray,
    norms_N: FloatArray,
    least: float,
    settled_N: NDArray[np.bool_] | None = None,
    many: int = MANY,
    whole_NN: FloatArray | None = None,
) -> Iterator[Found]:
    """Yield all pairs i < j with a cosine of ``least`` or more, tile by tile.

    ``settled_N``: pairs of two vectors that are both marked in it are passed over; the caller may mark more of them between two
    tiles. ``whole_NN``: what `whole` returned, if the caller has it.
    """
    n = len(features_ND)
    settled_N = np.zeros(n, bool) if settled_N is None else settled_N
    bounds: _Bounds | _Whole | None = _Bounds(features_ND, norms_N) if n > many else None
    if whole_NN is not None:
        bounds = _Whole(whole_NN)
    for start in range(0, n, TILE_ROWS):
        rows = np.arange(start, min(start + TILE_ROWS, n))
        later = np.arange(start, n)
        for mine, others in (
            (rows[~settled_N[rows]], later),
            (rows[settled_N[rows]], later[~settled_N[later]]),
        ):
            for first in range(0, len(others) if len(mine) else 0, TILE_COLUMNS):
                columns = others[first : first + TILE_COLUMNS]
                i_P, j_P = _candidates(features_ND, norms_N, bounds, mine, columns, least)
                wanted = (i_P < j_P) & ~(settled_N[i_P] & settled_N[j_P])
                i_P, j_P = i_P[wanted], j_P[wanted]
                cosines_P = cosines(features_ND, norms_N, i_P, j_P)
                near = cosines_P >= least
                if near.any():
                    yield i_P[near], j_P[near], cosines_P[near]


def _candidates(
    features_ND: FloatArray,
    norms_N: FloatArray,
    bounds: _Bounds | _Whole | None,
    rows_R: Rows,
    columns_C: Rows,
    least: float,
) -> tuple[Rows, Rows]:
    """Pairs of a tile that may have the cosine, and all that have it."""
    if bounds is not None:
        i_P, j_P = bounds.passing(rows_R, columns_C, least)
        if isinstance(bounds, _Whole) or len(i_P) <= DENSE * len(rows_R) * len(columns_C):
            return i_P, j_P
    rows, columns = _slice(rows_R), _slice(columns_C)
    quick_RC = features_ND[rows] @ features_ND[columns].T
    least_RC = np.float32(least - ROUNDING) * norms_N[rows][:, None] * norms_N[columns]
    at = np.flatnonzero(quick_RC >= least_RC)
    return rows_R[at // len(columns_C)], columns_C[at % len(columns_C)]


def _slice(rows: Rows) -> slice | Rows:
    """The same rows as a slice where they follow one another, of which no copy is made."""
    first, last = int(rows[0]), int(rows[-1]) + 1
    return slice(first, last) if last - first == len(rows) else rows


@dataclass(frozen=True)
class _Whole:
    """Cosines of all with all."""

    cosines_NN: FloatArray

    def passing(self, rows_R: Rows, columns_C: Rows, least: float) -> tuple[Rows, Rows]:
        """Pairs of a tile that may have the cosine ``least``, or more."""
        tile_RC = self.cosines_NN[_slice(rows_R)][:, _slice(columns_C)]
        at = np.flatnonzero(tile_RC >= np.float32(least - ROUNDING))
        return rows_R[at // len(columns_C)], columns_C[at % len(columns_C)]


class _Bounds:
    """The numbers by which the distance of two vectors is bounded."""

    def __init__(self, features_ND: FloatArray, norms_N: FloatArray) -> None:
        n = len(features_ND)
        rows_S = spread(n, SAMPLE)
        sample_SD = features_ND[rows_S] / norms_N[rows_S, None]
        mean_D = sample_SD.mean(axis=0)
        axes_DA = _axes(sample_SD - mean_D)
        kept = axes_DA.shape[1]
        self._left_NK = np.empty((n, kept + 3), np.float32)
        for start in range(0, n, TILE_COLUMNS):
            part = slice(start, start + TILE_COLUMNS)
            centred = features_ND[part] / norms_N[part, None] - mean_D
            along = centred @ axes_DA
            whole = np.einsum("nd,nd->n", centred, centred)
            rest = np.sqrt(np.maximum(whole - np.einsum("na,na->n", along, along), 0))
            self._left_NK[part, :kept], self._left_NK[part, kept] = along, rest
            self._left_NK[part, kept + 1], self._left_NK[part, kept + 2] = -whole / 2, 1
        # A pair's product is then its bound: the columns of `whole` and of ones change places on the other side.
        self._right_KN = np.ascontiguousarray(self._left_NK[:, [*range(kept + 1), kept + 2, kept + 1]].T)

    def passing(self, rows_R: Rows, columns_C: Rows, least: float) -> tuple[Rows, Rows]:
        """Pairs of a tile whose distance may be that of the cosine ``least``, or smaller."""
        products_RC = self._left_NK[_slice(rows_R)] @ self._right_KN[:, _slice(columns_C)]
        at = np.flatnonzero(products_RC >= np.float32(least - 1 - ROUNDING))
        return rows_R[at // len(columns_C)], columns_C[at % len(columns_C)]


def _axes(centred_SD: FloatArray) -> FloatArray:
    """(D, A) principal axes of a sample, orthonormal."""
    _, vectors_SS = np.linalg.eigh(centred_SD @ centred_SD.T)
    leading_DA = centred_SD.T @ vectors_SS[:, ::-1][:, : min(AXES, *centred_SD.shape)]
    axes_DA: FloatArray = np.linalg.qr(leading_DA)[0].astype(np.float32)
    return axes_DA
