"""All evidence together, and its gates: what counts, for which stage, in which slice, and in which words."""

from __future__ import annotations

import json
import math
import random
from datetime import timedelta

import pytest
from evidence_cases import ACTED, BLIND, HELD_BACK, PROPOSED, START, a_policy, came, feed, in_expanding, resolved, told

from drivetrain.rollout.draw import Draw, Route
from drivetrain.rollout.evidence.alpha import alpha_of, part_of
from drivetrain.rollout.evidence.evidence import Evidence
from drivetrain.rollout.evidence.resolved import Resolved
from drivetrain.rollout.gates import readings
from drivetrain.rollout.policy import Policy
from drivetrain.rollout.reading import GateReading, GateVerdict
from drivetrain.rollout.stage import Stage


def read(evidence: Evidence, days: float = 30, alarms: int = 0) -> dict[tuple[str, str | None], GateReading]:
    """The readings of the stage it is in, by gate and slice; each is a sentence."""
    now = START + timedelta(days=days)
    found = readings(evidence, evidence.policy, evidence.stage, evidence.step, now, alarms)
    for one in found:
        assert one.words[0].isupper() or one.words[0].isdigit()
        assert one.words.endswith("."), one.words
        assert one.expected_more is None or one.expected_more > 0
        json.dumps(one.to_json(), allow_nan=False)
    by_name = {(one.gate, one.slice): one for one in found}
    assert len(by_name) == len(found)
    return by_name


def in_parallel(n: int, site: str | None = None, first: int = 1, wrong_every: int = 0) -> list[Resolved]:
    """Cases on which both agree, but for every so manieth, where the model is wrong."""
    slices = {} if site is None else {"site": site}
    finals = []
    for number in range(first, first + n):
        bad = wrong_every and number % wrong_every == 0
        case = came(number, slices=slices)
        finals.append(resolved(case, ("bad",), ("bad", "bad")) if bad else resolved(case))
    return finals


def test_nothing_passes_before_anything_is_known() -> None:
    found = read(Evidence(a_policy(), START), days=0)
    assert {one.gate for one in found.values() if one.verdict is GateVerdict.PASS} == {"sample-ratio", "alarms"}
    assert {gate for gate, _ in found} == {
        *("non-inferior", "unresolved", "cases", "out-of-domain", "latency", "days", "sample-ratio", "alarms"),
    }


def test_a_model_that_errs_as_people_do_passes_every_gate_of_parallel() -> None:
    evidence = Evidence(a_policy(), START)
    feed(evidence, *in_parallel(450))
    found = read(evidence)
    assert all(one.verdict is GateVerdict.PASS for one in found.values()), found
    assert found["non-inferior", None].bound < 0.02
    assert read(evidence, alarms=1)["alarms", None].verdict is GateVerdict.FAIL
    assert read(evidence, days=6.9)["days", None].verdict is GateVerdict.NOT_YET


def test_every_slice_has_to_pass_by_itself() -> None:
    evidence = Evidence(a_policy(("site",)), START)
    feed(evidence, *in_parallel(900, "north"), *in_parallel(500, "south", 1_001, wrong_every=20))
    found = read(evidence)
    verdicts = {where: found["non-inferior", where].verdict for where in (None, "site=north", "site=south")}
    assert verdicts["site=north"] is GateVerdict.PASS
    assert verdicts["site=south"] is not GateVerdict.PASS
    assert found["cases", "site=south"].n == 500
    assert ("days", "site=south") not in found


def test_a_model_that_is_worse_is_shown_to_be() -> None:
    evidence = Evidence(a_policy(), START)
    feed(evidence, *in_parallel(600, wrong_every=6))
    one = read(evidence)["non-inferior", None]
    assert one.verdict is GateVerdict.FAIL
    assert one.value == pytest.approx(1 / 6)
    assert "more often than people" in one.words


def test_missing_answers_hold_a_stage_and_are_said() -> None:
    evidence = Evidence(a_policy(), START)
    feed(evidence, *in_parallel(100), *(resolved(came(n), (), expired=True) for n in range(201, 221)))
    found = read(evidence)
    assert found["unresolved", None].value == pytest.approx(20 / 120)
    assert found["unresolved", None].verdict is GateVerdict.NOT_YET
    assert found["non-inferior", None].value == pytest.approx(20 / 120)
    assert "20 cases that nobody resolved in time" in found["non-inferior", None].words
    assert found["non-inferior", None].verdict is GateVerdict.NOT_YET, "nothing missing proves the model bad"


def test_evidence_waits_for_the_first_open_case() -> None:
    evidence = Evidence(a_policy(), START)
    late = came(1)
    evidence.came(late)
    feed(evidence, *in_parallel(50, first=2))
    assert evidence.comparison.n == 0
    assert evidence.marks[Stage.PARALLEL].waiting == 51
    evidence.take(resolved(late, ("bad",), ("good",)))
    assert (evidence.comparison.n, evidence.comparison.value) == (51, pytest.approx(-1 / 51))


def test_a_group_counts_once_and_cases_that_are_no_test_never() -> None:
    evidence = Evidence(a_policy(), START)
    burst = [came(n, unit="burst-1", group=True) for n in (1, 2, 3)]
    feed(evidence, resolved(burst[0], ("bad",), ("bad",)), resolved(burst[1]), resolved(burst[2]))
    assert (evidence.comparison.n, evidence.comparison.value, evidence.rates.cases) == (1, 1.0, 1)
    feed(
        evidence,
        resolved(came(4, certified=False)),
        resolved(came(5, label=None)),
        resolved(came(6, Draw(Route.BLIND, seeded=True)), ("bad",), known="good"),
    )
    assert (evidence.comparison.n, evidence.rates.cases) == (1, 3)
    assert (evidence.people.seeded.hits, evidence.people.seeded.n) == (1, 1)


def test_a_group_whose_first_case_is_not_certified_is_represented_by_the_next() -> None:
    evidence = Evidence(a_policy(), START)
    feed(evidence, resolved(came(1, unit="g", group=True, certified=False)), resolved(came(2, unit="g", group=True)))
    assert evidence.comparison.n == 1


def test_a_case_counts_for_the_stage_in_which_it_came() -> None:
    evidence = Evidence(a_policy(), START)
    early = came(1)
    evidence.came(early)
    evidence.begin(Stage.SUPERVISED, 0, START)
    feed(evidence, resolved(came(2, HELD_BACK, Stage.SUPERVISED)))
    evidence.take(resolved(early))
    assert (evidence.comparison.n, evidence.risk[Stage.SUPERVISED].n, evidence.rates.audits) == (1, 1, 1)


def supervised() -> Evidence:
    evidence = Evidence(a_policy(), START)
    evidence.begin(Stage.SUPERVISED, 0, START)
    number = 0
    for _ in range(400):
        number += 1
        case = came(number, PROPOSED, Stage.SUPERVISED)
        label = "good" if number % 50 else "bad"
        feed(evidence, Resolved(case, START, confirmed=told(label)[0]))
        if number % 4 == 0:
            number += 1
            feed(evidence, resolved(came(number, HELD_BACK, Stage.SUPERVISED)))
    return evidence


def test_supervised_reads_risk_overrides_and_peoples_own_errors() -> None:
    evidence = supervised()
    found = read(evidence)
    assert found["override-rate", None].n == 400
    assert found["override-rate", None].verdict is GateVerdict.PASS
    assert found["risk", None].n == 133
    assert found["seeded", None].verdict is GateVerdict.NOT_YET
    assert "send cases whose right answer is known" in found["seeded", None].words
    assert found["automation-bias", None].verdict is GateVerdict.PASS
    for number in range(1_001, 1_021):
        seeded = came(number, Draw(Route.PROPOSED, in_scope=True, seeded=True), Stage.SUPERVISED)
        wrong = "good" if number % 4 else "bad"
        feed(evidence, Resolved(seeded, START, confirmed=told(wrong)[0], known="bad"))
    found = read(evidence)
    assert found["seeded", None].value == pytest.approx(0.75)
    assert found["seeded", None].verdict is GateVerdict.FAIL
    assert found["override-rate", None].n == 400, "seeded cases are no overrides"


def test_people_who_wave_proposals_through_are_found() -> None:
    evidence = Evidence(a_policy(), START)
    evidence.begin(Stage.SUPERVISED, 0, START)
    for number in range(1, 301):
        feed(evidence, Resolved(came(number, PROPOSED, Stage.SUPERVISED), START, confirmed=told("good")[0]))
        if number % 3 == 0:
            case = came(1_000 + number, HELD_BACK, Stage.SUPERVISED)
            feed(evidence, resolved(case, ("bad",), ("bad",)) if number % 2 else resolved(case))
    assert read(evidence)["automation-bias", None].verdict is GateVerdict.FAIL


def test_each_step_needs_audits_of_its_own_and_the_risk_goes_on() -> None:
    evidence = in_expanding(a_policy(twice=0.0))
    feed(evidence, *(resolved(came(n, ACTED, Stage.EXPANDING)) for n in range(1, 201)))
    found = read(evidence)
    assert all(one.verdict is GateVerdict.PASS for one in found.values()), found
    evidence.begin(Stage.EXPANDING, 1, START)
    found = read(evidence)
    assert found["risk", None].verdict is GateVerdict.PASS
    assert found["audits", None].expected_more == 30
    assert found["cases", None].verdict is GateVerdict.NOT_YET


def test_a_mismatch_of_the_assignment_pauses_once_and_holds_the_stage() -> None:
    evidence = Evidence(a_policy(), START)
    drawn = Draw(Route.BLIND, audit=True, audit_share=0.1)
    stops = feed(evidence, *(resolved(came(n, drawn)) for n in range(1, 30)))
    assert [stop.rollback for stop in stops] == [False]
    assert read(evidence)["sample-ratio", None].verdict is GateVerdict.FAIL


def test_alpha_is_split_over_stages_and_rounds() -> None:
    policy = a_policy()
    assert sum(part_of(number) for number in range(60)) == pytest.approx(1)
    whole = sum(
        alpha_of(policy, stage, number)
        for stage in (Stage.PARALLEL, Stage.SUPERVISED, Stage.EXPANDING)
        for number in range(60)
    )
    assert whole == pytest.approx(policy.alpha)
    assert Evidence(policy, START, 1).alpha < Evidence(policy, START).alpha


def test_a_stage_without_alpha_says_so() -> None:
    policy = a_policy()
    none = policy.model_copy(update={"spend": policy.spend.model_copy(update={"parallel": 0.0})})
    evidence = Evidence(none, START)
    feed(evidence, *in_parallel(500))
    one = read(evidence)["non-inferior", None]
    assert one.verdict is GateVerdict.NOT_YET
    assert "no part of alpha" in one.words


def anything(chance: random.Random, number: int, stage: Stage, step: int) -> Resolved:
    draws = {Stage.PARALLEL: (BLIND,), Stage.SUPERVISED: (PROPOSED, HELD_BACK), Stage.EXPANDING: (ACTED, HELD_BACK)}
    case = came(
        number,
        chance.choice(draws[stage]),
        stage,
        step=step,
        slices={"site": chance.choice("abc")},
        unit=chance.choice((f"case-{number}", f"burst-{number // 3}")),
        group=chance.random() < 0.3,
        certified=chance.random() < 0.9,
        in_domain=chance.random() < 0.95,
        latency_s=chance.uniform(0.01, 3),
    )
    labels = ("good", "good", "good", "bad", "dark", None)
    return Resolved(
        case,
        START,
        told(*chance.choices(labels, k=chance.randrange(3))),
        told(chance.choice(labels))[0] if chance.random() < 0.3 else None,
        told(*chance.choices(labels, k=chance.randrange(3))),
        chance.choice(labels) if chance.random() < 0.1 else None,
        "good" if chance.random() < 0.1 else None,
        chance.random() < 0.1,
    )


@pytest.mark.parametrize("seed", range(4))
def test_a_state_goes_on_exactly(seed: int) -> None:
    """Whenever evidence is written and read again, it goes on to the same state and the same stops."""
    chance = random.Random(seed)
    policy: Policy = a_policy(("site",), max_error=0.2)
    one, other = Evidence(policy, START), Evidence(policy, START)
    waiting: list[Resolved] = []
    stage, step = Stage.PARALLEL, 0
    for number in range(1, 400):
        if number in (120, 240, 320):
            stage, step = (Stage.SUPERVISED, 0) if number == 120 else (Stage.EXPANDING, int(number == 320))
            one.begin(stage, step, START)
            other.begin(stage, step, START)
        final = anything(chance, number, stage, step)
        assert one.came(final.came) == other.came(final.came)
        waiting.append(final)
        while len(waiting) > 5 and chance.random() < 0.6:
            ended = waiting.pop(chance.randrange(len(waiting)))
            assert one.take(ended) == other.take(ended)
        if chance.random() < 0.1:
            other = Evidence.of_json(policy, json.loads(json.dumps(other.to_json(), allow_nan=False)))
    assert other.to_json() == one.to_json()
    now = START + timedelta(days=9)
    assert readings(one, policy, stage, step, now) == readings(other, policy, stage, step, now)
    shown = one.people.summary(one.adjudicators)
    json.dumps(shown, allow_nan=False)
    assert shown["decided_twice"]["n"] > 10


@pytest.mark.thorough
def test_about_as_many_more_cases_are_foretold_as_it_takes() -> None:
    """Both err in 3 %: the medians of what is foretold after 500 cases, and of what it takes, lie within a factor of 2."""
    foretold, took = [], []
    for seed in range(60):
        chance, evidence, said = random.Random(seed), Evidence(a_policy(twice=1.0), START), None
        for number in range(1, 8_000):
            wrong, mistaken = chance.random() < 0.03, chance.random() < 0.03
            decided = "bad" if wrong != mistaken else "good"
            right = ("bad", "bad") if wrong else ("good", "good")
            feed(evidence, resolved(came(number), (decided,), right if wrong != mistaken else ()))
            if number < 500 or number % 50:
                continue
            one = evidence.comparison.evidence(0.02, evidence.adjudicators)
            if one >= -math.log(evidence.alpha):
                took.append(number - 500)
                break
            if number == 500:
                said = evidence.comparison.expected_more(0.02, evidence.alpha, evidence.adjudicators)
        foretold.append(math.inf if said is None and took[-1:] != [0] else said or 0)
    assert len(took) == 60
    ratio = sorted(foretold)[30] / sorted(took)[30]
    assert 0.5 < ratio < 2
