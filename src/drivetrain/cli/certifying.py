"""``drivetrain certify``."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from ..core.local_path import local_path
from .flags import (
    BundleArgument,
    CacheOption,
    JsonFlag,
    NoCache,
    NoEdits,
    NoGolden,
    NormaliseLabels,
    Splits,
    check_cache,
)
from .prediction import Delimiter, Split

if TYPE_CHECKING:
    from ..certification.certified import Certified

Labelled = Annotated[
    str,
    typer.Argument(
        metavar="LABELLED",
        help="Labelled images from the field: a folder, CSV, Parquet, zip or tar; or the "
        "store of a server (SQLite file or postgresql://USER@HOST/NAME), by the right answers told in it.",
    ),
]


def certify(
    bundle: BundleArgument,
    labelled: Labelled,
    out: Annotated[
        Path | None,
        typer.Option("--out", "-o", parser=local_path, metavar="PATH", help="Write the bundle with the certificate."),
    ] = None,
    max_error: Annotated[
        float, typer.Option(help="Share of accepted answers that may be wrong (0.0001 to 0.5).")
    ] = 0.02,
    confidence: Annotated[
        float, typer.Option(help="Probability with which it has to be kept to (0.5 to 0.9999).")
    ] = 0.95,
    by: Annotated[
        list[str] | None,
        typer.Option(
            metavar="COLUMN",
            help="Certify slices, too: by a column of the table, by class (as answered) or group. Several times for several.",
        ),
    ] = None,
    jointly: Annotated[
        bool, typer.Option("--jointly/--each", help="All slices at once with that probability, or each by itself.")
    ] = False,
    prevalence: Annotated[
        str,
        typer.Option(metavar="CLASS=SHARE,…", help="Certify for this mix of classes instead of that of the images."),
    ] = "",
    false_alarm: Annotated[
        float | None,
        typer.Option(
            help="Share of images like these that the gate may turn away (as the bundle has it unless given)."
        ),
    ] = None,
    seed: Annotated[int, typer.Option(help="Everything random follows from it; 0 or more.")] = 0,
    split: Split = None,
    delimiter: Delimiter = None,
    normalise_labels: NormaliseLabels = False,
    splits: Splits = None,
    no_edits: NoEdits = False,
    no_golden: NoGolden = False,
    cache: CacheOption = None,
    no_cache: NoCache = False,
    json: JsonFlag = False,
) -> None:
    """Certify on fresh images how few accepted answers are wrong.

    Copies of training images are left out. By a third of the independent images confidences and gate are calibrated; on the
    others a threshold is looked for above which at most this share of answers is wrong. Exit code 1 where there is none.
    """
    from ..app.certify import certify as certify_bundle
    from ..certification.asked import Asked
    from ..certification.reading import Reading
    from ..model.predictor import load
    from .console import SAID_NO, ConsoleProgress, print_json

    check_cache(labelled, cache, no_cache)
    asked = Asked.of(
        max_error=max_error,
        confidence=confidence,
        by=by or (),
        jointly=jointly,
        prevalence=prevalence,
        false_alarm=false_alarm,
        seed=seed,
    )
    reading = Reading(split, delimiter, normalise_labels, splits, cache, not no_cache, not no_edits)
    predictor = load(bundle, golden=not no_golden)
    found = certify_bundle(predictor, labelled, asked, out=out, reading=reading, progress=ConsoleProgress())
    if json:
        print_json(found.to_json())
    else:
        _print(found, out)
    if not found.certified:
        raise typer.Exit(SAID_NO)


def _print(found: Certified, out: Path | None) -> None:
    from .console import print_line, print_pairs

    print_pairs(found.lines())
    print_line("")
    if out is None:
        print_line("Nothing was written; --out PATH writes the bundle with this rule.")
    else:
        print_pairs(
            [("Bundle", f"{out} ({found.after.bundle_id}), made from {found.before.bundle_id}, which stays as it is")]
        )
