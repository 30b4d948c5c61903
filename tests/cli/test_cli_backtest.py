"""``drivetrain backtest``: what it prints, what it refuses in one line, and its page."""

from __future__ import annotations

import csv
import json
import random
import re
import shutil
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from command_line import CommandLine
from PIL import Image

from bundles.making import reseal
from coloured import COLOURS
from drawn import draw_several

DOCUMENTATION = Path(__file__).parents[2] / "docs" / "json.md"
LIGHT = Path(__file__).parents[1] / "bundles" / "v4-classes"
START = datetime(2026, 1, 5, 6, tzinfo=UTC)

UNTIL = ("--trained-until", "2025-12-31")
"""The end of the training data of the bundle of colours, which is dated by the day on which it was made."""

LOOSE = "min_cases = 15\nmin_days = 0.5\nmax_unresolved = 1.0\nmax_out_of_domain = 1.0\n"
POLICY = f"""
name = "line-3"
model = "cells"
alpha = 0.5
[parallel]
margin = 0.4
audit = 0.3
{LOOSE}
[supervised]
max_error = 0.4
max_override = 0.5
blind = 0.5
{LOOSE}
[expanding]
max_error = 0.4
steps = [0.5, 1.0]
new_audits = 2
{LOOSE}
[rollback]
max_error = 0.1
"""


@pytest.fixture(scope="module")
def place(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A folder with two policies, and 360 cases of 18 days with pictures: people err in 15 %, the model in 5 %."""
    folder, rng = tmp_path_factory.mktemp("past"), random.Random(4)
    (folder / "rollout.toml").write_text(POLICY, encoding="utf-8")
    (folder / "strict.toml").write_text(POLICY.replace("line-3", "strict").replace("0.4", "0.1"), encoding="utf-8")
    (folder / "pictures").mkdir()
    names, rows, at = list(COLOURS), [], START
    for number in range(360):
        at += timedelta(minutes=rng.expovariate(1 / 72))
        truth = rng.choice(names)
        seen = truth if rng.random() < 0.95 else rng.choice(names)
        decided = truth if rng.random() < 0.85 else rng.choice(names)
        level = np.clip(np.array(COLOURS[seen]) + np.random.default_rng(number).integers(-28, 29, (6, 6, 3)), 0, 255)
        name = f"pictures/{number:03}.png"
        Image.fromarray(level.astype(np.uint8)).resize((24, 24), Image.Resampling.NEAREST).save(folder / name)
        rows.append(
            {
                "key": f"case-{number}",
                "at": at.isoformat(),
                "path": name,
                "decided": decided,
                "decided_by": rng.choice(("anna", "ben")),
                "outcome": truth,
                "group": f"box-{number // 3}",
                "site": rng.choice(("north", "south")),
            }
        )
    write(folder / "cases.csv", rows)
    write(folder / "silent.csv", [{**row, "outcome": ""} for row in rows])
    write(
        folder / "selective.csv",
        [{**row, "outcome": row["outcome"] if row["decided"] == "rot" else ""} for row in rows],
    )
    return folder


def write(path: Path, rows: list[dict[str, Any]]) -> Path:
    with path.open("w", newline="", encoding="utf-8") as file:
        writer = csv.DictWriter(file, rows[0])
        writer.writeheader()
        writer.writerows(rows)
    return path


@pytest.fixture
def dated(kept: Path, place: Path) -> Path:
    """``cells.bundle`` beside the cases: the bundle of colours, made before they came."""
    bundle = place / "cells.bundle"
    shutil.copytree(kept, bundle)
    manifest = json.loads((bundle / "manifest.json").read_text(encoding="utf-8"))
    text = json.dumps({**manifest, "created_at": "2025-12-31T00:00:00+00:00"}, ensure_ascii=False)
    (bundle / "manifest.json").write_text(text, encoding="utf-8")
    reseal(bundle)
    return bundle


@pytest.mark.usefixtures("dated")
def test_the_commands_of_the_page_run(drivetrain: CommandLine, place: Path) -> None:
    text = (DOCUMENTATION.parent / "backtest.md").read_text(encoding="utf-8")
    blocks = re.findall(r"```bash\n(.*?)```", text, flags=re.DOTALL)
    commands = [line.split() for block in blocks for line in block.splitlines()]
    assert len(commands) == 2
    for command in commands:
        assert command.pop(0) == "drivetrain"
        done = drivetrain(*command, cwd=place)
        assert done.code == 0, done.err
    assert (place / "backtest.html").is_file()


def documented() -> set[str]:
    section = DOCUMENTATION.read_text(encoding="utf-8").split("## `drivetrain backtest")[1].split("\n## ")[0]
    rows = [line.split("|")[1] for line in section.splitlines() if line.startswith("| `")]
    return {name for row in rows for name in re.findall(r"`([^`]+)`", row)}


def test_past_pictures_are_answered_and_the_stages_are_reached(
    drivetrain: CommandLine, kept: Path, place: Path, tmp_path: Path
) -> None:
    page = tmp_path / "page.html"
    done = drivetrain(
        "backtest", place / "rollout.toml", "-b", kept, *UNTIL, "--log", place / "cases.csv", "--report", page
    )
    assert done.code == 0, done.err
    assert re.search(r"^Log +cases.csv: 360 cases of \d+ days, 2026-01-05 to 2026-01-", done.out, re.MULTILINE)
    for stage in ("parallel", "supervised", "expanding to 50 %", "expanding to 100 %"):
        assert re.search(
            rf"^  {stage} +(from the first case on|on 2026-01-\d\d, after \d+ days and \d+ cases)$",
            done.out,
            re.MULTILINE,
        )
    rows = [line.split("  ")[0] for line in done.out.splitlines()]
    assert {"line-3", "people only", "model only", "confidence from 0.9", "deferral by answer"} <= set(rows)
    html = page.read_text(encoding="utf-8")
    assert "<script" not in html
    assert not re.search(r"""(src|href)=["'](?!#|data:)""", html)
    assert "Backtest of cases.csv" in html


def test_the_document_says_what_is_documented(drivetrain: CommandLine, kept: Path, place: Path) -> None:
    done = drivetrain(
        "backtest",
        place / "rollout.toml",
        "--policy",
        place / "strict.toml",
        "-b",
        kept,
        *UNTIL,
        "--log",
        place / "cases.csv",
        "--json",
    )
    assert done.code == 0, done.err
    document = json.loads(done.out)
    names = documented()
    trial = document["trials"][0]
    assert {
        *(set(document) - {"log"}),
        *(f"log.{name}" for name in document["log"]),
        *(f"trials[].{name}" for name in trial),
        *(f"trials[].runs[].{name}" for name in trial["runs"][0]),
        *(f"account.{name}" for name in trial["runs"][0]["account"]),
    } == names
    loose, strict = document["trials"]
    assert (loose["name"], strict["name"]) == ("line-3", "strict")
    account = loose["runs"][0]["account"]
    assert account["acted"] > 50
    assert account["prevented"] > account["made"]
    assert account["unknown"] == 0
    assert account["errors"]["low"] <= account["errors"]["value"] <= account["errors"]["high"]
    assert account["lowest"] == pytest.approx(account["highest"]) == pytest.approx(account["errors"]["value"])
    assert strict["runs"][0]["account"]["acted"] < account["acted"]
    (pair,) = document["pairs"]
    assert (pair["one"], pair["other"], pair["cases"]) == ("line-3", "strict", 360)
    assert pair["reviews"]["value"] < 0
    people, model, *_ = loose["beside"]
    assert (people["acted"], people["otherwise"], model["acted"]) == (0, 0, 360)


def test_equal_seeds_give_equal_documents(drivetrain: CommandLine, kept: Path, place: Path) -> None:
    asked = (
        "backtest",
        place / "rollout.toml",
        "-b",
        kept,
        *UNTIL,
        "--log",
        place / "cases.csv",
        "--json",
        "--seed",
        "3",
    )
    assert drivetrain(*asked).out == drivetrain(*asked).out


def test_without_outcomes_there_are_bounds_until_a_sample_is_adjudicated(
    drivetrain: CommandLine, kept: Path, place: Path, tmp_path: Path
) -> None:
    asked = ("backtest", place / "rollout.toml", "-b", kept, *UNTIL, "--log", place / "silent.csv")
    bounds = json.loads(drivetrain(*asked, "--json").out)["trials"][0]
    assert [run["supposed"] for run in bounds["runs"]] == ["worst", "best"]
    assert bounds["unknown"] == bounds["discordant"] > 30
    assert bounds["beside"][1]["errors"] is None
    assert any("there are only bounds" in said for said in bounds["remarks"])
    queue = tmp_path / "queue"
    drawn = drivetrain(*asked, "--adjudicate", "30", "--queue", queue)
    assert "30 cases were drawn: fill in the column 'right'" in drawn.out
    rows = list(csv.DictReader((queue / "queue.csv").open(encoding="utf-8")))
    assert len(rows) == 30
    assert all((queue / row["picture"]).is_file() for row in rows)
    again = drivetrain(*asked, "--adjudicate", "30", "--queue", queue)
    assert (again.code, "30 of 30 cases are not adjudicated yet" in again.err) == (2, True)
    truths = {
        (place / row["path"]).read_bytes(): row["outcome"] for row in csv.DictReader((place / "cases.csv").open())
    }
    for row in rows:
        row["right"] = truths[(queue / row["picture"]).read_bytes()]
    write(queue / "queue.csv", rows)
    told = json.loads(drivetrain(*asked, "--adjudicate", "30", "--queue", queue, "--json").out)["trials"][0]
    assert [run["supposed"] for run in told["runs"]] == ["likely", "worst", "best"]
    assert told["unknown"] == bounds["unknown"] - 30
    whole = json.loads(drivetrain(*asked[:-1], place / "cases.csv", "--json").out)["trials"][0]
    estimate, truth = told["beside"][1]["errors"], whole["beside"][1]["errors"]["value"]
    assert estimate["low"] < truth < estimate["high"]
    low, high = bounds["beside"][1]["lowest"], bounds["beside"][1]["highest"]
    assert low < truth < high


@pytest.mark.parametrize(
    ("given", "said"),
    [
        (["--log", "selective.csv", *UNTIL], "selective labels"),
        (["--log", "cases.csv"], "(when the bundle was made, as it does not say when its data end), and the last case"),
        (
            ["--log", "cases.csv", "--trained-until", "2026-09-01"],
            "(as stated), and the last case of cases.csv came on 2026-01-",
        ),
        (["--log", "cases.csv", "--trained-until", "soon"], "--trained-until is 'soon'; write a date as 2026-05-31"),
        (["--log", "cases.csv", "--trained-until", "x=2026-09-01"], "names the bundle 'x'; those tried are v1"),
        (["--log", "cases.csv", "--queue", "q"], "give their number, such as --adjudicate 100"),
        (["--log", "cases.csv", "--rollout", "r"], "--rollout names a rollout of a store, and cases.csv is a table"),
        (["--log", "nowhere.csv"], "nowhere.csv"),
    ],
)
def test_what_cannot_be_is_refused_in_one_line(
    drivetrain: CommandLine, kept: Path, place: Path, given: list[str], said: str
) -> None:
    done = drivetrain("backtest", "rollout.toml", "-b", kept, *given, cwd=place)
    assert done.code == 2
    assert said in done.err.splitlines()[-1]
    assert sum(line.startswith("error: ") for line in done.err.splitlines()) == 1


def test_what_it_was_trained_on_is_left_out(drivetrain: CommandLine, place: Path, tmp_path: Path) -> None:
    """Copies of training images are found by their pictures; where they are many, what is said of the training is wrong."""
    draw_several(tmp_path / "old", 30)
    draw_several(tmp_path / "new", 270, seed=1)
    files = [*sorted((tmp_path / "new").iterdir()), *sorted((tmp_path / "old").iterdir())]
    rows = [
        {
            "key": path.stem + path.parent.name,
            "at": (START + timedelta(hours=n)).isoformat(),
            "path": path,
            "decided": "dark",
        }
        for n, path in enumerate(files)
    ]
    write(tmp_path / "few.csv", [{**row, "path": row["path"].relative_to(tmp_path)} for row in rows])
    done = drivetrain("backtest", place / "rollout.toml", "-b", LIGHT, "--log", tmp_path / "few.csv", "--json")
    assert done.code == 0, done.err
    left = json.loads(done.out)["trials"][0]
    assert (left["left_out"]["copies"], left["cases"]) == (30, 270)
    write(tmp_path / "many.csv", [{**row, "path": row["path"].relative_to(tmp_path)} for row in rows[200:]])
    refused = drivetrain("backtest", place / "rollout.toml", "-b", LIGHT, "--log", tmp_path / "many.csv")
    assert refused.code == 2
    assert "30 of 100 cases after 2023-11-14" in refused.err
    assert "are copies of training images" in refused.err
