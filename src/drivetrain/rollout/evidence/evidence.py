"""All evidence of a rollout since it was opened, or last cleared.

A machine tells it of each case when it comes (`came`), once more when it is final (`take`), and of each stage and step that
begins (`begin`). It answers with a `Stop` where the evidence itself pauses the model or rolls it back.
"""

from __future__ import annotations

from datetime import datetime
from typing import Any, Self

from ..policy import Policy
from ..stage import Stage
from .resolved import Came, Resolved, Stop


class Evidence:
    """The evidence of one round: from opening, or from the clearing of a rollback, on."""

    def __init__(self, policy: Policy, at: datetime, round: int = 0) -> None:
        self.policy = policy
        self.round = round
        """0 when the rollout is opened, and one more each time that a rollback is cleared: each has a part of alpha."""
        self.begin(Stage.PARALLEL, 0, at)

    def begin(self, stage: Stage, step: int, at: datetime) -> None:
        """Begin a stage or step: fewest cases and days count from here; evidence on the same question goes on."""
        self.stage, self.step, self.since = stage, step, at

    def came(self, came: Came) -> Stop | None:
        """Take a case that has come in; in order of numbers."""
        raise NotImplementedError

    def take(self, resolved: Resolved) -> Stop | None:
        """Take a case that is final, at whatever time; each exactly once."""
        raise NotImplementedError

    def to_json(self) -> dict[str, Any]:
        """Return the state, exact, as plain data."""
        raise NotImplementedError

    @classmethod
    def of_json(cls, policy: Policy, state: dict[str, Any]) -> Self:
        """Go on from a state."""
        raise NotImplementedError
