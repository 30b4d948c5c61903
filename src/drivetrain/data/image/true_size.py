"""The cost of decoding an image file, from its headers alone: the size its decoder really allocates, and the memory.

A file may say one size where it is looked at first and another where its decoder looks: a second header, a container that
claims less than the frame inside, a tile larger than the picture. What counts is what the decoder believes. Nothing here
decodes a pixel, and nothing takes much more memory than the file.

Bytes per pixel count everything that is held at once on the way to an upright RGB image: the decoder's own buffers, the
picture as stored, turned upright, and as RGB.
"""

from __future__ import annotations

import io
import struct
from dataclasses import dataclass, replace

from PIL import (
    BmpImagePlugin,
    GifImagePlugin,
    Image,
    ImageFile,
    JpegImagePlugin,
    PpmImagePlugin,
    TgaImagePlugin,
    TiffImagePlugin,
)

from ...core.errors import ImageError
from ...core.memory import shown_size
from . import avif, containers, jpeg2000, png, slow_heads, tiff, tiff_tags, webp
from .colour import MAX_PROFILE, WORK_TIMES
from .deep import is_binary_ppm
from .heif import announced, is_heif
from .jpeg_scan import Frame, read_frame

# Pillow's own warning threshold (a quarter GiB of RGB): above it an image is refused before its pixels are decoded.
MAX_PIXELS = 89_478_485
# libjpeg's limit. Beyond it a resize keeps an intermediate image of gigabytes, and Pillow's float32 boxes lose pixels.
MAX_SIDE = 65_500
# The most memory on the way, as a picture may be built to take more than any other of as many pixels needs.
MAX_MEMORY = 4 << 30
# The most pixels in forms that Python decodes pixel by pixel (run-length BMP, text PPM, PPM of odd depth): seconds a megapixel.
SLOW_PIXELS = 4_000_000
SLOW_BYTES = 16 << 20

JPEG_SIGNATURE = b"\xff\xd8\xff"
PNG_SIGNATURE = b"\x89PNG\r\n\x1a\n"
ICO_SIGNATURE = b"\0\0\1\0"
# A mark in the header of any colour profile.
PROFILE = b"acsp"

# Formats whose Pillow plugins read no more than the header until they are asked for pixels.
LAZY = (
    GifImagePlugin.GifImageFile,
    BmpImagePlugin.BmpImageFile,
    BmpImagePlugin.DibImageFile,
    TiffImagePlugin.TiffImageFile,
    PpmImagePlugin.PpmImageFile,
    TgaImagePlugin.TgaImageFile,
)

HEAD_CHECKS = {
    GifImagePlugin.GifImageFile: slow_heads.check_gif,
    PpmImagePlugin.PpmImageFile: slow_heads.check_ppm,
    TiffImagePlugin.TiffImageFile: tiff_tags.check,
}

# Bytes of a pixel as Pillow stores it; 4 in all other modes.
STORED = {"1": 1, "L": 1, "P": 1, "I;16": 2, "I;16L": 2, "I;16B": 2, "I;16N": 2}
RGB_BYTES = 4
# Grey of 16 bits, or of 32 and floating point, goes through NumPy: copies of 2, or of 4 and 8 bytes.
GREY_16_BYTES, GREY_32_BYTES = 4, 16
# 16 bits a channel: the upper and the lower bytes, both together, levels, and the picture as RGB.
DEEP_BYTES = 48
# The animation decoder's two canvases, its frame's pixels, its answer as bytes, and the picture.
WEBP_BYTES = 20
# Four copies, as RGB or with transparency: the library's, Python's, the picture, and the picture as RGB.
AVIF_BYTES = 16
# The decoder's samples, and the same as bytes.
JPEG2000_SAMPLE_BYTES = 6
# The values and levels of one of more than 8 bits.
JPEG2000_DEEP_BYTES = 10
ICON_BYTES = 14
SLOW_PIXEL_BYTES = 16

# A camera's EXIF fits into one segment of 64 KiB; Pillow joins as many as there are, and reads it all on opening.
MAX_EXIF = 2 << 20

# Bytes before a JPEG's picture that count as memory: those of a photo are in what any picture takes.
MUCH_BESIDE = 1 << 20

# The most chunks of a PNG or WebP: each is read in turn, and some are kept. Encoders write pixels in pieces of 8 KiB and more.
MAX_CHUNKS = 1 << 17
# The most pictures in an icon: a dozen sizes, each in a few depths.
MAX_ICONS = 256

# Memory that any picture takes: decoders' tables, and per pixel of its longer side, buffers of the resize.
FIXED_BYTES, SIDE_BYTES = 4 << 20, 2048
# Memory of the Python objects made of a list of numbers in EXIF or TIFF, per byte in the file.
TAG_BYTES = 40
# A text that is not Latin takes four bytes a character, and a copy.
PNG_TEXT_COPIES = 6


@dataclass(frozen=True, slots=True)
class TrueSize:
    """The largest picture a decoder makes of a file, and the memory that takes."""

    width: int
    height: int
    pixel_bytes: float = 2 * RGB_BYTES
    """Bytes per pixel of the picture that is made."""
    whole_bytes: float = 0.0
    """Bytes per pixel of the picture as stored, at whatever scale it is decoded."""
    fixed_bytes: int = 0
    slow: bool = False
    """Tells whether Python decodes the picture pixel by pixel."""

    def bytes(self, reduced: int = 1) -> int:
        """The bytes held at once while the picture is made, at 1/``reduced`` of its size."""
        pixels, longest = self.width * self.height, max(self.width, self.height)
        scaled = self.pixel_bytes * pixels / reduced**2 + SIDE_BYTES * longest / reduced
        return round(scaled + self.whole_bytes * pixels) + self.fixed_bytes + FIXED_BYTES

    def check(self, max_pixels: int = MAX_PIXELS) -> None:
        """Raise `ImageError` if the picture is larger than may be decoded."""
        check_size(self.width, self.height, max_pixels)
        if self.bytes() > MAX_MEMORY:
            raise ImageError(
                "too large",
                f"{self.width}×{self.height} pixels that take {shown_size(self.bytes())} of memory to decode",
            )
        if self.slow and self.width * self.height > SLOW_PIXELS:
            raise ImageError(
                "too large",
                f"{self.width}×{self.height} pixels in a form that is slow to decode (run lengths, text or odd depth); at "
                f"most {SLOW_PIXELS / 1e6:.0f} million: save it as PNG",
            )


def check_size(width: int, height: int, max_pixels: int = MAX_PIXELS) -> None:
    """Raise `ImageError` if a picture of that size may not be decoded."""
    if width * height > max_pixels or max(width, height) > MAX_SIDE:
        raise ImageError(
            "too large", f"{width}×{height} pixels; at most {max_pixels / 1e6:.3g} million, and {MAX_SIDE} a side"
        )
    if width <= 0 or height <= 0:
        raise ImageError("damaged", f"the image is {width}×{height} pixels")


def true_size(data: bytes) -> TrueSize | None:
    """Read from a file's headers what decoding it takes; None: it has none that can be read.

    Raises:
        ImageError: what the headers say is no usable picture, whatever the limits.
    """
    if data.startswith(JPEG_SIGNATURE):
        return _jpeg(data)
    if data.startswith(PNG_SIGNATURE):
        return _png(data, 0)
    size = _of_container(data)
    if size is None or PROFILE not in data:
        return size
    return replace(size, fixed_bytes=size.fixed_bytes + WORK_TIMES * min(len(data), MAX_PROFILE))


def _of_container(data: bytes) -> TrueSize | None:
    if data.startswith(b"RIFF") and data.startswith(b"WEBP", 8):
        return _webp(data)
    if data.startswith(ICO_SIGNATURE):
        return _icon(data)
    if data.startswith((jpeg2000.SIGNATURE, jpeg2000.CODE_STREAM)):
        return _jpeg2000(data)
    if is_heif(data):
        heif = announced(data)
        return TrueSize(heif.width, heif.height, heif.pixel_bytes, fixed_bytes=heif.bytes)
    if data.startswith(b"ftyp", 4) and data[8:12] in (b"avif", b"avis", b"mif1", b"msf1"):
        found = avif.announced(data)
        return TrueSize(found.width, found.height, AVIF_BYTES, fixed_bytes=found.bytes + TAG_BYTES * _exif(data))
    if tiff.is_tiff(data):
        return _tiff(data)
    return _lazy(data)


def _tiff(data: bytes) -> TrueSize | None:
    """Read a TIFF's size from its tags; where Pillow reads it, as Pillow does, too."""
    layout = tiff.read_layout(data)
    shown = tiff.for_pillow(data, layout)
    tiff_tags.check(shown)
    # A file that Pillow is not to see as it is, is copied.
    fixed = TAG_BYTES * tiff_tags.number_bytes(shown) + (0 if shown is data else 2 * len(data))
    sizes = []
    if tiff.can_read_values(layout):
        pixel_bytes, batch = tiff.values_bytes(layout)
        sizes.append(TrueSize(layout.width, layout.length, pixel_bytes, fixed_bytes=fixed + batch))
    else:
        tiff.reader_of(layout)  # says why, where nobody reads it
    if tiff.reader_of(layout, before=True) == "Pillow":
        found = _lazily(TiffImagePlugin.TiffImageFile, shown)
        if found is not None:
            sizes.append(replace(found, fixed_bytes=found.fixed_bytes + fixed))
    return max(sizes, key=TrueSize.bytes, default=None)


def _jpeg(data: bytes) -> TrueSize | None:
    frame = read_frame(data)
    if frame is None:
        slow_heads.check_jpeg(data)
        return _lazily(JpegImagePlugin.JpegImageFile, containers.mended(data))
    if frame.exif_bytes > MAX_EXIF:
        raise ImageError("too large", f"{frame.exif_bytes >> 20} MiB of EXIF; at most {MAX_EXIF >> 20}")
    # Pillow keeps what stands before the picture, if that is much.
    beside = frame.head_bytes if frame.head_bytes > MUCH_BESIDE else 0
    return _of_frame(frame, beside + (len(data) if containers.is_odd(data) else 0))


def _of_frame(frame: Frame, beside: int) -> TrueSize:
    return TrueSize(
        frame.width,
        frame.height,
        _held(1 if frame.components == 1 else RGB_BYTES, is_rgb=frame.components == 3),
        # The decoder keeps the coefficients of all the picture, two bytes each.
        2.0 * frame.components if frame.scanned_whole else 0.0,
        TAG_BYTES * frame.exif_bytes + WORK_TIMES * min(frame.profile_bytes, MAX_PROFILE) + beside,
    )


def _held(stored: int, *, is_rgb: bool = False) -> int:
    """Bytes a pixel of three copies: as stored, turned upright, and as RGB; a picture stored as RGB needs no third."""
    return 2 * RGB_BYTES if is_rgb else 2 * stored + RGB_BYTES


def _png(data: bytes, start: int, most_chunks: int = MAX_CHUNKS) -> TrueSize | None:
    """Read a PNG's chunks as Pillow does: of several headers before the pixels, the last counts."""
    widest, stored, opaque, deep = None, 0, True, False
    texts = exif = profile = 0
    for number, (kind, at, end) in enumerate(png.every_chunk(data, start)):
        if number == most_chunks:
            raise ImageError("too large", f"a PNG of more than {most_chunks} chunks")
        length = end - at - 12
        if kind == b"IHDR" and len(data) >= at + 18:
            width, height, depth, colour = struct.unpack_from(">IIBB", data, at + 8)
            if widest is None or width * height > widest[0] * widest[1]:
                widest = width, height
            stored = max(stored, RGB_BYTES if colour not in (0, 3) else 2 if depth == 16 else 1)
            deep = deep or depth == 16
            opaque = opaque and colour == 2
        elif kind == b"tRNS":
            opaque = False
        elif kind in png.TEXTS:
            # deflate makes up to about a thousand bytes of one.
            texts += min(length * 1032, png.MAX_TURNING)
        elif kind == b"eXIf":
            exif += min(length, png.MAX_TURNING)
        elif kind == png.PROFILE:
            profile = 2 * png.MAX_PROFILE
        elif kind == png.END:
            break
    if widest is None:
        return None
    most = png.MOST_TURNING * png.MAX_TURNING
    # The file may be copied without what the picture does not need.
    fixed = PNG_TEXT_COPIES * min(texts, most) + TAG_BYTES * min(exif, most) + profile + len(data) - start
    return TrueSize(*widest, DEEP_BYTES if deep else _held(stored, is_rgb=opaque), fixed_bytes=fixed)


def _webp(data: bytes) -> TrueSize | None:
    webp.check_chunks(data, MAX_CHUNKS)
    size = webp.canvas(data)
    return size and TrueSize(*size, WEBP_BYTES, fixed_bytes=2 * len(data) + TAG_BYTES * _exif(data))


def _exif(data: bytes) -> int:
    """Bound the bytes of EXIF: small files have little whatever they say."""
    return min(len(data), 1 << 20) if b"Exif" in data or b"EXIF" in data else 0


def _icon(data: bytes) -> TrueSize | None:
    """Find the largest picture in an icon: Pillow decodes one as soon as it opens the file."""
    found: list[TrueSize] = []
    # The count may announce more entries than the file has room for.
    count = min(int.from_bytes(data[4:6], "little"), (len(data) - 6) // 16)
    if count > MAX_ICONS:
        raise ImageError("too large", f"an icon of {count} pictures; at most {MAX_ICONS}")
    for entry in range(count):
        start = int.from_bytes(data[18 + 16 * entry : 22 + 16 * entry], "little")
        header = data[start : start + 24]
        if len(header) < 24:
            continue
        if header.startswith(PNG_SIGNATURE):
            inner = _png(data, start, MAX_CHUNKS // count)
            if inner is not None:
                found.append(inner)
            continue
        # A BMP without its file header; 12 bytes is the oldest form of what is left; a mask doubles the height.
        width, height = struct.unpack("<4x2H16x" if header[0] == 12 else "<4x2i12x", header)
        packed = header[0] != 12 and int.from_bytes(header[16:20], "little") in (1, 2)
        found.append(TrueSize(abs(width), abs(height // 2), slow=packed))
    if not found:
        return None
    largest = max(found, key=lambda size: size.width * size.height)
    slow = next((size for size in found if size.slow and size.width * size.height > SLOW_PIXELS), largest)
    return TrueSize(
        slow.width,
        slow.height,
        ICON_BYTES + 2 * RGB_BYTES + largest.pixel_bytes,
        fixed_bytes=max(size.fixed_bytes for size in found),
        slow=slow.slow,
    )


def _jpeg2000(data: bytes) -> TrueSize | None:
    found = jpeg2000.announced(data)
    if found is None:
        return None
    if found.components > 4:
        raise ImageError("damaged", f"a JPEG 2000 of {found.components} components; at most 4 can be read")
    return TrueSize(
        found.width,
        found.height,
        (JPEG2000_SAMPLE_BYTES + JPEG2000_DEEP_BYTES * (found.bits > 8)) * found.components + 2 * RGB_BYTES,
        fixed_bytes=found.bytes + (len(data) if containers.is_odd(data) else 0),
    )


def _lazy(data: bytes) -> TrueSize | None:
    for factory in LAZY:
        accept = Image.OPEN[factory.format][1] if factory.format in Image.OPEN else None
        try:
            if accept is not None and accept(data[:16]) is not True:
                continue
            if factory in HEAD_CHECKS:
                HEAD_CHECKS[factory](data)
            found = _lazily(factory, containers.mended(data))
        except ImageError:
            raise
        except Exception:  # on bad bytes Pillow's plugins raise whatever their parsing stumbles over
            continue
        if found is not None:
            return replace(found, fixed_bytes=found.fixed_bytes + (len(data) if containers.is_odd(data) else 0))
    return None


def _lazily(factory: type[ImageFile.ImageFile], data: bytes) -> TrueSize | None:
    """Read the size from what a Pillow plugin reads before it is asked for pixels."""
    try:
        with factory(io.BytesIO(data), "") as image:
            return _of_opened(image, data)
    except ImageError:
        raise
    except MemoryError:
        raise
    except Exception:
        return None


def _of_opened(image: ImageFile.ImageFile, data: bytes) -> TrueSize:
    width, height = image.size
    stored = STORED.get(image.mode, RGB_BYTES)
    pixel_bytes: float = _held(stored, is_rgb=image.mode == "RGB" and "transparency" not in image.info)
    if image.mode.startswith("I;16"):
        pixel_bytes += GREY_16_BYTES
    elif image.mode in ("I", "F"):
        pixel_bytes += GREY_32_BYTES
    fixed = 0
    if isinstance(image, TiffImagePlugin.TiffImageFile):
        fixed = tiff_tags.buffer_bytes(image)
    if is_binary_ppm(image):
        return TrueSize(width, height, DEEP_BYTES)
    slow = any(tile[0] in Image.DECODERS for tile in image.tile)
    if slow and len(data) > SLOW_BYTES:
        raise ImageError(
            "too large",
            f"{len(data) >> 20} MiB in a form that is slow to decode (run lengths, text or odd depth); at most "
            f"{SLOW_BYTES >> 20}: save it as PNG",
        )
    if isinstance(image, JpegImagePlugin.JpegImageFile):
        # The header is odd, so the worst is assumed.
        return TrueSize(width, height, pixel_bytes, 8.0)
    return TrueSize(width, height, pixel_bytes + (SLOW_PIXEL_BYTES if slow else 0), fixed_bytes=fixed, slow=slow)
