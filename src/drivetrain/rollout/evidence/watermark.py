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

    __slots__ = ("_final", "_open", "last")

    def __init__(self) -> None:
        self._open: deque[int] = deque()
        self._final: dict[int, Resolved] = {}
        self.last = 0
        """The number of the last case released."""

    def came(self, number: int) -> None:
        """Wait for a case, whose number is higher than all before."""
        self._open.append(number)

    def take(self, resolved: Resolved) -> list[Resolved]:
        """Take a final case; return those that are released by it, in order."""
        self._final[resolved.came.number] = resolved
        released = []
        while self._open and self._open[0] in self._final:
            self.last = self._open.popleft()
            released.append(self._final.pop(self.last))
        return released

    @property
    def waiting(self) -> int:
        """The number of cases that came and are not released yet."""
        return len(self._open)

    @property
    def ahead(self) -> bool:
        """Tells whether a case is final that an earlier one holds back."""
        return bool(self._final)

    def beyond(self) -> list[Resolved | None]:
        """List what is behind the watermark, in order; None: a case that is not final yet."""
        return [self._final.get(number) for number in self._open]

    def to_json(self) -> dict[str, Any]:
        """Return the state."""
        final = [resolved_to_json(self._final[number]) for number in sorted(self._final)]
        return {"last": self.last, "open": list(self._open), "final": final}

    @classmethod
    def of_json(cls, state: dict[str, Any]) -> Self:
        """Go on from a state."""
        mark = cls()
        mark.last = state["last"]
        mark._open.extend(state["open"])
        mark._final = {kept.came.number: kept for kept in map(resolved_of_json, state["final"])}
        return mark
