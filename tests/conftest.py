"""What several tests need: the real data, where there is some, and a folder of made-up pictures of distinct classes."""

from __future__ import annotations

import os
import shutil
import signal
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from PIL import Image, ImageDraw
from threadpoolctl import threadpool_limits

from process_guard import ProcessGuard

ENVIRONMENT = "DRIVETRAIN_DATA"
PER_CLASS = 20

# Started as root in most places where tests run; the others keep it from asking the internet for things of its own.
CHROMIUM = (
    "--no-sandbox",
    "--disable-gpu",
    "--disable-background-networking",
    "--disable-component-update",
    "--disable-sync",
    "--no-first-run",
)


# What a test needs is told by its mark, so that `make quick` can leave it out. These fixtures bring theirs along.
MARKS_OF_FIXTURES = {
    "browser": "browser",
    "drivetrain_process": "processes",
    "kinds": "trains",
    "postgres": "postgres",
    "running": "processes",
    "trained": "trains",
}

# Long ones begin first, so that no worker has to wait for another in the end.
FIRST = ("installs", "browser", "deep", "trains", "processes", "postgres")


def pytest_configure() -> None:
    """A shell ignores Ctrl-C on behalf of what it runs in the background; tests of it must not depend on how they are run."""
    signal.signal(signal.SIGINT, signal.default_int_handler)
    # Several processes run tests at once, and threads that wait for a core in a loop take it from others: in a process that
    # fine-tunes beside others, three quarters of the time.
    os.environ.setdefault("OMP_NUM_THREADS", "1")
    threadpool_limits(int(os.environ["OMP_NUM_THREADS"]))


def pytest_ignore_collect(collection_path: Path) -> bool | None:
    """Helpers hold no tests; the examples in docstrings that are run are those of the package."""
    return True if collection_path.suffix == ".py" and not collection_path.name.startswith("test_") else None


def pytest_itemcollected(item: pytest.Item) -> None:
    """Add the marks that a test's fixtures bring along."""
    for fixture in getattr(item, "fixturenames", ()):
        if fixture in MARKS_OF_FIXTURES:
            item.add_marker(MARKS_OF_FIXTURES[fixture])


@pytest.hookimpl(trylast=True)
def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    """Whole modules in the order of `FIRST`, and as they were within it."""
    ranks: dict[str, int] = {}
    for item in items:
        rank = next((FIRST.index(name) for name in FIRST if item.get_closest_marker(name)), len(FIRST))
        module = item.nodeid.partition("::")[0]
        ranks[module] = min(rank, ranks.get(module, rank))
    items.sort(key=lambda item: ranks[item.nodeid.partition("::")[0]])


_GUARD = ProcessGuard()
sys.addaudithook(_GUARD)


@pytest.hookimpl(wrapper=True)
def pytest_runtest_protocol(item: pytest.Item) -> Iterator[None]:
    """Tell the guard which test runs."""
    _GUARD.running = item
    try:
        return (yield)
    finally:
        _GUARD.running = None


@pytest.fixture(scope="session")
def data_root() -> Path:
    """The folder of real data for measuring; the test is skipped where there is none."""
    root = Path(os.environ.get(ENVIRONMENT) or Path(__file__).parents[2] / "shared" / "data")
    if not root.is_dir():
        pytest.skip(f"no real data at {root}; set {ENVIRONMENT} to where it is")
    return root


@pytest.fixture(scope="session")
def pictures(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """``<discs|squares|stripes>/NN.jpg``, 20 of each, 96×80 pixels, every one different. Not to be written to."""
    return _draw(tmp_path_factory.mktemp("pictures"), first=0)


@pytest.fixture(scope="session")
def fresh_pictures(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The same kinds of pictures, of which none is among `pictures`. Not to be written to."""
    return _draw(tmp_path_factory.mktemp("fresh"), first=500)


def _draw(root: Path, first: int) -> Path:
    for number, kind in enumerate(("discs", "squares", "stripes")):
        (root / kind).mkdir()
        for index in range(PER_CLASS):
            _picture(kind, seed=1000 * number + first + index).save(root / kind / f"{index:02}.jpg", quality=90)
    return root


def _picture(kind: str, seed: int) -> Image.Image:
    rng = np.random.default_rng(seed)
    ground, ink = (tuple(int(level) for level in rng.integers(low, low + 100, 3)) for low in (0, 150))
    image = Image.new("RGB", (96, 80), ground)
    draw = ImageDraw.Draw(image)
    for _ in range(5):
        x, y, r = (int(value) for value in rng.integers((0, 0, 6), (96, 80, 18)))
        if kind == "discs":
            draw.ellipse((x - r, y - r, x + r, y + r), ink)
        elif kind == "squares":
            draw.rectangle((x - r, y - r, x + r, y + r), ink)
        else:
            draw.line((x - 60, y - 2 * r, x + 60, y + 2 * r), ink, width=3)
    return image


@pytest.fixture(scope="module")
def browser() -> Iterator[Any]:
    """Chromium as the system has it; ended with its module, as Playwright's loop is in the way of every other while it runs."""
    chromium = shutil.which("chromium") or shutil.which("chromium-browser") or shutil.which("google-chrome")
    if chromium is None:
        pytest.skip("there is no Chromium here, so nothing is driven in a browser; install the package chromium")
    api = pytest.importorskip("playwright.sync_api", reason="playwright is not installed; make install")
    with api.sync_playwright() as playwright:
        opened = playwright.chromium.launch(executable_path=chromium, args=list(CHROMIUM))
        yield opened
        opened.close()
