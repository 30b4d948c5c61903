"""``drivetrain gather`` and ``drivetrain provenance``."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from enum import StrEnum
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from ..core.local_path import local_path
from .flags import JsonFlag

if TYPE_CHECKING:
    from ..curate.gather.api import Api
    from ..curate.gather.clock import Clock
    from ..curate.gather.found import Found
    from ..curate.gather.origins import Origins
    from ..curate.gather.run import Order
    from ..curate.gather.tally import Tally
    from ..curate.gather.wish import Wish
    from ..data.provenance.line import Provenance

MOST = 150
"""Pictures of a class, where --max says no other number."""

# Pictures taken down that are named one by one.
SHOWN = 20


class SourceChoice(StrEnum):
    """--source."""

    OPENVERSE = "openverse"
    WIKIMEDIA = "wikimedia"
    INATURALIST = "inaturalist"
    DDGS = "ddgs"


class LicenceChoice(StrEnum):
    """--licence."""

    ANY = "any"
    CC = "cc"


Queries = Annotated[
    list[str] | None,
    typer.Argument(
        metavar="QUERY",
        show_default=False,
        help="What to search for, a class each: words, which name its folder too, or name=words.",
    ),
]
Into = Annotated[
    Path, typer.Option("--into", parser=local_path, metavar="FOLDER", help="Folder to add to; made if need be.")
]
SourceOption = Annotated[
    SourceChoice,
    typer.Option("--source", help="The service to ask. ddgs asks search engines and knows no licences."),
]
Most = Annotated[
    int | None, typer.Option("--max", min=1, show_default=str(MOST), help="Pictures a class; of addresses: all.")
]
Licence = Annotated[LicenceChoice, typer.Option("--licence", help="cc: Creative Commons and the public domain only.")]
Urls = Annotated[
    Path | None,
    typer.Option(
        "--urls",
        parser=local_path,
        metavar="FILE",
        help="Fetch these: an address a line, or a CSV or TSV with a column url, and label if there are classes.",
    ),
]
Resize = Annotated[
    int | None,
    typer.Option("--resize", min=32, help="Longest side in pixels; larger pictures are written smaller."),
]
Contact = Annotated[
    str | None,
    typer.Option("--contact", metavar="TEXT", help="Mail or web address at which hosts can reach you (User-Agent)."),
]
AllowPrivate = Annotated[
    bool, typer.Option("--allow-private", help="Also ask machines of this network and this machine itself.")
]
Videos = Annotated[
    list[Path] | None,
    typer.Option(
        "--video",
        parser=local_path,
        metavar="FILE",
        help="Take frames of this video, or of those in a folder; may be repeated.",
    ),
]
Every = Annotated[
    str | None, typer.Option("--every", metavar="TIME", show_default="1s", help="Time between frames: 1s, 500ms, 2min.")
]
Label = Annotated[str | None, typer.Option("--label", metavar="CLASS", help="Class folder of the videos' frames.")]
Base = Annotated[
    str | None, typer.Option("--base", hidden=True, help="Where the service is, for tests: asked without pauses.")
]
Data = Annotated[Path, typer.Argument(metavar="DATA", parser=local_path, help="Folder with gathered pictures.")]
Attribution = Annotated[
    Path | None,
    typer.Option(
        "--attribution",
        parser=local_path,
        metavar="FILE",
        help="Write who made the pictures, as .html or .md, as licences ask.",
    ),
]
TakeDown = Annotated[
    str | None,
    typer.Option(
        "--take-down",
        metavar="URL|AUTHOR",
        help="Take pictures of that address or author out, and gather none again.",
    ),
]
By = Annotated[str | None, typer.Option("--by", metavar="NAME", help="Who takes them out (the user's name).")]


def gather(
    into: Into,
    queries: Queries = None,
    source: SourceOption = SourceChoice.OPENVERSE,
    most: Most = None,
    licence: Licence = LicenceChoice.ANY,
    urls: Urls = None,
    video: Videos = None,
    every: Every = None,
    label: Label = None,
    resize: Resize = None,
    contact: Contact = None,
    allow_private: AllowPrivate = False,
    base: Base = None,
    json: JsonFlag = False,
) -> None:
    """Gather pictures, or frames of videos, each with its origin.

    Run again, it goes on where it stopped. Hosts are asked gently: robots.txt, "noai" and pauses that they ask for are kept to.
    What is no picture, a copy, or not to be had is left out, and counted. See drivetrain provenance.
    """
    import random
    import time
    from datetime import UTC, datetime

    from ..curate.gather.clock import Clock
    from ..curate.gather.session import Settings, open_gathering
    from .console import ConsoleProgress

    _check_one_kind(queries, urls, video, every, label)
    clock = Clock(time.monotonic, random.random)
    if video:
        _gather_frames(into, video, Wanted(every or "1s", label or "", most, resize), clock, json=json)
        return
    found, wanted = _check(queries or [], urls, source, licence)
    settings = Settings(contact, resize, allow_private)
    with open_gathering(into, settings, clock, lambda: datetime.now(UTC), ConsoleProgress()) as (run, api):
        only_open = licence is LicenceChoice.CC
        orders = _addresses(found, most, only_open) + _searches(wanted, source, most or MOST, only_open, api, base)
        tallies = run.fill(orders)
    _end(into, tallies, interrupted=run.interrupted, json=json)


@dataclass(frozen=True)
class Wanted:
    """The frames that are wanted of each video."""

    every: str
    label: str
    most: int | None
    resize: int | None


def _gather_frames(into: Path, places: Sequence[Path], wanted: Wanted, clock: Clock, *, json: bool) -> None:
    from datetime import UTC, datetime

    from ..core.errors import UsageError
    from ..curate.gather.video import seconds_of
    from ..curate.gather.video_run import VideoGathering, videos_of
    from ..curate.gather.wish import folder_name
    from ..curate.gather.writer import open_writer
    from .console import ConsoleProgress

    every_s, videos = seconds_of(wanted.every), videos_of(places)
    label = folder_name(wanted.label) if wanted.label else ""
    progress = ConsoleProgress()
    with open_writer(into, resize=wanted.resize, progress=progress) as writer:
        run = VideoGathering(writer, clock, lambda: datetime.now(UTC), progress)
        run.fill(videos, label, every_s, wanted.most)
    problems = [one.problem for one in run.tallies if one.problem]
    if problems and len(problems) == len(run.tallies):
        raise UsageError(problems[0])
    _end(into, run.tallies, interrupted=run.interrupted, json=json)


def _end(into: Path, tallies: Sequence[Tally], *, interrupted: bool, json: bool) -> None:
    """Say what a run has brought, and end with the code of how it went."""
    if not interrupted:
        _check_any(tallies)
    _print_run(into, tallies, interrupted=interrupted, json=json)
    if interrupted:
        raise typer.Exit(130)


def provenance(
    data: Data, attribution: Attribution = None, take_down: TakeDown = None, by: By = None, json: JsonFlag = False
) -> None:
    """List the licences and sources of gathered pictures.

    Can also write a file that names their authors, and take pictures down at the wish of an author or a host.
    """
    from datetime import UTC, datetime

    from ..core.account import account_name
    from ..curate.gather.attribution import write_attribution
    from ..curate.gather.origins import origins_of
    from ..curate.gather.take_down import take_down as take
    from .console import ConsoleProgress, print_json

    origins = origins_of(data, ConsoleProgress())
    taken: Sequence[Provenance] = ()
    if take_down is not None:
        taken = take(data, origins, take_down, by or account_name(), lambda: datetime.now(UTC))
        origins = origins.without(one.name for one in taken)
    if attribution is not None:
        write_attribution(attribution, origins, data.name or str(data))
    if json:
        document = {"data": str(data), **origins.to_json(), "attribution": attribution and str(attribution)}
        print_json(document | {"taken_down": None if take_down is None else [one.name for one in taken]})
        return
    _print_origins(origins)
    _print_taken(data, take_down, taken)
    if attribution is not None:
        _say("", f"Written: {attribution}")


def _check_one_kind(
    queries: Sequence[str] | None,
    urls: Path | None,
    videos: Sequence[Path] | None,
    every: str | None,
    label: str | None,
) -> None:
    """Check that pictures are to come from one kind of place."""
    from ..core.errors import UsageError

    given = {"words": bool(queries), "--urls": urls is not None, "--video": bool(videos)}
    named = [name for name, is_given in given.items() if is_given]
    if len(named) != 1:
        received = " and ".join(named) or "neither words to search for nor --urls nor --video"
        raise UsageError(f"received {received}; give one of them")
    if not videos and (every is not None or label is not None):
        raise UsageError(f"{'--every' if every is not None else '--label'} is about --video, which was not given")


def _check(
    queries: Sequence[str], urls: Path | None, source: SourceChoice, licence: LicenceChoice
) -> tuple[Sequence[Found], Sequence[Wish]]:
    """Read what is asked for, before anything is written: addresses, or words to search for."""
    from ..core.errors import UsageError
    from ..curate.gather.url_list import read_addresses
    from ..curate.gather.wish import wishes

    if urls is None and source is SourceChoice.DDGS and licence is LicenceChoice.CC:
        raise UsageError("--source ddgs states no licence, so --licence cc leaves nothing of it; take another source")
    return read_addresses(urls) if urls is not None else (), wishes(queries)


def _searches(
    wanted: Sequence[Wish], source: SourceChoice, most: int, only_open: bool, api: Api, base: str | None
) -> list[Order]:
    from ..curate.gather.run import Order
    from ..curate.gather.sources import SOURCES

    asked = SOURCES[source.value](**({} if base is None else {"base": base, "interval_s": 0.0}))
    return [
        Order(wish.label, wish.query, asked.name, asked.search(wish.query, api, only_open=only_open), most, only_open)
        for wish in wanted
    ]


def _addresses(found: Sequence[Found], most: int | None, only_open: bool) -> list[Order]:
    from ..curate.gather.run import Order

    labels = dict.fromkeys(one.label or "" for one in found)
    return [
        Order(label, None, "urls", tuple(one for one in found if (one.label or "") == label), most, only_open)
        for label in labels
    ]


def _print_run(into: Path, tallies: Sequence[Tally], *, interrupted: bool, json: bool) -> None:
    from .console import print_json

    if json:
        classes = [tally.to_json() for tally in tallies]
        print_json({"into": str(into), "classes": classes, "interrupted": interrupted})
    else:
        _print_tallies(into, tallies)


def _print_tallies(into: Path, tallies: Sequence[Tally]) -> None:
    from ..core.shell_path import quoted
    from ..curate.gather.addresses import PRIVATE
    from .console import print_line, print_table

    rows = [("class", "wanted", "had", "asked", "got", "dropped", "why")]
    for one in tallies:
        wanted = "all" if one.wanted is None else str(one.wanted)
        why = ", ".join(f"{count} {reason}" for reason, count in one.dropped.most_common())
        counts = (str(one.had), str(one.asked), str(one.got), str(one.dropped.total()))
        rows.append((one.label or "(no class)", wanted, *counts, why))
    print_table(rows, right=frozenset({1, 2, 3, 4, 5}))
    for one in tallies:
        if one.problem:
            print_line(f"! {one.label}: {one.problem}")
    there = sum(one.had + one.got for one in tallies)
    print_line(f"{there} pictures in {into}; drivetrain provenance lists on what terms")
    if any(PRIVATE in one.dropped for one in tallies):
        print_line("private addresses lie within this machine or its network; --allow-private asks them all the same")
    if there:
        print_line(
            f"Next: {'look for' if any(one.label for one in tallies) else 'label them, or look for'} what is wrong with them"
        )
        print_line(f"  drivetrain verify {quoted(into)}")
        if not all(one.label for one in tallies):
            print_line("Next: label those without a class")
            print_line(f"  drivetrain label {quoted(into)}")


def _check_any(tallies: Sequence[Tally]) -> None:
    """Fail where nothing has come because nobody could be asked."""
    from ..core.errors import DataError

    problems = [one.problem for one in tallies if one.problem]
    if problems and not any(one.had + one.got for one in tallies):
        raise DataError(f"nothing was gathered: {problems[0]}; try again later, or another --source")


def _print_origins(origins: Origins) -> None:
    from ..curate.gather.licences import words_of
    from .console import print_table

    rows = [("licence", "source", "pictures")]
    rows += [(words_of(licence), source, str(count)) for (licence, source), count in origins.counts()]
    rows += [("no line", "", str(len(origins.unknown)))] * bool(origins.unknown)
    print_table(rows, right=frozenset({2}))
    if origins.removed:
        _say("", f"{len(origins.removed)} more were taken out of the data set, and are not counted")
    if origins.gone:
        _say("", f"{origins.gone} lines are about files that are no longer here")


def _print_taken(data: Path, wish: str | None, taken: Sequence[Provenance]) -> None:
    if wish is None:
        return
    if not taken:
        _say("", f"No picture is of {wish!r}; none of it will be gathered into {data}.")
        return
    count = f"{len(taken)} picture{'' if len(taken) == 1 else 's'}"
    _say(
        "",
        f"Taken down: {count} of {wish!r}; none of it will be gathered again. drivetrain apply {data} moves the files.",
    )
    for one in taken[:SHOWN]:
        _say("  ", one.name)
    if len(taken) > SHOWN:
        _say("  ", f"… and {len(taken) - SHOWN} more, with why in edits.jsonl")


def _say(indent: str, line: str) -> None:
    from .console import print_line

    print_line(f"{indent}{line}")
