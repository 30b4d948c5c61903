"""Histograms in a table's row: every input is counted, the limit parts the colours, and the ends take what lies beyond."""

from __future__ import annotations

import math
import xml.etree.ElementTree as ET

import pytest

from drivetrain.draw.histogram_row import BINS, HEIGHT, LOW, strangeness_axis, strangeness_row


def bars(multiples: list[float]) -> list[tuple[str, float, float]]:
    """Style, place in per cent and height of each bar."""
    root = ET.fromstring(strangeness_row(multiples))
    return [
        (one.get("class", ""), float(one.get("x", "")[:-1]), float(one.get("height", "")))
        for one in root.findall("rect")
    ]


@pytest.mark.parametrize(("multiple", "style"), [(0.99, "fill"), (1.0, "fill"), (1.01, "fill off"), (9, "fill off")])
def test_what_is_beyond_the_limit_is_orange(multiple: float, style: str) -> None:
    assert [one[0] for one in bars([multiple])] == [style]


def test_bars_are_as_tall_as_there_are_inputs() -> None:
    (_, few_x, few), (_, many_x, many) = bars([0.3] + [3.0] * 4)
    assert few_x < many_x
    assert many == HEIGHT - 4
    assert few == pytest.approx(many / 4, abs=0.1)


def test_the_ends_take_what_lies_beyond() -> None:
    (_, first, _), (_, last, _) = bars([0.0, 1e-9, 1e9, math.inf])
    assert (first, last) == (0.0, pytest.approx(100 * (BINS - 1) / BINS, abs=0.01))
    assert [one[1] for one in bars([math.nan])] == [0.0]


def test_no_input_draws_no_bar_and_the_axis_names_the_limit() -> None:
    assert bars([]) == []
    texts = {one.text: one.get("x") for one in ET.fromstring(strangeness_axis())}
    assert texts["limit"] == f"{100 * -LOW / 9:.2f}%"
    assert list(texts) == ["¼", "limit", "4 ×", "16 ×"]
