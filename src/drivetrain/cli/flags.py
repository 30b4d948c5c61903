"""Options and arguments that several commands share."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

from ..core.local_path import local_path
from ..serve.options import table as serve_table
from ..training.options import table as train_table
from .from_table import typer_option

JsonFlag = Annotated[bool, typer.Option("--json", help="Print one JSON document on stdout.")]

BundleArgument = Annotated[
    Path, typer.Argument(metavar="BUNDLE", parser=local_path, help="A bundle: its folder or zip.")
]

# The names are those of `train` and `serve`.
_TRAIN, _SERVE = ({row.name: row for row in table()} for table in (train_table, serve_table))

CacheOption = Annotated[Path | None, typer_option(_TRAIN["cache"])]

NoCache = Annotated[bool, typer_option(_TRAIN["use_cache"])]

NoGolden = Annotated[bool, typer_option(_SERVE["golden"])]

IgnoreOption = Annotated[list[str] | None, typer_option(_TRAIN["ignore"])]

NormaliseLabels = Annotated[bool, typer_option(_TRAIN["normalise_labels"])]

NoEdits = Annotated[bool, typer_option(_TRAIN["edits"])]

Splits = Annotated[str | None, typer_option(_TRAIN["splits"])]

Verify = Annotated[Path | None, typer_option(_SERVE["verify"])]


def check_cache(source: str, cache: Path | None, no_cache: bool) -> None:
    """Refuse a folder for the cache that would not be used. An archive does use it: it is unpacked there, and so are pictures
    in a table.

    Raises:
        UsageError: it would not be used.
    """
    from ..core.errors import UsageError
    from ..data.sources.archive import is_archive

    path = Path(source)
    unpacked = path.is_file() and (path.suffix.lower() == ".parquet" or is_archive(path))
    if cache is not None and no_cache and not unpacked:
        raise UsageError("--cache and --no-cache exclude each other; leave one of them out")
