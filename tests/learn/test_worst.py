"""The worst class, label or range, by name, and no more certain than its images allow."""

from __future__ import annotations

import numpy as np
import pytest

from drivetrain.learn.worst import Worst, worst_class, worst_label, worst_range


def of_classes(right: list[int], of: list[int], names: tuple[str, ...]) -> Worst | None:
    """Classes with so many images right; each wrong one is called the next class."""
    labels = np.concatenate([np.full(n, c) for c, n in enumerate(of)]).astype(np.int64)
    predicted = np.concatenate(
        [np.where(np.arange(n) < hits, c, (c + 1) % len(of)) for c, (hits, n) in enumerate(zip(right, of, strict=True))]
    )
    return worst_class(labels, predicted, np.arange(len(labels)), names)


def test_a_class_that_is_clearly_the_worst_is_named_with_its_count() -> None:
    worst = of_classes([100, 40, 95], [100, 100, 100], ("black", "grizzly", "teddy"))
    assert worst is not None
    assert (worst.first.name, worst.first.count, worst.next.name, worst.clear) == ("grizzly", 100, "teddy", True)
    assert worst.first.interval.value == pytest.approx(0.4)
    assert worst.sentence() == "“grizzly”: 40 of 100 images right, 40.0 % (30.9 % to 49.8 %)"


def test_one_that_may_only_be_unlucky_is_said_to_be_uncertain() -> None:
    worst = of_classes([28, 26, 30], [30, 30, 30], ("black", "grizzly", "teddy"))
    assert worst is not None
    assert not worst.clear
    assert worst.sentence().endswith("its interval reaches that of “black”, so that this is the worst is not certain")


def test_a_name_with_marks_in_it_is_kept_whole() -> None:
    worst = of_classes([100, 40], [100, 100], ("black", "grizzly: old, grey"))
    assert worst is not None
    assert (worst.first.name, worst.rest) == ("grizzly: old, grey", "40 of 100 images right, 40.0 % (30.9 % to 49.8 %)")
    assert worst.sentence() == f"“{worst.first.name}”: {worst.rest}"


def test_of_a_few_images_little_is_said() -> None:
    worst = of_classes([50, 2], [50, 7], ("black", "rare"))
    assert worst is not None
    assert worst.first.count == 7
    assert worst.sentence().endswith("; too few images to say more than that it needs a look")


def test_where_all_is_right_none_is_the_worst() -> None:
    worst = of_classes([30, 40], [30, 40], ("black", "grizzly"))
    assert worst is not None
    assert not worst.is_weak
    assert worst.sentence() == "none: every image of every class was named right"


def test_one_class_alone_is_not_the_worst_of_anything() -> None:
    assert worst_class(np.zeros(5, np.int64), np.zeros(5, np.int64), np.arange(5), ("a", "b")) is None


def test_the_worst_label_is_that_of_the_least_average_precision() -> None:
    rng = np.random.default_rng(0)
    present = (rng.random((200, 3)) < 0.4).astype(np.float32)
    probs = np.clip(present * 0.8 + 0.1, 0, 1).astype(np.float64)
    probs[:, 1] = rng.random(200)
    worst = worst_label(present, probs, np.arange(200), ("child", "old", "woman"), seed=0)
    assert worst is not None
    assert (worst.first.name, worst.first.count, worst.clear) == ("old", int(present[:, 1].sum()), True)
    assert worst.sentence().startswith(f"“old”, {worst.first.count} images: average precision 0.")


def test_the_worst_range_is_that_of_the_greatest_error() -> None:
    truth = np.arange(90.0)
    answers = truth + np.where(truth >= 60, 9.0, 1.0) * np.where(np.arange(90) % 2, 1, -1)
    worst = worst_range(truth, answers, np.arange(90), "years", seed=0)
    assert worst is not None
    assert (worst.first.name, worst.first.count, worst.clear) == ("years 60 to 89", 30, True)
    assert worst.sentence() == "years 60 to 89, 30 images: off by 9 on average (9 to 9)"
    assert worst_range(np.full(9, 3.0), np.zeros(9), np.arange(9), "years", seed=0) is None
