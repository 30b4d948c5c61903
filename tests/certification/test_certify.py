"""Certifying: from labelled pictures of the field to a bundle that says what is certified, on the committed bundle of colours."""

from __future__ import annotations

import json
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from PIL import Image

import drivetrain as dt
from coloured import draw_field
from drivetrain.app.certify import certify
from drivetrain.certification.asked import Asked
from drivetrain.certification.certified import Certified
from drivetrain.certification.reading import Reading
from drivetrain.core.errors import DataError, UsageError
from drivetrain.model import storage
from drivetrain.model.kinds.labels import LabelKind
from drivetrain.model.part import Calibration
from tiny_backbone import TINY

KEPT = Path(__file__).parent.parent / "bundles" / "v1"
EACH = 40


@pytest.fixture(scope="module")
def field(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return draw_field(tmp_path_factory.mktemp("field"), EACH)


@pytest.fixture(scope="module")
def reading(tmp_path_factory: pytest.TempPathFactory) -> Reading:
    return Reading(cache=tmp_path_factory.mktemp("cache"))


@pytest.fixture(scope="module")
def made(field: Path, reading: Reading, tmp_path_factory: pytest.TempPathFactory) -> tuple[Certified, Path]:
    out = tmp_path_factory.mktemp("certified") / "new.bundle"
    asked = Asked.of(max_error=0.2, by=["camera", "class"])
    return certify(KEPT, field / "field.csv", asked, out=out, reading=reading), out


def test_the_document_is_as_documented(made: tuple[Certified, Path]) -> None:
    found, _ = made
    document = found.to_json()
    assert list(document) == [
        "certified",
        "max_error",
        "confidence",
        "n",
        "independent",
        "threshold",
        "accepted",
        "wrong",
        "error_upper",
        "needed",
        "by",
    ]
    assert (document["certified"], document["max_error"], document["confidence"]) == (True, 0.2, 0.95)
    assert (document["n"], document["needed"]) == (3 * EACH + 1, 14)
    assert document["independent"] + found.tuned_on == 3 * EACH  # copies of one picture count once
    assert found.tuned_on == EACH
    assert [one["slice"] for one in document["by"]] == [
        "camera=north",
        "camera=south",
        "class=blau",
        "class=grün",
        "class=rot",
    ]
    north, south = document["by"][:2]
    assert north["independent"] + south["independent"] == document["independent"]
    assert north["accepted"] + south["accepted"] == document["accepted"]


def test_the_new_bundle_carries_the_certificate_and_gives_the_same_answers(
    made: tuple[Certified, Path], field: Path
) -> None:
    found, out = made
    old, new = dt.load(KEPT), dt.load(out)
    assert new.parity is not None  # the golden examples were judged anew
    accept = new.manifest.accept
    assert accept is not None
    assert accept.certificate is not None
    assert (accept.basis, accept.confidence) == ("certificate", found.accept.confidence)
    assert accept.certificate.source == "field.csv"
    assert sum(accept.certificate.mix.values()) == pytest.approx(1)
    answered = accept.certificate.answered
    assert accept.certificate.stands_for(answered)
    assert not accept.certificate.stands_for({**answered, "rot": answered["rot"] + 0.25})
    assert new.manifest.bundle_id != old.manifest.bundle_id
    assert new.manifest.kind.beta != old.manifest.kind.beta
    for picture in (field / "rot" / "01.png", field / "blau" / "02.png"):
        assert old.predict(picture).label == new.predict(picture).label
    page = (out / storage.REPORT).read_text(encoding="utf-8").replace("\N{NO-BREAK SPACE}", " ")
    for words in ("What is certified", "What changed", "camera=north", "a stated convention, which promises nothing"):
        assert words in page
    assert "a certificate from labelled data that the model had not seen" in (out / storage.CARD).read_text("utf-8")
    names = {name for name in storage.read_files(KEPT) if name.startswith("golden/")}
    assert names == {name for name in storage.read_files(out) if name.startswith("golden/")}


def test_the_same_again_is_the_same_and_another_seed_deals_otherwise(field: Path, reading: Reading) -> None:
    asked = Asked.of(max_error=0.2)
    one, same, other = (certify(KEPT, field, each, reading=reading) for each in (asked, asked, replace(asked, seed=1)))
    assert one.after.bundle_id == same.after.bundle_id != other.after.bundle_id
    assert one.to_json() == same.to_json()


def test_what_cannot_be_certified_is_said_and_the_bundle_accepts_nothing(
    field: Path, reading: Reading, tmp_path: Path
) -> None:
    found = certify(KEPT, field, Asked.of(max_error=0.02), out=tmp_path / "none", reading=reading)
    assert not found.certified
    document = found.to_json()
    assert (document["certified"], document["threshold"], document["accepted"], document["error_upper"]) == (
        False,
        None,
        0,
        1.0,
    )
    line = dict(found.lines())["Accepts"]
    assert line.startswith("Cannot certify 2 %: at least 149 accepted, independent cases without an error are needed")
    assert dt.load(tmp_path / "none").predict(field / "rot" / "01.png").verdict == "review"
    assert "What cannot be certified" in (tmp_path / "none" / storage.REPORT).read_text("utf-8")


def test_what_fails_in_one_slice_says_what_each_of_them_needs(field: Path, reading: Reading) -> None:
    asked = Asked.of(max_error=0.05, by=["camera"], jointly=True)
    found = certify(KEPT, field / "field.csv", asked, reading=reading)
    assert not found.certified
    assert found.to_json()["needed"] == 72
    line = dict(found.lines())["Accepts"]
    assert "at least 72 accepted, independent cases without an error are needed in each slice; about" in line


def test_copies_of_training_pictures_are_left_out_and_counted(field: Path, reading: Reading) -> None:
    bundle = KEPT.parent / "v4-classes"
    golden = json.loads((bundle / storage.GOLDEN).read_bytes())["images"]
    # Golden pictures are training pictures.
    copies = [(bundle / "golden" / entry["file"], "dark") for entry in golden if entry["lossless"]]
    own = [(path, "bright" if index % 2 else "dark") for index, path in enumerate(sorted(field.glob("*/1*.png")))]
    found = certify(bundle, [*own, *copies], Asked.of(max_error=0.5), reading=reading)
    assert found.certificate.leaks == len(copies) > 0
    assert found.certificate.images == len(own)
    assert "are copies of training images and left out" in dict(found.lines())["Images"]


def test_pictures_of_a_class_it_does_not_know_are_no_part_of_the_certificate_and_it_says_so(
    field: Path, reading: Reading
) -> None:
    pictures = [(path, "gelb" if path.stem[0] == "0" else path.parent.name) for path in sorted(field.glob("*/??.png"))]
    found = certify(KEPT, pictures, Asked.of(max_error=0.3), reading=reading)
    assert found.certificate.images == 3 * (EACH - 10)
    start = "30 of 120 labelled images are of a class the bundle does not know, and count nowhere"
    assert found.remarks[0].startswith(start)
    assert ("!", found.remarks[0]) in list(found.lines())


def test_a_stated_mix_is_certified_for_itself(field: Path, reading: Reading) -> None:
    asked = Asked.of(max_error=0.25, prevalence="blau=0.5,grün=0.5,rot=0")
    found = certify(KEPT, field, asked, reading=reading)
    assert found.certificate.stated
    assert found.certificate.mix["rot"] == 0
    assert found.certificate.mix["blau"] == pytest.approx(0.5, abs=0.05)
    lines = dict(found.lines())
    assert "Class mix" in lines
    assert lines["Images"] == f"{3 * EACH + 1} labelled"  # more of them are independent than were drawn
    assert "were kept and drawn to the stated mix to be judged" in lines["Calibrated"]


@pytest.mark.parametrize(
    ("given", "error", "message"),
    [
        ({"by": ["lens"]}, UsageError, "field.csv has no column 'lens'; its columns are path, label, camera"),
        ({"prevalence": "bear=1"}, UsageError, "names 'bear'; the bundle's classes are blau, grün, rot"),
        ({"prevalence": "blau=1"}, UsageError, "says nothing of grün, rot, which occur"),
    ],
)
def test_what_does_not_fit_the_data_is_refused(
    field: Path, reading: Reading, given: dict[str, Any], error: type[Exception], message: str
) -> None:
    with pytest.raises(error, match=message):
        certify(KEPT, field / "field.csv", Asked.of(**given), reading=reading)


def test_a_column_needs_a_table(field: Path, reading: Reading) -> None:
    with pytest.raises(UsageError, match=r"by .* is 'camera', a column, and .* is no table"):
        certify(KEPT, field, Asked.of(by=["camera"]), reading=reading)


def test_too_few_pictures_are_refused(field: Path, reading: Reading) -> None:
    with pytest.raises(DataError, match="2 independent images, which cannot be dealt"):
        certify(KEPT, [(field / "rot/01.png", "rot"), (field / "blau/01.png", "blau")], Asked.of(), reading=reading)


def test_few_pictures_leave_the_calibration_as_it_was(field: Path, reading: Reading) -> None:
    pictures = [(path, path.parent.name) for path in sorted(field.glob("*/0*.png"))]
    found = certify(KEPT, pictures, Asked.of(max_error=0.3), reading=reading)
    assert found.after.kind == found.before.kind
    assert "10 images are too few to calibrate confidences by" in dict(found.lines())["!"]


def test_numbers_are_not_certified(field: Path, reading: Reading) -> None:
    with pytest.raises(UsageError, match="answers of regression have none"):
        certify(KEPT.parent / "v3-numbers", field, Asked.of(), reading=reading)


def test_another_calibration_gives_the_same_labels() -> None:
    kind = LabelKind(
        labels=("big", "red", "wet"), thresholds=(0.5, 0.2, 1.0), calibration=Calibration(beta=1.25, fitted_on="some")
    )
    logits_NW = np.random.default_rng(0).normal(0, 3, (500, 3)).astype(np.float32)
    other = kind.recalibrated(0.4, "others")
    assert other.beta == 0.4
    before, after = ([one.answered(answers).labels for answers in one.answers(logits_NW)] for one in (kind, other))
    assert before == after
    assert {label for labels in before for label in labels} >= {"big", "red"}


@pytest.mark.trains
def test_the_gate_is_calibrated_by_fresh_pictures(pictures: Path, fresh_pictures: Path, tmp_path: Path) -> None:
    reading = Reading(cache=tmp_path / "cache")
    bundle = tmp_path / "b"
    dt.train(pictures, bundle, backbone="efficientnet-lite0", cache=tmp_path / "cache", gallery=0)
    assert dt.load(bundle).gate is not None
    found = certify(bundle, fresh_pictures, Asked.of(max_error=0.5), out=tmp_path / "new", reading=reading)
    new = dt.load(tmp_path / "new")
    assert new.gate is not None
    assert new.manifest.gate is not None
    assert new.manifest.gate.calibrated_on == found.tuned_on == len(new.gate.scores_M) >= 19
    assert new.manifest.gate.how == "on fresh independent images that the model had not seen"
    before = dt.load(bundle).manifest.gate
    assert before is not None
    assert before.tried
    assert new.manifest.gate.tried == (), "what the gate made of sets before it was calibrated anew is told no more"
    assert any(name == "Gate" for name, _, _ in found.changes())
    assert dict(found.lines())["Turns away"].endswith(f"; calibrated on {found.tuned_on} images, one of each group")
    few = certify(bundle, fresh_pictures, Asked.of(max_error=0.5, false_alarm=0.01), reading=reading)
    assert "too few to calibrate the gate by (99 would do at 0.01)" in dict(few.lines())["!"]
    assert few.after.gate == few.before.gate


def test_the_bundle_that_is_certified_is_not_replaced(field: Path, reading: Reading) -> None:
    with pytest.raises(
        UsageError, match=r"v1 is the bundle that is certified, and stays as it is; give the new one \(--out\)"
    ):
        certify(KEPT, field, Asked.of(max_error=0.2), out=KEPT.parent / "." / KEPT.name, reading=reading)


@pytest.mark.trains
def test_a_gate_calibrated_by_what_is_too_strange_is_refused_with_what_to_do(pictures: Path, tmp_path: Path) -> None:
    bundle, rng = tmp_path / "b", np.random.default_rng(0)
    dt.train(pictures, bundle, backbone=TINY, use_cache=False, gallery=0)
    classes = dt.load(bundle).classes
    far = Image.open(bundle / "golden" / "far.png").convert("RGB")
    strange = []
    for index in range(90):
        blocks = Image.fromarray(rng.integers(0, 256, (3, 3, 3), dtype=np.uint8)).resize(far.size)
        strange.append((tmp_path / f"{index}.png", classes[index % len(classes)]))
        Image.blend(far, blocks, 0.3).save(strange[-1][0])
    reading = Reading(use_cache=False)
    with pytest.raises(DataError, match="would let pass even the image that was planted to be refused"):
        certify(bundle, strange, Asked.of(max_error=0.5), out=tmp_path / "new", reading=reading)
    assert not (tmp_path / "new").exists()
