"""One file of the grid: its bytes, and the picture that it must give or the reason for which it is refused."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, field
from typing import Any

import numpy as np
from numpy.typing import NDArray

from drivetrain.core.errors import ImageError
from drivetrain.data.image import jpeg2000
from drivetrain.data.image.decode import Decoded, decode
from drivetrain.data.image.heif import is_heif
from drivetrain.data.image.render import SRGB, Render
from drivetrain.data.image.tiff import is_tiff, read_layout, reader_of
from drivetrain.data.image.tiff_layout import JPEG
from drivetrain.data.image.tiff_pictures import JPEG_2000, LERC

Pixels = NDArray[Any]


def always(_data: bytes) -> bool:
    """Stand in for a check by another reader, where there is none."""
    return True


@dataclass(frozen=True)
class Case:
    """A generated file."""

    format: str
    row: str
    """The line of the table that it belongs to."""
    name: str
    data: bytes = field(repr=False)
    expected: Pixels = field(repr=False)
    """(height, width, RGB) in 0 to 255, upright."""
    tolerance: float
    render: Render = SRGB
    refused: str | None = None
    """A part of the reason, where it is refused."""
    confirmed: Callable[[bytes], bool] = field(default=always, repr=False)
    """Another reader's word that the file holds what it is meant to hold."""

    @property
    def reader(self) -> str:
        """Who reads it."""
        if is_tiff(self.data):
            layout = read_layout(self.data)
            by_imagecodecs = layout.compression == LERC or (
                layout.bits > 8 and layout.compression in (JPEG, *JPEG_2000)
            )
            return "Pillow" if reader_of(layout) == "Pillow" else "imagecodecs" if by_imagecodecs else "Drivetrain"
        if is_heif(self.data):
            return "libheif"
        found = jpeg2000.announced(self.data)
        return "imagecodecs" if found is not None and found.components > 1 and found.bits > 8 else "Pillow"

    def _decoded(self) -> Decoded | ImageError:
        try:
            return decode(self.data, render=self.render)
        except ImageError as error:
            return error

    def outcome(self) -> str:
        """The result in the words of the table.

        Raises:
            AssertionError: it is read otherwise than expected, or refused for another reason.
        """
        where = f"{self.format} {self.row} {self.name}"
        found = self._decoded()
        if isinstance(found, ImageError):
            assert self.refused is not None, f"{where}: {found}"
            assert self.refused in found.detail, f"{where}: {found}"
            return f"refused: “{found.detail.split('; ')[0]}”"
        assert self.refused is None, f"{where}: read, though {self.refused}"
        assert self.confirmed(self.data), f"{where}: another reader finds other values"
        pixels = np.asarray(found.image).astype(np.float64)
        assert pixels.shape == self.expected.shape, f"{where}: {pixels.shape}"
        error = float(np.abs(pixels - self.expected).max())
        assert error <= self.tolerance, f"{where}: {error:.2f} levels off"
        return f"read by {self.reader}"


def over_white(rgb: Pixels, opacity: Pixels) -> Pixels:
    """Lay colours of 0 to 1 over white, in 0 to 255."""
    return (1 - (1 - rgb) * opacity) * 255


TURNS: dict[int, Callable[[Pixels], Pixels]] = {
    1: lambda a: a,
    2: lambda a: a[:, ::-1],
    3: lambda a: a[::-1, ::-1],
    4: lambda a: a[::-1],
    5: lambda a: a.swapaxes(0, 1),
    6: lambda a: np.rot90(a, -1),
    7: lambda a: a[::-1, ::-1].swapaxes(0, 1),
    8: lambda a: np.rot90(a, 1),
}
"""EXIF's numbers → what they ask for, by the standard's definition of where the stored row 0 and column 0 belong."""


def turned(pixels: Pixels, orientation: int) -> Pixels:
    """Turn stored pixels as EXIF's number asks."""
    return TURNS[orientation](pixels)
