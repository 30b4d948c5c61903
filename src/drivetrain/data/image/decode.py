"""Decoding: bytes → upright RGB image, or a named reason why not.

The content decides the format, never the file's name. Only raster formats are tried (no PostScript, whose plugin
would start another program).
"""

from __future__ import annotations

import ctypes
import io
import logging
import warnings
from collections.abc import Callable
from contextlib import suppress
from dataclasses import dataclass

import numpy as np
from PIL import (
    AvifImagePlugin,
    BmpImagePlugin,
    GifImagePlugin,
    IcoImagePlugin,
    Image,
    Jpeg2KImagePlugin,
    JpegImagePlugin,
    PngImagePlugin,
    PpmImagePlugin,
    TgaImagePlugin,
    TiffImagePlugin,
    UnidentifiedImageError,
    WebPImagePlugin,
)

from ...core.errors import ImageError
from ...core.reference import MAX_BYTES
from ..sources.foreign_files import TEXT, WEB_PAGE, foreign_file, raw_photo
from .containers import mended
from .deep import is_binary_ppm, is_deep, read_deep, read_shallow_ppm
from .heif import is_heif
from .heif_reader import read_heif
from .jpeg2000 import profile_of
from .jpeg_scan import check_end, check_scans, unread_kind
from .png import cleaned
from .png_pixels import check_pixels
from .render import AS_STORED, SRGB, Render, Rendered
from .rgb import rendered
from .stored import SIDEWAYS, UPRIGHT, Stored, orientation_of
from .tiff import can_read_values, check_pieces, for_pillow, is_tiff, read_layout, read_values, reader_of
from .true_size import JPEG_SIGNATURE, MAX_PIXELS, PNG_SIGNATURE, TrueSize, check_size, true_size

DecodeSize = Callable[[int, int], tuple[int, int] | None]

# The plugins are imported by hand: Pillow would otherwise load all it has on the first unknown file. MPO is read as JPEG.
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
        ".heic",
        ".heif",
        ".hif",
        ".heics",
        ".heifs",
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

# Fractions (1/8, 1/4, 1/2) at which the JPEG decoder can give a picture, the smallest first.
DCT_FACTORS = (8, 4, 2)

# (offset, bytes there, format): files that begin like this are damaged if Pillow rejects them, not something else.
SIGNATURES = (
    (0, b"\xff\xd8\xff", "JPEG"),
    (0, PNG_SIGNATURE, "PNG"),
    (0, b"GIF8", "GIF"),
    (0, b"II*\0", "TIFF"),
    (0, b"MM\0*", "TIFF"),
    (0, b"\0\0\0\x0cjP  ", "JPEG 2000"),
    (8, b"WEBP", "WEBP"),
    (4, b"ftypavif", "AVIF"),
    (4, b"ftypmif1", "HEIF"),
)
# Kinds of files for which showing the first bytes tells a reader more.
BEGINNING_SAYS_MORE = frozenset({"no known image format", WEB_PAGE, TEXT})

# Pillow's warnings (a size above the bound, odd EXIF) either become errors below or do no harm.
warnings.filterwarnings("ignore", category=Image.DecompressionBombWarning)
warnings.filterwarnings("ignore", category=UserWarning, module=r"PIL\.")
# A handler that does nothing keeps Pillow's log on a damaged TIFF out of the middle of a progress bar.
logging.getLogger("PIL").addHandler(logging.NullHandler())
# libtiff itself writes to stderr about a “tempfile.tif” that nobody has, and is silenced; where it is linked so that its
# symbols are out of reach, its lines stay.
with suppress(AttributeError, OSError):
    ctypes.CDLL(Image.core.__file__).TIFFSetErrorHandler(None)  # type: ignore[attr-defined]  # core is not in __all__

# A part of Pillow's words for programmers → what is wrong with the file.
PLAIN_WORDS = {
    "codec can't decode": "a name in it is no text",
    "decoder error": "it begins well, but its picture cannot be decoded",  # Pillow has a number only
    "MAX_TEXT": "the texts in its metadata unpack to more than a picture needs; save it again without them",
    "data stream": "its compressed picture is damaged; copy or download it again",
    "broken PNG file": "one of its parts is damaged (it does not fit its checksum); copy or download it again",
}


@dataclass(frozen=True)
class Decoded:
    """An upright RGB image and what the file said of itself.

    ``width`` and ``height`` are the upright size as stored; ``image`` is 1/``reduced`` of that. ``rendered`` says how its values
    and colours became 8-bit sRGB.
    """

    image: Image.Image
    width: int
    height: int
    format: str
    mode: str
    reduced: int
    rendered: Rendered = AS_STORED


def decode(
    data: bytes,
    decode_size: DecodeSize | None = None,
    *,
    render: Render = SRGB,
    max_pixels: int = MAX_PIXELS,
) -> Decoded:
    """Decode an image file; the first frame of an animation.

    ``render`` says how values of more than 8 bits, and colours of other spaces than sRGB, become 8-bit RGB.

    ``decode_size(width, height)`` gives the smallest size a JPEG may be decoded at, or None for full size. It is asked
    with the size as stored, before EXIF turns the image. An image of more than ``max_pixels`` is refused before memory is
    taken for it, whichever of its headers says so; see `true_size`.

    Raises:
        ImageError: empty, not an image, truncated, damaged or too large; or there is not enough memory just now.
    """
    if not data:
        raise ImageError("empty", "the file has no bytes")
    if len(data) > MAX_BYTES:
        raise ImageError("too large", f"{len(data) >> 20} MiB; at most {MAX_BYTES >> 20} MiB")
    if raw := raw_photo(data):
        raise ImageError("not an image", raw)
    try:
        size = true_size(data)
        if size is None:
            raise _unidentified(data)
        size.check(max_pixels)
        if data.startswith(JPEG_SIGNATURE):
            check_end(data)
        if size.whole_bytes:
            check_scans(data, size.width * size.height)
        return _read(data, size, decode_size, render, max_pixels)
    except ImageError:
        raise
    except UnidentifiedImageError:
        raise _unidentified(data) from None
    except (Image.DecompressionBombError, Image.DecompressionBombWarning):
        raise ImageError("too large", f"the header announces more than {MAX_PIXELS / 1e6:.0f} million pixels") from None
    except MemoryError:
        raise ImageError("out of memory", "not enough memory to decode it") from None
    except Exception as error:  # on bad bytes, Pillow's plugins raise any error their parsing stumbles over
        raise _unread(data) or _damaged(error) from None


def _read(data: bytes, size: TrueSize, decode_size: DecodeSize | None, render: Render, max_pixels: int) -> Decoded:
    """Read a file whose size is known to be within bounds."""
    before = render.ranges == "picture"
    if is_tiff(data):
        layout = read_layout(data)
        check_pieces(data, layout)
        if reader_of(layout, before=before) == "values":
            return _answer(read_values(data, layout), render)
        try:
            return _by_pillow(for_pillow(data, layout), None, size, decode_size, render, max_pixels)
        except (ImageError, MemoryError):
            raise
        except Exception:  # Pillow stumbles over tags, too, that the picture does not need
            if not can_read_values(layout):
                raise
        return _answer(read_values(data, layout), render)
    if is_heif(data):
        return _answer(read_heif(data), render)
    if data.startswith(PNG_SIGNATURE):
        clean = cleaned(data)
        return _by_pillow(clean.data, clean.profile, size, decode_size, render, max_pixels)
    return _by_pillow(mended(data), profile_of(data), size, decode_size, render, max_pixels)


def _by_pillow(
    data: bytes, profile: bytes | None, size: TrueSize, decode_size: DecodeSize | None, render: Render, max_pixels: int
) -> Decoded:
    """Read a file by Pillow; ``profile`` is its colour profile where Pillow is not to unpack it."""
    with Image.open(io.BytesIO(data), formats=FORMATS) as image:
        width, height = image.size
        check_size(width, height, max_pixels)
        if width * height > size.width * size.height:
            raise ImageError("damaged", "what its headers say of its size does not fit together")
        if profile is not None:
            image.info["icc_profile"] = profile
        if render.ranges != "picture" and is_deep(image, data):
            return _answer(read_deep(image, data), render)
        if is_binary_ppm(image):
            return _answer(Stored(read_shallow_ppm(image, data), "PPM", "RGB"), render)
        kind, mode = image.format or "", image.mode
        reduced = _reduce(image, decode_size)
        image.load()
        if data.startswith(PNG_SIGNATURE):
            check_pixels(data, np.asarray(image.crop((0, max(height - 2, 0), width, height))))
        orientation = orientation_of(image)
        upright = image.transpose(UPRIGHT[orientation]) if orientation in UPRIGHT else image
        rgb, how = rendered(upright, render, own=True)
        if rgb is image:
            rgb = image.copy()  # a plain image, which holds on to neither the file nor its decoder
    if orientation in SIDEWAYS:
        width, height = height, width
    return Decoded(rgb, width, height, kind, mode, reduced, how)


def _answer(stored: Stored, render: Render) -> Decoded:
    rgb, how = rendered(stored.pixels, render, own=True)
    return Decoded(rgb, *stored.pixels.size, stored.format, stored.mode, 1, how)


def decoding_bytes(data: bytes, decode_size: DecodeSize | None = None, *, max_pixels: int = MAX_PIXELS) -> int:
    """The most memory that `decode` takes with the same arguments, from the headers alone.

    Raises:
        ImageError: `decode` would refuse it for its size.
    """
    size = true_size(data)
    if size is None:
        return 0
    size.check(max_pixels)
    whole = size.width, size.height
    reducible = decode_size is not None and data.startswith(JPEG_SIGNATURE)
    return size.bytes(reduction(whole, decode_size(*whole)) if decode_size is not None and reducible else 1)


def _reduce(image: Image.Image, decode_size: DecodeSize | None) -> int:
    """Ask the JPEG decoder for a smaller DCT scale where the caller allows it; returns the factor."""
    if decode_size is None or not isinstance(image, JpegImagePlugin.JpegImageFile):
        return 1
    width, height = image.size
    factor = reduction((width, height), decode_size(width, height))
    # The wanted size itself is never used: pixels then depend on the factor alone, and may be kept by it.
    drafted = image.draft(None, (width // factor, height // factor)) if factor > 1 else None
    # The box is the whole picture's extent at the new scale, not rounded; the image's own size is rounded up.
    return round(width / drafted[1][2]) if drafted else 1


def reduction(stored: tuple[int, int], smallest: tuple[int, int] | None) -> int:
    """The factor, 1, 2, 4 or 8, by which a JPEG stored at (W, H) is reduced if no smaller than ``smallest`` is allowed.

    >>> reduction((4000, 3000), (900, 675)), reduction((4000, 3000), None)
    (4, 1)
    """
    if smallest is None:
        return 1
    most = min(stored[0] // smallest[0], stored[1] // smallest[1])
    return next((factor for factor in DCT_FACTORS if factor <= most), 1)


def _damaged(error: Exception) -> ImageError:
    text = " ".join(str(error).split()) or type(error).__name__
    if "truncated" in text.lower() or isinstance(error, EOFError):
        return ImageError("truncated", "the file ends before its picture does; copy or download it again")
    for words, plain in PLAIN_WORDS.items():
        if words in text:
            return ImageError("damaged", plain)
    if isinstance(error, (OSError, SyntaxError, ValueError)):
        return ImageError("damaged", text)  # Pillow's words about the file
    return ImageError("damaged", "what its header says does not fit its format")  # Python's, about numbers and indices


def _unread(data: bytes) -> ImageError | None:
    """Name a kind of JPEG that is not read, which is no damage; None: it is none of these."""
    kind = unread_kind(data) if data.startswith(JPEG_SIGNATURE) else None
    return ImageError("not an image", f"{kind}, which cannot be read here; save it as PNG") if kind else None


def _unidentified(data: bytes) -> ImageError:
    if unread := _unread(data):
        return unread
    for offset, signature, name in SIGNATURES:
        if data.startswith(signature, offset):
            return ImageError("damaged", f"it begins like a file of type {name}, but its header cannot be read")
    what = foreign_file(data) or "no known image format"
    if what not in BEGINNING_SAYS_MORE:
        return ImageError("not an image", what)
    head = data[:12]
    shown = head.decode("ascii") if head.isascii() and head.decode("ascii").isprintable() else head.hex(" ")
    return ImageError("not an image", f"{what}; the file starts with “{shown}”")
