"""TIFFs whose strips or tiles are compressed as pictures, and those of one bit, with the picture that each must give."""

from __future__ import annotations

import io
import itertools
from collections.abc import Iterator
from typing import Any

import numpy as np
import tifffile
from numpy.typing import NDArray
from picture_case import Case, Pixels
from PIL import Image
from tiff_writer import Form, assembled

from drivetrain.data.image.render import Ranges, Render

HEIGHT, WIDTH = 48, 64


def _soft() -> NDArray[np.uint8]:
    y, x = np.mgrid[0:HEIGHT, 0:WIDTH]
    return np.stack([np.rint(128 + 100 * np.sin(x / (11 + s) + y / 17 + s)) for s in range(4)], axis=2).astype(np.uint8)


def _written(values: NDArray[Any], **options: Any) -> bytes:
    buffer = io.BytesIO()
    tifffile.imwrite(buffer, values, **options)
    return buffer.getvalue()


def _grey(values: NDArray[Any]) -> Pixels:
    return np.repeat(values[:, :, None].astype(float), 3, axis=2)


def jpegs() -> Iterator[Case]:
    """JPEG in strips and tiles: grey, RGB, CMYK, YCbCr, plane by plane, and of 12 bits."""
    values = _soft()
    rgb, grey = values[:, :, :3], values[:, :, 0]
    inks = (255 - values[:, :, :3].astype(float)) * (255 - values[:, :, 3:]) / 255
    for tile, (name, pixels, options, expected) in itertools.product(
        (None, (16, 16)),
        (
            ("grey, white is zero too", grey, {"photometric": "minisblack"}, _grey(grey)),
            ("grey, white is zero too", grey, {"photometric": "miniswhite"}, 255 - _grey(grey)),
            ("RGB", rgb, {"photometric": "rgb"}, rgb.astype(float)),
            ("CMYK", values, {"photometric": "separated"}, inks),
            (
                "RGB plane by plane",
                np.moveaxis(rgb, 2, 0),
                {"photometric": "rgb", "planarconfig": "separate"},
                rgb.astype(float),
            ),
        ),
    ):
        options = {**options, "tile": tile, "compression": "jpeg", "compressionargs": {"level": 98}}
        yield Case("TIFF", f"compressed as JPEG: {name}", str(tile), _written(pixels, **options), expected, 12)
    for sampling, (across, down) in enumerate(((1, 1), (2, 1), (2, 2))):
        strips = []
        for top in range(0, HEIGHT, 16):
            buffer = io.BytesIO()
            Image.fromarray(rgb[top : top + 16]).save(buffer, "JPEG", quality=98, subsampling=sampling)
            strips.append(buffer.getvalue())
        tags = {
            256: (4, [WIDTH]),
            257: (4, [HEIGHT]),
            258: (3, [8, 8, 8]),
            259: (3, [7]),
            262: (3, [6]),
            277: (3, [3]),
            278: (4, [16]),
            284: (3, [1]),
            530: (3, [across, down]),
        }
        data = assembled(strips, tags, Form())
        yield Case("TIFF", "compressed as JPEG: YCbCr", f"{across}×{down}", data, rgb.astype(float), 14)
    twelve = (grey.astype(np.uint16) << 4) | (grey >> 4)
    data = _written(
        twelve, photometric="minisblack", compression="jpeg", compressionargs={"level": 98, "bitspersample": 12}
    )
    yield Case(
        "TIFF", "compressed as JPEG of 12 bits", "", data, _grey(grey), 4, Render(ranges=Ranges(integers=(0, 4095)))
    )


def codecs() -> Iterator[Case]:
    """Further compressions of whole strips and tiles."""
    values = _soft()
    rgb, floats = values[:, :, :3], values[:, :, 0].astype(np.float32) / 255
    full = Render(ranges=Ranges(integers=(0, 65535), floats=(0, 1)))
    for tile in (None, (16, 16)):
        for codec, name, tolerance in (("jpeg2000", "JPEG 2000", 6), ("webp", "WebP", 14), ("png", "PNG", 0)):
            data = _written(rgb, compression=codec, photometric="rgb", tile=tile)
            yield Case("TIFF", f"compressed as {name}", str(tile), data, rgb.astype(float), tolerance)
        deep = _written(rgb.astype(np.uint16) * 257, compression="jpeg2000", photometric="rgb", tile=tile)
        yield Case("TIFF", "compressed as JPEG 2000 of 16 bits", str(tile), deep, rgb.astype(float), 6, full)
        for pixels in (floats, (floats * 65535).round().astype(np.uint16)):
            data = _written(pixels, compression="lerc", photometric="minisblack", tile=tile)
            yield Case("TIFF", "compressed as LERC", f"{tile} {pixels.dtype}", data, _grey(floats) * 255, 1.01, full)
    for codec, name in (("jpegxl", "JPEG XL"), ("jpegxr", "JPEG XR")):
        data = _written(rgb, compression=codec, photometric="rgb")
        yield Case("TIFF", f"compressed as {name}", "", data, rgb, 0, refused=f"its compression is {name}")


def bilevel() -> Iterator[Case]:
    """One bit a pixel, in all that Pillow writes."""
    image = Image.fromarray(_soft()[:, :, 0]).convert("1")
    expected = _grey(np.asarray(image)) * 255
    for codec in ("tiff_ccitt", "group3", "group4", "packbits", "tiff_lzw", "tiff_adobe_deflate"):
        buffer = io.BytesIO()
        image.save(buffer, "TIFF", compression=codec)
        yield Case("TIFF", "one bit a pixel, CCITT's codes too", codec, buffer.getvalue(), expected, 0)


def cases() -> Iterator[Case]:
    """All of them."""
    for family in (jpegs, codecs, bilevel):
        yield from family()
