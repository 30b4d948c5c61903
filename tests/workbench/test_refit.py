"""Fitting again after edits: quick, and the same as if everything had been fitted from the start."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest
from made import NAMES, classes, cloud, made

from drivetrain.core.errors import DataError
from drivetrain.data.edits.edit import Fate, Standing
from drivetrain.learn.logistic import Axes
from drivetrain.workbench.board import Board
from drivetrain.workbench.refit import Refitter, taken
from drivetrain.workbench.survey import Survey


def refitted(lying: Survey, changes: dict[int, Standing]) -> Survey:
    board = Board.of(lying)
    return Refitter(lying, board).refit([changes.get(row, one) for row, one in enumerate(board.lying)])


def test_without_edits_the_survey_is_that_of_the_source() -> None:
    lying, _, _ = classes()
    assert refitted(lying, {}) is lying


def test_answers_are_those_of_a_fit_from_the_start_with_the_same_folds_and_penalty() -> None:
    lying, wrong, truth = classes()
    now = refitted(lying, {row: Standing(truth[row], Fate.KEPT) for row in wrong})
    assert now.sample.targets.values.tolist() == [NAMES.index(label) for label in truth]
    assert lying.fitted is not None
    assert now.judged is not None
    penalty, folds = lying.fitted.out_of_fold.penalty, lying.fitted.folds_N
    cold = now.sample.targets.validation(Axes.of(now.features_AD), folds, np.ones(len(truth), np.float32), 1).at(
        penalty
    )
    np.testing.assert_allclose(now.judged.answers_JO, cold.probs_NC, atol=0.02)
    right = (now.judged.answers_JO.argmax(axis=1) == now.sample.targets.values).mean()
    assert lying.judged is not None
    assert right > (lying.judged.answers_JO.argmax(axis=1) == lying.sample.targets.values).mean()


def test_a_second_refit_begins_where_the_first_ended_and_comes_to_the_same() -> None:
    lying, wrong, truth = classes()
    board = Board.of(lying)
    refitter, standings = Refitter(lying, board), list(board.lying)
    for row in wrong:
        standings[row] = Standing(truth[row], Fate.KEPT)
        step_by_step = refitter.refit(standings)
    at_once = refitted(lying, {row: Standing(truth[row], Fate.KEPT) for row in wrong})
    assert step_by_step.judged is not None
    assert at_once.judged is not None
    np.testing.assert_allclose(step_by_step.judged.answers_JO, at_once.judged.answers_JO, atol=0.02)


def test_removed_items_are_neither_learned_of_nor_ranked() -> None:
    lying, wrong, _ = classes()
    board = Board.of(lying)
    gone = {row: replace(board.lying[row], fate=Fate.REMOVED) for row in wrong}
    now = refitted(lying, gone)
    left = [row for row in range(len(board)) if row not in wrong]
    assert [item.name for item in now.sample.items] == [board.items[row].name for row in left]
    assert now.judged is not None
    # The same, with labels of the removed that would be seen if they were learned of.
    other = {row: Standing("dog", Fate.REMOVED) for row in wrong}
    np.testing.assert_allclose(now.judged.answers_JO, refitted(lying, other).judged.answers_JO, atol=1e-4)


def test_what_is_kept_of_some_rows_is_about_these() -> None:
    features, truth = cloud(12, 2)
    pairs = ((0, 2, "exact", 1.0), (4, 6, "hash", 0.99))
    groups = np.asarray([0, 1, 0, 3, 4, 5, 4, 7, 8, 9, 10, 11])
    lying = made(features, [NAMES[one] for one in truth], groups_N=groups, pairs=pairs)
    some = taken(lying, np.asarray([1, 4, 6, 7]))
    assert some.duplicates.pairs == ((1, 2, "hash", 0.99),)
    assert some.duplicates.clusters() == [[1, 2]]
    assert [facts.details["width"] for facts in some.chosen.embeddings.facts] == [41, 44, 46, 47]


def test_a_chain_that_was_cut_stays_cut_of_some_rows() -> None:
    features, truth = cloud(12, 2)
    pairs = ((0, 2, "hash", 1.0), (2, 4, "hash", 1.0))
    lying = made(features, [NAMES[one] for one in truth], pairs=pairs)
    pictures = np.asarray([0, 1, 0, 3, 4, 5, 6, 7, 8, 9, 10, 11])
    lying = replace(lying, duplicates=replace(lying.duplicates, pictures=pictures))
    some = taken(lying, np.asarray([0, 2, 3, 4]))
    assert some.duplicates.clusters() == [[0, 1]]


def test_a_label_that_the_source_does_not_have_becomes_an_output() -> None:
    lying, _, _ = classes()
    elks = {row: Standing("elk", Fate.KEPT) for row in range(0, 24, 4)}
    now = refitted(lying, {**elks, 1: Standing("gnu", Fate.REMOVED)})
    assert now.sample.targets.names == (*NAMES, "elk")
    assert now.judged is not None
    assert lying.fitted is not None
    assert now.fitted is not None
    assert now.fitted.folds_N.tolist() == np.delete(lying.fitted.folds_N, 1).tolist()
    alone = refitted(lying, {0: Standing("elk", Fate.KEPT)})
    assert alone.judged is not None
    assert 0 not in alone.judged.rows_J  # nothing else can judge it


def test_several_labels_and_grades_may_be_new_too() -> None:
    features, truth = cloud(120, 3)
    several = made(features, [("sea;sky", "sky", "boat;sea")[one] for one in truth], task="multi-label")
    now = refitted(several, {row: Standing("sea, gull", Fate.KEPT, ("sea", "gull")) for row in range(9)})
    assert now.sample.targets.names == (*several.sample.targets.names, "gull")
    assert now.sample.targets.counts()["gull"] == 9
    grades = made(features, [str(2 * one) for one in truth], task="ordinal")
    between = refitted(grades, {row: Standing("1", Fate.KEPT) for row in range(9)})
    assert between.sample.targets.names == ("0", "1", "2", "4")
    assert between.judged is not None


def test_where_one_class_is_left_the_reason_is_told() -> None:
    lying, _, _ = classes(40, wrong=0)
    now = refitted(lying, {row: Standing("ant", Fate.KEPT) for row in range(40)})
    assert now.judged is None
    assert now.unfit is not None
    assert "nothing can be learned" in now.unfit


def test_labels_that_may_be_several_are_refitted() -> None:
    features, truth = cloud(120, 3)
    lying = made(features, [("sea;sky", "sky", "boat;sea")[one] for one in truth], task="multi-label")
    board = Board.of(lying)
    assert board.lying[0].labels == ("sea", "sky")
    now = refitted(lying, {0: Standing("boat", Fate.KEPT, ("boat",)), 1: Standing("–", Fate.KEPT, ())})
    names = now.sample.targets.names
    assert now.sample.targets.values[0].tolist() == [float(name == "boat") for name in names]
    assert now.sample.targets.values[1].sum() == 0
    assert now.judged is not None


def test_numbers_and_grades_are_refitted() -> None:
    features, truth = cloud(120, 3)
    numbers = made(features, [f"{one + 0.123456:.6f}" for one in truth], task="regression")
    assert Board.of(numbers).lying[1].label == "1.123456"
    now = refitted(numbers, {1: Standing("7.5", Fate.KEPT)})
    assert now.sample.targets.values[1].tolist() == [7.5]
    assert now.judged is not None
    with pytest.raises(DataError):
        refitted(numbers, {1: Standing("many", Fate.KEPT)})
    grades = made(features, [str(one) for one in truth], task="ordinal")
    assert refitted(grades, {1: Standing("2", Fate.KEPT)}).sample.targets.text(1) == "2"
