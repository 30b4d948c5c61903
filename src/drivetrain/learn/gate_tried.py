"""Sets of inputs that a gate is tried on, and what it makes of them. Shapes: N images trained on, K inputs of a set, I of the N
that are independent of each other."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from ..core.types import FloatArray, IntArray, Interval
from ..stats.learn_then_test import one_of_each
from ..stats.metrics import Floats, auc
from ..stats.mistakes import share
from .gate_fit import Asked, FittedGate, NoGate, fit_gate

# Classes left out one after the other, each of which takes a gate of its own: those with the most images.
MOST_LEFT_OUT = 4

# A limit of zero would leave nothing to divide by; scores are in nats.
LEAST_LIMIT = 1e-9


@dataclass(frozen=True, eq=False)
class Tried:
    """A set of inputs that a gate was shown, and what it made of them."""

    name: str
    """The set, as people read it."""
    strange_K: Floats
    """The strangeness of each, as a multiple of the limit, beyond which it is refused; 0 where it looks like any other."""
    refused: Interval
    """The share refused, for the number of independent inputs that those of one group are worth."""
    auroc: float | None
    """The chance that one of these looks stranger than an image like those trained on; None of these themselves."""

    def __len__(self) -> int:
        return len(self.strange_K)


def tried(name: str, gate: FittedGate, scores_K: Floats, groups_K: IntArray, known_I: Floats | None) -> Tried | None:
    """Judge a set by its scores; ``known_I`` are those of independent images like the ones trained on. None of an empty set."""
    refused_K = scores_K < gate.limit
    found = share(refused_K, np.ones(len(scores_K), np.bool_), groups_K)
    if found is None:
        return None
    ratio_K = scores_K / min(gate.limit, -LEAST_LIMIT)
    area = None
    if known_I is not None:
        both = np.concatenate([scores_K, known_I])
        area = auc(np.arange(len(both)) < len(scores_K), -both)
    return Tried(name, np.maximum(ratio_K, 0), found, area)


def known_scores(gate: FittedGate, groups_N: IntArray, seed: int) -> Floats:
    """(I,) scores of one image of each group, out of fold."""
    scores_I: Floats = gate.scores_N[one_of_each(groups_N, seed)]
    return scores_I


def left_out(
    embeddings_ND: FloatArray,
    classes_N: IntArray,
    groups_N: IntArray,
    folds_N: IntArray,
    asked: Asked,
    columns: tuple[int, int] | None = None,
) -> list[tuple[int, FittedGate, Floats, NDArray[np.intp]]]:
    """Return for the classes with the most images, largest first: the class, a gate fitted and calibrated without it, its scores
    of images of the class, and their rows. Images that occur under another class as well are none of a new one.

    Arguments are those of `fit_gate`. A class is passed over where too little is left without it. Each of these gates is only
    looked at, so that two folds do, which take half the time.
    """
    halves_N = folds_N % 2
    classes, counts = np.unique(classes_N, return_counts=True)
    found = []
    for one in classes[np.lexsort((classes, -counts))][:MOST_LEFT_OUT]:
        rest_N = classes_N != one
        rows_K = np.flatnonzero(~rest_N & ~np.isin(groups_N, groups_N[rest_N]))
        if not len(rows_K) or len(np.unique(halves_N[rest_N])) < 2:
            continue
        gate = fit_gate(embeddings_ND[rest_N], classes_N[rest_N], groups_N[rest_N], halves_N[rest_N], asked, columns)
        if not isinstance(gate, NoGate):
            found.append((int(one), gate, gate.arrays.scores(embeddings_ND[rows_K]), rows_K))
    return found
