"""A live rollout on a server in a process of its own, as reviewers and admins have it before them in Chromium."""

from __future__ import annotations

import json
import time
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import httpx2 as httpx
import pytest
from rolled import NAME, admin, opened, policy, reviewers, sender
from running import KEPT, form, jpeg, serving
from waiting import LONG_S

from browsing import DESK, visit
from drivetrain.serve.http.console import STATIC

ANSWERABLE = "[data-answer][aria-keyshortcuts=c]:not(:disabled)"
"""Matches the button “Cannot tell” once the case's picture is there."""


@dataclass(frozen=True)
class Rolling:
    """A server with a live rollout; the secrets of Ada's, Bo's and the admin's keys."""

    address: str
    client: httpx.Client
    sender: dict[str, str]
    ada: str
    bo: str
    boss: str

    def send(self, key: str, seed: int, **case: Any) -> None:
        """Send a case with one picture, or as many as ``pictures`` says."""
        images = [jpeg(seed + 1000 * number) for number in range(case.pop("pictures", 1))]
        headers = {**self.sender, "Idempotency-Key": key}
        end_s = time.monotonic() + LONG_S
        # One that was opened a moment ago takes no case before every process knows of it.
        while (
            answer := self.client.post("/v1/cases", headers=headers, **form(*images, case=json.dumps(case)))
        ).status_code == 503:
            assert time.monotonic() < end_s, answer.text
            time.sleep(0.1)
        assert answer.status_code == 200, answer.text

    def status(self) -> dict[str, Any]:
        """Where the rollout stands."""
        found: dict[str, Any] = self.client.get(f"/v1/rollouts/{NAME}", headers=bearer(self.boss)).json()
        return found

    def events(self, kind: str) -> list[dict[str, Any]]:
        """The log's events of a kind, the oldest first."""
        answer = self.client.get(f"/v1/rollouts/{NAME}/log?limit=1000", headers=bearer(self.boss))
        return [line["event"] for line in answer.json()["lines"] if line["event"]["event"] == kind]

    def wait_for(self, kind: str, n: int) -> list[dict[str, Any]]:
        """The log's events of a kind, once there are so many."""
        end_s = time.monotonic() + LONG_S
        while len(found := self.events(kind)) < n:
            assert time.monotonic() < end_s, found
            time.sleep(0.05)
        return found


def bearer(secret: str) -> dict[str, str]:
    """The header of a key."""
    return {"Authorization": f"Bearer {secret}"}


@contextmanager
def rolling(folder: Path, **changes: Any) -> Iterator[Rolling]:
    """Serve a live rollout; ``parallel={"audit": 1.0}`` changes a part of its policy."""
    if not (STATIC / "index.html").is_file():
        pytest.fail("the console's pages have not been built; run: make web")
    store = folder / "store.db"
    opened(store, policy(**changes))
    who, boss = sender(store), admin(store)
    ada, bo = (key["Authorization"].removeprefix("Bearer ") for key in reviewers(store, "Ada", "Bo"))
    with (
        serving(KEPT, store=store, log=folder / "log", max_batch=1) as server,
        httpx.Client(base_url=server.address, timeout=60) as client,
    ):
        secret = boss["Authorization"].removeprefix("Bearer ")
        here = Rolling(server.address, client, who, ada, bo, secret)
        _wait_until_live(here)
        yield here


def _wait_until_live(here: Rolling) -> None:
    end_s = time.monotonic() + LONG_S
    while not here.client.get("/v1/whoami", headers=bearer(here.ada)).json()["blind"]:
        assert time.monotonic() < end_s, "the rollout did not become live"
        time.sleep(0.05)


@contextmanager
def sitting(
    browser: Any, here: Rolling, secret: str, page: str, viewport: dict[str, int] = DESK, **context: Any
) -> Iterator[Any]:
    """A page with a key, in a profile of its own."""
    with visit(browser, f"{here.address}/#/{page}", viewport, **context) as opened_page:
        opened_page.get_by_label("Your key").fill(secret)
        opened_page.get_by_role("button", name="Use this key").click()
        yield opened_page


def overheard(page: Any, what: str = "**/v1/**") -> list[tuple[str, dict[str, str], bytes]]:
    """Address, headers and body of every answer that a page is given from now on."""
    told: list[tuple[str, dict[str, str], bytes]] = []

    def pass_on(route: Any) -> None:
        answer = route.fetch()
        told.append((route.request.url, answer.headers, answer.body()))
        route.fulfill(response=answer)

    page.route(what, pass_on)
    return told


def seen(page: Any) -> None:
    """Wait until the case on the page has been in sight long enough for a key to be meant for it."""
    page.locator(ANSWERABLE).wait_for()
    page.wait_for_timeout(350)


def press(page: Any, *keys: str) -> None:
    """Press a key for each case, once it is in sight."""
    for key in keys:
        seen(page)
        page.keyboard.press(key)


def names(locators: Sequence[Any]) -> list[str]:
    """The texts of elements, in one line each."""
    return [" ".join(locator.inner_text().split()) for locator in locators]
