"""Groups of copies that a person settles: each is called by the surest look that joins all of it."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
from made import NAMES, cloud, made

from drivetrain.workbench.board import Board
from drivetrain.workbench.copies import copy_groups


def groups(pairs: tuple[tuple[int, int, str, float], ...], pictures: list[int]) -> dict[tuple[int, ...], str]:
    features, truth = cloud(len(pictures), 2)
    survey = made(features, [NAMES[one] for one in truth], pairs=pairs)
    survey = replace(survey, duplicates=replace(survey.duplicates, pictures=np.asarray(pictures)))
    return {tuple(sorted(group.rows)): group.kind for group in copy_groups(survey, Board.of(survey))}


def test_every_look_has_its_groups() -> None:
    pairs = ((0, 1, "exact", 1.0), (2, 3, "hash", 0.999), (4, 5, "crop", 0.98), (6, 7, "embedding", 0.97))
    found = groups(pairs, [0, 0, 2, 2, 4, 4, 6, 6])
    assert found == {(0, 1): "exact", (2, 3): "hash", (4, 5): "crop", (6, 7): "embedding"}


def test_a_group_is_exact_only_if_all_of_it_is() -> None:
    """Exact groups are accepted all at once; a picture that is merely alike must not go with them."""
    pairs = ((0, 1, "exact", 1.0), (1, 2, "embedding", 0.98), (3, 4, "exact", 1.0), (3, 5, "exact", 1.0))
    assert groups(pairs, [0, 0, 0, 3, 3, 3]) == {(0, 1, 2): "embedding", (3, 4, 5): "exact"}
    two_and_two = ((0, 1, "exact", 1.0), (2, 3, "exact", 1.0), (1, 2, "crop", 0.98))
    assert groups(two_and_two, [0, 0, 0, 0]) == {(0, 1, 2, 3): "crop"}


def test_a_chain_that_was_cut_is_shown_cut() -> None:
    pairs = ((0, 1, "exact", 1.0), (1, 2, "embedding", 0.98))
    assert groups(pairs, [0, 0, 2, 3]) == {(0, 1): "exact"}
