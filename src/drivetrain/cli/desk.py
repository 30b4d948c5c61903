"""``drivetrain clean``."""

from __future__ import annotations

import sys
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any, cast

import typer

from ..core.local_path import local_path
from ..training.options import table
from .flags import JsonFlag, check_cache
from .from_table import given, with_options
from .training import Source

if TYPE_CHECKING:
    from ..desk.desk import Desk
    from ..training.choices import Choices

# The choices of `train` that say how a set is read and looked at; the others are about a bundle.
READ_BY = frozenset(
    (
        "backbone",
        "task",
        "delimiter",
        "target_names",
        "order",
        "normalise_labels",
        "splits",
        "balance",
        "resize",
        "range",
        "size",
        "seed",
        "cache",
        "use_cache",
        "workers",
        "budget_s",
    )
)
ROWS = tuple(row for row in table() if row.name in READ_BY)

STOPPED = "Stopped; whatever was marked is kept."
"""The last line of a desk that was told to stop."""

Host = Annotated[str, typer.Option(help="Address to listen on. Others can reach all but 127.0.0.1: they need a key.")]
Port = Annotated[
    int | None,
    typer.Option(
        min=0, max=65535, help="Port; 0 takes any that is free (the first free one from 8010 on unless given)."
    ),
]
By = Annotated[
    str | None, typer.Option("--by", metavar="NAME", help="Your name in the log (that of your account unless given).")
]
KeyFile = Annotated[
    Path | None,
    typer.Option("--key-file", parser=local_path, metavar="FILE", help="File with the key that everybody has to send."),
]
Open = Annotated[
    bool | None,
    typer.Option("--open/--no-open", help="Open a browser, or do not (where there is a terminal unless given)."),
]


AuditSize = Annotated[
    int | None,
    typer.Option(
        "--audit",
        min=1,
        max=2000,
        metavar="N",
        help="Begin with an audit, or go on with it: N random images and some suspects, with nothing suggested.",
    ),
]


@with_options(ROWS)
def clean(
    context: typer.Context,
    source: Source,
    host: Host = "127.0.0.1",
    port: Port = None,
    by: By = None,
    key_file: KeyFile = None,
    open_browser: Open = None,
    audit: AuditSize = None,
    *,
    json: JsonFlag = False,
    **choices: Any,
) -> None:
    """Clean a data set in the browser: what looks wrong comes first.

    A key each keeps, relabels or removes; after each batch the list is ranked anew. No file of the source is touched: edits go
    into a log beside it, which the other commands apply as they read.
    """
    from ..desk.start import DeskOptions, run
    from ..training.choices import options_of
    from .console import print_line

    check_cache(source, choices["cache"], choices["use_cache"])
    training = options_of(cast("Choices", given(context, ROWS, choices)), None)
    opens = sys.stdout.isatty() and not json if open_browser is None else open_browser
    options = DeskOptions(source, training, host, port, by, key_file, opens, audit=audit)
    run(options, _say_json if json else say)
    if not json:
        print_line(STOPPED)


def say(desk: Desk, address: str) -> None:
    """Print on stdout what is being cleaned and where."""
    from .console import print_pairs

    access = "open to this machine, no key needed" if desk.guard.open_to_all else "with a key"
    print_pairs(
        [
            ("Cleaning", desk.source),
            ("At", f"{address}  ({access})"),
            ("Edits", f"{desk.log_path}, by {desk.by}"),
            ("Stop", "Ctrl-C; every edit is kept"),
        ]
    )


def _say_json(desk: Desk, address: str) -> None:
    from .console import print_json

    print_json(
        {
            "address": address,
            "keys_required": not desk.guard.open_to_all,
            "mode": desk.mode,
            "source": desk.source,
            "log": desk.log_path,
            "by": desk.by,
        }
    )
