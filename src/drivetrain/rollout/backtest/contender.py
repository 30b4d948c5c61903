"""A policy with a bundle, to be tried on past cases; and the cases it may be tried on."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from datetime import datetime

from ...core.case import ModelAnswer
from ...core.errors import DataError
from ..policy import Policy
from .past import PastCase, PastLog

# Where more than this share of the cases after its training are copies of training images, what is said of its training is
# doubted more than the cases.
_DOUBTED = 0.2


@dataclass(frozen=True)
class Contender:
    """A policy with a bundle and its answers to past cases."""

    name: str
    policy: Policy
    bundle: str
    """The bundle's name, as people gave it."""
    bundle_id: str
    outputs: tuple[str, ...]
    """The labels that it can answer."""
    trained_until: datetime
    """The end of its training data: it is tried only on cases that came later."""
    dated_by: str
    """The source of that moment, in words."""
    answers: Mapping[str, ModelAnswer]
    """By case id; cases without one are left out."""
    threshold: float = 0.9
    """The confidence from which on the bundle itself accepts."""
    copies: frozenset[str] = frozenset()
    """Cases whose picture is a copy, or nearly one, of a training image."""
    as_logged: bool = False
    """Tells whether the log is of this very policy and bundle."""

    @property
    def title(self) -> str:
        """The contender's name, with that of its bundle."""
        return self.name if self.bundle in self.name else f"{self.name} on {self.bundle}"


@dataclass(frozen=True)
class Used:
    """The cases that a contender is tried on, and how many are left out why."""

    cases: tuple[PastCase, ...]
    before: int = 0
    """Cases that came before its training data ended."""
    copies: int = 0
    unanswered: int = 0
    """Cases without an answer: their picture is not there, or nobody recorded one."""
    remarks: tuple[str, ...] = ()
    """Sentences on what is left out."""


def usable(past: PastLog, contender: Contender) -> Used:
    """Find the cases that say something of a contender.

    Raises:
        DataError: there are none, or so many are copies of training images that the date of its training cannot be right.
    """
    if contender.as_logged:
        # The log itself says what the bundle was asked then; leaving a case out would make it another run.
        return Used(past.cases)
    until = f"{contender.trained_until:%Y-%m-%d}"
    after = check_later(past, contender.bundle, contender.trained_until, contender.dated_by)
    before = len(past.cases) - len(after)
    copied = [one for one in after if one.case.id in contender.copies]
    if len(copied) > _DOUBTED * len(after):
        raise DataError(
            f"{len(copied):,} of {len(after):,} cases after {until} ({contender.dated_by}) are copies of training images of "
            f"{contender.bundle} (first: {copied[0].case.key}): it has seen them, so this says nothing of new ones; give cases "
            "that it was not trained on"
        )
    fresh = [one for one in after if one.case.id not in contender.copies]
    answered = tuple(one for one in fresh if one.case.id in contender.answers)
    if not answered:
        raise DataError(
            f"{contender.bundle} has no answer to any case of {past.source} that came after its training data; give the cases' "
            "pictures in a column 'path', or the answers recorded then in 'answer' and 'confidence'"
        )
    copies, unanswered = len(copied), len(fresh) - len(answered)
    return Used(answered, before, copies, unanswered, tuple(_left_out(before, copies, unanswered)))


def check_later(past: PastLog, bundle: str, until: datetime, dated_by: str) -> list[PastCase]:
    """Return the cases that came after a bundle's training data.

    Raises:
        DataError: there are none.
    """
    after = [one for one in past.cases if one.case.at >= until]
    if not after:
        raise DataError(
            f"{bundle} was trained on data up to {until:%Y-%m-%d} ({dated_by}), and the last case of {past.source} came on "
            f"{past.last:%Y-%m-%d}: a model is tried only on cases after its training data; give later cases, or state when its "
            "data end with --trained-until DATE"
        )
    return after


def _left_out(before: int, copies: int, unanswered: int) -> Iterator[str]:
    if before:
        yield f"{_cases(before)} from before its training data ended and left out"
    if copies:
        yield f"{_cases(copies)} left out, as their pictures are copies of training images, or nearly so"
    if unanswered:
        yield f"{_cases(unanswered)} left out, as there is no answer to them"


def _cases(count: int) -> str:
    return "1 case is" if count == 1 else f"{count:,} cases are"
