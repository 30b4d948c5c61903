"""A stored prediction as the model's answer to a case."""

from __future__ import annotations

from ...core.case import ModelAnswer
from ...core.records import Record
from ...core.types import Verdict


def model_answer(record: Record) -> ModelAnswer:
    """The answer that a record holds. One that an alarm, or any rule, does not let stand is not certified.

    The second label is the one found next likely; between equal ones that comes first which the model names first.
    """
    prediction = record.prediction
    others = [name for name in prediction.probs if name != prediction.label]
    readable = prediction.verdict is not Verdict.UNREADABLE
    return ModelAnswer(
        label=prediction.label if readable else None,
        confidence=prediction.confidence if readable else None,
        second=max(others, key=prediction.probs.__getitem__, default=None) if readable else None,
        certified=prediction.verdict is Verdict.ACCEPT,
        in_domain=prediction.verdict is not Verdict.OUT_OF_DOMAIN,
        latency_s=record.timings.total_s,
        bundle_id=prediction.bundle_id,
        prediction_id=record.id,
    )
