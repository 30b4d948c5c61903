"""The rules by which an answer stands or goes before a person, each by itself, and what comes of several."""

from __future__ import annotations

from dataclasses import dataclass, replace
from pathlib import Path
from typing import ClassVar

import numpy as np
import pytest
from PIL import Image

import drivetrain as dt
from drivetrain.core.verdict import Reason, Verdict
from drivetrain.model.kinds.kind import Answer
from drivetrain.model.manifest import Manifest
from drivetrain.model.memory import Memory
from drivetrain.model.policy import EACH_BY_SOME, AlwaysReviewed, Confident, Policy, unreadable
from drivetrain.model.predictor import Predictor
from drivetrain.model.rule import Answers, Lets, Rule, Ruling
from drivetrain.model.seen import Seen, SeenItems

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
    found = Confident(0.9).ruling(SEEN, Answer("cat", float(confidence))).reason
    assert found == Reason("low-confidence", words)


@pytest.mark.parametrize("confidence", [0.9, 0.95, 1.0])
def test_from_the_threshold_on_there_is_none(confidence: float) -> None:
    assert Confident(0.9).ruling(SEEN, Answer("cat", confidence)) == Ruling()


def test_where_no_error_may_pass_there_always_is() -> None:
    found = AlwaysReviewed().ruling(SEEN, Answer("cat", 1.0)).reason
    assert found is not None
    assert found.code == "no-accept-rule"


def test_a_policy_is_what_the_manifest_says(kept: Path) -> None:
    manifest = dt.load(kept).manifest
    assert Policy.of(manifest) == Policy((Confident(0.9),))
    assert Policy.of(manifest.model_copy(update={"accept": None})) == Policy((AlwaysReviewed(),))
    assert not Policy.of(manifest).needs_frozen


@dataclass(frozen=True)
class Strange(Rule):
    """What is far from all that was trained on, by the embedding before fine-tuning; and too small a picture."""

    needs_frozen: ClassVar[bool] = True
    p_in_domain: float | None = None

    @classmethod
    def of(cls, manifest: Manifest, memory: Memory | None) -> Strange | None:  # noqa: ARG003
        return None

    def ruling(self, seen: Seen, answer: Answer) -> Ruling:  # noqa: ARG002
        assert seen.frozen_embedding_F is not None
        return Ruling(Reason("strange", "far off") if seen.facts["width"] == 20 else None, self.p_in_domain)

    @property
    def lets(self) -> Lets:
        return Lets("that look familiar", "no image looks familiar")


def test_every_rule_that_objects_is_named() -> None:
    policy = Policy((Confident(0.9), Strange(), AlwaysReviewed()))
    assert policy.needs_frozen
    seen = replace(SEEN, frozen_embedding_F=np.zeros(5, np.float32), facts={"width": 20})
    found = policy.judged("a.jpg", seen, Answer("cat", 0.5, {"cat": 0.5}), "f" * 16)
    assert [reason.code for reason in found.reasons] == ["low-confidence", "strange", "no-accept-rule"]
    assert (found.verdict, found.label, found.path, found.bundle_id) == (Verdict.REVIEW, "cat", "a.jpg", "f" * 16)
    assert found.to_json()["reasons"][1] == {"code": "strange", "text": "far off"}
    alone = Policy((Strange(),)).judged("", replace(seen, facts={"width": 21}), Answer("cat", 0.5), "f" * 16)
    assert (alone.verdict, alone.reasons) == (Verdict.ACCEPT, ())


def test_a_rule_tells_how_likely_an_item_is_of_the_kind_trained_on_whatever_it_objects_to() -> None:
    seen = replace(SEEN, frozen_embedding_F=np.zeros(5, np.float32), facts={"width": 21})
    rules = (Confident(0.9), Strange(p_in_domain=0.75), Strange(p_in_domain=0.5), Strange())
    found = Policy(rules).judged("", seen, Answer("cat", 0.95), "f" * 16)
    assert (found.verdict, found.p_in_domain) == (Verdict.ACCEPT, 0.5)  # that of the strictest
    assert Policy((Confident(0.9),)).judged("", seen, Answer("cat", 0.95), "f" * 16).p_in_domain is None


def many(manifest: Manifest, confidence_N: list[float], widths: list[int]) -> tuple[SeenItems, Answers]:
    """Items of these widths, and answers of about these confidences."""
    values_NC = np.zeros((len(widths), len(manifest.outputs)))
    values_NC[:, 0] = confidence_N
    wide_ND = np.zeros((len(widths), 5), np.float32)
    items = SeenItems(np.float32(values_NC), lambda: wide_ND, lambda: wide_ND, lambda row: {"width": widths[row]})
    return items, Answers(manifest.kind, values_NC)


def test_of_many_answers_those_stand_that_no_rule_objects_to(kept: Path) -> None:
    manifest = dt.load(kept).manifest
    policy = Policy((Confident(0.9), Strange()))
    items, answers = many(manifest, [0.95, 0.95, 0.5, 0.5, 0.9, float("nan")], [20, 21, 20, 21, 22, 21])
    standing = policy.standing(items, answers)
    assert standing.stands_N.tolist() == [False, True, False, False, True, False]
    assert standing.lets.which == "of confidence 0.9 and more and that look familiar"
    one_by_one = [policy.judged("", items[row], answers[row], "f" * 16).verdict for row in range(6)]
    assert [verdict is Verdict.ACCEPT for verdict in one_by_one] == standing.stands_N.tolist()
    taken = items.take(np.array([1, 4]))
    assert [len(taken), taken[1].facts, taken[1].frozen_embedding_F is not None] == [2, {"width": 22}, True]


def test_where_none_stands_the_rules_are_named_that_object_to_all(kept: Path) -> None:
    manifest, policy = dt.load(kept).manifest, Policy((Confident(0.9), Strange()))
    for confidence_N, widths, none in (
        ([0.95, 0.5], [20, 20], "no image looks familiar"),
        ([0.5, 0.5], [20, 21], "no answer reaches confidence 0.9"),
        ([0.5, 0.5], [20, 20], "no answer reaches confidence 0.9; no image looks familiar"),
        ([0.95, 0.5], [20, 21], EACH_BY_SOME),
    ):
        standing = policy.standing(*many(manifest, confidence_N, widths))
        assert not standing.stands_N.any()
        assert standing.lets.none == none


def test_what_a_policy_asks_of_many_thousands_is_asked_in_arrays(kept: Path) -> None:
    manifest = dt.load(kept).manifest

    def unasked() -> np.ndarray:
        raise AssertionError("no rule asks for it")

    values_NC = np.random.default_rng(0).dirichlet(np.ones(len(manifest.outputs)), 100_000)
    items = SeenItems(np.float32(values_NC), unasked, unasked, lambda _: unasked())  # type: ignore[arg-type, return-value]
    standing = Policy.of(manifest).standing(items, Answers(manifest.kind, values_NC))
    assert standing.stands_N.sum() == (values_NC.max(axis=1) >= 0.9).sum() > 0


def test_a_verdict_may_turn_where_a_confidence_stands_on_its_threshold() -> None:
    policy = Policy((Confident(0.9), AlwaysReviewed()))
    assert policy.on_the_line(SEEN, Answer("cat", 0.90005), 1e-4)
    assert not policy.on_the_line(SEEN, Answer("cat", 0.9002), 1e-4)


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
