"""Rates over a run, against fastai's numbers, and what a plot or a record of them is."""

import math
import xml.etree.ElementTree as ET

import pytest

from drivetrain.core.errors import UsageError
from drivetrain.learn.deep.finder import search, steepest, valley
from drivetrain.learn.deep.recorder import EpochRecord, Recorder, smooth
from drivetrain.learn.deep.schedule import OneCycle, group_rates


def test_one_cycle_starts_peaks_and_ends_where_it_says() -> None:
    cycle = OneCycle(100, pct_start=0.25, div=25, div_final=1e5)
    assert cycle.at(0) == pytest.approx((1 / 25, 0.95))
    assert cycle.at(25) == pytest.approx((1.0, 0.85))
    assert cycle.at(100) == pytest.approx((1e-5, 0.95))


def test_one_cycle_is_two_half_cosines() -> None:
    """fastai's combined_cos: halfway up and halfway down it is at the mean of its ends."""
    cycle = OneCycle(80, pct_start=0.25, div=5, div_final=10)
    assert cycle.at(10) == pytest.approx(((0.2 + 1) / 2, 0.9))
    assert cycle.at(50) == pytest.approx(((1 + 0.1) / 2, 0.9))
    quarter = 0.2 + 0.8 * (1 - math.cos(math.pi / 4)) / 2
    assert cycle.at(5)[0] == pytest.approx(quarter)


def test_rates_of_groups() -> None:
    assert group_rates(0.1, 3) == (0.1, 0.1, 0.1)
    assert group_rates(slice(1e-3), 3) == pytest.approx((1e-4, 1e-4, 1e-3))
    assert group_rates(slice(1e-5, 1e-3), 3) == pytest.approx((1e-5, 1e-4, 1e-3))


@pytest.mark.parametrize("rate", [0, -1.0, math.nan, math.inf, slice(0, 1e-3), slice(1e-3, -1)])
def test_a_rate_that_is_none_is_refused(rate: float) -> None:
    with pytest.raises(UsageError, match="the learning rate is"):
        group_rates(rate, 3)


def test_suggestions_on_a_known_curve() -> None:
    """Flat, then falling (fastest at 1e-2), then rising: the valley is in the middle of the fall."""
    rates = [10 ** (-4 + 0.1 * i) for i in range(41)]
    losses = [2 - 1 / (1 + math.exp(-6 * (math.log10(rate) + 2))) + max(0, math.log10(rate) + 1) * 3 for rate in rates]
    losses[:8] = [losses[0] + 1e-4 * (i % 2) for i in range(8)]
    assert steepest(rates, losses) == pytest.approx(1e-2, rel=0.3)
    assert 10**-3.2 < valley(rates, losses) < 10**-1.8


def test_a_search_stops_when_it_falls_apart() -> None:
    seen = []

    def step(rate: float) -> float:
        seen.append(rate)
        return 1.0 if rate < 1e-2 else 1e6

    result = search(step, 100, 1e-7, 10)
    assert len(seen) < 80
    assert result.rates[0] == pytest.approx(1e-7)
    assert len(result.rates) == len(result.losses)


def test_smoothing_is_corrected_for_its_start() -> None:
    assert smooth([3.0, 3.0, 3.0]) == pytest.approx([3.0, 3.0, 3.0])
    assert smooth([0.0, 1.0], 0.5) == pytest.approx([0.0, 0.5 / 0.75])


def test_plots_are_well_formed_and_scaled() -> None:
    recorder = Recorder([1.0, 0.5, math.nan, 0.25], [0.1] * 4, [EpochRecord(0, 0.6, 0.7, {"a<b": 1.0}, 2.0)])
    root = ET.fromstring(recorder.plot())
    lines = root.findall("{http://www.w3.org/2000/svg}polyline")
    assert len(lines) == 2
    points = [tuple(map(float, point.split(","))) for point in lines[0].attrib["points"].split()]
    assert [x for x, _ in points] == sorted(x for x, _ in points)
    assert all(0 <= x <= 480 and 0 <= y <= 260 for x, y in points)
    found = search(lambda rate: 1 + abs(math.log10(rate) + 3), 60, 1e-6, 1)
    root = ET.fromstring(found.plot())
    assert root.find("{http://www.w3.org/2000/svg}circle") is not None


def test_a_record_survives_json() -> None:
    recorder = Recorder([1.0], [0.1], [EpochRecord(3, 0.5, 0.6, {"accuracy": 0.9}, 1.5)])
    assert Recorder.from_json(recorder.to_json()) == recorder
