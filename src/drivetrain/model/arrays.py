"""A bundle's memory of its training set: for drift, out-of-domain gates, similar images, and leaks.

Shapes: N images, of which the first T were trained on and the rest judged a fine-tuned network; D embedding, F frozen
embedding, W columns of logits, M ≤ N images with honest logits, K = 16 frequencies, R rows.
"""

from __future__ import annotations

from dataclasses import dataclass, fields
from functools import cached_property
from typing import Any

import numpy as np
from numpy.typing import NDArray

from ..core.errors import SchemaError
from ..core.types import FloatArray, IntArray
from ..data.image.phash import KEPT
from .manifest import Manifest
from .tensors import load_tensors

# Version 2's names of the arrays → those of version 1.
V1_NAMES = {
    "targets_N": "labels_N",
    "unseen_logits_MC": "oof_logits_NC",
    "pixels_sha256_T32": "pixels_sha256_N32",
    "frequencies_TKK": "frequencies_NKK",
}


@dataclass(frozen=True)
class TrainingArrays:
    """`arrays.safetensors`: one array a field, by the field's name."""

    embeddings_ND: NDArray[np.float16]
    """The embeddings that the graph's ``embedding`` output gives."""
    targets_N: NDArray[Any]
    """(N,) int64 class numbers; (N, C) float32 0 or 1 for several labels; (N, C) float32 numbers."""
    groups_N: IntArray
    unseen_logits_MC: FloatArray
    """The model's logits for images whose group it had not seen, before temperature."""
    unseen_rows_M: IntArray
    """Rows of these images: all of them where logits are out of fold, those held out where the network was fine-tuned."""
    pixels_sha256_T32: NDArray[np.uint8]
    """The SHA-256 of each item's content, see `ItemFacts.content_sha256`; the name is older than inputs other than images."""
    frequencies_TKK: NDArray[np.float16]
    """Perceptual fingerprints, see `drivetrain.data.image.phash`; none where the input has no such thing."""
    frozen_NF: NDArray[np.float16] | None = None
    """Embeddings before fine-tuning, as ``frozen.onnx`` gives them: fine-tuning blurs the differences between domains."""

    @cached_property
    def unit_ND(self) -> FloatArray:
        """``embeddings_ND`` as `unit` vectors, kept from the first call on.

        Taken from float16 anew, ten thousand rows cost more than the search among them.
        """
        return unit(self.embeddings_ND)

    def to_bytes(self) -> bytes:
        """Write the arrays as safetensors."""
        from safetensors.numpy import save

        arrays = {field.name: getattr(self, field.name) for field in fields(self)}
        return bytes(save({name: np.ascontiguousarray(a) for name, a in arrays.items() if a is not None}))

    @classmethod
    def from_bytes(cls, data: bytes, manifest: Manifest) -> TrainingArrays:
        """Parse the arrays and check them against the manifest.

        Raises:
            SchemaError: not safetensors, or an array is missing or of another type or shape than it must have.
        """
        try:
            found = load_tensors(data, "arrays.safetensors")
            if manifest.schema_version == 1:
                found = _lifted(found)
            arrays = cls(**{field.name: found.get(field.name) for field in fields(cls)})  # type: ignore[arg-type]  # what is missing is found below
        except (ValueError, KeyError, TypeError) as error:
            raise SchemaError(f"arrays.safetensors is malformed: {error}") from None
        arrays._check(manifest)
        return arrays

    def _check(self, manifest: Manifest) -> None:
        kind, width = manifest.kind, manifest.embedding_width
        target_type, target_shape = kind.target_type
        n, m = (len(a) if isinstance(a, np.ndarray) and a.ndim else 0 for a in (self.targets_N, self.unseen_rows_M))
        t = min(len(self.pixels_sha256_T32) if isinstance(self.pixels_sha256_T32, np.ndarray) else 0, n)
        wanted: dict[str, tuple[Any, tuple[int, ...]]] = {
            "embeddings_ND": (np.float16, (n, width)),
            "targets_N": (target_type, (n, *target_shape)),
            "groups_N": (np.int64, (n,)),
            "unseen_logits_MC": (np.float32, (m, kind.width)),
            "unseen_rows_M": (np.int64, (m,)),
            "pixels_sha256_T32": (np.uint8, (t, 32)),
            "frequencies_TKK": (np.float16, (t if manifest.input.preprocess.fingerprint_bytes else 0, KEPT, KEPT)),
        }
        if manifest.frozen_width is not None:
            wanted["frozen_NF"] = (np.float16, (n, manifest.frozen_width))
        for name, (dtype, shape) in wanted.items():
            array = getattr(self, name)
            if array is None:
                raise SchemaError(f"arrays.safetensors is malformed: {name} is missing")
            if array.dtype != dtype or array.shape != shape:
                raise SchemaError(
                    f"arrays.safetensors: {name} is {array.dtype} {array.shape}, not {np.dtype(dtype)} {shape}"
                )
        if m and not 0 <= self.unseen_rows_M.min() <= self.unseen_rows_M.max() < n:
            raise SchemaError(f"arrays.safetensors: unseen_rows_M holds rows outside 0–{n - 1}")
        if not (np.isfinite(self.targets_N).all() and np.isfinite(self.unseen_logits_MC).all()):
            raise SchemaError("arrays.safetensors: targets_N or unseen_logits_MC holds what is not finite")
        if fault := kind.target_fault(self.targets_N):
            raise SchemaError(f"arrays.safetensors: targets_N holds {fault}")


def unit(embeddings_RD: NDArray[Any]) -> FloatArray:
    """Scale rows to unit length, in float32, as those of several blocks are longer. A row of zeros stays zero and resembles
    none."""
    unit_RD: FloatArray = embeddings_RD.astype(np.float32)
    length_R = np.sqrt(np.einsum("rd,rd->r", unit_RD, unit_RD))
    usable_R = np.isfinite(length_R) & (length_R > 0)
    unit_RD[~usable_R] = 0
    unit_RD /= np.where(usable_R, length_R, 1)[:, None]
    return unit_RD


def _lifted(found: dict[str, NDArray[Any]]) -> dict[str, NDArray[Any]]:
    """Lift version 1 to version 2: it has other names, and logits for all images."""
    old = {name: found.get(V1_NAMES.get(name, name)) for name in (f.name for f in fields(TrainingArrays))}
    lifted = {name: array for name, array in old.items() if array is not None}
    return {**lifted, "unseen_rows_M": np.arange(len(found["labels_N"]), dtype=np.int64)}
