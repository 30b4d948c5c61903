"""The console in a browser, as a person has it before them."""

from __future__ import annotations

import re
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

WAIT_MS = 30_000
PHONE = {"width": 375, "height": 720}
DESK = {"width": 1280, "height": 900}


@dataclass(frozen=True)
class Site:
    """A server with its store, and somebody who asks it."""

    address: str
    store: Path
    client: Any


@contextmanager
def visit(browser: Any, address: str, viewport: dict[str, int] = DESK, **context: Any) -> Iterator[Any]:
    """A page in a profile of its own. Left with nothing in its log, and with nobody asked but the server."""
    profile = browser.new_context(viewport=viewport, **context)
    page = profile.new_page()
    page.set_default_timeout(WAIT_MS)
    said: list[str] = []
    asked: list[str] = []
    page.on("console", lambda message: said.append(message.text) if message.type == "error" else None)
    page.on("pageerror", lambda error: said.append(str(error)))
    page.on("request", lambda request: asked.append(request.url))
    page.goto(address)
    yield page
    host = re.match(r"http://[^/]+", address)
    assert host is not None
    assert [url for url in asked if not url.startswith((host[0], "data:", "blob:"))] == []
    # What the network refused is said in the page; a script's fault or a blocked resource is not.
    assert [line for line in said if "Failed to load resource" not in line] == []
    profile.close()


def expect(locator: Any, message: str | None = None) -> Any:
    """Playwright's assertions, which wait for what they say: what is counted or read at once may not have been drawn yet."""
    from playwright.sync_api import expect as waiting

    waiting.set_options(timeout=WAIT_MS)
    return waiting(locator, message)


def loaded(image: Any) -> bool:
    """Whether a picture is shown, and not only asked for."""
    image.wait_for()
    image.page.wait_for_function("e => e.complete && e.naturalWidth > 0", arg=image.element_handle())
    return True
