"""Small pictures of the training set, kept in the bundle so that people can be shown what is similar.

The file is optional, and the only one that shows training images: whoever may read the bundle may see them. They carry no
metadata; ``gallery=0`` (``--gallery 0``) keeps none.

Shapes: N images of ``arrays.safetensors``, G of them in the gallery, B bytes of JPEG in all, G1 = G + 1, D embedding.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from functools import cached_property
from io import BytesIO
from typing import Any

import numpy as np
from numpy.typing import NDArray
from PIL import Image

from ..core.errors import SchemaError
from ..core.types import IntArray
from ..data.image.facts import thumbnail
from ..data.image.metadata import strip_metadata
from ..data.image.render import SRGB, Render
from .storage import GALLERY
from .tensors import load_tensors

SIDE = 128
"""The pixels of a picture's longer side."""
MAX_PICTURES = 10_000
"""The most pictures, many times as many as are kept by default; each is checked on loading."""
JPEG_START, JPEG_END = b"\xff\xd8\xff", b"\xff\xd9"


@dataclass(frozen=True, eq=False)
class Gallery:
    """`gallery.safetensors`: one array a field, by the field's name."""

    jpeg_B: NDArray[np.uint8]
    """The JPEG files one behind the other."""
    offsets_G1: IntArray
    """The place where each file begins, and where the last one ends."""
    rows_G: IntArray
    """The rows of ``embeddings_ND`` that the pictures are of, ascending."""

    @property
    def rows(self) -> tuple[int, ...]:
        """The rows of the bundle's arrays that have a picture, ascending."""
        return tuple(self._place)

    def thumbnail(self, row: int) -> bytes | None:
        """Return a JPEG of at most `SIDE` pixels a side; None where this row has no picture."""
        place = self._place.get(row)
        if place is None:
            return None
        return self.jpeg_B[self.offsets_G1[place] : self.offsets_G1[place + 1]].tobytes()

    @cached_property
    def _place(self) -> dict[int, int]:
        return {int(row): place for place, row in enumerate(self.rows_G)}

    @classmethod
    def from_bytes(cls, data: bytes, n_images: int) -> Gallery:
        """Parse and check a gallery; ``n_images`` is N.

        Raises:
            SchemaError: not safetensors, an array is missing or of another type or shape than it must have, or what
                stands in them is not JPEG files of images that the bundle knows.
        """
        found = load_tensors(data, GALLERY)
        names = {"jpeg_B": np.uint8, "offsets_G1": np.int64, "rows_G": np.int64}
        for name, dtype in names.items():
            if name not in found or found[name].dtype != dtype or found[name].ndim != 1:
                raise SchemaError(f"{GALLERY}: {name} is missing, or not a line of {np.dtype(dtype)}")
        gallery = cls(**{name: found[name] for name in names})
        gallery._check(n_images)
        return gallery

    def _check(self, n_images: int) -> None:
        rows_G, offsets_G1 = self.rows_G, self.offsets_G1
        if len(offsets_G1) != len(rows_G) + 1 or offsets_G1[0] != 0 or offsets_G1[-1] != len(self.jpeg_B):
            raise SchemaError(
                f"{GALLERY}: {len(offsets_G1)} offsets do not part the bytes among {len(rows_G)} pictures"
            )
        if (offsets_G1[1:] <= offsets_G1[:-1]).any():
            raise SchemaError(f"{GALLERY}: offsets_G1 does not ascend")
        if len(rows_G) and not (rows_G[0] >= 0 and rows_G[-1] < n_images and (rows_G[1:] > rows_G[:-1]).all()):
            raise SchemaError(f"{GALLERY}: rows_G does not ascend within 0–{n_images - 1}")
        if len(rows_G) > MAX_PICTURES:
            raise SchemaError(f"{GALLERY}: {len(rows_G)} pictures; at most {MAX_PICTURES}")
        for row in self.rows:
            picture = self.thumbnail(row) or b""
            if not (picture.startswith(JPEG_START) and picture.endswith(JPEG_END)):
                raise SchemaError(f"{GALLERY}: the picture of row {row} is not a JPEG file")
            try:
                width, height = Image.open(BytesIO(picture), formats=["JPEG"]).size
            except Exception as error:  # damage shows as any exception
                detail = " ".join(str(error).split())[:200]
                raise SchemaError(f"{GALLERY}: the picture of row {row} cannot be read ({detail})") from None
            if (
                max(width, height) > SIDE
            ):  # pictures are shown as they are, and a few bytes can announce 65,535 × 65,535
                raise SchemaError(f"{GALLERY}: the picture of row {row} is {width}×{height}; at most {SIDE} a side")


def write_gallery(pictures: Mapping[int, bytes]) -> bytes:
    """Write JPEG files, by their rows of ``embeddings_ND``, as `gallery.safetensors`; equal pictures give equal bytes."""
    from safetensors.numpy import save

    rows = sorted(pictures)
    jpeg = b"".join(pictures[row] for row in rows)
    arrays: dict[str, NDArray[Any]] = {
        "jpeg_B": np.frombuffer(jpeg, np.uint8),
        "offsets_G1": np.cumsum([0, *(len(pictures[row]) for row in rows)], dtype=np.int64),
        "rows_G": np.asarray(rows, np.int64),
    }
    return bytes(save(arrays))


def picture_of(data: bytes, render: Render = SRGB) -> bytes:
    """Make the JPEG that is kept of an image file: at most `SIDE` pixels a side, upright, without metadata; ``render`` as
    `decode` has it.

    Raises:
        ImageError: the bytes are not a usable image.
    """
    return strip_metadata(thumbnail(data, SIDE, render))[0]


def choose(embeddings_ND: NDArray[Any], strata_N: IntArray, count: int) -> list[int]:
    """Choose the images to keep, at most ``count``: as many of each stratum, and within it as different as may be.

    A stratum too small for its share leaves the rest to the others. The first of each is the one nearest its mean, each
    further one the farthest (by cosine) from those chosen before; the lower row where two are equal.
    """
    strata = [np.flatnonzero(strata_N == stratum) for stratum in np.unique(strata_N)]
    chosen = [
        _farthest_first(rows_n, embeddings_ND[rows_n], share)
        for rows_n, share in zip(strata, _shares([len(rows_n) for rows_n in strata], count), strict=True)
    ]
    return sorted(row for rows in chosen for row in rows)


def _shares(sizes: list[int], count: int) -> list[int]:
    """Share the count out to the strata: one more of each in turn, as long as there are any."""
    shares, left = [0] * len(sizes), min(count, sum(sizes))
    while left:
        open_strata = [s for s, size in enumerate(sizes) if shares[s] < size]
        each = max(1, left // len(open_strata))
        for s in open_strata[:left]:
            more = min(each, sizes[s] - shares[s], left)
            shares[s] += more
            left -= more
    return shares


def _farthest_first(rows_n: NDArray[np.intp], embeddings_nD: NDArray[Any], count: int) -> list[int]:
    if count == 0:
        return []
    unit_nD = embeddings_nD.astype(np.float32)
    unit_nD /= np.maximum(np.linalg.norm(unit_nD, axis=1, keepdims=True), np.finfo(np.float32).tiny)
    picked = [int((unit_nD @ unit_nD.mean(axis=0)).argmax())]
    nearest_n = unit_nD @ unit_nD[picked[0]]
    nearest_n[picked[0]] = np.inf
    while len(picked) < count:
        picked.append(int(nearest_n.argmin()))
        np.maximum(nearest_n, unit_nD @ unit_nD[picked[-1]], out=nearest_n)
        nearest_n[picked[-1]] = np.inf
    return [int(rows_n[place]) for place in picked]
