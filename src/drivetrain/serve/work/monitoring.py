"""Monitors that follow the store while the server runs: one thread a process, which no answer waits for.

The store keeps what was answered and told in one order. Of each served bundle the thread reads what came since, tells the
bundle's `Watch`, and writes the watch's state, the position it has read to, and the alarms raised on the way in one transaction,
which fails where another process has gone on from the same position: the loser reads the winner's state and goes on from there.
So what a monitor knows is always what the store holds up to a position, whichever process knew it first and whatever ended one.

A state that this version cannot read is made anew from the store. A long backlog is read in small steps: a step takes a bounded
number of entries, and the thread rests as long as it worked.
"""

from __future__ import annotations

import logging
import threading
import time
from collections.abc import Callable, Sequence
from contextlib import suppress
from dataclasses import dataclass, field
from datetime import UTC, datetime

from ...core.errors import StoreError
from ...core.ports import MonitorStore
from ...core.records import Alarm, Fed, MonitorState
from ...monitor.following import alarm_of, tell
from ...monitor.raised import Raised
from ...monitor.reference import Reference
from ...monitor.settings import OTHERS
from ...monitor.watch import Watch
from ..served import ServedModel
from .alarm_words import sentence
from .alarms import Alarms, Bundle
from .webhook import Webhook

log = logging.getLogger(__name__)

# Entries a step reads and tells the watches.
STEP = 500

# Seconds between two looks at the store while nothing wakes the thread: what other processes wrote is found then.
LOOK_S = 1.0

# The least rest after a step that found all there was, and how many times as long as the step it is: under load the thread
# takes a fifth of a core at most.
REST_S = 0.2
REST_SHARE = 4.0

# The least time between two writings of a state, which may be hundreds of kilobytes. An alarm is written at once.
WRITE_S = 1.0

# Positions that may be read past, where none of them is about a bundle, before that is written down: some thousand writes.
UNWRITTEN = 1 << 26

# Seconds until a monitor that failed is tried again.
AGAIN_S = 60.0


@dataclass(eq=False)
class Followed:
    """One served bundle's watch, and how far it has read."""

    model: ServedModel
    watch: Watch
    stored: int | None
    """The position of the state in the store that this one follows on; None: there is none."""
    read: int
    """Everything up to here is in the watch, or is about other bundles."""
    at: datetime | None = None
    """The moment at which the state was last written."""
    newest: datetime | None = None
    """The moment of the newest entry that was read."""
    caught_up: bool = False
    unwritten: int = 0
    """Entries that the watch was told since its state was written."""
    written_s: float = field(default_factory=time.monotonic)
    """The moment of that, on the monotonic clock."""

    @property
    def bundle(self) -> Bundle:
        """The model's name and the bundle's id."""
        return self.model.name, self.model.version


@dataclass(frozen=True)
class Aside:
    """A bundle whose monitor failed, and when (monotonic) it is tried again."""

    problem: str
    again_s: float


class Monitoring:
    """Follows the store for each served bundle. `start` begins; until then nothing runs."""

    def __init__(
        self,
        store: MonitorStore,
        models: Callable[[], Sequence[ServedModel]],
        alarms: Alarms,
        *,
        webhook: Webhook | None = None,
    ) -> None:
        """``webhook`` is told of alarms raised and cleared."""
        self._store, self._models, self._alarms, self._webhook = store, models, alarms, webhook
        self.followed: dict[Bundle, Followed] = {}
        self.aside: dict[Bundle, Aside] = {}
        self.lock = threading.Lock()
        """Held while a watch is changed or looked at."""
        self.problem: str | None = None
        """The reason why the store cannot be followed just now."""
        self._woken = threading.Event()
        self._closing = threading.Event()
        self._thread = threading.Thread(target=self._run, name="monitor", daemon=True)

    def start(self) -> None:
        """Begin to follow."""
        self._thread.start()

    def wake(self) -> None:
        """Look at the store soon: something was written."""
        self._woken.set()

    def close(self) -> None:
        """Stop after the step under way, and write what was read; what was not is read after the next start."""
        self._closing.set()
        self._woken.set()
        if self._thread.is_alive():
            self._thread.join()

    def step(self) -> bool:
        """Read once, and tell and write what was read; returns whether there is more to read at once.

        Raises:
            StoreError: the store cannot be used; nothing is lost by it.
        """
        is_more = False
        # The furthest go first, and wait for no backlog of others; at one position they read together.
        together: dict[int, list[Followed]] = {}
        for one in self._present():
            together.setdefault(one.read, []).append(one)
        for start in sorted(together, reverse=True):
            entries = self._store.feed(start, STEP)
            more = len(entries) >= STEP
            for one in together[start]:
                self._advance(one, entries, more)
            is_more = is_more or more
        return is_more

    def _present(self) -> list[Followed]:
        """The watches of what is served now, each loaded from the store at first; without those that failed a moment ago."""
        models = {(model.name, model.version): model for model in self._models()}
        for bundle in [bundle for bundle in self.followed if bundle not in models]:
            del self.followed[bundle]
        for bundle, model in models.items():
            aside = self.aside.get(bundle)
            if bundle not in self.followed and (aside is None or time.monotonic() >= aside.again_s):
                try:
                    self.followed[bundle] = self._load(model)
                except StoreError:
                    raise
                except Exception as error:
                    self._set_aside(bundle, error)
        return list(self.followed.values())

    def _load(self, model: ServedModel) -> Followed:
        """Go on from the state in the store, or from the beginning where there is none that can be read."""
        state = self._store.monitor_state(model.name, model.version)
        reference = Reference.of(model.predictor)
        if state is None:
            return Followed(model, Watch.of(reference), None, 0)
        try:
            watch = Watch.of_json(state.state, reference)
        except Exception as error:  # whatever an older or newer version wrote, the store holds what it was made of
            log.warning(
                "the monitor of %s begins anew from the stored answers, as its state cannot be read (%s)",
                model.name,
                error,
            )
            return Followed(model, Watch.of(reference), state.position, 0)
        return Followed(model, watch, state.position, state.position, state.at)

    def _advance(self, one: Followed, entries: Sequence[Fed], more: bool) -> None:
        fresh = [entry for entry in entries if entry.position > one.read]
        try:
            with self.lock:
                told = tell(one.watch, one.bundle, fresh, self._store)
                if fresh:
                    one.read, one.newest = fresh[-1].position, fresh[-1].record.at
                one.caught_up = not more
                if len(self._alarms.watched.get(one.bundle, ())) != len(one.watch.sources):
                    self._alarms.watched[one.bundle] = frozenset(one.watch.sources) - {OTHERS}
                one.unwritten += told.count
                text = one.watch.to_json() if _is_worth_writing(one, told.raised) else None
            if text is not None:
                self._write(one, text, told.raised)
            self.aside.pop(one.bundle, None)
        except StoreError:
            self.followed.pop(one.bundle, None)  # the watch is ahead of the store; it is loaded again
            raise
        except Exception as error:  # one bundle's monitor must not be the end of the others'
            self._set_aside(one.bundle, error)

    def _set_aside(self, bundle: Bundle, error: Exception) -> None:
        log.error("the monitor of %s failed, and is tried again in a minute", bundle[0], exc_info=error)
        self.followed.pop(bundle, None)
        self.aside[bundle] = Aside(f"it failed ({type(error).__name__})", time.monotonic() + AGAIN_S)

    def _write(self, one: Followed, text: str, raised: Sequence[Raised]) -> None:
        now = datetime.now(UTC)
        alarms = [alarm_of(one.bundle, each) for each in raised]
        state = MonitorState(one.model.name, one.model.version, one.read, text, now)
        if not self._store.advance_monitor(one.stored, state, alarms, notify=self._webhook is not None):
            self.followed[one.bundle] = self._load(one.model)  # another process was quicker
            return
        one.stored, one.at, one.unwritten, one.written_s = one.read, now, 0, time.monotonic()
        if alarms:
            self._changed()
        for alarm in alarms:
            log.warning("an alarm was raised for %s: %s", one.model.name, sentence(alarm))

    def _changed(self) -> None:
        """Have alarms that were raised or cleared count at once in this process, and told to the webhook."""
        self._alarms.refresh()
        if self._webhook is not None:
            self._webhook.wake()

    def clear(self, alarm_id: str, at: datetime, by: str, reason: str) -> Alarm | None:
        """Clear an alarm for a person, who says why; None where there is none.

        Raises:
            StoreError: the store cannot be used.
        """
        cleared = self._store.clear_alarm(alarm_id, at, by, reason, notify=self._webhook is not None)
        if cleared is not None:
            self._changed()
        return cleared

    def lags(self) -> dict[str, float | None]:
        """Return the seconds each model's monitor is behind, of several versions of one the furthest; None where one of them
        does not go on."""
        if self.problem is not None:  # where the store fails, a watch that is ahead of it is no longer followed
            return {model.name: None for model in self._models()}
        now, found = datetime.now(UTC), dict[str, float | None]()
        for one in list(self.followed.values()):
            found[one.model.name] = max(found.get(one.model.name) or 0.0, seconds_behind(one, now))
        return found | dict.fromkeys(model for model, _ in list(self.aside))

    def _run(self) -> None:
        while not self._closing.is_set():
            start_s = time.monotonic()
            more = False
            try:
                more = self.step()
                self.problem = None
            except StoreError as error:
                self.problem = str(error)
            except Exception as error:  # this thread must live
                log.exception("the monitors failed")
                self.problem = type(error).__name__
            took_s = time.monotonic() - start_s
            self._closing.wait(took_s if more else max(REST_S, REST_SHARE * took_s))
            if not more and self.problem is None:
                self._woken.wait(LOOK_S)
            elif not more:
                self._closing.wait(LOOK_S)
            self._woken.clear()
        self._write_rest()

    def _write_rest(self) -> None:
        """Write down what is not, so that it need not be read again; where that fails, it is."""
        for one in list(self.followed.values()):
            if one.unwritten:
                with suppress(StoreError):
                    self._write(one, one.watch.to_json(), [])


def _is_worth_writing(one: Followed, raised: Sequence[Raised]) -> bool:
    waited = one.unwritten > 0 and time.monotonic() - one.written_s >= WRITE_S
    return bool(raised) or waited or one.read - (one.stored or 0) > UNWRITTEN


def seconds_behind(one: Followed, now: datetime) -> float:
    """Return how long ago the newest entry was stored that was read, where there are more; 0 where all are read."""
    if one.caught_up or one.newest is None:
        return 0.0
    return max(0.0, (now - one.newest).total_seconds())
