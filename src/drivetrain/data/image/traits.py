"""Traits of a picture: what one decode says of it without a network, by which bad pictures and shortcuts are found."""

from __future__ import annotations

from dataclasses import asdict, dataclass
from typing import Any, Self

# A picture whose colours differ by less from grey: of daylight photos about 3 % lie below it, of night pictures by infra-red
# light nearly all.
GREY = 0.06


@dataclass(frozen=True, slots=True)
class Traits:
    """Traits of one picture; shares and levels lie in 0–1."""

    width: int
    """Upright and as stored, in pixels."""
    height: int
    format: str
    """The format as stored: ``JPEG``, ``PNG``, …"""
    mode: str
    bytes: int
    brightness: float
    """Mean luma."""
    highlight: float
    """The luma that 95 % of the pixels stay below: small only where next to nothing is to be seen."""
    contrast: float
    """Standard deviation of luma."""
    saturation: float
    """Mean distance of the largest from the smallest of red, green and blue, as a share of the mean of the largest."""
    sharpness: float | None
    """See `drivetrain.data.image.sharpness`; None of a picture without detail."""
    border: tuple[float, float, float]
    """Mean red, green and blue of the outermost pixels, 1/32 of each side."""
    border_spread: float
    """Standard deviation of the border's colour, over its three channels: about 0 where it is one plain colour."""
    quality: int | None
    """The quality at which a JPEG was saved, from 1 to 100; None of other formats."""
    camera: str | None
    """Maker and model, as EXIF has them."""
    taken_at: str | None
    """The moment at which it was taken, by EXIF, in ISO 8601."""

    @property
    def shorter(self) -> int:
        """The shorter side in pixels."""
        return min(self.width, self.height)

    @property
    def aspect(self) -> float:
        """Width over height."""
        return self.width / self.height

    @property
    def bytes_a_pixel(self) -> float:
        """Bytes of the file over its pixels."""
        return self.bytes / (self.width * self.height)

    @property
    def grey(self) -> bool:
        """Tells whether it has next to no colour, as pictures by infra-red light have none."""
        return self.saturation < GREY

    def to_json(self) -> dict[str, Any]:
        """Return all traits as plain data."""
        return asdict(self)

    @classmethod
    def from_json(cls, values: dict[str, Any]) -> Self:
        """Read what `to_json` gave.

        Raises:
            TypeError, KeyError, ValueError: it is something else.
        """
        red, green, blue = values["border"]
        return cls(**{**values, "border": (float(red), float(green), float(blue))})
