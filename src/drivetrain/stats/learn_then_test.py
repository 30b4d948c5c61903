"""A threshold of confidence from which on few answers are wrong, by Learn-then-Test (Angelopoulos et al. 2021).

Thresholds are tested from the strictest to looser ones while the binomial p-value of "the error is above the target" stays
at δ or below; the loosest that was reached is deployed. One sequence with one start spends all of δ on the first test, so
that no correction is needed (fixed-sequence testing). Shapes: N independent answers, T thresholds, strictest first.
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from ..core.types import IntArray
from .metrics import Floats, clopper_pearson

THRESHOLDS = 40

# The sequence starts with a tenth more answers than can show the target without an error: one start with fewer would fail
# wherever a tie or a gate takes one away.
START = 1.1

# Thresholds nearer to 1 are all the same to whoever reads them, and another machine rounds confidences otherwise.
LEAST_DOUBT = 1e-6

Bools = NDArray[np.bool_]


@dataclass(frozen=True)
class SafeThreshold:
    """The outcome: a threshold, or that none can be shown to keep to the target."""

    threshold: float | None
    """Answers of this confidence and more keep to the target; None where none can be shown to."""
    independent: int
    """N: the independent answers."""
    accepted: int
    """Independent answers from the threshold on; 0 without one."""
    wrong: int
    """Wrong ones among these."""
    error_upper: float
    """The one-sided Clopper–Pearson limit of the error among accepted answers; 1 without a threshold."""
    needed: int
    """The fewest accepted, independent, error-free answers that can show the target."""


@dataclass(frozen=True, eq=False)
class RiskCurve:
    """The error among accepted answers at T thresholds, with limits that hold at all of them at once."""

    thresholds_T: Floats
    coverage_T: Floats
    """The share of all answers that is accepted."""
    error_T: Floats
    low_T: Floats
    high_T: Floats


def fewest_without_error(max_error: float, delta: float) -> int:
    """Return the fewest answers that, all of them right, show an error of at most ``max_error``: (1 − r)ⁿ ≤ δ.

    >>> [fewest_without_error(error, 0.05) for error in (0.05, 0.02, 0.01, 0.005)]
    [59, 149, 299, 598]
    """
    return math.ceil(math.log(delta) / math.log1p(-max_error))


def p_value(wrong: IntArray | float, accepted: IntArray | float, max_error: float) -> Floats:
    """P(at most so many wrong of so many accepted) were the error ``max_error``: the binomial distribution function.

    Both may be fractional, as of a data set that is imagined larger.
    """
    from scipy.special import betainc  # heavy to import, and a predictor has no use for it

    wrong, rest = np.asarray(wrong, np.float64), np.asarray(accepted, np.float64) - wrong
    inside = betainc(np.maximum(rest, 1e-9), wrong + 1, 1 - max_error)
    return np.asarray(np.where(rest <= 0, 1.0, inside), np.float64)


def error_upper(wrong: int, accepted: int, delta: float) -> float:
    """Return the one-sided Clopper–Pearson limit of the error at 1 − δ; 1 where nothing is accepted.

    Without an error it is 1 − δ^(1/n).
    """
    return clopper_pearson(wrong, accepted, delta).high if accepted else 1.0


def thresholds(confidence_N: Floats, least: int) -> Floats:
    """Return (T,) thresholds, strictest first: quantiles of the confidences, chosen without labels, from ``least`` accepted
    answers on. Confidences that are no number accept nothing."""
    ranked = np.sort(confidence_N[np.isfinite(confidence_N)])[::-1]
    if not len(ranked):
        return np.zeros(0)
    counts = np.linspace(min(max(least, 1), len(ranked)), len(ranked), THRESHOLDS).round().astype(int)
    return np.unique(tidied(ranked[counts - 1]))[::-1]


def tidied(confidence_T: Floats) -> Floats:
    """Round confidences down, so that the doubt left (1 − confidence) has three digits and is no less than a millionth.

    >>> tidied(np.array([0.87345, 0.99987654, 1.0])).tolist()
    [0.873, 0.999876, 0.999999]
    """
    doubt_T = np.clip(1 - confidence_T, LEAST_DOUBT, 1.0)
    unit_T = np.maximum(10.0 ** (np.floor(np.log10(doubt_T)) - 2), LEAST_DOUBT)
    # A little less, so that what has three digits already keeps them.
    return np.asarray(np.round(1 - np.ceil(doubt_T / unit_T - 1e-9) * unit_T, 9), np.float64)


def counted(confidence_N: Floats, wrong_N: Bools, thresholds_T: Floats) -> tuple[IntArray, IntArray]:
    """Return (T,) accepted answers and (T,) wrong ones among them."""
    accepts_TN = confidence_N[None, :] >= thresholds_T[:, None]
    return accepts_TN.sum(axis=1), (accepts_TN & wrong_N[None, :]).sum(axis=1)


def reached(confidence_N: Floats, wrong_N: Bools, thresholds_T: Floats, max_error: float, delta: float) -> range:
    """Return the places of the thresholds that pass their test before the first that does not.

    Those that accept too few answers to show anything are stepped over: which they are says nothing of what is wrong.
    """
    accepted_T, wrong_T = counted(confidence_N, wrong_N, thresholds_T)
    start = int((accepted_T < min(first_count(max_error, delta), len(confidence_N))).sum())
    passes_T = p_value(wrong_T, accepted_T, max_error)[start:] <= delta
    return range(start, start + (len(passes_T) if passes_T.all() else int(passes_T.argmin())))


def first_count(max_error: float, delta: float) -> int:
    """Return the accepted answers that the strictest threshold has to have."""
    return math.ceil(START * fewest_without_error(max_error, delta))


def learn_then_test(confidence_N: Floats, wrong_N: Bools, max_error: float, delta: float) -> SafeThreshold:
    """Find the loosest threshold whose error is shown to be at most ``max_error``, with a probability of 1 − δ.

    The N answers have to be independent of each other and of the model. A limit that is exceeded with a probability of δ at
    most: of the error among future answers of at least the threshold.
    """
    needed = fewest_without_error(max_error, delta)
    tried_T = thresholds(confidence_N, first_count(max_error, delta))
    passed = reached(confidence_N, wrong_N, tried_T, max_error, delta)
    if not passed:
        return SafeThreshold(None, len(confidence_N), 0, 0, 1.0, needed)
    last = passed[-1]
    accepted_T, wrong_T = counted(confidence_N, wrong_N, tried_T)
    accepted, wrong = int(accepted_T[last]), int(wrong_T[last])
    upper = error_upper(wrong, accepted, delta)
    return SafeThreshold(float(tried_T[last]), len(confidence_N), accepted, wrong, upper, needed)


def times_more(
    confidence_N: Floats, wrong_N: Bools, max_error: float, delta: float, parts: Sequence[Bools] = ()
) -> float | None:
    """Return how many times as many answers would show the target, did errors go on as in these; None where none would.

    A rough guide: the best of the thresholds as they are seen here. ``parts``: (N,) which answers are in each of the parts that
    have to show it at one threshold; all of them together where there are none.
    """
    tried_T = thresholds(confidence_N, 1)
    masks = parts or [np.ones(len(confidence_N), np.bool_)]
    counts_PT = [counted(confidence_N[part_N], wrong_N[part_N], tried_T) for part_N in masks]
    accepted_PT, wrong_PT = (np.stack(one) for one in zip(*counts_PT, strict=True))
    hopeful_T = (wrong_PT < max_error * accepted_PT).all(axis=0)
    if not hopeful_T.any():
        return None
    accepted_PT, wrong_PT = accepted_PT[:, hopeful_T], wrong_PT[:, hopeful_T]
    for factor in np.geomspace(1, 1e4, 4000):
        if (p_value(factor * wrong_PT, factor * accepted_PT, max_error) <= delta).all(axis=0).any():
            return float(factor)
    return None


def risk_curve(confidence_N: Floats, wrong_N: Bools, delta: float, of: int | None = None) -> RiskCurve:
    """Return the error among accepted answers over a grid of thresholds, and a band that holds at all of them at once.

    Clopper–Pearson limits with δ shared out over both sides of the T thresholds (Bonferroni). ``of``: how many answers there
    are, where those given are only those that may be accepted at all.
    """
    tried_T = thresholds(confidence_N, 1)
    accepted_T, wrong_T = counted(confidence_N, wrong_N, tried_T)
    tail = delta / (2 * max(len(tried_T), 1))
    limits = [clopper_pearson(int(k), int(m), tail) for k, m in zip(wrong_T, accepted_T, strict=True)]
    low_T, high_T = (np.asarray([getattr(one, side) for one in limits], np.float64) for side in ("low", "high"))
    total = max(len(confidence_N) if of is None else of, 1)
    return RiskCurve(tried_T, accepted_T / total, wrong_T / np.maximum(accepted_T, 1), low_T, high_T)


def one_of_each(groups_N: IntArray, seed: int) -> NDArray[np.intp]:
    """Return the rows of one item of each group, drawn at random: only these are independent of each other."""
    order = np.random.default_rng(seed).permutation(len(groups_N))
    _, first = np.unique(groups_N[order], return_index=True)
    rows: NDArray[np.intp] = np.sort(order[first])
    return rows
