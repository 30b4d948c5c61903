"""``drivetrain train`` and ``drivetrain demo``."""

from __future__ import annotations

from enum import StrEnum
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

if TYPE_CHECKING:
    from ..app.trained import TrainResult


class BalanceChoice(StrEnum):
    """--balance."""

    NONE = "none"
    SQRT = "sqrt"
    CLASSES = "classes"


class ResizeChoice(StrEnum):
    """--resize."""

    CROP = "crop"
    PAD = "pad"
    SQUISH = "squish"


JsonFlag = Annotated[bool, typer.Option("--json", help="Print one JSON document on stdout.")]
CacheOption = Annotated[
    Path | None, typer.Option("--cache", help="Folder of the embedding cache [default: the user's cache folder].")
]


def train(
    source: Annotated[
        str, typer.Argument(help="Folder of class folders (or train/ and valid/ above them), CSV, Parquet, zip or tar.")
    ],
    out: Annotated[Path, typer.Option("--out", "-o", help="Bundle to write: a folder, or a name ending in .zip.")],
    backbone: Annotated[
        str, typer.Option(help="efficientnet-lite0, -lite1, -lite2, FILE.onnx, hub:OWNER/NAME, or auto.")
    ] = "auto",
    budget_s: Annotated[
        float, typer.Option("--budget-s", min=0, help="Seconds that embedding may take; auto chooses within it.")
    ] = 60.0,
    balance: Annotated[
        BalanceChoice, typer.Option(help="How classes weigh: by their numbers, half way, or all the same.")
    ] = BalanceChoice.NONE,
    resize: Annotated[
        ResizeChoice | None,
        typer.Option(help="How an image becomes the network's square [default: the backbone's way]."),
    ] = None,
    accept: Annotated[
        float, typer.Option(min=0, max=1, help="Confidence from which on an answer needs no review.")
    ] = 0.9,
    seed: Annotated[int, typer.Option(help="Everything random follows from it.")] = 0,
    name: Annotated[str | None, typer.Option(help="What the bundle calls itself [default: the source's name].")] = None,
    cache: CacheOption = None,
    no_cache: Annotated[bool, typer.Option("--no-cache", help="Keep embeddings in memory only.")] = False,
    workers: Annotated[int | None, typer.Option(min=1, help="Threads [default: one more than cores].")] = None,
    json: JsonFlag = False,
) -> None:
    """Train a classifier on a folder of images and write a bundle with its report."""
    from ..app.options import TrainOptions
    from ..app.train import train as train_bundle
    from .console import ConsoleProgress, print_json

    options = TrainOptions(
        backbone=backbone,
        budget_s=budget_s,
        resize=resize.value if resize else None,
        balance=balance.value,
        accept=accept,
        seed=seed,
        name=name,
        cache=cache,
        use_cache=not no_cache,
        workers=workers,
    )
    result = train_bundle(source, out, options, ConsoleProgress())
    if json:
        print_json(result.to_json())
    else:
        _print_summary(result)


def demo(
    out: Annotated[Path, typer.Option("--out", "-o", help="Folder for the demo's bundle.")] = Path("demo"),
    cache: CacheOption = None,
    json: JsonFlag = False,
) -> None:
    """Train on real photos of solar cells (needs the extra “demo”) and write a report."""
    from ..app.demo import LICENCE_NOTICE, train_demo
    from .console import ConsoleProgress, print_json

    progress = ConsoleProgress()
    progress.say(LICENCE_NOTICE)
    result = train_demo(out, cache, progress)
    if json:
        print_json(result.to_json())
    else:
        _print_summary(result)


def _print_summary(result: TrainResult) -> None:
    from rich.console import Console
    from rich.table import Table
    from rich.text import Text

    from .console import percent

    figures, accuracy = result.figures, result.figures.accuracy
    console = Console(highlight=False)
    table = Table(show_header=False, box=None, padding=(0, 2, 0, 0))
    table.add_column(style="bold")
    table.add_column(overflow="fold")

    def row(name: str, text: str) -> None:
        table.add_row(Text(name), Text(text))

    names = list(result.classes.items())
    shown = ", ".join(f"{name} ({count})" for name, count in names[:8])
    row("Classes", f"{len(names)}: {shown}{', …' if len(names) > 8 else ''}")
    row("Images", f"{result.images_used} used, {result.images_skipped} skipped")
    row("Accuracy", f"{percent(accuracy.value)}  ({percent(accuracy.low)} to {percent(accuracy.high)})")
    row("", f"{figures.how}; {accuracy.method}")
    row("Random split", f"would have claimed {percent(figures.random_split)}")
    if figures.auc is not None:
        row("AUC", f"{figures.auc:.3f}")
    row("Log-loss", f"{figures.log_loss:.3f}, calibration error {percent(figures.ece)}")
    row("Groups", f"{result.groups_duplicates} of near-duplicates, {result.groups_user} given with the data")
    row("Features", result.features)
    stages = ", ".join(f"{name} {value:.1f}" for name, value in result.seconds.items())
    row("Seconds", stages)
    row("Bundle", str(result.bundle))
    if result.report:
        row("Report", str(result.report))
    console.print(table)
    for warning in result.warnings:
        console.print(Text(f"! {warning}", style="yellow"))
