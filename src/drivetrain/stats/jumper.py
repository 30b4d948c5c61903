"""The simple-jumper martingale on online conformal p-values, which notices that observations are no longer exchangeable.

Each observation is ranked among those before it. Where all are exchangeable, the p-values are independent and uniform (Vovk,
Gammerman and Shafer 2005, section 2); the jumper bets on them with 1 + ε(p − ½), ε ∈ {−1, 0, 1}, and moves its capital from one
bet to the others at a rate ``jump`` (Vovk, Petej, Nouretdinov, Ahlberg, Carlsson and Gammerman 2021, "Retrain or not retrain:
conformal test martingales for change-point detection"). Ranks need not be exact: bins fixed beforehand are a coarser score, for
which the same holds, and counts in them are a growing reference in constant memory.
"""

from __future__ import annotations

import hashlib
import hmac
from bisect import bisect_right
from collections.abc import Sequence

Weights = tuple[float, float, float]
"""The shares of the capital that stand on ε = −1 (small p), 0 and 1 (large p); they sum to 1."""

START: Weights = (1 / 3, 1 / 3, 1 / 3)
JUMP = 0.01


def step(weights: Weights, p: float, jump: float = JUMP) -> tuple[Weights, float]:
    """The shares after a p-value, and the factor by which the capital changed: an e-value.

    >>> weights, factor = step(START, 0.5)
    >>> round(factor, 12)
    1.0
    """
    keep, shared = 1.0 - jump, jump / 3
    tilt = p - 0.5
    low = (weights[0] * keep + shared) * (1.0 - tilt)
    none = weights[1] * keep + shared
    high = (weights[2] * keep + shared) * (1.0 + tilt)
    factor = low + none + high
    return (low / factor, none / factor, high / factor), factor


def conformal_p(counts: Sequence[int], place: int, tie: float) -> float:
    """The p-value of an observation in bin ``place`` among those counted before it; small where most lie above.

    ``tie`` in 0–1 settles its rank among those of its own bin, itself included.

    >>> conformal_p([2, 1, 1], 1, 0.5)
    0.6
    """
    total = 0
    below = 0
    for number, count in enumerate(counts):
        total += count
        if number < place:
            below += count
    return (below + tie * (counts[place] + 1)) / (total + 1)


def place_of(edges: Sequence[float], score: float) -> int:
    """The bin of a score among bins parted by ``edges``, ascending; a score on an edge belongs above it.

    >>> [place_of((0.2, 0.6), score) for score in (0.1, 0.2, 0.9)]
    [0, 1, 2]
    """
    return bisect_right(edges, score)


def tie_of(key: bytes, case_id: str) -> float:
    """A number in 0–1 that is the case's own: HMAC-SHA-256 of its id, so that a replay gives the same.

    >>> 0 <= tie_of(b"key", "a") < 1
    True
    """
    digest = hmac.digest(key, case_id.encode("utf-8", "surrogatepass"), hashlib.sha256)
    # 53 bits, as many as a float holds, so that the result stays below 1.
    return (int.from_bytes(digest[:8], "big") >> 11) / (1 << 53)
