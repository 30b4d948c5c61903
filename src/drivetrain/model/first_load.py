"""``python -m drivetrain.model.first_load``: a bundle loaded and run where nothing else is lost, see `drivetrain.core.child`."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import numpy as np

from ..core.child import Work, answer
from ..core.errors import BundleError
from ..embed.batches import batch_sizes
from .predictor import construct
from .storage import FROZEN, MODEL


def _prepare() -> Work:
    from PIL import Image

    from ..embed.onnx_runtime import onnx_runtime

    onnx_runtime()  # heavy, and no part of what the bundle takes
    Image.init()

    def work(request: Mapping[str, Any], files: Mapping[str, bytes]) -> None:
        predictor = construct(files, golden=request["golden"])
        height, width = predictor.manifest.input.preprocess.resize.size
        name = FROZEN
        try:
            predictor.run_frozen(np.zeros((3, height, width), np.float32))
            name = MODEL
            for size in batch_sizes(height, width):
                predictor.run_batch(np.zeros((size, 3, height, width), np.float32))
        except Exception as error:  # ONNX Runtime raises a dozen unrelated classes
            raise BundleError(f"{name} does not run: {' '.join(str(error).split())[:300]}") from None

    return work


if __name__ == "__main__":
    answer(_prepare)
