"""The part of alpha that one advance may spend."""

from __future__ import annotations

from ..policy import Policy
from ..stage import Stage

FIRST_ROUND = 0.8
"""The part of the first round. Each clearing of a rollback begins another, with half of what is left to all rounds from then on,
so that however often a rollout is cleared, alpha holds for all of it."""


def part_of(round: int) -> float:
    """Return the part of alpha that belongs to a round; those of all rounds sum to 1.

    >>> [f"{part_of(number):g}" for number in range(4)]
    ['0.8', '0.1', '0.05', '0.025']
    """
    return FIRST_ROUND if round == 0 else (1 - FIRST_ROUND) / 2**round


def alpha_of(policy: Policy, stage: Stage, round: int) -> float:
    """Return the probability of a false advance that is spent when a stage is left, or the steps of expanding are climbed."""
    spend = {
        Stage.PARALLEL: policy.spend.parallel,
        Stage.SUPERVISED: policy.spend.supervised,
        Stage.EXPANDING: policy.spend.expanding,
    }
    return policy.alpha * spend.get(stage, 0.0) * part_of(round)
