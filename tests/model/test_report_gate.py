"""The gate's section in the report of a real training, and the cases that it shows."""

from __future__ import annotations

from html import unescape
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import numpy as np

import drivetrain as dt
from drivetrain.model.manifest import parse_manifest
from drivetrain.report.gate import nearest_rows, refused_rows


def test_the_report_and_the_card_say_what_the_gate_makes_of_each_set(trained: Path, predictor: dt.Predictor) -> None:
    gate = parse_manifest((trained / "manifest.json").read_bytes()).gate
    assert gate is not None
    names = [one.name for one in gate.tried]
    assert names[: len(predictor.classes)] == [f"Class “{name}”, left out" for name in predictor.classes]
    assert [name.removeprefix("Training images, ") for name in names if name.startswith("Training")] == [
        "blurred",
        "with noise",
        "nearly dark",
        "as poor JPEG",
    ]
    assert "Drawn patterns" in names
    page = unescape((trained / "report.html").read_text(encoding="utf-8"))
    card = (trained / "card.md").read_text(encoding="utf-8")
    section = page[page.index('<section id="gate"') :]
    section = section[: section.index("</section>")]
    for name in ("Training images, out of fold", *names):
        assert name in section
    assert "They are no promise for whatever comes" in section
    assert "At most 5\N{NO-BREAK SPACE}% of images" in section.replace("5 %", "5\N{NO-BREAK SPACE}%")
    (line,) = [line for line in card.splitlines() if line.startswith("Of sets made by machine the gate refuses: ")]
    assert all(name in line for name in names)
    assert line.endswith("no promise for whatever comes.")


def test_the_expected_shares_of_all_three_verdicts_make_a_whole(trained: Path) -> None:
    page = unescape((trained / "report.html").read_text(encoding="utf-8"))
    assert page.count(" would pass alone, ") == 1, "they are said once"
    said = page[page.index(" would pass alone, ") - 40 : page.index(" would be turned away as out of domain")]
    shares = [float(word.split(" %")[0].split()[-1]) for word in (part + " " for part in said.split(" would")[:2])]
    refused = float(said.rstrip().removesuffix("%").split()[-1])
    assert abs(sum(shares) + refused - 100) < 0.31


def test_refused_images_come_strangest_first_and_one_of_each_group() -> None:
    scores_N = np.array([-9.0, -1.0, -12.0, -11.0, -8.0])
    gate: Any = SimpleNamespace(fitted=SimpleNamespace(scores_N=scores_N, limit=-8.0))
    assert refused_rows(gate, np.array([0, 1, 2, 2, 3])).tolist() == [2, 0]


def test_the_nearest_images_are_of_other_groups_and_no_copies_of_each_other() -> None:
    angles_N = np.radians([0, 1, 40, 20, 21, 90, 60])
    embeddings_ND = np.float32(np.stack([np.cos(angles_N), np.sin(angles_N)], axis=1))
    groups_N = np.array([0, 0, 1, 2, 2, 3, 4])
    assert nearest_rows(embeddings_ND, groups_N, 0).tolist() == [3, 2, 6]
