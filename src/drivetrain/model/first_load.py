"""``python -m drivetrain.model.first_load``: a bundle loaded and run where nothing else is lost, see `drivetrain.core.child`."""

from __future__ import annotations

from collections.abc import Mapping
from importlib import import_module
from typing import Any

from ..core.child import Work, answer
from ..core.errors import BundleError
from ..embed.batch_sizes import batch_sizes
from .predictor import construct
from .storage import FROZEN, MODEL


def _prepare() -> Work:
    from PIL import Image

    from ..embed.onnx_runtime import onnx_runtime

    onnx_runtime()  # heavy to load, and not to be counted as the bundle's own time and memory
    Image.init()

    def work(request: Mapping[str, Any], files: Mapping[str, bytes]) -> None:
        for name in request.get("modules", ()):  # as the asking process has them; a bundle names none
            import_module(name)
        predictor = construct(files, golden=request["golden"])
        form = predictor.manifest.input
        name = FROZEN
        try:
            predictor.run_frozen(form.blank()[0])
            name = MODEL
            for size in batch_sizes(form.shape):
                predictor.run_batch(form.blank(size))
        except Exception as error:  # ONNX Runtime raises a dozen unrelated classes
            raise BundleError(f"{name} does not run: {' '.join(str(error).split())[:300]}") from None

    return work


if __name__ == "__main__":
    answer(_prepare)
