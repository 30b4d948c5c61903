"""`train` as Python code calls it: keyword arguments instead of an options object."""

from __future__ import annotations

import inspect
import textwrap
from collections.abc import Iterable
from pathlib import Path
from typing import Unpack, get_args, get_type_hints

from ..core.ports import Progress
from ..core.types import Dataset
from ..data.block.datablock import DataBlock
from ..training.choices import Choices, options_of
from ..training.options import table
from ..training.settings import nearest, read_settings
from ..training.trained import TrainResult
from .run import train as run_training


def train(
    source: str | Path | Dataset | Iterable[object],
    out: str | Path,
    *,
    settings: str | Path | None = None,
    block: DataBlock | None = None,
    progress: Progress | None = None,
    **choices: Unpack[Choices],
) -> TrainResult:
    """Train a model on labelled images and write its bundle.

    What is None takes its default. A choice that would have no effect together with the others is refused.

    Args:
        source: folder of class folders (``train/`` and ``valid/`` may stand above them), CSV or Parquet with path and
            label columns, zip or tar of these, or an iterable of ``Item``, ``(path, label)`` or
            ``(path, label, group)``; or whatever ``block`` reads.
        out: bundle to write: a folder, or a name ending in ``.zip``.
        settings: TOML file of choices, under the names of the keyword arguments; what is given here goes before it.
        block: a `DataBlock` that says how to read the source; its transforms are for `drivetrain.vision` only.
        progress: told how far the work has come; silent by default.
        choices: the options of ``drivetrain train``, and a few that only Python and a settings file have.

    Raises:
        UsageError: an argument, the settings file or ``out`` is unusable.
        SourceError: the source cannot be read as a labelled data set.
        DataError: fewer than two classes, or a class with fewer than two usable images.
    """
    for name in choices.keys() - {row.name for row in table()}:
        near = nearest(name, table())
        raise TypeError(
            f"train() got an unexpected keyword argument {name!r}" + (f"; did you mean {near}?" if near else "")
        )
    given: dict[str, object] = {} if settings is None else read_settings(settings)
    given |= {name: value for name, value in choices.items() if value is not None}
    return run_training(source, out, options_of(given, block), progress, block)


def _described() -> None:
    """Show each choice to `help` and to notebooks, which know nothing of a TypedDict."""
    own = [one for one in inspect.signature(train).parameters.values() if one.kind is not one.VAR_KEYWORD]
    hints, lines = get_type_hints(Choices), []
    for row in table():
        # None stands for a default that may turn out otherwise: a block, for instance, may give the task.
        default = row.default if row.type is bool or (row.option.shown and not get_args(row.type)) else None
        own.append(
            inspect.Parameter(row.name, inspect.Parameter.KEYWORD_ONLY, default=default, annotation=hints[row.name])
        )
        text = f"{row.name}: {row.worded(row.option.about or row.option.help)}"
        lines.append(textwrap.fill(text, 118, initial_indent=" " * 8, subsequent_indent=" " * 12))
    train.__signature__ = inspect.Signature(own, return_annotation="TrainResult")  # type: ignore[attr-defined]  # read by `inspect`
    if train.__doc__:  # python -OO leaves no docstrings
        before, _, after = train.__doc__.partition("        choices: ")
        train.__doc__ = before + "\n".join(lines) + "\n" + after.partition("\n")[2]


_described()
