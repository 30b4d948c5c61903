"""A review as the person who does it sees it. The model's answer stands in it only where it is proposed, or unnamed beside
another one."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime

from ..core.case import Case
from .events import ReviewKind


@dataclass(frozen=True, slots=True)
class Shown:
    """One review, leased to one person."""

    review_id: str
    kind: ReviewKind
    case: Case
    """The case; ``inputs`` name the images, which a server gives out by their number only."""
    labels: tuple[str, ...]
    """The answers that may be given."""
    shown: tuple[str, ...]
    """The answers to look at: one that is proposed, or two unnamed ones."""
    lease_until: datetime
    """The moment from which somebody else may be given it."""
    done_today: int
    """Reviews this person has decided today, in UTC."""
    left_today: int | None
    """Reviews this person may still be given today; None: no limit."""
