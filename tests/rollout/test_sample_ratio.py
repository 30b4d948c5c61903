"""The check of the assignment: exact expectation, no false alarms to speak of, and mismatches that it finds."""

from __future__ import annotations

import json
import math
from itertools import product

import numpy as np
import pytest
from scipy.stats import binom

from drivetrain.rollout.evidence.ratio import ALPHA, SampleRatio


def test_its_evidence_is_expected_to_be_one_with_the_stated_probabilities() -> None:
    stated = (0.1, 0.5, 0.3, 0.1, 0.05)
    expected = 0.0
    for drawn in product((False, True), repeat=5):
        ratio, chance = SampleRatio(), 1.0
        for probability, hit in zip(stated, drawn, strict=True):
            ratio.take(probability, hit)
            chance *= probability if hit else 1 - probability
        expected += chance * math.exp(ratio.evidence)
    assert expected == pytest.approx(1)


def test_what_cannot_be_drawn_otherwise_is_no_evidence() -> None:
    ratio = SampleRatio()
    ratio.take(0.0, False)
    ratio.take(1.0, True)
    assert (ratio.n, ratio.evidence) == (0, pytest.approx(0))


def run(rng: np.random.Generator, drawn: float, n: int) -> bool:
    ratio = SampleRatio()
    for hit in rng.random(n) < drawn:
        ratio.take(0.1, bool(hit))
        if ratio.mismatch:
            return True
    return False


@pytest.mark.thorough
def test_chance_is_left_alone_and_mismatches_are_found() -> None:
    rng = np.random.default_rng(9)
    assert sum(run(rng, 0.1, 1_000) for _ in range(300)) <= binom.ppf(0.99, 300, ALPHA)
    assert sum(run(rng, 0.2, 1_000) for _ in range(50)) == 50
    assert sum(run(rng, 0.04, 1_000) for _ in range(50)) >= 45


def test_its_state_is_exact() -> None:
    ratio = SampleRatio()
    for number in range(50):
        ratio.take(0.1 + number / 100, number % 7 == 0)
    again = SampleRatio.of_json(json.loads(json.dumps(ratio.to_json())))
    assert again.to_json() == ratio.to_json()
    assert again.evidence == ratio.evidence
