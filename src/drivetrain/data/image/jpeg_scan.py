"""A JPEG's header, and how often its scans go over the picture; read without decoding."""

from __future__ import annotations

import re
from dataclasses import dataclass

from ...core.errors import ImageError

# The most scans: each scan of a progressive JPEG goes over all of the picture, be it a few bytes long. Encoders write about ten.
MAX_SCANS = 100
# A large picture may have fewer: this many pixels in all scans take some seconds. Twice as many scans as encoders write
# pass anyhow.
MAX_SCANNED, FEW_SCANS = 1_500_000_000, 20
APP0, APP1, APP2, APP15, COM = 0xE0, 0xE1, 0xE2, 0xEF, 0xFE
SOF0, SOF1, EOI, SOS = 0xC0, 0xC1, 0xD9, 0xDA
# Frames, tables, restart interval, number of lines, scans. 0xC8 is reserved.
CODING = (frozenset(range(SOF0, 0xD0)) - {0xC8}) | {SOS, 0xDB, 0xDC, 0xDD}
END = b"\xff\xd9"
# Most files end with the mark of the end, or with little behind it.
NEAR_THE_END = 64
FRAMES = frozenset(range(SOF0, 0xD0)) - {0xC4, 0xC8, 0xCC}
LOSSLESS = frozenset({0xC3, 0xC7, 0xCB, 0xCF})
# The most segments before the first scan: a dozen is usual.
MAX_HEAD_PARTS = 200
# A scan ends at a marker that is neither a stuffed 0 nor a restart marker, which belong to the data.
SCAN_END = re.compile(rb"\xff[^\x00\xd0-\xd7\xff]", re.DOTALL)


@dataclass(frozen=True, slots=True)
class Frame:
    """The content of the frame's header, the last one before the first scan."""

    width: int
    height: int
    components: int
    scanned_whole: bool
    """Tells whether the decoder keeps all of the picture as coefficients, because more than one scan makes it."""
    exif_bytes: int
    profile_bytes: int
    """Bytes of the segments that a colour profile stands in."""
    head_bytes: int
    """Bytes before the first scan."""


def read_frame(data: bytes) -> Frame | None:
    """Read the frame's header; None where something odd stands before the first scan."""
    frame: tuple[int, int, int, int] | None = None
    at, exif, profile = 2, 0, 0
    for _ in range(MAX_HEAD_PARTS):
        if len(data) < at + 10 or data[at] != 0xFF:
            return None
        marker = data[at + 1]
        if marker == SOS:
            if frame is None:
                return None
            kind, height, width, components = frame
            # A scan of some components is followed by others; only Huffman's codes need bytes for every block.
            whole = kind not in (SOF0, SOF1) or data[at + 4] < components
            return Frame(width, height, components, whole, exif, profile, at)
        if marker in FRAMES:
            frame = (
                marker,
                data[at + 5] << 8 | data[at + 6],
                data[at + 7] << 8 | data[at + 8],
                data[at + 9],
            )
        elif marker == APP1:
            exif += data[at + 2] << 8 | data[at + 3]
        elif marker == APP2:
            profile += data[at + 2] << 8 | data[at + 3]
        elif marker not in CODING and not APP0 <= marker <= APP15 and marker != COM:
            return None
        at += 2 + (data[at + 2] << 8 | data[at + 3])
    return None


def unread_kind(data: bytes) -> str | None:
    """Name a kind of JPEG that the decoder does not know; None: it is none of these, or its header is damaged."""
    at = 2
    while len(data) >= at + 5 and data[at] == 0xFF and data[at + 1] != SOS:
        marker, bits = data[at + 1], data[at + 4]
        if marker == 0xF7:
            return "a JPEG-LS"
        if marker in FRAMES:
            if marker in LOSSLESS:
                return "a lossless JPEG"
            return f"a JPEG of {bits} bits a colour" if bits > 8 else None
        at += 2 + (data[at + 2] << 8 | data[at + 3])
    return None


def check_end(data: bytes, start: int = 0, end: int | None = None) -> None:
    """Raise `ImageError` if no mark of the end stands behind the first scan's beginning in ``data[start:end]``.

    Without it the decoder makes the rest of the picture of whatever follows, such as the zeros that stand for what a copy has
    not brought.
    """
    last = len(data) if end is None else end
    if data.find(END, max(start, last - NEAR_THE_END), last) >= 0:
        return
    frame = read_frame(data) if start == 0 else None
    scan = max(data.find(b"\xff\xda", start, last), start) if frame is None else frame.head_bytes
    if data.find(END, scan, last) < 0:
        raise ImageError("truncated", "the file ends before its picture does; copy or download it again")


def check_scans(data: bytes, pixels: int) -> None:
    """Raise `ImageError` if the scans go over all of the picture, of so many pixels, too often; reads the whole file."""
    most = max(FEW_SCANS, min(MAX_SCANS, MAX_SCANNED // max(pixels, 1)))
    # Markers in comments and in what follows the picture are counted as well, but only quickly.
    if data.count(b"\xff\xda") > most and _scans(data, most) > most:
        raise ImageError("too large", f"a JPEG of {pixels / 1e6:.3g} million pixels in more than {most} scans")


def _scans(data: bytes, most: int) -> int:
    at, scans = 2, 0
    while scans <= most and at + 4 <= len(data):
        if data[at] != 0xFF:
            found = SCAN_END.search(data, at)
            if found is None:
                break
            at = found.start()
            continue
        marker = data[at + 1]
        if marker == EOI:
            break
        if marker == 0xFF:
            at += 1
            continue
        if 0xD0 <= marker <= 0xD8 or marker in (0, 1):
            at += 2
            continue
        at += 2 + (data[at + 2] << 8 | data[at + 3])
        if marker == SOS:
            scans += 1
            found = SCAN_END.search(data, at)
            if found is None:
                break
            at = found.start()
    return scans
