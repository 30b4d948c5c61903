"""Golden images: a few inputs with the answers the training machine gave, replayed before a bundle is trusted.

Each carries the resized pixels (which any decoder of a lossless image must reproduce to the bit), the logits and the
answer. One is a JPEG, whose decoders may differ by a grey level. Shapes: G images, H, W pixels, K = 3 channels, C logits.
"""

from __future__ import annotations

import io
import json
from collections.abc import Mapping
from dataclasses import dataclass, replace

import numpy as np
from numpy.typing import NDArray
from PIL import Image
from pydantic import BaseModel, ConfigDict, Field, ValidationError

from ..core.errors import DataError, ImageError, ParityError, SchemaError
from ..core.types import FloatArray, Prediction
from ..data.image.decode import decode
from ..data.image.preprocess import Preprocess, resize_image, to_tensor
from ..embed.backbone import OUTPUT
from ..embed.session import Session
from .export import LOGITS
from .manifest import Manifest
from .policy import judge
from .seen import Seen
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


def answer(data: bytes, spec: Preprocess, session: Session) -> tuple[NDArray[np.uint8], Seen]:
    """Resized pixels (H, W, 3) of one image file, and what the network sees in them."""
    resized = resize_image(decode(data, spec.decode_size).image, spec.resize)
    logits_NC, embedding_ND = session.run(to_tensor(resized, spec)[None], [LOGITS, OUTPUT])
    return np.asarray(resized), Seen(logits_NC[0], embedding_ND[0])


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
            "logits_GC": np.stack([seen.logits_W for _, seen in answers]),
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
    kind = manifest.kind
    expected_GO = kind.comparable(logits_GC)
    worst_pixel = worst_probability = 0.0
    for entry, pixels_HWK, logits_C, expected_O in zip(index.images, pixels_GHWK, logits_GC, expected_GO, strict=True):
        try:
            got_HWK, got = answer(files[f"golden/{entry.file}"], manifest.input.preprocess, session)
        except (KeyError, ImageError) as error:
            raise SchemaError(f"golden image {entry.file} cannot be used: {error}") from None
        pixel = float(np.quantile(np.abs(got_HWK.astype(int) - pixels_HWK.astype(int)), 0.99))
        probability = float(np.abs(kind.comparable(got.logits_W[None]) - expected_O).max())
        # Written so that a network that answers NaN fails as well.
        if not (pixel <= MAX_PIXEL_P99 and probability <= MAX_PROBABILITY):
            raise ParityError(
                f"this machine does not reproduce golden image {entry.file}: pixels differ by {pixel:.0f} grey levels, "
                f"{kind.unit} by {probability:.3f} (at most {MAX_PIXEL_P99:.0f} and {MAX_PROBABILITY}); "
                "compare the versions in manifest.json, or skip the replay (--no-golden, golden=False) to override"
            )
        _check_entry(entry, replace(got, logits_W=logits_C), manifest)
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
    pixels_shape, logits_shape = (images, *manifest.input.preprocess.resize.size, 3), (images, manifest.kind.width)
    if pixels_GHWK.shape != pixels_shape or pixels_GHWK.dtype != np.uint8:
        raise SchemaError(f"golden pixels are {pixels_GHWK.dtype} {pixels_GHWK.shape}, not uint8 {pixels_shape}")
    if logits_GC.shape != logits_shape or logits_GC.dtype != np.float32 or not np.isfinite(logits_GC).all():
        raise SchemaError(f"golden logits are {logits_GC.dtype} {logits_GC.shape}, not finite float32 {logits_shape}")
    return index, pixels_GHWK, logits_GC


def entry_of(file: str, lossless: bool, seen: Seen, manifest: Manifest) -> GoldenImage:
    """What golden.json says of an image in which this was seen."""
    said = judge(manifest, file, seen)
    return GoldenImage(
        file=file,
        lossless=lossless,
        label=answer_words(said),
        confidence=round(said.confidence, 6),
        verdict=str(said.verdict),
    )


def answer_words(said: Prediction) -> str:
    """The label, the numbers or the labels, as people read them."""
    if said.label is not None:
        return said.label
    return ", ".join(f"{name} {value.value:.4g}" for name, value in said.values.items()) or ", ".join(said.labels)


def _check_entry(entry: GoldenImage, seen: Seen, manifest: Manifest) -> None:
    """What the index says in words is what the logits say in numbers; a class list in another order shows here."""
    said = entry_of(entry.file, entry.lossless, seen, manifest)
    # Of what stands on a threshold, another machine's last bit decides.
    same = entry.label == said.label or manifest.kind.on_the_line(seen.logits_W, ROUNDING)
    rounding = abs(entry.confidence - said.confidence) <= ROUNDING
    accept = manifest.accept
    verdict = entry.verdict == said.verdict or (
        accept is not None and abs(said.confidence - accept.confidence) < ROUNDING
    )
    if not (same and rounding and verdict):
        raise SchemaError(
            f"golden image {entry.file}: golden.json says {entry.label} at {entry.confidence:.3f} ({entry.verdict}), "
            f"the expected logits {said.label} at {said.confidence:.3f} ({said.verdict})"
        )
