"""``python -m drivetrain.model.first_load``: a bundle loaded and run where nothing else is lost, see `drivetrain.core.child`."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import numpy as np

from ..core.child import ChildError, Work, answer
from ..core.errors import BundleError
from ..embed.batches import batch_sizes
from ..embed.quarantine import Quarantine
from .storage import FROZEN, MODEL

MODULE = "drivetrain.model.first_load"


def try_first(files: Mapping[str, bytes], sums: Mapping[str, str], quarantine: Quarantine, *, golden: bool) -> None:
    """Have a bundle's files tried, unless they have passed before.

    Raises:
        BundleError: the bundle takes too much time or memory, or cannot be loaded.
    """
    if not golden and quarantine.knows(sums):
        return  # it has passed with its golden images, which is more
    # Without the golden images less is tried, so that it is remembered apart.
    tried = sums if golden else {**sums, "": "without golden images"}
    try:
        quarantine.admit(MODULE, {"golden": golden}, files, tried)
    except ChildError as error:
        raise BundleError(f"loading it {error}, so it was refused") from None


def _prepare() -> Work:
    from PIL import Image

    from ..embed.onnx_runtime import onnx_runtime
    from .predictor import construct

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
