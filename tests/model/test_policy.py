"""The rules by which an answer stands or goes before a person, each by itself, and what comes of several."""

from __future__ import annotations

from dataclasses import dataclass, replace
from pathlib import Path

import numpy as np
import pytest
from PIL import Image

import drivetrain as dt
from drivetrain.core.verdict import Reason, Verdict
from drivetrain.model.kinds.kind import Answer
from drivetrain.model.policy import AlwaysReviewed, Confident, Policy, unreadable
from drivetrain.model.predictor import Predictor
from drivetrain.model.seen import Seen

SEEN = Seen(np.zeros(2, np.float32), np.zeros(3, np.float32))


@pytest.mark.parametrize(
    ("confidence", "words"),
    [
        (0.5, "its confidence, 0.500, is below 0.9"),
        (0.8999, "its confidence, 0.899900, is below 0.9"),
        (np.nextafter(0.9, 0), "its confidence, 0.8999999999999999, is below 0.9"),
        (float("nan"), "its confidence, nan, is below 0.9"),
    ],
)
def test_a_low_confidence_is_an_objection(confidence: float, words: str) -> None:
    found = Confident(0.9).objection(SEEN, Answer("cat", float(confidence)))
    assert found == Reason("low-confidence", words)


@pytest.mark.parametrize("confidence", [0.9, 0.95, 1.0])
def test_from_the_threshold_on_there_is_none(confidence: float) -> None:
    assert Confident(0.9).objection(SEEN, Answer("cat", confidence)) is None


def test_where_no_error_may_pass_there_always_is() -> None:
    found = AlwaysReviewed().objection(SEEN, Answer("cat", 1.0))
    assert found is not None
    assert found.code == "no-accept-rule"


def test_a_policy_is_what_the_manifest_says(kept: Path) -> None:
    manifest = dt.load(kept).manifest
    assert Policy.of(manifest) == Policy((Confident(0.9),))
    assert Policy.of(manifest.model_copy(update={"accept": None})) == Policy((AlwaysReviewed(),))
    assert not Policy.of(manifest).needs_frozen


@dataclass(frozen=True)
class Strange:
    """What is far from all that was trained on, by the embedding before fine-tuning; and too small a picture."""

    needs_frozen: bool = True

    def objection(self, seen: Seen, answer: Answer) -> Reason | None:  # noqa: ARG002
        assert seen.frozen_embedding_F is not None
        return Reason("strange", "far off") if seen.facts["width"] == 20 else None


def test_every_rule_that_objects_is_named() -> None:
    policy = Policy((Confident(0.9), Strange(), AlwaysReviewed()))
    assert policy.needs_frozen
    seen = replace(SEEN, frozen_embedding_F=np.zeros(5, np.float32), facts={"width": 20})
    found = policy.judged("a.jpg", seen, Answer("cat", 0.5, {"cat": 0.5}), "f" * 16)
    assert [reason.code for reason in found.reasons] == ["low-confidence", "strange", "no-accept-rule"]
    assert (found.verdict, found.label, found.path, found.bundle_id) == (Verdict.REVIEW, "cat", "a.jpg", "f" * 16)
    assert found.to_json()["reasons"][1] == {"code": "strange", "words": "far off"}
    alone = Policy((Strange(),)).judged("", replace(seen, facts={"width": 21}), Answer("cat", 0.5), "f" * 16)
    assert (alone.verdict, alone.reasons) == (Verdict.ACCEPT, ())


def test_a_rule_gets_the_frozen_embedding_and_the_facts(kept: Path) -> None:
    predictor: Predictor = dt.load(kept)
    assert predictor.predict(Image.new("RGB", (20, 16), (30, 40, 210))).verdict is Verdict.ACCEPT
    # What `policy` keeps is set beforehand: no manifest names such a rule yet.
    vars(predictor)["policy"] = Policy((Strange(),))
    for width, verdict in ((20, Verdict.REVIEW), (21, Verdict.ACCEPT)):
        assert predictor.predict(Image.new("RGB", (width, 16), (30, 40, 210))).verdict is verdict


def test_what_cannot_be_read_has_a_reason_too() -> None:
    found = unreadable("a.jpg", "empty: the file has no bytes", "f" * 16)
    assert (found.verdict, found.label, found.error) == (Verdict.UNREADABLE, None, "empty: the file has no bytes")
    assert found.reasons == (Reason("unreadable", "empty: the file has no bytes"),)
