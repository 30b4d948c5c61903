"""Image files without metadata, which may tell of people and places: the picture stays, EXIF, GPS and comments go.

JPEG, PNG (APNG too) and WebP lose their metadata in place: the container is walked, what belongs to the picture is copied
as it stands, and nothing is decoded. What belongs to the picture is a list, everything else goes: EXIF, XMP, IPTC,
comments, text, maker notes, embedded thumbnails, further images of an MPO, and whatever follows the image's end.

What `decode` makes of the file stays the same to the bit. Where that cannot be had by copying (other formats, or a
container that departs from its format while Pillow still reads it), the picture as `decode` gives it is written as PNG:
upright, 8-bit RGB, transparency over white, the first frame only.
"""

from __future__ import annotations

import io
import re
import struct
import zlib
from collections.abc import Iterable, Iterator

from PIL import ExifTags, Image, JpegImagePlugin, PngImagePlugin

from ...core.errors import ImageError
from . import png
from .decode import Decoded, decode
from .jpeg_scan import APP0, APP1, APP15, CODING, COM, EOI, SCAN_END, SOS
from .stored import UPRIGHT
from .true_size import JPEG_SIGNATURE, PNG_SIGNATURE

# The most segments or chunks in one file: beyond any camera's, and a bound on the time a hostile file takes.
MAX_PARTS = 1 << 17

APP2, APP14 = 0xE2, 0xEE
ICC = b"ICC_PROFILE\0"
# Beginnings of the segments that may hold the orientation.
EXIF, XMP = b"Exif\0\0", b"http://ns.adobe.com/xap/1.0/\0"
# A marker, with any number of fill bytes before it.
_MARKER = re.compile(rb"\xff+([^\x00\xff])", re.DOTALL)
# A header of one grey pixel, long enough for a reader that only wants the header.
_JPEG_HEAD = b"\xff\xc0\0\x0b\x08\0\x01\0\x01\x01\x01\x11\0" + b"\xff\xda\0\x08\x01\x01\0\0\x3f\0"

PNG_BEFORE = frozenset(
    {b"IHDR", b"PLTE", b"tRNS", b"gAMA", b"cHRM", b"sRGB", b"iCCP", b"cICP", b"mDCV", b"mDCv", b"cLLI", b"cLLi"}
    | {b"sBIT", b"bKGD", b"pHYs", b"acTL", b"fcTL", b"fdAT", b"IDAT"}
)
PNG_AFTER = frozenset({b"IDAT", b"fcTL", b"fdAT"})
WEBP_BITMAPS = frozenset({b"VP8 ", b"VP8L"})
WEBP_KEPT = WEBP_BITMAPS | {b"ICCP", b"ALPH", b"ANIM", b"ANMF"}
WEBP_EXIF, WEBP_XMP = 0x08, 0x04

# Bounds for images that must be written anew as PNG to lose their metadata (all but JPEG, PNG and WebP, and some odd ones of
# those): more pixels take seconds to pack, and the PNG may be many times as large as the file was.
KEPT_PIXELS = 24_000_000
KEPT_TIMES, KEPT_LEAST, KEPT_MOST = 32, 1 << 20, 32 << 20

# The most pixels of a picture that is packed with care for the PNG's size.
PACKED_WELL = 4_000_000

Piece = bytes | memoryview


class _OddError(Exception):
    """The container departs from its format; Pillow may read it all the same."""


def strip_metadata(data: bytes) -> tuple[bytes, str]:
    """An image file as received → the file without metadata, and its media type.

    What is needed to see it right stays: orientation (as an EXIF block with that one tag), colour profile, gamma,
    palette, transparency, animation, pixel density, JPEG's colour transform. See the module for what is kept how.
    The pixels of JPEG, PNG and WebP are copied, not decoded, so damage among them goes unnoticed here.

    Raises:
        ImageError: not an image that `decode` reads, cut short or damaged.
    """
    return without_metadata(data) or (_as_png(data), "image/png")


def without_metadata(data: bytes) -> tuple[bytes, str] | None:
    """Strip metadata as `strip_metadata` does, without decoding; None where the picture has to be written anew.

    Raises:
        ImageError: it is made of too many parts.
    """
    try:
        if data.startswith(JPEG_SIGNATURE):
            return _jpeg(data), "image/jpeg"
        if data.startswith(PNG_SIGNATURE):
            return _png(data), "image/png"
        if data.startswith(b"RIFF") and data.startswith(b"WEBP", 8):
            return _webp(data), "image/webp"
    except (_OddError, struct.error):
        pass
    return None


class _FullError(Exception):
    """The packed file has more bytes than wanted."""


class _Bounded(io.BytesIO):
    """A file in memory of up to ``most`` bytes; packing ends where there would be more."""

    def __init__(self, most: int | None) -> None:
        super().__init__()
        self._most = most

    def write(self, data: bytes, /) -> int:  # type: ignore[override]  # Pillow writes nothing else
        if self._most is not None and self.tell() + len(data) > self._most:
            raise _FullError
        return super().write(data)


def rewritten(data: bytes, decoded: Decoded) -> tuple[bytes, str] | None:
    """Write the whole picture as PNG, without metadata; None where it would be too large. ``decoded`` loses its metadata."""
    if decoded.width * decoded.height > KEPT_PIXELS:
        return None
    most = min(max(KEPT_TIMES * len(data), KEPT_LEAST), KEPT_MOST)
    packed = as_png(decoded.image, most)
    return None if packed is None else (packed, "image/png")


def as_png(image: Image.Image, most: int | None = None) -> bytes | None:
    """Write a decoded picture as PNG, with its colour profile if it has still one, for RGB; None: more than ``most`` bytes.

    ``image`` loses its metadata.

    Raises:
        ImageError: there is not enough memory.
    """
    profile = image.info.get("icc_profile")
    image.info = {}  # Pillow would write some metadata unasked
    fits = isinstance(profile, bytes) and profile[16:20] == b"RGB "
    buffer = _Bounded(most)
    # Packing takes most of the time; a picture larger than a snapshot is packed faster, into a somewhat larger file.
    level = 6 if image.width * image.height <= PACKED_WELL else 1
    try:
        image.save(buffer, "PNG", icc_profile=profile if fits else None, compress_level=level)
    except _FullError:
        return None
    except MemoryError:
        raise ImageError("out of memory", "not enough memory to write it") from None
    return buffer.getvalue()


def _jpeg(data: bytes) -> bytes:
    view = memoryview(data)
    head: list[Piece] = [b"\xff\xd8"]
    kept: list[Piece] = []
    turning: list[Piece] = []
    at, scans = 2, 0
    for _ in range(MAX_PARTS):
        found = _MARKER.match(data, at)
        if found is None:
            raise _OddError
        start = found.end()
        marker = data[start - 1]
        if marker == EOI:
            if not scans:
                raise _OddError
            return b"".join([*head, *_jpeg_exif(turning), *kept, b"\xff\xd9"])
        at = start + int.from_bytes(data[start : start + 2], "big")
        if not start + 2 <= at <= len(data):
            raise _OddError
        segment = view[start - 2 : at]
        if marker in CODING:
            kept.append(segment)
        elif APP0 <= marker <= APP15 or marker == COM:
            # Readers take the header to end with the first scan, and ignore later segments.
            if not scans:
                _sort_segment(marker, segment, head, kept, turning)
        else:
            raise _OddError
        if marker == SOS:
            scans += 1
            end = SCAN_END.search(data, at)
            if end is None:
                raise _OddError  # decoding will tell whether more than the end is missing
            kept.append(view[at : end.start()])
            at = end.start()
    raise ImageError("damaged", f"more than {MAX_PARTS} segments")


def _sort_segment(marker: int, segment: memoryview, head: list[Piece], kept: list[Piece], turning: list[Piece]) -> None:
    """Sort one segment that is not about coding: keep it, keep part of it, or read the orientation from it."""
    body = bytes(segment[4:])
    if marker == APP0 and body.startswith(b"JFIF\0") and len(body) >= 14:
        head.append(b"\xff\xe0\0\x10" + body[:12] + b"\0\0")  # its thumbnail is left out
        turning.append(segment)
    elif marker == APP1 and body.startswith((EXIF, XMP)):
        turning.append(segment)
    elif marker == APP2 and body.startswith(ICC):
        kept.append(segment)
    elif marker == APP14 and body.startswith(b"Adobe") and len(body) >= 12:
        kept.append(b"\xff\xee\0\x0e" + body[:12])


def _orientation(image: Image.Image) -> int:
    """Read the orientation as `decode` does; metadata that cannot be read do not make a picture unusable."""
    try:
        number = image.getexif().get(ExifTags.Base.Orientation, 1)
    except Exception:  # as with pixels, anything may be raised
        return 1
    return number if isinstance(number, int) else 1


def _jpeg_exif(turning: list[Piece]) -> Iterator[bytes]:
    """Yield an EXIF segment with the orientation that Pillow reads from all segments together."""
    if all(piece[1] == APP0 for piece in turning):
        return
    try:
        with JpegImagePlugin.JpegImageFile(io.BytesIO(b"".join([b"\xff\xd8", *turning, _JPEG_HEAD]))) as image:
            orientation = _orientation(image)
    except Exception:
        return
    if orientation in UPRIGHT:
        body = EXIF + _tiff(orientation)
        yield b"\xff\xe1" + struct.pack(">H", 2 + len(body)) + body


def _tiff(orientation: int) -> bytes:
    """Write EXIF with nothing but the orientation."""
    return b"MM\0*\0\0\0\x08\0\x01\x01\x12\0\x03\0\0\0\x01" + struct.pack(">HHI", orientation, 0, 0)


def _png(data: bytes) -> bytes:
    view = memoryview(data)
    kept: list[Piece] = []
    turning: tuple[list[Piece], list[Piece]] = [], []
    pixels, frames, turns = False, 0, png.turning(data)
    for number, (kind, start, end) in enumerate(png.every_chunk(data)):
        if number == MAX_PARTS:
            raise ImageError("damaged", f"more than {MAX_PARTS} chunks")
        if end > len(data) or not kind.isalpha() or (kind == b"IHDR") != (not kept):
            raise _OddError
        chunk = view[start:end]
        if kind == png.END:
            if not pixels:
                raise _OddError
            return b"".join([PNG_SIGNATURE, kept[0], *_png_exif(*turning), *kept[1:], png.IEND])
        pixels = pixels or kind == b"IDAT"
        if kind in PNG_BEFORE:
            if pixels and kind not in PNG_AFTER:
                raise _OddError  # the chunk comes too late, though Pillow still reads it
            kept.append(chunk)
            if kind == b"acTL":
                if frames:
                    raise _OddError  # of a file with a second acTL, Pillow plays nothing at all
                frames = int.from_bytes(chunk[8:12], "big")
        elif start in turns:
            turning[pixels].append(chunk)
    raise _OddError


def _png_exif(before: list[Piece], after: list[Piece]) -> Iterator[bytes]:
    """Yield an EXIF chunk with the orientation that Pillow reads from the chunks before and after the pixels."""
    if not before and not after:
        return
    pixel = [_png_chunk(b"IDAT", zlib.compress(b"\0\0"))]
    head = _png_chunk(b"IHDR", struct.pack(">IIBBBBB", 1, 1, 8, 0, 0, 0, 0))
    shadow = b"".join([PNG_SIGNATURE, head, *before, *pixel, *after, _png_chunk(b"IEND", b"")])
    try:
        with PngImagePlugin.PngImageFile(io.BytesIO(shadow)) as image:
            image.load()  # Pillow reads the chunks behind the pixels together with these
            orientation = _orientation(image)
    except Exception:
        return
    if orientation in UPRIGHT:
        yield _png_chunk(b"eXIf", _tiff(orientation))


def _png_chunk(kind: bytes, body: bytes) -> bytes:
    return struct.pack(">I", len(body)) + kind + body + struct.pack(">I", zlib.crc32(kind + body))


def _webp(data: bytes) -> bytes:
    end = 8 + int.from_bytes(data[4:8], "little")
    if end > len(data):
        raise _OddError
    view = memoryview(data)[:end]
    chunks = list(_chunks(view[12:]))
    if not chunks:
        raise _OddError
    kind, body = chunks[0]
    if kind in WEBP_BITMAPS:
        return _riff([_webp_chunk(kind, body)])
    if kind != b"VP8X" or len(body) < 10:
        raise _OddError
    flags = body[0]
    kinds = [kind for kind, _ in chunks]
    if kinds.count(b"VP8 ") + kinds.count(b"VP8L") > 1 or kinds.count(b"ALPH") > 1 or kinds.count(b"VP8X") > 1:
        raise _OddError
    orientation = _webp_orientation(chunks, flags)
    turned = orientation in UPRIGHT
    flags = flags & ~(WEBP_EXIF | WEBP_XMP) | WEBP_EXIF * turned
    kept = [_webp_chunk(b"VP8X", bytes([flags]) + bytes(body[1:10]))]
    for kind, body in chunks[1:]:
        if kind == b"ANMF":
            if len(body) < 16:
                raise _OddError
            frame = [part for part in _chunks(body[16:]) if part[0] in WEBP_BITMAPS or part[0] == b"ALPH"]
            kept.append(_webp_chunk(kind, b"".join([body[:16], *(_webp_chunk(*part) for part in frame)])))
        elif kind in WEBP_KEPT:
            kept.append(_webp_chunk(kind, body))
    if turned:
        kept.append(_webp_chunk(b"EXIF", _tiff(orientation)))
    return _riff(kept)


def _chunks(view: memoryview) -> Iterator[tuple[bytes, memoryview]]:
    at = 0
    for _ in range(MAX_PARTS):
        if at == len(view):
            return
        kind, length = struct.unpack_from("<4sI", view, at)
        start, at = at + 8, at + 8 + length + length % 2
        if at > len(view):
            raise _OddError
        yield kind, view[start : start + length]
    raise ImageError("damaged", f"more than {MAX_PARTS} chunks")


def _webp_chunk(kind: bytes, body: Piece) -> bytes:
    return b"".join([kind, struct.pack("<I", len(body)), body, b"\0" * (len(body) % 2)])


def _riff(chunks: Iterable[bytes]) -> bytes:
    body = b"".join([b"WEBP", *chunks])
    return b"RIFF" + struct.pack("<I", len(body)) + body


def _webp_orientation(chunks: list[tuple[bytes, memoryview]], flags: int) -> int:
    """Read the orientation from the first chunk of each kind that the header's flags announce."""
    carrier = Image.new("L", (1, 1))
    for kind, name, flag in ((b"EXIF", "exif", WEBP_EXIF), (b"XMP ", "xmp", WEBP_XMP)):
        body = next((bytes(body) for found, body in chunks if found == kind), b"")
        if body and flags & flag:
            carrier.info[name] = body
    return _orientation(carrier) if carrier.info else 1


def _as_png(data: bytes) -> bytes:
    packed = as_png(decode(data).image)
    assert packed is not None  # without a bound on bytes there is always a file
    return packed
