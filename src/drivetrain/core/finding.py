"""A finding: something a reader must not miss, with a code that programs and people can refer to."""

from __future__ import annotations

from dataclasses import dataclass
from enum import StrEnum


class Severity(StrEnum):
    """How much depends on it."""

    SERIOUS = "serious"
    """The figures, or what was trained, cannot be relied on until it is dealt with."""
    WARNING = "warning"
    NOTE = "note"


@dataclass(frozen=True, slots=True)
class Finding:
    """One finding. Every ``code`` has a page in ``docs/findings``."""

    code: str
    """Names the rule, and never changes: ``too-few-images``."""
    severity: Severity
    title: str
    """A few words, the same wherever the rule applies."""
    sentence: str
    """What was found here, and what to do about it."""
    where: str | None = None
    """The section of the report that shows more, or the file it is about."""
