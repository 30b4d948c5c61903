"""A PNG reduced to what its picture needs, without texts, animations, private chunks, and what is damaged beside the pixels.

Pillow refuses a picture for a text that unpacks to more than a megabyte, for a wrong checksum of a comment, or for a comment that
is cut short behind the pixels. None of these is needed, so that Pillow never sees them. What is needed, and the checksums of
that, stay; and a PNG without any of this is not copied.
"""

from __future__ import annotations

import struct
import zlib
from collections.abc import Iterator
from dataclasses import dataclass
from typing import NamedTuple

from ...core.errors import ImageError

SIGNATURE = b"\x89PNG\r\n\x1a\n"
END = b"IEND"
IEND = b"\0\0\0\0IEND\xaeB`\x82"

# Chunks that are part of the picture: their damage is the picture's.
PICTURE = frozenset({b"IHDR", b"PLTE", b"tRNS", b"IDAT"})
# Chunks that say how its colours are meant, with the number of bytes that each has; left out where they are damaged.
COLOUR_BYTES = {b"gAMA": 4, b"cHRM": 32, b"sRGB": 1, b"cICP": 4}
PROFILE = b"iCCP"
# The first chunk of what Xcode makes of the PNGs in an app.
APPLES = b"CgBI"
# Texts of which a part may say how the picture is turned.
TURNING_TEXTS = (b"Raw profile type exif\0", b"XML:com.adobe.xmp\0")
TEXTS = frozenset({b"tEXt", b"zTXt", b"iTXt"})
# The chunks of a plain file, which needs no copy: these do no harm.
HARMLESS = frozenset({b"pHYs", b"bKGD", b"sBIT", b"tIME", b"hIST"})
HARMLESS_BYTES = {b"pHYs": 9, b"tIME": 7}

# The most bytes of metadata in which an orientation is looked for: EXIF of a camera with its small preview has some 30 KiB.
MAX_TURNING = 1 << 18
# The most chunks that are looked at for it.
MOST_TURNING = 8
# The most bytes of a colour profile: those of presses have up to 3 MiB.
MAX_PROFILE = 4 << 20
# Pillow unpacks no more of a profile than this.
PILLOW_PROFILE = 1 << 20

UNUSABLE = b"unusable"
"""In the place of a profile that is there and cannot be unpacked."""


@dataclass(frozen=True, slots=True)
class Cleaned:
    """The file with what its picture needs, and its colour profile where Pillow is not to unpack it."""

    data: bytes
    profile: bytes | None = None


class Chunk(NamedTuple):
    """A chunk as it lies in a file: ``end`` is that of its checksum."""

    kind: bytes
    start: int
    end: int

    def body(self, data: bytes) -> memoryview:
        """The bytes between head and checksum."""
        return memoryview(data)[self.start + 8 : self.end - 4]

    def is_whole(self, data: bytes) -> bool:
        """Tell whether the checksum fits."""
        if self.end > len(data):
            return False
        return zlib.crc32(memoryview(data)[self.start + 4 : self.end - 4]) == int.from_bytes(
            data[self.end - 4 : self.end], "big"
        )


def cleaned(data: bytes) -> Cleaned:
    """Leave out of a PNG what its picture does not need; ``data`` itself where nothing is to be left out.

    Raises:
        ImageError: it is Apple's variant of PNG, whose pixels are stored in another way.
    """
    if data.startswith(APPLES, len(SIGNATURE) + 4):
        raise ImageError(
            "not an image", "a PNG of an iPhone app (Apple's CgBI), which cannot be read here; save it as PNG"
        )
    kept: list[Chunk] = []
    profile: bytes | None = None
    plain, after, profiles, turns = True, False, 0, turning(data)
    for chunk in chunks(data):
        if chunk.kind == PROFILE:
            profiles += 1
            unpacked = None if profiles > 1 or after else _profile(chunk, data)
            keep = unpacked is not None and len(unpacked) <= PILLOW_PROFILE
            if not keep and profiles == 1:
                profile = unpacked or UNUSABLE
        else:
            keep = chunk.start in turns or _is_needed(chunk, data, after=after)
        # A few chunks that do no harm are worth no copy, but are left out of one.
        plain = plain and (keep or _is_harmless(chunk, data, after=after))
        if keep:
            kept.append(chunk)
        after = after or chunk.kind == b"IDAT"
    if plain:
        return Cleaned(data)
    return Cleaned(b"".join([SIGNATURE, *_joined(kept, data), IEND]), profile)


def chunks(data: bytes) -> Iterator[Chunk]:
    """Yield the chunks up to the end of the picture or of what can be read; the last may be cut short."""
    for chunk in every_chunk(data):
        if chunk.kind == END or not chunk.kind.isalnum():
            return
        yield chunk


def every_chunk(data: bytes, start: int = 0) -> Iterator[Chunk]:
    """Yield all chunks there may be of a PNG that begins at ``start``, whatever they are called; the last may be cut short."""
    at = start + len(SIGNATURE)
    while at + 8 <= len(data):
        length, kind = struct.unpack_from(">I4s", data, at)
        yield Chunk(kind, at, at + 12 + length)
        at += 12 + length


def turning(data: bytes) -> frozenset[int]:
    """Find the first chunks that may say how the picture is turned, by their start: whole ones that unpack to little."""
    found: list[int] = []
    for chunk in chunks(data):
        carries = chunk.kind == b"eXIf" or (chunk.kind in TEXTS and data.startswith(TURNING_TEXTS, chunk.start + 8))
        if carries and _is_usable(chunk, data):
            found.append(chunk.start)
            if len(found) == MOST_TURNING:
                break
    return frozenset(found)


def _is_usable(chunk: Chunk, data: bytes) -> bool:
    body = chunk.body(data)
    if len(body) > MAX_TURNING or not chunk.is_whole(data):
        return False
    if chunk.kind in (b"eXIf", b"tEXt"):
        return True
    keyword_end = bytes(body[:80]).find(b"\0")
    rest = bytes(body[keyword_end + 1 :])
    if chunk.kind == b"iTXt":
        if rest[:1] != b"\x01":
            return True
        # Compressed: method, language and the keyword's translation stand before the text.
        parts = rest[2:].split(b"\0", 2)
        return rest[1:2] == b"\0" and len(parts) == 3 and _unpacked(parts[2], MAX_TURNING) is not None
    return rest[:1] == b"\0" and _unpacked(rest[1:], MAX_TURNING) is not None


def _is_needed(chunk: Chunk, data: bytes, *, after: bool) -> bool:
    if chunk.kind in PICTURE:
        return not after or chunk.kind == b"IDAT"
    if chunk.kind[:1].isupper():
        return not after  # a critical chunk that nobody knows: Pillow says what it thinks of it
    if chunk.kind in COLOUR_BYTES:
        return not after and chunk.end - chunk.start == 12 + COLOUR_BYTES[chunk.kind] and chunk.is_whole(data)
    return False


def _is_harmless(chunk: Chunk, data: bytes, *, after: bool) -> bool:
    """Tell whether Pillow may as well read a chunk that is not needed."""
    length = chunk.end - chunk.start - 12
    if after or length > MAX_TURNING or not chunk.is_whole(data):
        return False
    return chunk.kind == b"tEXt" or (chunk.kind in HARMLESS and length >= HARMLESS_BYTES.get(chunk.kind, 0))


def _joined(kept: list[Chunk], data: bytes) -> Iterator[memoryview]:
    """Yield the bytes of chunks, those that lie one behind another as one piece."""
    view = memoryview(data)
    start = end = 0
    for chunk in kept:
        if chunk.start != end:
            yield view[start:end]
            start = chunk.start
        end = min(chunk.end, len(data))
    yield view[start:end]


def _profile(chunk: Chunk, data: bytes) -> bytes | None:
    """Unpack a colour profile; None where it is damaged, or larger than any."""
    if not chunk.is_whole(data):
        return None
    body = chunk.body(data)
    name_end = bytes(body[:80]).find(b"\0")
    if name_end < 0 or bytes(body[name_end + 1 : name_end + 2]) != b"\0":
        return None
    return _unpacked(body[name_end + 2 :], MAX_PROFILE) or None


def _unpacked(packed: bytes | memoryview, most: int) -> bytes | None:
    """Unpack deflated bytes; None where they are damaged, or more than ``most``."""
    unpacker = zlib.decompressobj()
    try:
        unpacked = unpacker.decompress(packed, most)
    except zlib.error:
        return None
    return None if unpacker.unconsumed_tail or not unpacker.eof else unpacked
