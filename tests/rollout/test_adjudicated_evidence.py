"""Comparison and risk under adjudicators who err: exact expectations at the threshold, bounds, and simulated false advances."""

from __future__ import annotations

import math
from collections import Counter
from itertools import combinations_with_replacement

import numpy as np
import pytest
from scipy.stats import binom

from drivetrain.rollout.evidence.adjudicators import Adjudicators
from drivetrain.rollout.evidence.comparison import Comparison
from drivetrain.rollout.evidence.judged import Judged
from drivetrain.rollout.evidence.risk import Risk

Outcome = tuple[float, Judged, bool | None]
"""Probability, what is judged, and whether two adjudicators disagreed."""


def discordant_outcomes(share: float, model_wrong: float, slips: float, twice: float, outcome: float) -> list[Outcome]:
    """A discordant case where the model is wrong (D = 1) or the person (D = −1); an outcome is exact, a judge may slip."""
    found: list[Outcome] = []
    for wrong, chance in ((True, share * model_wrong), (False, share * (1 - model_wrong))):
        d = 1.0 if wrong else -1.0
        found.append((chance * outcome, Judged(d, exact=True, discordant=True), None))
        once = chance * (1 - outcome) * (1 - twice)
        found += [
            (once * (1 - slips), Judged(d, discordant=True), None),
            (once * slips, Judged(-d, discordant=True), None),
        ]
        both = chance * (1 - outcome) * twice
        found.append((both * (1 - slips) ** 2, Judged(d, discordant=True), False))
        found.append((both * slips**2, Judged(-d, discordant=True), False))
        found.append((both * 2 * slips * (1 - slips), Judged(0.0, discordant=True), True))
    return [one for one in found if one[0] > 0]


def error_of(judged: Judged) -> Judged:
    """The model's own error: D = 1 is an error of the model alone, D = −1 none."""
    return Judged((judged.value + 1) / 2, judged.exact)


@pytest.mark.parametrize("slips", [0.0, 0.1, 0.3, 0.5])
@pytest.mark.parametrize(("twice", "outcome"), [(0.5, 0.0), (1.0, 0.0), (0.4, 0.4)])
def test_nobody_can_expect_evidence_for_a_model_at_the_margin(slips: float, twice: float, outcome: float) -> None:
    """Every sequence of four cases, with its probability: the mean evidence is at most 1 where D is the margin."""
    share, model_wrong = 0.6, 0.75
    margin = share * (2 * model_wrong - 1)
    outcomes = [(1 - share, Judged(0.0), None), *discordant_outcomes(share, model_wrong, slips, twice, outcome)]
    expected = expected_risk = 0.0
    for places in combinations_with_replacement(range(len(outcomes)), 4):
        # The evidence is of counts alone, so that orders need only be counted.
        orders = math.factorial(4) // math.prod(math.factorial(n) for n in Counter(places).values())
        cases = [outcomes[place] for place in places]
        chance = orders * math.prod(one[0] for one in cases)
        comparison, risk, adjudicators = Comparison(), Risk(), Adjudicators(trusted=False)
        for _, judged, disagreed in cases:
            comparison.take(judged)
            risk.take(error_of(judged) if judged.discordant else judged)
            if disagreed is not None:
                adjudicators.take(disagreed)
        expected += chance * math.exp(comparison.evidence(margin, adjudicators))
        expected_risk += chance * math.exp(risk.evidence(share * model_wrong, adjudicators))
    assert expected <= 1 + 1e-9
    assert expected_risk <= 1 + 1e-9


def test_trusted_adjudicators_cost_nothing_and_doubted_ones_little_where_they_agree() -> None:
    comparison, doubted = Comparison(), Adjudicators(trusted=False)
    for number in range(2_000):
        if number % 50:
            comparison.take(Judged(0.0))
        else:
            comparison.take(Judged(-1.0 if number % 100 else 1.0, discordant=True))
    trusted = comparison.evidence(0.02, Adjudicators(trusted=True))
    alone = comparison.evidence(0.02, doubted)
    for _ in range(20):
        doubted.take(False)
    agreeing = comparison.evidence(0.02, doubted)
    for _ in range(20):
        doubted.take(True)
    assert alone < agreeing < trusted
    assert comparison.evidence(0.02, doubted) < agreeing
    assert trusted - agreeing < 1.5


def test_few_differences_need_no_adjudicator() -> None:
    """Where model and person hardly ever differ, it does not matter who is right."""
    comparison = Comparison()
    for _ in range(1_500):
        comparison.take(Judged(0.0))
    comparison.take(Judged(1.0, discordant=True))
    assert comparison.evidence(0.02, Adjudicators(trusted=False)) > math.log(50)


def test_bounds_are_where_the_gates_pass_and_close_in_on_the_truth() -> None:
    comparison, risk, adjudicators = Comparison(), Risk(), Adjudicators(trusted=False)
    assert (comparison.value, risk.value) == (None, None)
    assert (comparison.upper(0.05, adjudicators), risk.upper(0.05, adjudicators)) == (1.0, 1.0)
    rng, uppers = np.random.default_rng(3), []
    for number in range(1, 6_001):
        wrong, mistaken = rng.random() < 0.06, rng.random() < 0.05
        comparison.take(Judged(float(wrong) - float(mistaken), discordant=wrong != mistaken))
        risk.take(Judged(float(wrong)))
        if wrong != mistaken and rng.random() < 0.5:
            adjudicators.take(False)
        if number in (300, 1_500, 6_000):
            uppers.append((comparison.upper(0.05, adjudicators), risk.upper(0.05, adjudicators)))
    (c1, r1), (c2, r2), (c3, r3) = uppers
    assert c1 > c2 > c3 >= (comparison.value or 0)
    assert r1 > r2 > r3 > 0.06
    assert c3 < 0.03
    assert r3 < 0.08
    assert comparison.evidence(c3, adjudicators) >= math.log(20) - 0.01
    assert risk.evidence(r3, adjudicators) >= math.log(20) - 0.01
    assert comparison.evidence(c3 - 1e-3, adjudicators) < math.log(20)


def test_what_is_missing_counts_against_the_model_and_is_no_proof_against_it() -> None:
    comparison, risk = Comparison(), Risk()
    for _ in range(60):
        comparison.take(Judged(1.0, worst=True, discordant=True))
        risk.take(Judged(1.0, worst=True))
    assert (comparison.value, comparison.worst, risk.value, risk.worst) == (1.0, 60, 1.0, 60)
    trusted = Adjudicators(trusted=True)
    assert comparison.evidence(0.02, trusted) < -3
    assert risk.evidence(0.02, trusted) < -3
    assert comparison.evidence_against(0.02) == pytest.approx(0)
    assert risk.evidence_against(0.02) == pytest.approx(0)


def test_adjudicators_error_is_read_off_their_disagreement() -> None:
    rng, adjudicators = np.random.default_rng(5), Adjudicators(trusted=False)
    assert adjudicators.error is None
    for _ in range(4_000):
        adjudicators.take(bool((rng.random() < 0.1) != (rng.random() < 0.1)))
    assert adjudicators.error == pytest.approx(0.1, abs=0.015)
    assert 0.1 <= adjudicators.error_upper(0.01) < 0.13


def simulated(seed: int, model: float, slips: float, cases: int) -> bool:
    """Tell whether a model ever passes a margin of 2 points over people who err in 3 %; looked at after every case."""
    rng = np.random.default_rng([16, seed])
    wrong, mistaken = rng.random(cases) < model, rng.random(cases) < 0.03
    comparison, adjudicators = Comparison(), Adjudicators(trusted=False)
    found, n, differing = 0.0, 0, 0
    for place in range(cases):
        d = float(wrong[place]) - float(mistaken[place])
        if d:
            signs = np.where(rng.random(1 + (rng.random() < 0.2)) < slips, -1, 1)
            comparison.take(Judged(d * float(signs.mean()), discordant=True))
            if len(signs) == 2:
                adjudicators.take(bool(signs[0] != signs[1]))
        else:
            comparison.take(Judged(0.0))
        # An agreeing case adds at most ln 1/(1 − margin), a discordant one less than 1.5.
        if found + (comparison.n - n) * 0.0205 + (comparison.discordant - differing) * 1.5 >= math.log(20):
            found, n, differing = comparison.evidence(0.02, adjudicators), comparison.n, comparison.discordant
            if found >= math.log(20):
                return True
    return False


@pytest.mark.thorough
@pytest.mark.parametrize("slips", [0.0, 0.1])
def test_a_model_at_the_margin_seldom_passes(slips: float) -> None:
    passed = sum(simulated(seed, 0.05, slips, 2_500) for seed in range(100))
    assert passed <= binom.ppf(0.99, 100, 0.05)


@pytest.mark.thorough
def test_a_model_as_good_as_people_passes() -> None:
    assert sum(simulated(seed, 0.03, 0.0, 2_500) for seed in range(40)) >= 30
