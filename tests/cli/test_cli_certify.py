"""``drivetrain certify``: what it prints, its exit codes, and that nothing but --out is written."""

from __future__ import annotations

import json
import re
from pathlib import Path

import pytest
from command_line import CommandLine

from coloured import draw_field
from drivetrain.model.predictor import load

DOCUMENTATION = Path(__file__).parents[2] / "docs" / "json.md"


@pytest.fixture(scope="module")
def field(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return draw_field(tmp_path_factory.mktemp("field"), 30)


def test_a_certificate_is_written_and_said(drivetrain: CommandLine, kept: Path, field: Path, tmp_path: Path) -> None:
    done = drivetrain(
        "certify", kept, field / "field.csv", "--max-error", "0.2", "--by", "camera", "--out", tmp_path / "new"
    )
    assert done.code == 0, done.err
    assert re.search(r"^Images +91 labelled, 90 of them independent$", done.out, re.MULTILINE)
    assert "a certificate from labelled data that the model had not seen" in done.out
    assert re.search(r"^camera=north +certified: ", done.out, re.MULTILINE)
    assert "slices each at 95 %" in done.out
    assert f"made from {load(kept).manifest.bundle_id}, which stays as it is" in done.out
    assert "Turns away" in done.out
    assert "images unlike those trained on are not told apart" in done.out
    shown = drivetrain("inspect", tmp_path / "new").out
    assert "a certificate from labelled data that the model had not seen" in shown


def test_what_cannot_be_certified_ends_with_code_1_and_the_document(
    drivetrain: CommandLine, kept: Path, field: Path
) -> None:
    done = drivetrain("certify", kept, field, "--json")
    assert done.code == 1
    document = json.loads(done.out)
    assert (document["certified"], document["max_error"], document["needed"]) == (False, 0.02, 149)
    section = DOCUMENTATION.read_text(encoding="utf-8").split("## `drivetrain certify")[1].split("\n## ")[0]
    rows = [line.split("|")[1] for line in section.splitlines() if line.startswith("| `")]
    assert {name for row in rows for name in re.findall(r"`([^`]+)`", row)} == set(document)


def test_without_out_nothing_is_written(drivetrain: CommandLine, kept: Path, field: Path) -> None:
    before = sorted(path for path in field.rglob("*") if not path.name.startswith("."))
    done = drivetrain("certify", kept, field, "--max-error", "0.2")
    assert done.code == 0, done.err
    assert "Nothing was written; --out PATH writes the bundle with this rule." in done.out
    assert before == sorted(path for path in field.rglob("*") if not path.name.startswith("."))


@pytest.mark.parametrize(
    ("options", "message"),
    [
        (("--max-error", "2"), "max_error (--max-error) is 2; it must be 0.0001 to 0.5"),
        (("--jointly",), "jointly (--jointly) is about several slices"),
        (("--prevalence", "blau"), "give the share of each class"),
        (("--by", "lens"), "has no column 'lens'"),
    ],
)
def test_wrong_choices_get_one_line(
    drivetrain: CommandLine, kept: Path, field: Path, options: tuple[str, ...], message: str
) -> None:
    done = drivetrain("certify", kept, field / "field.csv", *options)
    assert done.code == 2
    assert message in done.err
