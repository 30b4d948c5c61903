"""Grades have the order of the numbers that they are, or the one that was given."""

import pytest

from drivetrain.core.errors import DataError, UsageError
from drivetrain.data.block.blocks import CategoryBlock
from drivetrain.data.block.ordinal_block import OrdinalBlock, in_order


def test_numbers_find_their_grade_however_they_are_written() -> None:
    block = OrdinalBlock().setup(["0", ".33", "1"])
    assert [int(block.encode(text)) for text in ("0.0", "0.33", "1e0")] == [0, 1, 2]
    with pytest.raises(DataError, match="not among the 3 known"):
        block.encode("0.34")


def test_numbers_are_ordered_as_numbers_and_keep_their_text() -> None:
    assert in_order({"1", ".67", "0", "1e1", "-2", ".33"}) == ("-2", "0", ".33", ".67", "1", "1e1")
    block = OrdinalBlock().setup(["10", "9", "10"])
    assert block.labels == ("9", "10")
    assert [int(block.encode(grade)) for grade in ("10", "9")] == [1, 0]
    assert block.decode(1) == "10"


def test_words_need_an_order_and_keep_it() -> None:
    block = OrdinalBlock(vocab=("low", "middle", "high"))
    assert block.setup(["high", "low"]).labels == ("low", "middle", "high")
    with pytest.raises(DataError, match=r"'high' is no number.*with --order .*: high, low, middle"):
        OrdinalBlock().setup(["middle", "low", "high"])


@pytest.mark.parametrize(
    ("grades", "message"),
    [
        (["1", "nan"], "'nan' is no number"),
        (["1", "1.0"], "'1' and '1.0' are the same number"),
        (["1", "2", "3", "x", "y"], r"'x' is no number.*: 1, 2, 3, x, y"),
        (["1", "1"], "all 2 training items have the grade 1"),
    ],
)
def test_what_has_no_order_is_named(grades: list[str], message: str) -> None:
    with pytest.raises(DataError, match=message):
        OrdinalBlock().setup(grades)


def test_it_is_a_block_of_its_own() -> None:
    assert not isinstance(OrdinalBlock(), CategoryBlock)
    with pytest.raises(DataError, match="the label '7' is not among the 2 known"):
        OrdinalBlock(vocab=("1", "2")).encode("7")
    with pytest.raises(UsageError, match="twice"):
        OrdinalBlock(vocab=("1", "1"))
