"""What a random split claims is explained, also where it lies below the model's own figure."""

from __future__ import annotations

import pytest

from drivetrain.core.types import Interval
from drivetrain.learn.figures import AnyFigures, ClassFigures, NumberFigures
from drivetrain.training.random_split import claim, meaning


def classes(accuracy: float, random: float | None) -> ClassFigures:
    return ClassFigures(
        accuracy=Interval(accuracy, accuracy - 0.05, accuracy + 0.02, ""),
        log_loss=0.1,
        ece=0.02,
        auc=None,
        balanced_accuracy=accuracy,
        commonest="black",
        constant="always naming “black”, the commonest class",
        baseline=0.4,
        how="out of fold",
        random_split=random,
    )


def numbers(error: float, random: float) -> NumberFigures:
    return NumberFigures(
        names=("years",),
        mean_absolute_error=(Interval(error, error - 1, error + 1, ""),),
        baseline=(16.0,),
        root_mean_squared_error=(12.0,),
        r_squared=(0.5,),
        half_widths=(20.0,),
        covered=(Interval(0.9, 0.88, 0.92, ""),),
        how="out of fold",
        random_split=random,
    )


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
def test_each_case_has_its_words(figures: AnyFigures, claimed: str, words: str) -> None:
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
