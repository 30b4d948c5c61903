"""A replica of a rollout: its machine as of the last line seen, kept in agreement with the log whatever happens.

Whatever goes wrong after the machine has taken something that may not be in the log, the machine is given up and read anew from
the store: from the snapshot that is kept there, and the lines behind it.
"""

from __future__ import annotations

import hashlib
import json
import threading
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from typing import Any

from ..core.canonical_json import canonical_json
from ..core.errors import LogError, UsageError
from ..core.rollout_port import RolloutLog, RolloutStore
from ..core.rollout_records import GENESIS, LogLine, RolloutRow
from .curves import Curves
from .event_json import about, of_body, to_body
from .events import Event, Opened
from .machine import Machine
from .policy import Policy
from .run import Run

LINES_AT_ONCE = 10_000
KEEP_AFTER = 5_000
"""Lines behind the last snapshot from which on another one is kept; more where more cases are open, as it takes longer then."""


class Writing:
    """One transaction: events are appended, which the machine takes, and the queue is written."""

    __slots__ = ("_replica", "_run", "log")

    def __init__(self, replica: Replica, log: RolloutLog) -> None:
        self._replica = replica
        self.log = log
        self._run = Run(replica.machine, self._append)

    @property
    def machine(self) -> Machine:
        """The machine, with all that this transaction has appended."""
        return self._run.machine

    @property
    def run(self) -> Run:
        """The run that takes what happens. From here on the machine may have taken what is not in the log."""
        self._replica.fresh = False
        return self._run

    def _append(self, event: Event) -> None:
        line = self.log.append(event.at, to_body(event), about(event))
        self._replica.seen(line)


class Replica:
    """The machine of one rollout in this process. Safe to use from several threads."""

    def __init__(self, store: RolloutStore, rollout_id: str) -> None:
        """Read the rollout.

        Raises:
            UsageError: there is none of this id.
            LogError: its log cannot be read.
        """
        row = store.rollout(rollout_id)
        if row is None:
            raise UsageError(f"there is no rollout {rollout_id[:64]!r} in the store")
        self._store = store
        self.row = row
        """The rollout as it was when this process began with it."""
        self.lock = threading.RLock()
        self.fresh = True
        """The machine has taken nothing that might not be in the log."""
        self._opened = self._first_line(row)
        self.policy = Policy.model_validate_json(json.dumps(dict(self._opened.policy)))
        self._machine: Machine | None = None
        self.curves = Curves()
        self.number = self._kept = 0
        """The number of the last line that the machine has taken."""
        self._hash = GENESIS
        """The hash of that line."""
        self._load()

    @property
    def labels(self) -> tuple[str, ...]:
        """The answers that may be given."""
        return self._opened.labels

    @property
    def machine(self) -> Machine:
        """The machine, as of the last line that this process has seen."""
        with self.lock:
            return self._machine or self._load()

    def seen(self, line: LogLine) -> None:
        """Note that the machine has taken a line, and what the gates said then."""
        self.number, self._hash = line.number, line.hash
        self.curves.see(self.machine)

    @contextmanager
    def writing(self) -> Iterator[Writing]:
        """Enter a transaction, once the machine has taken what others have written."""
        with self.lock:
            _ = self.machine
            try:
                with self._store.rollout_log(self.row.id) as log:
                    self._catch_up(log)
                    self.fresh = True
                    writing = Writing(self, log)
                    yield writing
                    self._note_standing(log, writing.machine)
            except BaseException:
                if not self.fresh:
                    self._machine = None
                raise
            self.fresh = True

    def catch_up(self) -> None:
        """Take what others have written, without holding up writers."""
        with self.lock:
            _ = self.machine
            while lines := self._store.lines(self.row.id, self.number, LINES_AT_ONCE):
                self._take(lines)

    def keep(self) -> bool:
        """Keep a snapshot in the store, where enough has happened since the last; tells whether it did."""
        with self.lock:
            machine = self.machine
            if self.number - self._kept < max(KEEP_AFTER, machine.waiting):
                return False
            state = {"machine": machine.snapshot(), "curves": self.curves.to_json(), "line": self._hash}
            text = canonical_json({**state, "sha256": _digest(state)})
            self._store.keep_snapshot(self.row.id, self.number, text)
            self._kept = self.number
            return True

    def _first_line(self, row: RolloutRow) -> Opened:
        lines = self._store.lines(row.id, 0, 1)
        opened = of_body(lines[0].body) if lines else None
        if not isinstance(opened, Opened):
            raise LogError(f"the log of rollout {row.name} does not begin with its being opened")
        return opened

    def _load(self) -> Machine:
        self._machine, self.curves, self.number, self._hash = self._snapshot()
        self._kept = self.number
        self.fresh = True
        self.catch_up()
        return self._machine

    def _snapshot(self) -> tuple[Machine, Curves, int, str]:
        """Read the snapshot; where there is none that this version reads, or that is as it was written after just this line of
        just this log, begin at the beginning."""
        kept = self._store.snapshot(self.row.id)
        salt, labels = self.row.salt, self._opened.labels
        if kept is not None:
            try:
                number, state = kept[0], json.loads(kept[1])
                line = self._store.lines(self.row.id, number - 1, 1)
                if state.pop("sha256") == _digest(state) and line and line[0].hash == state["line"]:
                    machine = Machine.of_snapshot(state["machine"], self.policy, salt, labels)
                    return machine, Curves.of_json(state["curves"]), number, line[0].hash
            except (LogError, ValueError, KeyError, TypeError, AttributeError, IndexError):
                pass  # it saves time, and nothing else rests on it
        return Machine(self.policy, salt, labels), Curves(), 0, GENESIS

    def _catch_up(self, log: RolloutLog) -> None:
        if log.row.head > self.number:
            while lines := log.since(self.number):
                self._take(lines)

    def _take(self, lines: Sequence[LogLine]) -> None:
        machine = self.machine
        for line in lines:
            if line.number != self.number + 1:
                raise LogError(f"line {line.number} of the log follows on line {self.number}; verify the log")
            machine.take(of_body(line.body))
            self.seen(line)

    def _note_standing(self, log: RolloutLog, machine: Machine) -> None:
        row, standing = log.row, machine.standing
        now = (standing.stage.value, standing.step, bool(standing.holds))
        if (row.stage, row.step, row.paused) != now:
            log.turned(*now)


def _digest(state: dict[str, Any]) -> str:
    """Return the SHA-256 of a snapshot, by which one that was changed in the store is told."""
    return hashlib.sha256(canonical_json(state).encode()).hexdigest()
