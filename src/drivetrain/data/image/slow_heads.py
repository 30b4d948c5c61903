"""Headers that Pillow reads in Python, step by step: a byte, a block, a segment. A file with far more of these than any
picture is refused before, as each costs a microsecond with Python's lock held, and some are kept.

No check here takes more steps than it would let Pillow take.
"""

from __future__ import annotations

from collections.abc import Iterator

from ...core.errors import ImageError

# The most extensions before a GIF's picture, or bytes there that begin none; and the most blocks of up to 255 bytes in these.
GIF_PARTS, GIF_BLOCKS = 1 << 15, 1 << 18
# The most segments before a JPEG's picture, each of up to 64 KiB, and the most bytes between them that belong to none.
JPEG_SEGMENTS, JPEG_BYTES_BETWEEN = 1 << 13, 1 << 18
# The most bytes of a PPM's header, comments included.
PPM_HEAD_BYTES = 1 << 16

_SOI, _EOI, _RST0, _SOS, _TEM = 0xD8, 0xD9, 0xD0, 0xDA, 0x01


def check_gif(data: bytes) -> None:
    """Raise `ImageError` if too much stands before the picture."""
    blocks = 0
    for number, (_, _, count) in enumerate(gif_extensions(data)):
        blocks += count
        if blocks > GIF_BLOCKS or number >= GIF_PARTS:
            raise ImageError(
                "too large", f"a GIF with more than {GIF_PARTS} parts, or {GIF_BLOCKS} blocks before its picture"
            )


def gif_extensions(data: bytes) -> Iterator[tuple[int, int, int]]:
    """Yield (start, end, count of blocks) of each extension before the picture; of a byte that begins none, (at, at, 1)."""
    flags = data[10] if len(data) > 10 else 0
    at = 13 + (3 << (flags & 7) + 1 if flags & 128 else 0)
    while at < len(data) and data[at] not in b",;":
        if data[at] != ord("!"):
            yield at, at, 1
            at += 1
            continue
        start, count = at, 1
        at += 2
        while at < len(data) and data[at] and count <= GIF_BLOCKS:
            at, count = at + 1 + data[at], count + 1
        at += 1
        yield start, min(at, len(data)), count


def check_jpeg(data: bytes) -> None:
    """Raise `ImageError` if too much stands before the picture."""
    at, segments, between = 2, 0, 0
    while segments <= JPEG_SEGMENTS and between <= JPEG_BYTES_BETWEEN:
        found = data.find(b"\xff", at)
        found = found if found >= 0 else len(data)
        between, at = between + found - at, found
        marker = data[at + 1] if at + 3 < len(data) else _SOS
        if marker == _SOS:
            break  # the file may also be cut short, which Pillow will say
        if marker in (0, _TEM, 0xFF) or _RST0 <= marker <= _EOI:
            at += 1 if marker == 0xFF else 2
            between += 2
        else:
            at += 2 + max(2, data[at + 2] << 8 | data[at + 3])
            segments += 1
    if segments > JPEG_SEGMENTS or between > JPEG_BYTES_BETWEEN:
        raise ImageError("too large", f"a JPEG with more than {JPEG_SEGMENTS} parts, or much else, before its picture")


def check_ppm(data: bytes) -> None:
    """Raise `ImageError` if the few numbers of the header do not stand within the first bytes."""
    # Comments go to the end of their line; type, width and height, and all but bitmaps have a depth.
    head = data[: PPM_HEAD_BYTES + 1]
    words = [word for line in head.replace(b"\r", b"\n").split(b"\n") for word in line.split(b"#")[0].split()]
    if len(head) > PPM_HEAD_BYTES and len(words) < (3 if data[1:2] in b"14" else 4):
        raise ImageError("too large", f"a PPM with more than {PPM_HEAD_BYTES >> 10} KiB of comments before its picture")
