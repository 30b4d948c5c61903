"""Golden images: a few inputs with the answers the training machine gave, replayed before a bundle is trusted.

Each carries the resized pixels (which any decoder of a lossless image must reproduce to the bit), the logits and the
answer. One is a JPEG, whose decoders may differ by a grey level. Shapes: G images, H, W pixels, K = 3 channels, C outputs.
"""

from __future__ import annotations

import io
import json
from collections.abc import Mapping
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray
from PIL import Image
from pydantic import BaseModel, ConfigDict, Field, ValidationError

from ..core.errors import DataError, ImageError, ParityError, SchemaError
from ..core.types import FloatArray
from ..data.image.decode import decode
from ..data.image.preprocess import Preprocess, resize_image, to_tensor
from ..embed.session import Session
from .answer import answers, comparable, judge
from .export import LOGITS
from .manifest import LabelManifest, Manifest, NumberManifest
from .storage import GOLDEN
from .tensors import load_tensors

EXPECTED = "golden/expected.safetensors"

# Parity between runtimes: pixels of the 99th percentile within one grey level, probabilities within 0.01, numbers
# within a hundredth of their spread.
MAX_PIXEL_P99 = 1.0
MAX_PROBABILITY = 0.01

MAX_INDEX_BYTES = 1 << 20

# Confidences in golden.json are rounded to six places.
ROUNDING = 1e-4

# Longest side of a golden image; larger than any packaged backbone's input, so that resizing is exercised.
LONGEST_SIDE = 480


class GoldenImage(BaseModel):
    """One entry of golden.json."""

    model_config = ConfigDict(frozen=True, extra="forbid", allow_inf_nan=False)

    file: str
    lossless: bool
    label: str
    """The label, the labels or the numbers, as people read them."""
    confidence: float
    verdict: str


class _GoldenList(BaseModel):
    model_config = ConfigDict(frozen=True, extra="forbid")

    images: tuple[GoldenImage, ...] = Field(min_length=1, max_length=64)
    """A replay of nothing would certify anything."""


@dataclass(frozen=True)
class Parity:
    """How closely this machine reproduces the golden answers."""

    images: int
    max_pixel: float
    """Largest 99th percentile of pixel differences, in grey levels."""
    max_probability: float
    """Largest difference of a probability; of a number, in spreads of the training data."""


def encode_golden(image: Image.Image, lossless: bool) -> bytes:
    """A copy without metadata, at most 480 pixels wide or high, as PNG or (lossy) JPEG."""
    small = image.copy()
    small.thumbnail((LONGEST_SIDE, LONGEST_SIDE), Image.Resampling.BICUBIC)
    small.info.clear()  # comments and colour profiles would be written along
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
    """The files of ``golden/``: images, expected pixels and logits, and their index.

    Raises:
        DataError: there are no images.
    """
    from safetensors.numpy import save

    if not images:
        raise DataError(
            "none of the images can be read any more, so there is nothing to check a bundle by; train again"
        )
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


def replay(files: Mapping[str, bytes], manifest: Manifest, session: Session) -> Parity:
    """Run every golden image and compare.

    Raises:
        SchemaError: the golden files are malformed, or do not fit the manifest or each other.
        ParityError: this machine gives other pixels or other probabilities.
    """
    index, pixels_GHWK, logits_GC = _parse(files, manifest)
    expected_GC = comparable(manifest, logits_GC)
    worst_pixel = worst_probability = 0.0
    for entry, pixels_HWK, logits_C, expected_C in zip(index.images, pixels_GHWK, logits_GC, expected_GC, strict=True):
        try:
            got_HWK, got_C = answer(files[f"golden/{entry.file}"], manifest.preprocess, session)
        except (KeyError, ImageError) as error:
            raise SchemaError(f"golden image {entry.file} cannot be used: {error}") from None
        pixel = float(np.quantile(np.abs(got_HWK.astype(int) - pixels_HWK.astype(int)), 0.99))
        probability = float(np.abs(comparable(manifest, got_C[None]) - expected_C).max())
        # Written so that a network that answers NaN fails as well.
        if not (pixel <= MAX_PIXEL_P99 and probability <= MAX_PROBABILITY):
            raise ParityError(
                f"this machine does not reproduce golden image {entry.file}: pixels differ by {pixel:.0f} grey levels, "
                f"{_unit(manifest)} by {probability:.3f} (at most {MAX_PIXEL_P99:.0f} and {MAX_PROBABILITY}); "
                "compare the versions in manifest.json, or skip the replay (--no-golden, golden=False) to override"
            )
        _check_entry(entry, logits_C, manifest)
        worst_pixel, worst_probability = max(worst_pixel, pixel), max(worst_probability, probability)
    return Parity(len(index.images), worst_pixel, worst_probability)


def _parse(files: Mapping[str, bytes], manifest: Manifest) -> tuple[_GoldenList, NDArray[np.uint8], FloatArray]:
    try:
        if len(files[GOLDEN]) > MAX_INDEX_BYTES:
            raise ValueError(f"{GOLDEN} has {len(files[GOLDEN])} bytes; at most {MAX_INDEX_BYTES}")
        index = _GoldenList.model_validate_json(files[GOLDEN])
        expected = load_tensors(files[EXPECTED], EXPECTED)
        pixels_GHWK, logits_GC = expected["pixels_GHWK"], expected["logits_GC"]
    except (KeyError, ValidationError, ValueError) as error:
        raise SchemaError(f"the golden files are malformed: {' '.join(str(error).split())}") from None
    images = len(index.images)
    pixels_shape, logits_shape = (images, *manifest.preprocess.resize.size, 3), (images, len(manifest.outputs))
    if pixels_GHWK.shape != pixels_shape or pixels_GHWK.dtype != np.uint8:
        raise SchemaError(f"golden pixels are {pixels_GHWK.dtype} {pixels_GHWK.shape}, not uint8 {pixels_shape}")
    if logits_GC.shape != logits_shape or logits_GC.dtype != np.float32 or not np.isfinite(logits_GC).all():
        raise SchemaError(f"golden logits are {logits_GC.dtype} {logits_GC.shape}, not finite float32 {logits_shape}")
    return index, pixels_GHWK, logits_GC


def _unit(manifest: Manifest) -> str:
    return "numbers, in spreads of the training data," if isinstance(manifest, NumberManifest) else "probabilities"


def entry_of(file: str, lossless: bool, logits_C: FloatArray, manifest: Manifest) -> GoldenImage:
    """What golden.json says of an image with these logits."""
    said = judge(manifest, file, logits_C)
    label = said.label if said.label is not None else ", ".join(said.labels)
    if said.values:
        label = ", ".join(f"{name} {value.value:.4g}" for name, value in said.values.items())
    return GoldenImage(
        file=file, lossless=lossless, label=label, confidence=round(said.confidence, 6), verdict=str(said.verdict)
    )


def _check_entry(entry: GoldenImage, logits_C: FloatArray, manifest: Manifest) -> None:
    """What the index says in words is what the logits say in numbers; a class list in another order shows here."""
    said = entry_of(entry.file, entry.lossless, logits_C, manifest)
    rounding = abs(entry.confidence - said.confidence) <= ROUNDING
    on_the_line = not isinstance(manifest, NumberManifest) and (
        abs(said.confidence - manifest.accept.confidence) < ROUNDING
    )
    if not (
        _same_answer(entry, said, logits_C, manifest) and rounding and (entry.verdict == said.verdict or on_the_line)
    ):
        raise SchemaError(
            f"golden image {entry.file}: golden.json says {entry.label} at {entry.confidence:.3f} ({entry.verdict}), "
            f"the expected logits {said.label} at {said.confidence:.3f} ({said.verdict})"
        )


def _same_answer(entry: GoldenImage, said: GoldenImage, logits_C: FloatArray, manifest: Manifest) -> bool:
    """Whether both name the same; of any number of labels, one that stands on its threshold may be given or not."""
    if entry.label == said.label or not isinstance(manifest, LabelManifest):
        return entry.label == said.label
    probs_L = answers(manifest, logits_C[None])[0]
    return bool((np.abs(probs_L - np.asarray(manifest.thresholds)) <= ROUNDING).any())
