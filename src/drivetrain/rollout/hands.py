"""The hands of a rollout: they carry out in the store what the machine asks for, within one transaction."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping
from dataclasses import replace
from datetime import datetime, timedelta

from ..core.case import Case, ModelAnswer
from ..core.rollout_port import RolloutLog
from ..core.rollout_records import Review
from .effects import Ask, Effect, Settled, Withdraw
from .events import Decided, Event, ReviewKind
from .machine import Machine
from .receipt import Taken
from .replica import Writing
from .way import HOW


class Hands:
    """One transaction's doings at one moment."""

    def __init__(
        self,
        writing: Writing,
        rollout_id: str,
        now: datetime,
        new_id: Callable[[], str],
        wanted: Callable[[Ask], bool] = lambda _ask: True,
    ) -> None:
        """``wanted``: tells whether somebody has to be asked; by default always."""
        self.writing = writing
        self._rollout_id = rollout_id
        self.now = now
        self._new_id = new_id
        self._wanted = wanted
        self.settled: dict[str, Taken] = {}
        """The decisions that took effect, by case."""

    @property
    def log(self) -> RolloutLog:
        """The log and the queue."""
        return self.writing.log

    @property
    def machine(self) -> Machine:
        """The machine."""
        return self.writing.machine

    def arrive(self, case: Case, answer: ModelAnswer, known: str | None) -> None:
        """Take a case in."""
        self.pass_time()
        self._carry(self.writing.run.arrive(case, answer, self.now, known)[1])

    def take(self, event: Event) -> None:
        """Take an event, and carry out what follows from it."""
        self.pass_time()
        self._carry(self.writing.run.take(event))

    def pass_time(self) -> None:
        """Let time pass. Decisions made in time, and not yet final, come before what is due counts as unresolved."""
        due = self.machine.next_moment()
        if due is None or due > self.now:
            return
        expiring = self.machine.expiring(self.now)
        if expiring:
            before = due - timedelta(microseconds=1)
            for review in self.log.held(until=before):
                if review.case_id in expiring:
                    self._finish(review, before)
        self._carry(self.writing.run.pass_time(self.now))

    def ask(self, ask: Ask) -> None:
        """Ask a person for what nobody is asked yet, though the case waits for it."""
        if not self.log.reviews_of(ask.case_id):
            self.log.add_reviews([self._review(ask, set())])

    def finish(self, review: Review) -> None:
        """Make a held decision final."""
        self.pass_time()
        still = self.log.review(review.id)
        if still is not None and still.done_at is None:
            self._finish(still, self.now)

    def finish_all(self, reviews: Iterable[Review]) -> None:
        """Make held decisions final."""
        for review in reviews:
            self.finish(review)

    def _finish(self, review: Review, at: datetime) -> None:
        self._close(review)
        self._decided(review, at)

    def _close(self, review: Review) -> None:
        self.log.update_review(replace(review, done_at=self.now, lease_by=None, lease_until=None))

    def _decided(self, review: Review, at: datetime) -> None:
        decision = review.held
        if decision is None:
            return
        kind = ReviewKind(review.kind)
        event = Decided(
            at, review.case_id, kind, review.round, decision.by, decision.label, HOW[kind], decision.seconds
        )
        self._carry(self.writing.run.take(event), {review.case_id: _barred(review)})

    def _carry(self, effects: Iterable[Effect], barred: Mapping[str, set[str]] | None = None) -> None:
        """Write what the machine asks for, in its order; decisions overtaken by a withdrawal are taken at the end.

        ``barred``: people who must not be asked about a case, beside those that the machine knows of.
        """
        overtaken: list[Review] = []
        seen: dict[str, set[str]] = dict(barred or {})
        for effect in effects:
            if isinstance(effect, Ask):
                if self._wanted(effect):
                    self.log.add_reviews([self._review(effect, seen.get(effect.case_id, set()))])
            elif isinstance(effect, Withdraw):
                overtaken += self._withdraw(effect.case_id, seen)
            elif isinstance(effect, Settled):
                self.settled[effect.case_id] = Taken(effect.label, effect.how.value, self.now)
                self.log.settle_case(effect.case_id, effect.label, effect.how.value, self.now)
        for review in overtaken:
            self._decided(review, self.now)

    def _withdraw(self, case_id: str, seen: dict[str, set[str]]) -> list[Review]:
        """Delete the reviews of a case; return those in which a person had confirmed a proposal already."""
        found = self.log.reviews_of(case_id)
        confirmed = [one for one in found if one.held is not None and one.kind == ReviewKind.CONFIRM]
        for review in found:
            seen[case_id] = seen.get(case_id, set()) | _barred(review)
        for review in confirmed:
            self._close(review)
        self.log.drop_reviews(case_id)
        return confirmed

    def _review(self, ask: Ask, seen: set[str]) -> Review:
        return Review(
            id=self._new_id(),
            rollout_id=self._rollout_id,
            case_id=ask.case_id,
            kind=ask.kind.value,
            round=ask.round,
            due=ask.due,
            order=self.machine.order(ask.case_id, f"{ask.kind.value}{ask.round}"),
            shown=ask.shown,
            not_by=tuple(dict.fromkeys((*ask.not_by, *sorted(seen)))),
        )


def _barred(review: Review) -> set[str]:
    """Return those who must not do what a case is asked for after this review: whoever must not do this one, and everybody who
    has seen a proposal, also one who has put it back or let the lease end: nobody of them can decide blind any more."""
    if review.kind != ReviewKind.CONFIRM:
        return set(review.not_by)
    return {*review.not_by, *review.seen_by, *([] if review.lease_by is None else [review.lease_by])}
