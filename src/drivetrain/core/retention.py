"""The retention rule: what is kept of the inputs that production sends."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime, timedelta
from enum import StrEnum

from .errors import UsageError

MAX_DAYS = 36_500


class Kept(StrEnum):
    """The part of an input that is kept."""

    NONE = "none"
    """Keep nothing, not even the hash."""
    HASH = "hash"
    """The input's SHA-256: enough to tell whether two predictions were of one file."""
    INPUT = "keep"
    """The file itself."""


@dataclass(frozen=True, slots=True)
class Retention:
    """The part of an input that is kept, and for how many days; None: for good."""

    kept: Kept = Kept.INPUT
    days: int | None = None

    @property
    def keeps_hash(self) -> bool:
        """Tells whether a record says which input it was of."""
        return self.kept is not Kept.NONE

    @property
    def keeps_input(self) -> bool:
        """Tells whether the file is kept, for some days or for good."""
        return self.kept is Kept.INPUT

    def oldest(self, now: datetime) -> datetime | None:
        """The moment before which inputs last sent are to be deleted; None where they are kept for good."""
        return None if self.days is None else now - timedelta(days=self.days)

    def __str__(self) -> str:
        return self.kept.value if self.days is None else f"{self.days}d"

    @classmethod
    def parse(cls, text: str) -> Retention:
        """Read a rule: ``none``, ``hash``, ``keep``, or days such as ``30d`` or ``30``.

        >>> str(Retention.parse("30")), Retention.parse("hash").keeps_input
        ('30d', False)

        Raises:
            UsageError: it is something else.
        """
        plain = text.strip().lower()
        if plain in {kept.value for kept in Kept}:
            return cls(Kept(plain))
        number = plain.removesuffix("d")
        if number.isascii() and number.isdigit() and len(number) <= len(str(MAX_DAYS)) and 1 <= int(number) <= MAX_DAYS:
            return cls(Kept.INPUT, int(number))
        raise UsageError(
            f"{text[:40]!r} is no rule for images; give none, hash, keep, or days from 1d to {MAX_DAYS}d, such as 30d"
        )
