"""Following a rollout's log for what the rest of the server has to know: decisions become truths of their predictions, so that
monitors see them, and each turn is said in the server's own log.

A case's truths are told once nothing more is asked about it, so that whoever decided between two answers is heard, and not the
person who differs from the model. The names of truths follow from the log, so that several processes, or one that is started
anew, tell each of them once. Where a process begins, the newest line is looked for whose truth is there; all before it have been
told, since each process tells them in the order of the log.
"""

from __future__ import annotations

import logging
from collections.abc import Callable, Sequence

from ...core.errors import UsageError
from ...core.ports import Store
from ...core.records import Truth
from ...core.rollout_records import LogLine, RolloutRow
from ...rollout.event_json import of_body
from ...rollout.events import Decided, Turned, TurnedOut
from .case_truths import case_truths

log = logging.getLogger(__name__)

# Lines that are read at once, so that held decisions wait for no long log.
STEP = 200

# Lines that are looked back over for one whose truth is there; behind that, the log is gone through from its beginning.
MOST_BACK = 2_000


class LogFollower:
    """Reads the lines of one log as they are written, whichever process wrote them."""

    def __init__(self, store: Store, row: RolloutRow, told: Callable[[], None] = lambda: None) -> None:
        """``told`` is called when truths were told."""
        self._store, self._id, self._name, self._told = store, row.id, row.name, told
        self._head = row.head
        """The last line when this process began: turns up to there were said before."""
        self._read: int | None = None

    def follow(self) -> bool:
        """Read what was written since, some lines at most; returns whether there may be more."""
        if self._read is None:
            self._read = self._beginning()
        lines = self._store.lines(self._id, self._read, STEP)
        if not lines:
            return False
        self._say_turns(lines)
        if self._tell(lines):
            self._told()
        self._read = lines[-1].number
        return len(lines) == STEP

    def _say_turns(self, lines: Sequence[LogLine]) -> None:
        for line in lines:
            event = of_body(line.body) if line.number > self._head and line.case_id is None else None
            if isinstance(event, Turned):
                by, stage = event.by or "the evidence itself", event.stage.value
                step = f", step {event.step}" if event.step else ""
                log.warning("rollout %s: %s by %s, now %s%s: %s", self._name, event.turn, by, stage, step, event.reason)

    def _tell(self, lines: Sequence[LogLine]) -> int:
        cases = _labelled(lines)
        if not cases:
            return 0
        with self._store.rollout_log(self._id) as opened:
            done = [case_id for case_id in cases if not opened.reviews_of(case_id)]
        count = 0
        for case_id in done:
            for truth in self._truths(case_id):
                try:
                    self._store.add_truth(truth)
                    count += 1
                except UsageError:  # its prediction was pruned
                    break
        return count

    def _truths(self, case_id: str) -> tuple[Truth, ...]:
        lines = [(line.number, of_body(line.body)) for line in self._store.lines_of(self._id, case_id)]
        return case_truths(self._id, self._name, lines)

    def _beginning(self) -> int:
        """The number of the newest line whose case's truths were told before."""
        lines = self._store.lines(self._id, max(0, self._head - MOST_BACK), MOST_BACK)
        for case_id in reversed(_labelled(lines)):
            truths = self._truths(case_id)
            if truths:
                known = self._store.truths_of([truths[0].prediction_id]).get(truths[0].prediction_id, ())
                if {truth.id for truth in truths} <= {truth.id for truth in known}:
                    return max(line.number for line in lines if line.case_id == case_id)
        return 0


def _labelled(lines: Sequence[LogLine]) -> list[str]:
    """The cases of which these lines tell a label, in the order in which they do so last."""
    found: dict[str, None] = {}
    for line in lines:
        if line.case_id is not None and isinstance(of_body(line.body), Decided | TurnedOut):
            found.pop(line.case_id, None)
            found[line.case_id] = None
    return list(found)
