"""``drivetrain cases``."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

from ..core.local_path import local_path
from .flags import JsonFlag

if TYPE_CHECKING:
    from ..rollout.sending.answers_table import ToldTable
    from ..rollout.sending.server_api import Patience, ServerApi
    from ..rollout.sending.tally import Tally

app = typer.Typer(
    help="Send cases to a server, and what became of them.",
    no_args_is_help=True,
)

KEY_VARIABLE = "DRIVETRAIN_KEY"
MOST_KEY = 4096

# Refused ones that are named on a terminal.
SHOWN = 5

ToOption = Annotated[
    str, typer.Option("--to", metavar="URL", help="The server, such as http://127.0.0.1:8000.", show_default=False)
]
RolloutOption = Annotated[
    str | None, typer.Option(metavar="NAME", help="The rollout; may be left out where the server has one.")
]
KeyFile = Annotated[
    Path | None,
    typer.Option(
        "--key-file",
        parser=local_path,
        metavar="FILE",
        help=f"File with a key of the role predict; without it ${KEY_VARIABLE}, or none.",
    ),
]
SliceOption = Annotated[
    list[str] | None,
    typer.Option(
        "--slice",
        metavar="NAME",
        help="Column that cases are told apart by; of a folder, a name for each level of subfolders. Several times for several.",
    ),
]
ShowOption = Annotated[
    list[str] | None,
    typer.Option("--show", metavar="COLUMN", help="Column that people see beside a case. Never one with the answer."),
]
AnswersArgument = Annotated[
    Path, typer.Argument(metavar="CSV", parser=local_path, help="CSV, TSV, JSON lines or Parquet.")
]
ByOption = Annotated[str | None, typer.Option(metavar="NAME", help="Who, where the table has no column by.")]


@app.command()
def send(
    source: Annotated[
        Path,
        typer.Argument(
            metavar="CSV|FOLDER",
            parser=local_path,
            help="A table with the columns key and path, or a folder of pictures, a case each.",
        ),
    ],
    to: ToOption,
    rollout: RolloutOption = None,
    slices: SliceOption = None,
    show: ShowOption = None,
    watch: Annotated[
        bool, typer.Option("--watch", help="Go on with what comes into the folder, until Ctrl-C.")
    ] = False,
    every_s: Annotated[float, typer.Option(min=0.1, help="Seconds between two looks at a watched folder.")] = 5.0,
    at_once: Annotated[int, typer.Option(min=1, max=32, help="Cases on their way at one moment.")] = 4,
    key_file: KeyFile = None,
    json: JsonFlag = False,
) -> None:
    """Send cases that need a decision.

    Exit code 1 where the server refused one. Run again it goes on where it stopped: a server knows a case by its key. A table may
    also have the columns at, due, group and known (the right answer of a seeded case); no other column is sent unless named.
    A file that is still being written is waited for.
    """
    from ..core.errors import UsageError

    if watch and not source.is_dir():
        raise UsageError(f"--watch is for a folder, and {source} is {'a file' if source.exists() else 'not there'}")
    if source.is_dir() and show:
        raise UsageError("--show is for the columns of a table; a picture of a folder has nothing beside it")
    if not source.exists():
        raise UsageError(f"there is no {source}; give a table or a folder of pictures")
    with _patient(watch) as patience:
        api = _api(to, key_file, patience)
        if source.is_dir():
            tally = _send_folder(api, source, rollout, slices or (), at_once, every_s if watch else None, patience)
        else:
            tally = _send_table(api, source, rollout, slices or (), show or (), at_once)
    _told(tally, json, f"{tally.waiting} wait for a person, {tally.decided} are decided")


@app.command()
def decide(
    table: AnswersArgument,
    to: ToOption,
    rollout: RolloutOption = None,
    by: ByOption = None,
    key_file: KeyFile = None,
    json: JsonFlag = False,
) -> None:
    """Send what people decided in another system.

    They decided without sight of the model's answer. A table of the columns key, label, by and perhaps seconds; a label ? says
    that the person cannot tell, and rows without a label are left out. Exit code 1 where one is refused.
    """
    from ..rollout.sending.answers_sender import DECISION
    from ..rollout.sending.answers_table import read_decisions

    _send_answers(table, read_decisions(table, by), DECISION, to, rollout, key_file, json)


@app.command()
def outcomes(
    table: AnswersArgument,
    to: ToOption,
    rollout: RolloutOption = None,
    by: ByOption = None,
    key_file: KeyFile = None,
    json: JsonFlag = False,
) -> None:
    """Send what turned out about cases.

    A laboratory's finding, a returned part. A table of the columns key, label and perhaps by; rows without a label are left out.
    Exit code 1 where one is refused.
    """
    from ..rollout.sending.answers_sender import OUTCOME
    from ..rollout.sending.answers_table import read_outcomes

    _send_answers(table, read_outcomes(table, by), OUTCOME, to, rollout, key_file, json)


def _send_table(
    api: ServerApi, path: Path, rollout: str | None, slices: Sequence[str], show: Sequence[str], at_once: int
) -> Tally:
    from ..rollout.sending.case_sender import CaseSender
    from ..rollout.sending.case_table import read_case_table
    from .console import ConsoleProgress, remark

    table = read_case_table(path, slices, show)
    if table.unsent:
        remark(f"not sent: the columns {', '.join(table.unsent)}; name one with --slice or --show where it should be")
    sender = CaseSender(api, rollout, _journal(api, rollout, path, "cases"), at_once=at_once)
    with ConsoleProgress().stage("send", len(table.cases), "cases") as advance:
        sender.send(table.cases, advance)
    return sender.tally


def _send_folder(
    api: ServerApi,
    path: Path,
    rollout: str | None,
    slices: Sequence[str],
    at_once: int,
    every_s: float | None,
    patience: Patience,
) -> Tally:
    from ..rollout.sending.case_folder import CaseFolder
    from ..rollout.sending.case_sender import CaseSender
    from ..rollout.sending.folder_sending import FolderSending
    from .console import ConsoleProgress, remark

    sender = CaseSender(api, rollout, _journal(api, rollout, path, "files"), at_once=at_once)
    sending = FolderSending(sender, CaseFolder(path, slices), patience)
    progress = ConsoleProgress()
    sending.begin()
    if every_s is None:
        sending.there(lambda total: progress.stage("send", total, "pictures"))
        return sender.tally
    remark(f"watching {path}; end it with Ctrl-C")
    try:
        sending.watch(lambda total: progress.stage("send", total, "pictures"), every_s)
    except KeyboardInterrupt:
        remark("ended")
    return sender.tally


def _send_answers(
    path: Path, table: ToldTable, what: str, to: str, rollout: str | None, key_file: Path | None, json: bool
) -> None:
    from ..rollout.sending.answers_sender import AnswersSender
    from .console import ConsoleProgress, remark

    if table.empty:
        remark(f"left out: {table.empty} rows without a label")
    with _patient(watch=False) as patience:
        api = _api(to, key_file, patience)
        sender = AnswersSender(api, rollout, what, _journal(api, rollout, path, what))
        with ConsoleProgress().stage("send", len(table.told), f"{what}s") as advance:
            sender.send(table.told, advance)
    _told(sender.tally, json, "")


def _journal(api: ServerApi, rollout: str | None, path: Path, what: str) -> Any:
    from ..embed.cache import default_folder
    from ..rollout.sending.journal import Journal

    return Journal.of(default_folder() / "sent", api.url, rollout or "", str(path.resolve()), what)


def _patient(watch: bool) -> _Patient:
    return _Patient(None if watch else 600.0)


class _Patient:
    """Clocks of this machine, and sleeps that end at once when the command is left."""

    def __init__(self, give_up_s: float | None) -> None:
        import threading

        self._give_up_s, self._left = give_up_s, threading.Event()

    def __enter__(self) -> Patience:
        import random
        import time

        from ..rollout.sending.server_api import Patience

        return Patience(time.monotonic, self._sleep, random.random, give_up_s=self._give_up_s)

    def __exit__(self, *_: object) -> None:
        self._left.set()

    def _sleep(self, seconds: float) -> None:
        from ..core.errors import UsageError

        if self._left.wait(seconds):
            raise UsageError(
                "sending was ended while the server kept it waiting; run the command again, and it goes on"
            )


def _api(to: str, key_file: Path | None, patience: Patience) -> ServerApi:
    from ..rollout.sending.server_api import ServerApi
    from .console import remark

    return ServerApi(to, _secret(key_file), patience, remark)


def _secret(key_file: Path | None) -> str | None:
    """Return the key: that of a file, else of the environment, else none."""
    import os

    from ..core.errors import UsageError
    from ..core.plain_file import read_plain

    if key_file is None:
        return os.environ.get(KEY_VARIABLE, "").strip() or None
    try:
        secret = read_plain(key_file, MOST_KEY).decode("ascii").strip()
    except (OSError, UnicodeDecodeError) as error:
        reason = (error.strerror if isinstance(error, OSError) else None) or "it is no text in ASCII"
        raise UsageError(f"--key-file {key_file} cannot be read ({reason})") from None
    if not secret or not secret.isprintable():
        raise UsageError(
            f"--key-file {key_file} holds no key; write the one line into it that drivetrain keys add printed"
        )
    return secret


def _told(tally: Tally, json: bool, more: str) -> None:
    """Say what became of everything, and leave with 1 where something was not taken."""
    from .console import SAID_NO, print_json, print_line, print_pairs

    if json:
        print_json(tally.to_json())
    else:
        before = f"; {tally.before} were sent before" if tally.before else ""
        print_line(f"sent {tally.sent}{f': {more}' if more and tally.sent else ''}{before}")
        if tally.refused:
            print_line(f"refused {tally.refused}:")
            print_pairs((one.key, one.why) for one in tally.refusals[:SHOWN])
        if tally.growing:
            print_line(f"left out, as they are still being written: {', '.join(tally.growing[:SHOWN])}")
    if not tally.is_whole:
        raise typer.Exit(SAID_NO)
