"""The limits within which hosts are asked. Seconds end in ``_s``."""

from __future__ import annotations

from dataclasses import dataclass


@dataclass(frozen=True, slots=True)
class Limits:
    """The patience of a run, and how much it asks of one host."""

    connect_s: float = 10.0
    idle_s: float = 15.0
    """The longest pause between two bytes."""
    total_s: float = 60.0
    """The longest that one request may take, however steadily its bytes drip."""
    max_bytes: int = 32 << 20
    """The most bytes of one picture; reading ends there."""
    retries: int = 3
    backoff_s: float = 1.0
    """Wait before the first repetition; it doubles with each."""
    longest_wait_s: float = 120.0
    """A host that asks for a longer pause is given up for this run."""
    a_host: int = 4
    """Requests under way at one host at one time."""
    redirects: int = 5
