"""One sitting at a set: what stands where, who changed it, and the ranking that follows from it.

Everything here may be called from several threads. Reading looks at values that never change once they are there; writing
goes through the log, which answers when an edit is on disk. Work that takes long (the survey, a refit) has one thread, which
begins anew when edits came in meanwhile, so that at most one refit runs and one waits.
"""

from __future__ import annotations

import logging
import threading
import time
from collections import Counter
from collections.abc import Callable, Sequence
from dataclasses import replace
from datetime import datetime
from functools import partial
from typing import Literal

from ..core.errors import DataError, DrivetrainError
from ..core.types import ItemId
from ..curate.suspect import Suspect
from ..data.edits.edit import Change, Edit, Fate, Standing
from .board import Board
from .copies import CopyGroup, copy_groups
from .memory_log import MemoryLog, Recorded, Refused
from .ranking import Ranking
from .refit import check_label, refitted
from .survey import Survey
from .surveying import Surveying

State = Literal["surveying", "ready", "refitting", "failed"]

FAULT = "a fault in this program; its log says more"

log = logging.getLogger(__name__)


class CleaningSession:
    """The items of a set, their log of edits, and the ranking of the moment."""

    def __init__(
        self,
        survey: Callable[[Surveying], Survey],
        edits: MemoryLog,
        suspects: Callable[[Survey], tuple[Suspect, ...]],
        clock: Callable[[], datetime],
    ) -> None:
        """``survey`` looks at the source as it lies, without the log."""
        self.surveying = Surveying()
        self.edits = edits
        self.board: Board | None = None
        """None until the survey is there."""
        self.ranking: Ranking | None = None
        self.problem: str | None = None
        self.state: State = "surveying"
        self._lying: Survey | None = None
        self._survey, self._suspects, self._clock = survey, suspects, clock
        self._work = threading.Condition()
        self._dirty_s: float | None = None
        """The moment of the newest edit that no ranking knows; None where there is none."""
        self._closed = False
        self._copies: tuple[CopyGroup, ...] | None = None
        self._began = len(edits.edits)
        """Edits that were there when the session began."""
        self._listeners: list[Callable[[], None]] = []
        self._thread = threading.Thread(target=self._run, name="session", daemon=True)

    def start(self) -> None:
        """Begin the survey, beside whoever calls."""
        self._thread.start()

    def close(self) -> None:
        """Stop working; a refit under way is not waited for."""
        with self._work:
            self._closed = True
            self._work.notify_all()

    def listen(self, told: Callable[[], None]) -> None:
        """Have ``told`` called after each change, from any thread."""
        self._listeners.append(told)

    # What stands.

    def standing(self, row: int) -> Standing:
        """Where an item stands now."""
        last = self.last_edit(row)
        return last.after if last is not None else self.there.lying(row)

    def last_edit(self, row: int) -> Edit | None:
        """The last edit of an item."""
        return self.edits.standings.get(self.there.items[row].name)

    @property
    def there(self) -> Board:
        """The board, once there is one."""
        assert self.board is not None, "rows are known once there is a board"
        return self.board

    # What people do.

    def mark(self, changes: Sequence[Change], by: str) -> Recorded:
        """Write changes down; they are durable when this returns."""
        recorded = self.edits.record(changes, by, self._clock(), self._standing_of)
        self._changed()
        return recorded

    def undo(self, by: str) -> tuple[Edit, ...] | Refused:
        """Take back a person's last step."""
        return self._stepped(self.edits.undo(by, self._clock()))

    def redo(self, by: str) -> tuple[Edit, ...] | Refused:
        """Make again what a person took back last."""
        return self._stepped(self.edits.redo(by, self._clock()))

    def refresh(self) -> tuple[Edit, ...]:
        """Read what other processes wrote into the log."""
        found = self.edits.refresh()
        if found:
            self._changed()
        return found

    def _stepped(self, done: tuple[Edit, ...] | Refused) -> tuple[Edit, ...] | Refused:
        if not isinstance(done, Refused):
            self._changed()
        return done

    def _standing_of(self, item: ItemId) -> Standing:
        return self.there.lying(self.there.rows_by_name[item.name])

    # Ranking, in a thread of its own.

    def _changed(self) -> None:
        with self._work:
            self._dirty_s = time.monotonic()
            if self.state == "ready":
                self.state = "refitting"
            self._work.notify_all()
        self._tell()

    def _tell(self) -> None:
        for told in self._listeners:
            told()

    def _run(self) -> None:
        if not self._first():
            return
        while True:
            with self._work:
                while self._dirty_s is None and not self._closed:
                    self._work.wait()
                if self._closed:
                    return
                since_s, self._dirty_s = self._dirty_s, None
                self.state = "refitting"
            self._try(partial(self._rerank, since_s))

    def _first(self) -> bool:
        """Survey; returns whether there is anything to go on with."""
        self._try(self._look)
        return self._lying is not None

    def _try(self, work: Callable[[], None]) -> None:
        problem = None
        try:
            work()
        except DrivetrainError as error:
            problem = str(error)
        except Exception:  # whatever it is, the desk goes on with the ranking it has
            log.exception("ranking failed")
            problem = FAULT
        with self._work:
            self.problem = problem
            self.state = "failed" if problem else "refitting" if self._dirty_s is not None else "ready"
        self._tell()

    def _look(self) -> None:
        lying = self._survey(self.surveying)
        self.board = Board.of(lying)
        self._lying = lying
        self._rerank(None)

    def _rerank(self, since_s: float | None) -> None:
        assert self._lying is not None, "a survey comes first"
        standings = [self.standing(row) for row in range(len(self.there))]
        survey = refitted(self._lying, self.there, standings)
        version = self.ranking.version + 1 if self.ranking else 1
        seconds = None if since_s is None else time.monotonic() - since_s
        self.ranking = Ranking(version, survey, self._suspects(survey), seconds)

    # What is to be seen.

    @property
    def version(self) -> int:
        """Version of the ranking; 0 before the first."""
        return self.ranking.version if self.ranking else 0

    def key(self, name: str) -> str | None:
        """The key of an item of that name; None where the set has none."""
        row = self.board.rows_by_name.get(name) if self.board else None
        return self.there.keys[row] if row is not None else None

    def fates(self) -> dict[Fate, int]:
        """How many items have each fate."""
        counts = dict.fromkeys(Fate, 0)
        for row in range(len(self.board or ())):
            counts[self.standing(row).fate] += 1
        return counts

    def label_counts(self) -> dict[str, int]:
        """How many items in the set have each label."""
        counts: Counter[str] = Counter()
        for row in range(len(self.board or ())):
            standing = self.standing(row)
            if standing.fate is not Fate.REMOVED:
                counts.update(labels_of(standing))
        return dict(sorted(counts.items()))

    def outputs(self) -> tuple[str, ...]:
        """The names that a label can have."""
        if self.ranking is None:
            return ()
        targets = self.ranking.survey.sample.targets
        lying = self._lying.sample.targets.names if self._lying else ()
        return tuple(dict.fromkeys([*targets.names, *lying])) if targets.counted else targets.names

    def open_suspects(self) -> int:
        """Items with a reason for suspicion that nobody has looked at."""
        if self.ranking is None:
            return 0
        rows = (self.there.rows_by_name.get(suspect.name) for suspect in self.ranking.suspects)
        return sum(row is not None and self.standing(row).fate is Fate.OPEN for row in rows)

    def rows(
        self, *, label: str | None, fate: Fate | None, reason: str | None, order: Literal["suspicion", "name"]
    ) -> tuple[int, list[int]]:
        """The version of the ranking, and the rows that pass the filters, in order."""
        board, ranking = self.there, self.ranking
        rows: Sequence[int] = board.rows_in_order
        if order == "suspicion" and ranking is not None:
            rows = ranking.rows_in_order(board)
        found = []
        for row in rows:
            standing = self.standing(row)
            if (fate is not None and standing.fate is not fate) or (
                label is not None and label not in labels_of(standing)
            ):
                continue
            if reason is not None:
                suspect = ranking.by_name.get(board.items[row].name) if ranking else None
                if suspect is None or all(ground.code != reason for ground in suspect.grounds):
                    continue
            found.append(row)
        return ranking.version if ranking else 0, found

    def neighbours(self, row: int) -> list[int]:
        """The rows that made an item suspicious."""
        suspect = self.ranking.by_name.get(self.there.items[row].name) if self.ranking else None
        rows = (self.there.rows_by_name.get(name) for name in (suspect.neighbours if suspect else ()))
        return [row for row in rows if row is not None]

    def history(self, row: int) -> list[Edit]:
        """An item's edits, the oldest first."""
        name = self.there.items[row].name
        return [edit for edit in self.edits.edits if edit.item.name == name]

    def copies(self) -> tuple[CopyGroup, ...]:
        """Groups of copies, as the source lies."""
        if self._copies is None and self._lying is not None:
            self._copies = copy_groups(self._lying, self.there)
        return self._copies or ()

    # The log.

    def can_undo(self, by: str) -> bool:
        """Tells whether a person has a step to take back."""
        return self.edits.can_undo(by)

    def can_redo(self, by: str) -> bool:
        """Tells whether a person has a step to make again."""
        return self.edits.can_redo(by)

    def last_edit_id(self) -> str | None:
        """Id of the newest edit."""
        return self.edits.edits[-1].id if self.edits.edits else None

    def edits_after(self, after: str | None) -> list[Edit] | None:
        """The edits after that one, the oldest first; None where it is not in the log."""
        edits = list(self.edits.edits)
        if after is None:
            return edits
        for place in range(len(edits) - 1, -1, -1):
            if edits[place].id == after:
                return edits[place + 1 :]
        return None

    def edited_rows(self) -> list[int]:
        """Rows of the items edited in this session."""
        names = {edit.item.name for edit in self.edits.edits[self._began :]}
        return sorted(row for name in names if (row := self.there.rows_by_name.get(name)) is not None)

    # Wishes.

    def with_fate(self, row: int, to: Literal["keep", "remove", "open"]) -> Standing:
        """The standing of an item with another fate, its label as it is."""
        return replace(self.standing(row), fate={"keep": Fate.KEPT, "remove": Fate.REMOVED, "open": Fate.OPEN}[to])

    def relabelled(self, row: int, label: str | None, labels: Sequence[str] | None) -> Standing:
        """The standing of an item with another label, vouched for.

        Raises:
            DataError: the set's labels are of another form, or it has no such label.
        """
        assert self._lying is not None, "a board comes with a survey"
        targets = self._lying.sample.targets
        if targets.delimited != (labels is not None):
            given, wanted = ("labels", "label") if labels is not None else ("label", "labels")
            raise DataError(f"{given} was given, and an item of this set has {wanted}; give {wanted}")
        names = list(dict.fromkeys(labels)) if labels is not None else [label or ""]
        known = self.outputs()
        strange = [name for name in names if name not in known]
        if targets.counted and strange:
            shown = ", ".join(known[:8]) + (", …" if len(known) > 8 else "")
            raise DataError(f"this set has no label {strange[0][:80]!r}, but {shown}; choose one of these")
        if not targets.counted:
            check_label(self._lying, self.there.items[row], names[0])
        several = tuple(names) if labels is not None else None
        return Standing(", ".join(names) if labels is not None else label, Fate.KEPT, several)


def labels_of(standing: Standing) -> tuple[str, ...]:
    """The labels of a standing, one by one."""
    if standing.labels is not None:
        return standing.labels
    return () if standing.label is None else (standing.label,)
