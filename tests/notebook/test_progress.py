"""Progress in a real kernel: what a notebook's cells show, and that it is changed where it stands."""

from __future__ import annotations

import json
import os
import re
import xml.etree.ElementTree as ET
from html.parser import HTMLParser
from importlib.util import find_spec
from pathlib import Path
from typing import Any

import pytest

pytest.importorskip("nbclient", reason="nbclient is not installed; make install")
pytest.importorskip("ipykernel", reason="ipykernel is not installed; make install")

import nbformat
from nbclient import NotebookClient

from drivetrain.core.ports import Silent
from drivetrain.notebook.progress import _blocks, _cells, here

DEEP = Path(__file__).parents[1] / "deep"

START = """
from drivetrain.notebook.progress import NotebookProgress, here
class Clock:
    now = 0.0
    def __call__(self):
        return self.now
clock = Clock()
progress = NotebookProgress(clock)
print(type(here()).__name__)
"""

DRIVE = """
with progress.stage("look <at> & \\"these\\"", 400) as advance:
    for step in range(6):
        clock.now += 0.5
        advance(20, f"loss {1 / (1 + step):.3f} <b>")
    progress.figure("loss", "<svg xmlns='http://www.w3.org/2000/svg'><text>first</text></svg>")
    progress.figure("loss", "<svg xmlns='http://www.w3.org/2000/svg'><text>second</text></svg>")
progress.say("epoch 1/2: train 0.9000, valid 0.8000, 1.5 s")
progress.say("epoch 2/2: train 0.7000, valid nan, 1.4 s")
progress.say("no lower <i> loss")
"""

OUTER = """
with progress.stage("outer", 2) as outer:
    for name in ("first", "second"):
        with progress.stage(name, 1) as inner:
            inner(1)
        outer(1)
"""

TRAIN = f"""
import sys
sys.path.insert(0, {str(DEEP)!r})
from tiny import tiny_learner
learner = tiny_learner()
learner._progress = here()
learner.fit_one_cycle(2)
"""

FAIL = """
with progress.stage("doomed", 10) as advance:
    clock.now += 1
    advance(3)
    raise OSError("gone")
"""


class Recording(NotebookClient):
    """Keeps every message a cell has sent about its displays."""

    sent: list[tuple[int, str, dict[str, Any]]]

    def process_message(self, msg: dict[str, Any], cell: Any, cell_index: int) -> Any:
        if msg["msg_type"] in ("display_data", "update_display_data"):
            self.sent.append((cell_index, msg["msg_type"], msg["content"]["data"]))
        return super().process_message(msg, cell, cell_index)


def run(*cells: str) -> tuple[list[list[dict[str, Any]]], list[tuple[int, str, dict[str, Any]]]]:
    """Each cell's outputs in the end, and what was sent on the way as (cell, type, data)."""
    notebook = nbformat.v4.new_notebook(cells=[nbformat.v4.new_code_cell(cell) for cell in cells])
    client = Recording(notebook, timeout=120, allow_errors=True, kernel_name="python3")
    client.sent = []
    client.execute(env={**os.environ, "OMP_NUM_THREADS": "1"})
    nbformat.validate(notebook)
    return [cell.outputs for cell in notebook.cells], client.sent


@pytest.fixture(scope="module")
def driven() -> tuple[list[list[dict[str, Any]]], list[tuple[int, str, dict[str, Any]]]]:
    return run(START, DRIVE, "progress.say('another cell')", OUTER, FAIL)


class Text(HTMLParser):
    """Text and tags; a tag that is not closed in order is an error."""

    def __init__(self, html: str) -> None:
        super().__init__()
        self.open: list[str] = []
        self.tags: list[str] = []
        self.texts: list[str] = []
        self.feed(html)
        self.close()
        assert self.open == []

    def handle_starttag(self, tag: str, _attrs: object) -> None:
        self.open.append(tag)
        self.tags.append(tag)

    def handle_endtag(self, tag: str) -> None:
        assert self.open.pop() == tag

    def handle_data(self, data: str) -> None:
        self.texts.append(data)


@pytest.mark.processes
def test_in_a_kernel_it_is_the_notebooks_own(driven: Any) -> None:
    outputs, _ = driven
    assert outputs[0][0]["text"] == "NotebookProgress\n"
    assert isinstance(here(), Silent)


@pytest.mark.processes
def test_one_display_and_one_figure_are_changed_in_place(driven: Any) -> None:
    outputs, sent = driven
    assert [output["output_type"] for output in outputs[1]] == ["display_data", "display_data"]
    kinds = [kind for cell, kind, _ in sent if cell == 1]
    assert kinds.count("display_data") == 2
    assert kinds.count("update_display_data") >= 6 + 3 + 1
    shown, figure = (output["data"] for output in outputs[1])
    assert ET.fromstring(figure["image/svg+xml"]).find("{http://www.w3.org/2000/svg}text").text == "second"
    text = Text(shown["text/html"])
    assert text.texts == [
        "train", "valid", "time",
        "epoch 1/2", "0.9000", "0.8000", "1.5 s",
        "epoch 2/2", "0.7000", "nan", "1.4 s",
        "no lower <i> loss",
        'look <at> & "these"', "120/400 · 40/s · 0:07 left · loss 0.167 <b>",
    ]  # fmt: skip
    assert {"b", "i", "at", "script"}.isdisjoint(text.tags)
    assert "epoch 2/2: train 0.7000" in shown["text/plain"]


@pytest.mark.processes
def test_the_bar_grows(driven: Any) -> None:
    _, sent = driven
    pages = [data["text/html"] for cell, _, data in sent if cell == 1 and "text/html" in data]
    widths = [float(width) for page in pages for width in re.findall(r"width:([\d.]+)%", page)]
    assert widths[:7] == [0, 5, 10, 15, 20, 25, 30]


@pytest.mark.processes
def test_another_cell_has_its_own_output(driven: Any) -> None:
    outputs, _ = driven
    assert [Text(output["data"]["text/html"]).texts for output in outputs[2]] == [["another cell"]]


@pytest.mark.processes
def test_stages_within_stages_are_shown_together(driven: Any) -> None:
    outputs, sent = driven
    pages = [Text(data["text/html"]).texts for cell, _, data in sent if cell == 3]
    assert ["outer", "1/2", "second", "0/1"] in pages
    [last] = outputs[3]
    assert Text(last["data"]["text/html"]).texts == ["outer", "2/2 · 0:00"]


@pytest.mark.processes
def test_a_cell_that_fails_shows_how_far_it_came(driven: Any) -> None:
    shown, error = driven[0][4]
    assert Text(shown["data"]["text/html"]).texts == ["doomed", "3/10 · 3.0/s · 0:02 left"]
    assert error["ename"] == "OSError"


@pytest.mark.processes
@pytest.mark.skipif(find_spec("torch") is None, reason="torch is not installed; make install")
def test_training_in_a_notebook() -> None:
    outputs, _ = run("from drivetrain.notebook.progress import here", TRAIN)
    shown, figure = outputs[1]
    texts = Text(shown["data"]["text/html"]).texts
    assert texts[:4] == ["train", "valid", "accuracy", "time"]
    assert [text for text in texts if text.startswith("epoch")] == ["epoch 1/2", "epoch 2/2", "epoch 2/2"]
    assert re.fullmatch(r"24/24 · \d+/s · 0:0\d · loss \d\.\d{3}, rate 1\.\de-0\d", texts[-1]), texts[-1]
    root = ET.fromstring(figure["data"]["image/svg+xml"])
    names = [element.text for element in root.iter("{http://www.w3.org/2000/svg}text")]
    assert {"train", "valid", "loss", "step"} <= set(names)
    assert len(root.findall("{http://www.w3.org/2000/svg}polyline")) == 2


def test_long_logs_keep_their_end() -> None:
    [before, table] = _blocks([f"epoch {n}: train 0.5, valid 0.5" for n in range(250)])
    assert Text(before).texts == ["… 50 lines before"]
    assert table.count("<tr>") == 1 + 200


@pytest.mark.parametrize("line", ["", "60 images", "a: b, c", "took: 3 s or so", "split: 40 train, 20 valid"])
def test_other_lines_stay_lines(line: str) -> None:
    assert _cells(line) == {}


@pytest.mark.processes
def test_ipython_is_not_loaded_before_it_is_needed() -> None:
    import subprocess
    import sys

    code = "import sys, json; from drivetrain.notebook.progress import here; here(); print(json.dumps('IPython' in sys.modules))"
    found = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert json.loads(found.stdout) is False
