"""What a bundle remembers of its training set: for drift, out-of-domain gates, similar images, and leaks.

Shapes: N training images, D embedding, C classes, K = 16 frequencies.
"""

from __future__ import annotations

from dataclasses import dataclass, fields

import numpy as np
from numpy.typing import NDArray

from ..core.errors import SchemaError
from ..core.types import FloatArray, IntArray


@dataclass(frozen=True)
class TrainingArrays:
    """`arrays.safetensors`: one array a field, by the field's name."""

    embeddings_ND: NDArray[np.float16]
    """As the graph's ``embedding`` output."""
    labels_N: IntArray
    groups_N: IntArray
    oof_logits_NC: FloatArray
    """What the head said of each image without having seen its group, before temperature."""
    pixels_sha256_N32: NDArray[np.uint8]
    frequencies_NKK: NDArray[np.float16]
    """Perceptual fingerprints, see `drivetrain.data.phash`."""

    def to_bytes(self) -> bytes:
        """As safetensors."""
        from safetensors.numpy import save

        return bytes(save({field.name: np.ascontiguousarray(getattr(self, field.name)) for field in fields(self)}))

    @classmethod
    def from_bytes(cls, data: bytes) -> TrainingArrays:
        """Parse and check.

        Raises:
            SchemaError: not safetensors, an array is missing, or their lengths differ.
        """
        from safetensors import SafetensorError
        from safetensors.numpy import load

        try:
            found = load(data)
            arrays = cls(**{field.name: found[field.name] for field in fields(cls)})
        except (SafetensorError, ValueError, KeyError) as error:
            raise SchemaError(f"arrays.safetensors is malformed: {error}") from None
        lengths = {len(getattr(arrays, field.name)) for field in fields(cls)}
        if len(lengths) != 1:
            raise SchemaError(f"arrays.safetensors is malformed: arrays of {sorted(lengths)} images")
        return arrays
