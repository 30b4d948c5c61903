"""A bundle says by its fingerprint and its report that it was trained on edited data."""

from __future__ import annotations

import json
import shutil
from datetime import UTC, datetime
from pathlib import Path

import pytest

import drivetrain as dt
from drivetrain.core.types import ItemId
from drivetrain.data.edits.edit import Change, Fate, Standing
from drivetrain.data.edits.log import EditLog
from drivetrain.data.edits.places import log_place
from tiny_backbone import TINY

SENTENCE = "edits.jsonl: 1 relabelled, 1 removed"


@pytest.mark.trains
def test_fingerprint_report_and_evaluation_are_those_of_the_edited_data(pictures: Path, tmp_path: Path) -> None:
    source = tmp_path / "pictures"
    shutil.copytree(pictures, source)

    def trained(name: str, *, edits: bool = True) -> tuple[dt.TrainResult, str]:
        result = dt.train(source, tmp_path / name, backbone=TINY, use_cache=False, edits=edits)
        return result, json.loads((tmp_path / name / "manifest.json").read_bytes())["data"]["fingerprint"]

    _, before = trained("before")
    changes = [
        Change(ItemId("discs/00.jpg", None), Standing("squares")),
        Change(ItemId("discs/01.jpg", None), Standing("discs", Fate.REMOVED)),
    ]
    EditLog.open(log_place(source)).record(
        changes, "ada", datetime(2026, 5, 4, tzinfo=UTC), lambda _: Standing("discs")
    )
    result, after = trained("after")
    as_they_lie, plain = trained("plain", edits=False)
    assert result.notes == (SENTENCE,)
    assert result.classes == {"discs": 18, "squares": 21, "stripes": 20}
    assert SENTENCE in (tmp_path / "after" / "report.html").read_text(encoding="utf-8")
    assert after != before == plain
    assert as_they_lie.notes == ()
    for edits, notes in ((True, (SENTENCE,)), (False, ())):
        found = dt.evaluate(tmp_path / "before", source, keep_leaks=True, use_cache=False, edits=edits)
        assert found.notes == notes
