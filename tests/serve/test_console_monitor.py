"""The console's page Monitor: real Chromium, the real server, a tiny bundle."""

from __future__ import annotations

import re
from pathlib import Path
from typing import Any

import pytest
from monitored import alarmed, ask, monitor
from running import KEPT, serving

from browsing import PHONE, Site, expect, loaded, visit
from drivetrain.core.role import Role
from drivetrain.store.new_key import new_key
from drivetrain.store.sql_store import open_store

pytestmark = pytest.mark.processes


def test_an_alarm_is_seen_on_every_page_and_cleared_with_a_reason(browser: Any, site: Site) -> None:
    alarm = alarmed(site.client, site.store)
    with visit(browser, site.address) as page:
        page.get_by_role("link", name=re.compile("Monitor.*1 standing alarm")).click()
        page.get_by_role("heading", name="1 alarm stands").wait_for()
        card = page.get_by_role("article", name="trail-4")
        card.wait_for()
        said = card.inner_text()
        assert alarm["text"] in said
        assert "“accept” becomes “review” for trail-4" in said
        row = page.get_by_role("row", name=re.compile("trail-4"))
        expect(row).to_contain_text("accept becomes review", use_inner_text=True)
        picture = card.get_by_role("link").locator("img").first
        assert loaded(picture)
        card.get_by_text("Evidence").click()
        assert card.get_by_role("row").count() > 0

        card.get_by_role("button", name="Clear …").click()
        card.get_by_role("button", name="Clear the alarm").click()
        card.get_by_text("Say why").wait_for()
        assert monitor(site.client)["alarms"], "nothing is cleared without a reason"
        card.get_by_label("Reason for clearing it").fill("lens cleaned")
        card.get_by_label("Your name").fill("Ada")
        page.keyboard.press("Enter")
        card.wait_for(state="detached")
        cleared = site.client.get(f"/v1/monitor/alarms/{alarm['id']}").json()
        assert (cleared["cleared_by"], cleared["reason"], cleared["acts"]) == ("Ada", "lens cleaned", False)
        assert ask(site.client, "trail-4")["verdict"] == "accept"
        gone = page.get_by_role("region", name="Cleared alarms")
        gone.get_by_text("lens cleaned").wait_for()
        expect(gone).to_contain_text("by Ada", use_inner_text=True)
        expect(page.get_by_role("link", name=re.compile("standing alarm"))).to_have_count(0)


def test_the_images_of_an_alarm_lead_to_the_history(browser: Any, site: Site) -> None:
    alarmed(site.client, site.store)
    with visit(browser, f"{site.address}/#/monitor") as page:
        card = page.get_by_role("article", name="trail-4")
        card.get_by_role("link").locator("img").first.click()
        page.locator("section.panel").get_by_text("trail-4").wait_for()
        page.go_back()
        card.get_by_role("link", name="All of them in the History").click()
        page.locator("tbody tr").first.wait_for()
        expect(page.get_by_label("Camera")).to_have_value("trail-4")


@pytest.mark.parametrize("colours", ["light", "dark"])
def test_the_monitor_fits_a_phone(browser: Any, site: Site, colours: str) -> None:
    alarmed(site.client, site.store)
    with visit(browser, f"{site.address}/#/monitor", PHONE, color_scheme=colours) as page:
        page.get_by_role("article", name="trail-4").get_by_role("button", name="Clear …").click()
        page.wait_for_load_state("networkidle")
        assert page.evaluate("document.documentElement.scrollWidth - document.documentElement.clientWidth") <= 0


def test_a_server_that_was_asked_nothing_is_calm(browser: Any, site: Site) -> None:
    with visit(browser, f"{site.address}/#/monitor") as page:
        page.get_by_text("Nothing has been asked yet").wait_for()
        expect(page.get_by_role("article")).to_have_count(0)


def test_a_key_that_may_only_predict_sees_no_monitor(browser: Any, tmp_path: Path) -> None:
    store = tmp_path / "store.db"
    opened = open_store(store)
    secret, key = new_key("line 3", Role.PREDICT)
    opened.add_key(key)
    opened.close()
    with (
        serving(KEPT, store=store, log=tmp_path / "log", max_batch=1) as server,
        visit(browser, f"{server.address}/#/monitor") as page,
    ):
        page.get_by_label("Your key").fill(secret)
        page.get_by_role("button", name="Use this key").click()
        page.get_by_text("This key may not see the monitor").wait_for()
