"""Labels from a rollout's log: which statement counts, how each was drawn, and what is left out."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest

from drivetrain.core.told_how import ToldHow
from drivetrain.rollout.draw import Draw, Route
from drivetrain.rollout.events import Event
from drivetrain.workbench.field.labels import FieldLabels, effective, field_labels
from drivetrain.workbench.field.told import field_cases
from field_log import BLIND, arrived, decided, moment, opened, turned_out

A, B, OUT, X = ToldHow.ADJUDICATED, ToldHow.BLIND, ToldHow.OUTCOME, ToldHow.ASSISTED
ACTED = Draw(Route.ACTED, in_scope=True)
PROPOSED = Draw(Route.PROPOSED, in_scope=True)


def labels_of(*events: Event, assisted: bool = False) -> FieldLabels:
    return field_labels(field_cases("line 3", [opened(), *events]), assisted=assisted)


@pytest.mark.parametrize(
    ("said", "label", "how", "why_not"),
    [
        ([(B, "bad")], "bad", B, None),
        ([(B, "bad"), (A, "good")], "good", A, None),
        ([(B, "bad"), (A, "good"), (OUT, "bad")], "bad", OUT, None),
        ([(A, "good"), (A, "good")], "good", A, None),
        ([(B, "bad"), (A, "good"), (A, "bad")], None, None, "those who looked disagree"),
        ([(B, "bad"), (B, "good")], None, None, "those who looked disagree"),
        ([(B, "bad"), (B, "good"), (A, "good")], "good", A, None),
        ([(B, "bad"), (B, None)], "bad", B, None),
        ([(B, None)], None, None, "whoever looked cannot tell"),
        ([(B, "bad"), (A, None)], None, None, "whoever looked cannot tell"),
        ([(B, "bad"), (A, None), (A, "good")], "good", A, None),
        ([(X, "good")], None, None, "told with the model's answer in sight"),
        ([(X, "good"), (B, "bad")], "bad", B, None),
        ([], None, None, "nobody has decided it blind"),
    ],
)
def test_the_surest_statement_counts(
    said: list[tuple[ToldHow, str | None]], label: str | None, how: ToldHow | None, why_not: str | None
) -> None:
    events = [
        turned_out(1, str(one)) if way is OUT else decided(1, one, way, by=f"person {n}", round=n)
        for n, (way, one) in enumerate(said)
    ]
    found = labels_of(arrived(1), *events)
    assert [(one.label, one.how) for one in found.labels] == ([] if label is None else [(label, how)])
    assert found.left_out == ({} if why_not is None else {why_not: 1})
    usable = {one for way, one in said if way is not X and one is not None}
    assert len(found.contradictions) == (len(usable) > 1)


def test_the_latest_outcome_corrects_those_before() -> None:
    found = labels_of(arrived(1), turned_out(1, "bad"), turned_out(1, "good", by="second laboratory"))
    assert [(one.label, one.by) for one in found.labels] == [("good", ("second laboratory",))]
    assert found.contradictions[0].sentence() == (
        "case 1: laboratory: bad (outcome), second laboratory: good (outcome); good counts"
    )


def test_neither_the_models_answer_nor_a_seeded_case_is_a_label() -> None:
    """An accepted prediction is no event of its own, and a seeded case checks people."""
    by_model = replace(decided(1, "good"), how=ToldHow.MODEL)
    seeded = arrived(2, replace(BLIND, seeded=True), known="bad")
    found = labels_of(
        arrived(1, ACTED), by_model, seeded, decided(2, "bad"), arrived(3, BLIND, known="good"), decided(3, "good")
    )
    assert found.labels == ()
    assert found.left_out == {"nobody has decided it blind": 1}


def test_what_was_told_with_the_answer_in_sight_counts_only_where_it_is_asked_for() -> None:
    events: list[Event] = [arrived(1, PROPOSED), decided(1, "good", X), arrived(2), decided(2, "bad")]
    assert [one.case.key for one in labels_of(*events).labels] == ["case 2"]
    both = labels_of(*events, assisted=True).labels
    assert [(one.how, one.chance) for one in both] == [(X, 0.75), (B, 1.0)]


@pytest.mark.parametrize(
    ("draw", "chance"),
    [
        (BLIND, 1.0),
        (replace(BLIND, audit=True, audit_share=0.1), 1.0),
        (Draw(Route.BLIND, held_back=True, in_scope=True), 0.25),
        (Draw(Route.ACTED, audit=True, audit_share=0.1, in_scope=True), 0.1),
        (PROPOSED, 1.0),
    ],
)
def test_a_case_stands_for_those_of_its_kind_that_were_not_drawn(draw: Draw, chance: float) -> None:
    (one,) = labels_of(arrived(1, draw), decided(1, "bad")).labels
    assert (one.chance, one.weight) == (chance, 1 / chance)


def test_weighted_audits_give_the_errors_of_all_that_was_acted_on() -> None:
    """Weighted, the share of bad ones among what people saw is that of all 20,000 cases, of which half were acted on and every
    tenth of these audited; unweighted it is not."""
    rng = np.random.default_rng(3)
    events: list[Event] = []
    bad = rng.random(20_000) < np.where(np.arange(20_000) % 2, 0.02, 0.3)
    for n, is_bad in enumerate(bad.tolist()):
        audited = n % 2 == 1 and rng.random() < 0.1
        draw = replace(ACTED, audit=audited, audit_share=0.1) if n % 2 else BLIND
        events.append(arrived(n, draw))
        if audited or n % 2 == 0:
            events.append(decided(n, "bad" if is_bad else "good"))
    found = labels_of(*events).labels
    weights = np.asarray([one.weight for one in found])
    wrong = np.asarray([one.label == "bad" for one in found])
    assert weights @ wrong / weights.sum() == pytest.approx(bad.mean(), abs=0.01)
    assert wrong.mean() > bad.mean() + 0.05
    assert effective(found) == pytest.approx((10_000 + 10_000) ** 2 / (10_000 + 100_000), rel=0.05)


def test_of_an_outcome_alone_nobody_knows_how_it_was_chosen() -> None:
    found = labels_of(arrived(1, ACTED), turned_out(1, "bad"))
    assert (found.labels[0].chance, found.labels[0].weight) == (None, 1.0)
    assert "how such cases came to have one nobody can say" in " ".join(found.remarks())


def test_cases_of_one_source_and_hour_stay_together() -> None:
    camera = {"camera": "7", "site": "north"}
    found = labels_of(
        *[arrived(n, minutes=20 * n, slices=camera) for n in range(6)],
        arrived(6, slices={"type": "mono"}),
        arrived(7, slices=camera, group="burst"),
        *[decided(n, "bad") for n in range(8)],
    )
    groups = [one.group for one in found.labels]
    assert groups[:3] == ["field line 3/7 2026-03-01T08:00"] * 3
    assert groups[3:6] == ["field line 3/7 2026-03-01T09:00"] * 3
    assert groups[6:] == ["field line 3/case 6", "field line 3/burst"]
    assert found.labels[7].unit == "line 3/burst"


def test_the_reserve_is_known_by_its_draw() -> None:
    found = labels_of(arrived(1, replace(BLIND, reserve=True)), decided(1, "bad"), arrived(2), decided(2, "bad"))
    assert [one.case.key for one in found.of_reserve()] == ["case 1"]
    assert found.labels[0].at == moment(1001)
