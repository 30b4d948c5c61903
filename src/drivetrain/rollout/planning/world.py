"""A made-up field: cases, the model's answers to them, and people who err as they are said to.

The indicator of the model's error and that of a person's have the stated correlation on every certified case. Where both are
wrong they give the same wrong label, which no comparison can see.
"""

from __future__ import annotations

import math
from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import datetime

import numpy as np

from ...core.case import Case, ModelAnswer
from ...core.errors import UsageError
from .scores import ScoredAnswer, Scores

LATENCY_S = 0.05


@dataclass(frozen=True)
class Assumed:
    """All that a plan takes for granted."""

    traffic_per_day: float = 500.0
    model_error: float = 0.01
    """The error of certified answers."""
    people_error: float = 0.03
    correlation: float = 0.0
    """The correlation of the model's errors and people's."""
    adjudicator_error: float = 0.02
    cannot_tell: float = 0.01
    """The share of decisions, and of adjudications, in which a person cannot tell."""
    overlooked: float = 0.3
    """The share of wrong proposals that a person confirms all the same."""
    decision_days: float = 0.05
    """The mean time to a decision."""
    adjudication_days: float = 1.0
    """The mean time to an adjudication."""
    decision_s: float = 15.0
    """Seconds a person spends on a decision."""
    adjudication_s: float = 40.0
    slices: Mapping[str, Mapping[str, float]] = field(default_factory=dict)
    """By column, the share of cases of each value."""

    def joint(self, model_error: float) -> tuple[float, float]:
        """Return the probability that a person errs where the model errs, and where it does not.

        Raises:
            UsageError: no two errors of these rates have that correlation.
        """
        m, p = model_error, self.people_error
        both = m * p + self.correlation * math.sqrt(m * (1 - m) * p * (1 - p))
        low, high = max(0.0, m + p - 1), min(m, p)
        if not low - 1e-12 <= both <= high + 1e-12:
            spread = math.sqrt(m * (1 - m) * p * (1 - p))
            raise UsageError(
                f"errors of {m:g} and {p:g} cannot have a correlation of {self.correlation:g}; "
                f"give one from {(low - m * p) / spread:.2f} to {(high - m * p) / spread:.2f}"
            )
        both = min(max(both, low), high)
        return (both / m if m else 0.0), ((p - both) / (1 - m) if m < 1 else 0.0)


@dataclass(frozen=True, slots=True)
class MadeUp:
    """A case, and what nobody in the rollout knows of it."""

    case: Case
    answer: ModelAnswer
    truth: str
    person: str
    """The label that a person gives who decides blind."""
    other_person: str
    """The label of a second person, whose errors are not the first one's."""


class World:
    """Makes cases, one after the other."""

    def __init__(self, scores: Scores, assumed: Assumed, random: np.random.Generator, model_error: float) -> None:
        """``model_error``: that of certified answers; of the others it is the bundle's own.

        Raises:
            UsageError: the errors cannot have the correlation that is assumed.
        """
        self._scores, self._assumed, self._random = scores, assumed, random
        self._sure, self._unsure = ([one for one in scores.answers if one.sure is sure] for sure in (True, False))
        self._certified = scores.certified
        self.set_error(model_error)
        self._count = 0
        self._values = {
            column: (list(shares), np.cumsum(list(shares.values()))) for column, shares in assumed.slices.items()
        }

    def set_error(self, model_error: float) -> None:
        """Let certified answers be wrong that often from now on."""
        self._errors = {True: model_error, False: self._scores.error(sure=False)}
        self._joint = {sure: self._joint_of(sure) for sure in (True, False)}

    def _joint_of(self, sure: bool) -> tuple[float, float]:
        if sure:
            return self._assumed.joint(self._errors[True])
        # Answers that are not certified are no evidence; people err there as elsewhere.
        return self._assumed.people_error, self._assumed.people_error

    def case(self, at: datetime) -> MadeUp:
        """Make the next case."""
        self._count += 1
        chances = self._random.random(6)
        certified = bool(chances[0] < self._certified) or not self._unsure
        pool = self._sure if certified else self._unsure
        scored = pool[int(chances[1] * len(pool))]
        out = not certified and bool(chances[2] < self._out_share)
        wrong = bool(chances[3] < self._errors[certified])
        truth = self._another(scored) if wrong else scored.label
        errs = self._joint[certified][0 if wrong else 1]
        name = f"{self._count:032x}"
        return MadeUp(
            case=Case(name, name, at, (), self._slices()),
            answer=ModelAnswer(
                scored.label, scored.confidence, scored.second, certified, not out, LATENCY_S, self._scores.bundle_id
            ),
            truth=truth,
            person=self._told(scored, truth, bool(chances[4] < errs)),
            other_person=self._told(scored, truth, bool(chances[5] < errs)),
        )

    @property
    def _out_share(self) -> float:
        """The share of cases out of domain among those that are not certified."""
        return self._scores.out_of_domain / max(1 - self._certified, 1e-9)

    def _told(self, scored: ScoredAnswer, truth: str, errs: bool) -> str:
        if not errs:
            return truth
        return scored.label if scored.label != truth else self._another(scored)

    def _another(self, scored: ScoredAnswer) -> str:
        """Return the label that is most easily taken for the answered one."""
        return scored.second or next((one for one in self._scores.labels if one != scored.label), scored.label)

    def _slices(self) -> dict[str, str]:
        drawn = {}
        for column, (values, ends) in self._values.items():
            place = int(np.searchsorted(ends, self._random.random() * ends[-1], side="right"))
            drawn[column] = values[min(place, len(values) - 1)]
        return drawn
