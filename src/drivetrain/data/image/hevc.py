"""HEVC's headers, as far as they tell how much memory a decoder will set aside.

The size of an HEIC picture stands in its container, but the decoder allocates what the sequence parameter sets announce, and
only then is the picture made to fit. Names are those of the HEVC specification (ITU-T H.265), sections 7.3.1 and 7.3.2.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from dataclasses import dataclass

from ...core.errors import ImageError
from .bits import Bits

SEQUENCE_PARAMETERS = 33
# Kinds of units below this hold slices of a picture.
SLICES = 32
# The most pictures a decoder keeps besides the one it makes.
REFERENCES = 16
# The most units of a file: a picture has four or so, in a few slices each; a grid a few hundred pictures.
MAX_UNITS = 20_000
# Bytes that hold the front of any sequence parameter set, up to its bit depths.
HEADER_BYTES = 256
# Planes in full size, by chroma_format_idc: grey, 4:2:0, 4:2:2, 4:4:4.
PLANES = (1.0, 1.5, 2.0, 3.0)
# A decoder's own notes on a picture, per pixel.
NOTES = 1.5


@dataclass(frozen=True, slots=True)
class Sequence:
    """The content of a sequence parameter set: the size of the pictures, and the bytes of a pixel over all planes."""

    width: int
    height: int
    sample_bytes: float
    deep: bool
    """Tells whether samples have more than 8 bits."""


@dataclass(frozen=True, slots=True)
class Coded:
    """The largest picture of a stretch of HEVC, how many there are, and the memory that all it may keep at once takes, per
    pixel of it."""

    width: int
    height: int
    frames: int
    sample_bytes: float
    deep: bool

    @property
    def pixel_bytes(self) -> float:
        """Bytes held per pixel of the largest picture."""
        return (self.sample_bytes + NOTES) * min(max(self.frames, 1), REFERENCES + 1)


class Units:
    """Takes the pictures of one file apart, up to ``most`` units in all."""

    def __init__(self, most: int = MAX_UNITS) -> None:
        self._left = most

    def take(self) -> None:
        """Count a unit.

        Raises:
            ImageError: the file has too many.
        """
        self._left -= 1
        if self._left < 0:
            raise ImageError("too large", f"an HEIC of more than {MAX_UNITS} parts")

    def of(self, data: bytes) -> Iterator[bytes]:
        """Yield the first bytes of the units in an item, each of which follows its length.

        Raises:
            ImageError: they do not fill the item, as in a file that was copied in part; a decoder would leave that part black.
        """
        at = 0
        while at < len(data):
            length = int.from_bytes(data[at : at + 4], "big")
            # No unit ends in a zero, but what a copy has not reached yet may be full of them.
            if not 0 < length <= len(data) - at - 4 or not data[at + 3 + length]:
                raise ImageError(
                    "damaged", "a part of its picture is cut short or overwritten; copy or download it again"
                )
            self.take()
            yield data[at + 4 : at + 4 + min(length, HEADER_BYTES)]
            at += 4 + length

    def of_configuration(self, record: bytes) -> Iterator[bytes]:
        """Yield the first bytes of the units in a decoder's configuration record (`hvcC`)."""
        at = 23
        for _ in range(record[22] if len(record) > 22 else 0):
            count = int.from_bytes(record[at + 1 : at + 3], "big")
            at += 3
            for _ in range(count):
                if at + 2 > len(record):
                    return
                length = int.from_bytes(record[at : at + 2], "big")
                self.take()
                yield record[at + 2 : at + 2 + min(length, HEADER_BYTES)]
                at += 2 + length


def coded(units: Iterable[bytes]) -> Coded | None:
    """The memory that decoding the pictures of ``units`` sets aside; None where there is no sequence parameter set."""
    found: list[Sequence] = []
    frames = 0
    for unit in units:
        # Further layers (a second eye's picture, say) are passed over by the decoder.
        if len(unit) < 3 or unit[0] & 1 or unit[1] >> 3:
            continue
        kind = unit[0] >> 1
        if kind == SEQUENCE_PARAMETERS:
            found.append(sequence_parameters(unit))
        elif kind < SLICES:
            frames += unit[2] >> 7  # first_slice_segment_in_pic_flag
    if not found:
        return None
    largest = max(found, key=lambda one: one.width * one.height)
    return Coded(
        largest.width, largest.height, frames, max(one.sample_bytes for one in found), any(one.deep for one in found)
    )


def sequence_parameters(unit: bytes) -> Sequence:
    """Read a sequence parameter set."""
    bits = Bits(unit[2:].replace(b"\0\0\3", b"\0\0"))
    bits.read(4)
    layers = bits.read(3)
    bits.read(1)
    _skip_profile(bits, layers)
    bits.unsigned()
    chroma = bits.unsigned()
    if chroma == 3:
        bits.read(1)
    width, height = bits.unsigned(), bits.unsigned()
    if bits.read(1):
        for _ in range(4):
            bits.unsigned()
    deep = max(bits.unsigned(), bits.unsigned()) > 0
    return Sequence(width, height, PLANES[min(chroma, 3)] * (2 if deep else 1), deep)


def _skip_profile(bits: Bits, layers: int) -> None:
    bits.read(96)
    present = [(bits.read(1), bits.read(1)) for _ in range(layers)]
    if layers:
        bits.read(2 * (8 - layers))
    for profile, level in present:
        bits.read(88 * profile + 8 * level)
