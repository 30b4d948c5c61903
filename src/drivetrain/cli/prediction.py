"""``drivetrain predict``, ``evaluate`` and ``trace``."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from ..core.local_path import local_path
from .flags import (
    BundleArgument,
    CacheOption,
    IgnoreOption,
    JsonFlag,
    NoCache,
    NoEdits,
    NoGolden,
    NormaliseLabels,
    Splits,
    Verify,
    check_cache,
)

if TYPE_CHECKING:
    from ..app.predict import Found
    from ..core.types import Prediction
    from ..evaluation.evaluation import Evaluation
    from ..model.kinds.kind import Kind
    from ..model.predictor import Predictor
    from .tally import Tally

# The number of files from which on a progress bar is worth a line.
MANY_FILES = 20

# Paths up to this length are aligned on a terminal; a longer one pushes its line to the right.
PATH_COLUMN = 48

# Before what stands on a line of its own, below the image it is about.
INDENT = 4


Paths = Annotated[
    list[str],
    typer.Argument(metavar="PATH", help="Image files, folders, archives, tables, or patterns such as 'photos/*.jpg'."),
]
UnpackOption = Annotated[
    Path | None,
    typer.Option(
        "--cache",
        parser=local_path,
        metavar="FOLDER",
        help="Folder in which archives, and pictures in tables, are unpacked (the user's cache folder unless given).",
    ),
]
UnpackNowhere = Annotated[
    bool, typer.Option("--no-cache", help="Unpack them in a temporary folder, which is removed at the end.")
]


def predict(
    bundle: BundleArgument,
    paths: Paths,
    no_golden: NoGolden = False,
    verify: Verify = None,
    cache: UnpackOption = None,
    no_cache: UnpackNowhere = False,
    json: JsonFlag = False,
) -> None:
    """Predict files, folders and patterns, in the order given.

    Of an archive or a table the images in it are predicted. One line an image: path, label, confidence, verdict, and where
    that is not “accept” why. A file that cannot be read stops nothing. In a pipe the columns are separated by tabs. Of several
    files a count ends it, on stderr.
    """
    import sys
    from dataclasses import replace

    from ..app.predict import expand
    from ..embed.unpack_place import leave, unpack_place
    from ..model.predictor import load
    from .console import ConsoleProgress, print_part
    from .tally import Tally

    _check_not_swapped("predict", bundle, paths)
    predictor = load(bundle, golden=not no_golden, signed_by=verify)
    place = unpack_place(cache, use_cache=not no_cache)
    found = expand(paths, predictor.manifest.input.files, place)
    files, names = found.files, [one.name for one in found.meant]
    on_terminal = sys.stdout.isatty()
    show = _json_printer() if json else _line_printer(names, predictor.manifest.kind, on_terminal)
    # A bar and lines of answers cannot share one terminal; the lines themselves then show the progress.
    quiet = len(files) < MANY_FILES or on_terminal
    tally = Tally()
    with ConsoleProgress(quiet=quiet).stage("predict", len(files)) as advance:
        for prediction, name in zip(predictor.predict_many(files), names, strict=True):
            tally.add(prediction)
            tally.remark(name, predictor.manifest.input.remarks(prediction.facts))
            show(replace(prediction, path=name))
            advance(1)
    leave(place)
    if json:
        print_part("\n]\n")
    _print_count(tally, found)


def _print_count(tally: Tally, found: Found) -> None:
    """Print the tally, where there are several files.

    Raises:
        Exit: none could be read.
    """
    from .console import SAID_NO, remark

    files = found.files
    if tally.unreadable == len(files):
        several = f"none of the {len(files)} files can be read"
        remark(f"error: {several if len(files) > 1 else 'the file cannot be read'}")
        raise typer.Exit(SAID_NO)
    if tally.unreadable:
        remark(f"warning: {tally.unreadable} of {len(files)} files cannot be read; they are marked “unreadable”")
    for one in tally.remarks.values():
        remark(f"warning: {one.line(len(files))}")
    if len(files) > 1 or found.passed_over:
        remark(tally.line(found.passed_over))


Fresh = Annotated[
    str, typer.Argument(metavar="SOURCE", help="Labelled images the model has not seen: folder, CSV, zip, …")
]
Split = Annotated[str | None, typer.Option(help="Only this split of the source: train, valid or test.")]
Report = Annotated[
    Path | None, typer.Option(parser=local_path, metavar="FILE", help="Also write an HTML report to this file.")
]
KeepLeaks = Annotated[bool, typer.Option("--keep-leaks", help="Count images that are copies of training images.")]
Delimiter = Annotated[
    str | None, typer.Option(help="Between the labels of one image, for multi-label bundles (; unless given).")
]


def evaluate(
    bundle: BundleArgument,
    source: Fresh,
    split: Split = None,
    report: Report = None,
    keep_leaks: KeepLeaks = False,
    no_golden: NoGolden = False,
    delimiter: Delimiter = None,
    normalise_labels: NormaliseLabels = False,
    no_edits: NoEdits = False,
    splits: Splits = None,
    cache: CacheOption = None,
    no_cache: NoCache = False,
    ignore: IgnoreOption = None,
    json: JsonFlag = False,
) -> None:
    """Judge a bundle on labelled images it has not seen.

    Says how many answers are right, how many would be accepted without a person and how many of those are wrong, and
    whether training claimed more. Copies of its training images are found and left out of the figures.
    """
    from ..core.errors import UsageError
    from ..core.plain_file import PAGE, check_writable
    from ..evaluation.run import evaluate as evaluate_bundle
    from ..model.predictor import load
    from .console import ConsoleProgress, print_json

    _check_not_swapped("evaluate", bundle, [source])
    check_cache(source, cache, no_cache)
    if report is not None:
        try:
            check_writable(report, PAGE)  # checked before the work, not after it
        except OSError as error:
            raise UsageError(
                f"{report} cannot be written ({error.strerror or error}); name another file with --report"
            ) from None
    predictor = load(bundle, golden=not no_golden)
    result = evaluate_bundle(
        predictor,
        source,
        split=split,
        keep_leaks=keep_leaks,
        delimiter=delimiter,
        normalise_labels=normalise_labels,
        edits=not no_edits,
        splits=splits,
        cache=cache,
        use_cache=not no_cache,
        ignore=ignore or (),
        progress=ConsoleProgress(),
    )
    if report is not None:
        _write_report(result, predictor, report)
    if json:
        print_json(result.to_json())
    else:
        _print_evaluation(result, report)


def _write_report(result: Evaluation, predictor: Predictor, path: Path) -> None:
    from ..core.plain_file import PAGE, write_plain
    from ..report.evaluation import evaluation_report

    write_plain(path, evaluation_report(result, predictor).encode(), PAGE)


def trace(
    places: Annotated[
        list[Path], typer.Argument(metavar="BUNDLE IMAGE", parser=local_path, help="A bundle and one image file.")
    ],
    bundle: Annotated[
        Path | None,
        typer.Option(
            "--bundle",
            "-b",
            parser=local_path,
            metavar="BUNDLE",
            help="The bundle, where only an image stands before it.",
        ),
    ] = None,
    no_golden: NoGolden = False,
    json: JsonFlag = False,
) -> None:
    """Follow one image through every stage.

    Shows type, shape, range and milliseconds of what comes out of each.
    """
    from ..app.trace import trace as trace_image
    from .console import print_json, print_table

    bundle, image = _bundle_and_image(places, bundle)
    steps = trace_image(image, bundle, golden=not no_golden)
    if json:
        print_json([step.to_json() for step in steps])
        return
    header = ("stage", "type", "shape", "range", "ms", "")
    rows = [
        (s.name, s.kind, s.shape, s.range, "" if s.milliseconds is None else f"{s.milliseconds:.2f}", s.note)
        for s in steps
    ]
    print_table([header, *rows], right=frozenset({4}))


def _bundle_and_image(places: Sequence[Path], bundle: Path | None) -> tuple[Path, Path]:
    """Return the bundle and the image to trace; two places without ``bundle`` may stand in either order.

    Raises:
        UsageError: there are more or fewer than two of them in all, or ``bundle`` and the image have changed places.
    """
    from ..core.errors import UsageError
    from ..core.shell_path import quoted
    from ..model.no_bundle import is_bundle

    both = places if bundle is None else [bundle, *places]
    if len(both) != 2:
        image = next((place for place in both if not is_bundle(place)), None)
        through = next((place for place in both if is_bundle(place)), None)
        line = f"{quoted(through) if through else 'BUNDLE'} {quoted(image) if image else 'IMAGE'}"
        raise UsageError(
            f"trace takes one bundle (also as --bundle) and one image, and received {len(both)} in all; give them as: "
            f"drivetrain trace {line}"
        )
    first, second = both
    if bundle is not None:
        _check_not_swapped("trace", first, [str(second)])
    elif is_bundle(second) and not is_bundle(first):
        return second, first
    return first, second


def _check_not_swapped(command: str, bundle: Path, others: Sequence[str]) -> None:
    """Check that the bundle stands where it belongs.

    Raises:
        UsageError: it does not, but one of the other arguments is a bundle.
    """
    import shlex

    from ..core.errors import UsageError
    from ..model.no_bundle import is_bundle

    meant = None if is_bundle(bundle) else next((text for text in others if is_bundle(Path(text))), None)
    if meant is None:
        return
    rest = [shlex.quote(text) for text in (str(bundle), *others) if text != meant]
    shown = " ".join(rest if len(rest) <= 3 else [*rest[:3], "…"])
    if command == "trace":
        line, given = f"{shown} --bundle {shlex.quote(meant)}", f"--bundle {bundle}"
    else:
        line, given = f"{shlex.quote(meant)} {shown}", f"the first argument, {bundle},"
    raise UsageError(f"{given} is no bundle, but {meant} is one; did you mean: drivetrain {command} {line}")


def _line_printer(names: Sequence[str], kind: Kind, aligned: bool) -> Callable[[Prediction], None]:
    from shutil import get_terminal_size

    from rich.cells import cell_len, set_cell_size

    from ..core.visible import visible
    from ..draw.numbers import decimals
    from .console import print_line

    columns = get_terminal_size().columns
    path_width = max((width for name in names if (width := cell_len(visible(name))) <= PATH_COLUMN), default=0)
    label_width = max(cell_len(visible(name)) for name in kind.outputs)

    def show(prediction: Prediction) -> None:
        # Several labels, and numbers, take more room than any name, and how much is known as they come.
        nonlocal label_width
        path = visible(prediction.path)  # a tab in the path would add a column, a line break a line
        label = kind.answer_text(prediction, none="-", ranges=True)
        confidence = "-" if prediction.error or not kind.has_confidence else decimals(prediction.confidence)
        label = visible(label)
        cells, why = [path, label, confidence, str(prediction.verdict)], _why(prediction)
        if not aligned:
            print_line("\t".join([*cells, why] if why else cells))
            return
        path = set_cell_size(path, max(path_width, cell_len(path)))
        label_width = max(label_width, cell_len(label))
        line = "  ".join([path, set_cell_size(label, label_width), f"{confidence:>5}", f"{cells[3]:<6}"])
        if why and cell_len(line) + 2 + cell_len(why) > columns:
            print_line(line.rstrip())
            print_line(f"{'':{INDENT}}{why}")
        else:
            print_line(f"{line}  {why}".rstrip())

    return show


def _why(prediction: Prediction) -> str:
    """Say in little room why an answer is not accepted: what is wrong with the file, or the codes of the reasons."""
    from .console import one_line

    return one_line(prediction.error) if prediction.error else ", ".join(reason.code for reason in prediction.reasons)


def _json_printer() -> Callable[[Prediction], None]:
    from .console import print_part
    from .console import to_json as dumps

    opening = "[\n"

    def show(prediction: Prediction) -> None:
        # The list is streamed, so that a long run shows its results as they come; together it is one JSON document.
        nonlocal opening
        print_part(opening + dumps(prediction.to_json()))
        opening = ",\n"

    return show


def _print_evaluation(result: Evaluation, report: Path | None) -> None:
    from .console import print_line, print_pairs, print_table

    one_label = result.has_confusion
    few = one_label and len(result.classes) <= 12
    rows = [("Images", f"{len(result.items)} judged, {len(result.skipped)} skipped"), *result.figures.lines()]
    rows += result.accepted.lines() if result.accepted else [("Accepted", f"none: {result.none_accepted}")]
    rows += [("At training" if not n else "", one.line()) for n, one in enumerate(result.against_training)]
    if one_label and not few:
        rows.append(("Confusion", "more than 12 classes: see --report or --json"))
    if report is not None:
        rows.append(("Report", str(report)))
    print_pairs(rows)
    if few:
        print_line("")
        header = ("label ↓ predicted →", *result.classes)
        counts = (
            (name, *map(str, row)) for name, row in zip(result.classes, result.confusion_CC.tolist(), strict=True)
        )
        print_table([header, *counts], right=frozenset(range(1, len(header))))
    print_pairs(("!", warning) for warning in result.warnings)
