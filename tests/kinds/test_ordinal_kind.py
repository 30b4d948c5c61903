"""What a bundle of ordered grades answers. What all kinds must do is tested with the others."""

import numpy as np
import pytest
from pydantic import ValidationError

from drivetrain.model.kinds.ordinal import EXPECTED, OrdinalKind, places_of
from drivetrain.model.kinds.registry import KINDS
from drivetrain.model.part import Calibration
from drivetrain.stats.ordinal import grade_probabilities

LOGITS_NW = np.asarray([[2.0, 1.0, -3.0], [-1.0, -1.5, -4.0], [6.0, 5.0, 4.0]], np.float32)


def kind(*grades: str, beta: float = 1.0) -> OrdinalKind:
    return OrdinalKind(grades=grades, calibration=Calibration(beta=beta, fitted_on="held-out answers"))


def test_it_is_found_by_its_task() -> None:
    assert KINDS["ordinal"] is OrdinalKind


def test_a_logit_stands_between_each_grade_and_the_next() -> None:
    ordinal = kind("low", "middle", "high", "top", beta=0.5)
    assert (ordinal.width, len(ordinal.outputs)) == (3, 4)
    answers_NC = ordinal.answers(LOGITS_NW)
    np.testing.assert_allclose(answers_NC, grade_probabilities(LOGITS_NW, 0.5))
    assert [ordinal.answer(row).label for row in LOGITS_NW] == ["high", "low", "top"]
    answer = ordinal.answer(LOGITS_NW[0])
    assert answer.confidence == answers_NC[0].max() == answer.probs["high"]
    assert list(answer.probs) == ["low", "middle", "high", "top"]


def test_the_expected_grade_is_counted_from_one_or_in_the_grades_own_numbers() -> None:
    words, numbers = kind("low", "middle", "high", "top"), kind("0", ".33", ".67", "1")
    probs_C = words.answers(LOGITS_NW[:1])[0]
    counted, own = (each.answer(LOGITS_NW[0]).values[EXPECTED] for each in (words, numbers))
    assert counted.value == pytest.approx(probs_C @ [1, 2, 3, 4])
    assert own.value == pytest.approx(probs_C @ [0, 0.33, 0.67, 1])
    assert (counted.low, counted.high) == (1, 3)
    assert (own.low, own.high) == (0, 0.67)
    np.testing.assert_array_equal(places_of(("1", "nan")), [1, 2])
    np.testing.assert_array_equal(places_of(("3", "2", "1")), [3, 2, 1])
    falling = kind("3", "2", "1").answer(LOGITS_NW[1, :2]).values[EXPECTED]
    assert falling.low <= falling.value <= falling.high == 3


def test_evidence_for_a_grade_is_evidence_for_at_least_it_and_for_the_lowest_against_more() -> None:
    np.testing.assert_array_equal(kind("a", "b", "c").evidence_WC, [[-1, 1, 0], [0, 0, 1]])


def test_what_a_server_that_speaks_open_inference_gives() -> None:
    ordinal = kind("a", "b", "c", "d")
    answer = ordinal.answer(LOGITS_NW[2])
    given = {tensor.name: ordinal.tensor_row(tensor.name, answer) for tensor in ordinal.tensors()}
    assert given["label"] == ["d"]
    assert given["expected_grade"] == [answer.values[EXPECTED].value]
    assert given["probabilities"] == list(answer.probs.values())


def test_targets_are_numbers_of_grades() -> None:
    ordinal = kind("a", "b", "c")
    assert ordinal.target_text(np.asarray(2)) == "c"
    assert ordinal.target_fault(np.asarray([0, 2])) is None
    assert ordinal.target_fault(np.asarray([0, 3])) == "grades outside 0–2"


def test_one_grade_is_none() -> None:
    with pytest.raises(ValidationError):
        kind("only")
