"""The verdict on an answer, and its reasons. A module of its own, so that the command line need not load NumPy for it."""

from __future__ import annotations

from dataclasses import dataclass
from enum import StrEnum


class Verdict(StrEnum):
    """What to do with an answer."""

    ACCEPT = "accept"
    REVIEW = "review"
    OUT_OF_DOMAIN = "out_of_domain"
    """The input is unlike those trained on, so that the answer says nothing."""
    UNREADABLE = "unreadable"


@dataclass(frozen=True, slots=True)
class Reason:
    """The reason why a rule of the policy did not let an answer stand."""

    code: str
    """The rule's name, which never changes: ``low-confidence``."""
    words: str
