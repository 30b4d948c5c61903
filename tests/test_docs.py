"""Documentation that cannot lie: the README's commands run, every JSON field is documented, every option explained."""

from __future__ import annotations

import json
import os
import re
import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest
from PIL import Image
from sklearn.datasets import load_digits

ROOT = Path(__file__).resolve().parent.parent
README = (ROOT / "README.md").read_text(encoding="utf-8")


def blocks(language: str) -> list[str]:
    return re.findall(rf"```{language}\n(.*?)```", README, flags=re.DOTALL)


@pytest.fixture(scope="module")
def workplace(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A folder in which the README's examples can run: three classes of real (small) pictures stand in for bears."""
    folder = tmp_path_factory.mktemp("readme")
    digits = load_digits()
    for digit, name in ((0, "black"), (1, "grizzly"), (4, "teddy")):
        rows = np.flatnonzero(digits.target == digit)
        for place, part in (("bears", rows[:30]), ("elsewhere", rows[30:42])):
            (folder / place / name).mkdir(parents=True)
            for row in part:
                pixels = (255 - digits.images[row] * 15.9).astype(np.uint8)
                image = Image.fromarray(pixels).resize((48, 48), Image.Resampling.BICUBIC)
                image.save(folder / place / name / f"{row:04}.jpg", quality=95)
    (folder / "photos").mkdir()
    image.save(folder / "photos" / "new.jpg")
    image.save(folder / "a.jpg")
    return folder


def shell(command: str, folder: Path) -> str:
    environment = {
        **os.environ,
        "PATH": f"{Path(sys.executable).parent}{os.pathsep}{os.environ['PATH']}",
        "DRIVETRAIN_CACHE": str(folder / "cache"),
    }
    done = subprocess.run(
        ["bash", "-euc", command], cwd=folder, env=environment, capture_output=True, text=True, timeout=300, check=False
    )
    assert done.returncode == 0, f"{command}\n{done.stdout}\n{done.stderr}"
    return done.stdout


@pytest.mark.processes
def test_the_first_screen_is_short_and_its_commands_run(workplace: Path) -> None:
    commands = next(block for block in blocks("bash") if "drivetrain train" in block)
    python = blocks("python")[0]
    lines = [line for line in (commands + python).splitlines() if line.strip()]
    assert len(lines) <= 12
    output = shell(commands, workplace)
    assert "accuracy" in output.lower()
    assert (workplace / "bears.bundle" / "report.html").is_file()
    said = subprocess.run(
        [sys.executable, "-c", python],
        cwd=workplace,
        env={**os.environ, "DRIVETRAIN_CACHE": str(workplace / "cache")},
        capture_output=True,
        text=True,
        timeout=300,
        check=False,
    )
    assert said.returncode == 0, said.stderr
    assert re.search(r"\d+\.\d% from \d+\.\d% to \d+\.\d%", said.stdout)
    assert re.search(r"(black|grizzly|teddy) (0\.\d+|1\.0) (accept|review|out_of_domain)", said.stdout)


def test_the_two_commands_are_make_targets() -> None:
    targets = re.findall(r"^([a-z]+):.*## ", (ROOT / "Makefile").read_text(), flags=re.MULTILINE)
    assert {"demo", "test", "install", "help"} <= set(targets)
    two = next(block for block in blocks("bash") if block.startswith("make demo"))
    assert [line.split()[1] for line in two.splitlines()] == ["demo", "test"]
    assert "make test" in (ROOT / ".ci" / "run").read_text()


def fields(document: object, prefix: str = "") -> set[str]:
    """Dotted names of a document's fields; ``[]`` stands for every entry of a list of such."""
    if isinstance(document, list) and document and all(isinstance(entry, dict) for entry in document):
        return set().union(*(fields(entry, f"{prefix}[]") for entry in document))
    if not isinstance(document, dict) or not document:
        return {prefix}
    return set().union(*(fields(value, f"{prefix}.{name}".lstrip(".")) for name, value in document.items()))


def documented(heading: str, task: str = "") -> set[str]:
    """Fields of a command: those of every task, and those of one."""
    text = (ROOT / "docs" / "json.md").read_text(encoding="utf-8")
    section = next(part for part in text.split("\n## ")[1:] if heading in part.splitlines()[0])
    shared, *others = section.split("\n### ")
    chosen = [part for part in others if part.startswith(f"`{task}`\n")]
    assert len(chosen) == bool(task)
    rows = [line.split("|")[1] for part in (shared, *chosen) for line in part.splitlines() if line.startswith("| `")]
    return {name for row in rows for name in re.findall(r"`([^`]+)`", row)}


@pytest.fixture(scope="module")
def tables(workplace: Path) -> Path:
    """Beside the pictures: tables of labels and of numbers, to train on and to evaluate."""
    shell("mkdir -p pair && cp -r bears/black bears/teddy pair/", workplace)
    for place, stem in (("bears", "train"), ("elsewhere", "fresh")):
        files = sorted((workplace / place).glob("*/*.jpg"))
        grey = [round(float(np.asarray(Image.open(file).convert("L")).mean()), 2) for file in files]
        cells = {
            "labels": [
                f"{file.parent.name};{'light' if g > np.median(grey) else 'dark'}"
                for file, g in zip(files, grey, strict=True)
            ],
            "numbers": [str(g) for g in grey],
        }
        for name, column in cells.items():
            rows = [f"{file},{cell}\n" for file, cell in zip(files, column, strict=True)]
            (workplace / f"{stem}-{name}.csv").write_text("".join(["path,label\n", *rows]))
    return workplace


# Classification with two classes, so that AUC is among its fields.
SOURCES = {
    "classification": ("pair", "elsewhere"),
    "multi-label": ("train-labels.csv", "fresh-labels.csv"),
    "regression": ("train-numbers.csv", "fresh-numbers.csv"),
}


@pytest.mark.processes
@pytest.mark.parametrize("task", SOURCES)
def test_every_json_field_is_documented_and_every_documented_field_is_there(tables: Path, task: str) -> None:
    source, fresh = SOURCES[task]
    bundle = f"{task}.bundle"
    train = json.loads(
        shell(f"drivetrain train {source} --task {task} --out {bundle} --backbone efficientnet-lite0 --json", tables)
    )
    train["classes"] = "by name"
    assert train["task"] == task
    train["figures"] = rows_of(train["figures"], "figures")
    train["findings"] = rows_of(train["findings"], "findings")
    for name in ("shortcuts", "slices"):
        rows_of(train["gotchas"][name], f"gotchas.{name}")
    train["gotchas"] = rows_of([train["gotchas"]], "gotchas")
    named = documented("drivetrain train", task) - {"gotchas.shortcuts", "gotchas.slices"}
    assert {documented_name(field, named) for field in fields(train)} == named
    evaluate = json.loads(shell(f"drivetrain evaluate {bundle} {fresh} --json", tables))
    evaluate["skipped_files"] = "a list"
    evaluate["figures"] = rows_of(evaluate["figures"], "figures")
    evaluate["findings"] = rows_of(evaluate["findings"], "findings")
    assert fields(evaluate) == documented("drivetrain evaluate", task)
    predict = json.loads(shell(f"drivetrain predict {bundle} photos missing.jpg --json", tables))
    assert [answer["verdict"] for answer in predict][1] == "unreadable"
    assert set(predict[0]) == set(predict[1]) == documented("drivetrain predict")
    inspect = json.loads(shell(f"drivetrain inspect {bundle} --json", tables))
    named = documented("drivetrain inspect", task)
    assert {documented_name(field, named) for field in fields(inspect)} == named


def rows_of(rows: list[dict[str, object]], name: str) -> str:
    """That they are rows, every field of which is explained where ``name`` is."""
    line = next(
        line for line in (ROOT / "docs" / "json.md").read_text(encoding="utf-8").splitlines() if f"| `{name}` |" in line
    )
    assert all(set(row) <= set(re.findall(r"`([^`]+)`", line)) for row in rows)
    return "rows"


def documented_name(field: str, named: set[str]) -> str:
    """What a field is documented as: itself, or the whole that it is a part of, such as a figure with its interval."""
    return next((name for name in named if f"{field}.".startswith((f"{name}.", f"{name}[]."))), field)


def in_words(heading: str) -> set[str]:
    """Names in quotes of a section that is no table."""
    text = (ROOT / "docs" / "json.md").read_text(encoding="utf-8")
    section = next(part for part in text.split("\n## ")[1:] if part.startswith(f"`{heading}"))
    return set(re.findall(r"`([^`]+)`", section.split("\n", 1)[1]))


@pytest.mark.processes
def test_every_json_field_of_store_keys_and_apps_is_documented(workplace: Path) -> None:
    def said(command: str) -> dict[str, object]:
        document: dict[str, object] = json.loads(shell(f"drivetrain {command} --json", workplace))
        return document

    kept = ROOT / "tests" / "bundles" / "v1"
    assert set(said("keys add gateway --store s.db")) == documented("drivetrain keys add")
    assert set(said("store info s.db")) == documented("drivetrain store info")
    assert set(said("store export out.csv --store s.db")) == in_words("drivetrain store export")
    assert set(said("store labels told.csv --store s.db")) == in_words("drivetrain store labels")
    assert set(said("store prune s.db --images-days 1 --dry-run")) == documented("drivetrain store prune")
    assert set(said("store migrate s.db")) == in_words("drivetrain store migrate")
    assert set(said("keys revoke gateway --store s.db")) == documented("drivetrain keys add") - {"secret"}
    assert set(said(f"app {kept} --to docker --out handed-over")) == documented("drivetrain app BUNDLE")


def test_internal_links_lead_somewhere() -> None:
    for page in [
        ROOT / "README.md",
        ROOT / "CONTRIBUTING.md",
        *(ROOT / "docs").glob("*.md"),
        *(ROOT / "benchmarks").glob("*.md"),
    ]:
        for target in re.findall(r"\]\(([^)#]+)\)", page.read_text(encoding="utf-8")):
            if not target.startswith(("http://", "https://")):
                assert (page.parent / target).exists(), f"{page.name} links to {target}"


def test_modules_that_are_named_exist() -> None:
    files = [
        f"/{path.relative_to(ROOT)}" for room in ("src", "tests", "web/src") for path in (ROOT / room).rglob("*.*")
    ]
    for page in (ROOT / "README.md", ROOT / "CONTRIBUTING.md"):
        named = set(re.findall(r"`([\w./-]+\.(?:py|ts|svelte))`", page.read_text(encoding="utf-8")))
        for name in sorted(named):
            assert any(file.endswith(f"/{name}") for file in files), f"{page.name} names {name}"
