"""The images trained on and those kept from training, once copies of a picture are joined. Shapes: A usable images, N of them
trained on."""

from __future__ import annotations

from dataclasses import dataclass
from functools import cached_property

import numpy as np
from numpy.typing import NDArray

from ..core.types import IntArray, Skipped
from ..curate.duplicates import Duplicates, find_duplicates, merge_groups
from .checks import check_copies, check_usable
from .features import Chosen
from .holdout import HeldOut, held_out, held_out_rows
from .sample import Sample


@dataclass(frozen=True, eq=False)
class Sides:
    """All usable images, and the rows of those trained on."""

    sample: Sample
    """The A images; copies are in one group."""
    training: NDArray[np.intp]
    """(N,) rows of those trained on."""
    held: HeldOut | None
    """A split given with the data."""
    duplicates: Duplicates
    """Duplicates among all A images."""
    user_groups: int
    """Groups of two and more images given with the data."""
    skipped: tuple[Skipped, ...]

    @cached_property
    def trained_on(self) -> Sample:
        """The N images."""
        return self.sample.take(self.training)


def sides_of(read: Sample, chosen: Chosen, skipped: tuple[Skipped, ...]) -> Sides:
    """Groups copies and keeps what a split given with the data holds out.

    Raises:
        DataError: too little is left to learn from, or to judge by.
    """
    usable = read.embedded(chosen.embeddings)
    check_usable(usable.targets, skipped)
    duplicates = find_duplicates(chosen.embeddings.facts, usable.features_ND, chosen.probe_cosines)
    sample = usable.grouped(merge_groups(usable.groups_N, duplicates.groups_N))
    check_copies(sample.groups_N)
    held_A = held_out_rows(sample.items)
    training = np.flatnonzero(~held_A)
    if held_A.any():
        check_usable(sample.targets.take(training), skipped, where=" in the training split")
    held = held_out(sample, held_A, duplicates) if held_A.any() else None
    return Sides(sample, training, held, duplicates, _several(usable.groups_N), skipped)


def _several(groups_A: IntArray) -> int:
    """Count the groups with two and more members."""
    return int((np.bincount(np.unique(groups_A, return_inverse=True)[1]) > 1).sum())
