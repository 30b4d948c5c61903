"""A rollout of a store as the log of a backtest: repeated under its own policy, tried anew under another."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path

import pytest
from live_world import ROLLOUT, Clock, begun, live
from town import Town, any_policy

from drivetrain.core.errors import DataError, UsageError
from drivetrain.core.ports import Silent
from drivetrain.model.predictor import Predictor, load
from drivetrain.rollout.backtest.backtest import Backtest
from drivetrain.rollout.policy import Policy
from drivetrain.store.sql_store import SqlStore, open_store
from drivetrain.workbench.backtesting import AskedBacktest, backtest
from drivetrain.workbench.past_source import PastRollout

BUNDLE = Path(__file__).parents[1] / "bundles" / "v1"


@pytest.fixture(scope="module")
def predictor() -> Predictor:
    return load(BUNDLE, golden=False)


@pytest.fixture(scope="module")
def policy() -> Policy:
    return any_policy(3)


@pytest.fixture(scope="module")
def store(tmp_path_factory: pytest.TempPathFactory, policy: Policy) -> Iterator[SqlStore]:
    """A rollout about which `predictor` is said to have been asked."""
    opened = open_store(str(tmp_path_factory.mktemp("store") / "store.sqlite"))
    clock = Clock()
    begun(opened, policy)
    town = Town(3, clock, live(opened, clock))
    for _ in range(450):
        town.step()
    yield opened
    opened.close()


def tried(store: SqlStore, policy: Policy, predictor: Predictor, name: str | None = None) -> Backtest:
    source = PastRollout.read(store, name, (policy,))
    manifest = predictor.manifest.model_copy(update={"bundle_id": source.recorded.bundle_id})
    answered = {"kind": manifest.kind.model_copy(update={"classes": source.recorded.past.opened.labels})}
    named = replace(predictor, manifest=manifest.model_copy(update=answered))
    found, made = backtest({policy.name: policy}, {"cells": named}, source, AskedBacktest(), Silent())
    assert made is None
    return found


def test_its_own_policy_is_repeated(store: SqlStore, policy: Policy, predictor: Predictor) -> None:
    (trial,) = tried(store, policy, predictor).trials
    assert trial.contender.as_logged
    row = store.rollout(ROLLOUT)
    assert row is not None
    run = trial.main.run
    assert (run.stage.value, run.step, bool(run.holds)) == (row.stage, row.step, row.paused)
    settled = store.settled(ROLLOUT, list(run.ways))
    assert {name: way.label for name, way in run.ways.items() if way.how is not None} == {
        name: label for name, (label, _, _) in settled.items()
    }
    assert trial.used.before == trial.used.unanswered == 0


def test_another_policy_is_tried_on_what_people_said(store: SqlStore, policy: Policy, predictor: Predictor) -> None:
    never = policy.model_copy(update={"parallel": policy.parallel.model_copy(update={"min_cases": 10_000})})
    with pytest.raises(DataError, match="a model is tried only on cases after its training data"):
        tried(store, never, predictor)
    earlier = predictor.manifest.model_copy(update={"created_at": "2025-01-01T00:00:00+00:00"})
    (trial,) = tried(store, never, replace(predictor, manifest=earlier)).trials
    assert not trial.contender.as_logged
    assert {run.run.stage.value for run in trial.suppositions} == {"parallel"}
    assert trial.main.account.acted == 0


def test_a_rollout_that_is_not_there_is_named(store: SqlStore, policy: Policy) -> None:
    with pytest.raises(UsageError, match=r"has no rollout 'line-9'; it has line-3"):
        PastRollout.read(store, "line-9", (policy,))
