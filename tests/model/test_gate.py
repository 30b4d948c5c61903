"""The gate in a bundle: what it turns away and why, and that one that is damaged or broken is not loaded."""

from __future__ import annotations

import json
import shutil
from collections.abc import Callable
from io import BytesIO
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from PIL import Image
from tampering import edit_arrays, edit_json, reseal

import drivetrain as dt
from drivetrain.core.errors import ParityError, SchemaError
from drivetrain.core.verdict import Verdict
from drivetrain.model.inputs.far_pictures import far_pictures
from drivetrain.model.policy import Policy
from drivetrain.model.rule import Answers
from drivetrain.model.seen import Seen, SeenItems
from tiny_backbone import TINY

pytestmark = pytest.mark.usefixtures("tried_here")

GATE = "gate.safetensors"
Arrays = dict[str, np.ndarray]


@pytest.fixture
def gated(trained: Path, tmp_path: Path) -> Path:
    """A copy of the trained bundle, which has a gate."""
    return Path(shutil.copytree(trained, tmp_path / "gated.bundle"))


def test_a_picture_of_nothing_it_knows_is_refused_in_words(predictor: dt.Predictor, trained: Path) -> None:
    found = predictor.predict(trained / "golden" / "far.png")
    assert found.verdict is Verdict.OUT_OF_DOMAIN
    gate = predictor.manifest.gate
    assert gate is not None
    assert found.p_in_domain == 1 / (gate.calibrated_on + 1) <= gate.level
    document = found.to_json()
    assert document["p_in_domain"] == found.p_in_domain
    assert document["reasons"][0]["code"] == "out-of-domain"
    among = int(np.ceil(1000 / (gate.calibrated_on + 1)))
    start = f"unlike anything it was trained on: of 1,000 images like those, at most {among} look as unlike them; "
    text = document["reasons"][0]["text"]
    assert text.startswith(start + "the nearest training images are labelled ")
    assert set(text.removeprefix(start + "the nearest training images are labelled ").split(", ")) <= set(
        predictor.classes
    )
    assert found.label is not None  # it is said what the answer would have been


def test_most_pictures_of_its_kind_pass_with_a_p_value(predictor: dt.Predictor, pictures: Path) -> None:
    found = [predictor.predict(path) for path in sorted(pictures.rglob("*.jpg"))]
    p_N = np.array([one.p_in_domain for one in found], float)
    assert ((p_N > 0) & (p_N <= 1)).all()
    assert np.mean([one.verdict is Verdict.OUT_OF_DOMAIN for one in found]) < 0.1
    assert len(np.unique(p_N)) > 20


def test_one_by_one_and_in_arrays_the_same_are_turned_away(predictor: dt.Predictor, pictures: Path) -> None:
    paths = sorted(pictures.rglob("*.jpg"))[::3]
    seen = [predictor.run(path) for path in [*paths, *far_pictures()]]
    logits_NW, embedding_ND = (np.stack(parts) for parts in zip(*seen, strict=True))
    facts = {"width": 96, "height": 80}
    items = SeenItems(logits_NW, lambda: embedding_ND, lambda: embedding_ND, lambda _: facts)
    kind = predictor.manifest.kind
    standing = predictor.policy.standing(items, Answers(kind, kind.answers(logits_NW)))
    alone = [predictor.judge("", items[row]) for row in range(len(items))]
    assert [one.verdict is Verdict.ACCEPT for one in alone] == standing.stands_N.tolist()
    assert any(one.verdict is Verdict.OUT_OF_DOMAIN for one in alone)
    assert standing.stands_N.any()
    # Where p-values are known, they are what counts: those of training images, out of fold.
    known = SeenItems(logits_NW, lambda: embedding_ND, None, lambda _: facts, np.zeros(len(items)))
    nothing = Policy.of(predictor.manifest).standing(known, Answers(kind, kind.answers(logits_NW)))
    assert not nothing.stands_N.any()
    assert nothing.lets.none == "every image is unlike those trained on"


def test_a_policy_of_the_manifest_alone_has_words_and_cannot_judge(predictor: dt.Predictor, pictures: Path) -> None:
    words = Policy.of(predictor.manifest)
    assert words.lets == predictor.policy.lets
    assert words.needs_frozen
    logits_W, embedding_D = predictor.run(pictures / "discs" / "00.jpg")
    seen, answer = Seen(logits_W, embedding_D, embedding_D), predictor.manifest.kind.answer(logits_W)
    with pytest.raises(ValueError, match="made without the bundle's memory"):
        words.judged("", seen, answer, "f" * 16)


def test_the_bundle_says_what_the_gate_rests_on(trained: Path) -> None:
    manifest = json.loads((trained / "manifest.json").read_bytes())
    gate, groups = manifest["gate"], manifest["data"]["images"]
    assert (gate["false_alarm"], gate["mode"]) == (0.05, "marginal")
    assert 19 <= gate["calibrated_on"] <= groups
    assert gate["level"] == int(0.05 * (gate["calibrated_on"] + 1)) / (gate["calibrated_on"] + 1)
    assert gate["how"] == "out of fold, 5 folds that keep groups together, one image of each group"
    assert (trained / GATE).stat().st_size < 3 << 20


def test_a_bundle_in_which_the_planted_picture_passes_is_not_loaded(gated: Path) -> None:
    edit_arrays(gated, GATE, lambda arrays: arrays.update(weights_J=np.zeros(3)))
    with pytest.raises(
        ParityError, match=r"the gate is broken: golden image far\.png is like nothing that was trained on"
    ):
        dt.load(gated)
    with pytest.raises(ParityError, match="the gate is broken"):
        dt.load(gated, golden=False)


def test_a_gate_needs_a_planted_picture(gated: Path) -> None:
    def forget(index: dict[str, list[dict[str, object]]]) -> None:
        index["images"][-1]["far"] = False

    edit_json(gated, "golden/golden.json", forget)
    with pytest.raises(SchemaError, match="has no image planted to be refused, and the manifest has a gate"):
        dt.load(gated)


def test_without_a_gate_in_the_manifest_nothing_is_refused(gated: Path) -> None:
    edit_json(gated, "manifest.json", lambda manifest: manifest.update(gate=None))
    with pytest.raises(ParityError, match="the gate is broken"):
        dt.load(gated)
    found = dt.load(gated, golden=False).predict(gated / "golden" / "far.png")
    assert found.p_in_domain is None
    assert found.verdict is not Verdict.OUT_OF_DOMAIN


def test_a_gate_that_is_missing_is_named(gated: Path) -> None:
    (gated / GATE).unlink()
    reseal(gated)
    with pytest.raises(SchemaError, match=r"gate\.safetensors is missing; the manifest says that there is a gate"):
        dt.load(gated)


def _infinite(name: str) -> Callable[[Arrays], None]:
    def edit(arrays: Arrays) -> None:
        arrays[name].flat[0] = np.inf

    return edit


@pytest.mark.parametrize(
    ("edit", "words"),
    [
        (lambda arrays: arrays.pop("mean_D"), "mean_D is missing"),
        (lambda arrays: arrays.update(columns_2=np.array([0, 99_999])), "columns_2 is 0 to 99999, of an embedding of"),
        (lambda arrays: arrays.update(columns_2=np.array([0])), r"columns_2 is int64 \(1,\), not int64 \(2,\)"),
        (lambda arrays: arrays.update(bank_BD=arrays["bank_BD"][:0]), "0 images; at least one"),
        (lambda arrays: arrays.update(mean_D=arrays["mean_D"][:-1]), r"mean_D is float32 \(\d+,\), not float32"),
        (lambda arrays: arrays.update(axes_DR=arrays["axes_DR"].astype(np.float32)), r"axes_DR is float32"),
        (lambda arrays: arrays.update(within_RR=arrays["within_RR"][:1]), r"within_RR is float32 \(1, \d+\)"),
        (lambda arrays: arrays.update(centres_CR=arrays["centres_CR"][:0]), "0 classes and \\d+ images; at least one"),
        (lambda arrays: arrays.update(scores_M=arrays["scores_M"][1:]), r"scores_M is float64"),
        (lambda arrays: arrays.update(scores_M=arrays["scores_M"][::-1]), "does not ascend"),
        (lambda arrays: arrays.update(knots_JK=-arrays["knots_JK"]), "does not ascend"),
        *((_infinite(name), f"{name} holds what is not finite") for name in ("axes_DR", "precision_R1", "slopes_J")),
    ],
)
def test_arrays_that_cannot_be_are_named(gated: Path, edit: Callable[[Arrays], None], words: str) -> None:
    edit_arrays(gated, GATE, edit)
    with pytest.raises(SchemaError, match=words):
        dt.load(gated)


@pytest.mark.filterwarnings("error")
@pytest.mark.parametrize("name", ["mean_D", "within_RR", "precision_R1"])
def test_finite_arrays_that_overflow_are_refused_without_a_warning(gated: Path, name: str) -> None:
    def edit(arrays: Arrays) -> None:
        arrays[name] = np.full_like(arrays[name], 1e38)

    edit_arrays(gated, GATE, edit)
    with pytest.raises(SchemaError, match="unlike anything it was trained on"):
        dt.load(gated)


def test_a_level_that_no_p_value_reaches_is_no_gate(gated: Path) -> None:
    edit_json(gated, "manifest.json", lambda manifest: manifest["gate"].update(level=0.001))
    with pytest.raises(SchemaError, match=r"no p-value of \d+ scores is 0\.001 or less"):
        dt.load(gated)


def test_far_pictures_are_small_files_all_different() -> None:
    found = far_pictures()
    assert len(set(found)) == len(found) >= 5
    assert sum(map(len, found)) < 100_000
    assert found == far_pictures()
    assert {Image.open(BytesIO(data)).size for data in found} == {(192, 192)}


@pytest.mark.parametrize(
    ("choices", "sentence"),
    [
        ({"gate_mode": "training-conditional", "false_alarm": 0.01}, "at least 299 independent images are needed"),
        (
            {"false_alarm": 0.001},
            "at least 999 independent images are needed to turn away at most 0.1 % of those like them (on average)",
        ),
        ({"false_alarm": 0}, None),
    ],
)
@pytest.mark.trains
def test_with_too_few_images_there_is_none_and_it_is_said(
    choices: dict[str, Any], sentence: str | None, pictures: Path, tmp_path: Path
) -> None:
    result = dt.train(pictures, tmp_path / "b", backbone=TINY, use_cache=False, gallery=0, **choices)
    codes = {one.code: one.sentence for one in result.findings}
    assert ("no-gate" in codes) == (sentence is not None)
    assert sentence is None or sentence in codes["no-gate"]
    predictor = dt.load(tmp_path / "b")
    assert predictor.manifest.gate is None
    assert predictor.gate is None
    assert predictor.predict(far_pictures()[0]).p_in_domain is None
    assert not (tmp_path / "b" / GATE).exists()
