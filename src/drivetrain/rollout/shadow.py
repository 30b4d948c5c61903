"""A shadow: a candidate's rollout reads its champion's log along, line by line.

The champion's cases are answered by the candidate too, and what people decide and adjudicate blind in the champion's rollout
tests the candidate's answers as well. Nobody is asked twice: only where person and candidate differ, and nobody adjudicates the
case for the champion's sake, somebody new is asked. The place that has been read up to is a line of the candidate's own log,
written with everything that follows from it or not at all; so a process may be killed at any moment, and several may follow.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping, Sequence
from copy import copy
from dataclasses import replace

from ..core.case import Case, ModelAnswer
from ..core.rollout_port import RolloutLog, RolloutStore
from ..core.rollout_records import LogLine
from .assignment import Assignment
from .draw import Draw, Route
from .effects import Ask
from .event_json import of_body
from .events import Arrived, Decided, Event, Followed, ReviewKind, Turn, Turned, TurnedOut
from .hands import Hands
from .live import Live
from .replica import Writing
from .stage import Stage
from .succession import SUCCESSOR
from .thinning import Thinning

LINES_AT_ONCE = 200
"""Lines that are followed in one transaction."""

_LOOKED_THROUGH = 1_000
_IS_FOLLOWED = '"event":"followed"'
_IS_TURNED = '"event":"turned"'

Answer = Callable[[Case], ModelAnswer | None]
"""The candidate's answer to a case; None: the case cannot be answered, since an input is gone."""


class Shadow:
    """Follows a champion. One thread at a time calls `follow`; any number of processes may have a shadow each."""

    def __init__(
        self, store: RolloutStore, candidate: Live, champion: Live, answer: Answer, new_id: Callable[[], str]
    ) -> None:
        """``answer`` is asked outside of any transaction, once a case unless a process is killed in between."""
        self._store, self._answer, self._new_id = store, answer, new_id
        self._candidate, self._champion = candidate, champion
        assignment = Assignment(champion.replica.row.salt)
        self._thinning = Thinning(champion.policy, assignment)
        self._seen, self._position = self._look_back()
        self._turned_until = 0

    @property
    def position(self) -> int | None:
        """The number of the champion's line that has been read last; None: it has not begun."""
        return self._position

    def follow(self) -> int:
        """Read the next lines of the champion; returns how many. 0: all are read, for now.

        A shadow that begins takes the champion's log as it stands for read: what came before is no evidence on a candidate that
        may have been trained on it.
        """
        after = self._position
        lines = self._last_line() if after is None else self._store.lines(self._champion.id, after, LINES_AT_ONCE)
        if not lines:
            return 0
        self._champion.replica.catch_up()
        events = [] if after is None else [of_body(line.body) for line in lines]
        thinning, answers = self._thinning_after(after or 0), self._answered(events)
        # The champion's machine is asked on the way. Its lock comes first, as wherever the champion is written to: whoever had
        # the store's turn and then waited for that lock would wait for a thread that has it and waits for the store's turn.
        with self._champion.reading(), self._candidate.replica.writing() as writing:
            self._catch_up(writing.log)
            if self._position != after:
                return len(lines)  # another process has read these meanwhile
            passed_over = sum(self._mirrored(writing, event, answers, thinning) for event in events)
            last = lines[-1]
            at = max(last.at, writing.machine.now)
            writing.run.take(Followed(at, last.number, last.hash, passed_over))
        self._position = self._turned_until = last.number
        self._thinning = thinning
        return len(lines)

    def _last_line(self) -> Sequence[LogLine]:
        row = self._store.rollout(self._champion.id) or self._champion.replica.row
        return self._store.lines(self._champion.id, row.head - 1, 1)

    def _thinning_after(self, until: int) -> Thinning:
        """Return the thinning as the champion stood after a line; a copy, as what is read now may not be kept."""
        for line in _lines(self._store, self._champion.id, self._turned_until, until):
            if _IS_TURNED in line.body and isinstance(turned := of_body(line.body), Turned):
                self._thinning.turned(turned)
        self._turned_until = max(self._turned_until, until)
        return copy(self._thinning)

    def _answered(self, events: Sequence[Event]) -> Mapping[str, ModelAnswer]:
        """Answer the cases that may be evidence, and those that are taken over where the champion has ended."""
        found: dict[str, ModelAnswer] = {}
        for event in events:
            cases = [event.case] if isinstance(event, Arrived) and _is_blind(event.draw) else []
            if self._hands_over(event):
                cases = self._left_behind()
            for case in cases:
                if case.id not in found and (answer := self._answer(case)) is not None:
                    found[case.id] = answer
        return found

    def _hands_over(self, event: Event) -> bool:
        if not isinstance(event, Turned) or event.turn is not Turn.ENDED:
            return False
        return event.evidence.get(SUCCESSOR) == self._candidate.id

    def _left_behind(self) -> list[Case]:
        """Return the champion's cases that nobody has decided."""
        with self._champion.reading() as machine:
            asks = list(machine.asks())
        cases = [self._store.case(self._champion.id, ask.case_id) for ask in asks]
        return [case for case in cases if case is not None]

    # One line

    def _mirrored(self, writing: Writing, event: Event, answers: Mapping[str, ModelAnswer], thinning: Thinning) -> bool:
        """Do what follows from a line; tells whether a case was passed over."""
        at = max(event.at, writing.machine.now)
        hands = Hands(writing, self._candidate.id, at, self._new_id, self._wanted)
        if hands.machine.stage is Stage.ENDED:
            return isinstance(event, Arrived)
        if isinstance(event, Arrived):
            answer = answers.get(event.case.id) if thinning.keeps(event.case.unit, event.draw) else None
            return answer is None or self._arrived(hands, event, answer)
        if isinstance(event, Decided) and event.how.tests_the_model:
            self._decided(hands, event)
        elif isinstance(event, TurnedOut):
            if event.label in self._candidate.labels and hands.machine.waits_for(event.case_id) is not None:
                hands.take(replace(event, at=at))
        elif isinstance(event, Turned):
            thinning.turned(event)
            self._turned(hands, event, answers)
        return False

    def _arrived(self, hands: Hands, event: Arrived, answer: ModelAnswer) -> bool:
        if hands.log.case_of_key(event.case.key) is None:
            hands.log.add_case(event.case)
            draw = _as_champion(hands.machine.draw(event.case, answer), event.draw)
            hands.take(Arrived(hands.now, event.case, answer, draw))
        return False

    def _decided(self, hands: Hands, event: Decided) -> None:
        """Take what somebody said in the champion's rollout, where the candidate's case waits for just that."""
        if hands.machine.waits_for(event.case_id) != (event.review, event.round):
            return
        if event.label is None or event.label in self._candidate.labels:
            hands.log.drop_reviews(event.case_id)
            hands.take(replace(event, at=hands.now))

    def _turned(self, hands: Hands, event: Turned, answers: Mapping[str, ModelAnswer]) -> None:
        if self._hands_over(event):
            self._take_over(hands, answers)
        elif event.turn in (Turn.CLEARED, Turn.ENDED):
            # Nobody adjudicates for the champion's sake any more.
            for ask in list(hands.machine.asks()):
                if self._wanted(ask):
                    hands.ask(ask)

    def _take_over(self, hands: Hands, answers: Mapping[str, ModelAnswer]) -> None:
        """Ask in the candidate's own rollout for everything that is still undecided."""
        for ask in list(hands.machine.asks()):
            hands.ask(ask)
        own = Hands(hands.writing, self._candidate.id, hands.now, self._new_id)
        for case in self._left_behind():
            answer = answers.get(case.id)
            if answer is not None and own.log.case_of_key(case.key) is None:
                own.log.add_case(case)
                own.arrive(case, answer, None)

    def _wanted(self, ask: Ask) -> bool:
        """Tells whether somebody has to be asked for the candidate's sake: where nobody is, or was, for the champion's."""
        return ask.kind is ReviewKind.ADJUDICATE and not self._adjudicated_there(ask)

    def _adjudicated_there(self, ask: Ask) -> bool:
        waits = self._champion.machine.waits_for(ask.case_id)
        if waits is not None and waits[0] is ReviewKind.ADJUDICATE and waits[1] <= ask.round:
            return True
        said = [of_body(line.body) for line in self._store.lines_of(self._champion.id, ask.case_id)]
        kind = ReviewKind.ADJUDICATE
        return any(isinstance(one, Decided) and (one.review, one.round) == (kind, ask.round) for one in said)

    # The place read up to

    def _look_back(self) -> tuple[int, int | None]:
        """Return the candidate's last line, and the champion's line that it has been read up to."""
        row = self._store.rollout(self._candidate.id)
        head = before = 0 if row is None else row.head
        while before > 0:
            after = max(before - _LOOKED_THROUGH, 0)
            for line in reversed(self._store.lines(self._candidate.id, after, before - after)):
                if (found := _followed(line)) is not None:
                    return head, found
            before = after
        return head, None

    def _catch_up(self, log: RolloutLog) -> None:
        while lines := log.since(self._seen):
            for line in lines:
                found = _followed(line)
                self._position = self._position if found is None else found
            self._seen = lines[-1].number


def _is_blind(draw: Draw) -> bool:
    return draw.route is Route.BLIND or (draw.route is Route.ACTED and draw.audit)


def _as_champion(own: Draw, champion: Draw) -> Draw:
    """Return the draw of a case that a champion had: the same checks, as far as the candidate's answer is to be checked."""
    acted = champion.route is Route.ACTED
    audit, share = (champion.checked, champion.checked_share) if acted else (champion.audit, champion.audit_share)
    return replace(own, route=Route.BLIND, audit=audit, audit_share=share, twice=champion.twice, held_back=False)


def _followed(line: LogLine) -> int | None:
    if _IS_FOLLOWED not in line.body:
        return None
    event = of_body(line.body)
    return event.line if isinstance(event, Followed) else None


def _lines(store: RolloutStore, rollout_id: str, after: int, until: int) -> Iterator[LogLine]:
    while after < until and (lines := store.lines(rollout_id, after, min(until - after, 10_000))):
        yield from lines
        after = lines[-1].number
