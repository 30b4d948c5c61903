"""``drivetrain retrain``: from the log of a rollout to a candidate, compared with its champion on what was kept apart."""

from __future__ import annotations

import json
import re
import sys
from collections import Counter
from dataclasses import dataclass
from pathlib import Path
from typing import Any, cast

import pytest
from command_line import CommandLine, Done

from coloured import COLOURS
from drivetrain.core.told_how import ToldHow
from drivetrain.data.provenance.codec import from_line
from drivetrain.model.predictor import load
from drivetrain.rollout.draw import Draw, Route
from drivetrain.rollout.events import Looked
from drivetrain.rollout.succession import events_of
from drivetrain.store.sql_store import open_store
from field_log import decided, turned_out
from field_rollout import draw_old, picture, write_case, write_events, write_rollout
from tiny_backbone import TINY

pytestmark = pytest.mark.trains

CASES, RESERVED = 240, 5
NAMES = tuple(COLOURS)
BUNDLES = Path(__file__).parent.parent / "bundles"
ROLLOUT = "c" * 32


@dataclass(frozen=True)
class Field:
    store: Path
    old: Path
    backbone: Path
    """A network that sees colours."""


def write_field(store_path: Path, champion: Path, name: str = "colours") -> None:
    """240 cases, every fifth of the reserve; every tenth is proposed and confirmed, and so no label."""
    store = open_store(store_path)
    try:
        write_rollout(store, load(champion), name, ROLLOUT)
        for n in range(CASES):
            colour = NAMES[n % 3]
            proposed = n % 10 == 1
            draw = Draw(Route.PROPOSED if proposed else Route.BLIND, reserve=n % RESERVED == 0, in_scope=proposed)
            write_case(store, ROLLOUT, n, colour, draw)
            how = ToldHow.ASSISTED if proposed else ToldHow.BLIND
            write_events(store, ROLLOUT, [decided(n, colour, how)])
        # What it looks like in the end, the adjudicator says for one, and the laboratory for another.
        write_events(store, ROLLOUT, [decided(2, "blau", ToldHow.ADJUDICATED, by="grace"), turned_out(3, "rot")])
        # A copy of what was trained on before, of case 4, and of case 5, which is of the reserve.
        for n, data in (
            (CASES, picture("blau", 5000)),
            (CASES + 1, picture("grün", 4)),
            (CASES + 2, picture("rot", 5)),
        ):
            write_case(store, ROLLOUT, n, "blau", data=data)
            write_events(store, ROLLOUT, [decided(n, ("blau", "grün", "rot")[n - CASES])])
    finally:
        store.close()


@pytest.fixture(scope="module")
def field(tmp_path_factory: pytest.TempPathFactory) -> Field:
    root = tmp_path_factory.mktemp("field")
    write_field(root / "store.db", BUNDLES / "v1")
    return Field(root / "store.db", draw_old(root / "old", 12), draw_backbone(root))


def draw_backbone(root: Path) -> Path:
    """Write the network with which later bundles of the tests were made."""
    sys.path.insert(0, str(BUNDLES))
    try:
        from making import backbone
    finally:
        sys.path.remove(str(BUNDLES))
    return cast("Path", backbone(root, "tests/bundles/making.py"))


def retrain(drivetrain: CommandLine, kept: Path, field: Field, into: Path, *options: str | Path) -> Done:
    return drivetrain(
        "retrain", kept, "--store", field.store, "--rollout", "colours", "--by", "ada", "--into", into,
        "--backbone", field.backbone, *options,
    )  # fmt: skip


@pytest.fixture(scope="module")
def made(drivetrain: CommandLine, field: Field, tmp_path_factory: pytest.TempPathFactory) -> tuple[Any, Path]:
    into = tmp_path_factory.mktemp("made") / "candidate.bundle"
    done = retrain(drivetrain, BUNDLES / "v1", field, into, "--data", field.old, "--recent", "0", "--json")
    assert done.code == 0, done.err
    return done.document, into


def test_what_is_trained_on_is_said(made: tuple[Any, Path]) -> None:
    document, into = made
    data = document["data"]
    proposed = sum(n % 10 == 1 for n in range(CASES))
    reserve = sum(n % RESERVED == 0 for n in range(CASES))
    assert data["labels"] == {"blind": CASES + 3 - proposed - 2, "adjudicated": 1, "outcome": 1}
    assert data["left_out"] == {"told with the model's answer in sight": proposed}
    assert (data["reserve"], data["recent"]) == (reserve, 0)
    assert data["copies"] == 3
    assert data["field"] == CASES + 3 - proposed - reserve - 3
    assert data["before"] == 3 * 12
    assert data["field_worth"] == pytest.approx(data["field"])
    assert data["contradictions"] == [
        "case 2: ada: rot (blind), grace: blau (adjudicated); blau counts",
        "case 3: ada: blau (blind), laboratory: rot (outcome); rot counts",
    ]
    manifest = load(into).manifest
    assert manifest.data.images == data["field"] + data["before"]
    assert manifest.outputs == ("blau", "grün", "rot")
    assert manifest.bundle_id == document["candidate"]["bundle_id"]


def test_neither_the_reserve_nor_a_copy_of_it_is_trained_on(made: tuple[Any, Path]) -> None:
    document, into = made
    lines = [
        from_line(line) for line in into.with_name("candidate.bundle.provenance.jsonl").read_text("utf-8").splitlines()
    ]
    assert len(lines) == document["data"]["field"]
    reserve = {f"case {n}" for n in range(0, CASES, RESERVED)}
    titles = {str(line.title) for line in lines}
    assert not titles & (reserve | {f"case {CASES + 2}", f"case {CASES}"})
    assert not {f"case {n}" for n in range(1, CASES, 10)} & titles
    # Of two copies from the field one is kept.
    assert {"case 4", f"case {CASES + 1}"} & titles == {"case 4"}
    assert Counter(line.label_how for line in lines)["adjudicated"] == 1
    assert {line.label_by for line in lines} == {"ada", "grace", "laboratory"}


def test_both_are_compared_on_the_reserve_which_is_on_record(
    made: tuple[Any, Path], field: Field, drivetrain: CommandLine, kept: Path, tmp_path: Path
) -> None:
    document, _ = made
    found = document["comparison"]
    assert found["reserve"] == found["groups"] == sum(n % RESERVED == 0 for n in range(CASES)) - found["left_out"]
    assert found["verdict"] in {"better", "not-worse", "not-enough-to-say"}
    assert found["difference"]["low"] <= found["difference"]["value"] <= found["difference"]["high"]
    again = retrain(drivetrain, kept, field, tmp_path / "again.bundle", "--json")
    assert again.code == 0, again.err
    looked = again.document["data"]["looks"]
    assert looked > document["data"]["looks"] == 0
    said = retrain(drivetrain, kept, field, tmp_path / "third.bundle").out
    assert re.search(rf"^Reserve +looked at ({looked + 1} times|once) before, last by ada on 20", said, re.MULTILINE)
    store = open_store(field.store)
    try:
        looks = [event for event in events_of(store, ROLLOUT) if isinstance(event, Looked)]
        assert [look.by for look in looks] == ["ada"] * (looked + 2)
        assert looks[0].words == found["sentence"]
        assert list(store.verify_log(ROLLOUT))[-1].number == store.rollout(ROLLOUT).head
    finally:
        store.close()


def test_a_candidate_that_is_worse_is_called_so(
    drivetrain: CommandLine, kept: Path, field: Field, tmp_path: Path
) -> None:
    """One of a network that is blind to colours."""
    words = (
        "--store",
        field.store,
        "--rollout",
        "colours",
        "--by",
        "ada",
        "--into",
        tmp_path / "new",
        "--backbone",
        TINY,
    )
    done = drivetrain("retrain", kept, *words)
    assert done.code == 1, done.err
    assert re.search(
        r"the candidate is worse: its error is \d+\.\d to \d+\.\d points higher than the champion's", done.out
    )


def test_what_came_last_is_kept_apart_too(drivetrain: CommandLine, kept: Path, field: Field, tmp_path: Path) -> None:
    done = retrain(drivetrain, kept, field, tmp_path / "candidate.bundle", "--recent", "0.25", "--json")
    assert done.code == 0, done.err
    data = done.document["data"]
    assert data["recent"] == pytest.approx((CASES + 3 - 24 - 48) / 4, abs=1)
    lines = (tmp_path / "candidate.bundle.provenance.jsonl").read_text("utf-8").splitlines()
    latest = max(int(str(from_line(line).title).split()[1]) for line in lines)
    assert latest < 190
    # A proposal in parallel is none that a rollout makes, so that this log cannot be played through.
    assert "does not wait for confirm 0" in done.document["backtest"]


def test_labels_told_with_the_answer_in_sight_only_where_asked_for(
    drivetrain: CommandLine, kept: Path, field: Field, tmp_path: Path
) -> None:
    done = retrain(drivetrain, kept, field, tmp_path / "candidate.bundle", "--assisted-too", "--json")
    assert done.code == 0, done.err
    assert done.document["data"]["labels"]["assisted"] == 24
    assert done.document["data"]["left_out"] == {}


@pytest.mark.parametrize(
    ("change", "message"),
    [
        ({"--rollout": "cells"}, "the store has no rollout 'cells'; it has colours"),
        ({"--recent": "2"}, "recent (--recent) is 2; it is the share kept to compare on, 0 to 0.9"),
        ({"--into": "KEPT"}, "is the bundle that is live, and stays as it is"),
        ({"BUNDLE": "v4-classes"}, "and the rollout colours is of"),
        ({"--store": "nowhere.db"}, "nowhere.db"),
    ],
)
def test_wrong_choices_get_one_line(
    drivetrain: CommandLine, kept: Path, field: Field, tmp_path: Path, change: dict[str, str], message: str
) -> None:
    words = {"--store": str(field.store), "--rollout": "colours", "--by": "ada", "--into": str(tmp_path / "new")}
    bundle = kept.parent / change.pop("BUNDLE", "v1")
    words |= {name: str(kept) if value == "KEPT" else value for name, value in change.items()}
    done = drivetrain("retrain", bundle, *(word for pair in words.items() for word in pair))
    assert done.code == 2
    assert message in done.error
    assert not (tmp_path / "new").exists()


def test_every_field_is_documented(made: tuple[Any, Path]) -> None:
    section = (Path(__file__).parents[2] / "docs" / "json.md").read_text(encoding="utf-8")
    section = section.split("## `drivetrain retrain")[1].split("\n## ")[0]
    document, _ = made
    for part in (document, document["data"], document["comparison"], document["candidate"]):
        for name in part:
            assert f"`{name}`" in section, name
    assert json.dumps(document)


def test_a_candidate_is_played_through_beside_its_champion(
    drivetrain: CommandLine, kept: Path, field: Field, tmp_path: Path
) -> None:
    """On the cases that came after what it was trained on, where the log is one that a rollout can have written."""
    store = open_store(tmp_path / "played.db")
    try:
        write_rollout(store, load(kept), "colours", ROLLOUT)
        for n in range(CASES):
            write_case(store, ROLLOUT, n, NAMES[n % 3], Draw(Route.BLIND, reserve=n % RESERVED == 0))
            write_events(store, ROLLOUT, [decided(n, NAMES[n % 3], minutes=0.5)])
    finally:
        store.close()
    played = Field(tmp_path / "played.db", field.old, field.backbone)
    done = retrain(drivetrain, kept, played, tmp_path / "candidate.bundle", "--recent", "0.25", "--json")
    assert done.code == 0, done.err
    found = done.document["backtest"]
    assert [trial["name"] for trial in found["trials"]] == ["champion", "candidate"]
    _, candidate = found["trials"]
    assert candidate["bundle_id"] == done.document["candidate"]["bundle_id"]
    # Never on what it was trained on, nor before that; those of the reserve that came earlier are left out too.
    assert candidate["cases"] == pytest.approx(CASES / 4, abs=CASES / RESERVED / 4 + 1)
    assert candidate["left_out"]["before"] + candidate["left_out"]["copies"] == CASES - candidate["cases"]
    assert candidate["runs"][0]["stage"] == "parallel"
    (pair,) = found["pairs"]
    assert ({pair["one"], pair["other"]}, pair["cases"]) == ({"champion", "candidate"}, candidate["cases"])
    said = retrain(drivetrain, kept, played, tmp_path / "again.bundle", "--recent", "0.25")
    assert said.code == 0, said.err
    assert re.search(rf"less \w+ on {candidate['cases']} cases: errors .* points, reviews .* points", said.out)
