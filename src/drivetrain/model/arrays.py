"""What a bundle remembers of its training set: for drift, out-of-domain gates, similar images, and leaks.

Shapes: N training images, D embedding, C classes, K = 16 frequencies.
"""

from __future__ import annotations

from dataclasses import dataclass, fields

import numpy as np
from numpy.typing import NDArray

from ..core.errors import SchemaError
from ..core.types import FloatArray, IntArray
from ..data.phash import KEPT


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
    def from_bytes(cls, data: bytes, width: int, n_classes: int) -> TrainingArrays:
        """Parse and check; ``width`` of the embedding and ``n_classes`` are the manifest's.

        Raises:
            SchemaError: not safetensors, or an array is missing or of another type or shape than it must have.
        """
        from safetensors import SafetensorError
        from safetensors.numpy import load

        try:
            found = load(data)
            arrays = cls(**{field.name: found[field.name] for field in fields(cls)})
        except (SafetensorError, ValueError, KeyError) as error:
            raise SchemaError(f"arrays.safetensors is malformed: {error}") from None
        n = len(arrays.labels_N) if arrays.labels_N.ndim else 0
        wanted = {
            "embeddings_ND": (np.float16, (n, width)),
            "labels_N": (np.int64, (n,)),
            "groups_N": (np.int64, (n,)),
            "oof_logits_NC": (np.float32, (n, n_classes)),
            "pixels_sha256_N32": (np.uint8, (n, 32)),
            "frequencies_NKK": (np.float16, (n, KEPT, KEPT)),
        }
        for name, (dtype, shape) in wanted.items():
            array = getattr(arrays, name)
            if array.dtype != dtype or array.shape != shape:
                raise SchemaError(
                    f"arrays.safetensors: {name} is {array.dtype} {array.shape}, not {np.dtype(dtype)} {shape}"
                )
        if n and not 0 <= arrays.labels_N.min() <= arrays.labels_N.max() < n_classes:
            raise SchemaError(f"arrays.safetensors: labels_N holds labels outside 0–{n_classes - 1}")
        return arrays
