"""The report on a training or an evaluation, as plain data, and its one HTML file.

`Report` holds everything the page shows and nothing the page does not; `render` turns it into a single self-contained
document (no network requests, no scripts needed to read it). Every part may be empty; an empty part is left out.
Every section's view stands here beside the list that makes both the page and its contents, hence the length.
"""

from __future__ import annotations

import base64
import math
from collections import Counter
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from functools import cache
from html import escape
from itertools import accumulate
from statistics import median
from typing import TYPE_CHECKING, Any, NamedTuple, TypeVar

from ..core.types import Skipped
from ..core.visible import visible
from ..draw import charts
from ..draw.numbers import NBSP, hundredths, percent, percent_number, points, span, unbroken
from ..draw.plot import Plot
from ..learn.sections import ACCEPTED_ALONE, FILES_LEFT_OUT, OCCURS_AGAIN, SHORTCUTS, SLICES, Example
from ..learn.selection import Trial
from ..stats.mistakes import ClassRow, ReliabilityBin
from .environment import page_environment
from .gate_section import GateSection
from .gotchas_section import NOTHING_LOOKED_AT, GotchasSection
from .thumbnail import Thumbnail

if TYPE_CHECKING:
    import jinja2

T = TypeVar("T")


@dataclass(frozen=True)
class Headline:
    """One of the figures on top: ``value`` is ready to read, ``note`` says how it was obtained."""

    name: str
    value: str
    interval: str = ""
    note: str = ""


@dataclass(frozen=True)
class Mistake:
    """An item that the model got wrong or had a great loss on, with its picture."""

    thumbnail: Thumbnail
    example: Example


@dataclass(frozen=True)
class DuplicateGroup:
    """Items that show one picture: ``kind`` is ``exact``, ``near``, or ``alike`` where only the network finds them alike.

    Of a large group only a few are pictured.
    """

    kind: str
    size: int
    members: tuple[tuple[Thumbnail, str], ...]
    """(picture, label)."""
    labels: tuple[str, ...]
    """Distinct labels within the group."""
    contradicts: bool = False
    """Tells whether the group has the same picture with labels of which one must be wrong."""


@dataclass(frozen=True)
class Report:
    """Everything the page shows."""

    title: str
    subtitle: str
    headlines: tuple[Headline, ...]
    warnings: tuple[str, ...] = ()
    """Sentences a reader must not miss, most important first."""
    called: tuple[str, str] = ("class", "classes")
    """The words for one output and for several."""
    classes: tuple[str, ...] = ()
    confusion_CC: tuple[tuple[int, ...], ...] = ()
    """Rows: label; columns: predicted."""
    class_rows: tuple[ClassRow, ...] = ()
    several_labels: bool = False
    """Tells whether an image may count in several rows of ``class_rows``, or in none."""
    plots: tuple[Plot, ...] = ()
    accepting: tuple[Plot, ...] = ()
    """The error among accepted answers against their share, and what is known of it."""
    gate: GateSection | None = None
    gotchas: GotchasSection = NOTHING_LOOKED_AT
    learning: tuple[Plot, ...] = ()
    """Plots of the training itself."""
    reliability: tuple[ReliabilityBin, ...] = ()
    ece: float | None = None
    """Expected calibration error, a fraction."""
    reliability_note: str = ""
    top_losses: tuple[Mistake, ...] = ()
    """The items with the greatest losses, without those among ``confident_mistakes``."""
    confident_mistakes: tuple[Mistake, ...] = ()
    confident_note: str = ""
    """The confidence from which on a mistake counts as confident, and the number of such mistakes."""
    duplicates: tuple[DuplicateGroup, ...] = ()
    duplicates_total: int = 0
    """Number of groups found, of which ``duplicates`` shows the first."""
    contradictions_total: int = 0
    """Number of pictures that occur with contradicting labels."""
    duplicates_note: str = ""
    skipped: tuple[Skipped, ...] = ()
    image_sizes: tuple[tuple[int, int], ...] = ()
    """(width, height) in pixels of every image used."""
    input_size: tuple[int, int] | None = None
    """(height, width) the network sees."""
    trials: tuple[Trial, ...] = ()
    trials_note: str = ""
    """The reason why the chosen trial is not that of the lowest loss, where it is not."""
    loss: tuple[str, str] = ("Log-loss", "")
    """The loss that trials are compared by, and a sentence that says what it is."""
    run: tuple[tuple[str, str], ...] = ()
    """Facts about the run and its data: (name, value)."""
    seconds: tuple[tuple[str, float], ...] = ()
    """Stages of the run with their wall time."""
    notes: tuple[str, ...] = field(default=())
    """Methods in words, shown at the foot."""


def render(report: Report) -> str:
    """Render the report as one HTML document that loads nothing, runs nothing and is the same text for the same report.

    Raises ValueError where the confusion matrix does not fit the classes.
    """
    size = len(report.classes)
    if report.confusion_CC and [len(row) for row in report.confusion_CC] != [size] * size:
        widths = sorted({len(row) for row in report.confusion_CC})
        raise ValueError(f"confusion_CC has {len(report.confusion_CC)} rows of {widths} counts for {size} classes")
    sections = [section.of(report) for section in SECTIONS if section.filled(report)]
    groups = list(dict.fromkeys(section.group for section in sections))
    page = _template().render(
        report=report,
        contents=[(group, [section for section in sections if section.group == group]) for group in groups],
        views={section.id: section.view(report) for section in sections},
    )
    # File names may hold any byte: control characters are not HTML, and lone surrogates cannot be written as UTF-8.
    return visible(page, keep="\t\r\n")


@cache
def _template() -> jinja2.Template:
    """The page's template, compiled once in a process: it takes longer than all of a small training."""
    environment = page_environment()
    environment.filters.update(
        inline=_inline,
        linked=_linked,
        percent=lambda share: unbroken(percent(share)),
        number=percent_number,
        hundredths=hundredths,
        points=points,
        between=lambda interval: unbroken(span(interval.low, interval.high)),
        duration=duration,
        shorten=charts.shorten,
        data_uri=_data_uri,
    )
    return environment.get_template("report.html.j2")


def duration(seconds: float) -> str:
    """``0.42 s``, ``42.0 s``, ``3 min 12 s`` or ``1 h 04 min``."""
    if seconds < 59.95:
        return f"{seconds:.2f}{NBSP}s" if seconds < 1 else f"{seconds:.1f}{NBSP}s"
    minutes, rest = divmod(round(seconds), 60)
    if minutes < 60:
        return f"{minutes}{NBSP}min {rest:02d}{NBSP}s"
    return f"{minutes // 60}{NBSP}h {minutes % 60:02d}{NBSP}min"


def _linked(text: str, contents: Sequence[tuple[str, Sequence[Section]]]) -> str:
    """Make each “title” of a section that is on the page a link to it."""
    from markupsafe import Markup, escape

    linked = str(escape(text))
    for _, sections in contents:
        for section in sections:
            linked = linked.replace(f"“{section.title}”", f'“<a href="#{section.id}">{section.title}</a>”')
    return Markup(linked)


def _inline(plot: Plot) -> str:
    """Put a drawing into the page: it needs no namespace there, but a name for readers who cannot see it."""
    head, rest = plot.svg.replace(' xmlns="http://www.w3.org/2000/svg"', "").split(">", 1)
    if "aria-label" not in head:
        head = f"""{head.replace(' role="img"', "")} role="img" aria-label="{escape(plot.title)}\""""
    return f"{head}>{rest}"


def _data_uri(jpeg: bytes) -> str:
    return f"data:image/jpeg;base64,{base64.b64encode(jpeg).decode()}"


def _fold(rows: Sequence[T], limit: int) -> tuple[Sequence[T], Sequence[T]]:
    """Split items into those shown at once and those folded away; a handful too many is not worth folding."""
    return (rows, ()) if len(rows) <= limit * 1.2 else (rows[:limit], rows[limit:])


def _confusion(report: Report) -> dict[str, Any]:
    classes, confusion_CC = report.classes, report.confusion_CC
    pairs = charts.confused_pairs(classes, confusion_CC)
    large = len(classes) > 30
    return {
        "images": sum(map(sum, confusion_CC)),
        "right": sum(row[i] for i, row in enumerate(confusion_CC)),
        "pairs": pairs[: 20 if large else 3],
        "pairs_total": len(pairs),
        "cells": None if large else charts.confusion_cells(confusion_CC),
        "map_svg": charts.confusion_map(classes, confusion_CC) if large else None,
        "overflows": _overflows(classes),
    }


def _overflows(classes: Sequence[str]) -> str:
    """Tell on which screens the confusion matrix is wider than the page: ``phone``, ``tablet`` (and phone), ``all``, or none."""
    longest = max((len(name) for name in classes), default=0)
    # Widths in rem, as the style sheet has them: the names, a column a class, and the sum; a letter is about half a rem.
    if len(classes) > 30:
        width = 0.6 * len(classes) + 10
    elif len(classes) > 6:
        width = 0.5 * min(longest, 18) + 2.4 * len(classes) + 4
    else:
        width = 0.55 * min(longest, 18) + max(4.0, 0.55 * min(longest, 14) + 0.5) * len(classes) + 3.5
    screens = (("", 22.0), ("phone", 36.0), ("tablet", 56.0))
    return next((screen for screen, room in screens if width <= room), "all")


def _classes(report: Report) -> dict[str, Any]:
    found = [interval for row in report.class_rows for interval in (row.precision, row.recall) if interval]
    axis = charts.fraction_axis(interval.low for interval in found)

    def plot(row: ClassRow) -> str:
        marks = [("first", row.precision), ("second", row.recall)]
        return charts.interval_row([(style, i.value, i.low, i.high) for style, i in marks if i], axis)

    return {
        "folded": _fold([(row, plot(row)) for row in report.class_rows], 40),
        "axis_svg": charts.axis_row(axis, [hundredths(tick) for tick in axis.ticks]),
        "methods": sorted({interval.method for interval in found if interval.method}),
        "example": next((row for row in report.class_rows if row.precision and row.recall), None),
    }


def _reliability(report: Report) -> dict[str, Any]:
    rows = [(b, charts.differs(b.confidence, b.accuracy)) for b in report.reliability]
    return {"svg": charts.reliability(report.reliability) if rows else "", "rows": rows}


def _duplicates(report: Report) -> dict[str, Any]:
    groups = sorted(report.duplicates, key=lambda group: (not group.contradicts, len(group.labels) <= 1))
    total = max(report.duplicates_total, len(report.duplicates))
    conflicts = max(report.contradictions_total, sum(group.contradicts for group in groups))
    return {"groups": groups, "conflicts": conflicts, "total": total}


def _skipped(report: Report) -> dict[str, Any]:
    counts = sorted(Counter(skipped.reason for skipped in report.skipped).items(), key=lambda pair: (-pair[1], pair[0]))
    most = counts[0][1]
    return {
        "reasons": [(reason.replace("_", " "), count, charts.bar(count / most)) for reason, count in counts],
        "folded": _fold(report.skipped, 10),
    }


def _balance(report: Report) -> dict[str, Any]:
    counts = [row.count for row in report.class_rows]
    bars = [(row.label, row.count, charts.bar(row.count / max(counts))) for row in report.class_rows]
    return {"folded": _fold(bars, 40), "total": sum(counts), "most": max(counts), "least": min(counts)}


def _sizes(report: Report) -> dict[str, Any]:
    sizes = report.image_sizes
    height, width = report.input_size or (0, 0)
    by_area = sorted(sizes, key=lambda size: (size[0] * size[1], size))
    return {
        "svg": charts.image_sizes(sizes, report.input_size),
        "median": (round(median(w for w, _ in sizes)), round(median(h for _, h in sizes))),
        "least": by_area[0],
        "most": by_area[-1],
        "common": sorted(Counter(sizes).items(), key=lambda pair: (-pair[1], pair[0]))[0],
        "small": sum(w < width or h < height for w, h in sizes),
    }


def _trials(report: Report) -> dict[str, Any]:
    finite = [t for t in report.trials if math.isfinite(t.log_loss) and math.isfinite(t.standard_error)]
    low = min((t.log_loss - t.standard_error for t in finite), default=0.0)
    high = max((t.log_loss + t.standard_error for t in finite), default=1.0)
    axis = charts.value_axis(low, high)

    def plot(trial: Trial) -> str:
        if trial not in finite:
            return ""
        low, high = trial.log_loss - trial.standard_error, trial.log_loss + trial.standard_error
        return charts.interval_row([("first" if trial.chosen else "plain", trial.log_loss, low, high)], axis)

    return {
        "rows": [(trial, plot(trial)) for trial in report.trials],
        "noted": any(trial.note for trial in report.trials),
        "axis_svg": charts.axis_row(axis, [f"{tick:.6g}" for tick in axis.ticks]),
    }


def _gate(report: Report) -> dict[str, Any]:
    assert report.gate is not None  # or the section is not filled
    return report.gate.view()


def _run(report: Report) -> dict[str, Any]:
    times = [max(seconds, 0.0) for _, seconds in report.seconds]
    total = sum(times)
    starts = accumulate(times[:-1], initial=0.0)
    stages = [
        (name, seconds, charts.bar(seconds / (total or 1.0), start / (total or 1.0)))
        for (name, seconds), start in zip(report.seconds, starts, strict=False)
    ]
    return {"stages": stages, "total": total}


class Section(NamedTuple):
    """A part of the page: shown when ``filled``, drawn from what ``view`` works out."""

    id: str
    group: str
    title: str
    filled: Callable[[Report], bool]
    view: Callable[[Report], dict[str, Any]]

    def of(self, report: Report) -> Section:
        """The section with outputs called what the report calls them."""
        one, many = report.called
        return self._replace(title=self.title.format(one=one, One=one.capitalize(), many=many))


def _has_rates(report: Report) -> bool:
    return any(row.precision or row.recall for row in report.class_rows)


def _has_balance(report: Report) -> bool:
    return any(row.count for row in report.class_rows) and not report.several_labels


def _as_is(_: Report) -> dict[str, Any]:
    return {}


# Warnings point to sections by these names.
_MODEL, _DATA, _RUN = "What the model gets wrong", "The data", "The run"
SECTIONS = (
    Section("plots", _MODEL, "Answers against the truth", lambda r: bool(r.plots), _as_is),
    Section("confusion", _MODEL, "Which {many} it mixes up", lambda r: any(map(any, r.confusion_CC)), _confusion),
    Section("classes", _MODEL, "{One} by {one}", _has_rates, _classes),
    Section("slices", _MODEL, SLICES, lambda r: bool(r.gotchas.slices), lambda r: r.gotchas.slices_view()),
    Section("accepting", _MODEL, ACCEPTED_ALONE, lambda r: bool(r.accepting), _as_is),
    Section("gate", _MODEL, "What it refuses as unlike its training", lambda r: r.gate is not None, _gate),
    Section(
        "reliability",
        _MODEL,
        "Is it as sure as it should be?",
        lambda r: bool(r.reliability or r.reliability_note),
        _reliability,
    ),
    Section(
        "confident",
        _MODEL,
        "Confident mistakes",
        lambda r: bool(r.confident_mistakes or r.confident_note),
        _as_is,
    ),
    Section("top-losses", _MODEL, "Hardest images", lambda r: bool(r.top_losses), _as_is),
    Section("shortcuts", _DATA, SHORTCUTS, lambda r: bool(r.gotchas.answerers), lambda r: r.gotchas.answerers_view()),
    Section("duplicates", _DATA, OCCURS_AGAIN, lambda r: bool(r.duplicates or r.duplicates_note), _duplicates),
    Section("skipped", _DATA, FILES_LEFT_OUT, lambda r: bool(r.skipped), _skipped),
    Section("balance", _DATA, "Images per {one}", _has_balance, _balance),
    Section("sizes", _DATA, "Image sizes", lambda r: bool(r.image_sizes), _sizes),
    Section("learning", _RUN, "Fine-tuning", lambda r: bool(r.learning), _as_is),
    Section("trials", _RUN, "What was tried", lambda r: bool(r.trials), _trials),
    Section("run", _RUN, "What was run", lambda r: bool(r.run or r.seconds), _run),
    Section("notes", _RUN, "How the figures were made", lambda r: bool(r.notes), _as_is),
)
"""The sections in the order of the page; headings and table of contents are both made from them."""
