"""``drivetrain monitor``."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer
from typer.core import TyperGroup

from ..core.local_path import local_path
from .flags import JsonFlag, NoGolden

if TYPE_CHECKING:
    from ..monitor.plan import Plan

WATCH = "watch"
"""The command that is meant where none is named."""

# Clusters that are listed on a terminal, and images of each.
SHOWN, EXAMPLES = 5, 3


class _OrData(TyperGroup):
    """A group whose first word may also be what is to be watched."""

    def parse_args(self, ctx: Any, args: list[str]) -> list[str]:
        if args and args[0] not in self.commands and args[0] not in ctx.help_option_names:
            args = [WATCH, *args]
        return super().parse_args(ctx, args)


app = typer.Typer(
    cls=_OrData,
    help="Watch a bundle's answers, and alarm where they change.\n\n"
    "drivetrain monitor DATA --bundle B is short for drivetrain monitor watch.",
    no_args_is_help=True,
)

BundleOption = Annotated[
    Path, typer.Option("--bundle", "-b", parser=local_path, metavar="BUNDLE", help="The bundle: its folder or zip.")
]


@app.command(WATCH)
def watch(
    data: Annotated[
        str,
        typer.Argument(
            metavar="DATA",
            help="Images as predict takes them (folder, archive, table), or the store of a server "
            "(SQLite file or postgresql://USER@HOST/NAME).",
        ),
    ],
    bundle: BundleOption,
    by: Annotated[
        str | None,
        typer.Option(
            metavar="COLUMN",
            help="Column of the table that names the camera or site; folder: the first folder below DATA.",
        ),
    ] = None,
    model: Annotated[
        str | None, typer.Option(help="The name under which a server had it, where a store knows several.")
    ] = None,
    no_golden: NoGolden = False,
    json: JsonFlag = False,
) -> None:
    """Watch images, or what a server has answered; exit code 1 where an alarm stands.

    Says of each camera and of all together how many images are unlike those trained on, and raises an alarm where that, or the
    confidence, or the error that people found, has changed: since when, which images drive it, and what it looks like.
    """
    from ..app.monitor import monitor
    from ..model.predictor import load
    from .console import SAID_NO, ConsoleProgress, print_json

    predictor = load(bundle, golden=not no_golden)
    found = monitor(predictor, data, by=by, model=model, progress=ConsoleProgress())
    if json:
        print_json(found.document)
    else:
        _print_watched(found.document)
    if found.document["alarms"]:
        raise typer.Exit(SAID_NO)


@app.command()
def plan(
    bundle: BundleOption,
    traffic: Annotated[
        str, typer.Option(metavar="N/day", help="Images that will come, such as 500/day or 20/hour.")
    ] = "500/day",
    sources: Annotated[int, typer.Option(min=1, help="Cameras or sites that send them, of which one changes.")] = 1,
    runs: Annotated[int, typer.Option(min=20, help="Runs of the simulation.")] = 200,
    seed: Annotated[int, typer.Option(min=0, help="Seed of the simulation.")] = 0,
    no_golden: NoGolden = False,
    json: JsonFlag = False,
) -> None:
    """Tell how soon a watch would find which change, before it starts.

    Simulated with the bundle's own gate: 2, 5, 10 and 20 % of images from another domain, after 0, 1,000 and 5,000 clean ones.
    """
    from ..core.errors import UsageError
    from ..core.traffic import per_day
    from ..model.predictor import load
    from ..monitor.plan import plan as simulate
    from ..monitor.plan import stages
    from ..monitor.reference import Reference
    from .console import ConsoleProgress, print_json

    per_day(traffic)  # what cannot be read is refused before the bundle is loaded
    predictor = load(bundle, golden=not no_golden)
    gate = Reference.of(predictor).gate
    if gate is None:
        raise UsageError(
            f"{bundle} has no gate, so that there is no out-of-domain rate to watch; train it again with more images"
        )
    with ConsoleProgress().stage("simulate", stages(), "steps") as advance:
        made = simulate(gate, traffic_per_day=per_day(traffic), sources=sources, runs=runs, seed=seed, advance=advance)
    if json:
        print_json({"bundle": str(bundle), "bundle_id": predictor.manifest.bundle_id, **made.to_json()})
    else:
        _print_plan(made)


def _print_watched(document: Mapping[str, Any]) -> None:
    from ..monitor.words import sentence
    from .console import print_line, print_pairs, print_table

    rows = [("source", "images", "votes", "out of domain", "likely", "accuracy, estimated", "")]
    everything = {
        **document,
        "source": None,
        "alarms": [a["monitor"] for a in document["alarms"] if a["source"] is None],
    }
    for one in [*document["sources"], *([everything] if len(document["sources"]) != 1 else [])]:
        name = "all together" if one["source"] is None else one["source"] or "(not named)"
        rate, low, high = _rate(one["out_of_domain_rate"])
        rows.append(
            (
                name,
                str(one["n"]),
                str(one["votes"]),
                rate,
                f"{low}{high}",
                _estimate(one),
                "ALARM" * bool(one["alarms"]),
            )
        )
    print_table(rows, right=frozenset({1, 2, 3}))
    print_line("")
    for alarm in document["alarms"]:
        images = alarm["evidence"]["images"][:EXAMPLES]
        print_pairs([("ALARM", f"{sentence(alarm)}."), *([("", f"see {', '.join(images)}")] if images else [])])
    if document["certificate"] is not None:
        print_line(document["certificate"]["text"])
    if not document["alarms"]:
        quiet = "No alarm: nothing that is watched has changed."
        print_line(quiet if document["n"] else "Nothing was watched: no answer of this bundle was found.")
    for number, cluster in enumerate(document["clusters"][:SHOWN], 1):
        examples = ", ".join(cluster["images"][:EXAMPLES])
        print_line(f"Refused images that look alike, group {number}: {cluster['n']}, such as {examples}")
    print_pairs(("!", line) for line in [*_ordered(document), *document["not_watched"]])


def _rate(rate: Mapping[str, float] | None) -> tuple[str, str, str]:
    from ..draw.numbers import percent

    if rate is None:
        return "-", "-", ""
    return percent(rate["value"]), f"{percent(rate['low'])} to ", percent(rate["high"])


def _estimate(one: Mapping[str, Any]) -> str:
    from ..draw.numbers import between

    found = one["estimated_accuracy"]
    return "-" if found is None else between(found["low"], found["high"])


def _ordered(document: Mapping[str, Any]) -> list[str]:
    """Sentences on the order of images that do not all say when they were taken."""
    untimed = "not every image says when it was taken, so"
    told = {
        "name": f"{untimed} they are taken in the order of their names, each as a vote",
        "shuffled": f"{untimed} those of all folders are taken in a shuffled order, which shows no change over time",
    }
    return [told[document["order"]]] if document["order"] in told else []


def _print_plan(made: Plan) -> None:
    from ..draw.numbers import percent
    from .console import print_line, print_table

    head = ("from another domain", "after", "found: half within", "90 % within", "test every day: half within")
    rows = [
        (
            percent(row.contamination),
            f"{row.change_after:,} votes",
            _delay(row.watch.median, made),
            _delay(row.watch.p90, made),
            _delay(row.daily.median, made),
        )
        for row in made.rows
    ]
    print_table([head, *rows], right=frozenset({0, 1}))
    print_line("")
    horizon = f"{made.settings.horizon:,} votes, {made.settings.horizon / made.votes_per_day:,.0f} days"
    false, daily = made.false_alarms, made.daily_false_alarms
    print_line(
        f"False alarms within {horizon}: {percent(false.value)} of {made.runs} simulated runs (at most {percent(false.high)}); "
        f"a test every day, {percent(daily.value)}; always looking, all."
    )
    print_line(
        f"The gate may refuse up to {percent(made.in_domain_at_most)} of images that are inside the domain by itself, so that "
        "a change that keeps the share of refused images below that is not found."
    )


def _delay(votes: float | None, made: Plan) -> str:
    if votes is None:
        return f"not within {made.settings.horizon:,}"
    days = votes / made.votes_per_day
    return f"{votes:,.0f} votes, {days:.1f} days" if days < 10 else f"{votes:,.0f} votes, {days:,.0f} days"
