"""The HTML report: complete, safe with any name, well formed, and the same bytes for the same report."""

from __future__ import annotations

import re
import subprocess
import sys
import xml.etree.ElementTree as ET
from dataclasses import replace
from html.parser import HTMLParser
from itertools import pairwise

import numpy as np
import pytest

from drivetrain.core.types import Interval, Skipped
from drivetrain.draw import charts
from drivetrain.draw.numbers import percent, span, unbroken
from drivetrain.draw.plot import Plot
from drivetrain.learn.gate_tried import Tried
from drivetrain.learn.sections import Example
from drivetrain.learn.selection import Trial
from drivetrain.report.gate_section import GateSection, RefusedCase
from drivetrain.report.gotchas_section import Answerer, Given, GotchasSection, SliceRow
from drivetrain.report.page import (
    SECTIONS,
    DuplicateGroup,
    Headline,
    Mistake,
    Report,
    duration,
    render,
)
from drivetrain.report.thumbnail import Thumbnail
from drivetrain.stats.mistakes import ClassRow, ReliabilityBin

NBSP = "\N{NO-BREAK SPACE}"
VOID = {"meta", "link", "img", "br", "hr", "input"}
JPEG = bytes.fromhex("ffd8ffe000104a46494600010100000100010000ffd9")

BARE = Report(title="Bears", subtitle="1,105 images", headlines=(Headline("Accuracy", "95.7 %", "94.1–96.8 %"),))


def thumbnail(name: str) -> Thumbnail:
    return Thumbnail(name, JPEG)


def interval(low: float, value: float, high: float) -> Interval:
    return Interval(value, low, high, "Wilson")


SVG = (
    '<svg xmlns="http://www.w3.org/2000/svg" viewBox="0 0 2 2" width="2" height="2" role="img"><path d="M0 0H2"/></svg>'
)


def full_report(classes: tuple[str, ...] = ("black", "grizzly", "teddy")) -> Report:
    """A report with every part filled; works for two classes and more."""
    size = len(classes)
    confusion = [[90 if x == y else 0 for x in range(size)] for y in range(size)]
    confusion[0][1] = 7
    confusion[1][0] = 3
    mistakes = (
        Mistake(thumbnail("black/00000012.jpg"), Example(0, classes[0], classes[1], 0.934, 0.04, 3.21)),
        Mistake(thumbnail("grizzly/00000034.jpg"), Example(0, classes[1], classes[1], 0.512, 0.512, 0.67)),
    )
    pair = ((thumbnail("black/1.jpg"), classes[0]), (thumbnail("grizzly/2.jpg"), classes[1]))
    return replace(
        BARE,
        warnings=("One pair of identical images carries two labels.",),
        plots=(Plot("Answers", SVG, "Nearer the line is better."),),
        accepting=(Plot("Error among answers that pass", SVG, "Accepts answers from confidence 0.9 on."),),
        gate=GateSection(
            Tried("Training images", np.array([0.1, 0.6, 1.4]), interval(0.1, 0.333, 0.7), None),
            near=(Tried(f"Class “{classes[0]}”, left out", np.array([0.9, 3.0]), interval(0.1, 0.5, 0.9), 0.874),),
            far=(Tried("Drawn patterns", np.array([12.0]), interval(0.2, 1.0, 1.0), 1.0),),
            summary="At most 5 % of images like these are refused.",
            notes=("They are no promise for whatever comes.",),
            cases=(RefusedCase(thumbnail("teddy/3.jpg"), classes[0], "1 of 1,000 looks as strange", pair),),
            cases_total=4,
        ),
        gotchas=GotchasSection(
            "accuracy",
            (
                Answerer("border", interval(0.58, 0.61, 0.64), "second", "61 of 100"),
                Answerer("the model", interval(0.96, 0.98, 0.99), "plain"),
            ),
            (Given("border", "The border alone names 61 %.", (thumbnail("black/1.jpg"),)),),
            (
                SliceRow("light", "dark", 40, 38, interval(0.6, 0.7, 0.8), "98 %", "worse"),
                SliceRow("light", "infra-red", 3, 3, interval(0.2, 0.67, 0.9), "97 %", "too few to say"),
            ),
            "One trait tells the class.",
            "Each slice against all others.",
        ),
        learning=(Plot("Loss", SVG),),
        classes=classes,
        confusion_CC=tuple(map(tuple, confusion)),
        class_rows=tuple(
            ClassRow(label, 97, interval(0.941, 0.955, 0.973) if i else None, interval(0.873, 0.928, 0.962))
            for i, label in enumerate(classes)
        ),
        reliability=(
            ReliabilityBin(0.62, interval(0.41, 0.60, 0.77), 21),
            ReliabilityBin(0.97, interval(0.82, 0.88, 0.93), 1234),
        ),
        ece=0.0138,
        reliability_note="Out-of-fold confidences.",
        top_losses=mistakes,
        confident_mistakes=mistakes[:1],
        duplicates=(
            DuplicateGroup("near", 9, pair[:1], classes[:1]),
            DuplicateGroup("exact", 2, pair, classes[:2], contradicts=True),
        ),
        duplicates_total=31,
        duplicates_note="Compared by pixels.",
        skipped=(Skipped("a/broken.jpg", "not an image", "cannot identify"), Skipped("b/0.jpg", "empty", "0 bytes")),
        image_sizes=((640, 480), (640, 480), (100, 150), (2000, 1500)),
        input_size=(224, 224),
        trials=(Trial("C = 1", 0.1712, 0.016, False), Trial("C = 10", 0.1567, 0.0155, True, "one standard error")),
        run=(("Backbone", "EfficientNet-Lite0"), ("Machine", "2 cores")),
        seconds=(("Embed", 41.9), ("Calibrate", 0.08)),
        notes=("Accuracy: out of fold.",),
    )


class Page(HTMLParser):
    """What a reader of the HTML finds: elements with attributes, text, links; fails on crossed or open elements."""

    def __init__(self, html: str) -> None:
        super().__init__()
        self.elements: list[tuple[str, dict[str, str | None]]] = []
        self.text = ""
        self._open: list[str] = []
        self.feed(html)
        self.close()
        assert self._open == []

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        self.elements.append((tag, dict(attrs)))
        if tag not in VOID:
            self._open.append(tag)

    def handle_startendtag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        self.elements.append((tag, dict(attrs)))

    def handle_endtag(self, tag: str) -> None:
        assert self._open.pop() == tag

    def handle_data(self, data: str) -> None:
        if not {"style", "title"} & set(self._open):
            self.text += data

    def all(self, tag: str) -> list[dict[str, str | None]]:
        return [attributes for name, attributes in self.elements if name == tag]

    @property
    def ids(self) -> list[str]:
        return [value for _, attributes in self.elements if (value := attributes.get("id"))]

    @property
    def contents(self) -> list[str]:
        return [href[1:] for a in self.all("a") if (href := a.get("href")) and href.startswith("#")]


def svgs(html: str) -> list[ET.Element]:
    return [ET.fromstring(svg) for svg in re.findall(r"<svg.*?</svg>", html, re.DOTALL)]


FIELDS = {
    "plots": ("plots",),
    "confusion": ("classes", "confusion_CC"),
    "classes": ("class_rows",),
    "slices": ("gotchas",),
    "accepting": ("accepting",),
    "gate": ("gate",),
    "reliability": ("reliability", "ece", "reliability_note"),
    "confident": ("confident_mistakes", "confident_note"),
    "top-losses": ("top_losses",),
    "shortcuts": ("gotchas",),
    "duplicates": ("duplicates", "duplicates_total", "duplicates_note"),
    "skipped": ("skipped",),
    "balance": ("class_rows",),
    "sizes": ("image_sizes",),
    "learning": ("learning",),
    "trials": ("trials", "trials_note"),
    "run": ("run", "seconds"),
    "notes": ("notes",),
}


def test_every_part_stands_in_order_and_in_the_contents() -> None:
    page = Page(render(full_report()))
    order = [section.id for section in SECTIONS]
    assert order == list(FIELDS)
    assert page.contents == order
    assert [id for id in page.ids if id in order] == order
    assert "warnings-title" in page.ids


@pytest.mark.parametrize("section", list(FIELDS))
def test_a_part_alone_stands_alone_and_without_it_is_left_out(section: str) -> None:
    full, names = full_report(), FIELDS[section]
    alone = Page(render(replace(BARE, **{name: getattr(full, name) for name in names})))
    assert section in alone.contents
    assert set(alone.contents) == {id for id, fields in FIELDS.items() if set(fields) <= set(names)}
    without = Page(render(replace(full, **{name: getattr(BARE, name) for name in names})))
    assert section not in without.contents
    assert section not in without.ids


def test_an_empty_report_has_neither_contents_nor_sections() -> None:
    page = Page(render(BARE))
    assert page.contents == []
    assert page.all("nav") == page.all("section") == page.all("svg") == []
    assert unbroken("95.7 %") in page.text


@pytest.mark.parametrize("count", [2, 3, 7, 30, 31, 100])
def test_any_number_of_classes_gives_a_sound_page(count: int) -> None:
    html = render(full_report(tuple(f"class {i}" for i in range(count))))
    page = Page(html)
    assert len(page.ids) == len(set(page.ids))
    assert all(svg.tag == "svg" for svg in svgs(html))
    assert ("map" in {svg.get("class") for svg in svgs(html)}) == (count > 30)
    assert "7 × class 0, called class 1" in html


def test_headings_step_down_one_level_at_a_time() -> None:
    levels = [int(tag[1]) for tag, _ in Page(render(full_report())).elements if re.fullmatch("h[1-6]", tag)]
    assert levels.count(1) == 1
    assert levels[0] == 1
    assert all(later <= earlier + 1 for earlier, later in pairwise(levels))


HOSTILE = (
    "<script>alert(1)</script>",
    '"><img src=x onerror=alert(1)>',
    "日本語 名前",
    "الدب الأسود",
    "{{ 7 * 7 }} & 'quoted'",
    "x" * 60,
)


def hostile_report(classes: tuple[str, ...]) -> Report:
    """Every text a user controls, hostile."""
    report, evil = full_report(classes), HOSTILE[0]
    return replace(
        report,
        title="</title>" + evil,
        subtitle=evil,
        headlines=(Headline(evil, evil, evil, evil),),
        warnings=HOSTILE,
        reliability_note=evil,
        top_losses=tuple(replace(m, thumbnail=thumbnail(HOSTILE[1] + "/0.jpg")) for m in report.top_losses),
        skipped=tuple(Skipped(name, name, name) for name in HOSTILE),
        trials=(Trial(evil, 0.1, 0.01, True, evil),),
        run=((evil, evil),),
        seconds=((evil, 1.0),),
        notes=HOSTILE,
    )


@pytest.mark.parametrize("fill", [0, 30])
def test_hostile_names_stay_text(fill: int) -> None:
    html = render(hostile_report(HOSTILE + tuple(f"class {i}" for i in range(fill))))
    page = Page(html)
    assert not {"script", "iframe", "object", "embed", "form", "base"} & {tag for tag, _ in page.elements}
    assert not [name for _, attributes in page.elements for name in attributes if name.startswith("on")]
    assert all((img["src"] or "").startswith("data:image/jpeg;base64,") for img in page.all("img"))
    for name in HOSTILE:
        assert name in page.text
    assert all(svg.tag == "svg" for svg in svgs(html))


def test_nothing_is_loaded_from_anywhere() -> None:
    html = render(full_report())
    page = Page(html)
    policies = [m["content"] or "" for m in page.all("meta") if m.get("http-equiv") == "Content-Security-Policy"]
    assert len(policies) == 1
    assert "default-src 'none'; img-src data:; style-src 'unsafe-inline'" in policies[0]
    for _, attributes in page.elements:
        for name in ("src", "href", "srcset", "action", "xlink:href"):
            assert (attributes.get(name) or "#").startswith(("#", "data:"))
    assert "url(" not in html
    assert "@import" not in html
    assert "//" not in re.sub(r"data:image/jpeg;base64,[\w+/=]+", "", html)


def test_file_names_of_any_bytes_can_be_written() -> None:
    name = "bad\udcff\x00\x1b name.jpg"
    html = render(replace(full_report((name, "b")), skipped=(Skipped(name, "empty", name),)))
    assert r"bad\udcff\x00\x1b name.jpg" in html
    assert html.encode("utf-8")
    assert all(svg.tag == "svg" for svg in svgs(html))


def test_pictures_have_alternative_texts_and_charts_are_named_or_hidden() -> None:
    html = render(full_report(tuple(f"class {i}" for i in range(40))))
    assert all(img.get("alt") for img in Page(html).all("img"))
    assert all(svg.get("aria-label") or svg.get("aria-hidden") for svg in svgs(html))


def test_the_figures_are_on_the_page() -> None:
    text = " ".join(Page(render(full_report())).text.split())  # no-break spaces become plain ones
    for figure in (
        "270 of 280 images correctly (96.4 %)",
        "90 92.8 %",  # a cell of the matrix: count and share of the row
        "7 7.2 %",
        "95.5 % 94.1–97.3 %",  # precision with its interval
        "87.3–96.2 %",
        "undefined",
        "1.4 percentage points",
        "97.0 %88.0 %82.0–93.0 %1,234",  # a bin of the reliability table
        "93.4 % sure",
        "loss 3.21",
        "0.1567 ± 0.0155",
        "31 groups",
        "1 image (25.0 %)",
        "41.9 s",
        "of 100 images called grizzly, about 96 are grizzly",
    ):
        assert figure in text


def test_the_same_report_gives_the_same_page() -> None:
    assert render(full_report()) == render(full_report())


def test_conflicting_labels_come_first() -> None:
    text = Page(render(full_report())).text
    assert text.index("2 identical images") < text.index("9 nearly identical images")
    assert text.index("labels contradict") < text.index("2 identical images")
    assert "1 picture occurs with labels that contradict each other" in text
    assert "and 8 more" in text


def test_what_is_merely_alike_may_have_two_labels() -> None:
    pair = ((thumbnail("a.jpg"), "black"), (thumbnail("b.jpg"), "grizzly"))
    html = render(replace(BARE, duplicates=(DuplicateGroup("alike", 2, pair, ("black", "grizzly")),)))
    text = " ".join(Page(html).text.split())
    assert "2 closely alike images with different labels" in text
    assert "contradict" not in text


def test_that_there_is_no_confident_mistake_is_said() -> None:
    page = Page(render(replace(BARE, confident_note="There are none: none of the 5 mistakes was made with …")))
    assert page.contents == ["confident"]
    assert "There are none: none of the 5 mistakes" in page.text


def test_why_the_lowest_loss_was_not_taken_stands_at_the_table() -> None:
    text = Page(render(replace(full_report(), trials_note="The lowest loss is that of another."))).text
    assert (
        text.index("What was tried") < text.index("The lowest loss is that of another.") < text.index("Configuration")
    )


@pytest.mark.parametrize(("names", "screens"), [(("a", "b"), ""), (("x" * 9,) * 9, "phone"), (("x" * 9,) * 25, "all")])
def test_a_matrix_that_is_wider_than_the_screen_says_that_it_scrolls(names: tuple[str, ...], screens: str) -> None:
    classes = tuple(f"{name}{i}" for i, name in enumerate(names))
    html = render(full_report(classes))
    assert ("it scrolls sideways" in Page(html).text) == bool(screens)
    if screens:
        assert f'class="note swipe {screens}"' in html


def test_only_the_chosen_trial_is_marked() -> None:
    html = render(full_report())
    assert [attributes.get("class") for tag, attributes in Page(html).elements if tag == "tr"].count("chosen") == 1
    assert html.count('<span class="badge">chosen</span>') == 1


def test_a_trial_without_a_finite_loss_is_listed_undrawn() -> None:
    trials = (Trial("diverged", float("nan"), float("nan"), False), Trial("fine", 0.2, 0.01, True))
    html = render(replace(BARE, trials=trials))
    assert "diverged" in html
    assert "nan%" not in html


def test_a_large_report_stays_small_and_loses_nothing() -> None:
    classes = tuple(f"class number {i}" for i in range(100))
    skipped = tuple(Skipped(f"folder/{i:06d}.jpg", ("truncated", "empty")[i % 2], "cut short") for i in range(500))
    sizes = tuple((300 + 37 * i % 1700, 200 + 53 * i % 1500) for i in range(2000))
    html = render(replace(full_report(classes), skipped=skipped, image_sizes=sizes))
    assert len(html) < 600_000
    assert all(item.name in html for item in skipped)
    assert all(name in html for name in classes)
    assert "Show the other 490 files" in html
    assert html.count('class="pin') <= 1600


def test_a_matrix_that_does_not_fit_the_classes_is_refused() -> None:
    with pytest.raises(ValueError, match=r"2 rows of \[2\] counts for 3 classes"):
        render(replace(BARE, classes=("a", "b", "c"), confusion_CC=((1, 0), (0, 1))))


def test_text_keeps_its_contrast_in_both_schemes() -> None:
    """WCAG AA: 4.5 : 1 for every pair of text and ground that the style sheet uses."""

    def luminance(colour: str) -> float:
        digits = colour[1:] if len(colour) == 7 else "".join(2 * c for c in colour[1:])
        channels = [int(digits[i : i + 2], 16) / 255 for i in (0, 2, 4)]
        linear = [c / 12.92 if c <= 0.04045 else ((c + 0.055) / 1.055) ** 2.4 for c in channels]
        return sum(weight * c for weight, c in zip((0.2126, 0.7152, 0.0722), linear, strict=True))

    schemes = [
        dict(re.findall(r"--([\w-]+): (#\w+)", block))
        for block in re.findall(r":root \{(.*?)\}", render(BARE), re.DOTALL)
    ]
    assert len(schemes) == 2
    grounds = {
        "text": ("page", "surface", "alert-surface", *(f"{hue}{level}" for hue in "bo" for level in (1, 2, 3, 4))),
        "muted": ("page", "surface", "alert-surface", "b1"),
        "accent": ("page",),
        "alert": ("page", "alert-surface"),
        "page": ("accent", "alert"),
        "deep": ("b5", "b6", "o5", "o6"),
    }
    for scheme in schemes:
        for text, behind in grounds.items():
            for ground in behind:
                dark, light = sorted((luminance(scheme[text]), luminance(scheme[ground])))
                assert (light + 0.05) / (dark + 0.05) >= 4.5, (text, ground)


@pytest.mark.processes
def test_the_template_engine_is_loaded_only_to_render() -> None:
    code = "import sys, drivetrain.report.page; sys.exit('jinja2' in sys.modules or 'matplotlib' in sys.modules)"
    assert subprocess.run([sys.executable, "-c", code], check=False).returncode == 0


@pytest.mark.parametrize(
    ("text", "columns", "expected"),
    [
        ("short.jpg", 22, "short.jpg"),
        ("train/black/00000012.jpg", 16, "train/bl…012.jpg"),
        ("日本語名前日本語名前", 9, "日本…名前"),
        ("ab", 1, "…"),
    ],
)
def test_names_are_cut_in_the_middle(text: str, columns: int, expected: str) -> None:
    assert charts.shorten(text, columns) == expected


def test_figures_in_words() -> None:
    assert unbroken(percent(0.9731)) == f"97.3{NBSP}%"
    assert unbroken(span(0.941, 0.973)) == f"94.1–97.3{NBSP}%"
    seconds = (0.42, 42, 59.96, 192, 3840)
    assert [duration(s).replace(NBSP, " ") for s in seconds] == [
        "0.42 s",
        "42.0 s",
        "1 min 00 s",
        "3 min 12 s",
        "1 h 04 min",
    ]


def test_mistakes_are_sorted_by_number_then_share() -> None:
    pairs = charts.confused_pairs(("a", "b", "c"), ((8, 2, 0), (2, 2, 0), (5, 0, 5)))
    assert [(p.label, p.predicted, p.images, p.share) for p in pairs] == [
        ("c", "a", 5, 0.5),
        ("b", "a", 2, 0.5),
        ("a", "b", 2, 0.2),
    ]


def test_a_row_of_the_interval_plot_is_to_scale() -> None:
    axis = charts.Axis(0.5, 1.0, (0.5, 0.75, 1.0))
    row = ET.fromstring(charts.interval_row([("first", 0.75, 0.6, 0.9), ("second", 1.0, 0.2, 1.0)], axis))
    spans = [line for line in row.iter("line") if "span" in (line.get("class") or "")]
    assert [(line.get("x1"), line.get("x2")) for line in spans] == [("20.00%", "80.00%"), ("0.00%", "100.00%")]
    assert [circle.get("cx") for circle in row.iter("circle")] == ["50.00%", "100.00%"]


def test_axes_show_what_is_there() -> None:
    assert charts.fraction_axis([0.93, 0.97]).low == 0.9
    assert charts.fraction_axis([0.42]).ticks == (0.0, 0.25, 0.5, 0.75, 1.0)
    assert charts.fraction_axis([]).low == 0.0
    assert charts.nice_ticks(0.13, 0.24) == (0.15, 0.2)
    assert charts.value_axis(0.2, 0.2).low < 0.2 < charts.value_axis(0.2, 0.2).high


def test_the_reliability_diagram_marks_bins_that_miss_their_interval() -> None:
    bins = full_report().reliability
    assert [charts.differs(b.confidence, b.accuracy) for b in bins] == ["fits", "over"]
    diagram = ET.fromstring(charts.reliability(bins))
    assert [c.get("class") for c in diagram.iter("circle")] == ["dot acc", "dot off"]
    texts = [text.text for text in diagram.iter("text")]
    assert "21" in texts
    assert "1,234" in texts


@pytest.mark.parametrize("sizes", [((224, 224),) * 5, ((1, 1), (30000, 20000)), ((640, 480), (0, 7))])
def test_any_image_sizes_can_be_drawn(sizes: tuple[tuple[int, int], ...]) -> None:
    for input_size in (None, (224, 224), (300, 100)):
        plot = ET.fromstring(charts.image_sizes(sizes, input_size))
        assert 1 <= len(list(plot.iter("circle"))) <= len(set(sizes))
        assert any((text.text or "").replace(",", "").isdigit() for text in plot.iter("text"))
