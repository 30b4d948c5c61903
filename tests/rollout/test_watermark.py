"""The watermark: cases are released in the order in which they came, each once, whatever the order in which they end."""

from __future__ import annotations

import json

from evidence_cases import came, resolved
from hypothesis import given, settings
from hypothesis import strategies as st

from drivetrain.rollout.evidence.watermark import Watermark


@settings(deadline=None)
@given(st.permutations(range(1, 13)), st.sets(st.integers(1, 12)))
def test_cases_are_released_in_order_once_all_before_them_are_final(order: list[int], absent: set[int]) -> None:
    mark, released, final = Watermark(), list[int](), set[int]()
    numbers = [number for number in range(1, 13) if number not in absent]
    for number in numbers:
        mark.came(number)
    for number in order:
        if number in absent:
            assert number not in mark
            continue
        released += [one.came.number for one in mark.take(resolved(came(number)))]
        final.add(number)
        assert released == numbers[: len(released)]
        waited = [number for number in numbers if number not in final]
        assert released == [number for number in numbers if not waited or number < waited[0]]
        assert mark.waiting == len(numbers) - len(released)
        assert mark.ahead == len(final) - len(released)
        assert len(mark.beyond()) == mark.waiting
        mark = Watermark.of_json(json.loads(json.dumps(mark.to_json())))
    assert released == numbers
    assert mark.last == (numbers[-1] if numbers else 0)


def test_it_says_what_is_behind_it() -> None:
    mark = Watermark()
    for number in (1, 4, 9):
        mark.came(number)
    final = resolved(came(4), ("bad",), ("good", None), outcome="good", known="bad", expired=True)
    assert mark.take(final) == []
    assert mark.beyond() == [None, final, None]
    assert Watermark.of_json(json.loads(json.dumps(mark.to_json()))).beyond() == [None, final, None]
