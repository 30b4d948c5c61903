"""Bundles of each kind of task: what their manifests and arrays must hold, what the replay finds, how they answer."""

from __future__ import annotations

import json
import shutil
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import onnx
import pytest
from onnx import numpy_helper
from PIL import Image
from tampering import edit_arrays, edit_graph, edit_json

import drivetrain as dt
from drawn import SHAPES, Drawing, draw_several
from drivetrain.core.errors import BundleError, ParityError, SchemaError
from drivetrain.data.block.blocks import ImageBlock, RegressionBlock
from drivetrain.data.block.datablock import DataBlock
from drivetrain.model.kinds.labels import LabelKind
from drivetrain.model.kinds.numbers import NumberKind
from drivetrain.model.kinds.registry import KINDS as KIND_OF
from drivetrain.model.manifest import Manifest, parse_manifest
from drivetrain.model.policy import judge
from drivetrain.model.seen import Seen
from tiny_backbone import TINY

pytestmark = pytest.mark.usefixtures("tried_here")

Edit = Callable[[dict[str, Any]], object]
KINDS = ("classification", "multi-label", "regression")


@pytest.fixture(scope="session")
def drawings(tmp_path_factory: pytest.TempPathFactory) -> tuple[Drawing, ...]:
    return draw_several(tmp_path_factory.mktemp("drawn"), 40)


@pytest.fixture(scope="session")
def bundles(trained: Path, drawings: tuple[Drawing, ...], tmp_path_factory: pytest.TempPathFactory) -> dict[str, Path]:
    """One of each task, that of regression with two numbers; read only."""
    folder, by_name = tmp_path_factory.mktemp("kinds"), {drawing.path.name: drawing for drawing in drawings}
    cells = [(drawing.path, ";".join(drawing.labels) or ";") for drawing in drawings]
    common: dict[str, Any] = {"backbone": TINY, "cache": folder / "cache"}
    dt.train(cells, folder / "labels", task="multi-label", **common)
    block = DataBlock(
        (ImageBlock, RegressionBlock(n_out=2)),
        get_y=lambda path: (by_name[path.name].size, by_name[path.name].light),
    )
    dt.train(drawings[0].path.parent, folder / "numbers", block=block, target_names=("size", "light"), **common)
    return {"classification": trained, "multi-label": folder / "labels", "regression": folder / "numbers"}


@pytest.fixture
def copy(bundles: dict[str, Path], tmp_path: Path) -> Callable[[str], Path]:
    """A copy of a task's bundle, to do with as one likes."""
    return lambda task: Path(shutil.copytree(bundles[task], tmp_path / task))


def document(bundle: Path) -> dict[str, Any]:
    return dict(json.loads((bundle / "manifest.json").read_bytes()))


# Manifests


@pytest.mark.parametrize("task", KINDS)
def test_written_and_read_it_is_the_same(task: str, bundles: dict[str, Path]) -> None:
    text = (bundles[task] / "manifest.json").read_bytes()
    manifest = parse_manifest(text)
    assert type(manifest.kind) is KIND_OF[task]
    assert manifest.task == task
    assert json.loads(manifest.to_json()) == json.loads(text)
    assert parse_manifest(manifest.to_json().encode()) == manifest


def test_outputs_are_the_classes_labels_or_numbers(bundles: dict[str, Path]) -> None:
    assert dt.load(bundles["classification"]).classes == ("discs", "squares", "stripes")
    assert dt.load(bundles["multi-label"]).classes == SHAPES
    predictor = dt.load(bundles["regression"])
    assert predictor.classes == ("size", "light")
    assert repr(predictor).endswith("regression, 2 outputs>")


NEEDED = {
    "multi-label": ("labels", "thresholds", "calibration", "accept", "figures", "input"),
    "regression": ("targets", "half_widths", "coverage", "spreads", "accept", "figures"),
}


@pytest.mark.parametrize(("task", "field"), [(task, field) for task, fields in NEEDED.items() for field in fields])
def test_a_missing_field_is_named(task: str, field: str, bundles: dict[str, Path]) -> None:
    found = document(bundles[task])
    del found[field]
    with pytest.raises(SchemaError, match=rf"manifest\.json: {field}: Field required"):
        parse_manifest(json.dumps(found).encode())


CASES: dict[str, tuple[str, Edit, str]] = {
    "a task there is not": ("multi-label", lambda d: d.update(task="segmentation"), "'segmentation' is none of"),
    "a task that is no text": ("regression", lambda d: d.update(task=["regression"]), "task: .* is none of"),
    "another task's fields": ("multi-label", lambda d: d.update(task="regression"), "Field required"),
    "classes of labels": ("multi-label", lambda d: d.update(classes=list(SHAPES)), "classes: Extra inputs"),
    "no label": ("multi-label", lambda d: d.update(labels=[]), "labels: Tuple should have at least 1"),
    "an empty label": ("multi-label", lambda d: d["labels"].__setitem__(0, ""), r"labels\.0"),
    "a label twice": ("multi-label", lambda d: d["labels"].__setitem__(0, "stripes"), "named twice"),
    "a threshold too few": ("multi-label", lambda d: d["thresholds"].pop(), "thresholds has 2 entries for 3 outputs"),
    "a threshold above 1": ("multi-label", lambda d: d["thresholds"].__setitem__(1, 1.5), r"thresholds\.1"),
    "a threshold below 0": ("multi-label", lambda d: d["thresholds"].__setitem__(1, -0.1), r"thresholds\.1"),
    "a threshold in quotes": ("multi-label", lambda d: d["thresholds"].__setitem__(1, "0.5"), r"thresholds\.1"),
    "beta zero": ("multi-label", lambda d: d["calibration"].update(beta=0), r"calibration\.beta"),
    "precision above 1": (
        "multi-label",
        lambda d: d["figures"][0].update(format="percent", high=1.2),
        "mean-average-precision is a share",
    ),
    "share outside its interval": (
        "multi-label",
        lambda d: d["figures"][0].update(value=0.0, low=0.1),
        "does not lie in its interval",
    ),
    "half an interval": ("multi-label", lambda d: d["figures"][0].update(low=None), "has half an interval"),
    "a figure twice": ("multi-label", lambda d: d["figures"].append(d["figures"][0]), "mean-average-precision twice"),
    "a figure that is read in no way": (
        "multi-label",
        lambda d: d["figures"][0].update(format="roman"),
        r"figures\.0\.format",
    ),
    "a slug that is none": ("multi-label", lambda d: d["figures"][0].update(slug="A B"), r"figures\.0\.slug"),
    "what was called metrics": ("multi-label", lambda d: d.update(metrics={}), "metrics: Extra"),
    "an input there is not": (
        "multi-label",
        lambda d: d["input"].update(type="smell"),
        r"input\.type: 'smell' is none of image",
    ),
    "an input without a size": (
        "multi-label",
        lambda d: d["input"]["preprocess"]["resize"].update(size=[0, 8]),
        r"input\.preprocess\.resize\.size",
    ),
    "no number": ("regression", lambda d: d.update(targets=[]), "targets: Tuple should have at least 1"),
    "a number twice": ("regression", lambda d: d.update(targets=["size", "size"]), "named twice"),
    "half-width negative": ("regression", lambda d: d["half_widths"].__setitem__(0, -1.0), r"half_widths\.0"),
    "half-widths too many": ("regression", lambda d: d["half_widths"].append(1.0), "half_widths has 3 entries for 2"),
    "spread zero": ("regression", lambda d: d["spreads"].__setitem__(1, 0.0), r"spreads\.1"),
    "spreads too few": ("regression", lambda d: d["spreads"].pop(), "spreads has 1 entries for 2 outputs"),
    "coverage above 1": ("regression", lambda d: d.update(coverage=90.0), "coverage"),
    "accept of numbers": (
        "regression",
        lambda d: d.update(accept={"confidence": 0.9, "coverage": 1.0, "error": None}),
        "answers of regression have none",
    ),
}


@pytest.mark.parametrize(("task", "edit", "message"), CASES.values(), ids=CASES.keys())
def test_fields_out_of_range_are_named(task: str, edit: Edit, message: str, bundles: dict[str, Path]) -> None:
    found = document(bundles[task])
    edit(found)
    with pytest.raises(SchemaError, match=message) as caught:
        parse_manifest(json.dumps(found).encode())
    assert "\n" not in str(caught.value)


@pytest.mark.parametrize(("task", "field"), [("multi-label", "thresholds"), ("regression", "spreads")])
@pytest.mark.parametrize("number", ["NaN", "Infinity", "-Infinity"])
def test_what_is_not_finite_is_refused(task: str, field: str, number: str, bundles: dict[str, Path]) -> None:
    found = document(bundles[task])
    found[field][0] = float(number)
    with pytest.raises(SchemaError, match="figures must be finite"):
        parse_manifest(json.dumps(found).encode())


def test_an_explained_variance_that_could_not_be_reckoned_is_none(bundles: dict[str, Path]) -> None:
    found = document(bundles["regression"])
    for figure in found["figures"]:
        if figure["slug"] == "r-squared":
            figure["value"] = None if figure["of"] == "size" else 0.5
    manifest = parse_manifest(json.dumps(found).encode())
    assert manifest.published()["metrics"]["r_squared"] == [None, 0.5]


# Arrays

ARRAYS: dict[str, tuple[str, Edit, str]] = {
    "classes as fractions": (
        "classification",
        lambda a: a.update(targets_N=a["targets_N"].astype(np.float32)),
        r"targets_N is float32 \(60,\), not int64 \(60,\)",
    ),
    "a class too high": ("classification", lambda a: a["targets_N"].__setitem__(0, 3), "labels outside 0–2"),
    "labels as class numbers": (
        "multi-label",
        lambda a: a.update(targets_N=a["targets_N"].argmax(axis=1)),
        r"targets_N is int64 \(40,\), not float32 \(40, 3\)",
    ),
    "half a label": ("multi-label", lambda a: a["targets_N"].__setitem__((2, 1), 0.5), "more than 0 and 1"),
    "a label too few": (
        "multi-label",
        lambda a: a.update(targets_N=a["targets_N"][:, :2]),
        r"targets_N is float32 \(40, 2\), not float32 \(40, 3\)",
    ),
    "logits of another shape": (
        "multi-label",
        lambda a: a.update(unseen_logits_MC=a["unseen_logits_MC"][:, :2]),
        "unseen_logits_MC is float32",
    ),
    "logits that are not finite": (
        "multi-label",
        lambda a: a["unseen_logits_MC"].__setitem__((0, 0), np.nan),
        "holds what is not finite",
    ),
    "numbers in double precision": (
        "regression",
        lambda a: a.update(targets_N=a["targets_N"].astype(np.float64)),
        r"targets_N is float64 \(40, 2\), not float32 \(40, 2\)",
    ),
    "a number that is none": ("regression", lambda a: a["targets_N"].__setitem__((3, 1), np.nan), "not finite"),
    "an infinite number": ("regression", lambda a: a["targets_N"].__setitem__((3, 1), np.inf), "not finite"),
    "one number a row": (
        "regression",
        lambda a: a.update(targets_N=a["targets_N"][:, 0]),
        r"targets_N is float32 \(40,\), not float32 \(40, 2\)",
    ),
    "a row beyond": ("regression", lambda a: a["unseen_rows_M"].__setitem__(0, 40), r"rows outside 0–39"),
}


@pytest.mark.parametrize(("task", "edit", "message"), ARRAYS.values(), ids=ARRAYS.keys())
def test_arrays_that_do_not_fit_the_task(task: str, edit: Edit, message: str, copy: Callable[[str], Path]) -> None:
    bundle = copy(task)
    edit_arrays(bundle, "arrays.safetensors", edit)
    with pytest.raises(SchemaError, match=message):
        dt.load(bundle, golden=False)


# Golden images


def _altered(name: str, factor: float, shift: float = 0.0) -> Callable[[onnx.ModelProto], None]:
    """The tensor times ``factor``, and ``shift`` more for the first output."""

    def edit(model: onnx.ModelProto) -> None:
        tensor = next(tensor for tensor in model.graph.initializer if tensor.name == name)
        array = numpy_helper.to_array(tensor) * np.float32(factor)
        array[..., 0] += np.float32(shift)
        tensor.CopyFrom(numpy_helper.from_array(array, name))

    return edit


@pytest.mark.parametrize("task", KINDS)
def test_a_fresh_bundle_is_reproduced(task: str, bundles: dict[str, Path]) -> None:
    parity = dt.load(bundles[task]).parity
    assert parity is not None
    assert parity.images == 5
    assert parity.max_pixel == 0
    assert parity.max_probability < 1e-5


@pytest.mark.parametrize("task", KINDS)
@pytest.mark.parametrize("part", ["head.weight", "head.bias"])
def test_an_altered_head_is_found_though_its_sums_fit(task: str, part: str, copy: Callable[[str], Path]) -> None:
    bundle = copy(task)
    edit_graph(bundle, _altered(part, 0.5) if part == "head.weight" else _altered(part, 1, shift=3))
    unit = "numbers, in spreads of the training data, by" if task == "regression" else "probabilities by"
    with pytest.raises(ParityError, match=f"does not reproduce golden image .*{unit}"):
        dt.load(bundle)
    assert dt.load(bundle, golden=False).parity is None


@pytest.mark.parametrize("task", KINDS)
def test_a_head_altered_by_a_hair_is_let_through(task: str, copy: Callable[[str], Path]) -> None:
    bundle = copy(task)
    edit_graph(bundle, _altered("head.weight", 1 + 1e-5))
    parity = dt.load(bundle).parity
    assert parity is not None
    assert 0 < parity.max_probability < 0.01


@pytest.mark.parametrize("task", KINDS)
def test_outputs_under_other_names_are_found(task: str, copy: Callable[[str], Path]) -> None:
    bundle = copy(task)
    field = {"classification": "classes", "multi-label": "labels", "regression": "targets"}[task]
    edit_json(bundle, "manifest.json", lambda d: d[field].reverse())
    with pytest.raises(SchemaError, match=r"golden image .*: golden\.json says "):
        dt.load(bundle)


def test_a_label_on_its_threshold_may_be_given_or_not(copy: Callable[[str], Path]) -> None:
    """Another machine's last bit must not refuse a bundle."""
    bundle = copy("multi-label")
    predictor = dt.load(bundle)
    thresholds = predictor.manifest.kind.thresholds  # type: ignore[attr-defined]
    entries = json.loads((bundle / "golden" / "golden.json").read_bytes())["images"]
    probs = [list(predictor.predict(bundle / "golden" / entry["file"]).probs.values()) for entry in entries]
    # Of all answers the one next to its threshold: moving the threshold just past it changes no other.
    gap_GL = np.abs(np.asarray(probs) - np.asarray(thresholds))
    row, column = np.unravel_index(gap_GL.argmin(), gap_GL.shape)
    past = probs[row][column] + (1e-6 if probs[row][column] >= thresholds[column] else -1e-6)
    edit_json(bundle, "manifest.json", lambda d: d["thresholds"].__setitem__(int(column), past))
    changed = dt.load(bundle, golden=False).predict(bundle / "golden" / entries[row]["file"])
    assert ", ".join(changed.labels) != entries[row]["label"]
    assert dt.load(bundle).parity is not None
    # Far from the threshold it is another answer.
    beyond = (past + 1) / 2 if past > thresholds[column] else past / 2
    edit_json(bundle, "manifest.json", lambda d: d["thresholds"].__setitem__(int(column), beyond))
    with pytest.raises(SchemaError, match=r"golden image .*: golden\.json says "):
        dt.load(bundle)


def test_golden_images_say_what_people_read(bundles: dict[str, Path]) -> None:
    for task in ("multi-label", "regression"):
        bundle = bundles[task]
        predictor = dt.load(bundle)
        for entry in json.loads((bundle / "golden" / "golden.json").read_bytes())["images"]:
            answer = predictor.predict(bundle / "golden" / entry["file"])
            said = ", ".join(answer.labels) or ", ".join(f"{n} {v.value:.4g}" for n, v in answer.values.items())
            assert entry["label"] == said
            assert entry["verdict"] == answer.verdict
            assert entry["confidence"] == pytest.approx(answer.confidence, abs=1e-5)


# Answers


def without_gate(bundle: Path) -> Manifest:
    """A bundle's manifest as if it had no gate, to judge by logits alone."""
    return dt.load(bundle).manifest.model_copy(update={"gate": None})


def test_an_answer_follows_from_logits_and_manifest(bundles: dict[str, Path]) -> None:
    manifest = without_gate(bundles["multi-label"])
    kind = manifest.kind
    assert isinstance(kind, LabelKind)
    logits = np.float32([[5, -4, 0.5], [-60, -80, -70]])
    probs = 1 / (1 + np.exp(-kind.calibration.beta * logits.astype(float)))
    np.testing.assert_allclose(kind.answers(logits), probs, rtol=1e-12)
    np.testing.assert_array_equal(kind.comparable(logits), kind.answers(logits))
    none = judge(manifest, "a.jpg", seen(logits[1]))
    assert none.labels == ()
    assert none.confidence == pytest.approx(1)
    assert none.verdict == dt.Verdict.ACCEPT
    assert none.reasons == ()
    manifest = without_gate(bundles["regression"])
    kind = manifest.kind
    assert isinstance(kind, NumberKind)
    numbers = np.float32([[12, 200]])
    answer = judge(manifest, "a.jpg", seen(numbers[0]))
    for m, name in enumerate(("size", "light")):
        value, half = answer.values[name], kind.half_widths[m]
        assert (value.value, value.low, value.high) == (numbers[0, m], numbers[0, m] - half, numbers[0, m] + half)
        assert value.method == "split-conformal, 90 %"
    assert (answer.label, answer.confidence, answer.labels) == (None, 0.0, ())
    assert answer.verdict == dt.Verdict.REVIEW
    np.testing.assert_allclose(kind.comparable(numbers), numbers / np.asarray(kind.spreads))


def seen(logits_W: np.ndarray) -> Seen:
    return Seen(logits_W, np.zeros(4, np.float32))


@pytest.mark.parametrize("task", KINDS)
def test_path_bytes_and_picture_get_the_same_answer(
    task: str, bundles: dict[str, Path], drawings: tuple[Drawing, ...]
) -> None:
    predictor, path = dt.load(bundles[task]), drawings[5].path
    answer = predictor.predict(path)
    assert answer.error is None
    assert answer.bundle_id == predictor.manifest.bundle_id
    with Image.open(path) as image:
        for source in (path.read_bytes(), image):
            other = predictor.predict(source)
            assert (other.label, other.labels, other.probs, other.values) == (
                answer.label,
                answer.labels,
                answer.probs,
                answer.values,
            )


@pytest.mark.parametrize("task", KINDS)
def test_files_that_cannot_be_read_are_answered_as_such(task: str, bundles: dict[str, Path], tmp_path: Path) -> None:
    predictor = dt.load(bundles[task])
    (tmp_path / "empty.png").write_bytes(b"")
    (tmp_path / "words.jpg").write_text("words")
    for path, reason in (
        (tmp_path / "missing.png", "missing: no such file"),
        (tmp_path / "empty.png", "empty"),
        (tmp_path / "words.jpg", "not an image"),
        (tmp_path, "unreadable"),
    ):
        answer = predictor.predict(path)
        assert answer.verdict == dt.Verdict.UNREADABLE
        assert (answer.error or "").startswith(reason)
        assert (answer.label, answer.labels, dict(answer.probs), dict(answer.values)) == (None, (), {}, {})
        assert answer.confidence == 0


@pytest.mark.parametrize("task", KINDS)
def test_many_are_answered_in_order_as_each_by_itself(
    task: str, bundles: dict[str, Path], drawings: tuple[Drawing, ...], tmp_path: Path
) -> None:
    predictor = dt.load(bundles[task])
    paths = [tmp_path / "missing.png", *(drawing.path for drawing in drawings[:6])]
    answered = list(predictor.predict_many(paths, workers=3))
    assert [answer.path for answer in answered] == [str(path) for path in paths]
    assert answered == [predictor.predict(path) for path in paths]


def test_a_graph_of_another_width_is_refused(copy: Callable[[str], Path]) -> None:
    bundle = copy("regression")

    def drop_one(manifest: dict[str, Any]) -> None:
        for name in ("targets", "half_widths", "spreads"):
            manifest[name].pop()

    edit_json(bundle, "manifest.json", drop_one)
    with pytest.raises(BundleError, match=r"(unseen_logits_MC|targets_N) is float32"):
        dt.load(bundle)


# Cards


def test_cards_say_what_each_kind_is(bundles: dict[str, Path]) -> None:
    card = (bundles["multi-label"] / "card.md").read_text(encoding="utf-8")
    assert "A model that gives an image any of 3 labels" in card
    assert "\n| mean average precision (guessing, by how common each label is: " in card
    card = (bundles["regression"] / "card.md").read_text(encoding="utf-8")
    assert "A model that reads size, light off an image" in card
    assert "\n| mean absolute error of light (always answering the median: " in card
    assert "every answer is marked `review`" in " ".join(card.split())
