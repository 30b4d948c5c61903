"""The console's page Rollout: real Chromium, the real server, a live rollout of a tiny bundle."""

from __future__ import annotations

import json
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from reviewed import Rolling, bearer, names, press, rolling, sitting
from rolled import NAME

from browsing import PHONE

pytestmark = pytest.mark.processes

MARK = '"by":"Ada","case_id"'
"""Stands in the lines of Ada's decisions, and nowhere else."""


@pytest.fixture
def here(tmp_path: Path) -> Iterator[Rolling]:
    with rolling(tmp_path, cases={"slices": ["site"]}) as found:
        for number in range(4):
            found.send(f"m-{number}", number, slices={"site": "north" if number % 2 else "south"})
        yield found


def test_an_admin_sees_where_it_stands_and_pauses_and_rolls_back(browser: Any, here: Rolling) -> None:
    with sitting(browser, here, here.boss, "rollout") as page:
        stages = page.get_by_role("list", name="Stages")
        stages.wait_for()
        assert stages.locator("[aria-current=step]").inner_text().startswith("2\n")
        gates = page.get_by_role("list", name="Gates")
        assert "Not worse than people" in gates.inner_text()
        assert page.get_by_role("button", name="Advance to supervised").is_disabled()
        assert "4" in page.get_by_role("row", name="all ").inner_text()

        page.get_by_role("button", name="Pause").click()
        page.get_by_role("region", name="Paused", exact=True).wait_for()
        assert here.status()["paused"]
        page.get_by_role("button", name="Resume").click()
        page.get_by_role("region", name="Paused", exact=True).wait_for(state="detached")

        page.get_by_role("button", name="Roll back").click()
        dialog = page.get_by_role("dialog", name="Roll back")
        dialog.get_by_label("Reason").fill("the lens is dirty")
        dialog.get_by_role("button", name="Roll back", exact=True).click()
        banner = page.get_by_role("region", name="Rolled back", exact=True)
        banner.wait_for()
        assert "the lens is dirty" in banner.inner_text()
        assert here.status()["stage"] == "rolled-back"

        page.get_by_role("button", name="Clear …").click()
        dialog = page.get_by_role("dialog", name="Clear the rollback")
        dialog.get_by_role("button", name="Clear it").click()
        dialog.get_by_text("Say why").wait_for()
        assert here.status()["stage"] == "rolled-back", "nothing is cleared without a reason"
        dialog.get_by_label("Reason").fill("lens cleaned")
        page.keyboard.press("Tab")
        dialog.get_by_role("button", name="Clear it").click()
        banner.wait_for(state="detached")
    turns = here.events("turned")
    assert [(one["turn"], one["by"]) for one in turns] == [
        (name, "admin 0") for name in ("paused", "resumed", "rolled-back", "cleared")
    ]
    assert turns[-1]["reason"] == "lens cleaned"


def test_the_log_is_paged_checked_and_exported(browser: Any, here: Rolling) -> None:
    with sitting(browser, here, here.ada, "review?kind=decide") as page:
        press(page, "1", "2")
        page.get_by_text("2 done today").wait_for()
    here.wait_for("decided", 2)
    with sitting(browser, here, here.boss, "rollout") as page:
        log = page.get_by_role("region", name="Audit log")
        log.get_by_role("button", name="Every line").click()
        log.get_by_role("cell", name="opened").wait_for()
        assert log.get_by_role("cell", name="Ada").count() == 3, "who opened it, and decided twice"
        log.get_by_role("button", name="Verify the chain").click()
        n = here.status()["head"]
        log.get_by_text(f"Chain verified: {n} lines").wait_for()
        with page.expect_download() as coming:
            log.get_by_role("button", name="Export").click()
        lines = Path(coming.value.path()).read_text(encoding="utf-8").splitlines()
        assert [json.loads(line)["number"] for line in lines] == list(range(1, n + 1))

        def changed(route: Any) -> None:
            route.fulfill(
                body="\n".join(lines).replace(MARK, MARK.replace("Ada", "Bea")), content_type="application/jsonl"
            )

        page.route("**/log.jsonl", changed)
        page.reload()
        log.get_by_role("button", name="Verify the chain").click()
        first = next(json.loads(line)["number"] for line in lines if MARK in line)
        log.get_by_text(f"Line {first} was changed").wait_for()


def test_a_reviewer_has_no_such_page(browser: Any, here: Rolling) -> None:
    with sitting(browser, here, here.ada, "rollout") as page:
        page.get_by_role("heading", name="Decide").wait_for()
        assert names(page.get_by_role("navigation", name="Pages").get_by_role("link").all()) == ["Review"]
    assert here.client.get(f"/v1/rollouts/{NAME}", headers=bearer(here.ada)).status_code == 403


@pytest.mark.parametrize("colours", ["light", "dark"])
def test_the_rollout_fits_a_phone(browser: Any, here: Rolling, colours: str) -> None:
    with sitting(browser, here, here.boss, "rollout", {**PHONE, "width": 360}, color_scheme=colours) as page:
        page.get_by_role("list", name="Gates").wait_for()
        page.locator("summary").first.click()
        page.get_by_role("button", name="Every line").click()
        page.wait_for_load_state("networkidle")
        assert page.evaluate("document.documentElement.scrollWidth - document.documentElement.clientWidth") <= 0
