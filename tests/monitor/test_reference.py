"""The reference that a bundle carries, and what is estimated against it."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path
from types import SimpleNamespace

import numpy as np
import pytest
from observed import REFERENCE

from drivetrain.model.manifest import Accept, Bound, GateInfo
from drivetrain.model.part import Share
from drivetrain.model.predictor import load
from drivetrain.monitor.estimate import estimated_accuracy
from drivetrain.monitor.reference import ConfidenceReference, GateReference, Reference
from drivetrain.monitor.watch import Watch

BUNDLES = Path(__file__).parent.parent / "bundles"


def bundle(name: str, **changed: object) -> SimpleNamespace:
    """A committed bundle, its manifest changed; a reference asks for no more than these two."""
    predictor = load(BUNDLES / name, golden=False, quarantine=None)
    return SimpleNamespace(manifest=predictor.manifest.model_copy(update=changed), arrays=predictor.arrays)


@pytest.mark.parametrize("name", ["v1", "v3-classes", "v3-grades", "v3-labels", "v3-numbers"])
def test_old_bundles_have_a_reference_without_a_gate(name: str) -> None:
    made = bundle(name)
    reference = Reference.of(made)
    assert reference.gate is None
    assert (reference.confidence is not None) == made.manifest.kind.has_confidence
    if reference.confidence is not None:
        assert sum(reference.confidence.counts) == reference.judged == len(made.arrays().unseen_logits_MC)
        assert sum(reference.mix.values()) == pytest.approx(1)
    assert Watch.of_json(Watch.of(reference).to_json(), reference).number == 0


def test_the_gate_and_the_accept_rule_come_from_the_manifest() -> None:
    gate = GateInfo(false_alarm=0.05, mode="marginal", level=0.05, calibrated_on=300, how="")
    share = Share(value=0.01, low=0.0, high=0.04, method="")
    bound = Bound(max_error=0.02, level=0.95, independent=300, accepted=200, wrong=1, error_upper=0.018, needed=149)
    stated = Accept(confidence=0.9, coverage=0.6, error=share)
    assert Reference.of(bundle("v3-classes", gate=gate, accept=stated)).gate == GateReference(0.05, 300)
    assert Reference.of(bundle("v3-classes", accept=stated)).error_bound == 0.04
    shown = stated.model_copy(update={"bound": bound, "basis": "certificate"})
    assert Reference.of(bundle("v3-classes", accept=shown)).error_bound == 0.02
    nothing = shown.model_copy(update={"confidence": None})
    assert Reference.of(bundle("v3-classes", accept=nothing)).error_bound is None


def test_calibration_scores_are_uniform_in_bins() -> None:
    for n in (1, 19, 99, 500, 1013):
        counts = GateReference(0.05, n).counts
        assert sum(counts) == n
        assert max(counts) - min(counts) <= 1


def test_confidences_are_counted_in_equal_shares_and_ties_stay_together() -> None:
    spread = ConfidenceReference.of(np.random.default_rng(0).random(1000))
    assert set(spread.counts) == {50}
    assert spread.mean == pytest.approx(0.5, abs=0.03)
    sure = ConfidenceReference.of(np.r_[np.ones(80), np.linspace(0.5, 0.9, 20)])
    assert sum(sure.counts) == 100
    assert sure.counts[-1] == 80


def counts(confidences: np.ndarray) -> list[int]:
    assert REFERENCE.confidence is not None
    places = np.searchsorted(REFERENCE.confidence.edges, confidences, side="right")
    return np.bincount(places, minlength=20).tolist()


def test_an_accuracy_is_estimated_with_a_band() -> None:
    """Answers as sure as training's are as often right; less sure ones are not, by every estimate."""
    rng = np.random.default_rng(3)
    same = estimated_accuracy(REFERENCE, counts(rng.beta(6, 1, 2_000)))
    assert same is not None
    assert same.low < 0.86 < same.high
    assert same.value == pytest.approx(0.86, abs=0.02)
    harder = estimated_accuracy(REFERENCE, counts(rng.beta(2, 1, 2_000)))
    assert harder is not None
    assert harder.high < same.low
    assert "no alarm rests on it" in harder.to_json()["how"]


def test_an_estimate_needs_votes_and_something_to_compare_with() -> None:
    few, enough = counts(np.full(29, 0.9)), counts(np.full(30, 0.9))
    assert estimated_accuracy(REFERENCE, few) is None
    assert estimated_accuracy(replace(REFERENCE, accuracy=None), enough) is None
    assert estimated_accuracy(replace(REFERENCE, confidence=None), enough) is None
    assert estimated_accuracy(REFERENCE, enough) is not None
