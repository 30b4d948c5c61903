"""Right answers told to predictions: kept beside them, found again, never replaced."""

from __future__ import annotations

from datetime import timedelta
from random import Random

import pytest
from made_records import START, made_entry, made_record, made_truth

from drivetrain.core.errors import UsageError
from drivetrain.core.ports import TruthStore
from drivetrain.core.records import ToldHow, Truth, TruthFilter
from drivetrain.store.sql_store import SqlStore


def is_a_port(store: SqlStore) -> TruthStore:
    """Checked by the type checker."""
    return store


TOLD = {
    "label": made_truth(),
    "labels": made_truth(label=None, labels=("rust", "crack")),
    "no label is right": made_truth(label=None, labels=()),
    "numbers": made_truth(label=None, values={"age": 0.1, "mass": -3e300}),
    "bare": made_truth(note=None, key_id=None, how=ToldHow.ADJUDICATED),
    "texts of any kind": made_truth(label="größe\0" + "x" * 300, by="\ud83d 摄像头" + "y" * 999, note="a\x1f\n" * 5000),
}


@pytest.mark.parametrize("truth", TOLD.values(), ids=TOLD.keys())
def test_a_truth_comes_back_as_it_was_told(store: SqlStore, truth: Truth) -> None:
    store.append([made_entry(0), made_entry(1)])
    assert store.add_truth(truth) == truth
    other = store.add_truth(made_truth(9, prediction=1, label="another", by="another"))
    assert store.truths(TruthFilter(), 10).truths == (other, truth)
    assert store.truths_of([truth.prediction_id, "no such"]) == {truth.prediction_id: (truth,)}
    assert store.truths(TruthFilter(by=truth.by), 10).truths == (truth,)
    for label in (*([] if truth.label is None else [truth.label]), *(truth.labels or ())):
        assert store.truths(TruthFilter(label=label), 10).truths == (truth,)


def test_several_stand_beside_each_other_and_none_is_replaced(store: SqlStore) -> None:
    store.append([made_entry(0)])
    first, second = made_truth(2), made_truth(1, at=START + timedelta(days=3), label="teddy", by="Grace")
    assert store.add_truth(first) == first
    assert store.add_truth(second) == second
    assert store.add_truth(made_truth(2, label="polar", by="Mallory")) == first
    assert store.truths_of([first.prediction_id]) == {first.prediction_id: (first, second)}
    assert store.record(first.prediction_id) == made_record(0)
    assert store.info().truths == 2


def test_a_truth_needs_its_prediction(store: SqlStore) -> None:
    for name in ("f" * 32, "a\0b" * 900):
        with pytest.raises(UsageError, match="there is no prediction"):
            store.add_truth(made_truth(prediction_id=name))
    assert store.truths(TruthFilter(), 10).truths == ()
    assert store.truths_of([]) == {}


def test_the_models_own_answer_is_never_the_right_one(store: SqlStore) -> None:
    store.append([made_entry(0)])
    with pytest.raises(UsageError, match="model's own answer"):
        store.add_truth(made_truth(how=ToldHow.MODEL))
    assert store.truths(TruthFilter(), 10).truths == ()
    outcome = made_truth(how=ToldHow.OUTCOME)
    assert store.add_truth(outcome) == store.truths(TruthFilter(how=ToldHow.OUTCOME), 10).truths[0] == outcome


def test_pages_and_filters_find_just_what_is_asked_for(store: SqlStore) -> None:
    rng = Random(5)
    models = [(rng.choice(["bears", "cells"]), rng.choice(["one", "two"])) for _ in range(8)]
    store.append([made_entry(n, model=model, bundle_id=bundle) for n, (model, bundle) in enumerate(models)])
    truths = []
    for number in range(60):
        prediction = rng.randrange(8)
        truth = made_truth(
            number,
            prediction,
            at=START + timedelta(seconds=rng.randrange(20)),
            how=rng.choice([how for how in ToldHow if how is not ToldHow.MODEL]),
            by=rng.choice(["Ada", "Grace"]),
            label=rng.choice(["rust", None]),
            labels=rng.choice([None, ("rust", "dent"), ("dent",)]),
        )
        truths.append((truth, *models[prediction]))
        store.add_truth(truth)
    truths.sort(key=lambda told: (told[0].at, told[0].id), reverse=True)
    for _ in range(60):
        wanted = TruthFilter(
            prediction_id=rng.choice([None, None, made_record(rng.randrange(8)).id]),
            model=rng.choice([None, "bears", "none"]),
            bundle_id=rng.choice([None, "one"]),
            how=rng.choice([None, *ToldHow]),
            by=rng.choice([None, "Ada"]),
            label=rng.choice([None, "rust", "dent", "us"]),
            since=rng.choice([None, START + timedelta(seconds=5)]),
            until=rng.choice([None, START + timedelta(seconds=15)]),
        )
        found: list[Truth] = []
        cursor: str | None = None
        while True:
            page = store.truths(wanted, 7, cursor)
            found += page.truths
            cursor = page.next
            if cursor is None:
                break
            assert len(page.truths) == 7
        assert found == [truth for truth, *of in truths if fits(truth, of, wanted)], wanted
    with pytest.raises(UsageError, match="no cursor"):
        store.truths(TruthFilter(), 5, "nothing")
    for limit in (0, 1001):
        with pytest.raises(UsageError, match="ask for 1 to 1000"):
            store.truths(TruthFilter(), limit)


def fits(truth: Truth, of: list[str], wanted: TruthFilter) -> bool:
    model, bundle_id = of
    names = ([] if truth.label is None else [truth.label]) + list(truth.labels or ())
    return (
        wanted.prediction_id in (None, truth.prediction_id)
        and wanted.model in (None, model)
        and wanted.bundle_id in (None, bundle_id)
        and wanted.how in (None, truth.how)
        and wanted.by in (None, truth.by)
        and (wanted.label is None or wanted.label in names)
        and (wanted.since is None or truth.at >= wanted.since)
        and (wanted.until is None or truth.at < wanted.until)
    )


def test_truths_go_with_their_predictions_and_only_with_them(store: SqlStore) -> None:
    store.append([made_entry(0), made_entry(1, at=START + timedelta(days=9))])
    store.add_truth(made_truth(0, at=START + timedelta(days=20)))
    kept = store.add_truth(made_truth(1, prediction_id=made_record(1, START + timedelta(days=9)).id, at=START))
    done = store.prune(inputs_older_than=START + timedelta(days=30))
    assert (done.inputs, done.truths, store.info().truths) == (2, 0, 2)
    assert store.prune(records_older_than=START + timedelta(days=5)).truths == 1
    assert store.truths(TruthFilter(), 10).truths == (kept,)
