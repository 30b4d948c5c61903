"""The services that the inner layers ask of the outside world, as protocols."""

from __future__ import annotations

from collections.abc import Collection, Iterator, Mapping, Sequence
from contextlib import AbstractContextManager, contextmanager
from datetime import datetime
from typing import TYPE_CHECKING, Protocol

from .forgotten import Forgotten
from .rollout_port import RolloutStore

if TYPE_CHECKING:  # a terminal's progress bar need not load what records are made of
    from .calendar import Calendar
    from .records import (
        Alarm,
        ApiKey,
        Entry,
        Fed,
        MonitorState,
        Notice,
        Record,
        RecordFilter,
        RecordPage,
        StoredInput,
        Truth,
        TruthFilter,
        TruthPage,
    )


class Advance(Protocol):
    """Report the number of items just finished, and what there is to see of them, such as "loss 0.312"."""

    def __call__(self, count: int, note: str = "", /) -> None: ...


class Progress(Protocol):
    """Tells a person how far a long step has come."""

    def stage(self, name: str, total: int) -> AbstractContextManager[Advance]:
        """Enter a step of ``total`` items; the value entered reports progress in it."""
        ...

    def say(self, line: str) -> None:
        """Show one line that is worth knowing now."""
        ...

    def figure(self, name: str, svg: str) -> None:
        """Show a figure, replacing the one of that name shown before."""
        ...


class Silent:
    """Progress that tells nobody."""

    @contextmanager
    def stage(self, name: str, total: int) -> Iterator[Advance]:  # noqa: ARG002  # the port's signature
        yield lambda _count, _note="": None

    def say(self, line: str) -> None:
        """Nothing."""

    def figure(self, name: str, svg: str) -> None:
        """Nothing."""


class Notes(Protocol):
    """A place that keeps small facts by name, from one run to the next; an embedding cache is one."""

    def note(self, name: str) -> str | None:
        """Return what was kept."""
        ...

    def set_note(self, name: str, text: str) -> None:
        """Keep a fact."""
        ...

    def notes(self, names: Sequence[str]) -> Mapping[str, str]:
        """Return those that were kept, by name."""
        ...

    def set_notes(self, texts: Mapping[str, str]) -> None:
        """Keep facts by name, all at once."""
        ...


class PredictionStore(Protocol):
    """The place where predictions are kept. Safe to use from several threads; every method may raise `StoreError`."""

    def append(self, entries: Sequence[Entry]) -> None:
        """Write all entries or none; those written survive this process, and those there already stay as they are."""
        ...

    def page(self, wanted: RecordFilter, limit: int, cursor: str | None = None) -> RecordPage:
        """Read records from the newest back; raises `UsageError` for a text that is no cursor."""
        ...

    def record(self, record_id: str) -> Record | None: ...

    def input(self, sha256: str) -> StoredInput | None: ...

    def kept(self, sha256s: Collection[str]) -> frozenset[str]:
        """The hashes among ``sha256s`` whose inputs are kept."""
        ...

    def keys(self) -> tuple[ApiKey, ...]:
        """All API keys, revoked ones too."""
        ...

    def prune(self, *, inputs_older_than: datetime | None = None) -> Forgotten:
        """Forget the inputs that were last sent before a moment."""
        ...

    def calendar(self) -> Calendar | None:
        """The store's trusted time; None in a store that holds nothing."""
        ...

    def set_calendar(self, calendar: Calendar) -> None:
        """Remember the trusted time."""
        ...

    def check(self) -> None:
        """Raise `StoreError` if the store cannot be used just now."""
        ...

    def close(self) -> None: ...


class TruthStore(Protocol):
    """The place where right answers are kept beside the predictions. Every method may raise `StoreError`."""

    def add_truth(self, truth: Truth) -> Truth:
        """Keep the right answer to a prediction; a truth of the same id that is there already stays, and is returned.

        Raises `UsageError` where there is no such prediction.
        """
        ...

    def truths(self, wanted: TruthFilter, limit: int, cursor: str | None = None) -> TruthPage:
        """Read truths from the newest back; raises `UsageError` for a text that is no cursor."""
        ...

    def truths_of(self, prediction_ids: Collection[str]) -> Mapping[str, tuple[Truth, ...]]:
        """The truths told of each prediction, oldest first; predictions without one are missing."""
        ...


class MonitorStore(Protocol):
    """The place where monitors read what happened, and keep what they know. Every method may raise `StoreError`."""

    def feed(self, after: int, limit: int) -> Sequence[Fed]:
        """Entries stored after a position, oldest first, of all models: all that there are up to the last one returned.

        Empty where none has been stored since. Those that were pruned are left out; their positions are never given again.
        """
        ...

    def monitor_state(self, model: str, bundle_id: str) -> MonitorState | None: ...

    def advance_monitor(
        self, before: int | None, state: MonitorState, alarms: Sequence[Alarm], *, notify: bool = True
    ) -> bool:
        """Keep a state that follows on the one at position ``before`` (None: on no state), with the alarms raised since.

        With ``notify`` each alarm leaves a notice to be delivered. False, and nothing is written, where another process has
        gone on from there already.
        """
        ...

    def alarm(self, alarm_id: str) -> Alarm | None: ...

    def alarms(
        self,
        *,
        standing: bool | None = None,
        model: str | None = None,
        limit: int = 200,
        before: Alarm | None = None,
    ) -> Sequence[Alarm]:
        """Alarms from the newest back; ``standing`` asks for those that nobody has cleared, or for the others.

        ``before``: only those behind this one.
        """
        ...

    def clear_alarm(self, alarm_id: str, at: datetime, by: str, reason: str, *, notify: bool = True) -> Alarm | None:
        """Clear an alarm; one that is cleared already stays as it is. None where there is none.

        With ``notify`` the one call that clears it leaves a notice to be delivered.
        """
        ...

    def notices_due(self, now: datetime, limit: int) -> Sequence[Notice]:
        """Notices whose next attempt is due, the one that waits longest first; to look at, not to deliver."""
        ...

    def claim_notices(self, now: datetime, until: datetime, limit: int) -> Sequence[Notice]:
        """Take notices that are due, for an attempt each, which nobody else then makes before ``until``.

        A process that dies with them has lost none: they are due again at ``until``. So a notice may arrive twice, but
        never at once; its attempts, as returned, count the one to be made now.
        """
        ...

    def settle_notice(
        self, notice: Notice, at: datetime, *, error: str | None = None, again_at: datetime | None = None
    ) -> bool:
        """Say how the attempt went that a notice was claimed for: it arrived, or ``error``, to be tried ``again_at`` or never.

        False, and nothing is written, where it was claimed anew meanwhile.
        """
        ...

    def notices_of(self, alarm_ids: Collection[str]) -> Mapping[str, tuple[Notice, ...]]:
        """The notices of each alarm, oldest first; alarms without one are missing."""
        ...


class Store(PredictionStore, TruthStore, MonitorStore, RolloutStore, Protocol):
    """Everything that a server asks of its store."""
