"""``drivetrain predict``, ``evaluate`` and ``trace``."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from .training import JsonFlag

if TYPE_CHECKING:
    from ..core.types import Prediction

BundleArgument = Annotated[Path, typer.Argument(help="A bundle: its folder or zip.")]
NoGolden = Annotated[bool, typer.Option("--no-golden", help="Skip the replay of the golden images on loading.")]


def predict(
    bundle: BundleArgument,
    paths: Annotated[list[str], typer.Argument(help="Image files, folders, or patterns such as 'photos/*.jpg'.")],
    no_golden: NoGolden = False,
    json: JsonFlag = False,
) -> None:
    """Predict images. Files that cannot be read are reported among the rest; they stop nothing."""
    from ..app.predict import expand, predict_paths
    from ..model.predictor import load
    from .console import ConsoleProgress

    files = expand(paths)
    predictor = load(bundle, golden=not no_golden)
    readable = 0
    with ConsoleProgress(quiet=len(files) < 100).stage("predict", len(files)) as advance:
        stream = predict_paths(predictor, files)
        for position, prediction in enumerate(stream):
            readable += prediction.error is None
            (_print_json_item if json else _print_line)(prediction, position)
            advance(1)
    if json:
        typer.echo("\n]" if files else "[]")
    if not readable:
        raise typer.Exit(1)


def evaluate(
    bundle: BundleArgument,
    source: Annotated[str, typer.Argument(help="Labelled images the model has not seen: folder, CSV, zip, …")],
    split: Annotated[str | None, typer.Option(help="Only this split of the source: train, valid or test.")] = None,
    report: Annotated[Path | None, typer.Option(help="Also write an HTML report to this file.")] = None,
    keep_leaks: Annotated[
        bool, typer.Option("--keep-leaks", help="Count images that are copies of training images.")
    ] = False,
    no_golden: NoGolden = False,
    json: JsonFlag = False,
) -> None:
    """Judge a bundle on labelled images that it has not seen."""
    from ..app.evaluate import evaluate as evaluate_bundle
    from ..app.evaluate import evaluation_report
    from ..model.predictor import load
    from .console import ConsoleProgress, percent, print_json

    progress = ConsoleProgress()
    predictor = load(bundle, golden=not no_golden)
    result = evaluate_bundle(predictor, source, split=split, keep_leaks=keep_leaks, progress=progress)
    if report is not None:
        report.parent.mkdir(parents=True, exist_ok=True)
        report.write_text(evaluation_report(result, predictor), encoding="utf-8")
    if json:
        print_json(result.to_json())
        return
    accuracy = result.accuracy
    auc = f", AUC {result.auc:.3f}" if result.auc is not None else ""
    typer.echo(f"images     {len(result.items)} judged, {len(result.skipped)} skipped")
    typer.echo(f"accuracy   {percent(accuracy.value)}  ({percent(accuracy.low)} to {percent(accuracy.high)})")
    typer.echo(f"log-loss   {result.log_loss:.3f}, calibration error {percent(result.ece)}{auc}")
    _print_confusion(result.classes, result.confusion_CC.tolist())
    for warning in result.warnings:
        typer.echo(f"! {warning}")
    if report is not None:
        typer.echo(f"report     {report}")


def trace(
    image: Annotated[Path, typer.Argument(help="One image file.")],
    bundle: Annotated[Path, typer.Option("--bundle", "-b", help="The bundle to trace it through.")],
    json: JsonFlag = False,
) -> None:
    """Follow one image through every stage: type, shape, range and milliseconds."""
    from ..app.trace import trace as trace_image
    from .console import print_json

    steps = trace_image(image, bundle)
    if json:
        print_json([step.to_json() for step in steps])
        return
    for step in steps:
        typer.echo(
            f"{step.name:<12}{step.kind:<17}{step.shape:<18}{step.range:<24}{step.milliseconds:>8.2f} ms  {step.note}"
        )


def _print_line(prediction: Prediction, _position: int) -> None:
    if prediction.error is not None:
        typer.echo(f"{prediction.path}\t-\t-\t{prediction.verdict}\t{prediction.error}")
    else:
        typer.echo(f"{prediction.path}\t{prediction.label}\t{prediction.confidence:.3f}\t{prediction.verdict}")


def _print_json_item(prediction: Prediction, position: int) -> None:
    import json

    from ..app.predict import to_json

    # Streamed, so that a long run shows its results as they come; together it is one JSON list.
    typer.echo(("[\n" if position == 0 else ",\n") + json.dumps(to_json(prediction), ensure_ascii=False), nl=False)


def _print_confusion(classes: tuple[str, ...], counts: list[list[int]]) -> None:
    if len(classes) > 12:
        typer.echo("confusion  (more than 12 classes: see --json or --report)")
        return
    from rich.console import Console
    from rich.table import Table
    from rich.text import Text

    table = Table(title="rows: label, columns: predicted", title_justify="left", box=None, padding=(0, 1))
    table.add_column("")
    for name in classes:
        table.add_column(Text(name), justify="right")
    for name, row in zip(classes, counts, strict=True):
        table.add_row(Text(name), *(str(count) for count in row))
    Console(highlight=False).print(table)
