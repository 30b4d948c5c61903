"""Golden images: a few inputs with the answers the training machine gave, replayed before a bundle is trusted.

Each carries the resized pixels (which any decoder of a lossless image must reproduce to the bit), the logits and the
answer. One is a JPEG, whose decoders may differ by a grey level. Shapes: G images, H, W pixels, K = 3 channels, C classes.
"""

from __future__ import annotations

import io
import json
from collections.abc import Mapping
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray
from PIL import Image
from pydantic import BaseModel, ConfigDict, ValidationError

from ..core.errors import ImageError, ParityError, SchemaError
from ..core.types import FloatArray
from ..data.decode import decode
from ..data.preprocess import Preprocess, resize_image, to_tensor
from ..embed.session import Session
from .export import LOGITS
from .metrics import softmax
from .storage import GOLDEN

EXPECTED = "golden/expected.safetensors"

# Parity between runtimes: pixels of the 99th percentile within one grey level, probabilities within 0.01.
MAX_PIXEL_P99 = 1.0
MAX_PROBABILITY = 0.01

# Longest side of a golden image; larger than any packaged backbone's input, so that resizing is exercised.
LONGEST_SIDE = 480


class GoldenImage(BaseModel):
    """One entry of golden.json."""

    model_config = ConfigDict(frozen=True, extra="forbid")

    file: str
    lossless: bool
    label: str
    confidence: float
    verdict: str


class _GoldenList(BaseModel):
    model_config = ConfigDict(frozen=True, extra="forbid")

    images: tuple[GoldenImage, ...]


@dataclass(frozen=True)
class Parity:
    """How closely this machine reproduces the golden answers."""

    images: int
    max_pixel: float
    """Largest 99th percentile of pixel differences, in grey levels."""
    max_probability: float
    """Largest difference of a probability."""


def encode_golden(image: Image.Image, lossless: bool) -> bytes:
    """A copy without metadata, at most 480 pixels wide or high, as PNG or (lossy) JPEG."""
    small = image.copy()
    small.thumbnail((LONGEST_SIDE, LONGEST_SIDE), Image.Resampling.BICUBIC)
    buffer = io.BytesIO()
    if lossless:
        small.save(buffer, "PNG", optimize=False, compress_level=6)
    else:
        small.save(buffer, "JPEG", quality=90)
    return buffer.getvalue()


def answer(data: bytes, spec: Preprocess, session: Session) -> tuple[NDArray[np.uint8], FloatArray]:
    """Resized pixels (H, W, 3) and logits (C,) of one image file."""
    resized = resize_image(decode(data, spec.decode_size).image, spec.resize)
    logits_NC = session.run(to_tensor(resized, spec)[None], [LOGITS])[0]
    return np.asarray(resized), logits_NC[0]


def write_golden(images: list[tuple[bytes, GoldenImage]], spec: Preprocess, session: Session) -> dict[str, bytes]:
    """The files of ``golden/``: images, expected pixels and logits, and their index."""
    from safetensors.numpy import save

    answers = [answer(data, spec, session) for data, _ in images]
    files = {f"golden/{entry.file}": data for data, entry in images}
    files[EXPECTED] = save(
        {
            "pixels_GHWK": np.stack([pixels for pixels, _ in answers]),
            "logits_GC": np.stack([logits for _, logits in answers]),
        }
    )
    index = _GoldenList(images=tuple(entry for _, entry in images))
    files[GOLDEN] = (json.dumps(index.model_dump(mode="json"), indent=2, ensure_ascii=False) + "\n").encode()
    return files


def replay(files: Mapping[str, bytes], spec: Preprocess, beta: float, session: Session) -> Parity:
    """Run every golden image and compare.

    Raises:
        SchemaError: the golden files are malformed.
        ParityError: this machine gives other pixels or other probabilities.
    """
    from safetensors import SafetensorError
    from safetensors.numpy import load

    try:
        index = _GoldenList.model_validate_json(files[GOLDEN])
        expected = load(files[EXPECTED])
        pixels_GHWK, logits_GC = expected["pixels_GHWK"], expected["logits_GC"]
    except (KeyError, ValidationError, SafetensorError, ValueError) as error:
        raise SchemaError(f"the golden files are malformed: {' '.join(str(error).split())}") from None
    if not len(index.images) == len(pixels_GHWK) == len(logits_GC):
        raise SchemaError(f"{len(index.images)} golden images, {len(logits_GC)} expected answers")
    worst_pixel = worst_probability = 0.0
    for entry, pixels_HWK, logits_C in zip(index.images, pixels_GHWK, logits_GC, strict=True):
        try:
            got_HWK, got_C = answer(files[f"golden/{entry.file}"], spec, session)
        except (KeyError, ImageError) as error:
            raise SchemaError(f"golden image {entry.file} cannot be used: {error}") from None
        if got_HWK.shape != pixels_HWK.shape or got_C.shape != logits_C.shape:
            raise SchemaError(
                f"golden image {entry.file}: expected {pixels_HWK.shape}, the bundle makes {got_HWK.shape}"
            )
        pixel = float(np.quantile(np.abs(got_HWK.astype(int) - pixels_HWK.astype(int)), 0.99))
        probability = float(np.abs(softmax(got_C[None], beta) - softmax(logits_C[None], beta)).max())
        if pixel > MAX_PIXEL_P99 or probability > MAX_PROBABILITY:
            raise ParityError(
                f"this machine does not reproduce golden image {entry.file}: pixels differ by {pixel:.0f} grey levels, "
                f"probabilities by {probability:.3f} (at most {MAX_PIXEL_P99:.0f} and {MAX_PROBABILITY}); "
                "compare the versions in manifest.json, or load with golden=False to override"
            )
        worst_pixel, worst_probability = max(worst_pixel, pixel), max(worst_probability, probability)
    return Parity(len(index.images), worst_pixel, worst_probability)
