"""What a random split claims is explained, also where it lies below the model's own figure."""

from __future__ import annotations

import pytest

from drivetrain.core.types import Interval
from drivetrain.learn.figures import Figures, figure
from drivetrain.training.random_split import claim, meaning


def classes(accuracy: float, random: float | None) -> Figures:
    limits = Interval(accuracy, accuracy - 0.05, accuracy + 0.02, "")
    rows = [figure("accuracy", "accuracy", limits, "percent", "higher", "out of fold")]
    if random is not None:
        rows.append(
            figure("accuracy-random-split", "accuracy of a random split", random, "percent", None, "out of fold")
        )
    return Figures(tuple(rows), "out of fold")


def numbers(error: float, random: float, unit: str = "") -> Figures:
    slug, name, limits = "mean-absolute-error", "mean absolute error", Interval(error, error - 1, error + 1, "")
    rows = (
        figure(slug, name, limits, "significant", "lower", "out of fold", of="years"),
        figure(f"{slug}-random-split", name, random, "significant", None, "out of fold", unit=unit),
    )
    return Figures(rows, "out of fold")


@pytest.mark.parametrize(
    ("figures", "claimed", "words"),
    [
        (
            classes(0.90, 0.953),
            "95.3 %",
            "it looks better by 5.3 percentage points, which is memory of copies or chance",
        ),
        (
            classes(0.93, 0.918),
            "91.8 %",
            "it lies below the figure of this model, by 1.2 percentage points: that is chance",
        ),
        (classes(0.93, 0.9303), "93.0 %", "here it comes to the same"),
        (numbers(10.7, 8.0), "8", "it looks better by 2.7, which"),
        (numbers(10.7, 11.2), "11.2", "it is off by more than the figure of this model, by 0.5: that is chance"),
    ],
)
def test_each_case_has_its_words(figures: Figures, claimed: str, words: str) -> None:
    assert claim(figures) == claimed
    assert words in meaning(figures, held_out=False, grouped=True)


def test_without_copies_and_groups_it_is_the_same_figure() -> None:
    assert meaning(classes(0.9, 0.9), held_out=False, grouped=False).startswith("the same, as no copies and no groups")


def test_beside_a_given_split_it_is_about_other_images() -> None:
    assert "the figures here are of the split that came with the data" in meaning(
        classes(0.8, 0.9), held_out=True, grouped=True
    )


def test_where_there_is_none_nothing_is_claimed() -> None:
    assert claim(classes(0.9, None)) is None
    assert claim(numbers(10.7, 0.6, unit="standard deviations")) is None
