"""The same picture with two targets contradicts itself; pictures that are merely alike do not."""

from __future__ import annotations

import numpy as np

from drivetrain.curate.contradictions import Contradiction, contradictions
from drivetrain.curate.duplicates import Duplicates


def found(groups: list[int], *pairs: tuple[int, int, str]) -> Duplicates:
    return Duplicates(np.asarray(groups), tuple((i, j, kind, 1.0) for i, j, kind in pairs), None)


def test_copies_with_two_classes_contradict_each_other_and_those_of_one_class_do_not() -> None:
    copies = found([0, 0, 1, 1], (0, 1, "exact"), (2, 3, "hash"))
    assert contradictions(copies, np.asarray([0, 1, 2, 2]), are_numbers=False) == (Contradiction(0, 1, "exact"),)
    assert contradictions(copies, np.asarray([0, 0, 2, 2]), are_numbers=False) == ()


def test_a_picture_counts_once_however_many_copies_it_has_and_identical_ones_come_first() -> None:
    copies = found([0, 0, 1, 1, 1], (2, 3, "exact"), (2, 4, "exact"), (0, 1, "hash"))
    assert contradictions(copies, np.asarray([0, 1, 2, 3, 4]), are_numbers=False) == (
        Contradiction(2, 3, "exact"),
        Contradiction(0, 1, "near"),
    )


def test_what_only_the_network_finds_alike_may_differ() -> None:
    assert contradictions(found([0, 0], (0, 1, "embedding")), np.asarray([0, 1]), are_numbers=False) == ()


def test_labels_are_compared_as_sets() -> None:
    labels = np.asarray([[1, 0, 1], [1, 0, 0], [0, 1, 0], [0, 1, 0]], np.float32)
    copies = found([0, 0, 1, 1], (0, 1, "exact"), (2, 3, "exact"))
    assert contradictions(copies, labels, are_numbers=False) == (Contradiction(0, 1, "exact"),)


def test_numbers_of_identical_pictures_are_equal_and_those_of_near_copies_nearly_so() -> None:
    ages = np.asarray([[30.0], [31.0], [10.0], [11.0], [50.0], [80.0]], np.float32)
    copies = found([0, 0, 1, 1, 2, 2], (0, 1, "exact"), (2, 3, "hash"), (4, 5, "hash"))
    assert contradictions(copies, ages, are_numbers=True) == (Contradiction(0, 1, "exact"), Contradiction(4, 5, "near"))
