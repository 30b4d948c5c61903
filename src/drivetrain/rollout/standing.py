"""The standing of a rollout: its stage, step and holds, and which turns lead from there to where."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from datetime import datetime
from typing import Any

from ..core.errors import LogError
from .draw import Route
from .drawing import AT_WORK
from .events import Alarmed, Arrived, Turn, Turned
from .hold import Hold, HoldKind
from .moments import of_text, to_text
from .policy import Policy
from .stage import Stage

LATEST_ALARMS = 500
"""Alarms that are remembered once they are cleared."""


@dataclass(slots=True)
class Standing:
    """Where a rollout stands. It is changed by turns alone."""

    policy: Policy
    stage: Stage = Stage.BACKTEST
    step: int = 0
    since: datetime | None = None
    """The moment at which the stage or step began."""
    attempt: int = 0
    """The clearings of a rollback so far."""
    holds: list[Hold] = field(default_factory=list)
    alarms: dict[str, str] = field(default_factory=dict)
    """The monitors whose alarms stand, by the alarms' ids."""
    cleared: list[str] = field(default_factory=list)
    """The ids of alarms that were cleared last, so that one which is told again is not taken for a new one."""

    @property
    def works(self) -> bool:
        """Tells whether the model may propose or act just now."""
        return self.stage in AT_WORK and not self.holds

    @property
    def open(self) -> bool:
        """Tells whether cases may come."""
        return self.stage not in (Stage.BACKTEST, Stage.ENDED)

    def raise_alarm(self, event: Alarmed) -> None:
        """Let an alarm stand; raises `LogError` for one that was raised before."""
        if event.alarm_id in self.alarms or event.alarm_id in self.cleared:
            raise LogError(f"alarm {event.alarm_id} was raised a second time")
        self.alarms[event.alarm_id] = event.monitor

    def clear_alarm(self, event: Alarmed) -> bool:
        """Let an alarm stand no more, and tell whether the last hold went with it; raises `LogError` where it does not stand."""
        if event.alarm_id not in self.alarms:
            raise LogError(f"alarm {event.alarm_id} was cleared, and none of that name stands")
        del self.alarms[event.alarm_id]
        self.cleared = [*self.cleared, event.alarm_id][-LATEST_ALARMS:]
        before = len(self.holds)
        self.holds = [one for one in self.holds if one.alarm_id != event.alarm_id]
        return before > len(self.holds) == 0

    def after(self) -> tuple[Stage, int] | None:
        """Return the stage and step that an advance leads to; None: there is none."""
        if self.stage is Stage.PARALLEL:
            return Stage.SUPERVISED, 0
        if self.stage is Stage.SUPERVISED:
            return Stage.EXPANDING, 0
        if self.stage is Stage.EXPANDING and self.step + 1 < len(self.policy.expanding.steps):
            return Stage.EXPANDING, self.step + 1
        return None

    def refusal(self, turn: Turn) -> str | None:
        """Say why a person cannot turn it so, whatever the evidence says; None: it can be."""
        if not self.open:
            return "the rollout has ended; open another one" if self.stage is Stage.ENDED else "it has not begun"
        rolled_back = self.stage is Stage.ROLLED_BACK
        if turn is Turn.ADVANCED:
            return self._no_advance()
        if turn is Turn.CLEARED:
            return None if rolled_back else f"it is not rolled back; it stands in {self.stage.value}"
        if turn is Turn.RESUMED:
            return self._no_resume()
        if rolled_back and turn in (Turn.PAUSED, Turn.ROLLED_BACK):
            return "it is rolled back already; clear it with a reason to begin anew in parallel"
        if turn is Turn.PAUSED and any(hold.kind is HoldKind.PERSON for hold in self.holds):
            return "it is paused already; resume it first"
        return None

    def _no_advance(self) -> str | None:
        if self.stage is Stage.ROLLED_BACK:
            return "it is rolled back; clear it with a reason to begin anew in parallel"
        if self.holds:
            return f"it is paused: {'; '.join(hold.words for hold in self.holds)}"
        return "it stands at its last step; there is none behind" if self.after() is None else None

    def _no_resume(self) -> str | None:
        if not self.holds:
            return "it is not paused"
        standing = [hold.words for hold in self.holds if hold.kind is HoldKind.ALARM]
        return f"clear the alarm first: {'; '.join(standing)}" if standing else None

    def destination(self, turn: Turn) -> tuple[Stage, int]:
        """Return the stage and step after a turn."""
        if turn is Turn.ADVANCED:
            return self.after() or (self.stage, self.step)
        stages = {Turn.ROLLED_BACK: Stage.ROLLED_BACK, Turn.CLEARED: Stage.PARALLEL, Turn.ENDED: Stage.ENDED}
        return (stages[turn], 0) if turn in stages else (self.stage, self.step)

    def check(self, event: Turned) -> None:
        """Raise `LogError` for a person's turn that cannot have been made from here."""
        refusal = self.refusal(event.turn)
        if not event.by or not event.reason:
            refusal = "a person and a reason are missing"
        if refusal is None and (event.stage, event.step) != self.destination(event.turn):
            stage, step = self.destination(event.turn)
            refusal = f"it leads to {stage.value}, step {step}"
        if refusal is not None:
            to = f"{event.stage.value}, step {event.step}"
            raise LogError(f"the log has the rollout {event.turn.value} to {to} in {self.stage.value}: {refusal}")

    def check_arrival(self, event: Arrived, labels: Sequence[str]) -> None:
        """Raise `LogError` for a case that may not come, or that the model may not have proposed or acted on."""
        case_id, draw = event.case.id, event.draw
        if not self.open:
            raise LogError(f"case {case_id} came in {self.stage.value}, in which none may come")
        if event.known is not None and event.known not in labels:
            raise LogError(f"case {case_id} is known to be {event.known!r}, which is none of {', '.join(labels)}")
        if (event.known is not None) is not draw.seeded:
            raise LogError(f"case {case_id} is {'not ' if draw.seeded else ''}known, and its draw says otherwise")
        if draw.route is Route.BLIND:
            return
        acted = draw.route is Route.ACTED
        if not self.works or (acted and (self.stage is not Stage.EXPANDING or draw.seeded)):
            raise LogError(f"the model may not have {draw.route.value} case {case_id} in {self.stage.value}")
        if not (draw.in_scope and event.answer.certified and event.answer.in_domain) or event.answer.label is None:
            raise LogError(f"the model may not have {draw.route.value} case {case_id}, whose answer is not certified")

    def turn(self, turn: Turn, at: datetime, hold: Hold | None = None) -> None:
        """Go where a turn leads, which was checked before. ``hold``: what a pause is held by."""
        stage, step = self.destination(turn)
        if turn is Turn.PAUSED and hold is not None:
            self.holds.append(hold)
        elif turn in (Turn.RESUMED, Turn.ROLLED_BACK, Turn.CLEARED):
            # A rollback stands above every hold; what monitors have found stands until a person clears the alarm.
            self.holds = [one for one in self.holds if one.kind is HoldKind.ALARM]
        if turn is Turn.ENDED:
            self.holds, self.alarms = [], {}
        if turn is Turn.CLEARED:
            self.attempt += 1
        if (stage, step) != (self.stage, self.step):
            self.stage, self.step, self.since = stage, step, at

    def to_json(self) -> dict[str, Any]:
        """Return the state as plain data."""
        return {
            "stage": self.stage.value,
            "step": self.step,
            "since": None if self.since is None else to_text(self.since),
            "attempt": self.attempt,
            "holds": [hold.to_json() for hold in self.holds],
            "alarms": dict(self.alarms),
            "cleared": list(self.cleared),
        }

    @classmethod
    def of_json(cls, policy: Policy, state: Mapping[str, Any]) -> Standing:
        """Go on from a state."""
        return cls(
            policy,
            Stage(state["stage"]),
            state["step"],
            None if state["since"] is None else of_text(state["since"]),
            state["attempt"],
            [Hold.of_json(one) for one in state["holds"]],
            dict(state["alarms"]),
            list(state["cleared"]),
        )
