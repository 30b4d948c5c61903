"""Several labels and numbers through the whole flow in Python, on drawn pictures that show them."""

from __future__ import annotations

import hashlib
import math
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from PIL import Image
from sklearn.metrics import average_precision_score, log_loss, precision_recall_curve, r2_score

import drivetrain as dt
from drawn import SHAPES, Drawing, draw_several, write_table
from drivetrain.core.errors import DataError, StepError, UsageError
from drivetrain.core.types import Interval
from drivetrain.data.block.blocks import CategoryBlock, ImageBlock, MultiCategoryBlock, RegressionBlock
from drivetrain.data.block.datablock import DataBlock
from drivetrain.data.block.getters import get_image_files, get_rows
from drivetrain.data.block.labellers import ColReader, RegexLabeller
from drivetrain.data.block.splitters import ColSplitter, RandomSplitter
from drivetrain.learn.figures import Figures
from drivetrain.model.kinds.labels import LabelKind
from drivetrain.model.kinds.numbers import NumberKind
from drivetrain.report.evaluation import evaluation_report
from drivetrain.stats.label_metrics import sigmoid

pytestmark = pytest.mark.trains

LITE0 = "efficientnet-lite0"


@dataclass(frozen=True)
class Done:
    """A bundle, what training returned, and what it was trained on."""

    result: dt.TrainResult
    drawings: tuple[Drawing, ...]

    @property
    def bundle(self) -> Path:
        return self.result.bundle


@pytest.fixture(scope="session")
def drawings(tmp_path_factory: pytest.TempPathFactory) -> tuple[Drawing, ...]:
    return draw_several(tmp_path_factory.mktemp("drawn") / "train", 60)


@pytest.fixture(scope="session")
def fresh(tmp_path_factory: pytest.TempPathFactory) -> tuple[Drawing, ...]:
    """Drawn like the others, and none of them among those."""
    return draw_several(tmp_path_factory.mktemp("drawn") / "fresh", 120, seed=1)


def label_rows(drawings: Sequence[Drawing], delimiter: str = ";") -> list[tuple[Path, str]]:
    return [(drawing.path, delimiter.join(drawing.labels) or delimiter) for drawing in drawings]


def size_rows(drawings: Sequence[Drawing]) -> list[tuple[Path, str]]:
    return [(drawing.path, str(drawing.size)) for drawing in drawings]


def by_name(drawings: Sequence[Drawing]) -> dict[str, Drawing]:
    return {drawing.path.name: drawing for drawing in drawings}


@pytest.fixture(scope="session")
def train(cache_folder: Path) -> Callable[..., dt.TrainResult]:
    """`drivetrain.train` with the smallest backbone and the cache of all tests here."""

    def run(source: object, out: Path, **changes: Any) -> dt.TrainResult:
        return dt.train(source, out, **{"backbone": LITE0, "cache": cache_folder, **changes})  # type: ignore[arg-type]

    return run


@pytest.fixture(scope="session")
def labels(drawings: tuple[Drawing, ...], train: Any, tmp_path_factory: pytest.TempPathFactory) -> Done:
    out = tmp_path_factory.mktemp("bundles") / "labels.bundle"
    return Done(train(label_rows(drawings), out, task="multi-label"), drawings)


@pytest.fixture(scope="session")
def sizes(drawings: tuple[Drawing, ...], train: Any, tmp_path_factory: pytest.TempPathFactory) -> Done:
    out = tmp_path_factory.mktemp("bundles") / "sizes.bundle"
    return Done(train(size_rows(drawings), out, task="regression", target_names=("size",)), drawings)


def values_of(figures: Figures, slug: str) -> list[float]:
    """Of each number or label."""
    return [row.value for row in figures.each(slug) if row.value is not None]


def value_of(figures: Figures, slug: str) -> float:
    return values_of(figures, slug)[0]


def names_of(figures: Figures) -> tuple[str | None, ...]:
    return tuple(row.of for row in figures.each("mean-absolute-error"))


# Both tasks, from training to report


def test_labels_are_learned_and_found_on_fresh_images(labels: Done, fresh: tuple[Drawing, ...]) -> None:
    result = labels.result
    assert result.task == "multi-label"
    assert result.classes == {shape: sum(shape in d.labels for d in labels.drawings) for shape in SHAPES}
    assert value_of(result.figures, "mean-average-precision") > 0.9
    with pytest.raises(AttributeError, match="a model for multi-label has no accuracy; see figures"):
        _ = result.accuracy
    predictor = dt.load(result.bundle)
    answers = list(predictor.predict_many([drawing.path for drawing in fresh]))
    right = [set(answer.labels) == set(drawing.labels) for answer, drawing in zip(answers, fresh, strict=True)]
    assert np.mean(right) > 0.75
    thresholds = predictor.manifest.kind.thresholds  # type: ignore[attr-defined]
    for answer in answers:
        assert answer.label is None
        assert tuple(answer.probs) == SHAPES
        assert answer.labels == tuple(s for s, t in zip(SHAPES, thresholds, strict=True) if answer.probs[s] >= t)
        assert answer.confidence == pytest.approx(min(max(p, 1 - p) for p in answer.probs.values()))
        p, gate = answer.p_in_domain, predictor.manifest.gate
        assert p is not None
        assert gate is not None
        assert (answer.verdict == dt.Verdict.OUT_OF_DOMAIN) == (p <= gate.level)
        assert (answer.verdict == dt.Verdict.ACCEPT) == (answer.confidence >= 0.9 and p > gate.level)


def test_numbers_are_learned_and_their_intervals_hold_as_promised(sizes: Done, fresh: tuple[Drawing, ...]) -> None:
    figures = sizes.result.figures
    assert names_of(figures) == ("size",)
    assert value_of(figures, "mean-absolute-error") < 0.6 * value_of(figures, "baseline")
    assert sizes.result.classes == {"size": 60}
    answers = list(dt.load(sizes.bundle).predict_many([drawing.path for drawing in fresh]))
    held = []
    for answer, drawing in zip(answers, fresh, strict=True):
        value = answer.values["size"]
        assert value.high - value.value == pytest.approx(figures.settings[0], rel=1e-5)
        assert value.value - value.low == pytest.approx(figures.settings[0], rel=1e-5)
        assert (answer.label, answer.labels, answer.probs) == (None, (), {})
        assert answer.verdict in (dt.Verdict.REVIEW, dt.Verdict.OUT_OF_DOMAIN)
        held.append(value.low <= drawing.size <= value.high)
    # 90 % promised; of 60 residuals realised coverage is Beta(55, 6) (Vovk 2012), here seen on 120 images: sd 0.048.
    assert 0.9 - 3 * 0.048 < np.mean(held) <= 1


def test_evaluating_fresh_labels_says_what_a_count_says(labels: Done, fresh: tuple[Drawing, ...]) -> None:
    found = dt.evaluate(labels.bundle, label_rows(fresh))
    assert found.judged.targets.task == "multi-label"
    # Some pictures without a shape are alike enough to be taken for copies.
    drawn = [by_name(fresh)[Path(item.path).name] for item in found.items]
    assert len(drawn) + found.near_duplicates_of_training == len(fresh)
    present = np.asarray([[shape in drawing.labels for shape in SHAPES] for drawing in drawn])
    answers = list(dt.load(labels.bundle).predict_many([drawing.path for drawing in drawn]))
    probs = np.asarray([list(answer.probs.values()) for answer in answers])
    figures = found.figures
    wanted = np.mean([average_precision_score(present[:, c], probs[:, c]) for c in range(3)])
    assert value_of(figures, "mean-average-precision") == pytest.approx(wanted, abs=1e-5)
    right = [set(answer.labels) == set(drawing.labels) for answer, drawing in zip(answers, drawn, strict=True)]
    assert value_of(figures, "all-labels-right") == pytest.approx(np.mean(right))
    assert found.log_loss == pytest.approx(np.mean([log_loss(present[:, c], probs[:, c]) for c in range(3)]), abs=1e-4)
    assert [row.n for row in figures.each("average-precision")] == present.sum(axis=0).tolist()
    with pytest.raises(AttributeError, match="has no confusion matrix"):
        _ = found.confusion_CC
    assert [row.label for row in found.interpretation().label_rows()] == list(SHAPES)  # type: ignore[attr-defined]
    page = evaluation_report(found, dt.load(labels.bundle))
    for words in ("Mean average precision", "All labels right", "At training time", *SHAPES):
        assert words in page


def test_evaluating_fresh_numbers_says_what_a_count_says(sizes: Done, fresh: tuple[Drawing, ...]) -> None:
    found = dt.evaluate(sizes.bundle, size_rows(fresh))
    drawn = [by_name(fresh)[Path(item.path).name] for item in found.items]
    truth = np.asarray([drawing.size for drawing in drawn])
    answers = list(dt.load(sizes.bundle).predict_many([drawing.path for drawing in drawn]))
    said = np.asarray([answer.values["size"].value for answer in answers])
    figures = found.figures
    assert value_of(figures, "mean-absolute-error") == pytest.approx(np.abs(said - truth).mean(), rel=1e-5)
    assert value_of(figures, "root-mean-squared-error") == pytest.approx(
        np.sqrt(np.mean((said - truth) ** 2)), rel=1e-5
    )
    assert value_of(figures, "r-squared") == pytest.approx(r2_score(truth, said), abs=1e-5)
    half = dt.load(sizes.bundle).manifest.kind.half_widths[0]  # type: ignore[attr-defined]
    assert figures.settings == (half,)
    assert value_of(figures, "covered") == pytest.approx(np.mean(np.abs(said - truth) <= half), abs=0.01)
    page = evaluation_report(found, dt.load(sizes.bundle))
    for words in (
        "Mean absolute error",
        "At training time",
        "meant to hold 90\N{NO-BREAK SPACE}%",
        "Answered and true: size",
    ):
        assert words in page


def test_the_training_reports_show_each_tasks_own(labels: Done, sizes: Done) -> None:
    page = (labels.bundle / "report.html").read_text(encoding="utf-8")
    for words in ("Mean average precision", "All labels right", "Precision and recall of each label", *SHAPES):
        assert words in page
    assert "Confusion" not in page
    page = (sizes.bundle / "report.html").read_text(encoding="utf-8")
    for words in ("Mean absolute error, size", "± ", "Explained variance", "ridge regression", "off by"):
        assert words in page
    assert "Confusion" not in page
    assert "balance" not in page
    for done in (labels, sizes):
        assert "nan" not in (done.bundle / "report.html").read_text(encoding="utf-8").lower().split()


# Figures are honest


def test_label_figures_are_those_of_the_answers_in_the_bundle(labels: Done) -> None:
    predictor = dt.load(labels.bundle)
    manifest, arrays = predictor.manifest, predictor.arrays()
    kind = manifest.kind
    assert isinstance(kind, LabelKind)
    assert arrays.unseen_rows_M.tolist() == list(range(60))
    present = arrays.targets_N
    wanted = [[float(shape in drawing.labels) for shape in SHAPES] for drawing in labels.drawings]
    assert present.tolist() == wanted
    probs = 1 / (1 + np.exp(-kind.calibration.beta * arrays.unseen_logits_MC.astype(np.float64)))
    metrics = kind.metrics(manifest.rows)
    each = [average_precision_score(present[:, c], probs[:, c]) for c in range(3)]
    assert metrics["mean_average_precision"]["value"] == pytest.approx(np.mean(each))
    assert metrics["log_loss"] == pytest.approx(np.mean([log_loss(present[:, c], probs[:, c]) for c in range(3)]))
    for c, threshold in enumerate(kind.thresholds):
        precision, recall, _ = precision_recall_curve(present[:, c], probs[:, c])
        best = np.nanmax(2 * precision * recall / np.maximum(precision + recall, 1e-12))
        given = probs[:, c] >= threshold
        hits = (given & (present[:, c] > 0.5)).sum()
        assert 2 * hits / (given.sum() + present[:, c].sum()) == pytest.approx(best)
    right = ((probs >= np.asarray(kind.thresholds)) == (present > 0.5)).all(axis=1)
    assert metrics["exact"]["value"] == pytest.approx(right.mean())
    confident = np.maximum(probs, 1 - probs).min(axis=1) >= manifest.accept.confidence
    assert manifest.accept.coverage == pytest.approx(confident.mean())
    assert manifest.accept.error is not None
    assert manifest.accept.error.value == pytest.approx((~right[confident]).mean())
    # Unseen means unseen: the model itself, which has seen them all, answers otherwise.
    seen = np.asarray([predictor.predict(d.path).probs[SHAPES[0]] for d in labels.drawings[:10]])
    assert np.abs(seen - probs[:10, 0]).max() > 1e-3


def test_number_figures_are_those_of_the_answers_in_the_bundle(sizes: Done) -> None:
    predictor = dt.load(sizes.bundle)
    manifest, arrays = predictor.manifest, predictor.arrays()
    kind = manifest.kind
    assert isinstance(kind, NumberKind)
    truth, said = arrays.targets_N[:, 0].astype(float), arrays.unseen_logits_MC[:, 0].astype(float)
    np.testing.assert_allclose(truth, [drawing.size for drawing in sizes.drawings], rtol=1e-6)
    metrics = kind.metrics(manifest.rows)
    assert metrics["mean_absolute_error"][0]["value"] == pytest.approx(np.abs(truth - said).mean())
    assert metrics["root_mean_squared_error"][0] == pytest.approx(np.sqrt(np.mean((truth - said) ** 2)))
    assert metrics["r_squared"][0] == pytest.approx(r2_score(truth, said))
    assert metrics["baseline"][0] == pytest.approx(np.abs(truth - np.median(truth)).mean())
    assert kind.spreads[0] == pytest.approx(truth.std())
    rank = math.ceil(61 * 0.9)
    assert kind.half_widths[0] == pytest.approx(np.sort(np.abs(truth - said))[rank - 1])
    figures = sizes.result.figures
    assert value_of(figures, "covered") == pytest.approx(rank / 60)


def test_equal_data_and_seed_give_equal_bytes(
    labels: Done, sizes: Done, train: Any, tmp_path: Path, drawings: tuple[Drawing, ...]
) -> None:
    again = {
        "labels": (labels, train(label_rows(drawings), tmp_path / "l", task="multi-label", use_cache=False)),
        "sizes": (
            sizes,
            train(size_rows(drawings), tmp_path / "s", task="regression", target_names=["size"], workers=1),
        ),
    }
    for first, second in again.values():
        for file in ("model.onnx", "arrays.safetensors", "golden/golden.json", "golden/expected.safetensors"):
            assert (first.bundle / file).read_bytes() == (second.bundle / file).read_bytes(), file
        one, two = dt.load(first.bundle).manifest, dt.load(second.bundle).manifest
        assert (one.bundle_id, one.data.fingerprint) == (two.bundle_id, two.data.fingerprint)
        assert one.figures == two.figures


def test_the_data_fingerprint_sees_every_digit_and_every_label(
    sizes: Done, labels: Done, train: Any, tmp_path: Path, drawings: tuple[Drawing, ...]
) -> None:
    rows = size_rows(drawings)
    rows[7] = (rows[7][0], str(drawings[7].size + 0.001))
    other = train(rows, tmp_path / "s", task="regression", target_names=("size",))
    assert dt.load(other.bundle).manifest.data.fingerprint != dt.load(sizes.bundle).manifest.data.fingerprint
    swapped = label_rows(drawings)
    swapped[3] = (swapped[3][0], "disc" if swapped[3][1] != "disc" else "square")
    other = train(swapped, tmp_path / "l", task="multi-label")
    assert dt.load(other.bundle).manifest.data.fingerprint != dt.load(labels.bundle).manifest.data.fingerprint


# Splits, groups, files that cannot be used


@pytest.mark.parametrize("task", ["multi-label", "regression"])
def test_a_leaking_split_is_named_and_judged_without_what_leaks(
    task: str, drawings: tuple[Drawing, ...], train: Any, tmp_path: Path
) -> None:
    stolen = tmp_path / "stolen.bmp"
    with Image.open(drawings[4].path) as image:
        image.save(stolen)
    rows = label_rows(drawings) if task == "multi-label" else size_rows(drawings)
    marked = [(path, label, "train" if n < 45 else "valid") for n, (path, label) in enumerate(rows)]
    table = write_table(
        tmp_path / "split.csv", [*marked, (stolen, rows[4][1], "valid")], columns=("path", "label", "split")
    )
    result = train(table, tmp_path / "b", task=task)
    assert result.images_used == 45
    assert result.leak is not None
    assert result.leak.startswith("1 of 16 valid images")
    assert "stolen.bmp" in result.leak
    assert "004.png" in result.leak
    name = "mean average precision" if task == "multi-label" else "mean absolute error"
    assert f"with them the {name} would be " in result.leak
    assert result.figures.how == "held-out valid split of 16 images, 1 leaking ones left out"
    assert result.figures.random_split is None or result.warnings[0] == result.leak
    manifest = dt.load(result.bundle).manifest
    assert manifest.figures[0].how.startswith("Held-out valid split of 16 images")
    assert "leaking" in (result.bundle / "report.html").read_text(encoding="utf-8")


def test_a_held_out_split_too_small_for_an_interval_is_refused(
    drawings: tuple[Drawing, ...], train: Any, tmp_path: Path
) -> None:
    rows = [(path, size, "train" if n < 54 else "valid") for n, (path, size) in enumerate(size_rows(drawings))]
    table = write_table(tmp_path / "split.csv", rows, columns=("path", "label", "split"))
    with pytest.raises(
        DataError,
        match=r"6 images to judge by \(held-out valid split of 6 images\) are too few for intervals that hold 90 %",
    ):
        train(table, tmp_path / "b", task="regression")


def test_a_held_out_split_without_variety_is_no_fault(
    drawings: tuple[Drawing, ...], train: Any, tmp_path: Path
) -> None:
    sides = ["train" if n < 45 else "valid" for n in range(60)]
    sizes = [drawing.size if side == "train" else 7 for drawing, side in zip(drawings, sides, strict=True)]
    rows = [(drawing.path, size, side) for drawing, size, side in zip(drawings, sizes, sides, strict=True)]
    table = write_table(tmp_path / "sizes.csv", rows, columns=("path", "label", "split"))
    result = train(table, tmp_path / "b", task="regression")
    assert [row.value for row in result.figures.each("r-squared")] == [None]
    assert dt.load(result.bundle).manifest.figure("r-squared", "number").value is None  # type: ignore[attr-defined]
    assert "explained variance, R² of number (0: no better than always answering the mean; 1: exact) | – |" in (
        result.bundle / "card.md"
    ).read_text(encoding="utf-8")
    rows = [
        (drawing.path, (";".join(drawing.labels) if side == "train" else "") or ";", side)
        for drawing, side in zip(drawings, sides, strict=True)
    ]
    table = write_table(tmp_path / "labels.csv", rows, columns=("path", "label", "split"))
    with pytest.raises(DataError, match=r"none of the 15 images to judge by \(held-out valid split .*\) has a label"):
        train(table, tmp_path / "c", task="multi-label")


@pytest.mark.parametrize("task", ["multi-label", "regression"])
def test_groups_given_with_the_data_are_kept_together(
    task: str, drawings: tuple[Drawing, ...], train: Any, tmp_path: Path
) -> None:
    rows = label_rows(drawings) if task == "multi-label" else size_rows(drawings)
    grouped = [(path, label, f"page {n // 6}") for n, (path, label) in enumerate(rows)]
    result = train(grouped, tmp_path / "b", task=task)
    assert result.groups_user == 10
    assert result.figures.random_split is not None
    groups_N = dt.load(result.bundle).arrays().groups_N
    for first in range(0, 60, 6):
        assert len(set(groups_N[first : first + 6].tolist())) == 1
    few = [(path, label, f"half {n % 2}") for n, (path, label) in enumerate(rows)]
    result = train(few, tmp_path / "c", task=task)
    assert any("The images stand in few groups, so there are only 2 folds" in line for line in result.warnings)


@pytest.mark.parametrize("task", ["multi-label", "regression"])
def test_files_that_cannot_be_used_are_counted_and_named(
    task: str, drawings: tuple[Drawing, ...], train: Any, tmp_path: Path
) -> None:
    (tmp_path / "empty.png").write_bytes(b"")
    (tmp_path / "words.jpg").write_text("these are words")
    rows = label_rows(drawings) if task == "multi-label" else size_rows(drawings)
    label = "disc" if task == "multi-label" else "7"
    bad = [(tmp_path / name, label) for name in ("empty.png", "words.jpg", "missing.png")]
    result = train([*rows, *bad, (drawings[0].path, None)], tmp_path / "b", task=task)
    assert (result.images_used, result.images_skipped) == (60, 4)
    assert {Path(one.name).name: bool(one.reason and one.detail) for one in result.skipped} == {
        "empty.png": True,
        "words.jpg": True,
        "missing.png": True,
        "000.png": True,  # it comes without a label, which is another thing than an image with none of the labels
    }
    manifest = dt.load(result.bundle).manifest
    assert (manifest.data.images, manifest.data.skipped) == (60, 4)
    assert "words.jpg" in (result.bundle / "report.html").read_text(encoding="utf-8")


def test_a_label_that_is_left_on_unusable_files_only_is_refused(
    drawings: tuple[Drawing, ...], train: Any, tmp_path: Path
) -> None:
    for n in range(2):
        (tmp_path / f"{n}.png").write_bytes(b"\x89PNG\r\n\x1a\n")
    rows = [*label_rows(drawings), *((tmp_path / f"{n}.png", "disc;rare") for n in range(2))]
    with pytest.raises(DataError, match=r"two usable images \(2 files could not be used\): “rare” has 0; add images"):
        train(rows, tmp_path / "b", task="multi-label")


# What a DataBlock reads


def test_several_numbers_an_image(
    drawings: tuple[Drawing, ...], fresh: tuple[Drawing, ...], train: Any, tmp_path: Path
) -> None:
    both = by_name((*drawings, *fresh)) | {str(d.path): d for d in (*drawings, *fresh)}
    block = DataBlock(
        (ImageBlock, RegressionBlock(n_out=2)),
        get_items=get_image_files,
        get_y=lambda path: (both[str(path)].size, both[str(path)].light),
    )
    folder = drawings[0].path.parent
    result = train(folder, tmp_path / "b", block=block, target_names=("size", "light"))
    figures = result.figures
    assert names_of(figures) == ("size", "light")
    assert len(figures.settings) == len(figures.each("covered")) == len(figures.each("r-squared")) == 2
    # Each in its own unit, and each better than a guess.
    assert values_of(figures, "baseline") == pytest.approx(
        [np.abs(x - np.median(x)).mean() for x in ([d.size for d in drawings], [d.light for d in drawings])], rel=1e-5
    )
    for m in range(2):
        assert values_of(figures, "mean-absolute-error")[m] < 0.9 * values_of(figures, "baseline")[m]
    predictor = dt.load(result.bundle)
    answer = predictor.predict(fresh[0].path)
    assert list(answer.values) == ["size", "light"]
    assert all(isinstance(value, Interval) for value in answer.values.values())
    found = dt.evaluate(predictor, fresh[0].path.parent, block=block)
    assert found.classes == ("size", "light")
    assert "light" in evaluation_report(found, predictor)
    assert set(found.to_json()) >= {"targets", "task"}
    with pytest.raises(
        UsageError, match=r"answers size, light \(regression\), and without block= one number .*n_out=2"
    ):
        dt.evaluate(predictor, size_rows(fresh))
    named = train(folder, tmp_path / "c", block=block)
    assert names_of(named.figures) == ("number 1", "number 2")
    with pytest.raises(UsageError, match=r"1 target names were given \(size\) for 2 numbers"):
        train(folder, tmp_path / "d", block=block, target_names=("size",))


def test_labels_from_columns_of_a_table_and_a_splitter_of_ones_own(
    drawings: tuple[Drawing, ...], train: Any, tmp_path: Path
) -> None:
    rows = [(d.path, " ".join(d.labels), int(n % 4 == 0)) for n, d in enumerate(drawings)]
    table = write_table(tmp_path / "shapes.csv", rows, columns=("file", "shapes", "held"))
    block = DataBlock(
        (ImageBlock, MultiCategoryBlock),
        get_items=get_rows,
        get_x=ColReader("file"),
        get_y=ColReader("shapes", label_delim=" "),
        splitter=ColSplitter("held"),
    )
    result = train(table, tmp_path / "b", block=block)
    assert result.task == "multi-label"
    assert result.images_used == 45
    assert result.figures.how == "held-out valid split of 15 images"
    assert sum(result.classes.values()) == sum(len(d.labels) for n, d in enumerate(drawings) if n % 4)
    manifest = dt.load(result.bundle).manifest
    kind = manifest.kind
    assert isinstance(kind, LabelKind)
    assert kind.labels == SHAPES


def test_numbers_from_file_names_and_a_plain_function_for_a_splitter(
    drawings: tuple[Drawing, ...], train: Any, tmp_path: Path
) -> None:
    folder = tmp_path / "named"
    folder.mkdir()
    for drawing in drawings:
        (folder / f"{drawing.path.stem}_{drawing.size}.png").write_bytes(drawing.path.read_bytes())

    def last_third(items: Sequence[object]) -> tuple[list[int], list[int]]:
        cut = 2 * len(items) // 3
        return list(range(cut)), list(range(cut, len(items)))

    block = DataBlock((ImageBlock, RegressionBlock), get_y=RegexLabeller(r"_([\d.]+)\.png$"), splitter=last_third)
    result = train(folder, tmp_path / "b", block=block)
    assert result.images_used == 40
    assert result.figures.how == "held-out valid split of 20 images"
    truth = dt.load(result.bundle).arrays().targets_N[:, 0]
    np.testing.assert_allclose(truth, [drawing.size for drawing in drawings[:40]], rtol=1e-6)
    odd = block.new(get_y=lambda path: "large" if "003" in path.name else 1.0 + int(path.name[:3]))
    with pytest.raises(StepError, match=r"RegressionBlock failed on item 3 .*'large'; give a finite number"):
        train(folder, tmp_path / "c", block=odd)


def test_a_random_splitter_holds_out_what_it_says(drawings: tuple[Drawing, ...], train: Any, tmp_path: Path) -> None:
    sizes = by_name(drawings)
    block = DataBlock(
        (ImageBlock, RegressionBlock), get_y=lambda path: sizes[path.name].size, splitter=RandomSplitter(0.25, seed=3)
    )
    result = train(drawings[0].path.parent, tmp_path / "b", block=block)
    assert result.images_used == 45
    assert "held-out valid split of 15 images" in result.figures.how


# Refusals


def test_a_block_of_another_kind_is_refused(labels: Done, sizes: Done, fresh: tuple[Drawing, ...]) -> None:
    folder = fresh[0].path.parent
    numbers = DataBlock((ImageBlock, RegressionBlock), get_y=lambda _: 3.0)
    one = DataBlock((ImageBlock, CategoryBlock), get_y=lambda _: "disc")
    with pytest.raises(UsageError, match=r"disc, square, stripes \(multi-label\), and the block reads RegressionBlock"):
        dt.evaluate(labels.bundle, folder, block=numbers)
    with pytest.raises(UsageError, match=r"the block reads CategoryBlock; give .*RegressionBlock\(n_out=1\)"):
        dt.evaluate(sizes.bundle, folder, block=one)
    with pytest.raises(UsageError, match="the delimiter is empty"):
        dt.evaluate(labels.bundle, label_rows(fresh), delimiter="")


@pytest.mark.parametrize(
    ("sizes", "message"),
    [
        ([7.0] * 12, "“number” is 7 for all 12 usable images; there is nothing to predict"),
        ([*range(11), "1e39"], r"011\.png has the number 1e\+39; numbers may reach 1e\+30"),
        ([*range(11), "-1e31"], r"has the number -1e\+31"),
        ([f"{n}e-33" for n in range(12)], "“number” varies by 1e-32 only, .* give it in a smaller unit"),
        ([*range(11), "nan"], "is labelled 'nan', which is no finite number"),
        ([*range(11), "-inf"], "is labelled '-inf', which is no finite number"),
        ([*range(11), "3,5"], "is labelled '3,5', .* write a decimal point, not a comma"),
        ([*range(11), "3 cm"], "is labelled '3 cm', .* a plain number, without a unit"),
        (range(8), "8 images to judge by .* give 9 or more"),
    ],
)
def test_numbers_that_cannot_be_learned_from(
    drawings: tuple[Drawing, ...], train: Any, tmp_path: Path, sizes: Sequence[object], message: str
) -> None:
    rows = [(drawing.path, str(size)) for drawing, size in zip(drawings, sizes, strict=False)]
    with pytest.raises(DataError, match=message) as caught:
        train(rows, tmp_path / "b", task="regression")
    assert "\n" not in str(caught.value)
    assert not (tmp_path / "b").exists()


@pytest.mark.parametrize(
    ("names", "message"),
    [
        (("a", "b"), r"2 target names were given \(a, b\) for 1 numbers"),
        (("",), "'' was given for the name of a number; give a text"),
        ((" ",), "' ' was given for the name of a number"),
        ((3,), "3 was given for the name of a number"),
    ],
)
def test_names_that_are_none(
    drawings: tuple[Drawing, ...], train: Any, tmp_path: Path, names: tuple[Any, ...], message: str
) -> None:
    with pytest.raises(UsageError, match=message):
        train(size_rows(drawings), tmp_path / "b", task="regression", target_names=names)


def test_a_name_that_no_file_can_hold_is_written_as_far_as_it_goes(
    drawings: tuple[Drawing, ...], train: Any, tmp_path: Path
) -> None:
    train(size_rows(drawings), tmp_path / "b", task="regression", target_names=("größe\udcff",))
    assert dt.load(tmp_path / "b").classes == ("größe?",)


@pytest.mark.parametrize("unit", ["e-28", "e28"])
def test_very_small_and_very_large_numbers_are_numbers(
    drawings: tuple[Drawing, ...], train: Any, tmp_path: Path, unit: str
) -> None:
    result = train([(d.path, f"{d.size}{unit}") for d in drawings], tmp_path / "b", task="regression")
    figures, scale = result.figures, float(f"1{unit}")
    assert value_of(figures, "mean-absolute-error") / scale < 0.6 * value_of(figures, "baseline") / scale
    predictor = dt.load(result.bundle)
    assert 0 < predictor.predict(drawings[1].path).values["number"].value / scale < 30


@pytest.mark.parametrize(
    ("cells", "message"),
    [
        ([";"] * 12, "none of the 12 images of Python list has a label; .* the delimiter “;”"),
        (["a"] * 12, "all 12 usable images have the label “a”, so there is nothing to tell apart"),
        (["a;b", "a", *[";"] * 10], "every label needs at least two usable images: “b” has 1; add images or remove"),
        ([str(n) for n in range(12)], "“0” has 1, .*; to predict a number, give --task regression"),
    ],
)
def test_labels_that_cannot_be_learned_from(
    drawings: tuple[Drawing, ...], train: Any, tmp_path: Path, cells: Sequence[str], message: str
) -> None:
    rows = [(drawing.path, cell) for drawing, cell in zip(drawings, cells, strict=False)]
    with pytest.raises(DataError, match=message) as caught:
        train(rows, tmp_path / "b", task="multi-label")
    assert "\n" not in str(caught.value)


@pytest.mark.parametrize("delimiter", [";", " ; ", " | ", "and"])
def test_a_delimiter_alone_means_no_label_whatever_stands_around_it(
    drawings: tuple[Drawing, ...], train: Any, tmp_path: Path, delimiter: str
) -> None:
    table = write_table(tmp_path / "labels.csv", label_rows(drawings, delimiter))
    result = train(table, tmp_path / "b", task="multi-label", delimiter=delimiter)
    assert tuple(result.classes) == SHAPES
    assert result.images_used == 60


def test_evaluating_images_that_all_alike_leaves_gaps_and_no_nonsense(
    labels: Done, sizes: Done, fresh: tuple[Drawing, ...]
) -> None:
    none = dt.evaluate(labels.bundle, [(drawing.path, ";") for drawing in fresh[:12]])
    document = none.to_json()
    assert document["mean_average_precision"]["value"] is None  # type: ignore[index]
    assert ("Mean average precision", "– (none of the labels occurs)") in none.figures.lines()
    assert ">nan" not in evaluation_report(none, dt.load(labels.bundle)).lower()
    same = dt.evaluate(sizes.bundle, [(drawing.path, "7") for drawing in fresh[:12]])
    assert same.to_json()["targets"][0]["r_squared"] is None  # type: ignore[index]
    assert any(name.endswith("R²") and text.startswith("–") for name, text in same.figures.lines())
    assert ">nan" not in evaluation_report(same, dt.load(sizes.bundle)).lower()


def test_images_with_labels_the_bundle_does_not_know_are_skipped_and_said(
    labels: Done, fresh: tuple[Drawing, ...]
) -> None:
    rows = label_rows(fresh[:20])
    rows[3] = (rows[3][0], "disc;triangle")
    found = dt.evaluate(labels.bundle, rows)
    assert [(one.reason, one.detail) for one in found.skipped] == [("unknown label", "“triangle” is not in the bundle")]
    assert any("1 image with labels the bundle does not know (triangle) was not" in line for line in found.warnings)
    by_commas = dt.evaluate(labels.bundle, [(path, "disc,square") for path, _ in rows])
    assert by_commas.notes[0].startswith("took labels apart at commas, as in “disc,square”"), "both are the bundle's"
    with pytest.raises(DataError, match=r"every image of Python list has labels that the bundle .* found disc\+square"):
        dt.evaluate(labels.bundle, [(path, "disc+square") for path, _ in rows])


def test_probabilities_are_sigmoids_of_the_graphs_logits(labels: Done, fresh: tuple[Drawing, ...]) -> None:
    predictor = dt.load(labels.bundle)
    with Image.open(fresh[0].path) as image:
        logits, _ = predictor.run(image.convert("RGB"))
    manifest = predictor.manifest
    kind = manifest.kind
    assert isinstance(kind, LabelKind)
    wanted = sigmoid(logits[None], kind.calibration.beta)[0]
    np.testing.assert_allclose(list(predictor.predict(fresh[0].path).probs.values()), wanted, rtol=1e-6)


def test_the_bundles_id_is_that_of_what_it_holds(labels: Done) -> None:
    manifest = dt.load(labels.bundle).manifest
    kind = manifest.kind
    assert isinstance(kind, LabelKind)
    model, *others = (
        (labels.bundle / name).read_bytes() for name in ("model.onnx", "arrays.safetensors", "gate.safetensors")
    )
    whole = model + repr(kind.calibration.beta).encode() + b"".join(hashlib.sha256(one).digest() for one in others)
    assert manifest.bundle_id == hashlib.sha256(whole).hexdigest()[:16]
