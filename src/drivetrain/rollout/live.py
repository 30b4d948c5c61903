"""A live rollout: the machine over its log in the store, and the hands that carry out what the machine asks for."""

from __future__ import annotations

from collections.abc import Callable, Collection, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import replace
from datetime import datetime, timedelta
from math import isfinite

from ..core.case import Case, ModelAnswer
from ..core.errors import UsageError
from ..core.records import StoredInput
from ..core.rollout_port import RolloutStore
from ..core.rollout_records import Decision, Review
from .event_json import of_body
from .events import Alarmed, Arrived, ReviewKind, Turned, TurnedOut
from .hands import Hands
from .known_case import receipt_in
from .machine import Machine
from .policy import Policy
from .receipt import Receipt
from .replica import Replica
from .reporting import status_of
from .shown import Shown
from .stage import Stage
from .status import Status
from .succession import check_by_itself
from .way import HOW

FLUSHED_AT_ONCE = 100
"""Decisions made final in one transaction, so that others get their turn."""
LOOKED_FOR_S = 10.0
"""Seconds between two looks for held decisions that this process does not know of."""


class Live:
    """One rollout that runs. Safe to use from several threads; several processes may have one each of the same rollout.

    Every method may raise `StoreError`; log and machine agree after that too.
    """

    def __init__(
        self,
        store: RolloutStore,
        rollout_id: str,
        clock: Callable[[], datetime],
        new_id: Callable[[], str],
    ) -> None:
        """Read the rollout from the store: from its snapshot, where one is kept, and the lines behind it.

        Raises:
            UsageError: there is no such rollout.
            LogError: its log cannot be read.
        """
        self._store = store
        self._clock = clock
        self._new_id = new_id
        self._replica = Replica(store, rollout_id)
        self._flush_at: datetime | None = None
        """The next moment at which a held decision may have to become final; None: it is not known."""
        self.id = self._replica.row.id
        self.name = self._replica.row.name
        self.bundle_id = self._replica.row.bundle_id
        self.policy: Policy = self._replica.policy
        self.labels = self._replica.labels

    @property
    def machine(self) -> Machine:
        """The machine, as of the last line that this process has seen; to be read, not to be told anything.

        Other threads may change it meanwhile: what goes through several of its parts is for `reading`.
        """
        return self._replica.machine

    @contextmanager
    def reading(self) -> Iterator[Machine]:
        """Enter a stretch in which nobody changes the machine."""
        with self._replica.lock:
            yield self._replica.machine

    @property
    def replica(self) -> Replica:
        """The replica of the rollout, by which a shadow reads and writes it."""
        return self._replica

    @contextmanager
    def _hands(self) -> Iterator[Hands]:
        with self._replica.writing() as writing:
            yield Hands(writing, self.id, self._clock(), self._new_id)

    # Cases

    def arrive(
        self, case: Case, answer: ModelAnswer, inputs: Sequence[StoredInput] = (), known: str | None = None
    ) -> Receipt:
        """Take a case in. A second one of the same key and content is the first one again.

        Raises:
            UsageError: the rollout has ended, another case has this key already, or ``known`` is none of the labels.
        """
        if known is not None:
            self._check_label(known, "known")
        strange = [name for name, value in case.metadata.items() if isinstance(value, float) and not isfinite(value)]
        if strange:
            raise UsageError(
                f"metadata {strange[0][:64]!r} of case {case.key[:64]!r} is no finite number; leave it out"
            )
        check_by_itself(self._store, self._replica.row)
        with self._hands() as hands:
            there = hands.log.case_of_key(case.key)
            if there is None:
                if hands.machine.stage is Stage.ENDED:
                    raise UsageError(f"the rollout {self.name} has ended; send cases to another one")
                hands.log.add_case(case, inputs)
                hands.arrive(case, answer, known)
                return Receipt(case.id, case.key, self.name, hands.settled.get(case.id))
        self._check_same(there, case, known)
        receipt = self.receipt(case_id=there.id)
        assert receipt is not None  # cases do not go
        return receipt

    def _check_same(self, there: Case, case: Case, known: str | None) -> None:
        """Refuse a case that says something else under a key than the one that has it."""
        first = of_body(self._store.lines_of(self.id, there.id)[0].body)
        said = first.known if isinstance(first, Arrived) else None
        if replace(case, id=there.id, at=there.at) != there or known != said:
            raise UsageError(
                f"another case has the key {case.key[:64]!r} already, with other inputs or details; give this one its own"
            )

    def receipt(self, *, case_id: str | None = None, key: str | None = None) -> Receipt | None:
        """The receipt of a case by its id or key; None where there is none."""
        return receipt_in(self._store, self._replica.row, case_id=case_id, key=key)

    def decided(self, case_id: str, by: str, label: str | None, how: str, seconds: float | None = None) -> Receipt:
        """Take a decision that a person has made in another system: ``blind``, or ``assisted`` by a proposal shown there.

        Raises:
            UsageError: the case does not wait for such a decision, or not from this person.
        """
        if label is not None:
            self._check_label(label, "decided")
        with self._hands() as hands:
            review = self._waiting(hands, case_id, by, how)
            held = replace(review, held=Decision(label, by, hands.now, seconds))
            hands.log.update_review(held)
            hands.finish(held)
        receipt = self.receipt(case_id=case_id)
        if receipt is None:
            raise UsageError(f"there is no case {case_id[:64]!r} in the rollout {self.name}")
        return receipt

    def _waiting(self, hands: Hands, case_id: str, by: str, how: str) -> Review:
        found = [one for one in hands.log.reviews_of(case_id) if one.held is None]
        review = next((one for one in found if HOW[ReviewKind(one.kind)] == how), None)
        if review is None:
            waits = f"; it waits to be {HOW[ReviewKind(found[0].kind)].value}" if found else ", or is decided already"
            raise UsageError(f"case {case_id[:64]!r} does not wait for a decision made {how}{waits}")
        if by in review.not_by:
            raise UsageError(f"{by} has decided case {case_id} already; somebody else is asked now")
        return review

    def turned_out(self, case_id: str, label: str, by: str) -> None:
        """Take the outcome of a case; the same one again changes nothing."""
        self._check_label(label, "turned out")
        if self._store.case(self.id, case_id) is None:
            raise UsageError(f"there is no case {case_id[:64]!r} in the rollout {self.name}")
        with self._hands() as hands:
            told = (of_body(line.body) for line in self._store.lines_of(self.id, case_id))
            latest = [one.label for one in told if isinstance(one, TurnedOut)]
            if latest[-1:] == [label]:
                return
            hands.finish_all(one for one in hands.log.reviews_of(case_id) if one.held is not None)
            hands.take(TurnedOut(hands.now, case_id, label, by))

    def _check_label(self, label: str, said: str) -> None:
        if label not in self.labels:
            raise UsageError(f"{said} {label[:64]!r} is none of the labels {', '.join(self.labels)}")

    # Reviews

    def next_review(
        self, by: str, kinds: Collection[ReviewKind] = tuple(ReviewKind), skip: Collection[str] = (), elsewhere: int = 0
    ) -> Shown | None:
        """Lease the next review to a person; None: there is none, or that person has done enough today.

        ``elsewhere``: what this person has done today in other rollouts of the same queue, which counts too.
        """
        now = self._clock()
        done = elsewhere + self._done_today(by, now)
        most = self.policy.cases.most_a_day
        if most is not None and done >= most:
            return None
        names = [kind.value for kind in kinds]
        review = self._store.lease_review(self.id, by, names, now, self._lease_until(now), skip=skip)
        return None if review is None else self._shown(review, done)

    def shown(self, review_id: str, by: str) -> Shown | None:
        """Show a review again to the person who holds its lease or has just decided it; None to anybody else."""
        review, now = self._store.review(self.id, review_id), self._clock()
        if review is None or review.done_at is not None:
            return None
        holds = review.lease_by == by and review.lease_until is not None and review.lease_until > now
        mine = holds if review.held is None else review.held.by == by
        return self._shown(review, self._done_today(by, now)) if mine else None

    def _shown(self, review: Review, done: int) -> Shown:
        case = self._store.case(self.id, review.case_id)
        if case is None or review.lease_until is None:
            raise UsageError(f"review {review.id} is of a case that is not kept any more")
        most = self.policy.cases.most_a_day
        return Shown(
            review_id=review.id,
            kind=ReviewKind(review.kind),
            case=case,
            labels=self.labels,
            shown=review.shown,
            lease_until=review.lease_until,
            done_today=done,
            left_today=None if most is None else max(0, most - done),
        )

    def done_today(self, by: str) -> int:
        """Return how many reviews a person has done today, in UTC."""
        return self._done_today(by, self._clock())

    def _done_today(self, by: str, now: datetime) -> int:
        midnight = now.replace(hour=0, minute=0, second=0, microsecond=0)
        return self._store.done_since(self.id, by, midnight)

    def _lease_until(self, now: datetime) -> datetime:
        return now + timedelta(minutes=self.policy.cases.lease_minutes)

    def decide(self, review_id: str, by: str, label: str | None, seconds: float | None = None) -> Review:
        """Hold a person's decision; it is final after the policy's ``undo_seconds``, or with that person's next one. The same
        one told again changes nothing.

        Raises:
            UsageError: the review is done, withdrawn or somebody else's, or the label is none that may be given.
        """
        if label is not None:
            self._check_label(label, "decided")
        with self._hands() as hands:
            there = hands.log.review(review_id)
            if there is not None and there.held is not None and (there.held.by, there.held.label) == (by, label):
                return there
            review = self._to_decide(there, review_id, by, hands.now)
            if seconds is None and review.leased_at is not None:
                seconds = max(0.0, (hands.now - review.leased_at).total_seconds())
            held = replace(review, held=Decision(label, by, hands.now, seconds))
            hands.log.update_review(held)
            hands.finish_all(one for one in hands.log.held(by=by) if one.id != review_id)
            if self.policy.cases.undo_seconds == 0:
                hands.finish(held)
            self._flush_at = None
            return hands.log.review(review_id) or held

    def _to_decide(self, review: Review | None, review_id: str, by: str, now: datetime) -> Review:
        if review is None or review.done_at is not None:
            raise UsageError(f"review {review_id[:64]!r} is done or was withdrawn; ask for the next one")
        if review.held is not None and review.held.by != by:
            raise UsageError("somebody else has decided this review; ask for the next one")
        leased = review.lease_by is not None and review.lease_until is not None and review.lease_until > now
        if leased and review.lease_by != by:
            raise UsageError("this review came back to the queue and somebody else has it; ask for the next one")
        if review.held is None and review.lease_by != by:
            raise UsageError("this review is not yours; ask for the next one")
        if by in review.not_by:
            raise UsageError("you have decided this case already; ask for the next one")
        return review

    def release(self, review_id: str, by: str) -> None:
        """Give a leased review back undecided; somebody else may be given it at once."""
        with self._hands() as hands:
            review = hands.log.review(review_id)
            if review is not None and review.done_at is None and review.held is None and review.lease_by == by:
                hands.log.update_review(replace(review, lease_by=None, lease_until=None, leased_at=None))

    def undo(self, by: str) -> Shown:
        """Take a person's last decision back and lease the review to that person again.

        Raises:
            UsageError: there is none that can still be taken back.
        """
        with self._hands() as hands:
            held = hands.log.held(by=by)
            oldest = hands.now - timedelta(seconds=self.policy.cases.undo_seconds)
            if not held or held[-1].held is None or held[-1].held.at < oldest:
                raise UsageError("there is no decision of yours that can still be taken back")
            until = self._lease_until(hands.now)
            review = replace(held[-1], held=None, lease_by=by, lease_until=until, leased_at=hands.now)
            hands.log.update_review(review)
        return self._shown(review, self._done_today(by, self._clock()))

    # Time and alarms

    def flush(self, now: datetime) -> int:
        """Make held decisions final that can no longer be taken back; returns how many. Cheap where there is none.

        Those that another process has held are looked for every `LOOKED_FOR_S` seconds.
        """
        if self._flush_at is not None and now < self._flush_at:
            return 0
        undo = timedelta(seconds=self.policy.cases.undo_seconds)
        count = 0
        while True:
            with self._hands() as hands:
                held = hands.log.held()
                due = [one for one in held if one.held is not None and one.held.at <= now - undo][:FLUSHED_AT_ONCE]
                hands.finish_all(due)
                waiting = [one.held.at + undo for one in held[len(due) :] if one.held is not None]
                self._flush_at = min([now + timedelta(seconds=LOOKED_FOR_S), *waiting])
            count += len(due)
            if len(due) < FLUSHED_AT_ONCE:
                return count

    def tick(self, now: datetime) -> None:
        """Let time pass: flushes, logs a `Ticked` where silence changes something, and keeps a snapshot now and then."""
        self._flush_at = None
        self.flush(now)
        self._replica.catch_up()
        with self.reading() as machine:
            due = machine.next_moment()
        if due is not None and due <= now:
            with self._hands() as hands:
                hands.pass_time()
        self._replica.keep()

    def alarm(self, alarm_id: str, monitor: str, words: str, *, cleared: bool = False) -> None:
        """Take an alarm of a monitor, or its being cleared by a person; one that is known already changes nothing."""
        with self._hands() as hands:
            standing = hands.machine.standing
            stands = alarm_id in standing.alarms
            if stands is cleared and alarm_id not in standing.cleared and standing.open:
                hands.take(Alarmed(hands.now, alarm_id, monitor, words, cleared))

    # Turns

    def advance(self, by: str, reason: str) -> None:
        """Advance to the next stage or step.

        Raises:
            UsageError: it cannot be; says every reason. So do the following.
        """
        check_by_itself(self._store, self._replica.row)
        self._turn(lambda machine, now, head: machine.advanced(by, reason, now, head))

    def pause(self, by: str, reason: str) -> None:
        """Pause it: people decide blind."""
        self._turn(lambda machine, now, _head: machine.paused(by, reason, now))

    def resume(self, by: str, reason: str) -> None:
        """Release every hold."""
        self._turn(lambda machine, now, _head: machine.resumed(by, reason, now))

    def rollback(self, by: str, reason: str) -> None:
        """Roll it back, latched."""
        self._turn(lambda machine, now, _head: machine.rolled_back(by, reason, now))

    def clear(self, by: str, reason: str) -> None:
        """Clear a rollback: back to parallel, with fresh evidence."""
        self._turn(lambda machine, now, _head: machine.cleared(by, reason, now))

    def end(self, by: str, reason: str) -> None:
        """End it."""
        self._turn(lambda machine, now, _head: machine.ended(by, reason, now))

    def _turn(self, make: Callable[[Machine, datetime, tuple[int, str]], Turned]) -> None:
        # Decisions that are held count before the turn, and stand even where the turn is refused.
        with self._hands() as hands:
            hands.finish_all(hands.log.held())
        with self._hands() as hands:
            hands.pass_time()
            row = hands.log.row
            hands.take(make(hands.machine, hands.now, (row.head, row.head_hash)))

    def status(self) -> Status:
        """Say where it stands, as the console and the command line show it."""
        now = self._clock()
        with self._replica.lock:
            self._replica.catch_up()
            row = self._store.rollout(self.id) or self._replica.row
            queue = self._store.queue_counts(self.id, now)
            return status_of(self._replica.machine, row, self._replica.curves, queue, now)
