"""The cleaner in a real notebook: marked in Chromium through Voilà, then read by another kernel, which runs the book's loops."""

from __future__ import annotations

import os
import shutil
import signal
import socket
import subprocess
import sys
import tempfile
import time
import urllib.error
import urllib.request
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from importlib import import_module
from pathlib import Path
from typing import Any

import nbclient
import nbformat
import pytest

from browsing import expect
from drivetrain.data.edits.edit import Fate
from drivetrain.data.edits.log import EditLog

pytest.importorskip("torch", reason="torch is not installed; make install")
pytest.importorskip("voila", reason="voila is not installed; make install")

pytestmark = [pytest.mark.deep, pytest.mark.processes]

BUNDLE = Path(__file__).parents[1] / "bundles" / "v4-classes"
START_S = 90.0
PER_CLASS = 7

CLEANER = """
from drivetrain.vision import *
cleaner = ImageClassifierCleaner({bundle!r}, "light", max_n=4, by="Ada", cache="cache")
cleaner
"""
SHOWN = """wanted => {
    const menus = [...document.querySelectorAll("select")].filter(menu => menu.offsetParent);
    const ours = menus.filter(menu => [...menu.options].some(option => option.text == "<Delete>"));
    return JSON.stringify(ours.map(menu => menu.value)) == JSON.stringify(wanted);
}"""
LOOPS = """
import shutil
path = Path("light")
for idx in cleaner.delete():
    cleaner.fns[idx].unlink()
for idx, cat in cleaner.change():
    shutil.move(str(cleaner.fns[idx]), path / cat)
cleaner
"""


@pytest.fixture
def folder(pictures: Path, tmp_path: Path) -> Path:
    """Pictures under the labels of the bundle, and the notebook."""
    for kind, label in (("discs", "bright"), ("stripes", "dark"), ("squares", "dim")):
        (tmp_path / "light" / label).mkdir(parents=True)
        for file in sorted((pictures / kind).iterdir())[:PER_CLASS]:
            shutil.copy(file, tmp_path / "light" / label / f"{kind}-{file.name}")
    nbformat.write(notebook_of(CLEANER.format(bundle=str(BUNDLE))), tmp_path / "clean.ipynb")
    return tmp_path


def notebook_of(*cells: str) -> Any:
    found = nbformat.v4.new_notebook(cells=[nbformat.v4.new_code_cell(cell) for cell in cells])
    found.metadata["kernelspec"] = {"name": "python3", "display_name": "Python 3", "language": "python"}
    return found


@contextmanager
def voila(folder: Path) -> Iterator[str]:
    """The notebook as a page, at the address given; the server is ended with all it has started."""
    with socket.socket() as taken:
        taken.bind(("127.0.0.1", 0))
        port = taken.getsockname()[1]
    url = f"http://127.0.0.1:{port}/"
    command = [sys.executable, "-m", "voila", "clean.ipynb", "--no-browser", f"--port={port}"]
    # Page templates lie beside the packages, which an environment may share with another.
    [package] = import_module("voila").__path__
    environment = os.environ | {"JUPYTER_PATH": str(Path(package).parents[3] / "share" / "jupyter")}
    with tempfile.TemporaryFile() as log:
        server = subprocess.Popen(
            command, cwd=folder, env=environment, stdout=log, stderr=subprocess.STDOUT, start_new_session=True
        )
        try:
            end_s = time.monotonic() + START_S
            while not _answers(f"{url}voila/static/voila.js"):
                log.seek(0)
                assert server.poll() is None, log.read().decode(errors="replace")
                assert time.monotonic() < end_s, "Voilà does not answer"
                time.sleep(0.1)
            yield url
        finally:
            with suppress(ProcessLookupError):
                os.killpg(server.pid, signal.SIGTERM)
            server.wait(20)


def _answers(url: str) -> bool:
    try:
        with urllib.request.urlopen(url, timeout=5) as answer:
            return bool(answer.status == 200)
    except (OSError, urllib.error.URLError):
        return False


def cards(page: Any) -> Any:
    """The thumbnails' menus: those that offer to delete."""
    return page.locator("select:visible").filter(has=page.locator("option", has_text="<Delete>"))


def test_marks_made_in_the_browser_are_there_in_another_kernel(browser: Any, folder: Path) -> None:
    with voila(folder) as url:
        page = browser.new_page(viewport={"width": 1250, "height": 620})
        page.goto(url)
        cards(page).first.wait_for(timeout=1000 * START_S)
        expect(cards(page)).to_have_count(4)
        page.locator("img:visible").nth(3).wait_for()
        page.wait_for_function("[...document.images].every(image => image.naturalWidth > 0)")
        page.get_by_text("7 items · page 1 of 2").wait_for()
        cards(page).nth(0).select_option("<Delete>")
        page.get_by_text("in all 1 to delete, 0 to change").wait_for()
        cards(page).nth(1).select_option("dim")
        page.get_by_text("in all 1 to delete, 1 to change").wait_for()
        page.get_by_role("button", name="Next").click()
        page.get_by_text("page 2 of 2").wait_for()
        expect(cards(page)).to_have_count(3)
        cards(page).nth(0).select_option("dark")
        page.get_by_text("in all 1 to delete, 2 to change").wait_for()
        menus = page.locator("select:visible")
        menus.first.select_option("dark")
        page.get_by_text("7 items · page 1 of 2").wait_for()
        menus.first.select_option("bright")
        # The menus of a page are drawn one after the other, and a menu just drawn stands at its first choice.
        page.wait_for_function(SHOWN, arg=["<Delete>", "dim", "<Keep>", "<Keep>"])
        page.screenshot(path=folder / "cleaner.png")
        page.close()
    log = EditLog.open(folder / "light" / "edits.jsonl")
    assert [(edit.by, edit.after.fate) for edit in log.edits] == [
        ("Ada", Fate.REMOVED),
        ("Ada", Fate.KEPT),
        ("Ada", Fate.KEPT),
    ]
    notebook = notebook_of(CLEANER.format(bundle=str(BUNDLE)), LOOPS)
    nbclient.NotebookClient(notebook, timeout=120, resources={"metadata": {"path": str(folder)}}).execute()
    for cell in notebook.cells:
        assert "application/vnd.jupyter.widget-view+json" in str(cell.outputs[-1])
    counts = {label.name: len(list(label.iterdir())) for label in (folder / "light").iterdir() if label.is_dir()}
    assert counts == {"bright": PER_CLASS - 3, "dark": PER_CLASS + 1, "dim": PER_CLASS + 1}
