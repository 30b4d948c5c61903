"""Suspecting: from a survey to the items that a person should look at, the most suspicious first, each with its reasons.

Items are ordered by grounds, of which labels doubted by the other images are the strongest: the odds against them alone order
these, and nearest images are given to explain (see docs/suspects.md). Shapes: A usable items, J of them judged,
S suspects, K neighbours, D features.
"""

from __future__ import annotations

from collections import Counter, defaultdict
from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from ..core.types import FloatArray, IntArray
from ..curate.contradictions import contradictions
from ..curate.outliers import class_p_values, outlyingness
from ..curate.quality import faults
from ..curate.suspect import CONTRADICTORY, LABEL, NEAR_DUPLICATE, OUTLIER, Ground, Suspect
from ..draw.numbers import nearly
from ..learn.suspicion import NEUTRAL, Suspicion
from ..stats.metrics import Floats
from .survey import Survey

NEIGHBOURS = 5

# Rows compared with all others at once, so that memory grows with the number of items alone.
AT_ONCE = 512

# The weights of grounds beside a doubted label and an outlier, which weigh from ½ to 1 by themselves: faults of the file, and a
# copy, which costs little when it is kept. Of two copies with different labels one is certainly wrong.
FAULTY, COPIED = 0.4, 0.2

_COPIES = {
    "exact": "has the same pixels as",
    "hash": "is a copy of",
    "crop": "shows the same picture, cut otherwise, as",
    "embedding": "is nearly the same picture as",
}


@dataclass(frozen=True, eq=False)
class Examined:
    """All items of a survey, with what makes some of them suspicious."""

    score_A: Floats
    """From 0 to 1: the suspicion of each item on all grounds together."""
    suspicion_A: Floats
    """The suspicion of each label alone; ½ where the other items can say nothing about it."""
    suggested: tuple[str | None, ...]
    """The label that the other items suggest for each item; None where they suggest no other."""
    suspects: tuple[Suspect, ...]
    """The items with grounds, the most suspicious first."""


@dataclass(frozen=True)
class _Found:
    """A ground of one row, how much it weighs, and the rows that show it."""

    weight: float
    ground: Ground
    rows: tuple[int, ...] = ()


_Grounds = defaultdict[int, list[_Found]]


def suspects_of(survey: Survey) -> tuple[Suspect, ...]:
    """Return the items that a person should look at, the most suspicious first."""
    return examine(survey).suspects


def examine(survey: Survey) -> Examined:
    """Look at every item of a survey."""
    items = survey.sample.items
    suspicion_A = np.full(len(items), NEUTRAL)
    suggested: list[str | None] = [None] * len(items)
    grounds: _Grounds = defaultdict(list)
    if survey.judged is not None:
        rows_J, suspicion = survey.judged.rows_J, survey.judged.suspicion()
        suspicion_A[rows_J] = suspicion.score_N
        for row, text in zip(rows_J.tolist(), suspicion.suggested, strict=True):
            suggested[row] = text
        _doubted(grounds, rows_J, suspicion)
    _contradictory(grounds, survey, suspicion_A)
    _outlying(grounds, survey)
    for row, found in enumerate(faults([survey.traits.get(item.name) for item in items])):
        for ground in found:
            grounds[row].append(_Found(FAULTY, ground))
    _copied(grounds, survey)
    score_A = suspicion_A / 2
    for row, several in grounds.items():
        several.sort(key=lambda one: -one.weight)
        score_A[row] = 1 - float(np.prod([1 - one.weight for one in several])) / 2
    order = sorted(grounds, key=lambda row: (-score_A[row], items[row].name))
    near = neighbours(survey.features_AD, survey.sample.groups_N, order)
    suspects = tuple(
        _suspect(survey, row, grounds[row], float(score_A[row]), suggested[row], near_K)
        for row, near_K in zip(order, near, strict=True)
    )
    return Examined(score_A, suspicion_A, tuple(suggested), suspects)


def neighbours(features_AD: FloatArray, groups_A: IntArray, rows: Sequence[int]) -> list[list[int]]:
    """Return for each of ``rows`` the rows of its nearest items by cosine, nearest first, its own group left out."""
    found = []
    for start in range(0, len(rows), AT_ONCE):
        some = np.asarray(rows[start : start + AT_ONCE], np.intp)
        cosines_SA = features_AD[some] @ features_AD.T
        cosines_SA[groups_A[some][:, None] == groups_A] = -np.inf
        most = min(NEIGHBOURS, cosines_SA.shape[1])
        nearest_SK = np.argpartition(-cosines_SA, most - 1, axis=1)[:, :most]
        near_SK = np.take_along_axis(cosines_SA, nearest_SK, axis=1)
        order_SK = np.argsort(-near_SK, axis=1, kind="stable")
        for nearest_K, near_K in zip(
            np.take_along_axis(nearest_SK, order_SK, axis=1), np.take_along_axis(near_SK, order_SK, axis=1), strict=True
        ):
            found.append(nearest_K[np.isfinite(near_K)].tolist())
    return found


def _doubted(grounds: _Grounds, rows_J: NDArray[np.intp], suspicion: Suspicion) -> None:
    """Suspect every label for which another is likelier, also where the model is not confident enough to be flagged."""
    for j in np.flatnonzero(suspicion.flagged_N | (suspicion.score_N > NEUTRAL)).tolist():
        grounds[int(rows_J[j])].append(_Found(float(suspicion.score_N[j]), Ground(LABEL, suspicion.reason(j))))


def _contradictory(grounds: _Grounds, survey: Survey, suspicion_A: Floats) -> None:
    """Suspect both copies, and the more the one whose label the other images doubt more."""
    targets, items = survey.sample.targets, survey.sample.items
    for found in contradictions(survey.duplicates, targets.values, are_numbers=targets.measured):
        for row, other in ((found.first, found.second), (found.second, found.first)):
            same = _COPIES["exact" if found.kind == "exact" else "hash"]
            words = f"it {same} {items[other].name}, which is labelled “{targets.text(other)}”"
            weight = (1 + float(suspicion_A[row])) / 2
            grounds[row].append(_Found(weight, Ground(CONTRADICTORY, words), (other,)))


def _outlying(grounds: _Grounds, survey: Survey) -> None:
    if survey.strangeness_A is None:
        return
    targets = survey.sample.targets
    strata_A = targets.strata_N
    p_A = class_p_values(survey.strangeness_A, strata_A, survey.sample.groups_N)
    outlying_A = outlyingness(survey.strangeness_A, strata_A, p_A)
    for row in np.flatnonzero(outlying_A).tolist():
        of = f"the images labelled “{targets.text(row)}”" if targets.one_label else "those with a target like it"
        words = f"it looks unlike {of}: at most {nearly(float(p_A[row]))} of them are as strange"
        grounds[row].append(_Found(float(outlying_A[row]), Ground(OUTLIER, words)))


def _copied(grounds: _Grounds, survey: Survey) -> None:
    """Suspect copies but for one of each picture, the largest, unless their labels contradict each other anyway."""
    items = survey.sample.items
    for cluster in survey.duplicates.clusters():
        if any(one.ground.code == CONTRADICTORY for row in cluster for one in grounds.get(row, ())):
            continue
        kept = min(cluster, key=lambda row: (-_pixels(survey, row), row))
        kinds: dict[int, str] = {}
        for i, j, kind, _ in survey.duplicates.pairs:
            if kept in (i, j):
                kinds.setdefault(i + j - kept, kind)
        for row in cluster:
            if row != kept:
                same = _COPIES[kinds.get(row, "embedding")]
                grounds[row].append(_Found(COPIED, Ground(NEAR_DUPLICATE, f"it {same} {items[kept].name}"), (kept,)))


def _pixels(survey: Survey, row: int) -> int:
    details = survey.chosen.embeddings.facts[row].details
    return int(details.get("width", 0)) * int(details.get("height", 0))


def _suspect(
    survey: Survey, row: int, found: list[_Found], score: float, suggested: str | None, near_K: list[int]
) -> Suspect:
    sample = survey.sample
    near = [sample.targets.text(other) for other in near_K]
    grounds = tuple(
        Ground(one.ground.code, f"{one.ground.words}; {_nearest(near, sample.targets.measured)}")
        if one.ground.code == LABEL and near
        else one.ground
        for one in found
    )
    shown = dict.fromkeys([*(other for one in found for other in one.rows), *near_K])
    names = tuple(sample.items[other].name for other in shown)
    return Suspect(sample.items[row].name, sample.targets.text(row), suggested, score, grounds, names)


def _nearest(near: Sequence[str], measured: bool) -> str:
    if measured:
        return f"its nearest images have {', '.join(near)}"
    counts = Counter(near).most_common(2)
    told = " and ".join(f"{count} “{text}”" for text, count in counts)
    return f"of its {len(near)} nearest images {told}"
