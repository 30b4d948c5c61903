"""The training images most like a picture, by the angle between the embeddings of both.

Shapes: N images that the bundle remembers, D embedding, R rows asked for.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np
from numpy.typing import NDArray

from ...core.errors import UsageError
from ...core.types import FloatArray
from ..arrays import unit

if TYPE_CHECKING:
    from ..predictor import Predictor


@dataclass(frozen=True, slots=True)
class Similar:
    """One remembered image."""

    row: int
    """The image's row in the bundle's arrays, and in its gallery where that has a picture."""
    label: str
    """The target as people read it: “grizzly”, “cat, dog”, “years 31”; “–” for none of several labels."""
    similarity: float
    """Cosine of the two embeddings, 0–1; a negative one counts as 0."""


def most_similar(
    predictor: Predictor, embedding_D: FloatArray, count: int, only_rows: Sequence[int] | None = None
) -> tuple[Similar, ...]:
    """Find the ``count`` most similar images, best first; of equal ones the lower row goes ahead.

    ``embedding_D`` as `Predictor.run` gives it. ``only_rows`` restricts the search, to what the gallery shows for
    instance. Without it the embeddings are kept as unit vectors from the first call on, 4 · N · D bytes; with it nothing
    is kept. Safe to call from several threads.

    Raises:
        UsageError: the embedding has another length or is not finite, a row is outside the arrays, or ``count`` is
            negative.
    """
    embeddings_ND = predictor.arrays().embeddings_ND
    n_images, width = embeddings_ND.shape
    query_D = np.asarray(embedding_D, np.float32)
    if query_D.shape != (width,) or not np.isfinite(query_D).all():
        raise UsageError(f"the embedding has the shape {query_D.shape}; it must be ({width},), and finite")
    if count < 0:
        raise UsageError(f"count is {count}; it must be 0 or more")
    query_D = unit(query_D[None])[0]
    if only_rows is None:
        rows_R: NDArray[np.intp] | None = None
        cosines_R = _cosines(predictor.arrays().unit_ND, query_D)
    else:
        rows_R = np.unique(np.asarray(only_rows, np.intp))
        if len(rows_R) and not 0 <= rows_R[0] <= rows_R[-1] < n_images:
            raise UsageError(f"only_rows holds rows outside 0–{n_images - 1}")
        cosines_R = _cosines(unit(embeddings_ND[rows_R]), query_D)
    return tuple(
        Similar(
            row=(row := int(place if rows_R is None else rows_R[place])),
            label=label_of(predictor, row),
            similarity=float(np.clip(cosines_R[place], 0, 1)),
        )
        for place in _best(cosines_R, count)
    )


def label_of(predictor: Predictor, row: int) -> str:
    """Return the target of a remembered image, as people read it."""
    return predictor.manifest.kind.target_text(predictor.arrays().targets_N[row])


def _best(cosines_R: FloatArray, count: int) -> list[int]:
    """Return the places of the largest values, in falling order; the first of equal values goes ahead."""
    count = min(count, len(cosines_R))
    if count == 0:
        return []
    least = np.partition(cosines_R, len(cosines_R) - count)[len(cosines_R) - count]
    places = np.flatnonzero(cosines_R >= least)
    return [int(place) for place in places[np.argsort(-cosines_R[places], kind="stable")][:count]]


def _cosines(unit_RD: FloatArray, query_D: FloatArray) -> FloatArray:
    """Compute cosines on one core: where all cores are busy with networks, waiting for them takes longer than the sums."""
    cosines_R: FloatArray = np.einsum("rd,d->r", unit_RD, query_D)
    return cosines_R
