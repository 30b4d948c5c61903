"""Conformal p-values, and the rank up to which one counts as an alarm. Shapes: N items judged, M calibration scores."""

from __future__ import annotations

import math
from typing import Literal

import numpy as np
from numpy.typing import NDArray

Mode = Literal["marginal", "training-conditional"]

MARGINAL: Mode = "marginal"
CONDITIONAL: Mode = "training-conditional"

# The probability with which a training-conditional rate holds.
SURE = 0.95


def p_values(scores_N: NDArray[np.float64], sorted_M: NDArray[np.float64]) -> NDArray[np.float64]:
    """Return (1 + number of calibration scores at or below) / (M + 1) for each score; a low score is a strange one.

    Of an item exchangeable with those calibrated on, P(p ≤ α) ≤ α (Vovk et al. 2005, "Algorithmic learning in a random
    world"). A score that is no number gets the least p-value there is.

    >>> p_values(np.array([0.5, 2.0, 9.0, np.nan]), np.array([1.0, 2.0, 3.0]))
    array([0.25, 0.75, 1.  , 0.25])
    """
    below_N = np.searchsorted(sorted_M, np.where(np.isnan(scores_N), -np.inf, scores_N), side="right")
    values: NDArray[np.float64] = (1 + below_N) / (len(sorted_M) + 1)
    return values


def is_strange(p_N: NDArray[np.float64] | float, level: float) -> NDArray[np.bool_]:
    """Return (N,) which p-values are at most ``level``.

    Both are a whole number over the same one; a later reader may have rounded one of them, hence one part in a billion.

    >>> is_strange(np.array([0.05, 0.0501]), 0.05).tolist()
    [True, False]
    """
    return np.asarray(np.asarray(p_N) <= level * (1 + 1e-9))


def alarm_rank(scores: int, alpha: float, mode: Mode) -> int:
    """Return the largest k for which an alarm at p ≤ k / (scores + 1) keeps its rate of false ones; 0 where there is none.

    Over calibration sets that rate is Beta(k, scores + 1 − k). ``marginal``: its mean is at most α.
    ``training-conditional``: it is at most α with a probability of 95 % (Vovk 2012, "Conditional validity of inductive
    conformal predictors").

    >>> [alarm_rank(scores, 0.05, "marginal") for scores in (200, 500, 1000)]
    [10, 25, 50]
    >>> [alarm_rank(scores, 0.05, "training-conditional") for scores in (200, 500, 1000)]
    [5, 17, 39]
    """
    # One part in a billion, as 0.05 · 20 may be a little less than 1 in floating point.
    most = math.floor(alpha * (scores + 1) * (1 + 1e-9))
    if mode == MARGINAL or most == 0:
        return most
    from scipy.special import betainc  # heavy to import, and whoever predicts has no use for it

    ranks_K = np.arange(1, most + 1)
    keeps_K = betainc(ranks_K, scores + 1 - ranks_K, alpha) >= SURE
    return int(keeps_K.sum())  # the larger the rank, the less probable, so that those that keep it come first


def fewest_scores(alpha: float, mode: Mode) -> int:
    """Return how many calibration scores it takes for any alarm at all, that is for `alarm_rank` of 1.

    >>> [fewest_scores(alpha, mode) for alpha in (0.05, 0.01) for mode in ("marginal", "training-conditional")]
    [19, 59, 99, 299]
    """
    if mode == MARGINAL:
        return math.ceil(1 / alpha * (1 - 1e-9)) - 1
    return math.ceil(math.log(1 - SURE) / math.log1p(-alpha) * (1 - 1e-9))


def false_alarm_interval(rank: int, scores: int, judged: int | None = None, level: float = 0.95) -> tuple[float, float]:
    """Return the limits between which the rate of false alarms lies with probability ``level``, over calibration sets.

    With ``judged`` items of which the rate is taken, their own chance counts as well: the number is beta-binomial.
    """
    from scipy import stats

    tail = (1 - level) / 2
    if judged is None:
        low, high = stats.beta.ppf([tail, 1 - tail], rank, scores + 1 - rank)
        return float(low), float(high)
    low, high = stats.betabinom.ppf([tail, 1 - tail], judged, rank, scores + 1 - rank)
    return float(low) / judged, float(high) / judged
