"""A settings file: choices for a training run, in TOML, under the names of `drivetrain.train`'s keyword arguments."""

from __future__ import annotations

import tomllib
from collections.abc import Iterable
from os import PathLike
from pathlib import Path

from ..core.errors import UsageError
from ..core.given import read_given
from ..core.local_path import local_path
from ..core.option import Row
from ..core.plain_file import read_plain
from .options import table

# The most bytes: a file of choices has hundreds, so one of a mebibyte is something else.
MOST_BYTES = 1 << 20


def read_settings(path: str | PathLike[str]) -> dict[str, object]:
    """Read the choices in the file at ``path``, by name.

    Raises:
        UsageError: it is no TOML, names what is no option, or gives a value that cannot be chosen; says where.
        OSError: it cannot be read.
    """
    place = local_path(path)
    given = _parsed(place)
    for name in given:
        check_name(name, f"{place}: ")
    try:
        return read_given(table(), given)
    except UsageError as error:
        raise UsageError(f"{place}: {error}") from None


def check_name(name: str, where: str = "") -> None:
    """Check that ``name`` is an option of a training run.

    Raises:
        UsageError: it is not; says which is like it.
    """
    rows = table()
    if name not in {row.name for row in rows}:
        near = nearest(name, rows)
        hint = f"did you mean {near}?" if near else "the names are those of the keyword arguments of drivetrain.train"
        raise UsageError(f"{where}“{name}” is no option of train; {hint}")


def nearest(name: str, table: Iterable[Row]) -> str | None:
    """Return the option that was probably meant: the one with that or a similar name on the command line."""
    import difflib

    rows = list(table)
    by_flag = {row.flag: row.name for row in rows}
    if (flag := "--" + name.strip("-").replace("_", "-")) in by_flag:
        return by_flag[flag]
    return next(iter(difflib.get_close_matches(name, [row.name for row in rows], n=1)), None)


def _parsed(path: Path) -> dict[str, object]:
    data = read_plain(path, MOST_BYTES)
    if len(data) > MOST_BYTES:
        raise UsageError(f"{path} is no settings file; it is larger than {MOST_BYTES >> 20} MiB")
    try:
        return tomllib.loads(data.decode("utf-8-sig"))
    except UnicodeDecodeError:
        raise UsageError(f"{path} is no settings file: it is not text in UTF-8") from None
    except tomllib.TOMLDecodeError as error:
        raise UsageError(f'{path} is no TOML: {error}; texts stand in quotes, such as task = "ordinal"') from None
    except (ValueError, RecursionError):  # a number of thousands of digits, lists thousands deep
        raise UsageError(
            f"{path} is no settings file: it holds a number or a list that is too long to be read"
        ) from None
