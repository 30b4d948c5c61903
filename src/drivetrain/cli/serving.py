"""``drivetrain serve``."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Literal

import typer

from ..core.local_path import local_path
from ..core.memory import parse_size
from .flags import JsonFlag, NoGolden, Verify

if TYPE_CHECKING:
    from ..serve.server import Server


def serve(
    bundles: Annotated[
        list[str], typer.Argument(metavar="BUNDLE", help="Bundles to serve, the default first; NAME=BUNDLE names one.")
    ],
    host: Annotated[
        str, typer.Option(help="Address to listen on. Others can reach all but 127.0.0.1: they need keys.")
    ] = ("127.0.0.1"),
    port: Annotated[int, typer.Option(min=0, max=65535, help="Port; 0 takes any that is free.")] = 8000,
    store: Annotated[
        str | None,
        typer.Option(envvar="DRIVETRAIN_STORE", help="Where answers are kept: a SQLite file or postgresql://…"),
    ] = None,
    images: Annotated[str, typer.Option(help="What is kept of images: none, hash, keep, or days such as 30d.")] = "30d",
    keep_metadata: Annotated[
        bool, typer.Option("--keep-metadata", help="Keep EXIF and the like (places, owners) in images that are kept.")
    ] = False,
    processes: Annotated[int, typer.Option(min=1, help="Processes that share the port.")] = 1,
    target_ms: Annotated[
        float | None,
        typer.Option(
            min=1, help="An image should be answered within this (500 unless given); batch and queue follow from it."
        ),
    ] = None,
    max_batch: Annotated[int | None, typer.Option(min=1, help="Images a run; measured at start if not given.")] = None,
    max_wait_ms: Annotated[
        float | None, typer.Option(min=0, help="How long a run waits to fill; measured at start if not given.")
    ] = None,
    queue: Annotated[int | None, typer.Option(min=1, help="Images that may wait; follows from the target.")] = None,
    workers: Annotated[int | None, typer.Option(min=1, help="Threads that work; one more than cores.")] = None,
    deadline_s: Annotated[float, typer.Option(min=0.001, help="Seconds after which a request gives up.")] = 10.0,
    max_body_mb: Annotated[int, typer.Option(min=1, help="MiB a request may have.")] = 64,
    max_images: Annotated[int, typer.Option(min=1, help="Images a request may have.")] = 64,
    max_megapixels: Annotated[
        float | None,
        typer.Option(
            help="Million pixels an image may have: 89.4 unless given, as in every command, or what the memory holds."
        ),
    ] = None,
    memory: Annotated[
        str | None,
        typer.Option(
            help="Memory for all processes, such as 2G; unless given half of the machine's, at most 4G a process."
        ),
    ] = None,
    upload_s: Annotated[float, typer.Option(help="Seconds a request's body may take to arrive.")] = 30.0,
    samples: Annotated[
        Path | None,
        typer.Option(parser=local_path, metavar="FOLDER", help="Folder of pictures the console offers to try."),
    ] = None,
    drain_s: Annotated[float, typer.Option(min=0, help="Seconds to end what is under way, when told to stop.")] = 20.0,
    log: Annotated[Literal["text", "json"], typer.Option(help="Form of the log on stderr.")] = "text",
    log_requests: Annotated[bool, typer.Option("--log-requests", help="A line in the log for every request.")] = False,
    no_golden: NoGolden = False,
    verify: Verify = None,
    allow_other_classes: Annotated[
        bool, typer.Option("--allow-other-classes", help="Also take a new version that answers with other names.")
    ] = False,
    json: JsonFlag = False,
) -> None:
    """Serve bundles: an HTTP API, and a console for people.

    Every answer is stored before it is given. A bundle that is replaced on disk is loaded beside the old one and takes its
    place once it has passed its checks. Stops on Ctrl-C or SIGTERM, after what was accepted has been answered.
    """
    from ..serve.start import ServeOptions, run

    options = ServeOptions(
        bundles=tuple(bundles),
        host=host,
        port=port,
        store=store,
        processes=processes,
        target_ms=target_ms,
        max_batch=max_batch,
        max_wait_ms=max_wait_ms,
        queue=queue,
        workers=workers,
        deadline_s=deadline_s,
        images=images,
        keep_metadata=keep_metadata,
        max_body_mb=max_body_mb,
        max_images=max_images,
        max_megapixels=max_megapixels,
        memory=None if memory is None else parse_size(memory),
        upload_s=upload_s,
        samples=str(samples) if samples else None,
        drain_s=drain_s,
        golden=not no_golden,
        verify=str(verify) if verify else None,
        other_classes=allow_other_classes,
        log=log,
        log_requests=log_requests,
    )
    run(options, _say_json if json else say)


def say(server: Server, address: str) -> None:
    """What is served and where, on stdout."""
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
