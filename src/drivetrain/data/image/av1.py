"""AV1's headers, as far as they tell how much memory a decoder will set aside.

The size of an AVIF picture stands in its container, but the decoder allocates what the frames inside announce, and only
then is the picture made to fit. Names are those of the AV1 specification, sections 5.5 and 5.9.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from dataclasses import dataclass

from ...core.errors import ImageError
from .bits import Bits

SEQUENCE_HEADER, FRAME_HEADER, FRAME, REDUNDANT_FRAME_HEADER = 1, 3, 6, 7
# The units that hold a frame's header; a decoder takes a redundant one where there is no other.
FRAME_HEADERS = frozenset({FRAME_HEADER, FRAME, REDUNDANT_FRAME_HEADER})
KEY_FRAME, SWITCH_FRAME = 0, 3
SELECT = 2

# The most pictures a decoder keeps besides the one it makes.
REFERENCES = 8
# The most open bitstream units of a file: a picture has three or four, and a grid a few hundred pictures.
MAX_OBUS = 20_000
# Bytes that hold any header: the longest, a sequence's, has up to 32 operating points of 89 bits.
HEADER_BYTES = 1024


@dataclass(frozen=True, slots=True)
class Sequence:
    """The content of a sequence header; ``widest`` and ``highest`` bound the size a frame may announce for itself."""

    width: int
    height: int
    widest: int
    highest: int
    sample_bytes: float
    """Bytes of a pixel, over all planes."""
    still: bool
    """Tells whether this is one frame of the size above, whose header has no room for another size."""
    timed: bool
    """Tells whether frames may say when they are shown (not those of an even pace), in ``time_bits``."""
    time_bits: int
    id_bits: int
    screen_tools: int
    integer_motion: int


@dataclass(frozen=True, slots=True)
class Coded:
    """The largest frame of a stretch of AV1, and the memory that all it may keep at once takes, per pixel of it."""

    width: int
    height: int
    pixel_bytes: float


def coded(units: Iterable[tuple[int, bytes]]) -> Coded | None:
    """The memory that decoding one picture's `obus` sets aside; None where there is no sequence header."""
    sequence: Sequence | None = None
    width = height = frames = 0
    sample_bytes = 0.0
    for kind, body in units:
        if kind == SEQUENCE_HEADER:
            sequence = sequence_header(body)
            sample_bytes = max(sample_bytes, sequence.sample_bytes)
            width, height = max(width, sequence.width), max(height, sequence.height)
        elif kind in FRAME_HEADERS and sequence is not None:
            frames += 1
            if _has_own_size(sequence, body):
                width, height = max(width, sequence.widest), max(height, sequence.highest)
    if sequence is None:
        return None
    # Each frame is one picture; the decoder's own notes on a frame add about one byte a pixel.
    return Coded(width, height, (sample_bytes + 1) * min(max(frames, 1) + 1, REFERENCES + 1))


class Units:
    """Takes the pictures of one file apart, up to ``most`` units in all."""

    def __init__(self, most: int = MAX_OBUS) -> None:
        self._left = most

    def of(self, data: bytes) -> Iterator[tuple[int, bytes]]:
        """Yield the units as `obus` does.

        Raises:
            ImageError: the file has too many; what comes after those that were looked at might be of any size.
        """
        for unit in obus(data):
            self._left -= 1
            if self._left < 0:
                raise ImageError("too large", f"an AVIF of more than {MAX_OBUS} parts")
            yield unit


def obus(data: bytes) -> Iterator[tuple[int, bytes]]:
    """Yield the kind and the first bytes of each open bitstream unit: enough for its header."""
    at = 0
    while at < len(data):
        head = data[at]
        at += 1 + (head >> 2 & 1)  # an extension
        size = len(data) - at
        if head & 2:
            size = 0
            for place in range(8):
                if at >= len(data):
                    return
                byte = data[at]
                at += 1
                size |= (byte & 0x7F) << 7 * place
                if byte < 0x80:
                    break
        yield head >> 3 & 15, data[at : min(at + size, at + HEADER_BYTES)]
        at += size


def sequence_header(data: bytes) -> Sequence:
    """Read a sequence header OBU."""
    bits = Bits(data)
    profile, _, reduced = bits.read(3), bits.flag(), bits.flag()
    timed, even, delay_bits, time_bits = False, False, 0, 0
    if reduced:
        bits.read(5)
    else:
        if bits.flag():  # timing_info_present_flag
            bits.read(64)
            even = bits.flag()
            if even:
                _skip_uvlc(bits)
            timed = bits.flag()
            if timed:
                delay_bits = bits.read(5) + 1
                bits.read(32)
                bits.read(5)
                time_bits = bits.read(5) + 1
        delayed = bits.flag()
        for _ in range(bits.read(5) + 1):
            bits.read(12)
            if bits.read(5) > 7:
                bits.flag()
            if timed and bits.flag():
                bits.read(2 * delay_bits + 1)
            if delayed and bits.flag():
                bits.read(4)
    wide_bits, high_bits = bits.read(4) + 1, bits.read(4) + 1
    width, height = bits.read(wide_bits) + 1, bits.read(high_bits) + 1
    id_bits = 0
    if not reduced and bits.flag():
        id_bits = bits.read(4) + 2
        id_bits += bits.read(3) + 1
    bits.read(3)
    screen = motion = SELECT
    if not reduced:
        bits.read(4)
        if bits.flag():  # enable_order_hint
            bits.read(2)
            ordered = True
        else:
            ordered = False
        screen = SELECT if bits.flag() else bits.read(1)
        if screen:
            motion = SELECT if bits.flag() else bits.read(1)
        if ordered:
            bits.read(3)
    bits.read(3)
    deep = bits.flag()
    planes = 1.5 if profile == 0 else 3.0
    return Sequence(
        width=width,
        height=height,
        widest=1 << wide_bits,
        highest=1 << high_bits,
        sample_bytes=planes * (2 if deep else 1),
        still=reduced,
        timed=timed and not even,
        time_bits=time_bits,
        id_bits=id_bits,
        screen_tools=screen,
        integer_motion=motion,
    )


def _skip_uvlc(bits: Bits) -> None:
    zeros = 0
    while zeros < 32 and not bits.flag():
        zeros += 1
    if zeros < 32:
        bits.read(zeros)


def _has_own_size(sequence: Sequence, data: bytes) -> bool:
    """Tells whether a frame announces a size of its own (frame_size_override_flag), which the decoder does not compare."""
    if sequence.still:
        return False
    bits = Bits(data)
    if bits.flag():  # show_existing_frame
        return False
    kind, shown = bits.read(2), bits.flag()
    if kind == SWITCH_FRAME:
        return True
    if shown and sequence.timed:
        bits.read(sequence.time_bits)
    elif not shown:
        bits.flag()
    if not (kind == KEY_FRAME and shown):
        bits.flag()
    bits.flag()
    screen = bits.flag() if sequence.screen_tools == SELECT else bool(sequence.screen_tools)
    if screen and sequence.integer_motion == SELECT:
        bits.flag()
    bits.read(sequence.id_bits)
    return bits.flag()
