"""A candidate against the champion: both answer the same cases of the field, on which neither was trained.

Copies of what either was trained on are left out. One case of each group is compared, as others say little more; where cases
were drawn with different probabilities, each counts for those that it stands for. A class that a bundle does not know is answered
wrong by it. Shapes: J cases answered by both, S of them compared.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import asdict, dataclass
from enum import StrEnum
from typing import Any

import numpy as np
from numpy.typing import NDArray

from ...core.errors import DataError
from ...core.ports import Progress
from ...core.types import FloatArray, IntArray, Interval, Item, ItemFacts
from ...curate.duplicates import copies_of, find_duplicates, merge_groups
from ...draw.numbers import percent, percent_number
from ...embed.cache import EmbeddingCache
from ...evaluation.answering import answer_items
from ...learn.crossval import paired_difference
from ...learn.groups import group_numbers
from ...model.predictor import Predictor
from ...stats.metrics import Z_95, wilson
from ...stats.paired import paired_shares
from .training_set import FieldItem

FEWEST = 30
"""With fewer groups to compare nothing is said."""


class Verdict(StrEnum):
    """The answer to whether the candidate may take the champion's place."""

    BETTER = "better"
    NOT_WORSE = "not-worse"
    """By more than the margin."""
    WORSE = "worse"
    NOT_ENOUGH = "not-enough-to-say"


@dataclass(frozen=True)
class Comparison:
    """The errors of both, and their difference, candidate less champion."""

    champion: str
    candidate: str
    """Bundle ids."""
    champion_error: Interval | None
    candidate_error: Interval | None
    difference: Interval | None
    """None: nothing could be compared."""
    margin: float
    groups: int
    """Independent cases compared."""
    reserve: int
    recent: int
    """Cases of the reserve among them, and cases that came last."""
    left_out: int
    """Cases that are copies of what either was trained on."""
    gained: int
    lost: int
    """Cases that only the candidate answers right, and that only the champion does."""

    @property
    def verdict(self) -> Verdict:
        """The answer, with an interval of 95 %."""
        found = self.difference
        if found is None or self.groups < FEWEST:
            return Verdict.NOT_ENOUGH
        if found.high < 0:
            return Verdict.BETTER
        if found.low > 0:
            return Verdict.WORSE
        return Verdict.NOT_WORSE if found.high <= self.margin else Verdict.NOT_ENOUGH

    def sentence(self) -> str:
        """Say it for a person."""
        found, n = self.difference, self.groups
        if found is None or n < FEWEST:
            return f"not enough to say: {n} independent cases to compare on, and it takes {FEWEST}"
        said = {
            Verdict.BETTER: "the candidate is better",
            Verdict.NOT_WORSE: f"the candidate is not worse by more than {percent_number(self.margin)} points",
            Verdict.WORSE: "the candidate is worse",
            Verdict.NOT_ENOUGH: "not enough to say",
        }[self.verdict]
        return f"{said}: its error is {_apart(found)} than the champion's, on {n} independent cases"

    def lines(self) -> list[tuple[str, str]]:
        """Write names and values, as the command line shows them."""
        if self.champion_error is None or self.candidate_error is None or self.difference is None:
            return [("Compared", self.sentence())]
        cases = f"{self.groups} independent cases ({self.reserve} of the reserve, {self.recent} that came last)"
        alone = f"alone right on {self.gained}, alone wrong on {self.lost}"
        return [
            ("Compared on", f"{cases}; {self.left_out} left out as copies of what was trained on"),
            ("Champion", f"{self.champion}: error {_range(self.champion_error)}"),
            ("Candidate", f"{self.candidate}: error {_range(self.candidate_error)}; {alone}"),
            ("Difference", self.sentence()),
        ]

    def to_json(self) -> dict[str, Any]:
        """Return the object that ``--json`` prints and the log holds."""
        return {**asdict(self), "verdict": self.verdict.value, "sentence": self.sentence()}


def compare(
    champion: Predictor,
    candidate: Predictor,
    reserve: Sequence[FieldItem],
    recent: Sequence[FieldItem],
    margin: float,
    cache: EmbeddingCache,
    progress: Progress,
) -> Comparison:
    """Compare two bundles on the reserve and on what came last."""
    held = (*reserve, *recent)
    items = tuple(one.item for one in held)
    sides = [_answered(predictor, items, cache, progress) for predictor in (champion, candidate)]
    first, second = sides
    both = sorted(first.labels.keys() & second.labels.keys())
    leaking = [row for row in both if row in first.leaks or row in second.leaks]
    kept_J = [row for row in both if row not in first.leaks and row not in second.leaks]
    rows = _one_of_each(items, kept_J, first.facts)
    truth = [held[row].label.label for row in rows]
    right_2S = np.asarray([[side.labels[row] == is_ for row, is_ in zip(rows, truth, strict=True)] for side in sides])
    weights_S = np.asarray([held[row].label.weight for row in rows], np.float32)
    found = _Errors.of(right_2S.reshape(2, -1), weights_S) if rows else _Errors(None, None, None, 0, 0)
    return Comparison(
        champion.manifest.bundle_id,
        candidate.manifest.bundle_id,
        found.champion,
        found.candidate,
        found.difference,
        margin,
        groups=len(rows),
        reserve=sum(row < len(reserve) for row in rows),
        recent=sum(row >= len(reserve) for row in rows),
        left_out=len(leaking),
        gained=found.gained,
        lost=found.lost,
    )


@dataclass(frozen=True)
class _Answered:
    """Answers by the item's row, with the rows that are copies of what the bundle was trained on."""

    labels: dict[int, str | None]
    facts: dict[int, ItemFacts]
    leaks: frozenset[int]


def _answered(predictor: Predictor, items: Sequence[Item], cache: EmbeddingCache, progress: Progress) -> _Answered:
    if not items:
        return _Answered({}, {}, frozenset())
    answered = answer_items(predictor, items, cache, None, progress)
    kind, rows = predictor.manifest.kind, answered.embeddings.rows_N.tolist()
    answers = kind.answers(answered.logits_NO)
    labels = {row: kind.answered(answers[n]).label for n, row in enumerate(rows)}
    arrays = predictor.arrays()
    known = copies_of(answered.embeddings.facts, arrays.pixels_sha256_T32, arrays.frequencies_TKK.astype(np.float32))
    facts = dict(zip(rows, answered.embeddings.facts, strict=True))
    return _Answered(labels, facts, frozenset(rows[n] for n in known))


def _one_of_each(items: Sequence[Item], rows_J: Sequence[int], facts: dict[int, ItemFacts]) -> list[int]:
    """Return the first row of each group; copies are of one."""
    if not rows_J:
        return []
    copies = find_duplicates(tuple(facts[row] for row in rows_J), np.empty((len(rows_J), 0), np.float32))
    groups_J: IntArray = merge_groups(group_numbers([items[row] for row in rows_J]), copies.groups_N)
    _, firsts = np.unique(groups_J, return_index=True)
    return [rows_J[place] for place in np.sort(firsts).tolist()]


@dataclass(frozen=True)
class _Errors:
    champion: Interval | None
    candidate: Interval | None
    difference: Interval | None
    gained: int
    lost: int

    @classmethod
    def of(cls, right_2S: NDArray[np.bool_], weights_S: FloatArray) -> _Errors:
        """Weigh answers, each for the cases that it stands for; with equal weights these are plain shares.

        Weighted shares have the intervals of as many items as the weights are worth (Kish), widened to that of the weighted mean
        where errors gather among items that stand for many.
        """
        before_S, after_S = right_2S
        gained_S, lost_S = after_S & ~before_S, before_S & ~after_S
        worth = float(weights_S.sum() ** 2 / (weights_S**2).sum())
        part_S = weights_S / weights_S.sum()
        champion, candidate = (wilson(worth * float(part_S @ ~side_S), worth) for side_S in right_2S)
        difference = paired_shares(worth * float(part_S @ lost_S), worth * float(part_S @ gained_S), worth)
        if np.ptp(weights_S) > 0:
            difference = _widened(difference, right_2S, weights_S)
        return cls(champion, candidate, difference, int(gained_S.sum()), int(lost_S.sum()))


def _widened(difference: Interval, right_2S: NDArray[np.bool_], weights_S: FloatArray) -> Interval:
    before_S, after_S = (~right_2S).astype(np.float64)
    mean, error = paired_difference(after_S, before_S, np.arange(len(weights_S)), weights_S)
    low, high = min(difference.low, mean - Z_95 * error), max(difference.high, mean + Z_95 * error)
    return Interval(difference.value, max(low, -1.0), min(high, 1.0), f"{difference.method}, weighted")


def _apart(found: Interval) -> str:
    low, high = (percent_number(abs(limit)) for limit in (found.low, found.high))
    if found.low >= 0:
        return f"{low} to {high} points higher"
    return f"{high} to {low} points lower" if found.high <= 0 else f"from {low} points lower to {high} points higher"


def _range(error: Interval) -> str:
    return f"{percent(error.value)} ({percent_number(error.low)} to {percent_number(error.high)})"


def check_comparable(champion: Predictor, candidate: Predictor) -> None:
    """Check that two bundles answer the same question.

    Raises:
        DataError: they do not.
    """
    tasks = champion.manifest.task, candidate.manifest.task
    if tasks[0] != tasks[1]:
        raise DataError(
            f"the champion answers {tasks[0]}, and the candidate {tasks[1]}; a candidate is of the champion's task"
        )
