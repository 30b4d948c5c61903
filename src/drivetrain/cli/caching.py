"""``drivetrain cache``."""

from __future__ import annotations

from contextlib import contextmanager
from typing import TYPE_CHECKING, Annotated

import typer

from .flags import CacheOption, JsonFlag

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

    from ..embed.cache import EmbeddingCache

app = typer.Typer(help="Look at or tidy the cache of embeddings.", no_args_is_help=True)


@app.command()
def info(cache: CacheOption = None, json: JsonFlag = False) -> None:
    """Show where the cache is and how much it holds."""
    from dataclasses import asdict

    from .console import print_json, print_pairs

    with _opened(cache) as (path, store):
        found = {**asdict(store.info()), "path": str(path)}
    if json:
        print_json(found)
        return
    holds = f"{found['images']} images, {found['embeddings']} embeddings, {found['bytes'] / 1e6:.1f} MB"
    print_pairs([("Cache", str(path)), ("Holds", holds)])


@app.command()
def prune(
    unused_days: Annotated[
        float, typer.Option(min=0, help="Forget what was not used for so many days; 0 empties it.")
    ] = 30,
    cache: CacheOption = None,
    json: JsonFlag = False,
) -> None:
    """Forget what has not been used for a while."""
    from .console import print_json, print_line

    with _opened(cache) as (path, store):
        forgotten = store.prune(unused_days)
        found = store.info()
    if json:
        print_json({"forgotten": forgotten, "bytes": found.bytes})
        return
    print_line(f"forgot {forgotten} entries; {found.bytes / 1e6:.1f} MB left in {path}")


@contextmanager
def _opened(folder: Path | None) -> Iterator[tuple[Path, EmbeddingCache]]:
    """Open the cache and return its folder. A missing folder is an empty cache, and is not made just to be looked at.

    Raises:
        CacheError: what is there cannot be used.
    """
    from ..core.errors import CacheError
    from ..embed.cache import ELSEWHERE, FILE_NAME, EmbeddingCache, default_folder
    from .console import remark

    folder = folder or default_folder()
    remarks: list[str] = []
    store = EmbeddingCache(folder if folder.exists() else None, remarks.append)
    try:
        if remarks and store.path is None:
            why = "; ".join(remarks).removeprefix("working without a cache: ").removesuffix(f"; {ELSEWHERE}")
            raise CacheError(f"{folder} is not usable as a cache: {why}; {ELSEWHERE}")
        for line in remarks:
            remark(line)
        yield folder / FILE_NAME, store
    finally:
        store.close()
