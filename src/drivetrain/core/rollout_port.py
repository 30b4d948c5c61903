"""The store of rollouts, as a protocol: a log that only grows, and the queue of what people are asked."""

from __future__ import annotations

from collections.abc import Collection, Iterator, Sequence
from contextlib import AbstractContextManager
from datetime import datetime
from typing import TYPE_CHECKING, Protocol

if TYPE_CHECKING:  # a terminal's progress bar, whose port stands beside it, need not load what cases are made of
    from .case import Case
    from .forgotten import Forgotten
    from .records import StoredInput
    from .rollout_records import LogLine, Review, RolloutRow


class RolloutLog(Protocol):
    """One rollout's log and queue within a transaction, in which nobody else can write them. All is kept, or nothing."""

    @property
    def row(self) -> RolloutRow:
        """The rollout as it is now, with all that this transaction has written."""
        ...

    def since(self, number: int, limit: int = 1_000) -> Sequence[LogLine]:
        """Lines behind a number, oldest first."""
        ...

    def append(self, at: datetime, body: str, case_id: str | None = None) -> LogLine:
        """Write the next line; its number and hash follow from the one before."""
        ...

    def turned(self, stage: str, step: int, paused: bool) -> None:
        """Write where the rollout stands now, for lists."""
        ...

    def case_of_key(self, key: str) -> Case | None:
        """The case that has this key already."""
        ...

    def add_case(self, case: Case, inputs: Sequence[StoredInput] = ()) -> None:
        """Keep a case, and those of its inputs that are not kept yet."""
        ...

    def settle_case(self, case_id: str, label: str | None, how: str, at: datetime) -> None:
        """Write the decision that takes effect, for whoever asks for the case."""
        ...

    def add_reviews(self, reviews: Sequence[Review]) -> None: ...

    def review(self, review_id: str) -> Review | None: ...

    def reviews_of(self, case_id: str) -> Sequence[Review]:
        """The reviews of a case that are not done, those with a held decision included; by their ids, which sort by time."""
        ...

    def update_review(self, review: Review) -> None:
        """Write a review's lease, held decision, persons that must not do it, or end."""
        ...

    def drop_reviews(self, case_id: str) -> None:
        """Delete the reviews of a case that are not done, since nobody has to do them any more."""
        ...

    def held(self, until: datetime | None = None, by: str | None = None) -> Sequence[Review]:
        """Reviews with a held decision that are not done: decided at or before a moment, or by a person; oldest first."""
        ...


class RolloutStore(Protocol):
    """The place where rollouts are kept. Every method may raise `StoreError`."""

    def open_rollout(self, row: RolloutRow) -> RolloutRow:
        """Keep a new rollout with an empty log; raises `UsageError` where one that has not ended has its name."""
        ...

    def rollouts(self, *, live: bool | None = None, model: str | None = None) -> Sequence[RolloutRow]:
        """Rollouts, the newest first; ``live``: those that have not ended, or the others."""
        ...

    def rollout(self, name_or_id: str) -> RolloutRow | None:
        """A rollout by its id, or the newest of a name."""
        ...

    def rollout_log(self, rollout_id: str) -> AbstractContextManager[RolloutLog]:
        """Enter a transaction that holds the rollout; raises `UsageError` where there is none."""
        ...

    def lines(self, rollout_id: str, after: int = 0, limit: int = 10_000) -> Sequence[LogLine]:
        """Read lines without holding up writers."""
        ...

    def lines_of(self, rollout_id: str, case_id: str) -> Sequence[LogLine]:
        """The lines about one case, oldest first."""
        ...

    def case(self, rollout_id: str, case_id: str) -> Case | None: ...

    def case_of_key(self, rollout_id: str, key: str) -> Case | None:
        """The case that has this key."""
        ...

    def settled(self, rollout_id: str, case_ids: Collection[str]) -> dict[str, tuple[str | None, str, datetime]]:
        """The decisions that took effect, by case: label, how, when; cases without one are missing."""
        ...

    def lease_review(
        self,
        rollout_id: str,
        by: str,
        kinds: Collection[str],
        now: datetime,
        until: datetime,
        *,
        skip: Collection[str] = (),
    ) -> Review | None:
        """Give a person the next review: the one with the earliest due time (those without one come last), then by order.

        Never one that another person holds a lease on or has decided, nor one that this person must not do, nor one in
        ``skip``. One that this person has a live lease on already comes first. None: there is none. At once from several
        processes no review is given twice.
        """
        ...

    def review(self, rollout_id: str, review_id: str) -> Review | None:
        """A review by its id, done or not, read without holding up writers."""
        ...

    def done_since(self, rollout_id: str, by: str, since: datetime) -> int:
        """The number of reviews that a person has decided at or after a moment, held decisions included."""
        ...

    def keep_snapshot(self, rollout_id: str, number: int, text: str) -> None:
        """Keep the state of a rollout's machine after the line of a number, in place of any older one.

        One of a lesser number than the one kept leaves it as it is.
        """
        ...

    def snapshot(self, rollout_id: str) -> tuple[int, str] | None:
        """The number and text of the snapshot that is kept. Only saves time: without it the log is read from its beginning."""
        ...

    def forget_case_inputs(self) -> Forgotten:
        """Delete the inputs that were kept for cases alone and not with a prediction, where all those cases are done.

        A case is done once it is settled and nobody has to look at it any more.
        """
        ...

    def queue_counts(self, rollout_id: str, now: datetime, by: str | None = None) -> dict[str, dict[str, int]]:
        """By kind, the reviews that are ``open`` (nobody has decided them), those of them that are ``leased`` just now or
        ``overdue``, and those ``held`` (decided, and still to be taken back). A kind without any is missing.

        ``by``: only those that this person may do.
        """
        ...

    def verify_log(self, rollout_id: str) -> Iterator[LogLine]:
        """Yield every line once its number, predecessor and hash have been checked.

        Raises:
            StoreError: a line was changed, left out or put in later; says which.
        """
        ...
