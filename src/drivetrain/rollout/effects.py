"""The effects of an event: what its rollout asks of the world, which the runner carries out. The machine itself has no hands."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime

from ..core.told_how import ToldHow
from .events import ReviewKind, Turn, Turned
from .stage import Stage


@dataclass(frozen=True, slots=True)
class Ask:
    """Ask a person for a review of a case."""

    case_id: str
    kind: ReviewKind
    round: int = 0
    """0 for the first person asked to do this with this case, 1 for the second."""
    shown: tuple[str, ...] = ()
    """The labels to be shown, in their order: the proposal of a ``confirm``, the two answers of an ``adjudicate``."""
    not_by: tuple[str, ...] = ()
    """People who must not do it, since they have decided this case already."""
    due: datetime | None = None
    """The moment by which the case has to be decided."""


@dataclass(frozen=True, slots=True)
class Withdraw:
    """Nobody has to do the open reviews of this case any more."""

    case_id: str


@dataclass(frozen=True, slots=True)
class Settled:
    """The decision of a case took effect."""

    case_id: str
    label: str | None
    """None: nobody could tell."""
    how: ToldHow
    by: str | None = None
    """The person; None: the model."""


@dataclass(frozen=True, slots=True)
class Turns:
    """The evidence, an alarm or silence has turned the rollout by itself. The machine stands there already; the runner logs
    the `recorded` event directly behind what caused it, and the machine takes that without a further change."""

    turn: Turn
    reason: str
    stage: Stage
    step: int = 0

    def recorded(self, at: datetime) -> Turned:
        """Make the event that records it."""
        return Turned(at, self.turn, None, self.reason, self.stage, self.step)


Effect = Ask | Withdraw | Settled | Turns
