"""A host's answer to one request."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from datetime import UTC, datetime
from email.utils import parsedate_to_datetime


@dataclass(frozen=True, slots=True)
class Head:
    """The part of an answer that comes before its body.

    Names of headers are in small letters; equal ones are joined by commas, those of ``x-robots-tag`` by line breaks, as each
    may begin with the robot that it is about.
    """

    url: str
    status: int
    headers: Mapping[str, str]

    @property
    def media_type(self) -> str:
        """The kind of body announced: ``image/jpeg``; empty where none is."""
        return self.headers.get("content-type", "").partition(";")[0].strip().lower()

    def retry_after_s(self, now: Callable[[], datetime]) -> float | None:
        """Seconds after which the host wants to be asked again, given as a number or a moment; None where it does not say."""
        text = self.headers.get("retry-after", "").strip()
        if text.isascii() and text.isdigit():
            return float(text)
        try:
            moment = parsedate_to_datetime(text)
        except (TypeError, ValueError):
            return None
        aware = moment if moment.tzinfo else moment.replace(tzinfo=UTC)
        return max((aware - now()).total_seconds(), 0.0)


@dataclass(frozen=True, slots=True)
class Answer:
    """A whole answer."""

    head: Head
    body: bytes


Screen = Callable[[Head], None]
"""Looks at an answer's head before its body is read, and raises where the body is not wanted."""
