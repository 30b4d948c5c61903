"""``drivetrain label``."""

from __future__ import annotations

import sys
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from ..core.local_path import local_path
from ..core.option import by_commas
from ..core.verdict import Verdict
from .desk import STOPPED, By, Host, KeyFile, Open, Port
from .flags import CacheOption, JsonFlag, NoCache, check_cache

if TYPE_CHECKING:
    from ..desk.label_desk import LabelDesk


def label(
    source: Annotated[
        str | None,
        typer.Argument(
            metavar="[UNLABELLED]",
            show_default=False,
            help="Folder of images, whatever folders they stand in, or a zip or tar of them; or leave it out and give --store.",
        ),
    ] = None,
    classes: Annotated[
        str | None,
        typer.Option(metavar="A,B,C", help="The classes; more can be added while labelling (none unless given)."),
    ] = None,
    bundle: Annotated[
        Path | None,
        typer.Option(
            metavar="BUNDLE",
            parser=local_path,
            help="Begin with this model: its classes, and what it was trained on.",
        ),
    ] = None,
    store: Annotated[
        str | None,
        typer.Option(metavar="STORE", help="Label what a server answered, from its store: a path or URL of one."),
    ] = None,
    verdict: Annotated[
        str | None,
        typer.Option(
            metavar="VERDICTS", help="With --store: the verdicts to look at (review,out_of_domain unless given)."
        ),
    ] = None,
    into: Annotated[
        Path | None,
        typer.Option(
            metavar="DATA",
            parser=local_path,
            help="Folder that gets each labelled picture, in a folder of its class; needed with --store.",
        ),
    ] = None,
    blind: Annotated[
        bool, typer.Option("--blind", help="Hide suggestions until a person asks for them: labels are then blind.")
    ] = False,
    backbone: Annotated[
        str | None,
        typer.Option(metavar="NAME", help="Network that embeds the images (the smallest packaged one unless given)."),
    ] = None,
    seed: Annotated[int, typer.Option(min=0, help="Everything random follows from it; 0 or more.")] = 0,
    host: Host = "127.0.0.1",
    port: Port = None,
    by: By = None,
    key_file: KeyFile = None,
    open_browser: Open = None,
    cache: CacheOption = None,
    no_cache: NoCache = False,
    workers: Annotated[
        int | None, typer.Option(min=1, help="Threads that embed (one more than cores unless given).")
    ] = None,
    json: JsonFlag = False,
) -> None:
    """Label images in the browser, one key a class.

    Those that teach most come first. A model learns meanwhile, says how accurate it is, and when more labels would change
    little. It may begin from nothing. Labels go into a log beside the images; “drivetrain train UNLABELLED” then trains on
    what has one.
    """
    from ..core.errors import UsageError
    from ..desk.label_start import LabelDeskOptions, run_label_desk
    from ..workbench.label_set import LabelOptions
    from ..workbench.stored_items import VERDICTS
    from .console import print_line

    if verdict is not None and store is None:
        raise UsageError("--verdict chooses among a store's answers; give --store STORE, or leave it out")
    check_cache(source or "", cache, no_cache)
    labelling = LabelOptions(
        source=source,
        into=into,
        classes=by_commas(classes) if classes is not None else (),
        bundle=bundle,
        backbone=backbone,
        cache=cache,
        use_cache=not no_cache,
        workers=workers,
        seed=seed,
        verdicts=VERDICTS if verdict is None else _verdicts(verdict),
    )
    opens = sys.stdout.isatty() and not json if open_browser is None else open_browser
    options = LabelDeskOptions(labelling, store, host, port, by, key_file, opens, blind)
    run_label_desk(options, _say_json if json else say)
    if not json:
        print_line(STOPPED)


def _verdicts(text: str) -> tuple[Verdict, ...]:
    from ..core.errors import UsageError

    found = []
    for name in by_commas(text):
        try:
            found.append(Verdict(name))
        except ValueError:
            raise UsageError(f"--verdict names {name!r}; there are {', '.join(Verdict)}") from None
    return tuple(dict.fromkeys(found))


def say(desk: LabelDesk, address: str) -> None:
    """Print on stdout what is being labelled and where."""
    from .console import print_pairs

    access = "open to this machine, no key needed" if desk.guard.open_to_all else "with a key"
    rows = [("Labelling", desk.source), ("At", f"{address}  ({access})"), ("Labels", f"{desk.log_path}, by {desk.by}")]
    if desk.into is not None:
        rows.append(("Pictures", f"go to {desk.into}, a folder a class"))
    print_pairs([*rows, ("Stop", "Ctrl-C; every label is kept")])


def _say_json(desk: LabelDesk, address: str) -> None:
    from .console import print_json

    print_json(
        {
            "address": address,
            "keys_required": not desk.guard.open_to_all,
            "mode": "label",
            "source": desk.source,
            "log": desk.log_path,
            "into": desk.into,
            "by": desk.by,
        }
    )
