"""A split given with the data: judged as it is, and without the items that leak. Shapes: H held-out items, J
items judged."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from ..core.errors import DataError
from ..core.types import FloatArray, IntArray, Item
from ..curate.duplicates import Duplicates
from ..learn.figures import Figures
from ..learn.head import FittedHead
from ..learn.judged import Judged
from .sample import Sample

TRAINING = (None, "train")


@dataclass(frozen=True, eq=False)
class HeldOut:
    """The items that a given split holds out, and those among them that leak, as copies or group members of training items."""

    rows_H: NDArray[np.intp]
    """Positions among all usable items, leaking ones left out."""
    leaking: NDArray[np.intp]
    name: str
    """``valid`` or ``test``."""
    first_pair: tuple[str, str] | None
    """A training item and the held-out item that gives it away."""

    @property
    def all_rows(self) -> NDArray[np.intp]:
        """Positions of all held-out items, leaking ones included."""
        return np.sort(np.concatenate([self.rows_H, self.leaking]))

    @property
    def how(self) -> str:
        """The split in words."""
        left_out = f", {len(self.leaking)} leaking ones left out" if len(self.leaking) else ""
        return f"held-out {self.name} split of {len(self.rows_H) + len(self.leaking)} images{left_out}"


def held_out_rows(items: Sequence[Item]) -> NDArray[np.bool_]:
    """Return the (N,) mask of items kept from training, which are named ``valid`` or ``test``."""
    return np.asarray([item.split not in TRAINING for item in items], bool)


def held_out(sample: Sample, held_N: NDArray[np.bool_], duplicates: Duplicates) -> HeldOut:
    """Return the items to judge by: ``valid`` (``test`` where there is no ``valid``), without those that leak.

    Raises:
        DataError: every held-out item leaks.
    """
    items, groups_N, held = sample.items, sample.groups_N, np.flatnonzero(held_N).tolist()
    split = "valid" if any(items[row].split == "valid" for row in held) else "test"
    rows = np.asarray([row for row in held if items[row].split == split], np.intp)
    leaks = np.isin(groups_N[rows], np.unique(groups_N[~held_N]))
    if leaks.all():
        raise DataError(f"all {len(rows)} images of the {split} split are copies or group members of training images")
    pair = _first_pair(items, held_N, groups_N, duplicates, rows[leaks][0]) if leaks.any() else None
    return HeldOut(rows[~leaks], rows[leaks], split, pair)


def judge_head(rows_J: NDArray[np.intp], how: str, sample: Sample, fitted: FittedHead) -> Judged:
    """The frozen head's answers for held-out rows of all usable images."""
    judged = sample.take(rows_J)
    return _judged(rows_J, how, judged, fitted.head.logits(judged.features_ND), fitted)


def out_of_fold(rows_N: NDArray[np.intp], trained_on: Sample, fitted: FittedHead, how: str) -> Judged:
    """The answers to the images trained on, each by a head that has not seen its group; ``rows_N`` are their positions."""
    return _judged(rows_N, how, trained_on, fitted.out_of_fold.logits_NC, fitted)


def _judged(rows_J: NDArray[np.intp], how: str, judged: Sample, logits_JW: FloatArray, fitted: FittedHead) -> Judged:
    answers_JO = judged.targets.answers(logits_JW, fitted.head.beta)
    return Judged(rows_J, judged.targets, judged.groups_N, logits_JW, answers_JO, how)


def leak_of(held: HeldOut, leaky: Figures) -> str | None:
    """Write the sentence on a split that leaks; ``leaky``: the figures of all its items."""
    if held.first_pair is None:
        return None
    a, b = held.first_pair
    return (
        f"{len(held.leaking)} of {len(held.leaking) + len(held.rows_H)} {held.name} images are near-duplicates or group "
        f"members of training images and are left out of the figures; with them the {leaky.sentence()}. "
        f"First pair: {a}, {b}"
    )


def _first_pair(
    items: Sequence[Item], held_N: NDArray[np.bool_], groups_N: IntArray, duplicates: Duplicates, row: int
) -> tuple[str, str]:
    """Find the first leaking pair: a direct one where there is one."""
    for i, j, _, _ in duplicates.pairs:
        if held_N[i] != held_N[j] and row in (i, j):
            return (items[j].name, items[i].name) if held_N[i] else (items[i].name, items[j].name)
    partner = int(np.flatnonzero((groups_N == groups_N[row]) & ~held_N)[0])
    return items[partner].name, items[row].name
