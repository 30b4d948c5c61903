"""Right answers told in the console, blind and not: real Chromium, the real server, a tiny bundle."""

from __future__ import annotations

import re
from pathlib import Path
from typing import Any

import pytest
from running import form, jpeg

from browsing import Site, expect, visit

pytestmark = pytest.mark.processes


def truths(site: Site) -> list[dict[str, Any]]:
    """All that was told, the oldest first."""
    found: list[dict[str, Any]] = site.client.get("/v1/labels").json()["truths"]
    return found[::-1]


def sent(site: Site, seed: int) -> dict[str, Any]:
    """The answer to a picture."""
    answer: dict[str, Any] = site.client.post("/v1/predict", **form(jpeg(seed))).json()["predictions"][0]
    return answer


def test_a_right_answer_is_told_by_keyboard_beside_a_result(browser: Any, site: Site, tmp_path: Path) -> None:
    (tmp_path / "one.jpg").write_bytes(jpeg(1))
    with visit(browser, site.address) as page:
        page.get_by_label("Images", exact=True).set_input_files([str(tmp_path / "one.jpg")])
        page.locator("button[data-item]:not([disabled])").first.click()
        field = page.get_by_role("region", name="Right answer")
        field.get_by_label("Your name").fill("Ada")
        field.get_by_label("Your name").blur()
        page.keyboard.press("2")
        page.keyboard.press("Enter")
        field.get_by_text("Told: grün, assisted.").wait_for()
        field.get_by_role("button", name="Tell another").click()
        field.get_by_label("Another class").fill("gelb")
        field.get_by_text("“gelb”: a new class").wait_for()
        field.get_by_role("button", name="Tell: gelb").click()
        field.get_by_text("Told: gelb, assisted.").wait_for()
        told = field.get_by_role("list", name="Told so far").get_by_role("listitem")
        assert [item.locator("b").inner_text() for item in told.all()] == ["gelb", "grün"]
    assert [(one["label"], one["how"], one["by"]) for one in truths(site)] == [
        ("grün", "assisted", "Ada"),
        ("gelb", "assisted", "Ada"),
    ]


def test_a_blind_answer_is_told_before_anything_shows_the_models(browser: Any, site: Site) -> None:
    answers = [sent(site, seed) for seed in (1, 3)]
    with visit(browser, f"{site.address}/#/history") as page:
        rows = page.locator("tbody tr")
        rows.nth(1).wait_for()
        page.get_by_label("Hide the model's answers until I have told mine").check()
        page.reload()  # the choice is kept
        rows.nth(1).wait_for()
        expect(page.get_by_text("answer hidden")).to_have_count(2)
        page.keyboard.press("j")
        panel = page.locator("section.panel")
        panel.get_by_text("The model's answer is hidden").wait_for()
        said = page.locator("main").inner_text()
        assert not re.search(r"\d%|Probabilities|alike|A person should look|may answer alone", said)
        page.get_by_label("Your name").fill("Ada")
        page.get_by_label("Your name").blur()
        page.keyboard.press("1")
        page.keyboard.press("Enter")
        panel.get_by_text("Told: blau, blind.").wait_for()
        panel.get_by_text("Probabilities").wait_for()
        page.keyboard.press("j")
        panel.get_by_text("The model's answer is hidden").wait_for()
        panel.get_by_role("button", name="Show it now").click()
        page.keyboard.press("1")
        page.keyboard.press("Enter")
        panel.get_by_text("Told: blau, assisted.").wait_for()
        page.reload()
        rows.nth(1).wait_for()
        expect(page.get_by_text("answer hidden"), "both have been told").to_have_count(0)
    # The newest was on top of the list.
    assert [(one["prediction_id"], one["how"]) for one in truths(site)] == [
        (answers[1]["id"], "blind"),
        (answers[0]["id"], "assisted"),
    ]
