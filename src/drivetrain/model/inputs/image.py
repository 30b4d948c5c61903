"""Images as what a model takes."""

from __future__ import annotations

from typing import Annotated, Literal

from pydantic import AfterValidator

from ...data.image.preprocess import Preprocess
from ..part import Part

# Pixels a side of the network's input: beyond any classifier's, within any memory.
MAX_INPUT_SIDE = 4096


def _fits_memory(spec: Preprocess) -> Preprocess:
    if max(spec.resize.size) > MAX_INPUT_SIDE:
        raise ValueError(f"resize.size is {spec.resize.size}; at most {MAX_INPUT_SIDE} pixels a side")
    return spec


class ImageInput(Part):
    """An image of any size, brought to the network's by ``preprocess``."""

    type: Literal["image"] = "image"
    preprocess: Annotated[Preprocess, AfterValidator(_fits_memory)]
