"""The console's page Review: real Chromium, the real server, a live rollout of a tiny bundle."""

from __future__ import annotations

import json
import re
from collections.abc import Iterator
from contextlib import ExitStack
from pathlib import Path
from typing import Any

import pytest
from reviewed import ANSWERABLE, Rolling, bearer, names, overheard, press, rolling, seen, sitting
from rolled import forced

from browsing import PHONE, expect
from drivetrain.rollout.stage import Stage

pytestmark = pytest.mark.processes

ALONE = {"decide_twice": 0.0, "audit": 1e-9}
"""Each case is decided once, and adjudicated where person and model differ only."""

KNOWN_OF_A_REVIEW = {
    *(
        "review",
        "reviews",
        "id",
        "rollout",
        "kind",
        "shown",
        "labels",
        "case",
        "lease_until",
        "left_today",
        "done_today",
    ),
    *("metadata", "slices", "due", "images", "undo_until"),
    *("by", "by_kind", "overdue", "agreement", "decide", "confirm", "adjudicate", "open", "leased", "held"),
    *("keys_required", "role", "name", "version", "desk", "blind"),
    *("site", "string"),
}
"""The fields that a reviewer's answers may have, those of the test's own cases among them."""


@pytest.fixture
def here(tmp_path: Path) -> Iterator[Rolling]:
    with rolling(tmp_path, cases={"undo_seconds": 60}, parallel=ALONE) as found:
        yield found


def test_a_reviewer_sees_the_queue_only_and_decides_by_key(browser: Any, here: Rolling) -> None:
    for number in range(3):
        here.send(f"m-{number}", number, metadata={"string": f"S{number}"}, pictures=3 if number == 0 else 1)
    with sitting(browser, here, here.ada, "history") as page:
        page.get_by_role("heading", name="Decide").wait_for()
        assert names(page.get_by_role("navigation", name="Pages").get_by_role("link").all()) == ["Review"]
        press(page, "1")
        page.get_by_text("1 done today").wait_for()
        press(page, "c")
        page.get_by_text("2 done today").wait_for()
        press(page, "3")
        page.get_by_text("Nothing waits for you").wait_for()
        expect(page.locator("main")).to_contain_text("3 cases done today", use_inner_text=True)
    # The last one is still held; the two before it are final.
    decided = here.wait_for("decided", 2)
    labels = here.events("opened")[0]["labels"]
    assert [(one["by"], one["label"], one["how"]) for one in decided] == [
        ("Ada", labels[0], "blind"),
        ("Ada", None, "blind"),
    ]
    assert all(0.2 < one["seconds"] < 60 for one in decided)


def test_a_decision_is_taken_back_and_a_case_is_skipped(browser: Any, here: Rolling) -> None:
    here.send("m-0", 0)
    here.send("m-1", 1)
    with sitting(browser, here, here.ada, "review") as page:
        press(page, "1")
        page.get_by_text("1 done today").wait_for()
        seen(page)
        page.keyboard.press("u")
        page.get_by_text("0 done today").wait_for()
        press(page, "s")  # the first one again
        page.get_by_text("Skipped.").wait_for(state="attached")
        press(page, "2")
        page.get_by_role("button", name="Look at it again").click()
        press(page, "3")
        page.get_by_text("2 done today").wait_for()
    labels = here.events("opened")[0]["labels"]
    assert [one["label"] for one in here.wait_for("decided", 1)] == [labels[1]]


def test_a_case_with_several_pictures_is_looked_at_closely(browser: Any, here: Rolling) -> None:
    here.send("m-0", 0, pictures=3)
    with sitting(browser, here, here.ada, "review") as page:
        seen(page)
        picture = page.get_by_role("img", name="Picture 1 of 3 of the case")
        picture.wait_for()
        page.keyboard.press("z")
        page.get_by_text("Zoomed 2.5 times").wait_for()
        page.keyboard.press("ArrowRight")
        page.get_by_role("img", name="Picture 2 of 3 of the case").wait_for()
        page.get_by_role("button", name="Picture 3", exact=True).click()
        page.get_by_role("img", name="Picture 3 of 3 of the case").wait_for()


def test_two_unnamed_answers_are_adjudicated_by_somebody_else(browser: Any, tmp_path: Path) -> None:
    with rolling(tmp_path, parallel=ALONE) as here:
        here.send("m-0", 1)  # a picture of which the tiny bundle is sure
        assert here.events("arrived")[0]["answer"]["certified"]
        model = here.events("arrived")[0]["answer"]["label"]
        labels = here.events("opened")[0]["labels"]
        wrong = next(place for place, label in enumerate(labels) if label != model)
        with sitting(browser, here, here.ada, "review") as page:
            press(page, str(wrong + 1))
            page.get_by_text("Nothing waits for you").wait_for()
        with sitting(browser, here, here.bo, "review") as page:
            page.get_by_role("heading", name="Which answer is right?").wait_for()
            two = page.get_by_role("group", name="The two answers").get_by_role("button")
            said = names(two.all())
            assert [re.sub(r".*Answer (.): .*", r"\1", text) for text in said] == ["A", "B"]
            assert {text.split(": ")[-1] for text in said} == {model, labels[wrong]}
            other = page.get_by_role("group", name="Neither, it is:").get_by_role("button")
            expect(other).to_have_count(len(labels) - 2)
            press(page, "a" if said[0].endswith(model) else "b")
            page.get_by_text("Nothing waits for you").wait_for()
        last = here.wait_for("decided", 2)[-1]
        assert (last["by"], last["review"], last["label"], last["how"]) == ("Bo", "adjudicate", model, "adjudicated")


def test_enter_confirms_what_the_model_proposes_and_another_key_overrides_it(browser: Any, tmp_path: Path) -> None:
    with rolling(tmp_path, supervised={"blind": 1e-9, "seeded": 0.0}) as here:
        forced(tmp_path / "store.db", (Stage.SUPERVISED, 0))
        for number in range(2):
            here.send(f"m-{number}", 1)  # a picture of which the tiny bundle is sure
        model = here.events("arrived")[0]["answer"]["label"]
        labels = here.events("opened")[0]["labels"]
        other = next(place for place, label in enumerate(labels) if label != model)
        with sitting(browser, here, here.ada, "review") as page:
            page.get_by_role("heading", name="Confirm or correct").wait_for()
            seen(page)
            page.get_by_role("button", name=f"The model proposes, confirm: {model}").wait_for()
            press(page, "Enter")
            page.get_by_text("1 done today").wait_for()
            press(page, str(other + 1))
            page.get_by_text("Nothing waits for you").wait_for()
        decided = here.wait_for("decided", 2)
        assert [(one["by"], one["review"], one["label"], one["how"]) for one in decided] == [
            ("Ada", "confirm", model, "assisted"),
            ("Ada", "confirm", labels[other], "assisted"),
        ]


def test_two_reviewers_never_see_the_same_case(browser: Any, tmp_path: Path) -> None:
    with rolling(tmp_path, parallel=ALONE) as here, ExitStack() as stack:
        for number in range(14):
            here.send(f"m-{number}", number)
        heard, pages = {}, {}
        for name, secret in (("Ada", here.ada), ("Bo", here.bo)):
            page = stack.enter_context(sitting(browser, here, secret, "review?kind=decide"))
            heard[name], pages[name] = overheard(page, "**/images/*"), page
        for _ in range(20):
            done = 0
            for page in pages.values():
                page.locator(ANSWERABLE).or_(page.get_by_text("Nothing waits for you")).first.wait_for()
                if page.get_by_text("Nothing waits for you").count():
                    done += 1
                    continue
                press(page, "1")
            if done == 2:
                break
        assert len(here.wait_for("decided", 14)) == 14
        assert len({one["case_id"] for one in here.events("decided")}) == 14
        assert {one["by"] for one in here.events("decided")} == {"Ada", "Bo"}
        ada, bo = ({body for _, _, body in heard[name]} for name in ("Ada", "Bo"))
        # The first of each, and the one fetched behind it, may have come before anybody listened.
        assert len(ada | bo) >= 10
        assert ada.isdisjoint(bo)


def _fields(value: Any) -> Iterator[str]:
    if isinstance(value, dict):
        for name, inner in value.items():
            yield name
            yield from _fields(inner)
    elif isinstance(value, list):
        for inner in value:
            yield from _fields(inner)


def test_nothing_of_the_models_answer_reaches_the_browser(browser: Any, here: Rolling) -> None:
    for number in range(4):
        here.send(f"m-{number}", number, slices={"site": "north"}, metadata={"string": "S1"})
    answers = [one["answer"] for one in here.events("arrived")]
    secrets = {text for one in answers for text in (one["prediction_id"], one["bundle_id"], repr(one["confidence"]))}
    secrets |= {sha for one in here.events("arrived") for sha in one["case"]["inputs"]}
    asked: list[str] = []
    with sitting(browser, here, here.ada, "review") as page:
        seen(page)
        page.on("request", lambda request: asked.append(request.url))
        told = overheard(page)
        page.reload()
        looks = set()
        for _ in answers:
            seen(page)
            buttons = page.get_by_role("group", name="Classes").get_by_role("button").all()
            # Every class looks like every other, in the same order for each case.
            assert len({button.get_attribute("class") for button in buttons}) == 1
            looks.add(tuple(names(buttons)))
            said = page.content()
            assert not [secret for secret in secrets if secret in said]
            page.keyboard.press("1")
        page.get_by_text("Nothing waits for you").wait_for()
        assert len(looks) == 1
    ways = {re.sub(r"/v1/reviews/[0-9a-f]{32}", "/v1/reviews/ID", url.split("?")[0]) for url in asked if "/v1/" in url}
    paths = {way.removeprefix(here.address) for way in ways}
    assert paths <= {
        *("/v1/whoami", "/v1/reviews/next", "/v1/reviews/summary"),
        *("/v1/reviews/ID", "/v1/reviews/ID/images/0"),
    }, "a blind reviewer's page asks for nothing else"
    assert len(told) > 10
    for url, headers, body in told:
        text = f"{url} {json.dumps(headers)} {body.decode('latin-1')}"
        assert not [secret for secret in secrets if secret in text], url
        if headers["content-type"].startswith("application/json"):
            assert set(_fields(json.loads(body))) <= KNOWN_OF_A_REVIEW
            assert '"shown":[]' in text or '"shown"' not in text


def test_an_unsent_decision_outlives_a_lost_connection_and_a_reload(browser: Any, here: Rolling) -> None:
    here.send("m-0", 0)
    here.send("m-1", 1)
    with sitting(browser, here, here.ada, "review") as page:
        seen(page)
        page.route(
            "**/v1/reviews/*", lambda route: route.abort() if route.request.method == "POST" else route.continue_()
        )
        page.keyboard.press("2")
        page.get_by_text("1 decision not sent yet").wait_for()
        assert here.client.get("/v1/reviews/summary", headers=bearer(here.ada)).json()["done_today"] == 0
        page.unroute("**/v1/reviews/*")
        page.on("dialog", lambda dialog: dialog.accept())
        page.reload()
        page.get_by_text("1 done today").wait_for()
        seen(page)
        expect(page.get_by_text("not sent yet")).to_have_count(0)
    assert here.client.get("/v1/reviews/summary", headers=bearer(here.ada)).json()["done_today"] == 1


@pytest.mark.parametrize("colours", ["light", "dark"])
def test_a_phone_shows_a_case_and_its_answers(browser: Any, here: Rolling, colours: str) -> None:
    here.send("m-0", 0, metadata={"a rather long name of a field": "with a rather long value, too"}, pictures=4)
    here.send("m-1", 1)
    narrow = {**PHONE, "width": 360}
    with sitting(browser, here, here.ada, "review", narrow, color_scheme=colours, has_touch=True) as page:
        seen(page)
        assert page.evaluate("document.documentElement.scrollWidth - document.documentElement.clientWidth") <= 0
        button = page.get_by_role("group", name="Classes").get_by_role("button").first
        assert button.bounding_box()["height"] >= 44
        button.tap()
        page.get_by_text("1 done today").wait_for()
        page.get_by_role("button", name="Grid").tap()
        page.get_by_role("list", name="Cases").get_by_role("listitem").first.wait_for()
        assert page.evaluate("document.documentElement.scrollWidth - document.documentElement.clientWidth") <= 0


def test_an_admin_may_not_review(browser: Any, here: Rolling) -> None:
    here.send("m-0", 0)
    with sitting(browser, here, here.boss, "review") as page:
        page.get_by_role("heading", name="Predict", level=1).wait_for()
        assert "Review" not in names(page.get_by_role("navigation", name="Pages").get_by_role("link").all())
