"""Slices that matter in the field: what is cut, how it is judged, and that luck is not called worse."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
from scipy.stats import fisher_exact

from drivetrain.core.types import Item
from drivetrain.curate.field_slices import _fisher, cuts_of, judged_slices
from drivetrain.data.image.traits import Traits

DAY = Traits(
    width=400,
    height=300,
    format="JPEG",
    mode="RGB",
    bytes=30_000,
    brightness=0.5,
    highlight=0.9,
    contrast=0.2,
    saturation=0.4,
    sharpness=0.7,
    border=(0.5, 0.5, 0.5),
    border_spread=0.1,
    quality=80,
    camera=None,
    taken_at=None,
)


def items(count: int, **fields: object) -> list[Item]:
    return [Item(Path("x"), str(n), "bear", **fields) for n in range(count)]  # type: ignore[arg-type]  # fields of an item


def test_night_blur_size_camera_month_and_columns_are_cut() -> None:
    traits = [DAY] * 30
    traits[0] = replace(DAY, brightness=0.05, saturation=0.01)
    traits[1] = replace(DAY, sharpness=0.2)
    traits[2] = replace(DAY, width=90, height=60)
    traits[3] = replace(DAY, camera="North 1", taken_at="2024-05-06T07:08:09+00:00")
    found = {
        (by, name): np.flatnonzero(mask).tolist() for by, name, mask in cuts_of(items(30), traits, {"site": {"4": "A"}})
    }
    assert found["light", "dark"] == found["light", "dark and grey, as at night"] == [0]
    assert found["sharpness", "blurred"] == [1]
    assert found["resolution", "shorter side below 128 pixels"] == [2]
    assert found["camera", "North 1"] == [3]
    assert found["month", "2024-05"] == [3]
    assert found["column “site”", "A"] == [4]
    assert 4 not in found["column “site”", "none named"]


def test_the_worst_stands_first_and_what_is_too_small_last() -> None:
    dark, tiny = np.zeros(200, bool), np.zeros(200, bool)
    dark[:40], tiny[190:195] = True, True
    right = np.ones(200, bool)
    right[:16], right[190:195], right[100:104] = False, False, False
    other = np.zeros(200, bool)
    other[100:140] = True
    found = judged_slices(
        [("light", "tiny", tiny), ("light", "other", other), ("light", "dark", dark)], right, np.arange(200)
    )
    assert [(one.name, one.standing) for one in found] == [
        ("dark", "worse"),
        ("other", "no worse"),
        ("tiny", "too few to say"),
    ]
    assert found[0].right.value == pytest.approx(0.6)
    assert found[0].right.low < 0.6 < found[0].right.high
    assert found[0].to_json()["others"] == pytest.approx(151 / 160)


def test_frames_of_one_video_are_one_witness() -> None:
    mask = np.zeros(400, bool)
    mask[:100] = True
    right = np.ones(400, bool)
    right[:50] = False
    groups = np.concatenate([np.repeat([0, 1], 50), np.arange(100, 400)])
    assert judged_slices([("light", "dark", mask)], right, groups)[0].standing == "too few to say"
    assert judged_slices([("light", "dark", mask)], right, np.arange(400))[0].standing == "worse"


@pytest.mark.parametrize("table", [(3, 10, 5, 40), (0, 12, 3, 80), (9, 20, 30, 300), (5, 5, 1, 60)])
def test_the_test_is_fishers(table: tuple[int, int, int, int]) -> None:
    wrong, n, others_wrong, m = table
    expected = fisher_exact([[wrong, n - wrong], [others_wrong, m - others_wrong]], alternative="greater").pvalue
    assert _fisher(wrong, n, others_wrong, m) == pytest.approx(expected)


@pytest.mark.thorough
def test_of_many_slices_like_the_others_hardly_ever_one_is_called_worse() -> None:
    rng = np.random.default_rng(0)
    alarms = 0
    for _ in range(400):
        right = rng.random(300) < 0.85
        cuts = [("column", str(k), rng.random(300) < 0.15) for k in range(12)]
        alarms += any(one.worse for one in judged_slices(cuts, right, np.arange(300)))
    assert alarms / 400 < 0.05
