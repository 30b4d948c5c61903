"""The things a watch is told: that an answer was given, and that a person judged one."""

from __future__ import annotations

import math
from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import datetime

from ..core.records import Record, ToldHow, Truth
from ..core.types import Facts, Prediction
from ..core.verdict import Verdict


@dataclass(frozen=True, slots=True)
class Observation:
    """One answer, as far as a watch looks at it."""

    id: str
    at: datetime
    """The moment the input was taken where that is known, else that of the answer."""
    source: str = ""
    """The camera, else the site; empty where neither is known."""
    p_in_domain: float | None = None
    confidence: float | None = None
    verdict: Verdict = Verdict.REVIEW
    label: str | None = None
    """The answer in one text: a label, several, or None for numbers."""
    labels: tuple[str, ...] = ()
    """The same apart: the label, or all of several."""
    group: str | None = None
    """Inputs of one group (a burst, a video) are one vote."""
    facts: Facts = field(default_factory=dict)

    @classmethod
    def of_prediction(
        cls, prediction: Prediction, at: datetime, *, id: str, source: str = "", group: str | None = None
    ) -> Observation:
        """Observe an answer; NaN counts as not known."""
        labels = ", ".join(prediction.labels) if prediction.labels else None
        return cls(
            id=id,
            at=at,
            source=source,
            p_in_domain=_known(prediction.p_in_domain),
            # Numbers come without a confidence, and their answers say 0.
            confidence=_known(prediction.confidence) if prediction.probs else None,
            verdict=prediction.verdict,
            label=prediction.label if prediction.label is not None else labels,
            labels=_labels(prediction),
            group=group,
            facts=prediction.facts,
        )

    @classmethod
    def of_record(cls, record: Record) -> Observation:
        """Observe a stored answer."""
        context, prediction = record.context, record.prediction
        return cls(
            id=record.id,
            at=moment_of(record),
            source=source_of(record),
            p_in_domain=_known(prediction.p_in_domain),
            confidence=_known(prediction.confidence) if prediction.probs else None,
            verdict=prediction.verdict,
            label=prediction.label if prediction.label is not None else (", ".join(prediction.labels) or None),
            labels=_labels(prediction),
            group=context.group,
            facts=record.facts,
        )


@dataclass(frozen=True, slots=True)
class Audit:
    """One accepted answer that a person has judged without seeing it."""

    id: str
    """The prediction's."""
    at: datetime
    source: str
    wrong: bool

    @classmethod
    def of(cls, record: Record, truth: Truth) -> Audit | None:
        """The audit that a truth makes; None where it tells nothing of the error among accepted answers.

        Only answers that were accepted count, as the others are the hard ones; and only people who did not see the answer, as
        those who did agree with it too often, or speak up only where it is wrong.
        """
        if record.prediction.verdict is not Verdict.ACCEPT or truth.how is ToldHow.ASSISTED:
            return None
        wrong = is_wrong(record.prediction, truth)
        if wrong is None:
            return None
        return cls(id=record.id, at=moment_of(record), source=source_of(record), wrong=wrong)


def is_wrong(prediction: Prediction, truth: Truth) -> bool | None:
    """Tells whether an answer differs from the truth; a number is wrong outside its interval. None: they cannot be compared."""
    if truth.label is not None:
        return prediction.label != truth.label if prediction.label is not None else None
    if truth.labels is not None:
        return set(prediction.labels) != set(truth.labels)
    shared = prediction.values.keys() & truth.values.keys()
    if not shared:
        return None
    within: Mapping[str, bool] = {
        name: prediction.values[name].low <= truth.values[name] <= prediction.values[name].high for name in shared
    }
    return not all(within.values())


def source_of(record: Record) -> str:
    """The camera, else the site, else the empty name."""
    return record.context.camera or record.context.site or ""


def moment_of(record: Record) -> datetime:
    """The moment the input was taken, unless that is unknown or later than the answer; then that of the answer.

    One picture of a clock that is ahead would else be the present minute until all other clocks have come as far.
    """
    taken_at = record.context.taken_at
    if taken_at is None or taken_at.tzinfo is None or taken_at > record.at:
        return record.at
    return taken_at


def _labels(prediction: Prediction) -> tuple[str, ...]:
    return prediction.labels if prediction.label is None else (prediction.label,)


def _known(value: float | None) -> float | None:
    return value if value is not None and math.isfinite(value) else None
