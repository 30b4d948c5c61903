"""What is kept of the images that production sends."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime, timedelta
from enum import StrEnum

from .errors import UsageError

MAX_DAYS = 36_500


class Kept(StrEnum):
    """How much of an image is kept."""

    NONE = "none"
    """Nothing, not even its hash."""
    HASH = "hash"
    """Its SHA-256: enough to tell whether two predictions were of one file."""
    IMAGE = "keep"
    """The file itself."""


@dataclass(frozen=True, slots=True)
class Retention:
    """How much is kept of an image, and for how many days; None is for good."""

    kept: Kept = Kept.IMAGE
    days: int | None = None

    @property
    def keeps_hash(self) -> bool:
        """Whether a record says which image it was of."""
        return self.kept is not Kept.NONE

    @property
    def keeps_image(self) -> bool:
        """Whether the file is kept, be it for a while."""
        return self.kept is Kept.IMAGE

    def oldest(self, now: datetime) -> datetime | None:
        """Images last asked about before this moment are to go; None where none ever is."""
        return None if self.days is None else now - timedelta(days=self.days)

    def __str__(self) -> str:
        return self.kept.value if self.days is None else f"{self.days}d"

    @classmethod
    def parse(cls, text: str) -> Retention:
        """``none``, ``hash``, ``keep``, or days such as ``30d`` or ``30``.

        >>> str(Retention.parse("30")), Retention.parse("hash").keeps_image
        ('30d', False)

        Raises:
            UsageError: it is something else.
        """
        plain = text.strip().lower()
        if plain in {kept.value for kept in Kept}:
            return cls(Kept(plain))
        number = plain.removesuffix("d")
        if number.isascii() and number.isdigit() and len(number) <= len(str(MAX_DAYS)) and 1 <= int(number) <= MAX_DAYS:
            return cls(Kept.IMAGE, int(number))
        raise UsageError(
            f"{text[:40]!r} is no rule for images; give none, hash, keep, or days from 1d to {MAX_DAYS}d, such as 30d"
        )
