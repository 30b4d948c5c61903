"""The candidates among the live rollouts: each reads its champion's log along, while this server serves the candidate's bundle.

A thread of its own does so, as each case is answered by the candidate's bundle, in turn with what others ask; decisions, alarms
and time do not wait for it. The place read up to is in the candidate's own log, so that a process may be killed at any moment,
and another goes on from the same line. After the champion's end its log is read to the last line, and then no more.
"""

from __future__ import annotations

import logging
import threading
from collections.abc import Callable, Mapping

from ...core.errors import DrivetrainError
from ...core.identifiers import new_id
from ...core.ports import Store
from ...core.rollout_records import RolloutRow
from ...rollout.live import Live
from ...rollout.shadow import Shadow
from ...rollout.stage import Stage
from ..served import ServedModel
from .candidate_answers import CandidateAnswers
from .carried import Carried
from .engine import Engine

log = logging.getLogger(__name__)

# Seconds between two looks at the champions' logs.
LOOK_S = 1.0


class Candidates:
    """Follows champions. `start` begins; until then nothing runs by itself."""

    def __init__(
        self,
        store: Store,
        engine: Engine,
        *,
        carried: Callable[[], Mapping[str, Carried]],
        any_live: Callable[[RolloutRow], Live],
        serves: Callable[[RolloutRow], ServedModel | None],
    ) -> None:
        """``carried`` are the live rollouts by id, and ``any_live`` is one of any, which may have ended."""
        self._store, self._engine = store, engine
        self._carried, self._any_live, self._serves = carried, any_live, serves
        self._shadows: dict[str, Shadow] = {}
        self._done: set[str] = set()
        """Candidates whose champions have ended and are read to the last line."""
        self._woken, self._closing = threading.Event(), threading.Event()
        self._thread = threading.Thread(target=self._run, name="candidates", daemon=True)

    def start(self) -> None:
        """Begin to read."""
        self._thread.start()

    def wake(self) -> None:
        """Read on soon."""
        self._woken.set()

    def close(self) -> None:
        """Stop; what was not read is read after the next start, or by another process."""
        self._closing.set()
        self._woken.set()
        if self._thread.is_alive():
            self._thread.join()

    def step(self) -> bool:
        """Read some lines for each candidate; returns whether there may be more."""
        carried = self._carried()
        for gone in self._shadows.keys() - carried.keys():
            del self._shadows[gone]
        more = [self._followed(one) for one in carried.values() if one.row.shadow_of is not None]
        return any(more)

    def _followed(self, one: Carried) -> bool:
        """Read some lines for a candidate, and say once where it cannot be; tells whether there may be more."""
        if one.row.id in self._done:
            return False
        try:
            more = self._follow(one)
        except Exception as error:  # one candidate must not be the end of the others
            if self._closing.is_set():
                return False  # what was under way was broken off, and goes on after the next start
            self._unread(one, str(error) if isinstance(error, DrivetrainError) else type(error).__name__, error)
            return False
        return more

    def _follow(self, one: Carried) -> bool:
        champion = self._store.rollout(one.row.shadow_of or "")
        if champion is None:
            one.has_read = True
            return False
        # A candidate that stands by itself goes on, also where it cannot read: people decide what has come.
        ended = champion.stage == Stage.ENDED
        served = self._serves(one.row)
        if served is None:
            one.has_read = ended
            self._unread(one, f"its bundle {one.row.bundle_id} is not served here: drivetrain serve NAME=BUNDLE …")
            return False
        try:
            count = self._shadow(one, champion, served).follow()
        except Exception:
            one.has_read = ended
            raise
        one.has_read, one.unread = count == 0, None
        if count == 0 and ended:
            self._done.add(one.row.id)
            self._shadows.pop(one.row.id, None)
        return count > 0

    def _shadow(self, one: Carried, champion: RolloutRow, served: ServedModel) -> Shadow:
        if one.row.id not in self._shadows:

            def found() -> ServedModel:
                return self._serves(one.row) or served

            answer = CandidateAnswers(self._store, self._engine, found, one.name, self._closing.is_set)
            self._shadows[one.row.id] = Shadow(self._store, one.live, self._any_live(champion), answer, new_id)
        return self._shadows[one.row.id]

    def _unread(self, one: Carried, words: str, error: Exception | None = None) -> None:
        if words != one.unread:  # once, not every second
            log.warning(
                "the candidate %s does not read its champion's cases along: %s", one.name, words, exc_info=error
            )
        one.unread = words

    def _run(self) -> None:
        while not self._closing.is_set():
            try:
                more = self.step()
            except Exception:  # the thread must live
                log.exception("the candidates failed")
                more = False
            if not more:
                self._woken.wait(LOOK_S)
                self._woken.clear()
