"""The manifest: what it accepts, what it refuses and in which words; old bundles load for good."""

from __future__ import annotations

import json
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
from PIL import Image
from tampering import edit_json

import drivetrain as dt
from drawn import draw_deep
from drivetrain.core.errors import SchemaError
from drivetrain.model.manifest import SCHEMA_VERSION, parse_manifest

Edit = Callable[[dict[str, Any]], object]

BUNDLES = Path(__file__).parent.parent / "bundles"
OLD = ("v1", "v2-classes", "v2-labels", "v2-numbers")
LATER = [f"v{version}-{kind}" for version in (3, 4) for kind in ("classes", "labels", "numbers", "grades")]
RENDER = {
    3: {"colour": "stored", "ranges": "picture"},
    4: {"colour": "srgb", "ranges": {"integers": None, "floats": None}},
}


@pytest.fixture
def document(kept: Path) -> dict[str, Any]:
    """A manifest of schema version 1."""
    return dict(json.loads((kept / "manifest.json").read_bytes()))


# Version 1, for good


def test_a_bundle_of_version_1_loads_and_predicts(kept: Path) -> None:
    predictor = dt.load(kept)
    assert predictor.manifest.schema_version == 1
    assert predictor.classes == ("blau", "grün", "rot")
    assert predictor.parity is not None
    assert predictor.parity.images == 4
    # Pinned when the bundle was made.
    for colour, label, confidence, verdict in (
        ((30, 40, 210), "blau", 0.996154, "accept"),
        ((20, 190, 60), "grün", 0.996154, "accept"),
        ((200, 150, 20), "rot", 0.970824, "accept"),
        ((128, 128, 130), "blau", 0.666566, "review"),
    ):
        answer = predictor.predict(Image.new("RGB", (20, 16), colour))
        assert (answer.label, answer.verdict) == (label, verdict)
        assert answer.confidence == pytest.approx(confidence, abs=1e-4)
    assert predictor.arrays().embeddings_ND.shape == (4, 4)


def test_the_kept_bundle_is_small(kept: Path) -> None:
    assert sum(path.stat().st_size for path in kept.rglob("*") if path.is_file()) < 60_000


def test_today_writes_a_version_of_its_own(trained: Path) -> None:
    # When this fails, keep a bundle of each kind in the old version beside those of tests/bundles, and their answers.
    assert json.loads((trained / "manifest.json").read_bytes())["schema_version"] == SCHEMA_VERSION == 5


# Round trip


def test_written_and_read_it_is_the_same(trained: Path, kept: Path) -> None:
    text = (trained / "manifest.json").read_bytes()
    assert json.loads(parse_manifest(text).to_json()) == json.loads(text)
    for bundle in (trained, kept):
        manifest = parse_manifest((bundle / "manifest.json").read_bytes())
        again = parse_manifest(manifest.to_json().encode())
        assert again == manifest.model_copy(update={"schema_version": SCHEMA_VERSION})


# Versions 1 and 2 in the present one


@pytest.mark.parametrize("name", OLD)
def test_an_old_manifest_is_shown_with_every_field_it_had(name: str) -> None:
    document = json.loads((BUNDLES / name / "manifest.json").read_bytes())
    shown = parse_manifest((BUNDLES / name / "manifest.json").read_bytes()).published()
    # What version 2 has added is empty in a version 1 manifest; nothing is lost or changed.
    document.setdefault("frozen_width", None)
    document["training"].setdefault("fine_tuning", None)
    # What was the only way then is said since version 4.
    document["preprocess"]["render"] = {"colour": "stored", "ranges": "picture"}
    # Since version 5 it is said on what an accepted answer rests; that it was not certified went without saying.
    if document.get("accept"):
        assert document["accept"].pop("certified", False) is False
        document["accept"].update(basis="convention", bound=None, width=None, certificate=None)
    assert {field: shown[field] for field in document} == document
    assert shown["input"] == {"type": "image", "preprocess": shown["preprocess"]}
    assert set(shown) - set(document) <= {"input", "figures", "accept", "gate"}


def test_an_old_classifiers_figures_are_rows(document: dict[str, Any]) -> None:
    document["metrics"].update(auc=0.875, accuracy_with_leak=0.9)
    rows = parse_manifest(json.dumps(document).encode()).rows
    how = "Out of fold, 2 folds that keep groups together"
    assert [(row.slug, row.value, row.format, row.better) for row in rows] == [
        ("accuracy", 1.0, "percent", "higher"),
        ("accuracy-random-split", 1.0, "percent", None),
        ("accuracy-with-leak", 0.9, "percent", None),
        ("balanced-accuracy", 1.0, "percent", "higher"),
        ("log-loss", 0.01, "decimals", "lower"),
        ("calibration-error", 0.01, "points", "lower"),
        ("auc", 0.875, "decimals", "higher"),
    ]
    assert (rows[0].low, rows[0].high, rows[0].how) == (0.51, 1.0, f"{how}; Wilson 95 %")
    assert {row.how for row in rows[1:]} == {how}


def test_old_figures_of_labels_and_numbers_are_rows() -> None:
    labels = parse_manifest((BUNDLES / "v2-labels" / "manifest.json").read_bytes())
    slugs = ["mean-average-precision", "mean-average-precision-random-split", "all-labels-right", "log-loss"]
    assert [row.slug for row in labels.rows] == slugs
    numbers = parse_manifest((BUNDLES / "v2-numbers" / "manifest.json").read_bytes())
    slugs = ["mean-absolute-error", "baseline", "root-mean-squared-error", "r-squared"]
    assert [(row.slug, row.of) for row in numbers.rows] == [(s, of) for of in ("size", "light") for s in slugs]
    assert numbers.accept is None


def assert_same(found: Any, wanted: Any) -> None:
    """The same but for the last bits of numbers: processors of another make, and other kernels on the same one, add up the
    networks' floats of 32 bits in another order, which moves these bundles' logits by up to 1e-7 of their size."""
    if isinstance(wanted, dict):
        assert found.keys() == wanted.keys()
        for name in wanted:
            assert_same(found[name], wanted[name])
    elif isinstance(wanted, float):
        assert found == pytest.approx(wanted, rel=2e-6, abs=1e-12)
    else:
        assert found == wanted


@pytest.mark.parametrize("name", OLD)
def test_old_bundles_answer_as_they_did(name: str) -> None:
    """Recorded by the drivetrain that made them, see ``tests/bundles/make_v2.py``."""
    predictor, kept = dt.load(BUNDLES / name), json.loads((BUNDLES / "answers.json").read_text("utf-8"))[name]
    assert len(kept) == 8
    for wanted in kept:
        of = wanted.pop("of")
        golden = BUNDLES / name / "golden" / of
        colour = None if golden.exists() else tuple(map(int, of.split(",")))
        answer = predictor.predict(golden if colour is None else Image.new("RGB", (20, 16), colour)).to_json()
        assert_same({field: answer[field] for field in wanted}, wanted)
        assert bool(answer["reasons"]) == (wanted["verdict"] == "review")


@pytest.mark.parametrize("name", LATER)
def test_later_bundles_answer_as_they_did(name: str, tmp_path: Path) -> None:
    """Recorded by the drivetrain that made them, see ``bundles/make_v4.py``; pictures of more than 8 bits included."""
    version = int(name[1])
    kept = json.loads((BUNDLES / f"answers_v{version}.json").read_text("utf-8"))[name]
    predictor = dt.load(BUNDLES / name)
    assert predictor.manifest.schema_version == version
    assert predictor.manifest.gate is None
    assert predictor.manifest.input.preprocess.model_dump()["render"] == RENDER[version]
    deep = {path.name: path for path in draw_deep(tmp_path)}
    assert len(kept) == 8 + len(deep)
    for wanted in kept:
        of = wanted.pop("of")
        golden = BUNDLES / name / "golden" / of
        path = golden if golden.exists() else deep.get(of)
        answer = predictor.predict(path or Image.new("RGB", (20, 16), tuple(map(int, of.split(","))))).to_json()
        assert_same({field: answer[field] for field in wanted}, wanted)


# Refusals


def test_a_newer_schema_names_both_versions(document: dict[str, Any]) -> None:
    document["schema_version"] = 7
    document["something_new"] = True
    with pytest.raises(SchemaError, match="schema version 7, this drivetrain reads up to 5; upgrade drivetrain"):
        parse_manifest(json.dumps(document).encode())


@pytest.mark.parametrize("version", [None, "1", 1.0, True, 0, -1, [1]])
def test_a_version_that_is_none_is_no_manifest(document: dict[str, Any], version: object) -> None:
    document["schema_version"] = version
    with pytest.raises(SchemaError, match="has no schema_version"):
        parse_manifest(json.dumps(document).encode())


@pytest.mark.parametrize(
    "field", ["name", "bundle_id", "classes", "preprocess", "calibration", "accept", "metrics", "data", "versions"]
)
def test_a_missing_field_is_named(document: dict[str, Any], field: str) -> None:
    del document[field]
    with pytest.raises(SchemaError, match=rf"manifest\.json: {field}: Field required"):
        parse_manifest(json.dumps(document).encode())


CASES: dict[str, tuple[Edit, str]] = {
    "unknown field": (lambda d: d.update(extra=1), "extra: Extra inputs are not permitted"),
    "unknown inner field": (lambda d: d["metrics"].update(f1=1), r"metrics\.f1"),
    "one class": (lambda d: d.update(classes=["rot"]), "classes: Tuple should have at least 2 items"),
    "class twice": (
        lambda d: d.update(classes=["rot", "rot", "blau"]),
        "the same class, label or target is named twice",
    ),
    "empty class": (lambda d: d.update(classes=["rot", "", "blau"]), r"classes\.1: String should have at least 1"),
    "beta zero": (lambda d: d["calibration"].update(beta=0), r"calibration\.beta"),
    "beta negative": (lambda d: d["calibration"].update(beta=-1.0), r"calibration\.beta"),
    "confidence above 1": (lambda d: d["accept"].update(confidence=1.5), r"accept\.confidence"),
    "accuracy above 1": (lambda d: d["metrics"]["accuracy"].update(high=1.2), r"metrics\.accuracy\.high"),
    "outside its interval": (lambda d: d["metrics"]["accuracy"].update(value=0.1), "does not lie in its interval"),
    "negative loss": (lambda d: d["metrics"].update(log_loss=-0.1), r"metrics\.log_loss"),
    "no images": (lambda d: d["data"].update(images=0), r"data\.images"),
    "negative count": (lambda d: d["data"].update(per_class={"rot": -1}), r"data\.per_class\.rot"),
    "number in quotes": (lambda d: d["data"].update(images="4"), r"data\.images"),
    "true for 1": (lambda d: d["data"].update(images=True), r"data\.images"),
    "another task": (lambda d: d.update(task="translation"), "task: 'translation' is none of"),
    "id that is no id": (lambda d: d.update(bundle_id="../../x"), "bundle_id"),
    "width zero": (lambda d: d.update(embedding_width=0), "embedding_width"),
    "input of no size": (lambda d: d["preprocess"]["resize"].update(size=[0, 8]), r"preprocess\.resize\.size"),
    "input beyond memory": (lambda d: d["preprocess"]["resize"].update(size=[10**6, 8]), "at most 4096 pixels"),
    "unknown filter": (lambda d: d["preprocess"]["resize"].update(filter="nearest"), r"preprocess\.resize\.filter"),
    "std zero": (lambda d: d["preprocess"].update(std=[0.5, 0, 0.5]), "preprocess"),
    "two channels": (lambda d: d["preprocess"].update(mean=[0.5, 0.5]), r"preprocess\.mean"),
    "another mode": (lambda d: d["preprocess"].update(mode="BGR"), r"preprocess\.mode"),
}


@pytest.mark.parametrize(("edit", "message"), CASES.values(), ids=CASES.keys())
def test_fields_out_of_range_are_named(document: dict[str, Any], edit: Edit, message: str) -> None:
    edit(document)
    with pytest.raises(SchemaError, match=message) as caught:
        parse_manifest(json.dumps(document).encode())
    assert "\n" not in str(caught.value)


BOUND = {
    "max_error": 0.02,
    "level": 0.95,
    "independent": 200,
    "accepted": 160,
    "wrong": 0,
    "error_upper": 0.0186,
    "needed": 149,
}


@pytest.mark.parametrize(
    ("accept", "message"),
    [
        ({"basis": "certificate"}, "accept has no bound, and its basis is certificate"),
        ({"basis": "certificate", "bound": BOUND}, "accept has no certificate, and its basis is certificate"),
        ({"basis": "estimate"}, "accept has no bound, and its basis is estimate"),
        ({"bound": BOUND}, "accept has a bound, and its basis is convention"),
    ],
)
def test_a_basis_without_what_it_rests_on_is_refused(trained: Path, accept: dict[str, Any], message: str) -> None:
    document = json.loads((trained / "manifest.json").read_bytes())
    document["accept"].update(accept)
    with pytest.raises(SchemaError, match=message):
        parse_manifest(json.dumps(document).encode())


@pytest.mark.parametrize("name", ["v1", "v2-classes", "v3-classes", "v4-classes"])
@pytest.mark.parametrize("field", ["gate", "accept.basis", "accept.bound", "accept.certificate", "accept.width"])
def test_an_old_manifest_has_no_newer_claims(name: str, field: str) -> None:
    document = json.loads((BUNDLES / name / "manifest.json").read_bytes())
    (document["accept"] if "." in field else document)[field.removeprefix("accept.")] = None
    with pytest.raises(SchemaError, match=f"{field}: no bundle of schema version {name[1]} has it"):
        parse_manifest(json.dumps(document).encode())


@pytest.mark.parametrize("number", ["NaN", "Infinity", "-Infinity"])
def test_figures_that_are_no_numbers_are_refused(document: dict[str, Any], number: str) -> None:
    text = json.dumps(document).replace('"ece": 0.01', f'"ece": {number}')
    with pytest.raises(SchemaError, match=f"contains {number}; figures must be finite"):
        parse_manifest(text.encode())


@pytest.mark.parametrize("field", ['"ece": 0.01', '"beta": 1.25', '"std": [0.5,'])
def test_a_number_too_large_to_be_one_is_refused(document: dict[str, Any], field: str) -> None:
    text = json.dumps(document)
    assert field in text
    huge = text.replace(field, field.replace(field.split(" ")[-1].strip("[,"), "1e999"))
    with pytest.raises(SchemaError, match="finite number"):
        parse_manifest(huge.encode())


@pytest.mark.parametrize(
    "text",
    [b"", b"{", b"schema_version: 1", b"\xff\xfe{}", b'{"schema_version": ' + b"9" * 5000 + b"}"],
    ids=["empty", "cut", "YAML", "not UTF-8", "a number of 5000 digits"],
)
def test_what_is_not_json_is_refused(text: bytes) -> None:
    with pytest.raises(SchemaError, match="is not valid JSON"):
        parse_manifest(text)


@pytest.mark.parametrize("text", [b"[]", b"null", b'"x"', b"{}", b"3"])
def test_json_that_is_no_manifest_is_refused(text: bytes) -> None:
    with pytest.raises(SchemaError, match="is this a bundle"):
        parse_manifest(text)


@pytest.mark.parametrize("opening", [b"[", b'{"a":'])
def test_deep_nesting_is_refused_without_a_crash(opening: bytes) -> None:
    with pytest.raises(SchemaError):
        parse_manifest(b'{"schema_version": 1, "name": ' + opening * 100_000)


def test_a_class_name_cannot_break_an_error_over_several_lines(document: dict[str, Any]) -> None:
    document["data"]["evil\nname"] = 1
    with pytest.raises(SchemaError) as caught:
        parse_manifest(json.dumps(document).encode())
    assert "evil" in str(caught.value)
    assert "\n" not in str(caught.value)


# In a bundle


def test_loading_names_the_bundle_and_the_field(bundle: Path) -> None:
    edit_json(bundle, "manifest.json", lambda d: d["calibration"].update(beta=0))
    with pytest.raises(SchemaError, match=r"colours\.bundle: manifest\.json: calibration\.beta"):
        dt.load(bundle)
