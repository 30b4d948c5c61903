"""A person's choices, declared once: the fields of a frozen dataclass say how each choice is made.

Such a class is a table. From its rows come the command line's options, Python's keyword arguments, the names of a settings
file, and the checks of what was given. Nothing heavy may be imported here: ``--help`` is built from it.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import Field, dataclass, field, fields
from typing import Any, TypeVar, cast, get_type_hints

T = TypeVar("T")

_OPTION, _PART = "option", "part"


@dataclass(frozen=True)
class Option:
    """The way one choice is made. In ``help`` and ``about``, ``{default}`` stands for the default."""

    help: str = ""
    """The command line's help text; without one the command line has no such option."""
    about: str = ""
    """The text for Python's documentation, where that says more than ``help``."""
    flag: str | None = None
    """The option's name on the command line, where it differs from the field's; for a switch that is on by default, the name
    that turns it off."""
    metavar: str | None = None
    env: str | None = None
    """Environment variable from which the command line takes the value, too."""
    shown: bool = False
    """Tells whether help shows the default by itself; otherwise the help text says in words what holds by default."""
    low: float | None = None
    high: float | None = None
    """The upper bound; both bounds are included, and without this one any finite number is allowed."""
    above: float | None = None
    """A lower bound that is itself excluded, in place of ``low``."""
    read: Callable[[str], object] | None = None
    """The function that reads the command line's text, where the type does not say how."""
    numbers: bool = False
    """Tells whether numbers in a list are names, too, such as the grades 0, 1 and 2."""
    repeated: bool = False
    """Tells whether the command line takes the option several times, a name each, into a list; else a list has one name there."""


@dataclass(frozen=True)
class Part:
    """A field that holds a table of its own, whose rows stand among those of the whole."""

    table: type[Any]
    switch: Option | None = None
    """The switch, named like the field, of a part that is there only where it is switched on."""


@dataclass(frozen=True)
class Row:
    """One choice of a table."""

    name: str
    type: Any
    """The field's annotation, without the None of a default that is found out later."""
    default: Any
    option: Option
    needs: str | None = None
    """The name of the switch of the row's part; None where its part has none."""

    @property
    def is_list(self) -> bool:
        """Tells whether the choice is a list of names."""
        return getattr(self.type, "__origin__", None) is tuple and not self.is_pair

    @property
    def is_pair(self) -> bool:
        """Tells whether the choice is two numbers, the lower first."""
        return bool(self.type == tuple[float, float])

    @property
    def flag(self) -> str:
        """The option's name on the command line."""
        return self.option.flag or "--" + self.name.replace("_", "-")

    @property
    def told(self) -> str:
        """The name that errors use, with the command line's name where it differs."""
        return f"{self.name} ({self.flag})" if self.option.flag and self.type is not bool else self.name

    def worded(self, text: str) -> str:
        """The text with the default in place of ``{default}``."""
        default = f"{self.default:g}" if isinstance(self.default, float) else str(self.default)
        return text.replace("{default}", default)


def by_commas(text: str) -> tuple[str, ...]:
    """Read names with commas between them.

    >>> by_commas("low, middle,high")
    ('low', 'middle', 'high')
    """
    return tuple(part.strip() for part in text.split(",") if part.strip())


def by_colon(text: str) -> tuple[float | str, ...]:
    """Read numbers with colons between them; what is no number stays a text, which whoever checks it can show.

    >>> by_colon("0:4095"), by_colon("low:2")
    ((0.0, 4095.0), ('low', 2.0))
    """
    return tuple(_number(part) for part in text.split(":"))


def _number(text: str) -> float | str:
    try:
        return float(text)
    except ValueError:
        return text


def option(default: T, how: Option) -> T:
    """Declare a field of a table: its default and how it is chosen."""
    return field(default=default, metadata={_OPTION: how})


def part(table: type[T]) -> T:
    """A field that holds a table of its own."""
    return field(default=table(), metadata={_PART: Part(table)})


def switched(table: type[T], switch: Option) -> T | None:
    """Declare a field that holds a table of its own where a person switches it on, and None elsewhere."""
    return cast("T | None", field(default=None, metadata={_PART: Part(table, switch)}))


def rows(table: type[Any]) -> tuple[Row, ...]:
    """The rows of a table, those of its parts in their places; fields that are not declared by `option` are no choices."""
    hints, found = get_type_hints(table), list[Row]()
    for one in fields(table):
        found += _rows_of(one, hints[one.name])
    return tuple(found)


def _rows_of(one: Field[Any], hint: Any) -> list[Row]:
    if _OPTION in one.metadata:
        return [Row(one.name, _without_none(hint), one.default, one.metadata[_OPTION])]
    held: Part | None = one.metadata.get(_PART)
    if held is None:
        return []
    if held.switch is None:
        return list(rows(held.table))
    inner = (Row(row.name, row.type, row.default, row.option, one.name) for row in rows(held.table))
    return [Row(one.name, bool, False, held.switch), *inner]


def _without_none(hint: Any) -> Any:
    others = [one for one in getattr(hint, "__args__", ()) if one is not type(None)]
    return others[0] if type(None) in getattr(hint, "__args__", ()) else hint


def filled(table: type[T], chosen: Mapping[str, object]) -> T:
    """The table's class with what was chosen, by name; a part behind a switch only where that is on."""
    given: dict[str, Any] = {}
    for one in fields(table):  # type: ignore[arg-type]  # every table is a dataclass, which a type variable cannot say
        held: Part | None = one.metadata.get(_PART)
        if held is None:
            given |= {one.name: chosen[one.name]} if one.name in chosen else {}  # also names that are no choice
        elif held.switch is None or chosen.get(one.name):
            given[one.name] = filled(held.table, chosen)
    return table(**given)
