"""``drivetrain serve``."""

from __future__ import annotations

from typing import TYPE_CHECKING, Annotated, Any

import typer

from ..serve.options import serve_options, table
from .flags import JsonFlag
from .from_table import given, with_options

if TYPE_CHECKING:
    from ..serve.server import Server


@with_options(table(), bounds_shown=True)
def serve(
    context: typer.Context,
    bundles: Annotated[
        list[str], typer.Argument(metavar="BUNDLE", help="Bundles to serve, the default first; NAME=BUNDLE names one.")
    ],
    *,
    json: JsonFlag = False,
    **choices: Any,
) -> None:
    """Serve bundles: an HTTP API, and a console for people.

    Every answer is stored before it is given. A bundle that is replaced on disk is loaded beside the old one and takes its
    place once it has passed its checks. Stops on Ctrl-C or SIGTERM, after what was accepted has been answered.
    """
    from ..serve.start import run

    run(serve_options(tuple(bundles), given(context, table(), choices)), _say_json if json else say)


def say(server: Server, address: str) -> None:
    """Print on stdout what is served and where."""
    from ..serve.announcement import told
    from .console import print_pairs

    access = "open to this machine, no key needed" if server.guard.open_to_all else "with a key"
    print_pairs([("Serving at", f"{address}  ({access}; API: {address}/docs)"), *told(server), ("Stop", "Ctrl-C")])


def _say_json(server: Server, address: str) -> None:
    from .console import print_json

    plan = server.engine.plan
    print_json(
        {
            "address": address,
            "keys_required": not server.guard.open_to_all,
            "models": [{"name": model.name, "version": model.version} for model in server.shelf.models],
            "plan": {
                "workers": plan.workers,
                "max_batch": plan.max_batch,
                "max_wait_ms": plan.max_wait_s * 1000,
                "queue": plan.queue,
                "images_per_s": plan.images_per_s,
            },
            "memory": {
                "bytes": server.memory.total,
                "base_bytes": server.memory.base,
                "bodies_bytes": server.memory.bodies,
                "pictures_bytes": server.memory.pictures,
                "pixels": server.settings.limits.pixels,
            },
        }
    )
