"""The model that learns while a person labels: refitted in the background, on kept features, in well under a second.

Shapes: A items, L of them labelled, B items that a bundle was trained on, D features, C classes.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from ..core.cores import available_cores
from ..core.types import FloatArray, IntArray
from ..learn import logistic
from ..learn.crossval import CrossValidation, OutOfFold, best_penalty
from ..learn.logistic import Axes
from ..stats.folds import fold_count, grouped_folds
from ..stats.metrics import Floats, softmax

# The penalty is looked for anew once there are this many times the labels that there were; in between, the last one does.
SEARCH_AGAIN = 1.25

MOST_TAUGHT = 2000
"""The model learns from so many items of a bundle's training set, drawn at random: a refit then stays a matter of a second."""


@dataclass(frozen=True, eq=False)
class Taught:
    """Items that a bundle was trained on, as far as they teach the model: B rows in the features of the items to label."""

    features_BD: FloatArray
    labels_B: tuple[str, ...]
    groups_B: IntArray


@dataclass(frozen=True, eq=False)
class LabelModel:
    """One refit."""

    names: tuple[str, ...]
    """The classes with a label, sorted."""
    probs_AC: Floats
    """The answers to all items; for those labelled, by a model that has learned from them."""
    judged: Mapping[int, str]
    """Labelled row → the answer of a model that has not seen its group."""
    n_labels: int
    penalty: float
    searched_at: int
    """The number of items, labelled and taught, at which the penalty was looked for last."""

    def suggestion(self, row: int) -> tuple[str, float]:
        """The likeliest class of an item, and its probability."""
        best = int(self.probs_AC[row].argmax())
        return self.names[best], float(self.probs_AC[row, best])

    def answers(self) -> NDArray[np.str_]:
        """(A,) the likeliest class of each item."""
        found_A: NDArray[np.str_] = np.asarray(self.names)[self.probs_AC.argmax(axis=1)]
        return found_A


def learn(
    features_AD: FloatArray,
    groups_A: IntArray,
    labels: Mapping[int, str],
    taught: Taught | None = None,
    before: LabelModel | None = None,
    seed: int = 0,
) -> LabelModel | None:
    """Fit the labelled rows, and those of ``taught``; None where there are not two classes and two groups yet.

    ``before``: the refit before this one, whose penalty may still do.
    """
    rows = sorted(labels)
    texts = [labels[row] for row in rows] + list(taught.labels_B if taught else ())
    names = tuple(sorted(set(texts)))
    features_LD, groups_L = features_AD[rows], groups_A[rows]
    if taught is not None:
        features_LD = np.concatenate([features_LD, taught.features_BD])
        groups_L = np.concatenate([groups_L, taught.groups_B + (groups_A.max(initial=0) + 1)])
    if len(names) < 2 or len(np.unique(groups_L)) < 2:
        return None
    classes_L = np.asarray([names.index(text) for text in texts], np.int64)
    axes, validation = _validation(features_LD, groups_L, classes_L, len(names), seed)
    searched_at = _searched_at(before, names, len(texts))
    judged = best_penalty(validation)[0] if searched_at is None else _at_last(validation, before)
    solution = logistic.fit(axes, classes_L, len(names), judged.penalty)
    weight_DC, bias_C = solution.in_features(axes)
    logits_AC = features_AD @ weight_DC.astype(np.float32) + bias_C.astype(np.float32)
    answered_L = judged.logits_NC.argmax(axis=1)
    return LabelModel(
        names=names,
        probs_AC=softmax(logits_AC, judged.beta),
        judged={row: names[int(answered_L[place])] for place, row in enumerate(rows)},
        n_labels=len(rows),
        penalty=judged.penalty,
        searched_at=searched_at or len(texts),
    )


def _validation(
    features_LD: FloatArray, groups_L: IntArray, classes_L: IntArray, n_classes: int, seed: int
) -> tuple[Axes, CrossValidation]:
    n_folds = min(fold_count(classes_L, groups_L), len(np.unique(groups_L)))
    folds_L = grouped_folds(classes_L, groups_L, n_folds, seed)
    axes = Axes.of(features_LD)
    weights_L = np.ones(len(classes_L), np.float32)
    return axes, CrossValidation(axes, classes_L, folds_L, n_classes, weights_L, available_cores())


def _searched_at(before: LabelModel | None, names: Sequence[str], count: int) -> int | None:
    """The number of items at which the last penalty was found, where it will do; None where it is to be looked for."""
    if before is None or tuple(names) != before.names or count > SEARCH_AGAIN * before.searched_at:
        return None
    return before.searched_at


def _at_last(validation: CrossValidation, before: LabelModel | None) -> OutOfFold:
    assert before is not None  # `_searched_at` has looked
    return validation.at(before.penalty)
