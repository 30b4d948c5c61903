"""The draw of one case: who decides it, and which checks chance has assigned to it. Made when it arrives, and recorded."""

from __future__ import annotations

from dataclasses import dataclass
from enum import StrEnum


class Route(StrEnum):
    """The way of a case to its decision."""

    BLIND = "blind"
    """A person decides without sight of the model's answer; that decision takes effect."""
    PROPOSED = "proposed"
    """The model's answer is proposed; a person confirms or overrides it, and that takes effect."""
    ACTED = "acted"
    """The model's answer takes effect at once."""


@dataclass(frozen=True, slots=True)
class Draw:
    """The checks assigned to a case by HMAC of its unit. Each share is logged: what was seen with a known probability can be
    weighted."""

    route: Route
    audit: bool = False
    """A random share: of cases decided blind, an adjudication even where both agree; of acted ones, a blind decision too."""
    audit_share: float = 0.0
    """The probability with which it was drawn."""
    checked: bool = False
    """Where an acted case is audited: it is adjudicated even where person and model agree, so that an adjudication tells
    nothing of the model."""
    checked_share: float = 0.0
    """The probability with which it was drawn."""
    twice: bool = False
    """A second person decides it blind too, which measures people's own error."""
    adjudicate_twice: bool = False
    """Where it is adjudicated, it is by two, which measures the adjudicators' error."""
    held_back: bool = False
    """The stage would propose it or act on it, and chance keeps it blind, to measure automation bias."""
    in_scope: bool = False
    """The case lies in the scope of the stage, and its answer is certified."""
    seeded: bool = False
    """The right answer was known before: the case checks the people, and is no evidence on the model."""
    reserve: bool = False
    """The case belongs to the random reserve that is never trained on."""
