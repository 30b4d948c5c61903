"""A table of options: its rows, what is read for them, and what is refused in which words."""

from __future__ import annotations

from dataclasses import dataclass, replace
from fractions import Fraction
from pathlib import Path
from typing import Any, Literal

import numpy as np
import pytest

from drivetrain.core.errors import UsageError
from drivetrain.core.given import is_chosen, read_given, read_value
from drivetrain.core.option import Option, filled, option, part, rows, switched


@dataclass(frozen=True)
class Engine:
    power: float = option(1.5, Option("Power ({default} unless given).", above=0))
    cylinders: int | None = option(None, Option("How many.", low=1, high=12))


@dataclass(frozen=True)
class Wheels:
    names: tuple[str, ...] = option((), Option("What they are called.", flag="--wheel"))


@dataclass(frozen=True)
class Car:
    colour: Literal["red", "blue"] = option("red", Option("Of the paint.", shown=True))
    wheels: Wheels = part(Wheels)
    engine: Engine | None = switched(Engine, Option("With an engine."))
    seats: int = option(4, Option("For people.", low=0, high=float("inf")))
    doors: bool = option(True, Option("Without doors.", flag="--no-doors"))
    papers: Path | None = option(None, Option("Where they are."))
    number: int = 0
    """No choice."""


BY_NAME = {row.name: row for row in rows(Car)}


def test_rows_stand_in_the_order_of_the_fields_and_parts_in_their_place() -> None:
    assert list(BY_NAME) == ["colour", "names", "engine", "power", "cylinders", "seats", "doors", "papers"]
    assert [BY_NAME[name].needs for name in ("engine", "power", "names")] == [None, "engine", None]
    assert [BY_NAME[name].type for name in ("engine", "cylinders", "papers")] == [bool, int, Path]
    assert [BY_NAME[name].flag for name in ("names", "cylinders", "doors")] == ["--wheel", "--cylinders", "--no-doors"]
    assert [BY_NAME[name].told for name in ("names", "doors")] == ["names (--wheel)", "doors"]
    assert BY_NAME["power"].worded(BY_NAME["power"].option.help) == "Power (1.5 unless given)."


def test_a_class_is_filled_from_names_with_defaults_for_the_rest() -> None:
    assert filled(Car, {}) == Car() == Car("red", Wheels(()), None, 4, True, None)
    full = filled(Car, {"names": ("a",), "engine": True, "cylinders": 6, "doors": False})
    assert full == replace(Car(), wheels=Wheels(("a",)), engine=Engine(cylinders=6), doors=False)
    assert filled(Car, {"engine": False, "cylinders": 6}).engine is None


@pytest.mark.parametrize(
    ("name", "value", "read"),
    [
        ("colour", "blue", "blue"),
        ("names", ["a", "b"], ("a", "b")),
        ("engine", np.bool_(True), True),
        ("cylinders", np.int64(8), 8),
        ("power", 2, 2.0),
        ("power", np.float32(0.5), 0.5),
        ("power", Fraction(1, 4), 0.25),
        ("seats", 10**9, 10**9),
        ("papers", "a/b", Path("a/b")),
        ("papers", Path("a"), Path("a")),
    ],
)
def test_values_are_read_as_the_table_has_them(name: str, value: object, read: object) -> None:
    found = read_value(BY_NAME[name], value)
    assert found == read
    assert type(found) is type(read) or isinstance(read, Path)


@pytest.mark.parametrize(
    ("name", "value", "message"),
    [
        ("colour", "green", "colour is 'green'; it must be one of 'red', 'blue', None"),
        ("names", "ab", "names is the text 'ab'; give a list of names, such as ['ab']"),
        ("names", 3, "names is 3; it must be a list of names"),
        ("engine", "yes", "engine is 'yes'; it must be true or false"),
        ("cylinders", 0, "cylinders is 0; it must be 1 to 12"),
        ("cylinders", 1.5, "cylinders is 1.5; it must be a whole number"),
        ("cylinders", True, "cylinders is True; it must be a whole number"),
        ("seats", -1, "seats is -1; it must be 0 or more"),
        ("power", 0, "power is 0; it must be more than 0"),
        ("power", float("nan"), "power is nan; it must be more than 0"),
        ("power", float("inf"), "power is inf; it must be more than 0"),
        ("power", "much", "power is 'much'; it must be a number"),
        ("papers", 3, "papers is 3; it must be the path of a file or folder"),
        ("papers", "s3://a/b", "s3://a/b is an address of cloud storage"),
    ],
)
def test_what_cannot_be_chosen_is_refused(name: str, value: Any, message: str) -> None:
    with pytest.raises(UsageError) as refused:
        read_given(rows(Car), {name: value})
    assert message in str(refused.value)


def test_none_and_what_is_empty_choose_nothing() -> None:
    assert read_given(rows(Car), {"seats": None, "other": 3, "colour": "blue"}) == {"colour": "blue"}
    assert [is_chosen(value) for value in (None, False, (), 0, 0.0, True, "x")] == [False] * 3 + [True] * 4
