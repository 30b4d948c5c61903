"""``drivetrain train`` and ``drivetrain demo``."""

from __future__ import annotations

from collections.abc import Callable
from enum import StrEnum
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from ..core.local_path import local_path

if TYPE_CHECKING:
    from ..training.trained import TrainResult


GALLERY = 300


class BalanceChoice(StrEnum):
    """--balance."""

    NONE = "none"
    SQRT = "sqrt"
    CLASSES = "classes"
    GROUPS = "groups"


class TaskChoice(StrEnum):
    """--task."""

    CLASSIFICATION = "classification"
    MULTI_LABEL = "multi-label"
    REGRESSION = "regression"


class ResizeChoice(StrEnum):
    """--resize."""

    CROP = "crop"
    PAD = "pad"
    SQUISH = "squish"


def _from(low: float, high: float = float("inf")) -> Callable[[float | None], float | None]:
    """A check that says what was received, and that NaN does not slip through."""

    def check(value: float | None) -> float | None:
        if value is not None and not low <= value <= high:
            bounds = f"{low:g} to {high:g}" if high < float("inf") else f"{low:g} or more"
            raise typer.BadParameter(f"{value:g} is not {bounds}")
        return value

    return check


JsonFlag = Annotated[bool, typer.Option("--json", help="Print one JSON document on stdout.")]
CacheOption = Annotated[
    Path | None,
    typer.Option(
        "--cache",
        parser=local_path,
        metavar="FOLDER",
        help="Folder of the embedding cache (the user's cache folder unless given).",
    ),
]


def train(
    source: Annotated[
        str,
        typer.Argument(
            metavar="SOURCE",
            help="Folder of class folders (or train/ and valid/ above them), CSV, Parquet, zip or tar.",
        ),
    ],
    out: Annotated[
        Path,
        typer.Option(
            "--out",
            "-o",
            parser=local_path,
            metavar="PATH",
            help="Bundle to write: a folder, or a name ending in .zip.",
        ),
    ],
    backbone: Annotated[
        str, typer.Option(help="efficientnet-lite0, -lite1, -lite2, FILE.onnx, hub:OWNER/NAME, or auto.")
    ] = "auto",
    task: Annotated[
        TaskChoice, typer.Option(help="One label an image, any number of labels, or a number.")
    ] = TaskChoice.CLASSIFICATION,
    delimiter: Annotated[
        str | None,
        typer.Option(help="Between the labels of one image, for multi-label (; unless given); alone it means none."),
    ] = None,
    target: Annotated[str | None, typer.Option(help="What the number is called, for regression.")] = None,
    deep: Annotated[
        bool,
        typer.Option("--deep", help="Also train the network itself: minutes; the extra “deep”. It can be interrupted."),
    ] = False,
    epochs: Annotated[
        int | None, typer.Option(callback=_from(1), help="With --deep: passes over the images (4 unless given).")
    ] = None,
    stages: Annotated[
        int | None,
        typer.Option(
            callback=_from(1), help="With --deep: train only the last so many stages (all on a GPU, 3 on a CPU)."
        ),
    ] = None,
    turns: Annotated[
        bool, typer.Option("--turns", help="With --deep: pictures have no up; vary them by turning and flipping.")
    ] = False,
    flip_vertical: Annotated[
        bool,
        typer.Option(
            "--flip-vertical", help="With --deep: top and bottom may be exchanged, but pictures never lie across."
        ),
    ] = False,
    maxima: Annotated[
        bool,
        typer.Option(
            "--maxima", help="With --deep: pool features by their largest value too; for small marks, like cracks."
        ),
    ] = False,
    tta: Annotated[
        bool,
        typer.Option(
            "--tta",
            help="With --deep: answer by the mean over mirror images (test-time augmentation): a little more accurate, 2 "
            "times the work, 4 with --turns or --flip-vertical.",
        ),
    ] = False,
    swa: Annotated[
        bool,
        typer.Option(
            "--swa",
            help="With --deep: keep the mean of the weights over the later part of training (stochastic weight averaging), "
            "not the last ones.",
        ),
    ] = False,
    budget_s: Annotated[
        float | None,
        typer.Option(
            "--budget-s",
            callback=_from(0),
            help="Seconds that embedding may take on two laptop cores (60 unless given), counted, not timed: what is tried "
            "within it is the same on every machine.",
        ),
    ] = None,
    balance: Annotated[
        BalanceChoice | None,
        typer.Option(
            help="How classes weigh: by their numbers (unless given), half way, all the same, or all the same in every "
            "group."
        ),
    ] = None,
    resize: Annotated[
        ResizeChoice | None,
        typer.Option(help="How an image becomes the network's square (the backbone's own way unless given)."),
    ] = None,
    size: Annotated[
        int | None,
        typer.Option(callback=_from(32, 1024), help="Side of the network's input in pixels: larger sees finer detail."),
    ] = None,
    accept: Annotated[
        float | None,
        typer.Option(
            callback=_from(0, 1),
            help="Confidence (0 to 1) from which on an answer needs no review (0.9 unless given).",
        ),
    ] = None,
    seed: Annotated[int, typer.Option(callback=_from(0), help="Everything random follows from it; 0 or more.")] = 0,
    name: Annotated[
        str | None, typer.Option(help="What the bundle calls itself (the source's name unless given).")
    ] = None,
    gallery: Annotated[
        int,
        typer.Option(
            callback=_from(0),
            help="Pictures of the training set to keep in the bundle, for showing similar ones; whoever gets the bundle "
            "can see them; 0 keeps none.",
        ),
    ] = GALLERY,
    cache: CacheOption = None,
    no_cache: Annotated[bool, typer.Option("--no-cache", help="Keep embeddings in memory only.")] = False,
    workers: Annotated[
        int | None, typer.Option(callback=_from(1), help="Threads (one more than cores unless given).")
    ] = None,
    json: JsonFlag = False,
) -> None:
    """Train a model on a folder of images.

    Writes a bundle: the model, its figures and a report. Images that are copies of each other stay on one side of every
    split, so the figures are not flattered by them.
    """
    from ..app.train import train as train_bundle
    from .console import ConsoleProgress, print_json

    check_cache(source, cache, no_cache)
    result = train_bundle(
        source,
        out,
        backbone=backbone,
        budget_s=budget_s,
        resize=resize.value if resize else None,
        size=size,
        balance=balance.value if balance else None,
        accept=accept,
        seed=seed,
        name=name,
        cache=cache,
        use_cache=not no_cache,
        workers=workers,
        task=task.value,
        delimiter=delimiter,
        target_names=() if target is None else (target,),
        deep=deep,
        epochs=epochs,
        stages=stages,
        turns=turns,
        flip_vertical=flip_vertical,
        maxima=maxima,
        tta=tta,
        swa=swa,
        gallery=gallery,
        progress=ConsoleProgress(),
    )
    if json:
        print_json(result.to_json())
    else:
        _print_summary(result)
        _print_next_steps(result, source, delimiter)


def check_cache(source: str, cache: Path | None, no_cache: bool) -> None:
    """Refuse a folder that would not be used. That of an archive is: it is unpacked there.

    Raises:
        UsageError: it would not be used.
    """
    from ..core.errors import UsageError
    from ..data.sources.archive import is_archive

    if cache is not None and no_cache and not (Path(source).is_file() and is_archive(Path(source))):
        raise UsageError("--cache and --no-cache exclude each other; leave one of them out")


def demo(
    out: Annotated[
        Path, typer.Option("--out", "-o", parser=local_path, metavar="FOLDER", help="Folder for the demo's bundle.")
    ] = Path("demo"),
    cache: CacheOption = None,
    serve: Annotated[bool, typer.Option("--serve", help="Then serve it, with pictures to try.")] = False,
    port: Annotated[
        int | None, typer.Option(min=0, max=65535, help="With --serve: port to serve on (8000 unless given).")
    ] = None,
    json: JsonFlag = False,
) -> None:
    """Train on real photos of solar cells and serve the model.

    Needs the extra “demo”, which brings the photos.
    """
    from ..app.demo import LICENCE_NOTICE, bundle_in, samples_in, train_demo
    from ..core.errors import UsageError
    from .console import ConsoleProgress, print_json

    if port is not None and not serve:
        raise UsageError("--port is for serving; add --serve, or leave it out")
    progress = ConsoleProgress()
    progress.say(LICENCE_NOTICE)
    result = train_demo(out, cache, progress)
    if json:
        print_json(result.to_json())
    else:
        _print_summary(result)
        if not serve:
            _print_next_steps(result, str(out))
    if serve:
        from ..serve.start import ServeOptions, run
        from .console import remark
        from .serving import say

        remark("")
        bundle, samples = str(bundle_in(out)), str(samples_in(out))
        run(
            ServeOptions((bundle,), port=8000 if port is None else port, store=str(out / "store.db"), samples=samples),
            say,
        )


def _print_summary(result: TrainResult) -> None:
    """What was done first, and what came of it last: that stays on the screen."""
    from ..data.reasons import reasons
    from .console import print_line, print_pairs

    names = [f"{name} ({count})" for name, count in result.classes.items()]
    images = f"{result.images_used} used, {result.images_skipped} skipped"
    if result.skipped:
        images += f" ({reasons(result.skipped)}; the report lists them under “{_left_out()}”)"
    rows = [("Images", images)]
    if result.task != "regression":
        title = "Classes" if result.task == "classification" else "Labels"
        rows.insert(0, (title, f"{len(names)}: {', '.join(names[:8])}{', …' if len(names) > 8 else ''}"))
    rows += [
        ("Groups", f"{result.groups_duplicates} of copies or near-copies, {result.groups_user} given with the data"),
        ("Features", result.features),
    ]
    if result.fine_tuning:
        rows.append(("Fine-tuning", result.fine_tuning))
    rows += [
        ("Seconds", ", ".join(f"{name} {value:.1f}" for name, value in result.seconds.items())),
        ("Bundle", str(result.bundle)),
    ]
    if result.report:
        rows.append(("Report", str(result.report)))
    unseen = "every figure below is of images that the model had not seen, nor a copy or group member of them"
    rows += [("", ""), ("Measured", unseen), *result.figures.lines()]
    if result.random_split:
        rows.append(("Random split", result.random_split))
    if result.worst:
        kind = {"recall": "class", "average precision": "label", "mean absolute error": "range"}[result.worst.measure]
        rows.append((f"Worst {kind}", result.worst.sentence()))
    print_pairs(rows)
    if result.warnings:
        print_line("")
        print_pairs(("!", warning) for warning in result.warnings)


def _left_out() -> str:
    from ..learn.sections import FILES_LEFT_OUT

    return FILES_LEFT_OUT


def _print_next_steps(result: TrainResult, source: str, delimiter: str | None = None) -> None:
    from .console import print_line
    from .next_steps import next_steps

    print_line("")
    for what, command in next_steps(result, source, delimiter):
        print_line(f"Next: {what}")
        print_line(f"  {command}")
