"""The widgets of the classify app, driven as a page drives them; and what an answer looks like as HTML."""

from __future__ import annotations

import base64
import io
import re
import subprocess
import sys
from collections.abc import Sequence
from dataclasses import replace
from datetime import UTC, datetime
from html.parser import HTMLParser
from importlib import import_module
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from PIL import Image

import drivetrain as dt
from drivetrain.core.errors import UsageError
from drivetrain.core.installation import install_command
from drivetrain.core.types import Interval, Prediction, Reason, Verdict
from drivetrain.model.kinds.labels import LabelKind
from drivetrain.model.kinds.numbers import NumberKind
from drivetrain.model.manifest import Accept, Manifest
from drivetrain.model.part import Calibration
from drivetrain.notebook import answer as module
from drivetrain.notebook.answer import answer_html, label_words, task_words, verdict_words

KEPT = Path(__file__).parents[1] / "bundles" / "v1"
VOID = frozenset({"img", "br"})


class Page(HTMLParser):
    """Texts, tags and attributes; a tag that is not closed in order is an error."""

    def __init__(self, html: str) -> None:
        super().__init__()
        self.open: list[str] = []
        self.tags: list[tuple[str, dict[str, str | None]]] = []
        self.texts: list[str] = []
        self.feed(html)
        self.close()
        assert self.open == []

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        self.tags.append((tag, dict(attrs)))
        if tag not in VOID:
            self.open.append(tag)

    def handle_endtag(self, tag: str) -> None:
        assert self.open.pop() == tag

    def handle_data(self, data: str) -> None:
        self.texts.append(data)

    def text(self) -> str:
        return " ".join(self.texts)

    def names(self) -> set[str]:
        return {tag for tag, _ in self.tags}


def encoded(colour: tuple[int, int, int], kind: str = "PNG", size: tuple[int, int] = (90, 60)) -> bytes:
    buffer = io.BytesIO()
    Image.new("RGB", size, colour).save(buffer, kind)
    return buffer.getvalue()


MOMENT = datetime(2026, 1, 1, tzinfo=UTC)
GREEN, RED = (20, 190, 60), (220, 30, 20)


# The app


@pytest.fixture
def widgets() -> Any:
    pytest.importorskip("ipywidgets", reason="ipywidgets is not installed; make install")
    return import_module("ipywidgets")


@pytest.fixture
def app(widgets: Any) -> Any:
    from drivetrain.notebook.classify import ClassifyApp

    return ClassifyApp(dt.load(KEPT), widgets)


def upload(app: Any, files: Sequence[tuple[str, bytes]]) -> None:
    """As the page does when files are chosen."""
    app.upload.value = [
        {"name": name, "type": "image/png", "size": len(data), "content": data, "last_modified": MOMENT}
        for name, data in files
    ]


def cards(app: Any) -> list[Page]:
    return [Page(card.value) for card in app.results.children]


def test_every_file_is_answered_as_the_predictor_does(app: Any) -> None:
    files = [("a.png", encoded(GREEN)), ("b.tiff", encoded(RED, "TIFF")), ("c.jpg", b"words"), ("d.jpg", b"")]
    upload(app, files)
    assert "4 pictures chosen" in app.status.value
    app.button.click()
    assert not app.button.disabled
    assert "2 pictures answered, 2 cannot be read" in app.status.value
    predictor = dt.load(KEPT)
    for (name, data), card in zip(files, cards(app), strict=True):
        expected = predictor.predict(data)
        assert name in card.texts
        assert (expected.label or "No answer") in card.texts
        [verdict] = [attributes for tag, attributes in card.tags if "data-verdict" in attributes]
        assert verdict["data-verdict"] == str(expected.verdict)
        if expected.error:
            assert expected.error in card.text()
            assert "img" not in card.names()
        for p in expected.probs.values():
            assert module.nearly(p) in card.texts


def test_a_picture_no_browser_knows_is_shown_as_one_it_knows_and_small(app: Any) -> None:
    rng = np.random.default_rng(0)
    buffer = io.BytesIO()
    Image.fromarray(rng.integers(0, 256, (700, 1200, 3), np.uint8)).save(buffer, "TIFF")
    upload(app, [("large.tiff", buffer.getvalue())])
    app.button.click()
    [card] = cards(app)
    [source] = [attributes["src"] for tag, attributes in card.tags if tag == "img"]
    assert source is not None
    kind, _, data = source.partition(",")
    assert kind == "data:image/jpeg;base64"
    with Image.open(io.BytesIO(base64.b64decode(data))) as shown:
        assert shown.format == "JPEG"
        assert max(shown.size) == 480


def test_nothing_chosen_and_too_much_are_said_in_words(app: Any) -> None:
    app.button.click()
    assert "There is no picture yet" in app.status.value
    upload(app, [(f"{n}.png", encoded(GREEN, size=(8, 8))) for n in range(65)])
    app.button.click()
    assert "65 pictures are chosen; choose at most 64 at a time" in app.status.value
    assert app.results.children == ()


def test_answers_go_away_with_another_choice(app: Any) -> None:
    upload(app, [("a.png", encoded(GREEN))])
    app.button.click()
    assert len(app.results.children) == 1
    upload(app, [("b.png", encoded(RED))])
    assert app.results.children == ()
    app.button.click()
    assert [("rot" in card.texts, "b.png" in card.texts) for card in cards(app)] == [(True, True)]


def test_names_of_files_are_text(app: Any) -> None:
    name = '"><script>alert(1)</script><img src=x onerror=alert(1)>.png'
    upload(app, [(name, encoded(GREEN))])
    app.button.click()
    [card] = cards(app)
    assert name in card.texts
    assert "script" not in card.names()
    [picture] = [attributes for tag, attributes in card.tags if tag == "img"]
    assert picture["alt"] == name
    assert "onerror" not in picture


def test_a_fault_is_told_and_the_button_is_free_again(app: Any) -> None:
    upload(app, [("a.png", encoded(GREEN))])

    def fail(_uploads: Any) -> None:
        assert app.button.disabled
        raise OSError("no <room>")

    app.classify = fail
    app.button.click()
    assert "That did not work (OSError: no <room>)" in Page(app.status.value).text()
    assert not app.button.disabled


def test_a_bundle_that_cannot_be_used_is_said_in_words(widgets: Any, tmp_path: Path) -> None:
    from drivetrain.notebook.classify import classify_app

    shown = classify_app(tmp_path / "none")
    assert isinstance(shown, widgets.HTML)
    assert "This app cannot start" in shown.value
    assert "does not exist" in shown.value
    assert isinstance(classify_app(KEPT), widgets.VBox)
    assert isinstance(classify_app(dt.load(KEPT)), widgets.VBox)


@pytest.mark.processes
def test_without_ipywidgets_it_says_what_to_install() -> None:
    code = (
        "import sys; sys.modules['ipywidgets'] = None\n"
        "from drivetrain.notebook.classify import classify_app\n"
        "try: classify_app('x')\nexcept Exception as error: print(type(error).__name__, error)"
    )
    found = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert found.stdout.startswith(UsageError.__name__)
    assert install_command("notebook") in found.stdout


# An answer


def class_manifest(**changes: Any) -> Manifest:
    return dt.load(KEPT).manifest.model_copy(update=changes)


def prediction(**changes: Any) -> Prediction:
    first = Prediction("a.png", "rot", 0.7, {"blau": 0.1, "grün": 0.2, "rot": 0.7}, Verdict.REVIEW, "f" * 16)
    return replace(first, **changes)


# Only what an answer asks of a manifest; whole ones of these tasks are tried where Spaces are started.
LABELS = Manifest.model_construct(
    name="shapes",
    kind=LabelKind(
        labels=("disc", "square"), thresholds=(0.3, 0.6), calibration=Calibration(beta=1.0, fitted_on="some logits")
    ),
    accept=Accept(confidence=0.9, coverage=1.0, error=None),
)
NUMBERS = Manifest.model_construct(
    name="sizes",
    kind=NumberKind(targets=("size", "light"), half_widths=(1.0, 1.0), coverage=0.9, spreads=(1.0, 1.0)),
    accept=None,
)


def test_probabilities_stand_from_the_likeliest_on() -> None:
    page = Page(answer_html(prediction(), class_manifest()))
    assert page.texts[2:8] == ["rot", "70.0 %", "grün", "20.0 %", "blau", "10.0 %"]
    widths = re.findall(r"display:block;width:([\d.]+)%", answer_html(prediction(), class_manifest()))
    assert widths == ["70.0", "20.0", "10.0"]


SUGGESTED = "maybe rot · a person should look"


def test_a_suggestion_is_no_headline_and_looks_like_none() -> None:
    review = answer_html(prediction(), class_manifest())
    assert Page(review).texts[0] == SUGGESTED
    assert "<h2" not in review
    assert review.count("repeating-linear-gradient") == 3
    accept = answer_html(prediction(verdict=Verdict.ACCEPT, confidence=0.99), class_manifest())
    assert Page(accept).texts[0] == "rot"
    assert ">rot</h2>" in accept
    assert "maybe" not in accept
    assert "gradient" not in accept
    unreadable = answer_html(prediction(verdict=Verdict.UNREADABLE, label=None, probs={}), class_manifest())
    assert Page(unreadable).texts[0] == "No answer"


def test_of_many_classes_the_rest_is_counted() -> None:
    probs = {f"class {n}": (20 - n) / 210 for n in range(20)}
    page = Page(answer_html(prediction(label="class 0", probs=probs), class_manifest()))
    assert "12 more, each at most 5.7 %" in page.texts
    assert "class 8" not in page.texts


@pytest.mark.parametrize(
    ("changes", "words"),
    [
        (
            {
                "reasons": (
                    Reason("low-confidence", "its confidence, 0.700, is below 0.9"),
                    Reason("odd", "it looks odd"),
                )
            },
            "Review: a person should look, since its confidence, 0.700, is below 0.9; it looks odd.",
        ),
        (
            {"confidence": 0.99999, "verdict": Verdict.ACCEPT},
            "Accept: > 99.9 % sure, and answers of confidence 0.9 and more may stand without a person.",
        ),
        (
            {"verdict": Verdict.UNREADABLE, "label": None, "probs": {}, "error": "truncated: <cut>"},
            "This file cannot be read as a picture (truncated: <cut>). Try another one.",
        ),
    ],
)
def test_the_verdict_says_what_to_do_and_why(changes: dict[str, Any], words: str) -> None:
    given = prediction(**changes)
    assert verdict_words(given, class_manifest()) == words
    assert words in Page(answer_html(given, class_manifest())).text()


def test_labels_are_marked_where_they_are_given_from() -> None:
    given = prediction(label=None, labels=("disc", "square"), probs={"disc": 0.4, "square": 0.8}, confidence=0.6)
    html = answer_html(given, LABELS)
    assert Page(html).texts[0] == "maybe disc, square · a person should look"
    assert re.findall(r"left:([\d.]+)%", html) == ["60.0", "30.0"]
    assert "from there on the label is given" in html
    none = replace(given, labels=(), probs={"disc": 0.0, "square": 0.0001})
    assert label_words(none, LABELS) == "None of the labels"
    assert Page(answer_html(none, LABELS)).texts[0] == "maybe none of the labels · a person should look"
    assert {"0 %", "< 0.1 %"} <= set(Page(answer_html(none, LABELS)).texts)


def test_numbers_stand_with_their_ranges() -> None:
    values = {"size": Interval(3.14159, 2, 4.25, "m"), "light": Interval(-200, -210.5, -189.5, "m")}
    given = prediction(label=None, probs={}, confidence=0.0, values=values)
    page = Page(answer_html(given, NUMBERS))
    assert page.texts[0] == "maybe size 3.142, light -200 · a person should look"
    assert page.texts[5:11] == ["size", "3.142", "2 to 4.25", "light", "-200", "-210.5 to -189.5"]
    assert "about 90 % of pictures" in page.text()


def test_numbers_that_are_accepted_are_so_by_their_width_and_not_by_being_sure() -> None:
    accept = Accept(confidence=None, width=1.5, coverage=1.0, error=None)
    narrow = Manifest.model_construct(
        name="sizes", kind=NUMBERS.kind, input=class_manifest().input, accept=accept, gate=None
    )
    given = prediction(
        label=None, probs={}, confidence=0.0, values={"size": Interval(3, 2, 4, "m")}, verdict=Verdict.ACCEPT
    )
    assert verdict_words(given, narrow) == (
        "Accept: answers with intervals of at most ± 1.5 may stand without a person."
    )


def test_names_of_classes_and_models_are_text() -> None:
    bad = "<script>alert('x')</script>"
    page = Page(answer_html(prediction(label=bad, probs={bad: 1.0}), class_manifest()))
    assert "script" not in page.names()
    assert page.texts[0] == f"maybe {bad} · a person should look"
    assert page.texts[2:4] == [bad, "100 %"]
    head = Page(
        task_words(class_manifest(name=bad, kind=class_manifest().kind.model_copy(update={"classes": (bad, "b")})))
    )
    assert head.texts == [bad, f"Which of these does a picture show: {bad}, b?"]


def test_letters_of_verdicts_can_be_read() -> None:
    def luminance(colour: str) -> float:
        levels = [int(colour[i : i + 2], 16) / 255 for i in (1, 3, 5)]
        linear = [level / 12.92 if level <= 0.03928 else ((level + 0.055) / 1.055) ** 2.4 for level in levels]
        return 0.2126 * linear[0] + 0.7152 * linear[1] + 0.0722 * linear[2]

    for _, ground, letters in module._CHIPS.values():
        light, dark = sorted((luminance(ground), luminance(letters)), reverse=True)
        assert (light + 0.05) / (dark + 0.05) >= 7
