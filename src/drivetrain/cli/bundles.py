"""``drivetrain inspect`` and ``drivetrain report``."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

from .prediction import BundleArgument, NoGolden
from .training import JsonFlag


def inspect(bundle: BundleArgument, no_golden: NoGolden = False, json: JsonFlag = False) -> None:
    """Check a bundle and show what it is: classes, figures, preprocessing, provenance, parity on this machine."""
    from ..model.predictor import load
    from .console import print_json

    predictor = load(bundle, golden=not no_golden)
    manifest, parity = predictor.manifest, predictor.parity
    if json:
        print_json(
            {
                **manifest.model_dump(mode="json"),
                "parity": {
                    "images": parity.images,
                    "max_pixel": parity.max_pixel,
                    "max_probability": parity.max_probability,
                }
                if parity
                else None,
            }
        )
        return
    accuracy, spec = manifest.metrics.accuracy, manifest.preprocess
    height, width = spec.resize.size
    lines = [
        ("name", f"{manifest.name}  ({manifest.bundle_id}, schema {manifest.schema_version}, {manifest.created_at})"),
        (
            "classes",
            f"{len(manifest.classes)}: {', '.join(manifest.classes[:12])}{', …' if len(manifest.classes) > 12 else ''}",
        ),
        ("accuracy", f"{accuracy.value:.1%} ({accuracy.low:.1%} to {accuracy.high:.1%}), {accuracy.method}"),
        ("", manifest.metrics.how),
        ("trained on", f"{manifest.data.images} images of {manifest.data.source}, {manifest.data.skipped} skipped"),
        (
            "backbone",
            f"{manifest.backbone.name}, {manifest.backbone.licence}, blocks {', '.join(manifest.backbone.blocks)}",
        ),
        (
            "input",
            f"{spec.resize.method} to {width}×{height}, {spec.resize.filter}; views: {', '.join(manifest.backbone.views)}",
        ),
        ("accept", f"confidence ≥ {manifest.accept.confidence:g}: {manifest.accept.coverage:.1%} of training images"),
        ("sums", "all files match"),
        (
            "parity",
            f"{parity.images} golden images reproduced, probabilities within {parity.max_probability:.1e}"
            if parity
            else "not checked",
        ),
    ]
    for name, text in lines:
        typer.echo(f"{name:<12}{text}")


def report(
    bundle: BundleArgument,
    out: Annotated[Path | None, typer.Option("--out", "-o", help="Write the report to this file.")] = None,
    browse: Annotated[bool, typer.Option("--open", help="Open it in the browser.")] = False,
) -> None:
    """Show where a bundle's training report is, write it elsewhere, or open it."""
    from ..core.errors import BundleError
    from ..model.storage import REPORT, read_files

    page = read_files(bundle).get(REPORT)
    if page is None:
        raise BundleError(f"{bundle} holds no report")
    if out is None:
        out = bundle / REPORT if bundle.is_dir() else Path(f"{bundle.stem}-report.html")
    if not (bundle.is_dir() and out == bundle / REPORT):
        out.parent.mkdir(parents=True, exist_ok=True)
        out.write_bytes(page)
    typer.echo(str(out))
    if browse:
        typer.launch(out.absolute().as_uri())
