"""Options of a command from a table (`core.option`), where a person's choices are declared once."""

from __future__ import annotations

import inspect
from collections.abc import Callable, Iterable, Mapping
from pathlib import Path
from typing import Annotated, Any, TypeVar

import typer

from ..core.given import bounds, is_within
from ..core.local_path import local_path
from ..core.option import Option, Row

F = TypeVar("F", bound=Callable[..., None])


def with_options(table: Iterable[Row], *, bounds_shown: bool = False) -> Callable[[F], F]:
    """Give a command the table's options for its ``**choices``; in help they stand before its keyword-only options.

    ``bounds_shown``: help says between which bounds a number may lie.
    """

    def give(command: F) -> F:
        own = list(inspect.signature(command, eval_str=True).parameters.values())
        parameters = [
            *(one for one in own if one.kind is one.POSITIONAL_OR_KEYWORD),
            *(_parameter(row, bounds_shown) for row in table if row.option.help),
            *(one for one in own if one.kind is one.KEYWORD_ONLY),
        ]
        # All parameters are keyword-only, so that none needs a default because one before it has one.
        by_name = [one.replace(kind=inspect.Parameter.KEYWORD_ONLY) for one in parameters]
        command.__signature__ = inspect.Signature(by_name)  # type: ignore[attr-defined]  # typer reads it
        return command

    return give


def given(context: typer.Context, table: Iterable[Row], choices: Mapping[str, Any]) -> dict[str, object]:
    """Return the values given on the command line, by name and in the table's types; defaults are left out."""
    return {
        row.name: _as_table(row, choices[row.name])
        for row in table
        if row.name in choices and _is_given(context, row.name)
    }


def _is_given(context: typer.Context, name: str) -> bool:
    source = context.get_parameter_source(name)
    return source is not None and source.name not in ("DEFAULT", "DEFAULT_MAP")


def _as_table(row: Row, value: Any) -> object:
    if row.type is bool:
        return not row.default  # a switch that was given is the opposite of its default
    if row.option.read is not None:
        return row.option.read(value)
    if row.is_list:
        return tuple(value) if row.option.repeated else (value,)
    return value


def _parameter(row: Row, bounds_shown: bool) -> inspect.Parameter:
    default = row.default if row.option.shown else False if row.type is bool else None
    kind: Any = str if row.is_list or row.option.read is not None else row.type
    kind = list[str] if row.option.repeated else kind
    kind = kind if default is not None else kind | None
    annotation: Any = Annotated[kind, typer_option(row, bounds_shown=bounds_shown)]
    return inspect.Parameter(row.name, inspect.Parameter.KEYWORD_ONLY, default=default, annotation=annotation)


def typer_option(row: Row, *, bounds_shown: bool = False) -> Any:
    """Turn a row into a typer option, for the annotation of a parameter."""
    how, is_number = row.option, row.type in (int, float) and row.option.read is None
    return typer.Option(
        row.flag,
        help=row.worded(how.help),
        metavar=how.metavar,
        envvar=how.env,
        parser=local_path if row.type is Path else None,
        min=how.low if bounds_shown and is_number else None,
        max=how.high if bounds_shown and is_number else None,
        callback=_check(how) if is_number and not bounds_shown else None,
    )


def _check(option: Option) -> Callable[[float | None], float | None]:
    """Make a check that says what was received, and lets no NaN through."""

    def check(value: float | None) -> float | None:
        if value is not None and not is_within(value, option):
            raise typer.BadParameter(f"{value:g} is not {bounds(option)}")
        return value

    return check
