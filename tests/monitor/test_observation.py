"""What a watch is told of a stored answer, and which truths are audits."""

from __future__ import annotations

import math
from dataclasses import replace
from datetime import UTC, datetime, timedelta, timezone
from typing import Any

import pytest

from drivetrain.core.records import Context, Record, Timings, ToldHow, Truth
from drivetrain.core.types import Interval, Prediction
from drivetrain.core.verdict import Verdict
from drivetrain.monitor.observation import Audit, Observation

AT = datetime(2026, 5, 1, 12, tzinfo=UTC)
ANSWER = Prediction("a.jpg", "bear", 0.9, {"bear": 0.9, "fox": 0.1}, Verdict.ACCEPT, "0" * 16, p_in_domain=0.4)
NUMBERS = Prediction("a.jpg", None, 0.0, {}, Verdict.ACCEPT, "0" * 16, values={"age": Interval(30, 20, 40, "")})


def record(prediction: Prediction = ANSWER, **context: Any) -> Record:
    return Record(
        id="0" * 31 + "1",
        request_id="r",
        at=AT,
        model="m",
        prediction=prediction,
        timings=Timings(0, 0, 0, 0),
        facts={"width": 640},
        context=Context(**context),
    )


def truth(**told: Any) -> Truth:
    return Truth(**{"id": "2", "prediction_id": "1", "at": AT, "by": "ann", "how": ToldHow.BLIND, **told})


def test_a_stored_answer_is_observed_as_the_answer_itself_is() -> None:
    stored = Observation.of_record(record(camera="north", site="alps", group="burst 7"))
    assert (stored.source, stored.label, stored.p_in_domain, stored.confidence) == ("north", "bear", 0.4, 0.9)
    live = Observation.of_prediction(
        replace(ANSWER, facts={"width": 640}), AT, id=stored.id, source="north", group="burst 7"
    )
    assert live == stored


@pytest.mark.parametrize(
    ("context", "source"), [({"site": "alps"}, "alps"), ({}, ""), ({"camera": "", "site": "s"}, "s")]
)
def test_a_source_is_the_camera_else_the_site(context: dict[str, object], source: str) -> None:
    assert Observation.of_record(record(**context)).source == source


def test_the_moment_is_when_it_was_taken_unless_that_lies_in_the_future() -> None:
    taken = AT - timedelta(days=20)
    assert Observation.of_record(record(taken_at=taken)).at == taken
    for ahead in (datetime(2099, 1, 1, tzinfo=UTC), AT + timedelta(minutes=1)):
        assert Observation.of_record(record(taken_at=ahead)).at == AT
    east = (AT - timedelta(hours=5)).astimezone(timezone(timedelta(hours=5)))
    assert Observation.of_record(record(taken_at=east)).at == east


def test_numbers_have_no_confidence_and_nan_is_not_known() -> None:
    assert Observation.of_record(record(NUMBERS)).confidence is None
    odd = Observation.of_record(record(replace(ANSWER, p_in_domain=math.nan, confidence=math.inf)))
    assert (odd.p_in_domain, odd.confidence) == (None, None)


def test_several_labels_are_one_text() -> None:
    several = replace(ANSWER, label=None, labels=("bear", "fox"))
    assert Observation.of_record(record(several)).label == "bear, fox"
    assert Observation.of_record(record(replace(several, labels=()))).label is None


@pytest.mark.parametrize(
    ("prediction", "told", "wrong"),
    [
        (ANSWER, {"label": "bear"}, False),
        (ANSWER, {"label": "fox", "how": ToldHow.ADJUDICATED}, True),
        (replace(ANSWER, label=None, labels=("a", "b")), {"labels": ("b", "a")}, False),
        (replace(ANSWER, label=None, labels=("a",)), {"labels": ()}, True),
        (NUMBERS, {"values": {"age": 39.0}}, False),
        (NUMBERS, {"values": {"age": 41.0}}, True),
    ],
)
def test_a_truth_is_an_audit(prediction: Prediction, told: dict[str, object], wrong: bool) -> None:
    audit = Audit.of(record(prediction, camera="north"), truth(**told))
    assert audit == Audit("0" * 31 + "1", AT, "north", wrong)


@pytest.mark.parametrize(
    ("prediction", "told"),
    [
        (ANSWER, {"label": "fox", "how": ToldHow.ASSISTED}),
        (replace(ANSWER, verdict=Verdict.REVIEW), {"label": "fox"}),
        (replace(ANSWER, verdict=Verdict.OUT_OF_DOMAIN), {"label": "fox"}),
        (NUMBERS, {"label": "fox"}),
        (NUMBERS, {"values": {"height": 3.0}}),
    ],
)
def test_what_tells_nothing_of_accepted_answers_is_none(prediction: Prediction, told: dict[str, object]) -> None:
    assert Audit.of(record(prediction), truth(**told)) is None
