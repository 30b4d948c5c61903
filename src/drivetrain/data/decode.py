"""Bytes → upright RGB image, or a named reason why not.

The content decides the format, never the file's name. Only raster formats are tried (no PostScript, whose plugin
would start another program).
"""

from __future__ import annotations

import io
import struct
import warnings
import zlib
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any, cast

import numpy as np
from PIL import (
    AvifImagePlugin,
    BmpImagePlugin,
    GifImagePlugin,
    IcoImagePlugin,
    Image,
    ImageOps,
    Jpeg2KImagePlugin,
    JpegImagePlugin,
    PngImagePlugin,
    PpmImagePlugin,
    TgaImagePlugin,
    TiffImagePlugin,
    UnidentifiedImageError,
    WebPImagePlugin,
)

from ..core.errors import ImageError

# Imported here by hand: Pillow would otherwise load all its plugins on the first unknown file. MPO is read as JPEG.
PLUGINS = (
    JpegImagePlugin.JpegImageFile,
    PngImagePlugin.PngImageFile,
    WebPImagePlugin.WebPImageFile,
    AvifImagePlugin.AvifImageFile,
    GifImagePlugin.GifImageFile,
    BmpImagePlugin.BmpImageFile,
    BmpImagePlugin.DibImageFile,
    TiffImagePlugin.TiffImageFile,
    PpmImagePlugin.PpmImageFile,
    IcoImagePlugin.IcoImageFile,
    Jpeg2KImagePlugin.Jpeg2KImageFile,
    TgaImagePlugin.TgaImageFile,
)
FORMATS = tuple(plugin.format for plugin in PLUGINS if plugin.format in Image.OPEN)
EXTENSIONS = frozenset(
    {
        ".jpg",
        ".jpeg",
        ".jpe",
        ".jfif",
        ".mpo",
        ".png",
        ".apng",
        ".webp",
        ".avif",
        ".avifs",
        ".gif",
        ".bmp",
        ".dib",
        ".tif",
        ".tiff",
        ".ppm",
        ".pgm",
        ".pbm",
        ".pnm",
        ".ico",
        ".jp2",
        ".j2k",
        ".tga",
    }
)

# Pillow's own warning threshold (a quarter GiB of RGB): above it an image is refused before its pixels are decoded.
MAX_PIXELS = 89_478_485
MAX_BYTES = 512 << 20

# What Pillow warns of (a size above the bound, odd EXIF) either becomes an error below or does no harm.
warnings.filterwarnings("ignore", category=Image.DecompressionBombWarning)
warnings.filterwarnings("ignore", category=UserWarning, module=r"PIL\.")

DecodeSize = Callable[[int, int], tuple[int, int] | None]


@dataclass(frozen=True)
class Decoded:
    """An upright RGB image and what the file said of itself.

    ``width`` and ``height`` are the upright size as stored; ``image`` is 1/``reduced`` of that.
    """

    image: Image.Image
    width: int
    height: int
    format: str
    mode: str
    reduced: int


def decode(data: bytes, decode_size: DecodeSize | None = None) -> Decoded:
    """Decode an image file; the first frame of an animation.

    ``decode_size(width, height)`` gives the smallest size a JPEG may be decoded at, or None for full size.

    Raises:
        ImageError: empty, not an image, truncated, damaged or too large.
    """
    if not data:
        raise ImageError("empty", "the file has no bytes")
    if len(data) > MAX_BYTES:
        raise ImageError("too large", f"{len(data) >> 20} MiB; at most {MAX_BYTES >> 20} MiB")
    try:
        with Image.open(io.BytesIO(data), formats=FORMATS) as image:
            width, height = image.size
            if width * height > MAX_PIXELS:
                raise ImageError("too large", f"{width}×{height} pixels; at most {MAX_PIXELS / 1e6:.0f} million")
            if width == 0 or height == 0:
                raise ImageError("damaged", f"the image is {width}×{height} pixels")
            kind, mode = image.format or "", image.mode
            reduced = _reduce(image, decode_size)
            image.load()
            upright = ImageOps.exif_transpose(image)
            turned = (upright.size[0] > upright.size[1]) != (image.size[0] > image.size[1])
            rgb = to_rgb(upright)
    except ImageError:
        raise
    except UnidentifiedImageError:
        raise ImageError("not an image", _starts_with(data)) from None
    except Image.DecompressionBombError:
        raise ImageError("too large", f"the header announces more than {MAX_PIXELS / 1e6:.0f} million pixels") from None
    except MemoryError:
        raise ImageError("too large", "not enough memory to decode it") from None
    except (OSError, ValueError, SyntaxError, EOFError, IndexError, KeyError, TypeError) as error:
        raise _damaged(error) from None
    except (AttributeError, OverflowError, RuntimeError, NotImplementedError, AssertionError) as error:
        raise _damaged(error) from None
    except (struct.error, zlib.error, Image.DecompressionBombWarning) as error:
        raise _damaged(error) from None
    return Decoded(rgb, height if turned else width, width if turned else height, kind, mode, reduced)


def _reduce(image: Image.Image, decode_size: DecodeSize | None) -> int:
    """Ask the JPEG decoder for a smaller DCT scale where the caller allows it; returns the factor."""
    if decode_size is None or not isinstance(image, JpegImagePlugin.JpegImageFile):
        return 1
    smallest = decode_size(*image.size)
    if smallest is None:
        return 1
    full = image.size[0]
    image.draft(None, smallest)
    return max(1, round(full / image.size[0]))


def to_rgb(image: Image.Image) -> Image.Image:
    """Any of Pillow's modes → RGB of 8 bits.

    Transparency is laid over white. 16-bit grey is divided by 257 (full scale to full scale, so that two files stay
    comparable); floating-point grey in 0–1 is scaled by 255, in 0–255 kept, anything else stretched to its own range.
    """
    if image.mode == "RGB":
        return image
    if image.mode.startswith("I") or image.mode == "F":
        return Image.fromarray(_grey_levels(np.asarray(image), image.mode)).convert("RGB")
    if image.has_transparency_data:
        rgba = image.convert("RGBA")
        white = Image.new("RGBA", rgba.size, (255, 255, 255, 255))
        return Image.alpha_composite(white, rgba).convert("RGB")
    return image.convert("RGB")


def _grey_levels(values: np.ndarray[Any, Any], mode: str) -> np.ndarray[Any, np.dtype[np.uint8]]:
    grey = values.astype(np.float64)
    if not np.isfinite(grey).all():
        raise ImageError("damaged", "the pixels contain NaN or infinity")
    low, high = float(grey.min()), float(grey.max())
    if mode != "F" and low >= 0 and high <= 65535:
        grey = grey / 257
    elif mode == "F" and low >= 0 and high <= 1:
        grey = grey * 255
    elif not (low >= 0 and high <= 255):
        grey = (grey - low) * (255 / (high - low) if high > low else 0)
    return cast("np.ndarray[Any, np.dtype[np.uint8]]", np.rint(grey).astype(np.uint8))


def _damaged(error: Exception) -> ImageError:
    text = " ".join(str(error).split()) or type(error).__name__
    truncated = "truncated" in text.lower() or isinstance(error, EOFError)
    return ImageError("truncated" if truncated else "damaged", text)


def _starts_with(data: bytes) -> str:
    head = data[:12]
    shown = head.decode("ascii") if head.isascii() and head.decode("ascii").isprintable() else head.hex(" ")
    return f"no known image format; the file starts with “{shown}”"
