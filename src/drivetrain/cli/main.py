"""The command line. Commands import what they need when they run, so that help and errors are instant.

Exit codes: 0 good, 1 the check said no, 2 wrong usage or bad input, 70 a fault in this program, 130 interrupted.
"""

from __future__ import annotations

import os
import sys
from io import TextIOWrapper
from typing import Annotated, NoReturn, cast

import typer

from .._version import __version__
from ..core.errors import DrivetrainError
from ..core.scratch import sweep
from . import (
    backtesting,
    bundles,
    caching,
    cases,
    certifying,
    curating,
    desk,
    editing,
    gathering,
    handing_over,
    labelling,
    monitoring,
    prediction,
    retraining,
    rolling_out,
    serving,
    signing,
    storing,
    training,
    verifying,
)
from .console import print_line, remark

# A check whose answer is no ends with `console.SAID_NO`, 1.
BAD_INPUT, FAULT, INTERRUPTED = 2, 70, 130

# The use of running a command again that was interrupted.
AGAIN = {
    "train": "; run it again: train goes on from what it has embedded",
    "gather": "; run it again: gather goes on where it stopped",
}

app = typer.Typer(
    name="drivetrain",
    help="From a folder of labelled images to a model you can trust in production.",
    no_args_is_help=True,
    # Help is plain, not rich: it is twice as fast to show, and reads well in 80 columns.
    rich_markup_mode=None,
    pretty_exceptions_enable=False,
    context_settings={"help_option_names": ["-h", "--help"]},
)

# The class that typer raises for a wrong option or argument; it stands in another module from release to release.
CommandLineError = cast(
    "type[Exception]", next(base for base in typer.BadParameter.__mro__ if base.__name__ == "ClickException")
)


def _version(wanted: bool) -> None:
    if wanted:
        print_line(f"drivetrain {__version__}")
        raise typer.Exit


@app.callback()
def main(
    version: Annotated[  # its callback does the work
        bool, typer.Option("--version", callback=_version, is_eager=True, help="Print the version and leave.")
    ] = False,
) -> None:
    """From a folder of labelled images to a model you can trust in production."""


# In the order of `--help`: from data to a bundle, what makes the data better, and what a bundle is used for.
app.command("train")(training.train)
app.command("predict")(prediction.predict)
app.command("evaluate")(prediction.evaluate)
app.command("report")(bundles.report)
app.command("inspect")(bundles.inspect)
app.command("gather")(gathering.gather)
app.command("provenance")(gathering.provenance)
app.command("verify")(verifying.verify)
app.command("suspects")(curating.suspects)
app.command("clean")(desk.clean)
app.command("label")(labelling.label)
app.command("edits")(editing.edits)
app.command("apply")(editing.apply)
app.command("undo")(editing.undo)
app.command("redo")(editing.redo)
app.command("certify")(certifying.certify)
app.command("backtest")(backtesting.backtest)
app.command("retrain")(retraining.retrain)
app.command("serve")(serving.serve)
app.command("app")(handing_over.app_command)
app.add_typer(monitoring.app, name="monitor")
app.add_typer(rolling_out.app, name="rollout")
app.add_typer(cases.app, name="cases")
app.add_typer(storing.app, name="store")
app.add_typer(storing.keys_app, name="keys")
app.command("trace")(prediction.trace)
app.command("sign")(signing.sign)
app.command("demo")(training.demo)
app.add_typer(caching.app, name="cache")


def run() -> None:
    """Entry point: runs a command and turns errors into one line and an exit code."""
    for stream in (sys.stdout, sys.stderr):
        if isinstance(stream, TextIOWrapper):
            # A name or sign that the terminal cannot show is replaced, as it is no reason to fail.
            stream.reconfigure(errors="backslashreplace")
    try:
        code = app(standalone_mode=False, prog_name="drivetrain") or 0
    except DrivetrainError as error:
        _fail(str(error))
    except CommandLineError as error:
        _fail_usage(error)
    except (KeyboardInterrupt, typer.Abort):
        code = INTERRUPTED
    except SystemExit as error:
        if not error.code:
            raise
        _leave_quietly()  # typer and rich end this way when the reader has gone (drivetrain predict … | head)
    except BrokenPipeError:
        _leave_quietly()
    except OSError as error:
        _fail(f"{error.filename}: {error.strerror}" if error.filename else error.strerror or str(error))
    except Exception:
        import traceback

        traceback.print_exc()
        remark("error: this is a fault in drivetrain, not in what you gave it; please report the lines above")
        sys.exit(FAULT)
    if code == INTERRUPTED:
        again = next((AGAIN[word] for word in sys.argv[1:2] if word in AGAIN), "")
        sweep()
        remark(f"interrupted{again}")
        # The process ends at once: worker threads may still be inside the network, with nothing left to finish.
        sys.stderr.flush()
        os._exit(INTERRUPTED)
    sys.exit(code)


def _fail(text: str) -> NoReturn:
    try:
        sys.stdout.flush()
    except OSError:
        _abandon_stdout()
    remark(f"error: {text}")
    sys.exit(BAD_INPUT)


def _fail_usage(error: Exception) -> NoReturn:
    context, message = getattr(error, "ctx", None), error.format_message()  # type: ignore[attr-defined]  # a usage error of click or of typer's copy
    if type(error).__name__ == "NoArgsIsHelpError":
        sys.stderr.write(f"{message}\n")
        sys.exit(BAD_INPUT)
    command = context.command_path if context else _command_given()
    _fail(f"{_plainly(error, message).rstrip('.')}{_owners(error)}; see {command} --help")


def _command_given() -> str:
    """Return the words of the command that was called, which errors of the parser do not say."""
    words, commands = ["drivetrain"], getattr(typer.main.get_command(app), "commands", {})
    for word in sys.argv[1:]:
        if word not in commands:
            break
        words.append(word)
        commands = getattr(commands[word], "commands", {})
    return " ".join(words)


def _owners(error: Exception) -> str:
    """Say which other commands have an option that this one lacks; empty where none has it."""
    if type(error).__name__ != "NoSuchOption":
        return ""
    option = getattr(error, "option_name", "")
    commands = getattr(typer.main.get_command(app), "commands", {})
    owners = [name for name, one in commands.items() if any(option in parameter.opts for parameter in one.params)]
    return f"; it belongs to drivetrain {' and '.join(owners)}" if 0 < len(owners) < 3 else ""


def _plainly(error: Exception, message: str) -> str:
    """Put `message` into this program's words where it is pydantic's, by which newer versions of typer check values."""
    found = getattr(error.__cause__, "errors", None)
    for fault in found() if found else ():
        value, bounds = fault["input"], fault.get("ctx", {})
        plain = {
            "int_parsing": f"{value!r} is not a whole number",
            "float_parsing": f"{value!r} is not a number",
            "greater_than_equal": f"{value} is not {bounds.get('ge', 0):g} or more",
            "less_than_equal": f"{value} is not {bounds.get('le', 0):g} or less",
        }.get(fault["type"], fault["msg"].removeprefix("Value error, "))
        message = message.replace(fault["msg"], plain)
    return message


def _leave_quietly() -> NoReturn:
    _abandon_stdout()
    sys.exit(0)


def _abandon_stdout() -> None:
    """Drop buffered output, which would fail once more when the interpreter closes the stream."""
    os.dup2(os.open(os.devnull, os.O_WRONLY), sys.__stdout__.fileno() if sys.__stdout__ else 1)


if __name__ == "__main__":
    run()
