"""The inputs there are, by the ``type`` that a manifest names."""

from __future__ import annotations

from .image import ImageInput

INPUTS: dict[str, type[ImageInput]] = {"image": ImageInput}
