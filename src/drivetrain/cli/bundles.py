"""``drivetrain inspect`` and ``drivetrain report``."""

from __future__ import annotations

import os
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from ..core.local_path import local_path
from .flags import BundleArgument, JsonFlag, NoGolden

if TYPE_CHECKING:
    from ..model.manifest import Manifest
    from ..model.predictor import Predictor


def inspect(bundle: BundleArgument, no_golden: NoGolden = False, json: JsonFlag = False) -> None:
    """Check a bundle and show what it is.

    Classes, figures, preprocessing, where it comes from, and whether this machine gives the answers it should.
    """
    from dataclasses import asdict

    from ..model.predictor import load
    from .console import print_json

    predictor = load(bundle, golden=not no_golden)
    parity = predictor.parity
    if json:
        print_json({**predictor.manifest.published(), "parity": asdict(parity) if parity else None})
    else:
        _print_bundle(predictor)


def _print_bundle(predictor: Predictor) -> None:
    from .console import print_pairs

    manifest, parity = predictor.manifest, predictor.parity
    tuned = manifest.training.fine_tuning
    replayed = "not checked"
    if parity:
        gap = f"answers within {parity.max_probability:.1g}" if parity.max_probability else "to the last bit"
        replayed = f"{parity.images} golden {manifest.input.noun}s give the same answers here, {gap}"
    print_pairs(
        [
            ("Name", manifest.name),
            ("Bundle", f"{manifest.bundle_id}, schema {manifest.schema_version}, made {manifest.created_at}"),
            *_answers(manifest),
            ("Trained on", f"{manifest.data.images} images of {manifest.data.source}, {manifest.data.skipped} skipped"),
            ("Backbone", f"{manifest.backbone.name} ({manifest.backbone.licence})"),
            *(
                [
                    (
                        "Fine-tuned",
                        f"{tuned.trained}, {tuned.epochs} epochs on {tuned.images} images",
                    )
                ]
                if tuned
                else []
            ),
            ("Features", f"{', '.join(manifest.backbone.blocks)}; views: {', '.join(manifest.backbone.views)}"),
            ("Input", manifest.input.words),
            ("Made with", ", ".join(f"{name} {version}" for name, version in manifest.versions.items())),
            ("Files", "whole: every checksum matches"),
            ("Parity", replayed),
        ]
    )


def _answers(manifest: Manifest) -> list[tuple[str, str]]:
    """Say what the model answers, how well, and which answers pass without a person."""
    from ..model.accept_words import accept_words
    from ..model.figure_words import hows, named, with_limits
    from ..model.gate_words import gate_words

    rows, untold = manifest.kind.facts(manifest.data.per_class), set(hows(manifest.rows))
    for figure in (row for row in manifest.rows if row.better):
        name = named(figure)
        rows.append((name[:1].upper() + name[1:], with_limits(figure)))
        if figure.how in untold:
            rows.append(("", figure.how))
            untold.remove(figure.how)
    return [*rows, ("Accepts", accept_words(manifest)), ("Turns away", gate_words(manifest))]


def report(
    bundle: BundleArgument,
    out: Annotated[
        Path | None,
        typer.Option("--out", "-o", parser=local_path, metavar="FILE", help="Write the report to this file."),
    ] = None,
    browse: Annotated[bool, typer.Option("--open", help="Open it in the browser.")] = False,
    json: JsonFlag = False,
) -> None:
    """Find, copy or open a bundle's training report.

    Prints its path. A report inside a zip is written to the current folder.
    """
    from ..core.errors import BundleError, UsageError
    from ..core.plain_file import PAGE, write_plain
    from ..model.no_bundle import read_bundle
    from ..model.storage import REPORT
    from .console import print_json, print_line

    page = read_bundle(bundle).files.get(REPORT)
    if page is None:
        raise BundleError(f"{bundle} holds no report")
    if out is None:
        out = bundle / REPORT if bundle.is_dir() else Path(f"{bundle.stem}-report.html")
    if not (bundle.is_dir() and os.path.realpath(out) == os.path.realpath(bundle / REPORT)):
        try:
            write_plain(out, page, PAGE)
        except OSError as error:
            raise UsageError(
                f"{out} cannot be written ({error.strerror or error}); name another file with --out"
            ) from None
    if json:
        print_json({"report": str(out)})
    else:
        print_line(str(out))
    if browse:
        typer.launch(out.absolute().as_uri())
