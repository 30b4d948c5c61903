"""The console's page Rollout: real Chromium, the real server, a live rollout of a tiny bundle."""

from __future__ import annotations

import json
from collections.abc import Iterator
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import pytest
from reviewed import Rolling, bearer, names, press, rolling, sitting
from rolled import NAME

from browsing import PHONE, expect
from drivetrain.core.case import Case, ModelAnswer
from drivetrain.core.identifiers import new_id
from drivetrain.rollout.live import Live
from drivetrain.store.sql_store import open_store

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
        expect(gates).to_contain_text("Not worse than people", use_inner_text=True)
        expect(page.get_by_role("button", name="Advance to supervised")).to_be_disabled()
        expect(page.get_by_role("row", name="all ")).to_contain_text("4", use_inner_text=True)

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
        expect(banner).to_contain_text("the lens is dirty", use_inner_text=True)
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


def test_an_admin_advances_it_once_every_gate_passes(browser: Any, tmp_path: Path) -> None:
    few = {"min_cases": 3, "min_days": 0.0, "max_out_of_domain": 1.0, "max_latency_ms": 60_000.0, "max_unresolved": 1.0}
    all_judged = {"margin": 0.9, "audit": 1.0, "adjudicate_twice": 0.0, "decide_twice": 0.0}
    with rolling(tmp_path, alpha=0.9, parallel={**few, **all_judged}) as here:
        with sitting(browser, here, here.boss, "rollout") as page:
            button = page.get_by_role("button", name="Advance to supervised")
            button.wait_for()
            expect(button, "no case has come yet").to_be_disabled()
        people_agree_with_the_model(tmp_path / "store.db", 6)
        with sitting(browser, here, here.boss, "rollout") as page:
            page.get_by_text("Every gate passes: a person may advance it now.").wait_for()
            assert here.status()["stage"] == "parallel", "it never advances by itself"
            page.get_by_role("button", name="Advance to supervised").click()
            dialog = page.get_by_role("dialog", name="Advance to supervised")
            dialog.get_by_role("button", name="Advance", exact=True).click()
            dialog.get_by_text("Say why").wait_for()
            assert here.status()["stage"] == "parallel", "nothing advances without a reason"
            dialog.get_by_label("Reason").fill("as good as people on line 3")
            dialog.get_by_role("button", name="Advance", exact=True).click()
            dialog.wait_for(state="detached")
            stages = page.get_by_role("list", name="Stages")
            stages.locator("[aria-current=step]", has_text="Supervised").wait_for()
        (turn,) = here.events("turned")
    assert (turn["turn"], turn["stage"], turn["by"]) == ("advanced", "supervised", "admin 0")
    assert turn["reason"] == "as good as people on line 3"


def people_agree_with_the_model(place: Path, n: int) -> None:
    """Let cases come that Ada decides as the model does, and Bo judges so too."""
    kept = open_store(str(place))
    try:
        row = kept.rollout(NAME)
        assert row is not None
        live = Live(kept, row.id, lambda: datetime.now(UTC), new_id)
        label, second = live.labels[:2]
        sure = ModelAnswer(label, 0.99, second, True, True, 0.01, row.bundle_id)
        for number in range(n):
            live.arrive(Case(new_id(), f"m-{number}", datetime.now(UTC), ()), sure)
            for by in ("Ada", "Bo"):
                shown = live.next_review(by)
                assert shown is not None
                live.decide(shown.review_id, by, label, 1.0)
    finally:
        kept.close()


def test_the_log_is_paged_checked_and_exported(browser: Any, here: Rolling) -> None:
    with sitting(browser, here, here.ada, "review?kind=decide") as page:
        press(page, "1", "2")
        page.get_by_text("2 done today").wait_for()
    here.wait_for("decided", 2)
    with sitting(browser, here, here.boss, "rollout") as page:
        log = page.get_by_role("region", name="Audit log")
        log.get_by_role("button", name="Every line").click()
        log.get_by_role("cell", name="opened").wait_for()
        expect(log.get_by_role("cell", name="Ada"), "who opened it, and decided twice").to_have_count(3)
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
