"""``drivetrain store`` and ``drivetrain keys``."""

from __future__ import annotations

import hashlib
import json
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import pytest
import typer
from made_records import made_entry, made_truth
from made_rollouts import ROLLOUT, START, made_body, made_case, made_review, made_rollout
from typer.testing import CliRunner

from drivetrain.cli import storing
from drivetrain.core.errors import StoreError, UsageError
from drivetrain.core.records import ToldHow
from drivetrain.store.default_store import default_store_url
from drivetrain.store.sql_store import open_store

whole = typer.Typer()
whole.add_typer(storing.app, name="store")
whole.add_typer(storing.keys_app, name="keys")


def run(*arguments: str) -> str:
    """Stdout of a command that goes well; its error otherwise."""
    done = CliRunner().invoke(whole, list(arguments))
    if done.exception is not None and not isinstance(done.exception, SystemExit):
        raise done.exception
    assert done.exit_code == 0, done.output
    return done.stdout


def document(*arguments: str) -> Any:
    return json.loads(run(*arguments, "--json"))


@pytest.fixture
def filled(place: str) -> str:
    store = open_store(place)
    now = datetime.now(UTC)
    store.append([made_entry(number, at=now - timedelta(days=10 * number)) for number in range(5)])
    store.close()
    return place


def test_info_says_what_is_there(filled: str) -> None:
    found = document("store", "info", filled)
    assert (found["records"], found["images"], found["keys"], found["exact"]) == (5, 5, 0, True)
    again = document("store", "info", "--store", filled)
    assert found | {"bytes": 0} == again | {"bytes": 0}  # a database tidies itself up between two looks
    assert "5 predictions, 5 images" in run("store", "info", filled)


def test_info_counts_rollouts_with_what_belongs_to_them(filled: str) -> None:
    store = open_store(filled)
    store.open_rollout(made_rollout())
    with store.rollout_log(ROLLOUT) as log:
        for number in range(3):
            log.append(START, made_body(number))
            log.append(START, made_body(number))
            log.add_case(made_case(number))
        log.add_reviews([made_review(0), made_review(1), made_review(2, done_at=START)])
    store.close()
    found = document("store", "info", filled)
    names = ("records", "rollouts", "cases", "log_lines", "open_reviews", "exact")
    assert [found[name] for name in names] == [5, 1, 3, 6, 2, True]
    assert "1; 3 cases, 6 lines of their logs, 2 reviews to be done" in run("store", "info", filled)


def test_the_store_is_where_the_environment_says(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    monkeypatch.delenv("DRIVETRAIN_STORE", raising=False)
    assert Path(default_store_url()).name == "store.sqlite"
    monkeypatch.setenv("DRIVETRAIN_STORE", str(tmp_path / "mine.sqlite"))
    with pytest.raises(StoreError, match=r"mine\.sqlite"):
        run("store", "info")
    run("keys", "add", "line 1")
    assert document("store", "info")["keys"] == 1


def test_pruning_says_first_and_does_then(filled: str) -> None:
    would = document("store", "prune", filled, "--images-days", "25", "--records-days", "35", "--dry-run")
    assert {name: would[name] for name in ("records", "images", "image_bytes", "dry_run")} == {
        "records": 1,
        "images": 2,
        "image_bytes": 14,
        "dry_run": True,
    }
    assert datetime.now(UTC) - datetime.fromisoformat(would["oldest"]) > timedelta(days=39)
    assert datetime.now(UTC) - datetime.fromisoformat(would["newest"]) > timedelta(days=29)
    assert document("store", "info", filled)["records"] == 5
    done = document("store", "prune", filled, "--images-days", "25", "--records-days", "35")
    assert done == would | {"dry_run": False}
    left = document("store", "info", filled)
    assert (left["records"], left["images"]) == (4, 3)
    with pytest.raises(UsageError, match="--images-days"):
        run("store", "prune", filled)
    assert "deleted 0 predictions" in run("store", "prune", filled, "--records-days", "1e300")


def test_exporting_takes_the_filters(filled: str, tmp_path: Path) -> None:
    out = tmp_path / "out.csv"
    assert document("store", "export", str(out), "--store", filled, "--label", "teddy") == {
        "out": str(out),
        "records": 5,
    }
    assert document("store", "export", str(out), "--store", filled, "--verdict", "review")["records"] == 0
    since = (datetime.now(UTC) - timedelta(days=15)).strftime("%Y-%m-%d")
    assert document("store", "export", str(out), "--store", filled, "--since", since, "--site", "Köln")["records"] == 2


def test_what_was_told_is_counted_exported_and_pruned(filled: str, tmp_path: Path) -> None:
    store = open_store(filled)
    newest, *_, oldest = store.iterate()
    for number, record in enumerate((newest, newest, oldest)):
        how = ToldHow.BLIND if number else ToldHow.ASSISTED
        store.add_truth(made_truth(number, prediction_id=record.id, label=f"label {number}", how=how))
    store.close()
    assert document("store", "info", filled)["truths"] == 3
    assert "3 right answers" in run("store", "info", filled)
    out = tmp_path / "told.csv"
    assert document("store", "labels", str(out), "--store", filled) == {"out": str(out), "labels": 3}
    assert document("store", "labels", str(out), "--store", filled, "--how", "blind")["labels"] == 2
    assert document("store", "labels", str(out), "--store", filled, "--label", "label 2")["labels"] == 1
    assert "label 2" in out.read_text(encoding="utf-8")
    assert document("store", "labels", str(out), "--store", filled, "--model", "cells")["labels"] == 0
    would = document("store", "prune", filled, "--records-days", "35", "--dry-run")
    assert (would["records"], would["truths"]) == (1, 1)
    assert "1 predictions with 1 right answers" in run("store", "prune", filled, "--records-days", "35", "--yes")
    assert document("store", "info", filled)["truths"] == 2


def test_migrating_a_store_that_is_current_changes_nothing(filled: str) -> None:
    assert "already" in run("store", "migrate", filled)
    found = document("store", "migrate", filled)
    assert found["before"] == found["after"]


def test_a_secret_is_shown_once_and_only_its_hash_is_kept(place: str) -> None:
    secret = run("keys", "add", "line 1", "--role", "review", "--per-minute", "600", "--store", place).strip()
    assert secret.startswith("dt_")
    assert len(secret) == 3 + 52
    store = open_store(place)
    (key,) = store.keys()
    store.close()
    assert key.secret_sha256 == hashlib.sha256(secret.encode()).hexdigest()
    listed = run("keys", "list", "--store", place)
    assert "line 1" in listed
    assert key.id in listed
    assert secret not in listed
    assert key.secret_sha256 not in run("keys", "list", "--store", place, "--json")
    with pytest.raises(UsageError, match="already"):
        run("keys", "add", "line 1", "--store", place)


def test_keys_are_revoked_by_name_or_id(place: str) -> None:
    first, second = (document("keys", "add", name, "--store", place) for name in ("one", "two"))
    assert first["secret"] != second["secret"]
    assert (first["role"], first["revoked_at"]) == ("predict", None)
    assert run("keys", "revoke", "one", "--store", place) == f"revoked one ({first['id']})\n"
    assert document("keys", "revoke", second["id"], "--store", place)["revoked_at"] is not None
    assert all(key["revoked_at"] for key in document("keys", "list", "--store", place))
    with pytest.raises(UsageError, match="no live key"):
        run("keys", "revoke", "three", "--store", place)
