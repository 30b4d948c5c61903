"""The command line. Commands import what they need when they run, so that help and errors are instant.

Exit codes: 0 good, 1 the check said no, 2 wrong usage or bad input, 130 interrupted.
"""

from __future__ import annotations

import os
import sys
from typing import Annotated

import typer

from .._version import __version__
from ..core.errors import DrivetrainError
from . import bundles, caching, prediction, training

app = typer.Typer(
    name="drivetrain",
    help="From a folder of labelled images to a model you can trust in production.",
    no_args_is_help=True,
    pretty_exceptions_enable=False,
    context_settings={"help_option_names": ["-h", "--help"]},
)


def _version(wanted: bool) -> None:
    if wanted:
        typer.echo(f"drivetrain {__version__}")
        raise typer.Exit


@app.callback()
def main(
    version: Annotated[  # handled by its callback
        bool, typer.Option("--version", callback=_version, is_eager=True, help="Print the version and leave.")
    ] = False,
) -> None:
    """From a folder of labelled images to a model you can trust in production."""


app.command("train")(training.train)
app.command("predict")(prediction.predict)
app.command("evaluate")(prediction.evaluate)
app.command("report")(bundles.report)
app.command("inspect")(bundles.inspect)
app.command("trace")(prediction.trace)
app.command("demo")(training.demo)
app.add_typer(caching.app, name="cache")


def run() -> None:
    """Entry point: runs a command and turns errors into one line and an exit code."""
    try:
        app()
    except DrivetrainError as error:
        sys.stderr.write(f"error: {error}\n")
        sys.exit(2)
    except KeyboardInterrupt:
        sys.stderr.write("\ninterrupted; what was embedded so far is kept, and the same command goes on from there\n")
        # Worker threads may still be inside the network; there is nothing left for them to finish.
        sys.stderr.flush()
        os._exit(130)
    except BrokenPipeError:
        # The reader has gone (drivetrain predict … | head); that is no error.
        os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())
        sys.exit(0)


if __name__ == "__main__":
    run()
