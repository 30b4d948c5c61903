"""Golden examples: a few inputs with the answers the training machine gave, replayed before a bundle is trusted.

Each carries what every machine has to read alike from it (of images the resized pixels, see `Input.compared`), the logits and
the answer. One may be of a lossy format, whose readers may differ a little. Where there is a gate, one is like nothing that was
trained on, and has to be refused. Shapes: G examples, C logits.
"""

from __future__ import annotations

import json
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, replace
from typing import Any

import numpy as np
from numpy.typing import NDArray
from pydantic import BaseModel, ConfigDict, Field, ValidationError

from ..core.errors import DataError, InputError, ParityError, SchemaError
from ..core.types import Facts, FloatArray, Verdict
from ..draw.numbers import decimals
from .inputs.input import Input
from .manifest import Manifest
from .policy import Policy, judge
from .seen import Seen
from .storage import GOLDEN
from .tensors import load_tensors

See = Callable[[FloatArray, Sequence[Facts]], list[Seen]]
"""Tensors and facts → all that verdicts need, see `predictor.Predictor.see`."""

EXPECTED = "golden/expected.safetensors"

# Parity between runtimes: inputs agree as closely as their kind asks for, probabilities within 0.01, numbers within a
# hundredth of
# their spread.
MAX_PROBABILITY = 0.01

MAX_INDEX_BYTES = 1 << 20

# Tolerance of confidences, which golden.json rounds to six places.
ROUNDING = 1e-4


class GoldenExample(BaseModel):
    """One entry of golden.json."""

    model_config = ConfigDict(frozen=True, extra="forbid", allow_inf_nan=False)

    file: str
    lossless: bool
    label: str
    """The label, the labels or the numbers, as people read them."""
    confidence: float
    verdict: str
    far: bool = False
    """Tells whether it was planted to be refused: an input like nothing that was trained on."""


class _GoldenList(BaseModel):
    model_config = ConfigDict(frozen=True, extra="forbid")

    images: tuple[GoldenExample, ...] = Field(min_length=1, max_length=64)
    """The examples, at least one, as a replay of none would certify anything."""


@dataclass(frozen=True)
class Parity:
    """The parity of this machine: how closely it reproduces the golden answers."""

    images: int
    max_pixel: float
    """Largest difference of the inputs as read: for images the 99th percentile of pixels, in grey levels."""
    max_probability: float
    """Largest difference of a probability; for numbers, in spreads of the training data."""


def answer(data: bytes, form: Input, see: See) -> tuple[NDArray[Any], Seen]:
    """Return what is read from one file, as machines compare it, and what the bundle sees in it."""
    content = form.read_bytes(data)
    compared, tensor = form.compared(content)
    (seen,) = see(tensor[None], [form.facts(content)])
    return compared, seen


def write_golden(examples: list[tuple[bytes, GoldenExample]], form: Input, see: See) -> dict[str, bytes]:
    """The files of ``golden/``: examples, what is read from them and logits, and their index.

    Raises:
        DataError: there are none.
    """
    from safetensors.numpy import save

    if not examples:
        raise DataError(
            f"none of the {form.noun}s can be read any more, so there is nothing to check a bundle by; train again"
        )
    answers = [answer(data, form, see) for data, _ in examples]
    files = {f"golden/{entry.file}": data for data, entry in examples}
    files[EXPECTED] = save(
        {
            form.golden_name: np.stack([compared for compared, _ in answers]),
            "logits_GC": np.stack([seen.logits_W for _, seen in answers]),
        }
    )
    files[GOLDEN] = _index_of([entry for _, entry in examples])
    return files


def judged_anew(files: Mapping[str, bytes], manifest: Manifest, see: See, policy: Policy) -> dict[str, bytes]:
    """Return ``golden.json`` with the answers and verdicts of another manifest and policy over the same network.

    Raises:
        SchemaError: the golden files are malformed.
        ParityError: what was planted to be refused is not.
    """
    index, _, logits_GC = _parse(files, manifest)
    entries = []
    for entry, logits_C in zip(index.images, logits_GC, strict=True):
        _, got = answer(files[f"golden/{entry.file}"], manifest.input, see)
        _check_refused(entry, got, manifest, policy)
        seen = replace(got, logits_W=logits_C)
        entries.append(entry_of(entry.file, entry.lossless, seen, manifest, policy, far=entry.far))
    return {GOLDEN: _index_of(entries)}


def _index_of(entries: Sequence[GoldenExample]) -> bytes:
    index = _GoldenList(images=tuple(entries))
    return (json.dumps(index.model_dump(mode="json"), indent=2, ensure_ascii=False) + "\n").encode()


def replay(files: Mapping[str, bytes], manifest: Manifest, see: See, policy: Policy) -> Parity:
    """Run every golden example and compare.

    Raises:
        SchemaError: the golden files are malformed, or do not fit the manifest or each other.
        ParityError: this machine reads something else, gives other probabilities, or does not refuse what was planted to be.
    """
    index, compared_G, logits_GC = _parse(files, manifest)
    kind, form = manifest.kind, manifest.input
    expected_GO = kind.comparable(logits_GC)
    worst_pixel = worst_probability = 0.0
    for entry, compared, logits_C, expected_O in zip(index.images, compared_G, logits_GC, expected_GO, strict=True):
        got_read, got = _answered(entry, files, form, see)
        pixel = form.difference(got_read, compared)
        probability = float(np.abs(kind.comparable(got.logits_W[None]) - expected_O).max())
        # The comparison is written so that a network that answers NaN fails as well.
        if not (pixel <= form.most_difference and probability <= MAX_PROBABILITY):
            raise ParityError(
                f"this machine does not reproduce golden {form.noun} {entry.file}: {form.difference_words(pixel)}, "
                f"{kind.unit} by {probability:.3f} (at most {form.most_words} and {MAX_PROBABILITY}); "
                "compare the versions in manifest.json, or skip the replay (--no-golden, golden=False) to override"
            )
        _check_refused(entry, got, manifest, policy)
        _check_entry(entry, replace(got, logits_W=logits_C), manifest, policy)
        worst_pixel, worst_probability = max(worst_pixel, pixel), max(worst_probability, probability)
    return Parity(len(index.images), worst_pixel, worst_probability)


def replay_planted(files: Mapping[str, bytes], manifest: Manifest, see: See, policy: Policy) -> None:
    """Run only what was planted to be refused: a gate that lets everything pass is worse than none, whoever skips the replay.

    Raises:
        SchemaError: the golden files are malformed, or do not fit the manifest or each other.
        ParityError: it is not refused.
    """
    if manifest.gate is None:
        return
    index, _, _ = _parse(files, manifest)
    for entry in index.images:
        if entry.far:
            _check_refused(entry, _answered(entry, files, manifest.input, see)[1], manifest, policy)


def _answered(entry: GoldenExample, files: Mapping[str, bytes], form: Input, see: See) -> tuple[NDArray[Any], Seen]:
    try:
        return answer(files[f"golden/{entry.file}"], form, see)
    except (KeyError, InputError) as error:
        raise SchemaError(f"golden {form.noun} {entry.file} cannot be used: {error}") from None


def _parse(files: Mapping[str, bytes], manifest: Manifest) -> tuple[_GoldenList, NDArray[Any], FloatArray]:
    try:
        if len(files[GOLDEN]) > MAX_INDEX_BYTES:
            raise ValueError(f"{GOLDEN} has {len(files[GOLDEN])} bytes; at most {MAX_INDEX_BYTES}")
        index = _GoldenList.model_validate_json(files[GOLDEN])
        expected = load_tensors(files[EXPECTED], EXPECTED)
        compared_G, logits_GC = expected[manifest.input.golden_name], expected["logits_GC"]
    except (KeyError, ValidationError, ValueError) as error:
        raise SchemaError(f"the golden files are malformed: {' '.join(str(error).split())}") from None
    images = len(index.images)
    (dtype, shape), logits_shape = manifest.input.compared_form, (images, manifest.kind.width)
    if compared_G.shape != (images, *shape) or compared_G.dtype != dtype:
        named, wanted = manifest.input.tensor_name, (images, *shape)
        raise SchemaError(f"golden {named} are {compared_G.dtype} {compared_G.shape}, not {dtype} {wanted}")
    if logits_GC.shape != logits_shape or logits_GC.dtype != np.float32 or not np.isfinite(logits_GC).all():
        raise SchemaError(f"golden logits are {logits_GC.dtype} {logits_GC.shape}, not finite float32 {logits_shape}")
    if manifest.gate is not None and not any(entry.far for entry in index.images):
        raise SchemaError(f"{GOLDEN} has no {manifest.input.noun} planted to be refused, and the manifest has a gate")
    return index, compared_G, logits_GC


def entry_of(
    file: str, lossless: bool, seen: Seen, manifest: Manifest, policy: Policy, *, far: bool = False
) -> GoldenExample:
    """Make the entry of golden.json for an input in which the model saw ``seen``; ``policy`` is the bundle's."""
    said = judge(manifest, file, seen, policy)
    return GoldenExample(
        file=file,
        lossless=lossless,
        label=manifest.kind.answer_text(said, none=""),
        confidence=round(said.confidence, 6),
        verdict=str(said.verdict),
        far=far,
    )


def _check_refused(entry: GoldenExample, seen: Seen, manifest: Manifest, policy: Policy) -> None:
    """Check that an example planted to be refused is: detectors break silently, and then let everything pass."""
    if entry.far and judge(manifest, entry.file, seen, policy).verdict is not Verdict.OUT_OF_DOMAIN:
        raise ParityError(
            f"the gate is broken: golden {manifest.input.noun} {entry.file} is like nothing that was trained on, and is not "
            "refused; train again"
        )


def _check_entry(entry: GoldenExample, seen: Seen, manifest: Manifest, policy: Policy) -> None:
    """Check that the index's words agree with the expected logits; a class list in another order shows here."""
    said = entry_of(entry.file, entry.lossless, seen, manifest, policy)
    # For an answer on a threshold, another machine's last bit decides.
    same = entry.label == said.label or manifest.kind.on_the_line(seen.logits_W, ROUNDING)
    rounding = abs(entry.confidence - said.confidence) <= ROUNDING
    answered = manifest.kind.answer(seen.logits_W)
    verdict = entry.verdict == said.verdict or policy.on_the_line(seen, answered, ROUNDING)
    if not (same and rounding and verdict):
        reasons = "".join(f"; {reason.words}" for reason in judge(manifest, entry.file, seen, policy).reasons)
        raise SchemaError(
            f"golden {manifest.input.noun} {entry.file}: golden.json says "
            f"{entry.label} at {decimals(entry.confidence)} ({entry.verdict}), "
            f"the expected logits {said.label} at {decimals(said.confidence)} ({said.verdict}{reasons})"
        )
