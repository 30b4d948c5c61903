"""The order of evidence: cases are released in the order in which they came, however late people answer.

Cases on which model and person agree are final at once; discordant ones wait for an adjudicator. Consumed as it becomes final,
evidence would look too good until the last adjudicator has caught up.
"""

from __future__ import annotations

from collections import deque
from typing import Any, Self

from .resolved import Resolved, resolved_of_json, resolved_to_json


class Watermark:
    """Holds final cases back until every case that came before, and counts, is final too."""

    __slots__ = ("_order", "_waiting", "ahead", "last")

    def __init__(self) -> None:
        self._order: deque[int] = deque()
        self._waiting: dict[int, Resolved | None] = {}
        self.ahead = 0
        """The number of cases that are final, and held back by an earlier one."""
        self.last = 0
        """The number of the last case released."""

    def came(self, number: int) -> None:
        """Wait for a case, whose number is higher than all before."""
        self._order.append(number)
        self._waiting[number] = None

    def __contains__(self, number: int) -> bool:
        """Tell whether a case is waited for, or held back."""
        return number in self._waiting

    def take(self, resolved: Resolved) -> list[Resolved]:
        """Take a final case that is waited for; return those that are released by it, in order."""
        order, waiting = self._order, self._waiting
        waiting[resolved.came.number] = resolved
        self.ahead += 1
        released: list[Resolved] = []
        while order and (final := waiting[order[0]]) is not None:
            self.last = order.popleft()
            del waiting[self.last]
            released.append(final)
        self.ahead -= len(released)
        return released

    @property
    def waiting(self) -> int:
        """The number of cases that came and are not released yet."""
        return len(self._order)

    def beyond(self) -> list[Resolved | None]:
        """List what is behind the watermark, in order; None: a case that is not final yet."""
        return [self._waiting[number] for number in self._order]

    def to_json(self) -> dict[str, Any]:
        """Return the state."""
        final = [resolved_to_json(kept) for kept in self.beyond() if kept is not None]
        return {"last": self.last, "open": list(self._order), "final": final}

    @classmethod
    def of_json(cls, state: dict[str, Any]) -> Self:
        """Go on from a state."""
        mark = cls()
        mark.last = state["last"]
        for number in state["open"]:
            mark.came(number)
        for kept in map(resolved_of_json, state["final"]):
            mark._waiting[kept.came.number] = kept
        mark.ahead = len(state["final"])
        return mark
