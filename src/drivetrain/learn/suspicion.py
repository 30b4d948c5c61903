"""Suspicion: how likely each target is wrong, by an answer of a model that has not seen the item's group.

What the kinds of target have in common is that suspicion lies in 0–1 and exceeds ½ where the answer speaks for another target.
Shapes: N items, C classes, L labels, M numbers an item.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from ..core.types import FloatArray, IntArray
from ..draw.numbers import nearly, reading
from ..stats import confident
from ..stats.folds import in_several_groups
from ..stats.metrics import Floats

# Residuals beyond this many robust standard deviations are outliers (Iglewicz and Hoaglin 1993, "How to detect and handle
# outliers").
FAR = 3.5

# The median of absolute residuals is this share of the standard deviation of normal ones.
OF_NORMAL = 0.6745

NEUTRAL = 0.5
"""Suspicion of a target that the other items can say nothing about."""


@dataclass(frozen=True, eq=False)
class Suspicion:
    """The suspicion of each of N targets."""

    score_N: Floats
    """From 0 to 1, the larger the more suspicious; above ½ another target is likelier."""
    suggested: tuple[str | None, ...]
    """The target that the answer speaks for, in words; None where it speaks for the one that stands."""
    flagged_N: NDArray[np.bool_]
    """Tells which targets are called suspicious."""
    reason: Callable[[int], str]
    """Returns the sentence that says of a row why."""

    def __len__(self) -> int:
        return len(self.score_N)


def of_classes(labels_N: IntArray, probs_NC: Floats, groups_N: IntArray, names: Sequence[str]) -> Suspicion:
    """Suspect labels by their odds against the likeliest other class; confident learning says which are flagged. Labels of a
    class that stands in one group are neutral: no fold that could judge them knows it."""
    judged_N = in_several_groups(labels_N, groups_N)
    score_N = np.where(judged_N, confident.doubts(labels_N, probs_NC), NEUTRAL)
    other_N = confident.likeliest_others(labels_N, probs_NC) if len(names) > 1 else labels_N
    flagged_N = confident.flagged(labels_N, probs_NC) & judged_N

    def reason(row: int) -> str:
        label, other = int(labels_N[row]), int(other_N[row])
        return (
            f"by the other images it is “{names[other]}” ({nearly(probs_NC[row, other])}) rather than “{names[label]}” "
            f"({nearly(probs_NC[row, label])})"
        )

    suggested = tuple(
        names[other] if score > NEUTRAL else None for other, score in zip(other_N.tolist(), score_N, strict=True)
    )
    return Suspicion(score_N, suggested, flagged_N, reason)


def of_labels(
    present_NL: FloatArray,
    probs_NL: Floats,
    groups_N: IntArray,
    names: Sequence[str],
    text_of: Callable[[Sequence[str], NDArray[np.bool_]], str],
) -> Suspicion:
    """Suspect each label that is there or missing, as one class of two; an item is as suspicious as its worst label.

    Labels that stand, or are missing, in one group only are passed over. ``text_of`` writes the labels of an item.
    """
    there_NL = present_NL > 0.5
    judged_L = np.asarray(
        [
            len(np.unique(in_two)) == 2 and in_several_groups(in_two, groups_N).all()
            for in_two in there_NL.T.astype(np.int64)
        ]
    )
    doubt_NL = np.where(there_NL, 1 - probs_NL, probs_NL)
    doubt_NL[:, ~judged_L] = 0.0
    wrong_NL = np.zeros(there_NL.shape, np.bool_)
    for label in np.flatnonzero(judged_L):
        both_N2 = np.stack([1 - probs_NL[:, label], probs_NL[:, label]], axis=1)
        wrong_NL[:, label] = confident.flagged(there_NL[:, label].astype(np.int64), both_N2)
    worst_N = doubt_NL.argmax(axis=1)

    def reason(row: int) -> str:
        shown = np.flatnonzero(wrong_NL[row]) if wrong_NL[row].any() else worst_N[row : row + 1]
        ordered = shown[np.argsort(-doubt_NL[row, shown], kind="stable")].tolist()
        parts = [
            f"{'lacks' if there_NL[row, label] else 'has'} “{names[label]}” ({nearly(doubt_NL[row, label])})"
            for label in ordered
        ]
        return f"by the other images it {' and '.join(parts)}"

    doubted_NL = doubt_NL > NEUTRAL
    suggested = tuple(
        text_of(names, there ^ doubted) if doubted.any() else None
        for there, doubted in zip(there_NL, doubted_NL, strict=True)
    )
    return Suspicion(doubt_NL.max(axis=1), suggested, np.asarray(wrong_NL.any(axis=1)), reason)


def of_numbers(values_NM: FloatArray, said_NM: Floats, names: Sequence[str]) -> Suspicion:
    """Suspect numbers by how far they lie from the answer, in robust standard deviations of all such distances."""
    residuals_NM = values_NM.astype(np.float64) - said_NM
    away_NM = np.abs(residuals_NM - np.median(residuals_NM, axis=0))
    spread_M = np.median(away_NM, axis=0) / OF_NORMAL
    # Where most answers are exact the median is zero; the mean is not, unless all are.
    spread_M = np.where(spread_M > 0, spread_M, away_NM.mean(axis=0))
    far_NM = away_NM / np.where(spread_M > 0, spread_M, 1.0)
    worst_N, far_N = far_NM.argmax(axis=1), far_NM.max(axis=1)
    flagged_N: NDArray[np.bool_] = far_N > FAR

    def reason(row: int) -> str:
        worst = int(worst_N[row])
        name = f"“{names[worst]}”, " if len(names) > 1 else ""
        said, stands = reading(said_NM[row, worst]), reading(values_NM[row, worst])
        return f"{name}{stands}, is {far_N[row]:.1f} usual errors from what the other images let expect, {said}"

    suggested = tuple(
        ", ".join(map(reading, said)) if far else None for said, far in zip(said_NM, flagged_N, strict=True)
    )
    return Suspicion(far_N / (far_N + FAR), suggested, flagged_N, reason)
