"""``drivetrain cache``."""

from __future__ import annotations

from typing import Annotated

import typer

from .training import CacheOption, JsonFlag

app = typer.Typer(help="Look at or tidy the cache of embeddings.", no_args_is_help=True)


@app.command()
def info(cache: CacheOption = None, json: JsonFlag = False) -> None:
    """Where the cache is and how much it holds."""
    from dataclasses import asdict

    from ..embed.cache import EmbeddingCache, default_folder
    from .console import ConsoleProgress, print_json

    store = EmbeddingCache(cache or default_folder(), ConsoleProgress().say)
    found = store.info()
    store.close()
    if json:
        print_json(asdict(found))
        return
    typer.echo(f"{found.path}\n{found.images} images, {found.embeddings} embeddings, {found.bytes / 1e6:.1f} MB")


@app.command()
def prune(
    unused_days: Annotated[
        float, typer.Option(min=0, help="Forget what was not used for so many days; 0 empties it.")
    ] = 30,
    cache: CacheOption = None,
    json: JsonFlag = False,
) -> None:
    """Forget what has not been used for a while."""
    from ..embed.cache import EmbeddingCache, default_folder
    from .console import ConsoleProgress, print_json

    store = EmbeddingCache(cache or default_folder(), ConsoleProgress().say)
    forgotten = store.prune(unused_days)
    found = store.info()
    store.close()
    if json:
        print_json({"forgotten": forgotten, "bytes": found.bytes})
        return
    typer.echo(f"forgot {forgotten} entries; {found.bytes / 1e6:.1f} MB left in {found.path}")
