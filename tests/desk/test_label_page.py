"""The page for labelling as people use it: real Chromium, a real desk, keys alone."""

from __future__ import annotations

import json
import subprocess
import sys
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import pytest

from browsing import expect
from drivetrain.serve.http.console import STATIC
from labelled_pool import COLOURS, draw
from tiny_backbone import TINY

pytestmark = pytest.mark.processes

KEYS = dict(zip(COLOURS, "123", strict=True))


@contextmanager
def labelling(folder: Path, *options: str) -> Iterator[str]:
    """``drivetrain label`` on a folder until the end of the block; gives its address."""
    if not (STATIC / "index.html").is_file():
        pytest.fail("the console's pages have not been built; run: make web")
    command = [sys.executable, "-m", "drivetrain", "label", str(folder), "--json", "--no-open", "--port", "0"]
    command += ["--backbone", TINY, "--cache", str(folder.parent / "cache"), "--by", "ann", *options]
    process = subprocess.Popen(command, stdout=subprocess.PIPE, text=True, start_new_session=True)
    assert process.stdout is not None
    try:
        text = ""
        for line in process.stdout:
            text += line
            if line.startswith("}"):
                break
        yield str(json.loads(text)["address"])
    finally:
        process.terminate()
        process.wait(20)
        process.stdout.close()


@contextmanager
def page_at(browser: Any, address: str, width: int = 1280, height: int = 900) -> Iterator[Any]:
    profile = browser.new_context(viewport={"width": width, "height": height})
    page = profile.new_page()
    page.set_default_timeout(30_000)
    faults: list[str] = []
    page.on("pageerror", lambda error: faults.append(str(error)))
    page.goto(address)
    shown(page)
    yield page
    assert faults == []
    profile.close()


def shown(page: Any) -> str:
    """Wait until the picture is there, and return its file's name."""
    page.wait_for_function(
        "() => { const one = document.querySelector('.stage .picture img'); return one?.complete && one.naturalWidth > 0 }"
    )
    return str(page.locator(".file").text_content()).strip()


def press(page: Any, key: str) -> str:
    """Press a key that leads to another picture; returns the name of the one before."""
    name = shown(page)
    page.keyboard.press(key)
    page.wait_for_function("name => document.querySelector('.file')?.textContent.trim() !== name", arg=name)
    return name


def label_rightly(page: Any, count: int) -> None:
    for _ in range(count):
        press(page, KEYS[shown(page).partition("-")[0]])


def logged(folder: Path, least: int) -> list[dict[str, Any]]:
    """The labels on disk, once there are as many."""
    for _ in range(600):
        log = folder / "edits.jsonl"
        lines = map(json.loads, log.read_text(encoding="utf-8").splitlines()) if log.exists() else ()
        found = [line for line in lines if line["kind"] == "edit"]
        if len(found) >= least:
            return found
        time.sleep(0.05)
    raise AssertionError(f"{len(found)} edits, not {least}")


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    draw(tmp_path / "inbox")
    return tmp_path / "inbox"


def test_from_nothing_to_a_model_with_keys_alone(browser: Any, folder: Path) -> None:
    with labelling(folder) as address, page_at(browser, address) as page:
        field = page.get_by_placeholder("Name a class, such as grizzly")
        field.fill("blue")
        field.press("Enter")
        page.locator(".class", has_text="blue").wait_for()
        for name in ("green", "red"):
            page.locator("main").focus()
            page.keyboard.press("n")
            page.get_by_placeholder("A new class").fill(name)
            page.keyboard.press("Enter")
            page.locator(".class", has_text=name).wait_for()
        page.locator("main").focus()
        label_rightly(page, 30)
        edits = logged(folder, 30)
        assert {edit["after"]["label"] for edit in edits} == set(COLOURS)
        page.locator("[data-figure=labels]", has_text="30").wait_for()
        page.locator("[data-figure=accuracy]").wait_for()
        expect(page.locator(".standing")).to_contain_text("drawn at random", use_inner_text=True)

        name = press(page, "x")
        assert logged(folder, 31)[-1]["after"]["fate"] == "removed"
        page.keyboard.press("u")
        page.wait_for_function("name => document.querySelector('.file')?.textContent.trim() === name", arg=name)
        assert logged(folder, 32)[-1]["after"] == {"label": None, "fate": "open"}
        later = press(page, "s")
        page.keyboard.press("u")
        page.wait_for_function("name => document.querySelector('.file')?.textContent.trim() === name", arg=later)


def test_what_is_said_with_a_suggestion_in_sight_is_not_blind(browser: Any, folder: Path) -> None:
    with labelling(folder, "--classes", ",".join(COLOURS)) as address, page_at(browser, address) as page:
        page.locator("main").focus()
        label_rightly(page, 25)
        assert {edit["how"] for edit in logged(folder, 25)[:3]} == {"blind"}
        labelled = 25  # the figure on the page comes a moment later than the label
        while page.locator(".tag.reserve").count() or not page.locator(".class.suggested").count():
            label_rightly(page, 1)  # what was chosen before there was a model has no suggestion, nor has the reserve
            labelled += 1
        press(page, "Enter")
        assert logged(folder, labelled + 1)[-1]["how"] == "assisted"
        page.keyboard.press("h")
        page.locator(".class.suggested").wait_for(state="detached")
        # The picture on the screen may have been seen with a suggestion; the next one was not.
        label_rightly(page, 2)
        assert logged(folder, labelled + 3)[-1]["how"] == "blind"


def test_a_telephone_shows_it_all_without_scrolling_sideways(browser: Any, folder: Path) -> None:
    with labelling(folder, "--classes", ",".join(COLOURS)) as address, page_at(browser, address, 390, 844) as page:
        page.locator(".class", has_text="red").click()
        assert logged(folder, 1)[0]["after"]["label"] == "red"
        assert page.evaluate("document.documentElement.scrollWidth") <= 390
        below = page.locator(".class", has_text="Later").bounding_box()
        assert below is not None
        assert below["y"] + below["height"] <= 844
