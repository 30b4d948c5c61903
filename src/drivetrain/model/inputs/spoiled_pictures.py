"""Pictures as a bad camera or a bad copy would have them, from good ones. Shapes: H, W pixels, K = 3 channels."""

from __future__ import annotations

import io

import numpy as np
from PIL import Image, ImageFilter

# Strengths near the fourth of the five steps of ImageNet-C (Hendrycks and Dietterich 2019): plain to see, and what is shown
# can still be told.
BLUR_SHARE = 0.03  # the radius, of the shorter side
NOISE = 0.25  # the standard deviation, of the range of values
DARKNESS = 0.1  # what is left of the light
JPEG_QUALITY = 8


def spoiled_pictures(image: Image.Image, side: int) -> dict[str, bytes]:
    """Make files of an RGB image, by what was done to it; it is made smaller first, so that its shorter side is ``side``.

    The same bytes for the same image.
    """
    small = _small(image, side)
    blurred = small.filter(ImageFilter.GaussianBlur(BLUR_SHARE * min(small.size)))
    return {
        "blurred": _png(blurred),
        "with noise": _png(_noisy(small)),
        "nearly dark": _png(small.point([round(DARKNESS * value) for value in range(256)] * 3)),
        "as poor JPEG": _jpeg(small),
    }


def _small(image: Image.Image, side: int) -> Image.Image:
    scale = side / min(image.size)
    if scale >= 1:
        return image.copy()
    return image.resize((round(image.width * scale), round(image.height * scale)), Image.Resampling.BICUBIC)


def _noisy(image: Image.Image) -> Image.Image:
    values_HWK = np.asarray(image, np.float64)
    noise_HWK = np.random.default_rng(0).normal(0, 255 * NOISE, values_HWK.shape)
    return Image.fromarray(np.clip(np.round(values_HWK + noise_HWK), 0, 255).astype(np.uint8))


def _png(image: Image.Image) -> bytes:
    buffer = io.BytesIO()
    image.info = {}
    image.save(buffer, "PNG", compress_level=0)  # read once and kept nowhere
    return buffer.getvalue()


def _jpeg(image: Image.Image) -> bytes:
    buffer = io.BytesIO()
    small = image.copy()
    small.info = {}
    small.save(buffer, "JPEG", quality=JPEG_QUALITY)
    return buffer.getvalue()
