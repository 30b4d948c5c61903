"""A grid of generated pictures: each is what an independent definition or reader makes of it, or is refused by its true reason.

`picture_grid.py` runs all of it and writes the table in docs/pictures.md.
"""

from __future__ import annotations

import itertools

import format_cases
import picture_grid
import pytest
import tiff_cases
import tiff_picture_cases
from picture_case import Case


@pytest.mark.parametrize("case", tuple(format_cases.cases()), ids=lambda case: f"{case.format} {case.row} {case.name}")
def test_a_picture_in_any_format(case: Case) -> None:
    case.outcome()


def test_tiffs_of_pictures() -> None:
    for case in tiff_picture_cases.cases():
        case.outcome()


def test_some_tiffs_of_every_kind() -> None:
    # 13 is no divisor of the number of layouts or colours, so that all of these are met.
    for case in itertools.islice(tiff_cases.layouts(), 0, None, 13):
        case.outcome()
    for family in (tiff_cases.colour_spaces, tiff_cases.orientations, tiff_cases.refusals):
        for case in family():
            case.outcome()


@pytest.mark.thorough
def test_the_table_in_the_documentation_is_that_of_the_grid() -> None:
    assert picture_grid.on_page() == picture_grid.table(), "run: python tests/data/picture_grid.py"
