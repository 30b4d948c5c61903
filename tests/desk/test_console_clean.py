"""The pages Clean and Duplicates as people use them: real Chromium, a real desk, drawn pictures with a few faults planted."""

from __future__ import annotations

import re
import shutil
import signal
from collections.abc import Iterator
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import pytest
from desk_process import DeskProcess, cleaning

from browsing import expect, loaded, visit
from drivetrain.data.edits.applying import apply_edits
from drivetrain.serve.http.console import STATIC

pytestmark = pytest.mark.processes

PHONE = {"width": 390, "height": 800}


@pytest.fixture(scope="module")
def planted(pictures: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Two discs among the squares, a disc twice, and a stripe that is a square as well. Not to be written to."""
    folder = tmp_path_factory.mktemp("planted") / "shapes"
    shutil.copytree(pictures, folder)
    for name in ("00.jpg", "01.jpg"):
        (folder / "discs" / name).rename(folder / "squares" / f"wrong-{name}")
    shutil.copy(folder / "discs" / "05.jpg", folder / "discs" / "05-again.jpg")
    shutil.copy(folder / "stripes" / "07.jpg", folder / "squares" / "contrary.jpg")
    return folder


@pytest.fixture(scope="module")
def cache(tmp_path_factory: pytest.TempPathFactory) -> Path:
    if not (STATIC / "index.html").is_file():
        pytest.fail("the console's pages have not been built; run: make web")
    return tmp_path_factory.mktemp("cache")


@pytest.fixture
def desk(planted: Path, cache: Path, tmp_path: Path) -> Iterator[DeskProcess]:
    folder = tmp_path / "shapes"
    shutil.copytree(planted, folder)
    with cleaning(folder, cache) as running:
        yield running


def cards(page: Any) -> Any:
    """The pictures of the list."""
    return page.locator("ul.grid button[data-index]")


def named(page: Any) -> list[str]:
    """The files of the list as far as it is in the document, in order."""
    return [re.sub(r":.*", "", label) for label in cards(page).evaluate_all("all => all.map(e => e.ariaLabel)")]


def message(page: Any, words: str) -> Any:
    """A message at the foot of the page."""
    return page.get_by_role("list", name="Messages").get_by_text(re.compile(words))


def kept(page: Any) -> None:
    page.get_by_text("Every mark is kept").wait_for()


def test_the_list_is_the_desks_and_a_mark_is_on_disk_when_the_page_says_so(browser: Any, desk: DeskProcess) -> None:
    listed = desk.get("/v1/desk/items", fate="open", limit=10)["items"]
    with visit(browser, desk.address) as page:
        cards(page).first.wait_for()
        assert loaded(page.locator("ul.grid img").first)
        assert named(page)[:10] == [Path(item["name"]).name for item in listed]
        page.get_by_label("Who is cleaning").fill("ann")
        cards(page).first.focus()
        page.keyboard.press("k")
        page.keyboard.press("x")
        page.locator(".fate", has_text="removed").wait_for()
        page.wait_for_function("() => !document.querySelector('.fate.waiting')")
        lines = [(line["item"]["name"], line["after"]["fate"], line["by"]) for line in desk.logged_in_time(2)]
        assert lines == [(listed[0]["name"], "kept", "ann"), (listed[1]["name"], "removed", "ann")]
        kept(page)
        page.keyboard.press("Control+z")
        message(page, "Undone: ").wait_for()
        assert desk.logged_in_time(3)[-1]["after"]["fate"] == "open"


def test_what_was_seen_stays_where_it_was_when_the_list_is_ranked_anew(browser: Any, desk: DeskProcess) -> None:
    with visit(browser, desk.address) as page:
        cards(page).first.wait_for()
        page.wait_for_timeout(300)
        before = named(page)[:5]
        cards(page).first.focus()
        page.keyboard.press("x")
        page.get_by_text("Ranked anew below what you have seen").wait_for()
        assert named(page)[:5] == before
        page.keyboard.press("o")
        page.wait_for_function(
            "gone => document.querySelector('ul.grid button[data-index]')?.ariaLabel.startsWith(gone) === false",
            arg=before[0],
        )
        assert desk.get("/v1/desk")["fates"]["removed"] == 1


def test_no_mark_is_lost_by_a_filter_a_reload_or_a_desk_that_dies(
    browser: Any, planted: Path, cache: Path, tmp_path: Path
) -> None:
    folder = tmp_path / "shapes"
    shutil.copytree(planted, folder)
    with cleaning(folder, cache) as first:
        names = [item["name"] for item in first.get("/v1/desk/items", fate="open", limit=4)["items"]]
        with visit(browser, first.address) as page:
            cards(page).first.wait_for()
            cards(page).first.focus()
            page.keyboard.press("k")
            kept(page)
            page.get_by_role("button", name=re.compile("^squares")).click()
            page.get_by_role("button", name=re.compile("^All classes")).click()
            page.get_by_role("button", name=re.compile("^Kept 1")).click()
            page.wait_for_function("() => document.querySelectorAll('ul.grid button[data-index]').length === 1")
            assert named(page) == [Path(names[0]).name]
            page.get_by_role("button", name=re.compile("^To look at")).click()
            page.wait_for_function("() => document.querySelectorAll('ul.grid button[data-index]').length > 4")
            # The desk dies, and the person goes on.
            first.process.send_signal(signal.SIGKILL)
            first.process.wait()
            second = named(page)[0]
            cards(page).first.focus()
            page.keyboard.press("x")
            page.get_by_text(re.compile("1 mark not sent yet")).wait_for()
            with cleaning(folder, cache, first.port) as again:
                kept(page)
                assert [Path(line["item"]["name"]).name for line in again.logged()] == [Path(names[0]).name, second]
                page.reload()
                page.get_by_role("button", name=re.compile("^Removed 1")).click()
                page.wait_for_function("() => document.querySelectorAll('ul.grid button[data-index]').length === 1")
                assert named(page) == [second]
                page.close()


def test_marks_that_were_not_sent_are_sent_by_the_next_page(browser: Any, desk: DeskProcess) -> None:
    with visit(browser, desk.address) as page:
        cards(page).first.wait_for()
        page.route("**/v1/desk/edits", lambda route: route.abort())
        first = named(page)[0]
        cards(page).first.focus()
        page.keyboard.press("k")
        page.get_by_text(re.compile("1 mark not sent yet")).wait_for()
        assert desk.logged() == []
        page.unroute("**/v1/desk/edits")
        page.on("dialog", lambda dialog: dialog.accept())
        page.reload()
        page.get_by_role("button", name=re.compile("^Kept 1")).wait_for()
        assert [Path(line["item"]["name"]).name for line in desk.logged_in_time(1)] == [first]


def test_somebody_elses_edit_is_told_in_words(browser: Any, desk: DeskProcess) -> None:
    with visit(browser, desk.address) as page:
        cards(page).first.wait_for()
        page.get_by_label("Who is cleaning").fill("ann")
        cards(page).first.focus()
        page.keyboard.press("k")
        page.get_by_role("button", name=re.compile("^Kept 1")).wait_for()
        item = desk.get("/v1/desk/items", fate="kept")["items"][0]
        desk.mark(item["id"], "remove", "Ada", item["last_edit"])
        message(page, r"Ada changed .* after you: removed it\. You had it kept as").wait_for()
        page.get_by_role("button", name="Mine again").click()
        page.get_by_role("button", name=re.compile("^Removed 0")).wait_for()
        assert [line["by"] for line in desk.logged_in_time(3)] == ["ann", "Ada", "ann"]


def test_one_picture_alone_with_its_neighbours_by_keyboard_only(browser: Any, desk: DeskProcess) -> None:
    first = desk.get("/v1/desk/items", fate="open", limit=1)["items"][0]
    labels = sorted(desk.get("/v1/desk")["outputs"])
    other = next(name for name in labels if name != first["label"])
    with visit(browser, f"{desk.address}/#/clean") as page:
        cards(page).first.wait_for()
        cards(page).first.focus()
        page.keyboard.press("Enter")
        page.locator(".facts").get_by_text(first["reasons"][0]["text"]).wait_for()
        assert loaded(page.get_by_alt_text(Path(first["name"]).name))
        expect(page.get_by_role("button", name=re.compile("^Put beside it")).first).to_be_visible()
        page.keyboard.press(str(1 + labels.index(other)))
        page.get_by_text(re.compile(r"^2 of ")).wait_for()
        page.keyboard.press("r")
        page.get_by_role("combobox", name=re.compile("Its class")).fill(labels[2][:3])
        page.keyboard.press("Enter")
        page.get_by_text(re.compile(r"^3 of ")).wait_for()
        page.keyboard.press("p")
        page.get_by_text(re.compile(r"^2 of ")).wait_for()
        page.keyboard.press("Escape")
        cards(page).nth(1).wait_for()
        assert page.evaluate("document.activeElement.dataset.index") == "1"
        assert [line["after"]["label"] for line in desk.logged_in_time(2)] == [other, labels[2]]


def test_many_are_marked_as_one_step(browser: Any, desk: DeskProcess) -> None:
    with visit(browser, desk.address) as page:
        cards(page).first.wait_for()
        page.locator(".check input").nth(1).click(force=True)
        page.locator(".check input").nth(4).click(force=True, modifiers=["Shift"])
        page.get_by_text("4 pictures selected").wait_for()
        page.keyboard.press("x")
        page.get_by_role("button", name=re.compile("^Removed 4")).wait_for()
        assert len(desk.logged_in_time(4)) == 4
        page.get_by_role("button", name="Undo").first.click()
        page.get_by_role("button", name=re.compile("^Removed 0")).wait_for()


def test_copies_are_settled_with_one_key(browser: Any, desk: DeskProcess) -> None:
    groups = desk.get("/v1/desk/duplicates")["groups"]
    assert len(groups) >= 2
    with visit(browser, f"{desk.address}/#/duplicates") as page:
        page.get_by_text(re.compile(f"{len(groups)} of {len(groups)} groups to settle")).wait_for()
        page.keyboard.press("a")
        page.get_by_text(re.compile(f"{len(groups) - 1} of {len(groups)} groups to settle")).wait_for()
        page.wait_for_function("() => !document.querySelector('.fate.waiting')")
        group = groups[0]
        lines = desk.logged_in_time(len(group["items"]) - 1)
        gone = {line["item"]["name"] for line in lines if line["after"]["fate"] == "removed"}
        assert gone == {item["name"] for item in group["items"] if item["id"] != group["proposed"]}


def test_a_phone_has_a_button_for_each_thing_to_do(browser: Any, desk: DeskProcess) -> None:
    with visit(browser, desk.address, PHONE, has_touch=True, is_mobile=True) as page:
        cards(page).first.wait_for()
        page.wait_for_timeout(300)
        assert page.evaluate("document.documentElement.scrollWidth") <= PHONE["width"]
        cards(page).first.tap()
        page.get_by_text(re.compile(r"^1 of ")).wait_for()
        assert page.evaluate("document.documentElement.scrollWidth") <= PHONE["width"]
        for name in ("Keep", "Remove", "Next"):
            box = page.get_by_role("button", name=re.compile(f"^{name}")).bounding_box()
            assert box["height"] >= 44
            assert box["y"] + box["height"] <= PHONE["height"]
        page.get_by_role("button", name=re.compile("^Keep")).tap()
        page.get_by_text(re.compile(r"^2 of ")).wait_for()
        swipe = """stage => {
            const at = (type, x) => stage.dispatchEvent(new TouchEvent(type, {bubbles: true, cancelable: true,
                touches: type === 'touchend' ? [] : [new Touch({identifier: 1, target: stage, clientX: x, clientY: 300})],
                changedTouches: [new Touch({identifier: 1, target: stage, clientX: x, clientY: 300})]}));
            at('touchstart', 300);
            at('touchend', 120);
        }"""
        page.locator(".stage").evaluate(swipe)
        page.get_by_text(re.compile(r"^3 of ")).wait_for()
        assert [line["after"]["fate"] for line in desk.logged_in_time(1)] == ["kept"]


@pytest.mark.parametrize("address", ["#/clean", "#/duplicates"])
def test_everything_that_can_be_pressed_has_a_name(browser: Any, desk: DeskProcess, address: str) -> None:
    with visit(browser, f"{desk.address}/{address}") as page:
        page.locator("main img").first.wait_for()
        nameless = page.evaluate(
            """() => [...document.querySelectorAll('button, input, select, [role=toolbar], [role=progressbar]')]
                .filter(e => !(e.ariaLabel || e.innerText?.trim() || e.labels?.length || e.getAttribute('aria-labelledby')))
                .map(e => e.outerHTML)"""
        )
        assert nameless == []


def test_an_audit_is_judged_blind_and_told_in_a_figure(browser: Any, desk: DeskProcess) -> None:
    with visit(browser, desk.address) as page:
        panel = page.get_by_role("region", name="Audit")
        panel.get_by_label("Pictures").fill("10")
        panel.get_by_role("button", name="Start an audit").click()
        page.get_by_text("Audit: is the label right?").wait_for()
        page.wait_for_function("() => document.querySelectorAll('ul.grid button[data-index]').length === 12")
        items = desk.get("/v1/desk/items", audit=True)["items"]
        assert named(page) == [Path(item["name"]).name for item in items]
        expect(page.locator("ul.grid .suggested")).to_have_count(0)
        words = cards(page).evaluate_all("all => all.map(e => e.ariaLabel)")
        assert all(";" not in one and "suggested" not in one for one in words)
        cards(page).first.focus()
        page.keyboard.press("s")  # there is nothing to take
        page.keyboard.press("k")
        page.keyboard.press("x")
        panel.get_by_text("2 of 12 random pictures judged").wait_for()
        # A page that comes later goes on where this one was left.
        page.reload()
        page.wait_for_function("() => document.activeElement?.dataset?.index === '2'")
        page.keyboard.press("Enter")
        page.get_by_text("Part of the audit").wait_for()
        expect(page.get_by_text("The most alike")).to_have_count(0)
        for _ in items[2:]:
            page.keyboard.press("k")
        page.get_by_text("That was the last one to look at in this list").wait_for()
        page.get_by_role("button", name="Back to the list").click()
        panel.get_by_text("All 12 random pictures judged").wait_for()
        panel.get_by_text(re.compile("of the labels are wrong")).first.wait_for()
        lines = desk.logged_in_time(12)
        assert [(line["item"]["name"], line["how"]) for line in lines] == [(item["name"], "blind") for item in items]
        assert [line["after"]["fate"] for line in lines] == ["kept", "removed"] + ["kept"] * 10


def test_edits_bear_the_name_that_the_desk_was_started_with(browser: Any, desk: DeskProcess) -> None:
    name = desk.get("/v1/whoami")["desk"]["name"]
    assert name
    with visit(browser, desk.address) as page:
        cards(page).first.wait_for()
        cards(page).first.focus()
        page.keyboard.press("x")
        kept(page)
        page.get_by_text("1 changed").wait_for()
        assert [line["by"] for line in desk.logged_in_time(1)] == [name]


def test_thumbnails_are_kept_by_the_browser_and_found_after_files_were_moved(browser: Any, desk: DeskProcess) -> None:
    first = desk.get("/v1/desk/items", fate="open", limit=1)["items"][0]
    desk.mark(first["id"], "remove", "ann")
    assert apply_edits(desk.folder, "ann", datetime.now(UTC)).journal is not None
    assert not (desk.folder / first["name"]).exists()
    with visit(browser, f"{desk.address}/#/clean?fate=removed") as page:
        assert loaded(page.locator("ul.grid img").first)
        page.get_by_role("button", name=re.compile("^All ")).first.click()
        assert loaded(page.locator("ul.grid img").nth(3))
        thumbnails = """() => Object.fromEntries(performance.getEntriesByType('resource')
            .filter(e => e.name.includes('/thumbnail') && e.responseEnd > 0).map(e => [e.name, e.transferSize]))"""
        before = page.evaluate(thumbnails)
        page.reload()
        assert loaded(page.locator("ul.grid img").nth(3))
        after = page.evaluate(thumbnails)
        again = before.keys() & after.keys()
        assert len(again) >= 4
        assert {after[name] for name in again} == {0}
