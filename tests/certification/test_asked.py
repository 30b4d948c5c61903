"""What a certificate is asked about: read, checked, and drawn to the stated mix."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest

from drivetrain.certification.asked import Asked
from drivetrain.certification.mix import drawn_to, shares
from drivetrain.core.errors import UsageError
from drivetrain.learn.risk import Target
from drivetrain.stats.mix import total_variation


def test_what_is_not_said_takes_its_default() -> None:
    assert Asked.of() == Asked(Target(0.02, 0.95))
    asked = Asked.of(by=["camera", "class", "camera"], jointly=True, prevalence="bear = 0.2, fox=0.8")
    assert (asked.by, asked.jointly, asked.prevalence) == (("camera", "class"), True, {"bear": 0.2, "fox": 0.8})
    assert Asked.of(prevalence={"a=b": 1}).prevalence == {"a=b": 1.0}
    assert Asked.of(prevalence="a=b=1").prevalence == {"a=b": 1.0}


@pytest.mark.parametrize(
    ("given", "message"),
    [
        ({"max_error": 0}, r"max_error \(--max-error\) is 0; it must be 0.0001 to 0.5"),
        ({"confidence": 1.0}, r"confidence \(--confidence\) is 1; it must be 0.5 to 0.9999"),
        ({"max_error": float("nan")}, "max_error .* is nan"),
        ({"false_alarm": 0.9}, r"false_alarm \(--false-alarm\) is 0.9"),
        ({"seed": -1}, "seed is -1; it must be 0 or more"),
        ({"jointly": True}, r"jointly \(--jointly\) is about several slices"),
        ({"prevalence": "bear"}, "give the share of each class, such as bear=0.2,fox=0.8"),
        ({"prevalence": "bear=much"}, "give the share of each class"),
        ({"prevalence": "bear=1.5,fox=-0.5"}, "give the share of each class"),
        ({"prevalence": "bear=0.2,fox=0.2"}, "adds up to 0.4; the shares of all classes must add up to 1"),
    ],
)
def test_what_cannot_be_is_refused(given: dict[str, Any], message: str) -> None:
    with pytest.raises(UsageError, match=message):
        Asked.of(**given)


def test_cases_are_drawn_to_the_stated_mix() -> None:
    rows_N, labels = np.arange(100, 200), ["bear"] * 60 + ["fox"] * 40
    kept = drawn_to({"bear": 0.2, "fox": 0.8}, rows_N, labels, 0)
    assert len(kept) == 50
    assert (kept >= 160).sum() == 40  # every fox
    assert np.array_equal(kept, drawn_to({"bear": 0.2, "fox": 0.8}, rows_N, labels, 0))
    assert not np.array_equal(kept, drawn_to({"bear": 0.2, "fox": 0.8}, rows_N, labels, 1))
    assert len(drawn_to({"bear": 0.6, "fox": 0.4}, rows_N, labels, 0)) == 100
    assert len(drawn_to({"bear": 1.0, "fox": 0.0}, rows_N, labels, 0)) == 60
    with pytest.raises(UsageError, match="says nothing of fox, which occur"):
        drawn_to({"bear": 1.0}, rows_N, labels, 0)
    with pytest.raises(UsageError, match="names owl, and no independent image of it"):
        drawn_to({"bear": 0.5, "fox": 0.4, "owl": 0.1}, rows_N, labels, 0)


def test_mixes_are_compared_by_the_cases_that_would_have_to_change() -> None:
    mix = shares([("bear",), ("fox",), ("fox",), ()], ["bear", "fox", "owl"])
    assert mix == {"bear": 0.25, "fox": 0.5, "owl": 0.0}
    assert total_variation(mix, mix) == 0
    assert total_variation({"bear": 1.0}, {"fox": 1.0}) == 1
