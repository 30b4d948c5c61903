"""Pictures of 16 bits a channel in colour, or with transparency, of which Pillow gives 8: all 16 are read.

A PNG is unpacked twice, once for the upper and once for the lower bytes, as Pillow can be asked for either. Grey with
transparency has as many bytes a pixel as colour of 8 bits with transparency has, and is unpacked as such.
"""

from __future__ import annotations

import io
import re
import warnings
from typing import Any, TypeGuard

import numpy as np
from numpy.typing import NDArray
from PIL import Image, ImageFile, Jpeg2KImagePlugin, PngImagePlugin, PpmImagePlugin

from ...core.errors import ImageError
from . import jpeg2000
from .codecs import decode_into
from .png_pixels import check_pixels
from .stored import Stored, orientation_of, upright
from .values import Values

LOWER = {"RGB;16B": "RGB;16L", "RGBA;16B": "RGBA;16L"}
GREY_AND_OPACITY = "LA;16B"
CHANNELS = {"RGB;16B": "RGB", "RGBA;16B": "RGBA", GREY_AND_OPACITY: "LA", "I;16B": "L"}
FULL = 65535
_COMMENT = re.compile(rb"#[^\r\n]*")


def is_deep(image: Image.Image, data: bytes) -> bool:
    """Tell whether an opened, unread image stores 16 bits a channel of which Pillow would give 8; ``data`` is its file."""
    if isinstance(image, PngImagePlugin.PngImageFile):
        raw = _raw_mode(image)
        return raw in LOWER or raw == GREY_AND_OPACITY or (raw == "I;16B" and "transparency" in image.info)
    if isinstance(image, Jpeg2KImagePlugin.Jpeg2KImageFile):
        found = jpeg2000.announced(data)
        return found is not None and found.components > 1 and found.bits > 8
    return isinstance(image, PpmImagePlugin.PpmImageFile) and image.mode == "RGB" and _highest(image) > 255


def read_deep(image: Image.Image, data: bytes) -> Stored:
    """Read all bits of an image that `is_deep`; ``data`` is its file.

    Raises:
        ImageError: the file ends too soon, or holds numbers that are none.
    """
    if isinstance(image, PngImagePlugin.PngImageFile):
        mode = CHANNELS[_raw_mode(image)]
        array = _png(image, data)
        check_pixels(data, array[-2:])
        array = _with_opacity(array, image.info.get("transparency"))
        mode = {"L": "I;16"}.get(mode, f"{mode};uint16")
    elif isinstance(image, Jpeg2KImagePlugin.Jpeg2KImageFile):
        array = _jpeg2000(image, data)
        mode = f"{({2: 'LA', 3: 'RGB'}).get(array.shape[2], 'RGBA')};uint16"
    else:
        assert isinstance(image, PpmImagePlugin.PpmImageFile)
        array, mode = _ppm(image, data), "RGB;uint16"
    profile = image.info.get("icc_profile")
    values = Values(upright(array, orientation_of(image)), profile=profile if isinstance(profile, bytes) else None)
    return Stored(values, image.format or "", mode)


def _raw_mode(image: ImageFile.ImageFile) -> str:
    return str(image.tile[0].args) if image.tile and isinstance(image.tile[0].args, str) else ""


def _png(image: PngImagePlugin.PngImageFile, data: bytes) -> NDArray[np.uint16]:
    raw = _raw_mode(image)
    if raw == GREY_AND_OPACITY:
        _unpack_as(image, "RGBA")
        image.load()
        return np.asarray(image).view(">u2").astype(np.uint16)
    if raw == "I;16B":
        image.load()
        return np.asarray(image)[:, :, None]
    with PngImagePlugin.PngImageFile(io.BytesIO(data)) as lower:
        _unpack_as(lower, LOWER[raw])
        lower.load()
        array = np.asarray(lower).astype(np.uint16)
    image.load()
    array |= np.asarray(image).astype(np.uint16) << 8
    return array


def _unpack_as(image: ImageFile.ImageFile, raw: str) -> None:
    image.tile = [tile._replace(args=raw) for tile in image.tile]


def _with_opacity(array: NDArray[np.uint16], clear: object) -> NDArray[np.uint16]:
    """Add opacity where a PNG names one colour that is transparent."""
    if array.shape[2] not in (1, 3) or clear is None:
        return array
    opaque = (array != np.asarray(clear, np.uint16)).any(axis=2, keepdims=True)
    return np.concatenate([array, opaque * np.uint16(FULL)], axis=2)


def _jpeg2000(image: Jpeg2KImagePlugin.Jpeg2KImageFile, data: bytes) -> NDArray[np.uint16]:
    """Decode a JPEG 2000 of more than 8 bits, and scale its white to that of 16, as Pillow does with grey."""
    found = jpeg2000.announced(data)
    what = "a JPEG 2000 of more than 8 bits in colour or with transparency"
    if found is None or found.bits > 16 or jpeg2000.is_ycc(data):
        raise ImageError(
            "not an image", "a JPEG 2000 of more than 16 bits, or of YCC, which cannot be read; save it as PNG"
        )
    array = np.zeros((image.height, image.width, found.components), np.uint16)
    decode_into("jpeg2k_decode", what, data, array)
    array <<= 16 - found.bits
    return array


def _highest(image: PpmImagePlugin.PpmImageFile) -> int:
    """The value that is white."""
    args: Any = image.tile[0].args if image.tile else None
    return int(args[1]) if isinstance(args, tuple) and len(args) == 2 else 255


def is_binary_ppm(image: Image.Image) -> TypeGuard[PpmImagePlugin.PpmImageFile]:
    """Tell whether an opened, unread image is a binary PPM of 16 bits a channel, in colour."""
    if not isinstance(image, PpmImagePlugin.PpmImageFile):
        return False
    return image.mode == "RGB" and _highest(image) > 255 and image.tile[0].codec_name == "ppm"


def _ppm(image: PpmImagePlugin.PpmImageFile, data: bytes, full: int = FULL) -> NDArray[Any]:
    """Read a PPM's values and scale its white to ``full``."""
    width, height = image.size
    tile, count = image.tile[0], width * height * 3
    if tile.codec_name == "ppm_plain":
        numbers = _as_text(data[tile.offset :])
    else:
        numbers = np.frombuffer(data, ">u2", min(count, (len(data) - tile.offset) // 2), tile.offset)
    if len(numbers) < count:
        raise ImageError("truncated", "the file ends before its picture does; copy or download it again")
    # Pillow does so for grey, and for colour to 8 bits: rounded to even.
    scale = np.minimum(np.rint(np.arange(FULL + 1) / _highest(image) * full), full).astype(
        np.uint16 if full == FULL else np.uint8
    )
    array: NDArray[Any] = scale[numbers[:count]].reshape(height, width, 3)
    return array


def read_shallow_ppm(image: PpmImagePlugin.PpmImageFile, data: bytes) -> Image.Image:
    """Read a binary PPM of 16 bits a channel to 8 bits, as Pillow does, which takes seconds a megapixel.

    Raises:
        ImageError: the file ends too soon.
    """
    return Image.fromarray(_ppm(image, data, 255))


def _as_text(text: bytes) -> NDArray[np.uint16]:
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        try:
            numbers = np.fromstring(_COMMENT.sub(b" ", text).decode("ascii"), np.int64, sep=" ")
        except (DeprecationWarning, ValueError):
            raise ImageError("damaged", "the text of a PPM holds something else than numbers") from None
    if len(numbers) and not 0 <= int(numbers.min()) <= int(numbers.max()) <= FULL:
        raise ImageError("damaged", "the text of a PPM holds numbers beyond 0 to 65535")
    return numbers.astype(np.uint16)
