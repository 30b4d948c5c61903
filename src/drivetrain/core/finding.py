"""A finding: something a reader must not miss, with a code that programs and people can refer to."""

from __future__ import annotations

from dataclasses import dataclass
from enum import StrEnum


class Severity(StrEnum):
    """The weight of a finding: how much depends on it."""

    SERIOUS = "serious"
    """The figures or the trained model cannot be relied on until the finding is dealt with."""
    WARNING = "warning"
    NOTE = "note"


@dataclass(frozen=True, slots=True)
class Finding:
    """One finding. Every ``code`` has a page in ``docs/findings``."""

    code: str
    """The rule's name, which never changes: ``too-few-images``."""
    severity: Severity
    title: str
    """The rule in a few words, the same wherever it applies."""
    sentence: str
    """The finding in this place, and what to do about it."""
    where: str | None = None
    """The section of the report that shows more, or the file it is about."""
