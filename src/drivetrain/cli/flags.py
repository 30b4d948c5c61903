"""Options and arguments that several commands share."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

from ..core.local_path import local_path

JsonFlag = Annotated[bool, typer.Option("--json", help="Print one JSON document on stdout.")]

BundleArgument = Annotated[
    Path, typer.Argument(metavar="BUNDLE", parser=local_path, help="A bundle: its folder or zip.")
]

CacheOption = Annotated[
    Path | None,
    typer.Option(
        "--cache",
        parser=local_path,
        metavar="FOLDER",
        help="Folder of the embedding cache (the user's cache folder unless given).",
    ),
]

NoCache = Annotated[bool, typer.Option("--no-cache", help="Keep embeddings in memory only.")]

NoGolden = Annotated[bool, typer.Option("--no-golden", help="Skip the replay of the golden images on loading.")]

Verify = Annotated[
    Path | None,
    typer.Option(
        "--verify", parser=local_path, metavar="KEY.pub", help="Take only a bundle signed with this public key."
    ),
]


def check_cache(source: str, cache: Path | None, no_cache: bool) -> None:
    """Refuse a folder that would not be used. That of an archive is: it is unpacked there.

    Raises:
        UsageError: it would not be used.
    """
    from ..core.errors import UsageError
    from ..data.sources.archive import is_archive

    if cache is not None and no_cache and not (Path(source).is_file() and is_archive(Path(source))):
        raise UsageError("--cache and --no-cache exclude each other; leave one of them out")
