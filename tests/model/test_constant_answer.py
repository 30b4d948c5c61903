"""No class is called the commonest where others are as common."""

from __future__ import annotations

import pytest

from drivetrain.model.constant_answer import always_naming


@pytest.mark.parametrize(
    ("counts", "said"),
    [
        ({"a": 3, "b": 5}, "always naming “b”, the commonest class"),
        ({"a": 5, "b": 5, "c": 5}, "always naming one of the classes, which are equally common"),
        ({"a": 5, "b": 5, "c": 1}, "always naming one of the 2 commonest classes"),
    ],
)
def test_each_case_has_its_words(counts: dict[str, int], said: str) -> None:
    assert always_naming(counts) == said
