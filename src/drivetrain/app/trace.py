"""Follow one image through every stage of a bundle."""

from __future__ import annotations

import time
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

import numpy as np

from ..core.errors import ImageError
from ..data.decode import decode
from ..data.preprocess import resize_image, to_tensor
from ..model.metrics import softmax
from ..model.predictor import load


@dataclass(frozen=True)
class Step:
    """One stage: what came out of it and how long it took."""

    name: str
    kind: str
    shape: str
    range: str
    milliseconds: float
    note: str = ""

    def to_json(self) -> dict[str, object]:
        """One entry of what ``trace --json`` prints."""
        return {**asdict(self), "milliseconds": round(self.milliseconds, 3)}


def trace(image: str | Path, bundle: str | Path) -> list[Step]:
    """The stages of a prediction, each timed on its own (after one warm-up run of the network).

    Raises:
        BundleError: the bundle cannot be loaded.
        ImageError: the image cannot be used.
    """
    predictor = load(bundle)
    spec = predictor.manifest.preprocess
    steps: list[Step] = []

    def timed(name: str, work: Any, describe: Any) -> Any:
        start_s = time.perf_counter()
        value = work()
        milliseconds = (time.perf_counter() - start_s) * 1000
        kind, shape, extent, note = describe(value)
        steps.append(Step(name, kind, shape, extent, milliseconds, note))
        return value

    def read() -> bytes:
        try:
            return Path(image).read_bytes()
        except OSError as error:
            raise ImageError("unreadable", f"{image}: {error.strerror}") from None

    data = timed("read", read, lambda b: ("bytes", f"{len(b):,}", "", ""))
    decoded = timed(
        "decode",
        lambda: decode(data, spec.decode_size),
        lambda d: (
            "RGB image",
            f"{d.image.height}×{d.image.width}×3",
            _extent(np.asarray(d.image)),
            f"{d.format} {d.mode}, {d.width}×{d.height}" + (f", decoded at 1/{d.reduced}" if d.reduced > 1 else ""),
        ),
    )
    resized = timed(
        "resize",
        lambda: resize_image(decoded.image, spec.resize),
        lambda i: ("RGB image", f"{i.height}×{i.width}×3", _extent(np.asarray(i)), spec.resize.method),
    )
    tensor = timed("normalise", lambda: to_tensor(resized, spec), lambda t: (str(t.dtype), _shape(t), _extent(t), ""))
    predictor.run_tensor(tensor)
    logits_C, _ = timed(
        "network",
        lambda: predictor.run_tensor(tensor),
        lambda r: (str(r[1].dtype), _shape(r[1]), _extent(r[1]), "embedding"),
    )
    steps.append(
        Step("head", str(logits_C.dtype), _shape(logits_C), _extent(logits_C), 0.0, "logits, inside the network")
    )
    probs_C = timed(
        "calibrate",
        lambda: softmax(logits_C[None], predictor.manifest.calibration.beta)[0],
        lambda p: (str(p.dtype), _shape(p), _extent(p), f"β = {predictor.manifest.calibration.beta:.3f}"),
    )
    prediction = predictor.judge(str(image), logits_C)
    steps.append(
        Step("verdict", "text", "", "", 0.0, f"{prediction.label} at {float(probs_C.max()):.3f}: {prediction.verdict}")
    )
    return steps


def _shape(array: np.ndarray[Any, Any]) -> str:
    return "×".join(map(str, array.shape))


def _extent(array: np.ndarray[Any, Any]) -> str:
    low, high = float(array.min()), float(array.max())
    return f"{low:g} … {high:g}" if array.dtype == np.uint8 else f"{low:.3f} … {high:.3f}"
