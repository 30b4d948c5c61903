"""What a final case says of model and people: the right answer, and the worst where it is missing."""

from __future__ import annotations

from typing import Any

import pytest
from evidence_cases import came, resolved

from drivetrain.rollout.evidence.judged import Judged, compared, erred, two_adjudicators

MODEL = "good"


@pytest.mark.parametrize(
    ("decided", "adjudicated", "outcome", "difference", "error"),
    [
        pytest.param(("good",), (), None, Judged(0.0), Judged(0.0), id="both agree"),
        pytest.param(("good",), ("bad",), None, Judged(0.0), Judged(1.0), id="both agree and are wrong alike"),
        pytest.param(("bad",), ("good",), None, Judged(-1.0, discordant=True), Judged(0.0), id="the person is wrong"),
        pytest.param(("bad",), ("bad",), None, Judged(1.0, discordant=True), Judged(1.0), id="the model is wrong"),
        pytest.param(("bad",), ("dark",), None, Judged(0.0, discordant=True), Judged(1.0), id="both are wrong"),
        pytest.param(("bad",), ("bad", "good"), None, Judged(0.0, discordant=True), Judged(0.5), id="judges differ"),
        pytest.param(
            ("bad",), ("bad", "dark"), None, Judged(0.5, discordant=True), Judged(1.0), id="judges half differ"
        ),
        pytest.param(("bad",), (), None, Judged(1.0, False, True, True), Judged(1.0, worst=True), id="nobody judges"),
        pytest.param(
            ("bad",), (None,), None, Judged(1.0, False, True, True), Judged(1.0, worst=True), id="no judge knows"
        ),
        pytest.param(
            ("bad",),
            ("good", None),
            None,
            Judged(0.0, False, True, True),
            Judged(0.5, worst=True),
            id="one judge knows",
        ),
        pytest.param(
            (None,), ("good",), None, Judged(0.0, False, True, True), Judged(0.0), id="the person cannot tell"
        ),
        pytest.param(
            (None,), ("bad",), None, Judged(1.0, False, True, True), Judged(1.0), id="nor was the model right"
        ),
        pytest.param((None,), (), None, Judged(1.0, False, True, True), Judged(1.0, worst=True), id="nobody can tell"),
        pytest.param((), (), None, Judged(1.0, False, True, True), Judged(1.0, worst=True), id="nobody came"),
        pytest.param(
            ("bad",), ("bad",), "good", Judged(-1.0, True, False, True), Judged(0.0, True), id="it turned out"
        ),
        pytest.param(("bad",), (), "bad", Judged(1.0, True, False, True), Judged(1.0, True), id="it turned out bad"),
        pytest.param(
            ("bad",), (), "dark", Judged(0.0, True, False, True), Judged(1.0, True), id="neither, it turned out"
        ),
        pytest.param(("good",), (), "bad", Judged(0.0), Judged(1.0, True), id="both wrong, it turned out"),
        pytest.param(("good", "bad"), (), None, Judged(0.0), Judged(0.0), id="the first person counts"),
    ],
)
def test_a_final_case(decided: Any, adjudicated: Any, outcome: str | None, difference: Judged, error: Judged) -> None:
    final = resolved(came(1, label=MODEL), decided, adjudicated, outcome=outcome)
    assert compared(final) == difference
    assert erred(final) == error


@pytest.mark.parametrize(
    ("decided", "adjudicated", "disagreed"),
    [
        (("bad",), ("bad", "good"), True),
        (("bad",), ("bad", "bad"), False),
        (("bad",), ("bad", None), None),
        (("bad",), ("bad",), None),
        (("good",), ("good", "bad"), None),
        ((None,), ("good", "bad"), None),
    ],
)
def test_two_adjudicators_are_compared_where_the_case_was_discordant(
    decided: Any, adjudicated: Any, disagreed: bool | None
) -> None:
    assert two_adjudicators(resolved(came(1), decided, adjudicated)) is disagreed
