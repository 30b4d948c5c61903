"""The console as people use it: real Chromium, the real server, a bundle trained on drawn pictures."""

from __future__ import annotations

import json
import re
import shutil
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import httpx2 as httpx
import numpy as np
import pytest
from PIL import Image
from running import KEPT, Running, form, jpeg, serving

import drivetrain as dt
from browsing import PHONE, expect, loaded, visit
from drivetrain.core.role import Role
from drivetrain.serve.http.console import STATIC
from drivetrain.store.new_key import new_key
from drivetrain.store.sql_store import open_store
from tiny_backbone import TINY

pytestmark = pytest.mark.processes

WORDS = {"out_of_domain": "unlike the training images"}
"""The words of verdicts that are not their names."""


@dataclass(frozen=True)
class Console:
    """A server with a trained bundle, and the pictures it was trained on."""

    server: Running
    pictures: Path
    bundle: Path


@pytest.fixture(scope="module")
def trained(pictures: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    bundle = tmp_path_factory.mktemp("console") / "shapes.bundle"
    dt.train(pictures, bundle, backbone=TINY, use_cache=False, name="Shapes")
    return bundle


@pytest.fixture(scope="module")
def console(trained: Path, pictures: Path, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Console]:
    if not (STATIC / "index.html").is_file():
        pytest.fail("the console's pages have not been built; run: make web")
    folder = tmp_path_factory.mktemp("served")
    with serving(trained, store=folder / "store.db", log=folder / "log", samples=pictures) as server:
        yield Console(server, pictures, trained)


def answers(page: Any) -> Any:
    """The cards that have an answer."""
    return page.locator("button[data-item]:not([disabled])")


def choose(page: Any, *files: Path) -> None:
    page.get_by_label("Images", exact=True).set_input_files([str(file) for file in files])


def test_pictures_are_answered_as_the_api_answers_them(browser: Any, console: Console) -> None:
    files = [console.pictures / kind / "03.jpg" for kind in ("discs", "squares", "stripes")]
    said = httpx.post(
        f"{console.server.address}/v1/predict", **form(*(file.read_bytes() for file in files)), timeout=60
    ).json()["predictions"]
    with visit(browser, console.server.address) as page:
        choose(page, *files)
        page.locator("button[data-item]:not([disabled])").nth(2).wait_for()
        for card, expected in zip(answers(page).all(), said, strict=True):
            expect(card).to_contain_text(expected["label"], use_inner_text=True)
            expect(card).to_contain_text(WORDS.get(expected["verdict"], expected["verdict"]), use_inner_text=True)
            if expected["verdict"] == "out_of_domain":
                continue  # its confidence means nothing, and is not shown
            # Only certainty is written as 100 %.
            share = f"{100 * expected['confidence']:.1f}%"
            assert (">99.9%" if share == "100.0%" and expected["confidence"] < 1 else share) in card.inner_text()


def test_details_show_similar_training_pictures_and_a_heat_map(browser: Any, console: Console) -> None:
    with visit(browser, console.server.address) as page:
        choose(page, console.pictures / "discs" / "05.jpg")
        answers(page).first.click()
        panel = page.locator("section.panel")
        similar = panel.get_by_alt_text(re.compile("Training image"))
        similar.first.wait_for()
        expect(similar).to_have_count(6)
        assert loaded(similar.first)
        # It was trained on this very picture.
        expect(panel).to_contain_text("100% alike", use_inner_text=True)
        panel.get_by_label("Heat map").check()
        assert loaded(panel.locator("img.heat"))
        expect(panel).to_contain_text("evidence for", use_inner_text=True)
        page.keyboard.press("Escape")
        panel.wait_for(state="detached")


def test_samples_drops_and_broken_files(browser: Any, console: Console, tmp_path: Path) -> None:
    with visit(browser, console.server.address) as page:
        page.get_by_role("button", name=re.compile("^Try ")).first.click()
        answers(page).first.wait_for()
        page.get_by_role("button", name="Clear").click()
        broken = tmp_path / "cut.jpg"
        broken.write_bytes((console.pictures / "discs" / "00.jpg").read_bytes()[:200])
        choose(page, broken)
        answers(page).first.wait_for()
        expect(answers(page).first).to_contain_text("unreadable", use_inner_text=True)
        page.evaluate(
            """async () => {
                const file = new File([await (await fetch('/v1/samples/1')).blob()], 'dropped.jpg', {type: 'image/jpeg'});
                const data = new DataTransfer();
                data.items.add(file);
                window.dispatchEvent(new DragEvent('dragenter', {dataTransfer: data, bubbles: true}));
                window.dispatchEvent(new DragEvent('drop', {dataTransfer: data, bubbles: true, cancelable: true}));
                window.dispatchEvent(new ClipboardEvent('paste', {clipboardData: data, bubbles: true, cancelable: true}));
            }"""
        )
        answers(page).nth(2).wait_for()
        expect(page.get_by_text("dropped.jpg").nth(1)).to_be_visible()


def test_results_are_saved_as_a_table(browser: Any, console: Console) -> None:
    with visit(browser, console.server.address, accept_downloads=True) as page:
        choose(page, console.pictures / "discs" / "01.jpg", console.pictures / "stripes" / "01.jpg")
        answers(page).nth(1).wait_for()
        with page.expect_download() as waiting:
            page.get_by_role("button", name="CSV").click()
        lines = Path(waiting.value.path()).read_text(encoding="utf-8-sig").splitlines()
        assert len(lines) == 3
        assert "01.jpg" in lines[1]


def test_history_is_filtered_and_linked_to(browser: Any, console: Console) -> None:
    address = console.server.address
    data = (console.pictures / "squares" / "02.jpg").read_bytes()
    sent = httpx.post(f"{address}/v1/predict", **form(data, metadata=json.dumps({"site": "valley", "camera": "north"})))
    record = sent.json()["predictions"][0]
    httpx.post(f"{address}/v1/predict", **form(b"no image"))
    with visit(browser, f"{address}/#/history") as page:
        rows = page.locator("tbody tr")
        rows.first.wait_for()
        assert loaded(rows.locator("img").first)
        page.get_by_label("Verdict").select_option("unreadable")
        page.wait_for_function(
            "() => document.querySelectorAll('tbody tr').length >= 1 && location.hash.includes('unreadable')"
        )
        page.wait_for_function(
            "() => [...document.querySelectorAll('tbody tr')].every(r => r.innerText.includes('unreadable'))"
        )
        page.get_by_label("Verdict").select_option("")
        page.get_by_label("Site").fill("valley")
        page.wait_for_function("() => document.querySelectorAll('tbody tr').length === 1")
        rows.first.click()
        panel = page.locator("section.panel")
        panel.get_by_text("north").wait_for()
        expect(panel).to_contain_text(record["id"], use_inner_text=True)
        panel.get_by_alt_text(re.compile("Training image")).first.wait_for()
        page.reload()
        page.locator("section.panel").get_by_text("north").wait_for()
        page.get_by_label("Site").fill("nowhere")
        page.wait_for_function("() => document.querySelectorAll('tbody tr').length === 0")
        expect(page.locator("main")).not_to_contain_text("valley", use_inner_text=True)


def test_models_show_figures_card_and_report(browser: Any, console: Console) -> None:
    with visit(browser, f"{console.server.address}/#/models") as page:
        page.get_by_role("heading", name="Shapes").wait_for()
        expect(page.locator("main")).to_contain_text("Accuracy", use_inner_text=True)
        gate = httpx.get(f"{console.server.address}/v1/models").json()["models"][0]["gate"]
        assert (gate["false_alarm"], gate["mode"]) == (0.05, "marginal")
        expect(page.locator("main")).to_contain_text(f"Turns away {gate['words']}.", use_inner_text=True)
        page.get_by_role("button", name="Model card").click()
        page.get_by_role("region", name="Model card").get_by_role("heading").first.wait_for()
        page.get_by_role("button", name="Training report").click()
        report = page.frame_locator("iframe")
        report.get_by_role("heading").first.wait_for()
        expect(report.locator("body")).to_contain_text("Shapes", use_inner_text=True)


def test_everything_can_be_reached_by_keyboard(browser: Any, console: Console) -> None:
    with visit(browser, console.server.address) as page:
        choose(page, *(console.pictures / "discs" / f"0{n}.jpg" for n in range(3)))
        answers(page).nth(2).wait_for()
        answers(page).first.focus()
        page.keyboard.press("Enter")
        page.locator("section.panel").wait_for()
        first = page.locator("section.panel h2").inner_text()
        page.keyboard.press("j")
        page.wait_for_function(f"() => document.querySelector('section.panel h2').innerText !== {json.dumps(first)}")
        page.keyboard.press("Escape")
        page.locator("section.panel").wait_for(state="detached")
        page.keyboard.press("?")
        page.get_by_role("dialog", name="Keyboard").wait_for()
        page.keyboard.press("Escape")
        page.get_by_role("dialog").wait_for(state="detached")
        page.keyboard.press("g")
        page.keyboard.press("h")
        page.get_by_role("heading", name="History").wait_for()
        page.keyboard.press("/")
        assert page.evaluate("document.activeElement.dataset.focus") == "filter"


@pytest.mark.parametrize("colours", ["light", "dark"])
def test_every_page_fits_a_phone(browser: Any, console: Console, colours: str) -> None:
    with visit(browser, console.server.address, PHONE, color_scheme=colours) as page:
        choose(page, console.pictures / "discs" / "01.jpg")
        answers(page).first.click()
        page.get_by_alt_text(re.compile("Training image")).first.wait_for()
        for place in ("predict", "models", "history", "monitor"):
            page.goto(f"{console.server.address}/#/{place}")
            page.get_by_role("heading", level=1).wait_for()
            page.wait_for_load_state("networkidle")
            wide = page.evaluate("document.documentElement.scrollWidth - document.documentElement.clientWidth")
            assert wide <= 0, place


def test_on_a_phone_back_closes_what_lies_over_the_page_and_keeps_the_results(browser: Any, console: Console) -> None:
    with visit(browser, console.server.address, PHONE, has_touch=True, is_mobile=True) as page:
        choose(page, console.pictures / "discs" / "01.jpg", console.pictures / "squares" / "01.jpg")
        answers(page).nth(1).wait_for()
        panel = page.locator("section.panel")
        answers(page).first.tap()
        panel.wait_for()
        page.go_back()
        panel.wait_for(state="detached")
        expect(answers(page)).to_have_count(2)
        page.go_forward()
        panel.wait_for()
        page.get_by_role("button", name="Close details").tap()
        panel.wait_for(state="detached")
        steps = page.evaluate("history.length")
        for _ in range(3):
            page.get_by_role("button", name="Camera").tap()
            page.get_by_role("dialog", name="Camera").wait_for()
            page.keyboard.press("Escape")
            page.get_by_role("dialog").wait_for(state="detached")
        assert page.evaluate("history.length") == steps, "what was closed left a step behind"
        page.get_by_role("link", name="History").tap()
        page.locator("tbody tr").first.wait_for()
        page.get_by_role("button", name="Filters").tap()
        page.get_by_label("Verdict").select_option("accept")
        page.wait_for_function("() => location.hash === '#/history?verdict=accept'")
        page.go_back()
        page.get_by_label("Verdict").wait_for(state="hidden")
        assert page.url.endswith("#/history?verdict=accept"), "the filter that was chosen stays"
        page.go_back()
        page.get_by_role("heading", name="Predict").wait_for()
        expect(answers(page)).to_have_count(2)


def test_results_outlive_a_reload_in_their_tab_only(browser: Any, console: Console) -> None:
    with visit(browser, console.server.address) as page:
        choose(page, console.pictures / "discs" / "01.jpg", console.pictures / "squares" / "01.jpg")
        answers(page).nth(1).wait_for()
        # The small pictures are drawn after the answers.
        page.wait_for_function("() => Object.values(sessionStorage).filter(v => v.includes('data:image')).length === 2")
        before = [card.inner_text() for card in answers(page).all()]
        answers(page).first.click()
        page.reload()
        page.locator("section.panel").get_by_alt_text(re.compile("Training image")).first.wait_for()
        assert [card.inner_text() for card in answers(page).all()] == before
        assert loaded(answers(page).first.locator("img"))
        page.go_back()
        page.locator("section.panel").wait_for(state="detached")
        other = page.context.new_page()
        other.goto(console.server.address)
        other.get_by_role("button", name="Choose images").wait_for()
        expect(answers(other)).to_have_count(0)
        page.get_by_role("button", name="Clear").click()
        page.reload()
        page.get_by_role("button", name="Choose images").wait_for()
        expect(answers(page)).to_have_count(0)
        assert page.evaluate("Object.keys(sessionStorage)") == ["drivetrain.seen"], "ids of answers seen, and no answer"


def test_a_reload_names_the_pictures_that_were_under_way(browser: Any, console: Console) -> None:
    with visit(browser, console.server.address) as page:
        page.on("dialog", lambda dialog: dialog.accept())  # whether to leave while pictures are under way
        page.get_by_role("button", name="Choose images").wait_for()
        page.route("**/v1/predict*", lambda _: None)
        choose(page, *(console.pictures / "discs" / f"0{n}.jpg" for n in range(3)))
        page.get_by_text("Asking the model").first.wait_for()
        page.reload()
        page.get_by_text("3 pictures not answered").wait_for()
        expect(page.locator("main")).to_contain_text("01.jpg", use_inner_text=True)
        page.get_by_role("button", name="Take them off the list").click()
        page.get_by_text("not answered").first.wait_for(state="detached")


def test_of_several_pictures_only_the_one_that_is_too_large_is_refused(browser: Any, tmp_path: Path) -> None:
    for name, size in (("one.jpg", (90, 80)), ("large.jpg", (200, 150)), ("three.jpg", (90, 80))):
        (tmp_path / name).write_bytes(jpeg(len(name), size))
    with (
        serving(KEPT, store=tmp_path / "store.db", log=tmp_path / "log", max_megapixels=0.02, max_batch=1) as server,
        visit(browser, server.address) as page,
    ):
        choose(page, *(tmp_path / name for name in ("one.jpg", "large.jpg", "three.jpg")))
        answers(page).nth(1).wait_for()
        card = page.locator("li.card", has_text="large.jpg")
        card.get_by_text("Refused").wait_for()
        said = "Not taken: 0.03 million pixels (200×150); at most 0.02 million: send it smaller"
        expect(card).to_contain_text(said, use_inner_text=True)
        expect(answers(page)).to_have_count(2)


def test_a_suggestion_does_not_look_like_an_answer(browser: Any, tmp_path: Path) -> None:
    """The tiny bundle accepts nothing that is no plain red, green or blue."""
    (tmp_path / "any.jpg").write_bytes(jpeg(3))
    with (
        serving(KEPT, store=tmp_path / "store.db", log=tmp_path / "log", max_batch=1) as server,
        visit(browser, server.address) as page,
    ):
        said = httpx.post(f"{server.address}/v1/predict", **form(jpeg(3)), timeout=60).json()["predictions"][0]
        assert said["verdict"] == "review"
        choose(page, tmp_path / "any.jpg")
        card = answers(page).first
        card.wait_for()
        expect(card).to_contain_text(f"maybe {said['label']}", use_inner_text=True)
        expect(card).to_contain_text("A person should look", use_inner_text=True)
        weight = "e => Number(getComputedStyle(e.querySelector('.answer')).fontWeight)"
        assert card.evaluate(weight) < 500
        assert page.locator("li.card").first.evaluate("e => getComputedStyle(e).borderTopStyle") == "dashed"
        page.goto(f"{server.address}/#/history")
        page.locator("tbody tr").first.wait_for()
        expect(page.locator("tbody tr").first).to_contain_text(f"maybe {said['label']}", use_inner_text=True)


def test_a_picture_unlike_the_training_images_gets_no_answer(browser: Any, console: Console, tmp_path: Path) -> None:
    noise = np.random.default_rng(0).integers(0, 256, (80, 96, 3), np.uint8)
    Image.fromarray(noise).save(tmp_path / "noise.png")
    with visit(browser, console.server.address) as page:
        choose(page, tmp_path / "noise.png")
        card = answers(page).first
        card.wait_for()
        expect(card).to_contain_text("No answer", use_inner_text=True)
        expect(card).to_contain_text("unlike the training images", use_inner_text=True)
        expect(card, "a share of what it knows means nothing here").not_to_contain_text("%", use_inner_text=True)
        card.click()
        panel = page.locator("section.panel")
        panel.get_by_role("heading", name="Nearest training images").wait_for()
        assert loaded(panel.get_by_alt_text(re.compile("Training image")).first)
        expect(panel).to_contain_text("In-domain p-value", use_inner_text=True)
        page.get_by_role("link", name="History").click()
        page.get_by_label("Verdict").select_option(label="unlike the training images")
        page.wait_for_function("() => location.hash === '#/history?verdict=out_of_domain'")
        row = page.locator("tbody tr", has_text="noise.png").first
        row.wait_for()
        expect(row).to_contain_text("No answer", use_inner_text=True)


def test_the_page_of_the_api_lists_every_route(browser: Any, console: Console) -> None:
    with visit(browser, f"{console.server.address}/docs") as page:
        page.get_by_text("/v1/predict", exact=True).first.wait_for()
        expect(page.get_by_text("/v2/health/ready").first).to_be_visible()


def test_a_server_with_keys_asks_for_one(browser: Any, trained: Path, pictures: Path, tmp_path: Path) -> None:
    store = tmp_path / "store.db"
    opened = open_store(store)
    secret, key = new_key("tester", Role.REVIEW)
    opened.add_key(key)
    opened.close()
    with (
        serving(trained, store=store, log=tmp_path / "log") as server,
        visit(browser, server.address) as page,
    ):
        page.get_by_role("dialog", name="Key").wait_for()
        page.get_by_label("Your key").fill("dt_wrong")
        page.get_by_role("button", name="Use this key").click()
        page.get_by_text("does not know this key").wait_for()
        page.get_by_label("Your key").fill(secret)
        page.get_by_role("button", name="Use this key").click()
        page.get_by_role("button", name="Choose images").wait_for()
        choose(page, pictures / "discs" / "01.jpg")
        answers(page).first.click()
        # Pictures need the key as well, and an address cannot carry it.
        assert loaded(page.get_by_alt_text(re.compile("Training image")).first)
        page.goto(f"{server.address}/#/history")
        assert loaded(page.locator("tbody img").first)
        page.goto(f"{server.address}/#/models")
        page.get_by_role("button", name="Training report").click()
        page.frame_locator("iframe").get_by_role("heading").first.wait_for()


def test_a_server_that_is_gone_is_said_and_found_again(browser: Any, console: Console, tmp_path: Path) -> None:
    bundle = tmp_path / "shapes.bundle"
    shutil.copytree(console.bundle, bundle)
    with (
        serving(bundle, store=tmp_path / "store.db", log=tmp_path / "log") as server,
        visit(browser, server.address) as page,
    ):
        page.get_by_role("button", name="Choose images").wait_for()
        server.stop()
        choose(page, console.pictures / "discs" / "01.jpg")
        page.get_by_text("The server does not answer").first.wait_for()
        with serving(bundle, store=tmp_path / "store.db", log=tmp_path / "log2", port=server.port):
            # What had been asked for is answered, without being chosen again.
            answers(page).first.wait_for()
