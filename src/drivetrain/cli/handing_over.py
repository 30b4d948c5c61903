"""``drivetrain app``."""

from __future__ import annotations

from enum import StrEnum
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from ..core.local_path import local_path
from ..core.shell_path import quoted
from .flags import BundleArgument, JsonFlag

if TYPE_CHECKING:
    from ..handover.hand_over import HandedOver


class TargetChoice(StrEnum):
    """--to."""

    DOCKER = "docker"
    SPACE = "space"
    NOTEBOOK = "notebook"


To = Annotated[
    TargetChoice, typer.Option("--to", help="A container with the server, a Gradio Space, or a notebook app.")
]
Out = Annotated[
    Path,
    typer.Option(
        "--out",
        "-o",
        parser=local_path,
        metavar="FOLDER",
        help="Folder to write: new, empty, or written by this command before.",
    ),
]
Wheel = Annotated[
    Path | None,
    typer.Option(
        "--wheel",
        parser=local_path,
        metavar="FILE",
        help="Hand over this wheel of drivetrain, not one of the drivetrain that runs here.",
    ),
]


def app_command(bundle: BundleArgument, to: To, out: Out, wheel: Wheel = None, json: JsonFlag = False) -> None:
    """Hand a bundle over as a container, a Space or a notebook.

    It holds the bundle, the app, a wheel of the drivetrain that runs here, requirements.txt with the versions the bundle
    was checked with, and a README.md that says how to start it.
    """
    from ..handover.hand_over import Target, hand_over
    from .console import remark

    done = hand_over(bundle, Target(to.value), out, wheel, remark)
    if json:
        _print_json(done)
    else:
        _print_written(done, packed=wheel is None)


def _print_json(done: HandedOver) -> None:
    from .console import print_json

    print_json(
        {
            "out": str(done.out),
            "target": done.target.value,
            "bundle_id": done.bundle_id,
            "files": list(done.files),
            "requirements": list(done.requirements),
            "wheel": done.wheel,
            "next_step": done.next_step,
        }
    )


def _print_written(done: HandedOver, *, packed: bool) -> None:
    from .console import print_pairs

    print_pairs(
        [
            ("Written", f"{done.out}: {', '.join(done.files)}, bundle/"),
            ("Bundle", done.bundle_id),
            (
                "drivetrain",
                f"{done.wheel}, {'packed from what runs here' if packed else 'as given'}; no index is asked for it",
            ),
            ("Needs", f"{len(done.requirements)} packages, in requirements.txt"),
            ("Next", f"cd {quoted(done.out)} && {done.next_step}"),
            ("", f"more in {done.out / 'README.md'}"),
        ]
    )
