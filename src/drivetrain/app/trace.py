"""Follow one image through every stage of a bundle."""

from __future__ import annotations

import time
from collections.abc import Callable
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any, TypeVar

import numpy as np

from ..core.errors import ImageError, InputError
from ..core.local_path import local_path
from ..core.reference import read_bounded
from ..core.types import Prediction
from ..data.image.decode import Decoded, decode
from ..data.image.preprocess import for_images, resize_image, to_tensor
from ..draw.numbers import decimals
from ..model.kinds.kind import Kind
from ..model.predictor import load

T = TypeVar("T")


@dataclass(frozen=True)
class Step:
    """One stage: its result and the time it took."""

    name: str
    kind: str
    shape: str
    range: str
    milliseconds: float | None
    """The stage's time; None for a result that came out of the stage before."""
    note: str = ""

    def to_json(self) -> dict[str, object]:
        """Return one entry of the list that ``trace --json`` prints."""
        return {**asdict(self), "milliseconds": None if self.milliseconds is None else round(self.milliseconds, 3)}


def trace(image: str | Path, bundle: str | Path, *, golden: bool = True) -> list[Step]:
    """Run the stages of a prediction, each timed on its own (after one warm-up run of the network).

    Raises:
        BundleError: the bundle cannot be loaded.
        ImageError: the image cannot be used.
        UsageError: one of the paths is an address.
    """
    image = local_path(image)
    predictor = load(bundle, golden=golden)
    kind, spec = predictor.manifest.kind, for_images(predictor.manifest.input.preprocess)
    try:
        data, read_ms = _timed(lambda: read_bounded(image))
        decoded, decode_ms = _timed(lambda: decode(data, spec.decode_size, render=spec.render))
    except InputError as error:
        raise ImageError(error.reason, f"{image}: {error.detail}") from None
    resized, resize_ms = _timed(lambda: resize_image(decoded.image, spec.resize))
    tensor, normalise_ms = _timed(lambda: to_tensor(resized, spec))
    facts = [predictor.manifest.input.facts(decoded)]
    predictor.see(tensor[None], facts)
    (seen,), network_ms = _timed(lambda: predictor.see(tensor[None], facts))
    logits_W, embedding_D = seen.logits_W, seen.embedding_D
    answers_C, calibrate_ms = _timed(lambda: kind.answers(logits_W[None])[0])
    prediction, judge_ms = _timed(lambda: predictor.judge(str(image), seen))
    return [
        Step("read", "bytes", f"{len(data):,}", "", read_ms),
        _array_step("decode", "RGB image", np.asarray(decoded.image), decode_ms, _stored_as(decoded)),
        _array_step("resize", "RGB image", np.asarray(resized), resize_ms, spec.resize.method),
        _array_step("normalise", str(tensor.dtype), tensor, normalise_ms),
        _array_step("network", str(embedding_D.dtype), embedding_D, network_ms, "embedding"),
        _array_step("head", str(logits_W.dtype), logits_W, None, "logits"),
        _array_step("calibrate", str(answers_C.dtype), answers_C, calibrate_ms, kind.calibrated),
        Step(
            "judge",
            "verdict",
            "",
            "",
            judge_ms,
            "; ".join(
                [f"{prediction.verdict}: {_answer(prediction, kind)}", *(one.words for one in prediction.reasons)]
            ),
        ),
    ]


def _answer(prediction: Prediction, kind: Kind) -> str:
    """Say the answer, with how sure that is where it is anything."""
    text = kind.answer_text(prediction, ranges=True)
    return f"{text} {decimals(prediction.confidence)}" if kind.has_confidence else text


def _timed(work: Callable[[], T]) -> tuple[T, float]:
    """Run ``work``, and return its result and its milliseconds."""
    start_s = time.perf_counter()
    value = work()
    return value, (time.perf_counter() - start_s) * 1000


def _array_step(name: str, kind: str, array: np.ndarray[Any, Any], milliseconds: float | None, note: str = "") -> Step:
    low, high = float(array.min()), float(array.max())
    extent = f"{low:g} … {high:g}" if array.dtype == np.uint8 else f"{low:.3f} … {high:.3f}"
    return Step(name, kind, "×".join(map(str, array.shape)), extent, milliseconds, note)


def _stored_as(decoded: Decoded) -> str:
    reduced = f", decoded at 1/{decoded.reduced}" if decoded.reduced > 1 else ""
    return f"{decoded.format} {decoded.mode}, {decoded.width}×{decoded.height}{reduced}"
