"""The stages of a rollout, in their order."""

from __future__ import annotations

from enum import StrEnum


class Stage(StrEnum):
    """The place a rollout has come to. Each lets the model do more than the one before; the last two let it do nothing."""

    BACKTEST = "backtest"
    """Nothing is live: the policy is tried on past cases."""
    PARALLEL = "parallel"
    """People decide every case and never see the model's answer; both are recorded."""
    SUPERVISED = "supervised"
    """In a limited scope the model proposes, and a person confirms before it takes effect."""
    EXPANDING = "expanding"
    """A growing share of certified cases takes effect without a person; a random sample of them is audited."""
    ROLLED_BACK = "rolled-back"
    """The model decides nothing until a person clears it with a reason; people decide every case blind."""
    ENDED = "ended"
    """Another rollout has taken its place, or a person ended it."""
