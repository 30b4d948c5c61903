"""The machine of a rollout: everything that is known of it, as a fold over its log.

Pure and deterministic: time is the events' own, chance is the HMAC of a unit. So a live run, the backtest of its log and a
recomputation say the same. `take` alone changes it.
"""

from __future__ import annotations

from collections.abc import Mapping
from datetime import datetime
from typing import Any

from ..core.case import Case, ModelAnswer
from .draw import Draw
from .effects import Effect, Turns
from .events import Event, Turned
from .hold import Hold
from .policy import Policy
from .reading import GateReading
from .stage import Stage


class Machine:
    """Where a rollout stands, and what is known of its model."""

    def __init__(self, policy: Policy, salt: bytes, labels: tuple[str, ...]) -> None:
        """Begin in `Stage.BACKTEST`; the first event, `Opened`, leads to `Stage.PARALLEL`."""
        raise NotImplementedError

    @property
    def stage(self) -> Stage:
        """The stage."""
        raise NotImplementedError

    @property
    def step(self) -> int:
        """The place in the policy's steps of expanding; 0 in every other stage."""
        raise NotImplementedError

    @property
    def holds(self) -> tuple[Hold, ...]:
        """The reasons for which it is paused; without one it runs."""
        raise NotImplementedError

    @property
    def now(self) -> datetime:
        """The latest moment of any event taken."""
        raise NotImplementedError

    def draw(self, case: Case, answer: ModelAnswer, known: str | None = None) -> Draw:
        """Draw the checks of a case, as of now. Changes nothing: the runner puts the draw into `Arrived`."""
        raise NotImplementedError

    def take(self, event: Event) -> tuple[Effect, ...]:
        """Take the next event, and return what it asks of the world.

        Raises:
            LogError: it cannot have happened; the machine is as it was.
        """
        raise NotImplementedError

    def readings(self, at: datetime | None = None) -> tuple[GateReading, ...]:
        """Read the gates between here and the next stage or step, as of now or a later moment."""
        raise NotImplementedError

    def refusals(self, at: datetime | None = None) -> tuple[str, ...]:
        """Say why it cannot advance just now; empty: a named person may advance it."""
        raise NotImplementedError

    def next_moment(self) -> datetime | None:
        """The earliest moment at which silence alone would change something: a `Ticked` at or after it is worth logging."""
        raise NotImplementedError

    def advanced(self, by: str, reason: str, at: datetime, head: tuple[int, str] | None = None) -> Turned:
        """Make the event that advances it. ``head``: number and hash of the last line, which the evidence rests on.

        Raises:
            UsageError: it cannot be; says every reason. So do the following.
        """
        raise NotImplementedError

    def paused(self, by: str, reason: str, at: datetime) -> Turned:
        """Make the event that pauses it."""
        raise NotImplementedError

    def resumed(self, by: str, reason: str, at: datetime) -> Turned:
        """Make the event that releases every hold; refused while an alarm stands, which a person has to clear first."""
        raise NotImplementedError

    def rolled_back(self, by: str, reason: str, at: datetime) -> Turned:
        """Make the event that rolls it back: neither gates nor evidence are asked."""
        raise NotImplementedError

    def cleared(self, by: str, reason: str, at: datetime) -> Turned:
        """Make the event that clears a rollback: back to parallel, with fresh evidence."""
        raise NotImplementedError

    def ended(self, by: str, reason: str, at: datetime) -> Turned:
        """Make the event that ends it."""
        raise NotImplementedError

    def turned(self, turns: Turns, at: datetime) -> Turned:
        """Make the event that records what the evidence did by itself; it is logged directly behind what caused it."""
        raise NotImplementedError

    def facts(self) -> Mapping[str, Any]:
        """Counts for `Status`: bounded, plain data."""
        raise NotImplementedError

    def snapshot(self) -> str:
        """Write everything as JSON: going on from it equals having folded all."""
        raise NotImplementedError

    @classmethod
    def of_snapshot(cls, text: str, policy: Policy, salt: bytes, labels: tuple[str, ...]) -> Machine:
        """Read what `snapshot` wrote, of a rollout of this policy, salt and labels.

        Raises:
            LogError: it is none, or one of another rollout.
        """
        raise NotImplementedError
