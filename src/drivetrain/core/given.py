"""Values given for options, read and checked: the same errors on the command line, in Python and in a settings file."""

from __future__ import annotations

import math
import operator
from collections.abc import Iterable, Mapping, Sequence
from numbers import Real
from os import PathLike
from pathlib import Path
from typing import SupportsFloat, SupportsIndex, get_args

from .errors import UsageError
from .local_path import local_path
from .option import Option, Row, by_colon

INFINITE = float("inf")


def read_given(table: Sequence[Row], given: Mapping[str, object]) -> dict[str, object]:
    """Read the values that were chosen, by name, in the types of the table; None chooses nothing.

    Raises:
        UsageError: a value is of another type, out of range, or none of those that can be chosen.
    """
    return {row.name: read_value(row, given[row.name]) for row in table if given.get(row.name) is not None}


def read_value(row: Row, value: object) -> object:
    """Read one value in the type of its row of the table.

    Raises:
        UsageError: as `read_given`.
    """
    if row.is_pair:
        return _pair(row, value)
    if row.is_list:
        return read_names(row.name, value, numbers=row.option.numbers)
    if choices := get_args(row.type):
        check_choice(row.name, value, choices)
        return value
    if row.type is bool:
        return _switch(row.name, value)
    if row.type is int:
        return _whole(row, value)
    if row.type is float:
        return _number(row, value)
    if row.type is Path:
        return local_path(_text(row.name, value, (str, PathLike), "the path of a file or folder"))  # type: ignore[arg-type]  # checked there
    return _text(row.name, value, (str,), "a text")


def is_chosen(value: object) -> bool:
    """Tells whether a value chooses anything; None, a switch that is off and an empty list do not."""
    return value is not None and value is not False and not (isinstance(value, list | tuple) and not value)


def check_choice(name: str, value: object, choices: tuple[object, ...]) -> None:
    """Check that ``value`` is one of ``choices``.

    Raises:
        UsageError: it is not.
    """
    if value not in choices:
        raise UsageError(f"{name} is {value!r}; it must be one of {', '.join(map(repr, (*choices, None)))}")


def check_range(name: str, value: float, option: Option) -> None:
    """Check that ``value`` lies where ``option`` allows.

    Raises:
        UsageError: it does not, or is NaN.
    """
    if not is_within(value, option):
        raise UsageError(f"{name} is {value}; it must be {bounds(option)}")


def is_within(value: float, option: Option) -> bool:
    """Tells whether ``value`` lies within the bounds of ``option``, where it has any; NaN lies nowhere."""
    if option.low is None and option.above is None:
        return True
    low = -INFINITE if option.low is None else option.low
    above = -INFINITE if option.above is None else option.above
    inside = above < value < INFINITE if option.high is None else above < value <= option.high
    return low <= value and inside


def bounds(option: Option) -> str:
    """Say within which bounds a value may lie, in an error's words."""
    if option.above is not None:
        return f"more than {option.above:g}"
    high = option.high if option.high is not None and option.high < INFINITE else None
    return f"{option.low:g} or more" if high is None else f"{option.low:g} to {high:g}"


def _switch(name: str, value: object) -> bool:
    if value not in (True, False):
        raise UsageError(f"{name} is {value!r}; it must be true or false")
    return bool(value)


def _whole(row: Row, value: object) -> int:
    if isinstance(value, bool) or not isinstance(value, SupportsIndex):
        raise UsageError(f"{row.name} is {value!r}; it must be a whole number")
    number = operator.index(value)
    check_range(row.name, number, row.option)
    return number


def _number(row: Row, value: object) -> float:
    if isinstance(value, bool) or not isinstance(value, Real):
        raise UsageError(f"{row.name} is {value!r}; it must be a number")
    check_range(row.name, value, row.option)  # type: ignore[arg-type]  # as it was given, so that an error shows it so
    return float(value)


def _pair(row: Row, value: object) -> tuple[float, float]:
    given = by_colon(value) if isinstance(value, str) else value
    pair = tuple(given) if isinstance(given, Iterable) else ()
    numbers = [one for one in pair if isinstance(one, SupportsFloat) and math.isfinite(one)]
    if len(pair) != 2 or len(numbers) != 2 or bool in map(type, pair):
        shown = ":".join(map(str, pair)) if pair else value
        raise UsageError(
            f"{row.name} ({row.flag}) is {shown!r}; it must be two numbers, the lower first, such as 0:4095"
        )
    low, high = map(float, numbers)
    if not low < high:
        raise UsageError(f"{row.name} ({row.flag}) is {low:g}:{high:g}; the first number must be below the second")
    return low, high


def _text(name: str, value: object, types: tuple[type, ...], what: str) -> object:
    if not isinstance(value, types):
        raise UsageError(f"{name} is {value!r}; it must be {what}")
    return value


def read_names(name: str, value: object, *, numbers: bool = False) -> tuple[object, ...]:
    """Read a list of names; with ``numbers`` a number is the name that it is written as.

    A text is no list: its letters would be taken for names.

    Raises:
        UsageError: it is no list.
    """
    if isinstance(value, str):
        parts = [part.strip() for part in value.split(",") if part.strip()]
        raise UsageError(f"{name} is the text {value!r}; give a list of names, such as {parts or [value]!r}")
    if not isinstance(value, Iterable):
        raise UsageError(f"{name} is {value!r}; it must be a list of names")
    return tuple(f"{one:.15g}" if numbers and type(one) in (int, float) else one for one in value)
