"""One sitting at a set: the items, the log of edits, and the ranking that follows from them.

All may be called from several threads. Whoever reads gets objects that do not change any more: a situation, a ranking. Whoever
writes goes through the log, which answers when an edit is on disk. The survey and refits have one thread, which begins anew
where edits came in meanwhile: at most one refit runs, and at most one waits.
"""

from __future__ import annotations

import logging
import time
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from datetime import datetime
from functools import cached_property, partial
from typing import Literal, Protocol

from ..core.errors import DrivetrainError
from ..core.types import ItemId
from ..curate.suspect import Suspect
from ..data.edits.edit import Change, Edit, Standing
from ..data.edits.log import EditLog, Recorded
from ..data.edits.undoing import Refused
from .backstage import Backstage
from .board import Board
from .merit import Merit
from .prospects import Prospecting, Prospects, prospecting
from .ranking import Ranking
from .refit import Refitter
from .situation import Situation
from .survey import Survey
from .surveying import Surveying

State = Literal["surveying", "ready", "refitting", "failed"]

END = object()
FAULT = "a fault in this program; its log says more"

log = logging.getLogger(__name__)


class Looks(Protocol):
    """The two looks at a set that a session takes."""

    def survey(self, progress: Surveying) -> Survey:
        """Look at the source as it lies, without the log."""
        ...

    def suspects(self, survey: Survey) -> tuple[Suspect, ...]:
        """The items that a person should look at, the most suspicious first."""
        ...


@dataclass(frozen=True, eq=False)
class Opened:
    """The parts of a session that are there once the survey is."""

    lying: Survey
    """The set as it lies in the source."""
    board: Board
    refitter: Refitter


class CleaningSession(Backstage):
    """The items of a set, the log of edits, and the ranking of the moment."""

    def __init__(self, looks: Looks, edits: EditLog, clock: Callable[[], datetime]) -> None:
        self.edits = edits
        self.surveying = Surveying()
        self.opened: Opened | None = None
        self.situation: Situation | None = None
        """Set before `opened` is."""
        self.ranking: Ranking | None = None
        self.first: Ranking | None = None
        """The ranking that the session began with: of the labels as they stood then."""
        self.prospects: Prospects | None = None
        """The newest prospects that were worked out, see `want_prospects`."""
        self.problem: str | None = None
        self.state: State = "surveying"
        self.began = edits.last_edit_id
        """Id of the last edit that was there when the session began."""
        self._looks, self._clock = looks, clock
        self._set_stage("session")
        self._wanted = False
        """Tells whether somebody wants to know of prospects."""
        self._prospecting: tuple[Prospecting, Iterator[None]] | None = None
        self._told_at = 0
        """The number of edits that `prospects` knew of."""

    @property
    def version(self) -> int:
        """Version of the ranking; 0 before the first."""
        return self.ranking.version if self.ranking else 0

    @property
    def outputs(self) -> tuple[str, ...]:
        """The names that a label can have: those of the source, and those that edits brought."""
        if self.opened is None:
            return ()
        lying = self.opened.lying.sample.targets
        now = self.ranking.survey.sample.targets.names if self.ranking else ()
        return tuple(dict.fromkeys([*lying.names, *now]))

    def edited_rows(self) -> frozenset[int]:
        """The rows of the items that were edited in this session, by anybody."""
        if self.opened is None:
            return frozenset()
        rows = self.opened.board.rows_by_name
        names = {edit.item.name for edit in self.edits.after(self.began)}
        return frozenset(rows[name] for name in names if name in rows)

    # Writing.

    def mark(self, changes: Sequence[Change], by: str) -> Recorded:
        """Write changes down, all of them one step to undo; they are on disk when this returns.

        Raises:
            DataError: the log cannot be written to; nothing was recorded.
            UsageError: nobody is named.
        """
        recorded = self.edits.record(changes, by, self._clock(), self._lying)
        self._changed()
        return recorded

    def undo(self, by: str) -> Recorded | Refused:
        """Take back a person's last step; raises what `mark` does."""
        return self._stepped(self.edits.undo(by, self._clock()))

    def redo(self, by: str) -> Recorded | Refused:
        """Make again what a person took back last; raises what `mark` does."""
        return self._stepped(self.edits.redo(by, self._clock()))

    def refresh(self) -> tuple[Edit, ...]:
        """Read what other processes wrote into the log.

        Raises:
            DataError: the log cannot be read, or a line is no edit.
        """
        found = self.edits.refresh()
        if found:
            self._changed()
        return found

    def _stepped(self, done: Recorded | Refused) -> Recorded | Refused:
        if not isinstance(done, Refused):
            self._changed()
        return done

    def _lying(self, item: ItemId) -> Standing:
        assert self.opened is not None, "items are known once the survey is there"
        board = self.opened.board
        return board.lying[board.rows_by_name[item.name]]

    # Ranking, in a thread of its own.

    def _changed(self) -> None:
        """Take the situation anew, and have it ranked."""
        with self._work:
            if self.opened is not None:
                self.situation = Situation.of(self.opened.board, self.edits)
            self._dirty_s = time.monotonic()
            if self.opened is not None:
                self.state = "refitting"
            self._work.notify_all()
        self._tell()

    def want_prospects(self) -> bool:
        """Have prospects worked out while there is nothing more urgent, unless those there are hardly older than the ranking.
        Returns whether newer ones are to come."""
        with self._work:
            if self.ranking is None or self.first is None or self.first.survey.judged is None:
                return False
            if not self._is_stale(self.ranking):
                return False
            self._wanted = True
            self._work.notify_all()
            return True

    def _is_stale(self, ranking: Ranking) -> bool:
        if self.prospects is None or self.prospects.version == ranking.version:
            return self.prospects is None
        few = max(1, len(ranking.situation.board) // 200)
        return abs(len(self.edits.edits) - self._told_at) >= few

    def _run(self) -> None:
        self._try(self._look)
        while self.opened is not None:
            with self._work:
                while self._dirty_s is None and not self._wanted and not self._closed:
                    self._work.wait()
                if self._closed:
                    return
                since_s, self._dirty_s = self._dirty_s, None
                if since_s is not None:
                    self.state, self._prospecting = "refitting", None
            if since_s is not None:
                self._try(partial(self._rank, since_s))
            else:
                self._prospect()

    def _prospect(self) -> None:
        """Work at prospects for as long as one fit takes."""
        assert self.opened is not None, "wanted where there is a ranking"
        assert self.ranking is not None, "wanted where there is a ranking"
        try:
            if self._prospecting is None:
                begun = prospecting(self.opened.refitter, self.ranking, self.merit)
                self._prospecting = begun, begun.steps()
                self._told_at = len(self.edits.edits)
            work, steps = self._prospecting
            if next(steps, END) is END:
                self.prospects, self._prospecting, self._wanted = work.found, None, False
                self._tell()
        except Exception:  # what people asked for stands nevertheless
            log.exception("prospects failed")
            self._prospecting, self._wanted = None, False

    @cached_property
    def merit(self) -> Merit:
        """The figure by which this session compares; asked for once there is a ranking with answers."""
        assert self.first is not None, "asked for once there is a ranking"
        judged = self.first.survey.judged
        assert judged is not None, "asked for where there are answers"
        return Merit.of(judged, self.first.survey.options.seed)

    def _try(self, work: Callable[[], None]) -> None:
        problem = None
        try:
            work()
        except DrivetrainError as error:
            problem = str(error)
        except Exception:  # whatever it is, people go on with the ranking that stands
            log.exception("ranking failed")
            problem = FAULT
        with self._work:
            self.problem = problem
            self.state = "failed" if problem else "refitting" if self._dirty_s is not None else "ready"
        self._tell()

    def _look(self) -> None:
        lying = self._looks.survey(self.surveying)
        board = Board.of(lying)
        with self._work:
            self.situation = Situation.of(board, self.edits)
            self.opened = Opened(lying, board, Refitter(lying, board))
        self._rank(None)
        if self._dirty_s is None:  # else somebody waits already
            self.opened.refitter.prepare()

    def _rank(self, since_s: float | None) -> None:
        opened, situation = self.opened, self.situation
        assert opened is not None, "a survey comes first"
        assert situation is not None, "it is taken with the survey"
        survey = opened.refitter.refit(situation.standings)
        suspects = self._looks.suspects(survey)
        seconds = None if since_s is None else time.monotonic() - since_s
        self.ranking = Ranking(self.version + 1, survey, situation, suspects, seconds)
        self.first = self.first or self.ranking
