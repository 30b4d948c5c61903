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
    assert re.search(r"(black|grizzly|teddy) 0\.\d+ (accept|review)|(black|grizzly|teddy) 1\.0 accept", said.stdout)


def test_the_two_commands_are_make_targets() -> None:
    targets = re.findall(r"^([a-z]+):.*## ", (ROOT / "Makefile").read_text(), flags=re.MULTILINE)
    assert {"demo", "test", "install", "help"} <= set(targets)
    two = next(block for block in blocks("bash") if block.startswith("make demo"))
    assert [line.split()[1] for line in two.splitlines()] == ["demo", "test"]
    assert "make test" in (ROOT / ".ci" / "run").read_text()


def fields(document: object, prefix: str = "") -> set[str]:
    """Dotted names of a document's fields."""
    if not isinstance(document, dict):
        return {prefix}
    return set().union(*(fields(value, f"{prefix}.{name}".lstrip(".")) for name, value in document.items()))


def documented(heading: str) -> set[str]:
    text = (ROOT / "docs" / "json.md").read_text(encoding="utf-8")
    section = next(part for part in text.split("\n## ")[1:] if heading in part.splitlines()[0])
    rows = [line.split("|")[1] for line in section.splitlines() if line.startswith("| `")]
    return {name for row in rows for name in re.findall(r"`([^`]+)`", row)}


def test_every_json_field_is_documented_and_every_documented_field_is_there(workplace: Path) -> None:
    """Two classes, so that AUC is among them."""
    command = "drivetrain train pair --out pair.bundle --backbone efficientnet-lite0 --json"
    shell("mkdir -p pair && cp -r bears/black bears/teddy pair/", workplace)
    train = json.loads(shell(command, workplace))
    train["classes"] = "by name"
    assert fields(train) == documented("drivetrain train")
    evaluate = json.loads(shell("drivetrain evaluate pair.bundle elsewhere --json", workplace))
    assert fields(evaluate) == documented("drivetrain evaluate")
    predict = json.loads(shell("drivetrain predict pair.bundle photos missing.jpg --json", workplace))
    assert [answer["verdict"] for answer in predict][1] == "unreadable"
    assert set(predict[0]) == documented("drivetrain predict")


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
