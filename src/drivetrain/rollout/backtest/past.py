"""Past cases with all that people said of them, as a log of decisions holds them. No model's answer stands here."""

from __future__ import annotations

import hashlib
from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta

from ...core.case import Case
from ...core.told_how import ToldHow
from ..events import Alarmed, Opened, ReviewKind, Ticked, Turned

_EPOCH = datetime(1970, 1, 1, tzinfo=UTC)


@dataclass(frozen=True, slots=True)
class Said:
    """One thing that a person said of a case in the past."""

    order: int
    """The place in the log: what was said earlier has the smaller number."""
    at: datetime
    review: ReviewKind
    round: int
    by: str
    label: str | None
    """None: the person could not tell."""
    how: ToldHow
    seconds: float | None = None


@dataclass(frozen=True, slots=True)
class Outcome:
    """The outcome of a case, as it became known later."""

    order: int
    at: datetime
    label: str
    by: str


@dataclass(frozen=True, slots=True)
class PastCase:
    """A case of the past, with what people said of it and what became of it."""

    order: int
    case: Case
    said: tuple[Said, ...] = ()
    outcomes: tuple[Outcome, ...] = ()
    known: str | None = None
    """The right answer of a seeded case."""
    arrived_at: datetime | None = None
    """The moment at which it was logged; None: that of the case."""

    proposed: str | None = None
    """The label that the model proposed then; None: it proposed nothing."""
    acted: bool = False
    """Tells whether the model decided it then, so that people saw it at most as an audit."""

    @property
    def came_at(self) -> datetime:
        """The moment at which it came in, as the log has it."""
        return self.arrived_at or self.case.at

    @property
    def decided(self) -> Said | None:
        """The decision that people came to: blind where there is one, else with a model's proposal in sight."""
        blind = (one for one in self.said if one.review is ReviewKind.DECIDE and one.round == 0)
        assisted = (one for one in self.said if one.review is ReviewKind.CONFIRM)
        return next(blind, None) or next(assisted, None)

    @property
    def people(self) -> str | None:
        """The label that people decided on; None where they could not tell, or nobody decided."""
        said = self.decided
        return None if said is None else said.label

    @property
    def truth(self) -> str | None:
        """The right answer, as far as the log knows it: the last outcome, else what adjudicators agree on."""
        if self.known is not None:
            return self.known
        if self.outcomes:
            return self.outcomes[-1].label
        adjudicated = {one.label for one in self.said if one.review is ReviewKind.ADJUDICATE and one.label is not None}
        return adjudicated.pop() if len(adjudicated) == 1 else None


@dataclass(frozen=True)
class PastLog:
    """The cases of a log in the order in which they came, and what else was logged."""

    source: str
    """The name of the log, as messages and pages call it."""
    cases: tuple[PastCase, ...]
    columns: tuple[str, ...] = ()
    """The columns by which cases may be cut into slices."""
    happened: tuple[tuple[int, Alarmed | Ticked | Turned], ...] = ()
    """Alarms, ticks and what people did to the rollout, each with its place in the log."""
    salt: bytes | None = None
    """The salt of the rollout that wrote it; None of a table, whose cases are drawn by the seed."""
    opened: Opened | None = None
    """The first event of a rollout's log."""
    remarks: tuple[str, ...] = ()
    """Sentences on how it was read."""
    files: Mapping[str, str] = field(default_factory=dict)
    """By case id, the file of its picture, where the log names one."""

    @property
    def first(self) -> datetime:
        """The moment of the first case."""
        return self.cases[0].case.at

    @property
    def last(self) -> datetime:
        """The moment of the last case."""
        return self.cases[-1].case.at


def case_id(at: datetime, key: str) -> str:
    """Make a case's identifier of its moment and key: 32 hexadecimal digits that sort by time, the same on every run.

    >>> case_id(datetime(2026, 5, 1, tzinfo=UTC), "a")[:12]
    '019de0d5c800'
    """
    milliseconds = (at - _EPOCH) // timedelta(milliseconds=1)
    rest = int.from_bytes(hashlib.sha256(key.encode()).digest()[:10], "big")
    value = milliseconds << 80 | 0x7 << 76 | (rest & 0xFFF) << 64 | 0b10 << 62 | (rest >> 12) & ((1 << 62) - 1)
    return f"{value:032x}"
