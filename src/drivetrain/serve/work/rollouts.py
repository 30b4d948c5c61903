"""The live rollouts of the store, as one server process carries them on; other processes may do so at the same time.

A thread looks every second which rollouts are live, makes held decisions final once they can no longer be taken back, tells each
rollout of the alarms that its bundle's monitors raised and of those that a person cleared, and lets time pass. Routes ask the
same objects at any time. Nothing that a person waits for is done here, and nothing here is waited for by a person.
"""

from __future__ import annotations

import logging
import threading
import time
from collections.abc import Callable, Mapping
from datetime import UTC, datetime

from ...core.errors import DrivetrainError, StoreError
from ...core.identifiers import new_id
from ...core.ports import Store
from ...core.rollout_records import RolloutRow
from ...rollout.known_case import KnownCase, known_case
from ...rollout.live import Live
from ...rollout.stage import Stage
from ...rollout.succession import predecessors_of
from ..http.problems import Problem
from ..served import NoSuchModel, ServedModel, Shelf
from .alarm_words import sentence
from .alarms import Alarms
from .candidates import Candidates
from .carried import Carried
from .engine import Engine
from .log_follower import LogFollower

log = logging.getLogger(__name__)

# Seconds between two looks at the store.
LOOK_S = 1.0

# Seconds between two moments at which a rollout is told that time passes.
TICK_S = 30.0

# Where nobody could say for so long which rollouts are live, one may be: reviewers are blind until it is known again.
UNKNOWN_S = 5.0

# A rollout that has just been opened takes no case for so long: by then every process knows that it is live, and keeps
# reviewers from looking at predictions.
SETTLE_S = 3.0


class Rollouts:
    """Knows which rollouts are live, and carries them on. `start` begins; until then nothing runs by itself."""

    def __init__(
        self,
        store: Store,
        shelf: Shelf,
        engine: Engine,
        alarms: Alarms,
        *,
        told: Callable[[], None] = lambda: None,
        now: Callable[[], datetime] = lambda: datetime.now(UTC),
        clock: Callable[[], float] = time.monotonic,
    ) -> None:
        """``told`` is called when decisions became truths, so that monitors look for them."""
        self._store, self._shelf, self._alarms, self._told = store, shelf, alarms, told
        self.now, self._clock = now, clock
        self.carried: Mapping[str, Carried] = {}
        """By id; a change puts a new mapping in place of the old."""
        self._heirs: Mapping[str, str] = {}
        """Names of rollouts that have ended, and the ids of the live ones that took their places."""
        self._rows: tuple[RolloutRow, ...] = ()
        self._known_s: float | None = None
        self._said = ""
        self._before: dict[str, tuple[RolloutRow, ...]] = {}
        """The rollouts whose places a live one has taken, the first of them first."""
        self._broken: dict[str, str] = {}
        """The reasons why logs cannot be read, by rollout; each is said once."""
        self._turn = threading.Lock()
        self._woken, self._closing = threading.Event(), threading.Event()
        self._thread = threading.Thread(target=self._run, name="rollouts", daemon=True)
        self.candidates = Candidates(store, engine, carried=lambda: self.carried, any_live=self.any, serves=self.serves)
        self._look()

    def start(self) -> None:
        """Begin to carry them on."""
        self._thread.start()
        self.candidates.start()

    def wake(self) -> None:
        """Carry on soon: somebody opened, turned or ended one."""
        self._woken.set()
        self.candidates.wake()

    def close(self) -> None:
        """Stop after the step under way; what was not done yet is done after the next start, or by another process."""
        self._closing.set()
        self._woken.set()
        self.candidates.close()
        if self._thread.is_alive():
            self._thread.join()

    @property
    def live(self) -> bool | None:
        """Tells whether a rollout of this store is live; None where nobody knows."""
        if self._rows:
            return True
        is_known = self._known_s is not None and self._clock() - self._known_s <= UNKNOWN_S
        return False if is_known else None

    def one(self, name: str | None) -> Carried:
        """The live rollout of a name, or the only one; a candidate that reads another's cases along is none of these.

        Raises:
            Problem: there is none (404), or no name was given and there are several (422).
        """
        if name is not None:
            return self.some(name)[0]
        carried = [one for one in self.some(None) if self.champion(one) is None]
        if len(carried) > 1:
            raise Problem("unprocessable", f"several rollouts are live; add ?rollout=NAME, one of: {_names(carried)}")
        return carried[0]

    def some(self, name: str | None) -> list[Carried]:
        """The live rollout of a name and its candidates, or all of them: candidates, which ask little, come last.

        Raises:
            Problem: there is none (404).
        """
        carried = sorted(self.carried.values(), key=lambda one: (self.champion(one) is not None, one.name))
        if name is not None:
            found = [one for one in carried if name in (one.name, one.row.id)]
            found = found or [one for one in carried if one.row.id == self._heirs.get(name)]
            found += [one for one in carried if one.row.shadow_of in [champion.row.id for champion in found]]
            if not found:
                raise Problem("not-found", f"no rollout {name[:80]!r} is live; live are: {_names(carried)}")
            return found
        if not carried:
            raise Problem("not-found", "no rollout is live; open one: drivetrain rollout open POLICY --bundle BUNDLE")
        return carried

    def champion(self, one: Carried) -> Carried | None:
        """The rollout whose cases a candidate reads along; None where it is none, or has taken that one's place."""
        return None if one.row.shadow_of is None else self.carried.get(one.row.shadow_of)

    def queue(self, one: Carried) -> str:
        """The name under which people are asked: a candidate's questions are in its champion's queue."""
        return (self.champion(one) or one).name

    def known(self, one: Carried, *, case_id: str | None = None, key: str | None = None) -> KnownCase | None:
        """The case of an id or a key that a rollout has, or one whose place it has taken.

        Raises:
            StoreError: the store cannot be used.
        """
        rows = (*self._before.get(one.row.id, ()), one.row)
        return known_case(self._store, rows, case_id=case_id, key=key)

    def handed_over(self, one: Carried) -> bool:
        """Tells whether a rollout has just ended and another has its place, and reads who.

        Raises:
            StoreError: the store cannot be used.
        """
        self.refresh()
        return one.row.id not in self.carried and one.row.id in self._heirs

    def any(self, row: RolloutRow) -> Live:
        """One rollout, which may have ended: the live one that is carried on, or another as it was left.

        Raises:
            LogError: its log cannot be read.
        """
        one = self.carried.get(row.id)
        return one.live if one is not None else Live(self._store, row.id, self.now, new_id)

    def serves(self, row: RolloutRow) -> ServedModel | None:
        """The model that answers a rollout's cases; None where this server does not serve it.

        A candidate's bundle may be served under a name of its own.
        """
        try:
            return self._shelf.find(row.model, row.bundle_id)
        except NoSuchModel:
            of_bundle = (model for model in self._shelf.models if model.version == row.bundle_id)
            return next(of_bundle, None) if row.shadow_of is not None else None

    def answering(self, one: Carried) -> ServedModel:
        """The model that answers a rollout's cases, once it may take any.

        Raises:
            Problem: this server does not serve it, or it reads another rollout's cases along (409), or it was opened a moment
                ago (503).
        """
        champion = self.champion(one)
        if champion is not None:
            raise Problem("not-now", f"{one.name} reads the cases of {champion.name} along; send them there")
        served = self.serves(one.row)
        if served is None:
            raise Problem(
                "not-now",
                f"the rollout {one.name} is one of the bundle {one.row.bundle_id}, which this server does not serve as "
                f"{one.row.model}; serve it: drivetrain serve {one.row.model}=BUNDLE",
            )
        if one.row.head <= 1 and self._clock() - one.seen_s < SETTLE_S:
            raise Problem(
                "overloaded",
                f"the rollout {one.name} was opened a moment ago; send it again",
                retry_after_s=int(SETTLE_S),
            )
        return served

    def refresh(self) -> None:
        """Read which rollouts are live.

        Raises:
            StoreError: the store cannot be used.
        """
        with self._turn:
            asked_s = self._clock()
            rows = tuple(self._store.rollouts(live=True))
            self._rows, self._known_s = rows, asked_s
            self.carried = {row.id: one for row in rows if (one := self._carried(row)) is not None}
            self._heirs = {name: row.id for row in rows for one in self._taken(row) for name in (one.name, one.id)}

    def step(self) -> None:
        """Read which are live, and carry each of them on.

        Raises:
            StoreError: the store cannot be used; nothing is lost by it.
        """
        self.refresh()
        for one in self.carried.values():
            try:
                self._carry_on(one)
                one.problem = None
            except StoreError:
                raise
            except Exception as error:  # one rollout must not be the end of the others
                self._failed(one, error)

    def _carried(self, row: RolloutRow) -> Carried | None:
        known = self.carried.get(row.id)
        if known is not None:
            known.row = row
            return known
        if row.head == 0:  # it is being opened just now
            return None
        try:
            live = Live(self._store, row.id, self.now, new_id)
        except StoreError:
            raise
        except DrivetrainError as error:  # its reviewers are kept blind all the same
            if self._broken.get(row.id) != str(error):
                log.error("the rollout %s cannot be carried on: %s", row.name, error)
            self._broken[row.id] = str(error)
            return None
        follower = LogFollower(self._store, row, self._told)
        return Carried(row, live, follower, self._clock(), has_read=row.shadow_of is None)

    def _taken(self, row: RolloutRow) -> tuple[RolloutRow, ...]:
        """Read whose places a live one has taken; what has ended does not change any more."""
        if row.shadow_of is None or row.shadow_of in self.carried:
            return ()
        if row.id not in self._before:
            before = self._store.rollout(row.shadow_of)
            if before is None or before.stage != Stage.ENDED:  # it is live, though its log cannot be read
                return ()
            self._before = {**self._before, row.id: tuple(predecessors_of(self._store, row))[::-1]}
        return self._before[row.id]

    def _carry_on(self, one: Carried) -> None:
        now = self.now()
        one.live.flush(now)
        self._tell_alarms(one)
        if one.has_read and self._clock() - one.tick_s >= TICK_S:
            one.live.tick(now)
            one.tick_s = self._clock()
        while one.follower.follow() and not self._closing.is_set():
            one.live.flush(self.now())

    def _tell_alarms(self, one: Carried) -> None:
        """Tell a rollout which alarms of its bundle stand, and which of those it knows were cleared."""
        served, standing = self.serves(one.row), self._alarms.standing
        bundle = (one.row.model if served is None else served.name, one.row.bundle_id)
        if not standing.known:
            return
        stand = {alarm.id: alarm for alarm in standing.alarms if (alarm.model, alarm.bundle_id) == bundle}
        for alarm in reversed(stand.values()):
            if alarm.id not in one.told:
                one.live.alarm(alarm.id, alarm.monitor, sentence(alarm))
                one.told.add(alarm.id)
        with one.live.reading() as machine:
            known = list(machine.standing.alarms)
        for alarm_id in known:
            found = None if alarm_id in stand else self._store.alarm(alarm_id)
            if found is not None and found.cleared is not None:
                words = f"{found.cleared_by} cleared it: {found.reason}"
                one.live.alarm(found.id, found.monitor, words, cleared=True)

    def _failed(self, one: Carried, error: Exception) -> None:
        words = str(error) if isinstance(error, DrivetrainError) else type(error).__name__
        if words != one.problem:  # once, not every second
            log.error("the rollout %s is not carried on: %s", one.name, words, exc_info=error)
        one.problem = words

    def _look(self) -> None:
        """Step or, at first, refresh, and say once where that fails."""
        try:
            self.step() if self._thread.is_alive() else self.refresh()
        except StoreError as error:
            if str(error) != self._said:
                log.warning("the rollouts are not carried on: %s", error)
            self._said = str(error)
        except Exception:  # the thread must live
            log.exception("the rollouts failed")
        else:
            self._said = ""

    def _run(self) -> None:
        while not self._closing.is_set():
            self._look()
            self._woken.wait(LOOK_S)
            self._woken.clear()


def _names(carried: list[Carried]) -> str:
    return ", ".join(sorted(one.name for one in carried)) or "none"
