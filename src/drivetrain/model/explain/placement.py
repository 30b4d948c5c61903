"""The placement of a network's input in the picture it was made from."""

from __future__ import annotations

from dataclasses import dataclass

from ...data.image.preprocess import Resize


@dataclass(frozen=True)
class Placement:
    """The place of the network's input square in the picture's own pixels; beyond its edges where it was padded."""

    left: float
    top: float
    right: float
    bottom: float

    @classmethod
    def of(cls, size: tuple[int, int], spec: Resize) -> Placement:
        """Compute the placement for a picture of ``size`` (width, height), the inverse of
        `data.image.preprocess.resize_image`."""
        width, height = size
        target_h, target_w = spec.size
        if spec.method == "squish":
            return cls(0.0, 0.0, float(width), float(height))
        if spec.method == "crop":
            scale = min(width / target_w, height / target_h)
            left, top = (width - target_w * scale) / 2, (height - target_h * scale) / 2
            return cls(left, top, width - left, height - top)
        scale = min(target_w / width, target_h / height)
        # Padding is whole pixels of the input, and so is the resized picture.
        fitted_w, fitted_h = max(1, round(width * scale)), max(1, round(height * scale))
        pad_x, pad_y = (target_w - fitted_w) // 2, (target_h - fitted_h) // 2
        step_x, step_y = width / fitted_w, height / fitted_h
        return cls(-pad_x * step_x, -pad_y * step_y, (target_w - pad_x) * step_x, (target_h - pad_y) * step_y)
