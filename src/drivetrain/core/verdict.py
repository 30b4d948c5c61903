"""What to do with an answer. By itself, so that the command line need not load NumPy for it."""

from __future__ import annotations

from enum import StrEnum


class Verdict(StrEnum):
    """What to do with an answer."""

    ACCEPT = "accept"
    REVIEW = "review"
    UNREADABLE = "unreadable"
