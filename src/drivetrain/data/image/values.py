"""The values of a picture that stores more than 8 bits, before anything is decided on black and white."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

from numpy.typing import NDArray


@dataclass(frozen=True, slots=True)
class Values:
    """Numbers of a picture, upright, and what the file says of them."""

    array_HWK: NDArray[Any]
    """1 to 4 numbers a pixel: grey, grey and opacity, colour, colour and opacity; whole numbers or floating point. Opacity has
    the full scale of its type, or 0 to 1; colours are not multiplied by it."""
    no_data: float | None = None
    """The number that stands for “no data”."""
    inverted: bool = False
    """Tells whether the lowest number is white."""
    profile: bytes | None = None
    """The colour profile in the file."""

    @property
    def size(self) -> tuple[int, int]:
        """(width, height)."""
        return self.array_HWK.shape[1], self.array_HWK.shape[0]
