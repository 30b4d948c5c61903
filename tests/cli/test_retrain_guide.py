"""The example of docs/retrain.md, run as it stands: a candidate, the history, and a promotion that is refused with reasons."""

from __future__ import annotations

import re
import shlex
import shutil
from pathlib import Path

import pytest
from command_line import CommandLine
from test_cli_retrain import ROLLOUT, draw_backbone, write_field

from drivetrain.store.sql_store import open_store
from field_rollout import draw_old

pytestmark = pytest.mark.trains

GUIDE = Path(__file__).parents[2] / "docs" / "retrain.md"


@pytest.fixture(scope="module")
def place(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A folder in which colours stand in for cells."""
    root = tmp_path_factory.mktemp("guide")
    shutil.copytree(Path(__file__).parent.parent / "bundles" / "v1", root / "cells.bundle")
    write_field(root / "line.sqlite", root / "cells.bundle", "line-3")
    draw_old(root / "cells", 12)
    draw_backbone(root)
    return root


def test_the_example_runs(drivetrain: CommandLine, place: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    (block,) = re.findall(r"```bash\n(.*?)```", GUIDE.read_text(encoding="utf-8"), flags=re.DOTALL)
    monkeypatch.chdir(place)
    train, history, promote = (shlex.split(line)[1:] for line in block.replace("\\\n", "").strip().splitlines())
    done = drivetrain(*train, "--backbone", "tiny.onnx")
    assert done.code == 0, done.err
    assert "drivetrain rollout promote line-3-candidate --by NAME --reason WHY" in done.out
    shown = drivetrain(*history)
    assert shown.code == 0, shown.err
    assert re.search(r"^Champion +line-3, bundle [0-9a-f]{16}, in parallel$", shown.out, re.MULTILINE)
    assert re.search(r"^Candidate +line-3-candidate, bundle [0-9a-f]{16}, in parallel$", shown.out, re.MULTILINE)
    assert re.search(r"line-3 looked by anna: .*the champion's, on \d+ independent cases$", shown.out, re.MULTILINE)
    refused = drivetrain(*promote)
    assert refused.code == 1, refused.err
    assert "line-3-candidate stays a candidate:" in refused.out
    assert "non-inferior does not pass yet" in refused.out
    document = drivetrain(*promote, "--json").document
    assert document["promoted"] is False
    assert document["candidate"]["shadow_of"] == ROLLOUT
    again = drivetrain(*train, "--backbone", "tiny.onnx")
    assert "a rollout named line-3-candidate runs already" in again.error
    store = open_store(place / "line.sqlite")
    try:
        row, champion = store.rollout("line-3-candidate"), store.rollout("line-3")
        assert row is not None
        assert champion is not None
        assert (row.salt, row.shadow_of) == (champion.salt, champion.id)
    finally:
        store.close()
