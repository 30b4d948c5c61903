"""Where predicted numbers are off, against scikit-learn, by hand and by simulation."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
from interpreted import items, pictured, stands_alone, texts
from sklearn.metrics import mean_absolute_error, r2_score, root_mean_squared_error

from drivetrain.core.errors import DataError, UsageError
from drivetrain.core.types import Item
from drivetrain.data.image.contact_sheet import CELL, GAP
from drivetrain.learn.number_interpretation import NumberInterpretation
from drivetrain.stats.metrics import wilson
from drivetrain.stats.number_metrics import half_width

N, NAMES = 240, ("weight", "age")


@pytest.fixture
def made() -> NumberInterpretation[Item]:
    """240 items with two numbers; the second has no interval."""
    rng = np.random.default_rng(0)
    numbers_NM = rng.gamma(3, 50, size=(N, 2))
    predicted_NM = numbers_NM + rng.standard_t(4, size=(N, 2)) * 12
    return NumberInterpretation(items(N), numbers_NM, predicted_NM, [25.0, np.inf], NAMES, np.arange(N))


def test_residuals_and_report_are_those_of_scikit_learn(made: NumberInterpretation[Item]) -> None:
    np.testing.assert_allclose(made.residuals_NM, made.numbers_NM - made.predicted_NM)
    for i, row in enumerate(made.report().rows):
        truth, said = made.numbers_NM[:, i], made.predicted_NM[:, i]
        assert row[:4] == (
            NAMES[i],
            f"{mean_absolute_error(truth, said):.4g}",
            f"{root_mean_squared_error(truth, said):.4g}",
            f"{r2_score(truth, said):.3f}",
        )
    assert made.report().rows[1][4:] == ("none", "–")


def test_the_worst_are_those_furthest_off_either_way(made: NumberInterpretation[Item]) -> None:
    for i, name in enumerate(NAMES):
        residuals_K, rows_K = made.worst(6, name)
        np.testing.assert_allclose(np.abs(residuals_K), np.sort(np.abs(made.residuals_NM[:, i]))[::-1][:6])
        np.testing.assert_allclose(made.residuals_NM[rows_K, i], residuals_K)
        assert {-1.0, 1.0} == set(np.sign(residuals_K))
    assert len(made.worst()[1]) == N


def test_realised_coverage_is_the_share_within_the_interval(made: NumberInterpretation[Item]) -> None:
    inside = int((np.abs(made.residuals_NM[:, 0]) <= 25).sum())
    first, second = made.coverage()
    assert first == wilson(inside, N)
    assert second.value == 1.0


def test_slices_come_least_covered_first_and_small_ones_last(made: NumberInterpretation[Item]) -> None:
    order = np.argsort(-np.abs(made.residuals_NM[:, 0]))
    names = np.full(N, "easy", object)
    names[order[:5]], names[order[5:65]] = "small", "hard"
    rows = made.by_slice(list(names), "weight")
    assert [(row.slice, row.count, row.small) for row in rows] == [
        ("hard", 60, False),
        ("easy", 175, False),
        ("small", 5, True),
    ]
    inside = order[5:65]
    assert rows[0].mean_absolute_error == pytest.approx(np.abs(made.residuals_NM[inside, 0]).mean())
    assert rows[0].bias == pytest.approx(made.residuals_NM[inside, 0].mean())
    assert rows[0].coverage == wilson(int((np.abs(made.residuals_NM[inside, 0]) <= 25).sum()), 60)
    assert str(made.slice_table(list(names))).splitlines()[-1].endswith("too few")


def test_coverage_by_slice_finds_where_the_promise_does_not_hold() -> None:
    """One half width for a quiet and a noisy camera: 90 % over both, too much for the one and too little for the other."""
    rng = np.random.default_rng(0)
    spread_N = np.where(np.arange(8000) % 2, 1.0, 4.0)
    residuals_N = rng.normal(size=8000) * spread_N
    width = half_width(residuals_N[:4000], 0.9)
    made = NumberInterpretation(
        items(4000), residuals_N[4000:, None], np.zeros((4000, 1)), [width], ("x",), np.arange(4000)
    )
    assert made.coverage()[0].low <= 0.9 <= made.coverage()[0].high
    noisy, quiet = made.by_slice(["quiet" if spread == 1 else "noisy" for spread in spread_N[4000:]])
    assert (noisy.slice, quiet.slice) == ("noisy", "quiet")
    assert noisy.coverage.high < 0.9 < quiet.coverage.low


def test_the_scatter_plot_marks_what_lies_outside_the_band(made: NumberInterpretation[Item]) -> None:
    svg = made.plot_scatter()
    assert stands_alone(svg)
    outside = int((np.abs(made.residuals_NM[:, 0]) > 25).sum())
    blue, orange = (part.count("<circle") for part in svg.text.split('<g fill="#c25a06"'))
    assert (blue, orange) == (N - outside, outside)
    covered = f"{100 * (1 - outside / N):.1f}\N{NO-BREAK SPACE}% of {N} within ± 25"
    assert any(text.startswith(covered) for text in texts(svg))
    assert "240 items; too few were held out for an interval" in texts(made.plot_scatter("age"))


def test_many_points_are_thinned_and_the_plot_says_so() -> None:
    numbers_NM = np.random.default_rng(0).normal(size=(20_000, 1))
    made = NumberInterpretation(items(20_000), numbers_NM, numbers_NM * 0.9, [0.1], ("x",), np.arange(20_000))
    svg = made.plot_scatter()
    assert svg.text.count("<circle") == 3000
    assert "3,000 of 20,000 drawn" in texts(svg)
    assert svg == made.plot_scatter()


def test_the_histogram_counts_every_residual(made: NumberInterpretation[Item]) -> None:
    svg = made.plot_residuals()
    assert stands_alone(svg)
    counts = [int(part.split("<")[0].rsplit(": ", 1)[1]) for part in svg.text.split("<title>")[1:]]
    assert sum(counts) == N
    assert "items" in texts(svg)


@pytest.mark.parametrize(
    ("numbers", "predicted", "width"),
    [
        ([5.0], [5.0], 1.0),
        ([1e-9, 2e-9], [1e-9, 3e-9], 0.0),
        ([3.0, 3.0, 3.0], [4.0, 4.0, 4.0], 1e9),
        ([1e12, -1e12], [0.0, 0.0], np.inf),
    ],
)
def test_odd_numbers_can_be_drawn(numbers: list[float], predicted: list[float], width: float) -> None:
    n = len(numbers)
    made = NumberInterpretation(
        items(n),
        np.array(numbers)[:, None],
        np.array(predicted)[:, None],
        [width],
        ("a <long> & name" * 9,),
        np.arange(n),
    )
    for svg in (made.plot_scatter(), made.plot_residuals()):
        assert stands_alone(svg)
        assert "nan" not in svg.text
        assert "inf" not in svg.text


def test_the_sheet_shows_the_worst_pictures(tmp_path: Path) -> None:
    colours = [(200, 30, 30), (30, 200, 30)]
    made = NumberInterpretation(
        pictured(tmp_path, colours), np.array([[1.0], [2.0]]), np.array([[1.5], [9.0]]), [1.0], ("x",), np.arange(2)
    )
    assert made.plot_worst(2, nrows=1).getpixel((GAP + CELL // 2, GAP + CELL // 2)) == colours[1]


def test_parts_that_do_not_fit_are_refused(made: NumberInterpretation[Item]) -> None:
    with pytest.raises(DataError, match=r"240 items and 1 numbers need two arrays of shape \(240, 1\)"):
        NumberInterpretation(made.items, made.numbers_NM, made.predicted_NM, [1.0], ("x",), made.groups_N)
    with pytest.raises(DataError, match="some numbers are not finite"):
        NumberInterpretation(made.items, made.numbers_NM * np.nan, made.predicted_NM, [1, 1], NAMES, made.groups_N)
    with pytest.raises(UsageError, match="no number “height”; the numbers are weight, age"):
        made.plot_scatter("height")
    assert repr(made).startswith("<NumberInterpretation of 240 items; mean errors: weight ± ")
