"""The answers that a threshold is tested on, and the rule that comes of them, on the committed bundle's classes."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest

from drivetrain.learn.judged import Judged
from drivetrain.learn.kinds.classes import ClassTargets
from drivetrain.learn.risk import Independent, Target, about, accepting_all, independent_of
from drivetrain.model.accept_words import accept_words, cannot
from drivetrain.model.manifest import Manifest, parse_manifest
from drivetrain.model.policy import AlwaysReviewed, Confident, Policy
from drivetrain.model.seen import SeenItems
from drivetrain.stats.learn_then_test import one_of_each

KEPT = Path(__file__).parent.parent / "bundles" / "v1"


@pytest.fixture(scope="module")
def manifest() -> Manifest:
    return parse_manifest((KEPT / "manifest.json").read_bytes())


def judged_of(manifest: Manifest, n: int, mistakes: int, copies: int = 1) -> tuple[Judged, SeenItems]:
    """``n`` answers of rising confidence, of which the least sure are wrong; each occurs ``copies`` times."""
    logits_NW = np.zeros((n, 3), np.float32)
    logits_NW[:, 0] = np.linspace(1, 8, n)
    labels_N = np.zeros(n, np.int64)
    labels_N[:mistakes] = 1
    logits_JW, labels_J = np.repeat(logits_NW, copies, axis=0), np.repeat(labels_N, copies)
    targets = ClassTargets(manifest.outputs, labels_J)
    groups_J = np.repeat(np.arange(n), copies)
    answers_JO = manifest.kind.answers(logits_JW)
    judged = Judged(np.arange(n * copies), targets, groups_J, logits_JW, answers_JO, "by hand")
    # A picture 20 pixels wide is doubted in the tests of policies; nothing here is.
    seen = SeenItems(logits_JW, lambda: np.zeros((len(logits_JW), 4), np.float32), None, lambda _: {})
    return judged, seen


def independent(manifest: Manifest, n: int, mistakes: int, copies: int = 1) -> Independent:
    judged, seen = judged_of(manifest, n, mistakes, copies)
    others = Policy.of(accepting_all(manifest))
    found = independent_of(judged, (), manifest, others, seen, one_of_each(judged.groups_J, 3))
    assert found is not None
    return found


def test_one_answer_of_each_group_counts(manifest: Manifest) -> None:
    found = independent(manifest, 100, 5, copies=4)
    assert (found.of, len(found.confidence_M), found.images) == (100, 100, 400)
    assert found.wrong_M.sum() == 5
    assert len(set(found.rows_M // 4)) == 100


def test_a_threshold_that_is_shown_says_what_it_rests_on(manifest: Manifest) -> None:
    accept = independent(manifest, 400, 40).accept(Target(0.02), "estimate")
    assert accept.confidence is not None
    assert accept.bound is not None
    assert (accept.basis, accept.bound.independent, accept.bound.needed) == ("estimate", 400, 149)
    assert accept.bound.error_upper <= 0.02
    assert accept.bound.labelled is None
    described = manifest.model_copy(update={"accept": accept})
    assert isinstance(Policy.of(described).rules[0], Confident)
    words = accept_words(described)
    assert (
        "a cross-fitted estimate from training, no certificate: an error of at most 2 % with 95 % confidence" in words
    )


def test_what_cannot_be_shown_accepts_nothing_and_says_what_is_needed(manifest: Manifest) -> None:
    accept = independent(manifest, 100, 0, copies=2).accept(Target(0.02), "estimate")
    assert accept.confidence is None
    assert accept.bound is not None
    assert (accept.bound.accepted, accept.bound.error_upper, accept.bound.needed) == (0, 1.0, 149)
    assert accept.bound.labelled == 300  # 149 of one a group of two, rounded up
    described = manifest.model_copy(update={"accept": accept})
    assert Policy.of(described).rules[0] == AlwaysReviewed("an error of at most 2 % could not be shown")
    assert accept_words(described) == (
        "none: a person sees every answer; cannot certify 2 %: at least 149 accepted, independent cases without an error are "
        "needed; about 300 labelled images"
    )


def test_where_the_surest_are_wrong_no_number_is_named(manifest: Manifest) -> None:
    found = independent(manifest, 300, 0)
    hopeless = replace(found, wrong_M=np.ones(300, bool)).accept(Target(0.02), "estimate")
    assert hopeless.bound is not None
    assert hopeless.bound.labelled is None
    assert "even the surest answers are wrong too often" in cannot(hopeless)


def test_a_kind_without_confidence_has_no_such_answers(manifest: Manifest) -> None:
    numbers = parse_manifest((KEPT.parent / "v3-numbers" / "manifest.json").read_bytes())
    judged, seen = judged_of(manifest, 10, 0)
    others = Policy.of(accepting_all(numbers))
    assert independent_of(judged, (), numbers, others, seen, np.arange(10)) is None


def test_the_curve_and_the_point_are_of_the_same_answers(manifest: Manifest) -> None:
    found = independent(manifest, 200, 20, copies=3)
    curve = found.curve()
    assert curve.coverage_T[-1] == 1
    assert curve.error_T[-1] == pytest.approx(0.1)
    least = float(curve.thresholds_T[5])
    assert found.at(least) == pytest.approx((curve.coverage_T[5], curve.error_T[5]))
    assert found.at(1.0) is None


@pytest.mark.parametrize(("number", "rounded"), [(8, 8), (148.2, 150), (990.1, 1000), (1234.5, 1300)])
def test_numbers_of_images_are_rounded_up_to_two_digits(number: float, rounded: int) -> None:
    assert about(number) == rounded
