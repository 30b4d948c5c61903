"""``drivetrain monitor``: images, the store of a server, a plan; JSON as documented, and sentences for people."""

from __future__ import annotations

import json
import re
from datetime import UTC, datetime, timedelta
from pathlib import Path

import numpy as np
import pytest
from command_line import CommandLine, OwnProcess, TrainedByCommand
from PIL import Image

from drivetrain.core.records import Context, Entry, MonitorState, Record, Timings, ToldHow, Truth
from drivetrain.core.types import Prediction, Verdict
from drivetrain.model.manifest import parse_manifest
from drivetrain.model.predictor import load
from drivetrain.monitor.following import alarm_of
from drivetrain.monitor.observation import Audit, Observation
from drivetrain.monitor.plan import plan
from drivetrain.monitor.raised import Raised
from drivetrain.monitor.reference import GateReference, Reference
from drivetrain.monitor.settings import Settings
from drivetrain.monitor.summary import summary
from drivetrain.monitor.watch import Watch
from drivetrain.store.sql_store import open_store

START = datetime(2026, 5, 1, tzinfo=UTC)
ALARM = {"source", "monitor", "began", "raised", "looks_like", "evidence"}


@pytest.fixture
def golden(kept: Path) -> Path:
    """A few images."""
    return kept / "golden"


def record(number: int, bundle_id: str, camera: str, model: str = "m") -> Record:
    prediction = Prediction("a.jpg", "rot", 0.95, {"rot": 0.95, "blau": 0.05}, Verdict.ACCEPT, bundle_id)
    at = START + timedelta(minutes=number)
    return Record(f"{number:032x}", "r", at, model, prediction, Timings(0, 0, 0, 0), context=Context(camera=camera))


def stored(path: Path, bundle_id: str, wrong: int) -> tuple[list[Record], list[Truth]]:
    """A store with answers of two bundles; of the one asked for, people say that some were wrong."""
    mine = [record(number, bundle_id, f"camera {number % 2}") for number in range(60)]
    others = [record(1_000 + number, "f" * 16, "camera 0") for number in range(5)]
    truths = [Truth(f"{n:032x}", one.id, one.at, "ann", ToldHow.BLIND, "blau") for n, one in enumerate(mine[:wrong])]
    store = open_store(path)
    store.append([Entry(one) for one in [*mine, *others]])
    for truth in truths:
        store.add_truth(truth)
    store.close()
    return mine, truths


def test_images_are_watched_and_nothing_alarms(drivetrain: CommandLine, kept: Path, golden: Path) -> None:
    done = drivetrain("monitor", golden, "--bundle", kept, "--json")
    assert done.code == 0
    document = done.document
    assert document["n"] == document["sources"][0]["n"] == document["votes"] > 2
    assert (document["alarms"], document["clusters"], document["order"]) == ([], [], "name")
    assert document["out_of_domain_rate"] is None
    assert document["certificate"] is None
    assert document["sources"][0]["last"] is None  # nobody knows when these were taken
    assert any("has no gate" in sentence for sentence in document["not_watched"])
    assert drivetrain("monitor", "watch", golden, "--bundle", kept, "--json").document == document


def test_a_store_gives_what_its_server_knew(drivetrain: CommandLine, kept: Path, tmp_path: Path) -> None:
    bundle_id = parse_manifest((kept / "manifest.json").read_bytes()).bundle_id
    mine, truths = stored(tmp_path / "store.sqlite", bundle_id, wrong=40)
    live = Watch.of(Reference.of(load(kept, golden=False)))
    for one in mine:
        live.update(Observation.of_record(one))
    for one, truth in zip(mine, truths, strict=False):
        audit = Audit.of(one, truth)
        assert audit is not None
        live.update(audit)
    done = drivetrain("monitor", tmp_path / "store.sqlite", "--bundle", kept, "--json")
    assert done.code == 1
    document = done.document
    known = json.loads(json.dumps(summary(live)))
    assert {name: document[name] for name in known} == known
    (alarm,) = document["alarms"]
    assert set(alarm) == ALARM
    assert (alarm["monitor"], alarm["looks_like"]) == ("audited-error", "errors")
    assert "5 entries of the store are of other bundles or models" in done.err
    said = drivetrain("monitor", tmp_path / "store.sqlite", "--bundle", kept)
    assert said.code == 1
    assert "more accepted answers are wrong than promised" in said.out


def test_a_store_without_an_alarm(drivetrain: CommandLine, kept: Path, tmp_path: Path) -> None:
    bundle_id = parse_manifest((kept / "manifest.json").read_bytes()).bundle_id
    stored(tmp_path / "store.sqlite", bundle_id, wrong=0)
    done = drivetrain("monitor", tmp_path / "store.sqlite", "--bundle", kept)
    assert done.code == 0
    lines = done.out.splitlines()
    assert lines[0].split() == ["source", "images", "votes", "out", "of", "domain", "likely", "accuracy,", "estimated"]
    assert [line.split("  ")[0] for line in lines[1:4]] == ["camera 0", "camera 1", "all together"]
    assert "No alarm: nothing that is watched has changed." in lines


def test_a_store_of_other_bundles_is_not_said_to_be_unchanged(
    drivetrain: CommandLine, kept: Path, tmp_path: Path
) -> None:
    store = open_store(tmp_path / "store.sqlite")
    store.append([Entry(record(number, "f" * 16, "north")) for number in range(9)])
    store.close()
    done = drivetrain("monitor", tmp_path / "store.sqlite", "--bundle", kept)
    assert "Nothing was watched: no answer of this bundle was found." in done.out
    assert "No alarm" not in done.out


def test_a_bundle_of_several_names_is_asked_for_by_name(drivetrain: CommandLine, kept: Path, tmp_path: Path) -> None:
    bundle_id = parse_manifest((kept / "manifest.json").read_bytes()).bundle_id
    store = open_store(tmp_path / "store.sqlite")
    store.append([Entry(record(number, bundle_id, "north", "ab"[number % 2])) for number in range(9)])
    store.close()
    call = ("monitor", tmp_path / "store.sqlite", "--bundle", kept, "--json")
    assert "the bundle was served as a, b; say with --model which is meant" in drivetrain(*call).err
    assert drivetrain(*call, "--model", "b").document["n"] == 4


def test_an_alarm_that_was_cleared_does_not_stand(drivetrain: CommandLine, kept: Path, tmp_path: Path) -> None:
    bundle_id = parse_manifest((kept / "manifest.json").read_bytes()).bundle_id
    path = tmp_path / "store.sqlite"
    stored(path, bundle_id, wrong=40)
    call = ("monitor", path, "--bundle", kept, "--json")
    (alarm,) = drivetrain(*call).document["alarms"]
    store = open_store(path)
    known = alarm_of(("m", bundle_id), Raised.of_json(alarm))  # as a server would have kept it
    state = MonitorState("m", bundle_id, 0, "{}", START)
    assert store.advance_monitor(None, state, [known])
    assert store.clear_alarm(known.id, START, "ann", "looked") is not None
    store.append([Entry(record(500, bundle_id, "camera 0"))])
    store.close()
    done = drivetrain(*call)
    assert (done.code, done.document["alarms"]) == (0, [])


def explained(heading: str) -> set[str]:
    """Names in a section of the page on JSON documents."""
    page = (Path(__file__).parents[2] / "docs" / "json.md").read_text(encoding="utf-8")
    section = next(part for part in page.split("\n## ")[1:] if part.startswith(f"`{heading}"))
    return set(re.findall(r"`([^`]+)`", section))


def test_every_json_field_is_documented(drivetrain: CommandLine, kept: Path, tmp_path: Path) -> None:
    bundle_id = parse_manifest((kept / "manifest.json").read_bytes()).bundle_id
    stored(tmp_path / "store.sqlite", bundle_id, wrong=40)
    document = drivetrain("monitor", tmp_path / "store.sqlite", "--bundle", kept, "--json").document
    named = explained("drivetrain monitor DATA")
    fields = {*document, *(f"sources[].{name}" for name in document["sources"][0])}
    fields |= {f"alarms[].{name}" for name in ALARM} | set(document["alarms"][0]["evidence"]) | {"of", "distance", "p"}
    assert {
        name for name in fields if not any(f"{one}.".startswith((f"{name}.", f"{name}[]")) for one in named)
    } == set()
    planned = plan(GateReference(0.05, 100), traffic_per_day=50, runs=2, settings=Settings(horizon=10)).to_json()
    fields = {*planned, *(f"rows[].{name}" for name in planned["rows"][0] if name != "false_alarms")} - {"rows"}
    assert fields <= explained("drivetrain monitor plan")


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        (("monitor", "photos"), "Missing option '--bundle'"),
        (("monitor", "watch"), "Missing argument 'DATA'"),
        (("monitor", "{golden}", "--bundle", "{kept}", "--by", "camera"), "--by camera names a column, and"),
        (("monitor", "http://h:8000", "--bundle", "{kept}"), "is the address of a server, whose own monitor stands at"),
        (("monitor", "nowhere", "--bundle", "{kept}"), "there is no nowhere"),
        (("monitor", "postgresql://a@b/c", "--by", "x"), "Missing option '--bundle'"),
        (("monitor", "plan", "--bundle", "{kept}"), "has no gate, so that there is no out-of-domain rate to watch"),
        (("monitor", "plan", "--bundle", "{kept}", "--traffic", "lots"), "the traffic 'lots' cannot be read"),
        (("monitor", "plan", "--bundle", "{kept}", "--sources", "0"), "--sources"),
    ],
)
def test_a_wrong_call_gets_one_line(
    drivetrain: CommandLine, kept: Path, golden: Path, arguments: tuple[str, ...], message: str
) -> None:
    done = drivetrain(*(one.format(kept=kept, golden=golden) for one in arguments))
    assert done.code == 2
    assert message in done.err.splitlines()[-1]


@pytest.mark.processes
def test_a_process_says_the_same(
    drivetrain: CommandLine, drivetrain_process: OwnProcess, kept: Path, golden: Path
) -> None:
    arguments = ("monitor", golden, "--bundle", kept, "--json")
    assert drivetrain_process(*arguments).document == drivetrain(*arguments).document


@pytest.fixture(scope="module")
def noise(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Sixty pictures of noise, like nothing that was trained on, a minute apart by one camera's table."""
    folder = tmp_path_factory.mktemp("noise")
    rng = np.random.default_rng(0)
    rows = ["path,camera,taken_at"]
    for number in range(60):
        name = f"{number:02}.png"
        Image.fromarray(rng.integers(0, 256, (80, 96, 3), dtype=np.uint8)).save(folder / name)
        rows.append(f"{name},north,{(START + timedelta(minutes=number)).isoformat()}")
    (folder / "list.csv").write_text("\n".join(rows), encoding="utf-8")
    return folder


def test_images_unlike_those_trained_on_alarm(drivetrain: CommandLine, trained: TrainedByCommand, noise: Path) -> None:
    done = drivetrain("monitor", noise / "list.csv", "--bundle", trained.bundle, "--json")
    assert done.code == 1, done.err
    document = done.document
    assert document["out_of_domain_rate"]["low"] > document["in_domain_at_most"]
    (alarm,) = document["alarms"]
    assert set(alarm) == ALARM
    assert (alarm["source"], alarm["monitor"]) == ("north", "out-of-domain-rate")
    assert datetime.fromisoformat(alarm["began"]) <= START + timedelta(minutes=5)
    assert alarm["looks_like"] == "camera-or-processing"
    assert set(alarm["evidence"]["images"]) <= {f"{number:02}.png" for number in range(60)}
    assert document["clusters"][0]["n"] >= 30
    said = drivetrain("monitor", noise / "list.csv", "--bundle", trained.bundle)
    assert said.code == 1
    assert "ALARM  north: more images than usual are unlike those trained on" in said.out
    assert "since about 1 May 2026" in said.out


def test_more_of_what_was_trained_on_does_not(drivetrain: CommandLine, trained: TrainedByCommand) -> None:
    done = drivetrain("monitor", trained.source, "--bundle", trained.bundle, "--json")
    assert (done.code, done.document["alarms"]) == (0, [])
    assert done.document["order"] == "shuffled"
    by_folder = drivetrain("monitor", trained.source, "--bundle", trained.bundle, "--by", "folder", "--json").document
    assert {one["source"] for one in by_folder["sources"]} == {"discs", "squares", "stripes"}


@pytest.mark.thorough
def test_a_plan_is_made_with_the_bundles_own_gate(drivetrain: CommandLine, trained: TrainedByCommand) -> None:
    call = ("monitor", "plan", "--bundle", trained.bundle, "--traffic", "20/hour", "--sources", "2", "--runs", "20")
    done = drivetrain(*call, "--json")
    document = done.document
    assert "simulate: 13 steps in " in done.err
    assert (document["traffic_per_day"], document["sources"], document["runs"]) == (480, 2, 20)
    assert len(document["rows"]) == 12
    found = {row["contamination"]: row["found"] for row in document["rows"] if row["change_after"] == 1_000}
    assert found[0.2] > found[0.02]
    assert document["rows"][0]["always_alarm"]["false_alarms"]["value"] == 1
