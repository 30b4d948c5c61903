"""Fitting the gate: the arrays of its score, and p-values from training images that the score had not seen.

Scores of the images that it was fitted on would be worthless: in simulation they alarm on 15–100 % of new images at a nominal
5 %. Each image is scored by arrays fitted on the other folds, and one image of each group counts, as copies are no evidence.

Shapes: N images, I of them independent, E embedding, D of it the last layer's, R axes, C classes.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, replace

import numpy as np
from numpy.typing import NDArray
from scipy import linalg
from threadpoolctl import threadpool_limits

from ..core.types import FloatArray, IntArray
from ..draw.numbers import whole_percent
from ..model.arrays import unit
from ..model.gate import DISTANCES, KNOTS, TAIL, GateArrays, combined
from ..model.gate_words import HELD
from ..model.manifest import GateInfo, GateMode
from ..stats.conformal import alarm_rank, fewest_scores, p_values
from ..stats.learn_then_test import one_of_each

Floats = NDArray[np.float64]

# To the whole, to the nearest class, to the nearest images: all alike. Tried on photos of clothing and bears, with whole classes
# left out and with photos of other things, see benchmarks/gate.py. Where there are no classes to tell apart, without the second.
WEIGHTS = (1.0, 1.0, 1.0)
WITHOUT_CLASSES = (1.0, 0.0, 1.0)

# Axes: fewer lose what tells classes apart, more see how a picture was taken rather than of what.
LEAST_AXES, AXES_PER_CLASS, MOST_AXES = 32, 3, 256
# With fewer images an axis than this the variance along it is noise.
IMAGES_PER_AXIS = 5
# The most bytes of the bank, and of the axes.
BANK_BYTES, AXES_BYTES = 1_500_000, 500_000

# The most images that means and variances are taken of, and scores that are kept: more make them no better.
FIT_IMAGES = 4000
MOST_SCORES = 10_000
# The fewest of each class among them, where it has as many.
EACH_CLASS = 10
# Classes beyond this many, or of fewer images than this on average, are not told apart.
MOST_CLASSES = 1000
IMAGES_PER_CLASS = 3

# Variance of embeddings of unit length below which they are taken to be the same: where all are, nothing is divided by zero.
LEAST_VARIANCE = 1e-8

# Rounds and spare directions of the search for the leading axes (Halko, Martinsson and Tropp 2011, "Finding structure with
# randomness", algorithm 4.4).
ROUNDS, SPARE = 3, 16


@dataclass(frozen=True, eq=False)
class FittedGate:
    """A gate, ready to be kept in a bundle."""

    arrays: GateArrays
    info: GateInfo
    p_N: Floats
    """(N,) p-values of the images that it was fitted on, out of fold."""
    scores_N: Floats
    """Their scores, from which the p-values follow."""
    by_fold: Mapping[int, GateArrays]
    """The arrays that have not seen the images of a fold, with which copies of these are scored."""

    @property
    def limit(self) -> float:
        """The score below which an input is out of domain."""
        scores_M = self.arrays.scores_M
        return float(scores_M[round(self.info.level * (len(scores_M) + 1)) - 1])


@dataclass(frozen=True)
class NoGate:
    """The reason why there is none, in words."""

    sentence: str


@dataclass(frozen=True)
class Asked:
    """The choices of a person."""

    false_alarm: float
    mode: GateMode
    seed: int


def fit_gate(
    embeddings_NE: FloatArray,
    strata_N: IntArray,
    groups_N: IntArray,
    folds_N: IntArray,
    asked: Asked,
    columns: tuple[int, int] | None = None,
) -> FittedGate | NoGate:
    """Fit the gate on the embeddings that the bundle's graph gives before fine-tuning, and calibrate it out of fold.

    ``strata_N`` are classes, or whatever stands for them; ``folds_N`` keeps groups together; ``columns`` of the embedding count,
    from the first on and up to the second, all where None. The result is the same to the bit for equal arguments.
    """
    rows_I = one_of_each(groups_N, asked.seed)
    rows_I = np.random.default_rng(asked.seed).permutation(rows_I)[:MOST_SCORES]
    rank = alarm_rank(len(rows_I), asked.false_alarm, asked.mode)
    if rank == 0:
        return NoGate(_too_few(len(rows_I), asked))
    start, stop = columns or (0, embeddings_NE.shape[1])
    unit_ND = unit(embeddings_NE[:, start:stop])
    with threadpool_limits(1, user_api="blas"):  # the same sums, to the bit, whatever the number of cores
        distances_NJ, unseen = _out_of_fold(unit_ND, strata_N, folds_N, groups_N)
        arrays = _fitted(unit_ND, strata_N, _axes_for(unit_ND, strata_N, groups_N))
    scores_N, shares = _scores(distances_NJ, folds_N, rows_I, arrays.weights_J)
    scores_M = np.sort(scores_N[rows_I])
    knots_JK, slopes_J = _shares(distances_NJ[rows_I])
    info = GateInfo(
        false_alarm=asked.false_alarm,
        mode=asked.mode,
        level=rank / (len(rows_I) + 1),
        calibrated_on=len(rows_I),
        how=f"out of fold, {len(np.unique(folds_N))} folds that keep groups together, one image of each group",
    )
    columns_2 = np.asarray([start, stop], np.int64)
    arrays = replace(arrays, columns_2=columns_2, knots_JK=knots_JK, slopes_J=slopes_J, scores_M=scores_M)
    by_fold = {
        fold: replace(
            unseen[fold],
            columns_2=columns_2,
            knots_JK=knots_JK,
            slopes_J=slopes_J,
            weights_J=arrays.weights_J,
            scores_M=scores_M,
        )
        for fold, (knots_JK, slopes_J) in shares.items()
    }
    return FittedGate(arrays, info, p_values(scores_N, scores_M), scores_N, by_fold)


def _too_few(independent: int, asked: Asked) -> str:
    needed = fewest_scores(asked.false_alarm, asked.mode)
    return (
        f"Images unlike those trained on are not told apart: at least {needed} independent images are needed to turn "
        f"away at most {whole_percent(asked.false_alarm)} of those like them ({HELD[asked.mode]}), and there are {independent}."
    )


def _out_of_fold(
    unit_ND: FloatArray, strata_N: IntArray, folds_N: IntArray, groups_N: IntArray
) -> tuple[Floats, dict[int, GateArrays]]:
    """Return (N, J) distances, each by arrays that have not seen the image's group, and these arrays by the fold."""
    distances_NJ = np.empty((len(unit_ND), DISTANCES))
    folds = np.unique(folds_N)
    axes = min(_axes_for(unit_ND, strata_N, groups_N[folds_N != fold]) for fold in folds)
    unseen = {}
    for fold in folds:
        inside_N = folds_N == fold
        arrays = unseen[int(fold)] = _fitted(unit_ND[~inside_N], strata_N[~inside_N], axes)
        distances_NJ[inside_N] = arrays.distances(unit_ND[inside_N])
    return distances_NJ, unseen


def _scores(
    distances_NJ: Floats, folds_N: IntArray, rows_I: NDArray[np.intp], weights_J: Floats
) -> tuple[Floats, dict[int, tuple[Floats, Floats]]]:
    """Return (N,) scores, each by the shares of distances among the independent images of the other folds, and by fold what
    turns distances into these shares: none by its own."""
    scores_N, by_fold = np.empty(len(distances_NJ)), {}
    for fold in np.unique(folds_N):
        inside_N = folds_N == fold
        others_I = rows_I[folds_N[rows_I] != fold]
        shares = by_fold[int(fold)] = _shares(distances_NJ[others_I if len(others_I) else rows_I])
        scores_N[inside_N] = combined(distances_NJ[inside_N], *shares, weights_J)
    return scores_N, by_fold


def _shares(distances_IJ: Floats) -> tuple[Floats, Floats]:
    """Return the knots (J, K) and slopes (J,) that turn distances into the logarithms of their shares."""
    knots_JK = np.quantile(distances_IJ, np.linspace(TAIL, 1, KNOTS), axis=0).T
    # One after the other, as rounding may leave two equal ones in the wrong order.
    knots_JK = np.maximum.accumulate(knots_JK, axis=1)
    slopes = []
    for distances_I, knots_K in zip(distances_IJ.T, knots_JK, strict=True):
        below_B = knots_K[0] - distances_I[distances_I < knots_K[0]]
        excess = float(below_B.mean()) if len(below_B) else 0.0
        # Where all distances are the same, rounding is no evidence.
        slopes.append(1 / max(excess, 1e-3 * float(np.std(distances_I)), 1e-6 * abs(float(knots_K[0])), 1e-9))
    return knots_JK, np.asarray(slopes)


def _axes_for(unit_ND: FloatArray, strata_N: IntArray, groups_N: IntArray) -> int:
    """Return R: as many as classes need, and no more than images carry and a bundle has room for."""
    width, independent = unit_ND.shape[1], min(len(np.unique(groups_N)), FIT_IMAGES)
    wanted = min(max(LEAST_AXES, AXES_PER_CLASS * len(np.unique(strata_N))), MOST_AXES)
    most: int = min(wanted, independent // IMAGES_PER_AXIS, width - 1, AXES_BYTES // (2 * width))
    return max(1, most)


def _fitted(unit_ND: FloatArray, strata_N: IntArray, axes: int) -> GateArrays:
    """Means, axes and variances, with nothing calibrated yet."""
    chosen = _some(strata_N)
    taken_ND, classes_N = unit_ND[chosen], np.unique(strata_N[chosen], return_inverse=True)[1]
    mean_D = taken_ND.mean(axis=0, dtype=np.float64).astype(np.float32)
    away_ND = taken_ND - mean_D
    # Rounded as they are kept, so that what is calibrated is what answers.
    axes_DR = _leading_axes(away_ND, axes).astype(np.float16)
    inside_NR = away_ND @ axes_DR.astype(np.float32)
    whole = Spread.of(away_ND, inside_NR)
    precision_R1 = 1 / np.append(np.diagonal(whole.within_RR), whole.beyond)
    sizes_C = np.bincount(classes_N)
    n_classes = len(sizes_C)
    told_apart = 2 <= n_classes <= min(MOST_CLASSES, len(chosen) // IMAGES_PER_CLASS)
    if told_apart:
        means_CD = _class_means(away_ND, classes_N, sizes_C)
        own_ND = away_ND - means_CD[classes_N]
        spread = Spread.of(own_ND, own_ND @ axes_DR.astype(np.float32))
        centres_CR = means_CD @ axes_DR.astype(np.float32)
    else:
        spread, centres_CR = whole, np.zeros((1, inside_NR.shape[1]), np.float32)
    within_RR = spread.whitening()
    return GateArrays(
        columns_2=np.asarray([0, len(mean_D)], np.int64),
        mean_D=mean_D,
        axes_DR=axes_DR,
        precision_R1=precision_R1.astype(np.float32),
        within_RR=within_RR.astype(np.float32),
        centres_CR=np.clip(centres_CR @ within_RR, -6e4, 6e4).astype(np.float16),
        bank_BD=_bank(unit_ND),
        knots_JK=np.zeros((DISTANCES, KNOTS)),
        slopes_J=np.zeros(DISTANCES),
        weights_J=np.asarray(WEIGHTS if told_apart else WITHOUT_CLASSES),
        scores_M=np.zeros(0),
    )


def _class_means(away_ND: FloatArray, classes_N: IntArray, sizes_C: IntArray) -> FloatArray:
    """(C, D) means of the rows of each class."""
    order_N, starts_C = np.argsort(classes_N, kind="stable"), np.cumsum(sizes_C) - sizes_C
    sums_CD = np.add.reduceat(away_ND[order_N], starts_C, axis=0, dtype=np.float64)
    means_CD: FloatArray = (sums_CD / sizes_C[:, None]).astype(np.float32)
    return means_CD


@dataclass(frozen=True, eq=False)
class Spread:
    """A covariance as far as the gate needs it: on the R axes, and one variance for all directions beyond them."""

    within_RR: Floats
    beyond: float

    @classmethod
    def of(cls, away_ND: FloatArray, inside_NR: FloatArray) -> Spread:
        """Estimate it, shrunk towards a sphere (Ledoit and Wolf 2004, "A well-conditioned estimator for large-dimensional
        covariance matrices"), as with few images the narrowest axes come out too narrow.

        ``away_ND`` are centred rows and ``inside_NR`` the same on the axes. Beyond the axes the spectrum is taken to be flat.
        """
        n, width = away_ND.shape
        axes = inside_NR.shape[1]
        inside_RR = (inside_NR.T @ inside_NR).astype(np.float64) / n
        lengths_N = (away_ND.astype(np.float64) ** 2).sum(axis=1)
        total = float(lengths_N.sum()) / n
        beyond = max(total - float(np.trace(inside_RR)), 0.0) / (width - axes) if width > axes else 0.0
        sphere = total / width
        squares = float((inside_RR**2).sum()) + beyond**2 * (width - axes)
        apart = squares - width * sphere**2
        noise = float((lengths_N**2).sum()) / n**2 - squares / n
        shrink = min(max(noise, 0.0), apart) / apart if apart > 0 else 1.0
        shrunk_RR = (1 - shrink) * inside_RR + (shrink * sphere + LEAST_VARIANCE) * np.eye(axes)
        return cls(shrunk_RR, (1 - shrink) * beyond + shrink * sphere + LEAST_VARIANCE)

    def whitening(self) -> Floats:
        """(R, R) matrix that turns rows on the axes into rows of variance 1."""
        lower_RR = linalg.cholesky(self.within_RR, lower=True)
        inverse_RR: Floats = linalg.solve_triangular(lower_RR, np.eye(len(lower_RR)), lower=True)
        return inverse_RR.T


def _some(strata_N: IntArray) -> NDArray[np.intp]:
    """Return the rows to fit on: all, or where there are many, `FIT_IMAGES` of them, a few of each class first."""
    if len(strata_N) <= FIT_IMAGES:
        return np.arange(len(strata_N))
    order_N = np.random.default_rng(0).permutation(len(strata_N))
    place_N = np.empty(len(strata_N), np.int64)
    for stratum in np.unique(strata_N):
        members = order_N[strata_N[order_N] == stratum]
        place_N[members] = np.arange(len(members))
    first = np.lexsort((np.argsort(order_N), np.minimum(place_N, EACH_CLASS)))
    return np.sort(first[:FIT_IMAGES])


def _bank(unit_ND: FloatArray) -> NDArray[np.float16]:
    """Return the images among which the nearest are looked for: all, or as many as there is room for, drawn at random."""
    most = BANK_BYTES // (2 * unit_ND.shape[1])
    drawn = np.random.default_rng(0).permutation(len(unit_ND))[:most]
    return unit_ND[np.sort(drawn)].astype(np.float16)


def _leading_axes(away_ND: FloatArray, axes: int) -> FloatArray:
    """(D, R) orthonormal directions of the greatest variance, the widest first."""
    n, width = away_ND.shape
    guess = min(axes + SPARE, width, n)
    found_DG = np.random.default_rng(0).standard_normal((width, guess)).astype(np.float32)
    for _ in range(ROUNDS):
        found_DG = np.linalg.qr(away_ND.T @ (away_ND @ found_DG))[0]
    inside_NG = away_ND @ found_DG
    _, turned_GG = np.linalg.eigh(inside_NG.T @ inside_NG)
    axes_DR: FloatArray = (found_DG @ turned_GG[:, ::-1])[:, :axes]
    return axes_DR
