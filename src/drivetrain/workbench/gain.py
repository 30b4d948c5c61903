"""The gain of a session's edits: the model before and after, paired, on the same folds, on items whose label nobody changed.

An item that was relabelled says nothing: a label put to what the model suggests is right by construction. One that was looked
at and kept has the label it had, and counts: without these, only items that the first model answers as they are labelled would
be left, and no edit could be seen to help. Copies and groups are not independent of each other, so that one item of each group
is compared. Shapes: J items judged, S of them compared.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from ..core.types import IntArray, Interval
from ..data.edits.edit import Fate
from ..learn.crossval import paired_difference
from ..stats.metrics import Z_95, Floats, wilson
from ..stats.paired import paired_shares
from .merit import Merit
from .ranking import Ranking
from .situation import Situation, labels_of

FEWEST = 30
"""With fewer groups to compare nothing is said."""

LOSSES = "mean of paired differences ± 1.96 standard errors, groups as units"


@dataclass(frozen=True)
class Gain:
    """The figure before and after, and their difference, after less before."""

    before: Interval
    after: Interval
    difference: Interval
    groups: int
    """Independent groups compared, an item of each."""


@dataclass(frozen=True)
class NoGain:
    """The reason why nothing can be said, in a sentence."""

    sentence: str


def gain_of(first: Ranking, now: Ranking, merit: Merit) -> Gain | NoGain:
    """Compare the ranking that a session began with and the one of now."""
    changed = changed_rows(first.situation, now.situation)
    if not changed:
        return NoGain("no label has been changed in this session, and nothing removed")
    if first.survey.judged is None or now.survey.judged is None:
        return NoGain(now.survey.unfit or first.survey.unfit or "nothing can be learned of this set yet")
    before, after = _merits(first, merit), _merits(now, merit)
    both = sorted((before.keys() & after.keys()) - changed)
    rows = one_of_each(np.asarray(both, np.intp), first.situation.board.groups_N)
    if len(rows) < FEWEST:
        return NoGain(
            f"{len(rows)} independent items with the label they had are left to compare on; it takes {FEWEST}"
        )
    return compared(np.asarray([before[r] for r in rows]), np.asarray([after[r] for r in rows]), merit)


def changed_rows(before: Situation, after: Situation) -> frozenset[int]:
    """The rows whose label is another, or that are in the set in one situation only."""
    return frozenset(
        row
        for row, (one, other) in enumerate(zip(before.standings, after.standings, strict=True))
        if labels_of(one) != labels_of(other) or (one.fate is Fate.REMOVED) != (other.fate is Fate.REMOVED)
    )


def one_of_each(rows: IntArray, groups_N: IntArray) -> list[int]:
    """The first row of each group."""
    _, first = np.unique(groups_N[rows], return_index=True)
    found: list[int] = rows[np.sort(first)].tolist()
    return found


def compared(before_S: Floats, after_S: Floats, merit: Merit) -> Gain:
    """Compare the merits of the same independent items before and after."""
    n = len(before_S)
    if merit.is_share:
        gained, lost = int(((after_S > 0) & (before_S == 0)).sum()), int(((after_S == 0) & (before_S > 0)).sum())
        shares = wilson(float(before_S.sum()), n), wilson(float(after_S.sum()), n)
        return Gain(*shares, paired_shares(gained, lost, n), n)
    alone = np.arange(n)
    mean, error = paired_difference(after_S, before_S, alone, np.ones(n, np.float32))
    difference = Interval(mean, mean - Z_95 * error, mean + Z_95 * error, LOSSES)
    return Gain(mean_of(before_S), mean_of(after_S), difference, n)


def mean_of(values_S: Floats) -> Interval:
    """The mean of independent values, with 1.96 standard errors to either side."""
    mean, error = float(values_S.mean()), float(values_S.std(ddof=1) / np.sqrt(len(values_S)))
    return Interval(mean, mean - Z_95 * error, mean + Z_95 * error, "mean ± 1.96 standard errors")


def _merits(ranking: Ranking, merit: Merit) -> dict[int, float]:
    """The merit of each answer, by the item's row on the board."""
    judged = ranking.survey.judged
    assert judged is not None, "asked for where there are answers"
    rows, items = ranking.situation.board.rows_by_name, ranking.survey.sample.items
    merits_J = merit.of_each(judged.targets, judged.answers_JO)
    return {rows[items[place].name]: float(one) for place, one in zip(judged.rows_J, merits_J, strict=True)}
