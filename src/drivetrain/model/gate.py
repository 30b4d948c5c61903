"""The gate's score: how like the training set an input looks, from its embedding alone; in NumPy, from a bundle's arrays.

Three distances of the last layer's embedding, brought to unit length: that to the training set as a whole (Mahalanobis 1936);
how much nearer it is to one of the classes than to the whole (Ren et al. 2021, "A simple fix to Mahalanobis distance for
improving near-OOD detection"); and the cosine of the fifth nearest training image (Sun et al. 2022, "Out-of-distribution
detection with deep nearest neighbors"). The first and the last see what is altogether different, the second what is like the
training set and of no class in it. Each becomes the logarithm of its share among training images whose group the score had not
seen, and they are added. Mahalanobis distances are taken on the R leading axes of the training set; what lies beyond them counts
by its length alone.

Shapes: N items, E embedding, D of it the last layer's, R axes, R1 = R + 1 (beyond the axes), C classes, B images of the bank,
J = 3 distances, K knots, M calibration scores.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, fields
from functools import cached_property
from typing import Any

import numpy as np
from numpy.typing import NDArray

from ..core.errors import SchemaError
from ..core.types import FloatArray
from ..stats.conformal import is_strange, p_values
from .arrays import unit
from .manifest import Manifest
from .products import products
from .storage import GATE
from .tensors import load_tensors

Floats = NDArray[np.float64]

DISTANCES = 3
"""To the whole, relative to the nearest class, and to the nearest images."""

NEIGHBOUR = 5
"""The nearest image that counts: one alone may be a mistake of the training set."""

KNOTS = 91
"""Quantiles kept of each distance, from `TAIL` to 1."""

TAIL = 0.1
"""The share below which a distance's own quantiles are too few, and the logarithm goes on as a straight line: an exponential
tail, whose mean is that of what lies below."""

_LOG_SHARES_K = np.log(np.linspace(TAIL, 1, KNOTS))

# Items scored at once: within it, memory is tens of megabytes whatever the number of items.
_AT_ONCE = 4096

# The share of an embedding's length, in nats of the score, that another machine's rounding may move it.
_NATS_PER_ROUNDING = 100.0


@dataclass(frozen=True, eq=False)
class GateArrays:
    """`gate.safetensors`: one array a field, by the field's name."""

    columns_2: NDArray[np.int64]
    """The first column of the embedding that counts, and the one after the last: those of the last layer, as earlier ones see
    how a picture was taken rather than of what."""
    mean_D: NDArray[np.float32]
    """The mean of the training set's embeddings, each of unit length."""
    axes_DR: NDArray[np.float16]
    """The leading axes of these, the widest first."""
    precision_R1: NDArray[np.float32]
    """One over the variance along each axis, and in all directions beyond them."""
    within_RR: NDArray[np.float32]
    """Turns a row of R into one of variance 1 within classes."""
    centres_CR: NDArray[np.float16]
    """The classes' means, turned so."""
    bank_BD: NDArray[np.float16]
    """Embeddings of training images, of unit length."""
    knots_JK: Floats
    """Quantiles of each distance among training images that it had not seen, with a minus: a low one is a strange one."""
    slopes_J: Floats
    """Nats by which the logarithm of the share falls below the first knot, for each unit of a distance."""
    weights_J: Floats
    """The weight of each distance's logarithm."""
    scores_M: Floats
    """The scores of training images, one of each group, by arrays that had not seen it; ascending."""

    def p_values(self, embeddings_NE: NDArray[Any]) -> Floats:
        """(N,) conformal p-values of embeddings as the graph gives them: how many like those trained on look as strange."""
        return p_values(self.scores(embeddings_NE), self.scores_M)

    def scores(self, embeddings_NE: NDArray[Any]) -> Floats:
        """(N,) how like the training set each looks, in nats: 0 at most, and low where it looks strange."""
        parts = [embeddings_NE[start : start + _AT_ONCE] for start in range(0, len(embeddings_NE), _AT_ONCE)]
        # Beyond all bounds is strange; NumPy's warnings of it would stand between the lines of whoever asks.
        with np.errstate(over="ignore", invalid="ignore"):
            scored = [combined(self.distances(part), self.knots_JK, self.slopes_J, self.weights_J) for part in parts]
        return np.concatenate([np.empty(0), *scored])

    def straddles(self, embedding_E: NDArray[Any], level: float, rounding: float) -> bool:
        """Tells whether another machine's last digits, ``rounding``, may bring the p-value to the other side of ``level``."""
        score = self.scores(embedding_E[None])
        off = _NATS_PER_ROUNDING * rounding
        low, high = is_strange(p_values(np.concatenate([score - off, score + off]), self.scores_M), level)
        return bool(low != high)

    def distances(self, embeddings_NE: NDArray[Any]) -> Floats:
        """(N, J) distances with a minus."""
        start, stop = self.columns_2
        unit_ND = unit(embeddings_NE[:, start:stop])
        away_ND = unit_ND - self.mean_D
        inside_NR = products(away_ND, self._axes_RD)
        squares_NR = inside_NR**2
        beyond_N = np.maximum((away_ND**2).sum(axis=1) - squares_NR.sum(axis=1), 0)
        inside_N = (squares_NR * self.precision_R1[:-1]).sum(axis=1)
        whole_N = inside_N + beyond_N * self.precision_R1[-1]
        near_N = self._nearest_class(products(inside_NR, self._within_RR))
        cosine_N = _fifth(products(unit_ND, self._bank_BD))
        return np.stack([-whole_N, inside_N - near_N, cosine_N], axis=1).astype(np.float64)

    def _nearest_class(self, white_NR: NDArray[Any]) -> NDArray[Any]:
        """(N,) squared distance to the nearest of the classes."""
        products_NC = products(white_NR, self._centres_CR)
        squares_N, squares_C = (white_NR**2).sum(axis=1), (self._centres_CR**2).sum(axis=1)
        nearest_N: NDArray[Any] = squares_N + (squares_C - 2 * products_NC).min(axis=1)
        return nearest_N

    # In the type and order that is reckoned with, from the first call on.

    @cached_property
    def _axes_RD(self) -> FloatArray:
        return np.ascontiguousarray(self.axes_DR.T, np.float32)

    @cached_property
    def _within_RR(self) -> FloatArray:
        return np.ascontiguousarray(self.within_RR.T)

    @cached_property
    def _centres_CR(self) -> FloatArray:
        return self.centres_CR.astype(np.float32)

    @cached_property
    def _bank_BD(self) -> FloatArray:
        return self.bank_BD.astype(np.float32)

    def to_bytes(self) -> bytes:
        """Write the arrays as safetensors."""
        from safetensors.numpy import save

        return bytes(save({one.name: np.ascontiguousarray(getattr(self, one.name)) for one in fields(self)}))

    @classmethod
    def of_files(cls, files: Mapping[str, bytes], manifest: Manifest) -> GateArrays | None:
        """Parse the arrays among a bundle's files, where the manifest says that there are any.

        Raises:
            SchemaError: there are none, or as `from_bytes`.
        """
        if manifest.gate is None:
            return None
        if GATE not in files:
            raise SchemaError(f"{GATE} is missing; the manifest says that there is a gate")
        return cls.from_bytes(files[GATE], manifest)

    @classmethod
    def from_bytes(cls, data: bytes, manifest: Manifest) -> GateArrays:
        """Parse the arrays and check them against the manifest, which has a gate.

        Raises:
            SchemaError: not safetensors, or an array is missing, of another type or shape than it must have, or not finite.
        """
        found = load_tensors(data, GATE)
        names = [one.name for one in fields(cls)]
        if missing := [name for name in names if name not in found]:
            raise SchemaError(f"{GATE} is malformed: {missing[0]} is missing")
        gate = cls(**{name: found[name] for name in names})
        gate._check(manifest)
        return gate

    def _check(self, manifest: Manifest) -> None:
        assert manifest.gate is not None  # or the file is not read
        width = self._width(manifest.frozen_width or manifest.embedding_width)
        axes = self.axes_DR.shape[-1] if self.axes_DR.ndim else 0
        classes, bank = (len(a) if a.ndim else 0 for a in (self.centres_CR, self.bank_BD))
        wanted: dict[str, tuple[Any, tuple[int, ...]]] = {
            "mean_D": (np.float32, (width,)),
            "axes_DR": (np.float16, (width, axes)),
            "precision_R1": (np.float32, (axes + 1,)),
            "within_RR": (np.float32, (axes, axes)),
            "centres_CR": (np.float16, (classes, axes)),
            "bank_BD": (np.float16, (bank, width)),
            "knots_JK": (np.float64, (DISTANCES, KNOTS)),
            "slopes_J": (np.float64, (DISTANCES,)),
            "weights_J": (np.float64, (DISTANCES,)),
            "scores_M": (np.float64, (manifest.gate.calibrated_on,)),
        }
        for name, (dtype, shape) in wanted.items():
            array = getattr(self, name)
            if array.dtype != dtype or array.shape != shape:
                raise SchemaError(f"{GATE}: {name} is {array.dtype} {array.shape}, not {np.dtype(dtype)} {shape}")
            if not np.isfinite(array).all():
                raise SchemaError(f"{GATE}: {name} holds what is not finite")
        if not (axes and classes and bank):
            raise SchemaError(
                f"{GATE}: there are {axes} axes, {classes} classes and {bank} images; at least one of each"
            )
        if (np.diff(self.scores_M) < 0).any() or (np.diff(self.knots_JK, axis=1) < 0).any():
            raise SchemaError(f"{GATE}: scores_M or knots_JK does not ascend")
        if manifest.gate.level * (len(self.scores_M) + 1) < 1 - 1e-9:
            raise SchemaError(f"{GATE}: no p-value of {len(self.scores_M)} scores is {manifest.gate.level} or less")

    def _width(self, embedding: int) -> int:
        """Return D, of an embedding of so many columns."""
        columns = self.columns_2
        if columns.dtype != np.int64 or columns.shape != (2,):
            raise SchemaError(f"{GATE}: columns_2 is {columns.dtype} {columns.shape}, not int64 (2,)")
        start, stop = (int(column) for column in columns)
        if not 0 <= start < stop <= embedding:
            raise SchemaError(f"{GATE}: columns_2 is {start} to {stop}, of an embedding of {embedding} columns")
        return stop - start


def combined(distances_NJ: Floats, knots_JK: Floats, slopes_J: Floats, weights_J: Floats) -> Floats:
    """(N,) weighted sums of the logarithms of each distance's share; what is no number is as strange as can be."""
    logs_JN = [
        weight * _log_share(distances_N, knots_K, slope)
        for distances_N, knots_K, slope, weight in zip(distances_NJ.T, knots_JK, slopes_J, weights_J, strict=True)
    ]
    total_N = np.sum(logs_JN, axis=0)
    return np.where(np.isnan(total_N), -np.inf, total_N)


def _log_share(distances_N: Floats, knots_K: Floats, slope: float) -> Floats:
    """(N,) logarithm of the share of training images with a distance as low, at most 0."""
    logs_N: Floats = np.interp(distances_N, knots_K, _LOG_SHARES_K)
    logs_N += np.minimum(distances_N - knots_K[0], 0) * slope
    return logs_N


def _fifth(cosines_NB: NDArray[Any]) -> NDArray[Any]:
    """(N,) fifth largest of each row, or the least where there are fewer."""
    place = max(cosines_NB.shape[1] - NEIGHBOUR, 0)
    fifth_N: NDArray[Any] = np.partition(cosines_NB, place, axis=1)[:, place]
    return fifth_N
