"""A test of a rate under continuous watching: the Shiryaev–Roberts sum of e-processes restarted at every moment.

Hits arrive one by one; the null hypothesis is that, whatever went before, the next is a hit with probability at most
``bound``. For an alternative rate q > bound a hit multiplies the evidence by q/bound and a miss by (1 − q)/(1 − bound), whose
expectation under the null is at most 1. R ← (R + 1) · L then sums the evidence of processes begun at each moment: R_t − t is a
supermartingale, so that P(max_{t ≤ horizon} R_t ≥ horizon/α) ≤ α (Doob). An average of such sums over alternatives keeps the
bound, and so does their sum over streams whose lengths add up to the horizon.

Shiryaev 1963, "On optimum methods in quickest detection problems"; Roberts 1966; Shin, Ramdas and Rinaldo 2023, "E-detectors".
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

# Alternatives beyond it would let a single miss end a process.
MOST_LIKELY = 0.95


@dataclass(frozen=True, slots=True)
class Factors:
    """The factors by which one observation multiplies the evidence, one of each alternative."""

    hit: tuple[float, ...]
    miss: tuple[float, ...]


def factors(bound: float, multiples: Sequence[float]) -> Factors:
    """The likelihood ratios of alternatives at ``multiples`` of ``bound`` (each above 1) against the bound.

    >>> factors(0.1, (2.0,))
    Factors(hit=(2.0,), miss=(0.888888888888889,))

    Raises:
        ValueError: ``bound`` lies outside 0 to `MOST_LIKELY`, or a multiple is 1 or less.
    """
    if not 0 < bound < MOST_LIKELY or not multiples or min(multiples) <= 1:
        raise ValueError(
            f"bound {bound}, multiples {list(multiples)}: alternatives must lie above the bound, and it in 0–1"
        )
    rates = tuple(dict.fromkeys(min(multiple * bound, MOST_LIKELY) for multiple in multiples))
    return Factors(tuple(q / bound for q in rates), tuple((1 - q) / (1 - bound) for q in rates))


def step(sums: Sequence[float], by: Sequence[float]) -> list[float]:
    """R ← (R + 1) · L for each alternative.

    >>> step([0.0, 1.0], (2.0, 0.5))
    [2.0, 1.0]
    """
    return [(value + 1.0) * factor for value, factor in zip(sums, by, strict=True)]


def alarm_level(horizon: int, alpha: float) -> float:
    """The level that R reaches within ``horizon`` observations with probability at most ``alpha``.

    >>> alarm_level(20_000, 0.01)
    2000000.0
    """
    return horizon / alpha


def highest_rate(calibrated_on: int, level: float, confidence: float = 0.99) -> float:
    """The upper bound, with ``confidence``, of the true rate at which a conformal test at ``level`` rejects what it should not.

    Given n calibration scores, the rate is Beta(k, n + 1 − k) with k = ⌊level · (n + 1)⌋ (Vovk 2012, "Conditional validity of
    inductive conformal predictors"), so its quantile is the Clopper–Pearson limit for k − 1 of n. Without a rank to reject at
    (k = 0) nothing is rejected, and the bound is that for none of n.

    >>> round(highest_rate(500, 0.05), 4)
    0.0751

    Raises:
        ValueError: there is no calibration score, or ``level`` lies outside 0–1.
    """
    if calibrated_on < 1 or not 0 < level < 1:
        raise ValueError(
            f"{calibrated_on} calibration scores at level {level}: at least one, and a level in 0–1, is needed"
        )
    from scipy.special import betaincinv  # heavy to import

    # A level that was computed as k/(n + 1) must not lose its rank to rounding.
    rank = max(1, int(level * (calibrated_on + 1) + 1e-9))
    return float(betaincinv(rank, calibrated_on + 1 - rank, confidence))
