"""A split given with the data: judged as it is, and without the items that leak. Shapes: H held-out items, C classes."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from ..core.errors import DataError
from ..core.types import Embeddings, IntArray, Interval, Item
from ..curate.duplicates import Duplicates
from ..learn.head import FittedHead
from ..model import metrics
from ..model.metrics import Floats, softmax

TRAINING = (None, "train")


@dataclass(frozen=True)
class HeldOut:
    """Results on a held-out split, items that leak left out.

    ``leak`` says how many items are copies (or group members) of training items, or None; ``accuracy_with_leak`` is what
    the split would have shown as given.
    """

    rows_H: NDArray[np.intp]
    """Positions among all usable items."""
    labels_H: IntArray
    groups_H: IntArray
    probs_HC: Floats
    how: str
    leak: str | None
    accuracy_with_leak: Interval | None


def held_out_rows(items: Sequence[Item]) -> NDArray[np.bool_]:
    """(N,) whether an item is kept from training: it is named ``valid`` or ``test``."""
    return np.asarray([item.split not in TRAINING for item in items], bool)


def judge_held_out(
    items: Sequence[Item],
    held_N: NDArray[np.bool_],
    labels_N: IntArray,
    groups_N: IntArray,
    duplicates: Duplicates,
    embeddings: Embeddings,
    fitted: FittedHead,
) -> HeldOut:
    """Judge the head on ``valid`` (``test`` where there is no ``valid``), with and without leaking items.

    Raises:
        DataError: every held-out item leaks.
    """
    held = np.flatnonzero(held_N).tolist()
    names = {items[row].split for row in held}
    split = "valid" if "valid" in names else "test"
    rows = np.asarray([row for row in held if items[row].split == split], np.intp)
    leaking = np.isin(groups_N[rows], np.unique(groups_N[~held_N]))
    probs_HC = softmax(fitted.head.logits(embeddings.features_ND[rows]), fitted.head.beta)
    if leaking.all():
        raise DataError(f"all {len(rows)} images of the {split} split are copies or group members of training images")
    everything = metrics.accuracy(labels_N[rows], probs_HC.argmax(axis=1), groups_N[rows])
    clean = rows[~leaking]
    leak = None
    if leaking.any():
        a, b = _first_pair(items, held_N, groups_N, duplicates, rows[leaking][0])
        leak = (
            f"{int(leaking.sum())} of {len(rows)} {split} images are near-duplicates or group members of training images "
            f"and are left out of the figures; with them the accuracy would be {100 * everything.value:.1f} %. "
            f"First pair: {a}, {b}"
        )
    left_out = f", {int(leaking.sum())} leaking ones left out" if leaking.any() else ""
    return HeldOut(
        rows_H=clean,
        labels_H=labels_N[clean],
        groups_H=groups_N[clean],
        probs_HC=probs_HC[~leaking],
        how=f"held-out {split} split of {len(rows)} images{left_out}",
        leak=leak,
        accuracy_with_leak=everything if leaking.any() else None,
    )


def _first_pair(
    items: Sequence[Item], held_N: NDArray[np.bool_], groups_N: IntArray, duplicates: Duplicates, row: int
) -> tuple[str, str]:
    """A training item and the held-out item that gives it away: a direct pair where there is one."""
    for i, j, _, _ in duplicates.pairs:
        if held_N[i] != held_N[j] and row in (i, j):
            return (items[j].name, items[i].name) if held_N[i] else (items[i].name, items[j].name)
    partner = int(np.flatnonzero((groups_N == groups_N[row]) & ~held_N)[0])
    return items[partner].name, items[row].name
