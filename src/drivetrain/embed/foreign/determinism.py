"""Trying a graph before it is trusted: it must give the same every time, and for a batch what its images give alone."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import numpy as np
from numpy.typing import NDArray

from ...core.errors import WeightsError
from ..backbone import INPUT
from ..onnx_runtime import FORMAT, onnx_runtime

if TYPE_CHECKING:
    import onnx

# Largest difference between coordinates of two embeddings (of unit length) that counts as rounding.
TOLERANCE = 1e-3

# ONNX Runtime logs only what ends the process: a trial may fail, and says so itself.
FATAL_ONLY = 4

Array = NDArray[np.float32]


def trial_images(size: tuple[int, int]) -> Array:
    """Two different images of noise, (2, 3, H, W), the same every time."""
    return np.random.default_rng(0).standard_normal((2, 3, *size)).astype(np.float32)


class Trial:
    """A graph in a quiet session of its own, with the errors of the runtime in one line."""

    def __init__(self, model: onnx.ModelProto, where: str) -> None:
        """Load the graph; ``where`` names its file in messages.

        Raises:
            WeightsError: ONNX Runtime cannot load it.
        """
        ort = onnx_runtime()
        self._where = where
        self._run_options = ort.RunOptions()
        self._run_options.log_severity_level = FATAL_ONLY
        options = ort.SessionOptions()
        options.log_severity_level = FATAL_ONLY
        options.add_session_config_entry(*FORMAT)
        try:
            self._session = ort.InferenceSession(
                model.SerializeToString(),
                options,
                providers=["CPUExecutionProvider"],
                enable_fallback=0,  # the fallback would be to what has just failed, with a banner on standard output
            )
        except Exception as error:  # ONNX Runtime raises a dozen unrelated classes
            raise WeightsError(f"ONNX Runtime cannot load {where}: {line(error)}; export it with opset 17") from None

    def run(self, images_NKHW: Array) -> NDArray[Any]:
        """Run the graph and return its only output.

        Raises:
            WeightsError: it does not run on these images.
        """
        try:
            result: NDArray[Any] = self._session.run(None, {INPUT: images_NKHW}, self._run_options)[0]
        except Exception as error:  # as in `__init__`
            shape = list(images_NKHW.shape)
            raise WeightsError(f"{self._where} does not run on {shape}: {line(error)}; export it again") from None
        return result

    def gives(self, expected_1D: Array, images_NKHW: Array, *, batches: bool) -> bool:
        """Tells whether the first image gives the expected embedding and, with ``batches``, a batch gives what its images
        give alone."""
        try:
            alone = np.concatenate([self.run(image_1KHW) for image_1KHW in np.split(images_NKHW, len(images_NKHW))])
            together = self.run(images_NKHW) if batches else alone
            again_1D = self.run(images_NKHW[:1])
        except WeightsError:
            return False
        if together.shape != alone.shape or alone.shape[1:] != expected_1D.shape[1:]:
            return False
        differences = (together - alone, alone[:1] - expected_1D, again_1D - expected_1D)
        return all(bool(np.abs(difference).max() <= TOLERANCE) for difference in differences)


def line(error: Exception) -> str:
    """Return a foreign error's words in one line of bearable length."""
    return " ".join(str(error).split())[:300] or type(error).__name__
