"""A live rollout: the machine over its log in the store, and the hands that carry out what the machine asks for."""

from __future__ import annotations

from collections.abc import Callable, Collection, Sequence
from datetime import datetime

from ..core.case import Case, ModelAnswer
from ..core.records import StoredInput
from ..core.rollout_port import RolloutStore
from ..core.rollout_records import Review
from .events import ReviewKind
from .machine import Machine
from .receipt import Receipt
from .shown import Shown
from .status import Status


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
        raise NotImplementedError

    @property
    def machine(self) -> Machine:
        """The machine, as of the last line that this process has seen; to be read, not to be told anything."""
        raise NotImplementedError

    def arrive(
        self, case: Case, answer: ModelAnswer, inputs: Sequence[StoredInput] = (), known: str | None = None
    ) -> Receipt:
        """Take a case in. A second one of the same key and content is the first one again.

        Raises:
            UsageError: the rollout has ended, another case has this key already, or ``known`` is none of the labels.
        """
        raise NotImplementedError

    def receipt(self, *, case_id: str | None = None, key: str | None = None) -> Receipt | None:
        """The receipt of a case by its id or key; None where there is none."""
        raise NotImplementedError

    def next_review(
        self, by: str, kinds: Collection[ReviewKind] = tuple(ReviewKind), skip: Collection[str] = ()
    ) -> Shown | None:
        """Lease the next review to a person; None: there is none, or that person has done enough today."""
        raise NotImplementedError

    def shown(self, review_id: str, by: str) -> Shown | None:
        """Show a review again to the person who holds its lease or has just decided it; None to anybody else."""
        raise NotImplementedError

    def decide(self, review_id: str, by: str, label: str | None, seconds: float | None = None) -> Review:
        """Hold a person's decision; it is final after the policy's ``undo_seconds``, or with that person's next one.

        Raises:
            UsageError: the review is done, withdrawn or somebody else's, or the label is none that may be given.
        """
        raise NotImplementedError

    def release(self, review_id: str, by: str) -> None:
        """Give a leased review back undecided; somebody else may be given it at once."""
        raise NotImplementedError

    def undo(self, by: str) -> Shown:
        """Take a person's last decision back and lease the review to that person again.

        Raises:
            UsageError: there is none that can still be taken back.
        """
        raise NotImplementedError

    def decided(self, case_id: str, by: str, label: str | None, how: str, seconds: float | None = None) -> Receipt:
        """Take a decision that a person has made in another system: ``blind``, or ``assisted`` by a proposal shown there.

        Raises:
            UsageError: the case does not wait for such a decision, or not from this person.
        """
        raise NotImplementedError

    def turned_out(self, case_id: str, label: str, by: str) -> None:
        """Take the outcome of a case; the same one again changes nothing."""
        raise NotImplementedError

    def alarm(self, alarm_id: str, monitor: str, words: str, *, cleared: bool = False) -> None:
        """Take an alarm of a monitor, or its being cleared by a person; one that is known already changes nothing."""
        raise NotImplementedError

    def flush(self, now: datetime) -> int:
        """Make held decisions final that can no longer be taken back; returns how many."""
        raise NotImplementedError

    def tick(self, now: datetime) -> None:
        """Let time pass: flushes, logs a `Ticked` where silence changes something, and keeps a snapshot now and then."""
        raise NotImplementedError

    def advance(self, by: str, reason: str) -> None:
        """Advance to the next stage or step.

        Raises:
            UsageError: it cannot be; says every reason. So do the following.
        """
        raise NotImplementedError

    def pause(self, by: str, reason: str) -> None:
        """Pause it: people decide blind."""
        raise NotImplementedError

    def resume(self, by: str, reason: str) -> None:
        """Release every hold."""
        raise NotImplementedError

    def rollback(self, by: str, reason: str) -> None:
        """Roll it back, latched."""
        raise NotImplementedError

    def clear(self, by: str, reason: str) -> None:
        """Clear a rollback: back to parallel, with fresh evidence."""
        raise NotImplementedError

    def end(self, by: str, reason: str) -> None:
        """End it."""
        raise NotImplementedError

    def status(self) -> Status:
        """Say where it stands, as the console and the command line show it."""
        raise NotImplementedError
