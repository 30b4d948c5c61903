"""Shortcuts: traits from which the targets can be told without looking at what the pictures show.

For each trait, and for all together, a small linear model on cells (see `cells`) predicts each output out of fold, on the
folds of the model itself. The share of an output's variance that it explains there, R², says how much is told: 0 nothing, 1
all; below 0 where there is nothing to tell. A trait is a shortcut where the lower limit of its R², at a level shared out over
everything that was looked at (Bonferroni), exceeds `CLEAR`: neither luck nor a faint tendency will do.

Shapes: N items, O outputs, P columns of cells, F folds, R cells of a part, G groups.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from ..core.types import IntArray
from .cells import Cells
from .told import Told

Floats = NDArray[np.float64]

CLEAR = 0.25
"""The share of an output's variance that a shortcut explains at least, by its lower limit."""
LEVEL = 0.05
"""The chance that anything at all is called a shortcut where nothing tells more than `CLEAR`."""
# Outputs that fewer groups have, or lack, are not looked at by themselves.
FEWEST_GROUPS = 10
# The strength of the ridge: as if each cell held so many more items of the mean.
RIDGE = 1.0
# The weight of cells that an output lacks, beside those that it has.
LACKING = 0.98
ALL, ALL_NAME = "all", "all of these together"


@dataclass(frozen=True)
class Sign:
    """The cells of a trait by which one output is told best."""

    output: int
    words: str
    inside: float
    """Share of the items with the output that are in these cells; for numbers the mean of the items in them."""
    outside: float
    """Share of the other items that are; for numbers the mean of the items outside."""
    count: int
    """Items in these cells."""
    rows: tuple[int, ...]
    """Items in these cells, those that have the output first."""


@dataclass(frozen=True, eq=False)
class Shortcut:
    """The answers that one trait gives out of fold, and how much they tell."""

    slug: str
    name: str
    answers_NO: Floats
    """The answer to each item, as a share or a number, from the trait alone."""
    output: int | None
    """The output that is told best; None: all of them on the whole."""
    r_squared: float
    """The share of its variance that is explained."""
    low: float
    """The lower limit of that, at a level shared out over all that was looked at."""
    sign: Sign | None

    @property
    def clear(self) -> bool:
        """Tells whether it is a shortcut."""
        return self.low > CLEAR


def shortcuts_of(told: Sequence[Told], indicators_NO: Floats, folds_N: IntArray, groups_N: IntArray) -> list[Shortcut]:
    """Return what each trait tells, the most telling first, and then what all of them do; empty where there are none."""
    if not told:
        return []
    blocks = [_columns(one.parts) for one in told]
    stops = np.cumsum([block.shape[1] for block in blocks])
    fit = _Ridge(np.concatenate(blocks, axis=1), indicators_NO, folds_N)
    judge = _Judge(indicators_NO, fit.base_NO, groups_N, len(told) + 1)
    found = []
    for one, block, stop in zip(told, blocks, stops, strict=True):
        answers_NO = fit.answers(np.arange(stop - block.shape[1], stop))
        output, r_squared, low = judge(answers_NO)
        sign = _sign(one.parts, indicators_NO, output)
        found.append(Shortcut(one.slug, one.name, answers_NO, output, r_squared, low, sign))
    found.sort(key=lambda one: -one.low)
    answers_NO = fit.answers(np.arange(stops[-1]))
    return [*found, Shortcut(ALL, ALL_NAME, answers_NO, *judge(answers_NO), None)]


def _columns(parts: Sequence[Cells]) -> Floats:
    """(N, P) one column a cell: 1 where the item is in it."""
    return np.concatenate([np.eye(len(part.words))[part.cells_N] for part in parts], axis=1)


class _Ridge:
    """Linear models on any of the columns, each item answered by one that has not seen its fold."""

    def __init__(self, x_NP: Floats, y_NO: Floats, folds_N: IntArray) -> None:
        self._x_NP, self._rows_F = x_NP, [np.flatnonzero(folds_N == fold) for fold in np.unique(folds_N)]
        whole = _Sums.of(x_NP, y_NO)
        self._without_F = [whole.less(_Sums.of(x_NP[rows], y_NO[rows])) for rows in self._rows_F]
        self.base_NO = np.empty_like(y_NO)
        """The mean of the other folds: the answer of somebody who knows nothing."""
        for rows, sums in zip(self._rows_F, self._without_F, strict=True):
            self.base_NO[rows] = sums.y_O / sums.n

    def answers(self, columns: NDArray[np.intp]) -> Floats:
        """(N, O) answers from these columns."""
        answers_NO = self.base_NO.copy()
        for rows, sums in zip(self._rows_F, self._without_F, strict=True):
            mean_P = sums.x_P[columns] / sums.n
            gram = sums.xx_PP[np.ix_(columns, columns)] - sums.n * np.outer(mean_P, mean_P)
            moment_PO = sums.xy_PO[columns] - np.outer(mean_P, sums.y_O)
            weights_PO = np.linalg.solve(gram + RIDGE * np.eye(len(columns)), moment_PO)
            answers_NO[rows] += (self._x_NP[np.ix_(rows, columns)] - mean_P) @ weights_PO
        return answers_NO


@dataclass(frozen=True, eq=False)
class _Sums:
    """Sums over items, from which a linear model is solved."""

    n: int
    x_P: Floats
    y_O: Floats
    xx_PP: Floats
    xy_PO: Floats

    @classmethod
    def of(cls, x_NP: Floats, y_NO: Floats) -> _Sums:
        return cls(len(x_NP), x_NP.sum(axis=0), y_NO.sum(axis=0), x_NP.T @ x_NP, x_NP.T @ y_NO)

    def less(self, other: _Sums) -> _Sums:
        return _Sums(
            self.n - other.n,
            self.x_P - other.x_P,
            self.y_O - other.y_O,
            self.xx_PP - other.xx_PP,
            self.xy_PO - other.xy_PO,
        )


class _Judge:
    """Finds the output that answers tell best, and how much of it for certain."""

    def __init__(self, y_NO: Floats, base_NO: Floats, groups_N: IntArray, traits: int) -> None:
        from scipy.special import stdtrit  # heavy to import where nothing is judged

        variance_O = np.maximum(y_NO.var(axis=0), 1e-12)
        self._y_NO, self._scale_O = y_NO, 1 / variance_O
        self._base_NO = (y_NO - base_NO) ** 2
        _, self._group_N = np.unique(groups_N, return_inverse=True)
        self._n_groups = int(self._group_N.max()) + 1
        self._outputs = [output for output in range(y_NO.shape[1]) if self._is_common(output)]
        looks = traits * (len(self._outputs) + 1)
        self._t = float(stdtrit(max(self._n_groups - 1, 1), 1 - LEVEL / looks))

    def __call__(self, answers_NO: Floats) -> tuple[int | None, float, float]:
        """Return the output, the share of its variance that is explained, and the lower limit of that."""
        loss_NO = (self._y_NO - answers_NO) ** 2
        found: list[tuple[int | None, float, float]] = [
            (output, *self._explained(self._base_NO[:, output], loss_NO[:, output])) for output in self._outputs
        ]
        found.append((None, *self._explained(self._base_NO @ self._scale_O, loss_NO @ self._scale_O)))
        return max(found, key=lambda one: one[2])

    def _is_common(self, output: int) -> bool:
        y_N = self._y_NO[:, output]
        low = len(np.unique(self._group_N[y_N <= y_N.mean()]))
        return min(low, len(np.unique(self._group_N[y_N > y_N.mean()]))) >= FEWEST_GROUPS

    def _explained(self, base_N: Floats, loss_N: Floats) -> tuple[float, float]:
        """Return 1 − loss over base, and its lower limit by linearisation, groups being independent."""
        total = max(float(base_N.sum()), 1e-12)
        r_squared = 1 - float(loss_N.sum()) / total
        residual_G = np.bincount(self._group_N, (base_N - loss_N) - r_squared * base_N)
        spread = np.sqrt(float(residual_G @ residual_G) * self._n_groups / max(self._n_groups - 1, 1)) / total
        return r_squared, r_squared - self._t * float(spread)


def _sign(parts: Sequence[Cells], y_NO: Floats, output: int | None) -> Sign | None:
    """Return the cells by which an output is told best: those that go together with it most; None of all outputs at once."""
    best: tuple[float, Cells, int, int] | None = None
    chosen = 0 if output is None else output
    y_N = y_NO[:, chosen] - y_NO[:, chosen].mean()
    scale = float(np.sqrt(y_N @ y_N)) or 1.0
    for part in parts:
        size = len(part.words)
        count_R = np.bincount(part.cells_N, minlength=size).astype(np.float64)
        sum_R = np.bincount(part.cells_N, y_N, minlength=size)
        for first, last in _runs(part):
            n, total = count_R[first : last + 1].sum(), float(sum_R[first : last + 1].sum())
            if 0 < n < len(y_N):
                # The correlation of being in these cells with the output.
                likeness = total / (np.sqrt(n * (1 - n / len(y_N))) * scale)
                # A cell that an output has says more than one that it lacks, where both tell as much.
                strength = likeness if likeness > 0 else -LACKING * likeness
                if best is None or strength > best[0]:
                    best = strength, part, first, last
    return None if best is None else _described(*best[1:], y_NO[:, chosen], chosen)


def _runs(part: Cells) -> list[tuple[int, int]]:
    joined = [(first, last) for first in range(part.ordered) for last in range(first, part.ordered)]
    return joined + [(cell, cell) for cell in range(part.ordered, len(part.words))]


def _described(part: Cells, first: int, last: int, y_N: Floats, output: int) -> Sign:
    inside_N = (part.cells_N >= first) & (part.cells_N <= last)
    has_N = y_N > y_N.mean()
    if set(np.unique(y_N)) <= {0.0, 1.0}:
        inside, outside = float(inside_N[has_N].mean()), float(inside_N[~has_N].mean())
    else:
        inside, outside = float(y_N[inside_N].mean()), float(y_N[~inside_N].mean())
    rows = np.flatnonzero(inside_N)
    ordered = rows[np.argsort(~has_N[rows], kind="stable")]
    return Sign(output, part.words_for(first, last), inside, outside, len(rows), tuple(ordered.tolist()))
