"""A live rollout with a clock of its own, on a store in memory or in SQLite."""

from __future__ import annotations

import itertools
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from datetime import datetime, timedelta
from typing import Any

from rollout_world import LABELS, SALT, START, opened, quick_policy

from drivetrain.core.errors import StoreError
from drivetrain.core.rollout_port import RolloutLog, RolloutStore
from drivetrain.core.rollout_records import GENESIS, RolloutRow
from drivetrain.rollout.event_json import of_body, to_body
from drivetrain.rollout.events import Event
from drivetrain.rollout.live import Live
from drivetrain.rollout.machine import Machine
from drivetrain.rollout.policy import Policy

ROLLOUT = "0" * 31 + "1"


class Clock:
    """A clock that stands until it is moved."""

    def __init__(self) -> None:
        self.now = START

    def __call__(self) -> datetime:
        return self.now

    def move(self, **by: float) -> datetime:
        self.now += timedelta(**by)
        return self.now


def numbered(prefix: str = "") -> Callable[[], str]:
    """Ids that count."""
    count = itertools.count(1)
    return lambda: f"{prefix}{next(count):08x}".rjust(32, "0")


def begun(store: RolloutStore, policy: Policy | None = None, **row: Any) -> Policy:
    """Open a rollout in a store, as `open_rollout` does with a bundle."""
    policy = policy or quick_policy()
    store.open_rollout(
        RolloutRow(
            **{
                "id": ROLLOUT,
                "name": policy.name,
                "model": policy.model,
                "bundle_id": "bundle-1",
                "stage": "parallel",
                "step": 0,
                "paused": False,
                "opened_at": START,
                "salt": SALT,
                "head": 0,
                "head_hash": GENESIS,
                **row,
            }
        )
    )
    with store.rollout_log(ROLLOUT) as log:
        log.append(START, to_body(opened(policy)))
    return policy


def events_of(store: RolloutStore) -> list[Event]:
    """Every event of the log, which is verified on the way."""
    return [of_body(line.body) for line in store.verify_log(ROLLOUT)]


def recomputed(store: RolloutStore, policy: Policy) -> Machine:
    """A machine that has taken the whole log."""
    machine = Machine(policy, SALT, LABELS)
    for event in events_of(store):
        machine.take(event)
    return machine


class Unreliable:
    """A store that fails at chosen calls, before or after the transaction is kept."""

    def __init__(self, store: RolloutStore) -> None:
        self._store = store
        self.fails: Callable[[str], bool] = lambda _call: False

    def __getattr__(self, name: str) -> Any:
        return getattr(self._store, name)

    @contextmanager
    def rollout_log(self, rollout_id: str) -> Iterator[RolloutLog]:
        with self._store.rollout_log(rollout_id) as log:
            yield FailingLog(log, self)
            self.fail("commit")
        self.fail("after")

    def fail(self, call: str) -> None:
        if self.fails(call):
            raise StoreError(f"the store is gone at {call}")


class FailingLog:
    """A log that fails where its store says so."""

    def __init__(self, log: RolloutLog, store: Unreliable) -> None:
        self._log, self._of = log, store

    def __getattr__(self, name: str) -> Any:
        found = getattr(self._log, name)
        if not callable(found):
            return found

        def called(*given: Any, **named: Any) -> Any:
            self._of.fail(name)
            return found(*given, **named)

        return called


def live(store: Any, clock: Clock, prefix: str = "") -> Live:
    """A live rollout over a store."""
    return Live(store, ROLLOUT, clock, numbered(prefix))
