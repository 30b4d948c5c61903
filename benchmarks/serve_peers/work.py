"""What every peer does for an image: our decoding and preprocessing, the bundle's graph, an answer as a dictionary.

So that servers are compared and nothing else. Imports neither training nor serving, and runs in the peers' environment.
Shapes: N images, C classes, H, W pixels.
"""

from __future__ import annotations

import json
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from drivetrain.data.image.decode import decode
from drivetrain.data.image.preprocess import Preprocess, apply
from drivetrain.embed.onnx_runtime import onnx_runtime

PATH = "/v1/predict"
FIELD = "images"


class Work:
    """A bundle's graph; safe to use from several threads. ``threads`` within a call, None: as the runtime likes."""

    def __init__(self, bundle: Path, threads: int | None) -> None:
        manifest = json.loads((bundle / "manifest.json").read_text(encoding="utf-8"))
        self._preprocess = Preprocess.model_validate(manifest["preprocess"])
        self._classes: list[str] = manifest["classes"]
        ort = onnx_runtime()
        options = ort.SessionOptions()
        options.log_severity_level = 4
        if threads is not None:
            options.intra_op_num_threads = threads
            options.inter_op_num_threads = 1
        self._session = ort.InferenceSession(str(bundle / "model.onnx"), options, providers=["CPUExecutionProvider"])

    def tensor(self, data: bytes) -> NDArray[np.float32]:
        """The bytes of a file → (3, H, W)."""
        return apply(decode(data, self._preprocess.decode_size).image, self._preprocess)

    def answers(self, tensors: Sequence[NDArray[np.float32]]) -> list[dict[str, Any]]:
        """Images in one call of the network, one answer each."""
        pixels_NKHW = tensors[0][None] if len(tensors) == 1 else np.stack(tensors)
        logits_NC = self._session.run(["logits"], {"pixels": pixels_NKHW})[0]
        powers_NC = np.exp(logits_NC - logits_NC.max(axis=1, keepdims=True))
        return [self._answer(powers_C / powers_C.sum()) for powers_C in powers_NC]

    def answer(self, data: bytes) -> dict[str, Any]:
        """The bytes of a file → its answer."""
        return self.answers([self.tensor(data)])[0]

    def _answer(self, probs_C: NDArray[np.float32]) -> dict[str, Any]:
        best = int(probs_C.argmax())
        return {
            "label": self._classes[best],
            "confidence": float(probs_C[best]),
            "probs": dict(zip(self._classes, probs_C.tolist(), strict=True)),
        }
