"""``drivetrain train`` and ``drivetrain demo``."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any, cast

import typer

from ..core.local_path import local_path
from ..training.options import table
from .flags import CacheOption, JsonFlag, check_cache
from .from_table import given, with_options

if TYPE_CHECKING:
    from ..training.choices import Choices
    from ..training.trained import TrainResult


Source = Annotated[
    str,
    typer.Argument(
        metavar="SOURCE", help="Folder of class folders (or train/ and valid/ above them), CSV, Parquet, zip or tar."
    ),
]
Out = Annotated[
    Path,
    typer.Option(
        "--out", "-o", parser=local_path, metavar="PATH", help="Bundle to write: a folder, or a name ending in .zip."
    ),
]
SettingsFile = Annotated[
    Path | None,
    typer.Option(
        "--settings",
        parser=local_path,
        metavar="FILE.toml",
        help="Take choices from this file, too; what stands here goes before it.",
    ),
]


@with_options(table())
def train(
    context: typer.Context,
    source: Source,
    out: Out,
    settings: SettingsFile = None,
    *,
    json: JsonFlag = False,
    **choices: Any,
) -> None:
    """Train a model on a folder of images.

    Writes a bundle: the model, its figures and a report. Images that are copies of each other stay on one side of every
    split, so the figures are not flattered by them.
    """
    from ..app.train import train as train_bundle
    from ..training.settings import read_settings
    from .console import ConsoleProgress, print_json

    typed = given(context, table(), choices)
    check_cache(source, choices["cache"], choices["use_cache"])
    chosen = cast("Choices", {**(read_settings(settings) if settings else {}), **typed})
    result = train_bundle(source, out, progress=ConsoleProgress(), **chosen)
    if json:
        print_json(result.to_json())
    else:
        _print_summary(result)
        _print_next_steps(result, source, chosen.get("delimiter"))


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
            _print_next_steps(result, str(out), own_data=False)
    if serve:
        from ..serve.options import serve_options
        from ..serve.start import run
        from .console import remark
        from .serving import say

        remark("")
        told = {"port": port, "store": str(out / "store.db"), "samples": samples_in(out)}
        run(serve_options((str(bundle_in(out)),), told), say)


def _print_summary(result: TrainResult) -> None:
    """Print what was done first and the results last, where they stay on the screen."""
    from ..data.reasons import reasons
    from ..learn.figures import sentence_case
    from ..learn.kinds.registry import TARGETS
    from .console import print_line, print_pairs

    names = [f"{name} ({count})" for name, count in result.classes.items()]
    images = f"{result.images_used} used, {result.images_skipped} skipped"
    if result.skipped:
        images += f" ({reasons(result.skipped)}; the report lists them under “{_left_out()}”)"
    rows = [("Images", images)]
    kind = TARGETS[result.task]
    if kind.counted:
        rows.insert(
            0, (sentence_case(kind.many), f"{len(names)}: {', '.join(names[:8])}{', …' if len(names) > 8 else ''}")
        )
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
        rows.append((f"Worst {result.worst.what}", result.worst.sentence()))
    rows.append(("Accepts", result.accepts))
    rows.append(("Turns away", result.turns_away))
    print_pairs(rows)
    if result.warnings:
        print_line("")
        print_pairs(("!", warning) for warning in result.warnings)


def _left_out() -> str:
    from ..learn.sections import FILES_LEFT_OUT

    return FILES_LEFT_OUT


def _print_next_steps(result: TrainResult, source: str, delimiter: str | None = None, *, own_data: bool = True) -> None:
    from .console import print_line
    from .next_steps import next_steps

    print_line("")
    for what, command in next_steps(result, source, delimiter, own_data=own_data):
        print_line(f"Next: {what}")
        print_line(f"  {command}")
