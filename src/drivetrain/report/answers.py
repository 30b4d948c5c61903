"""The sections of a page about answers, with pictures, the same for a training run and an evaluation."""

from __future__ import annotations

from collections.abc import Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import replace

from ..core.cores import available_cores
from ..core.errors import InputError
from ..core.figure import Figure
from ..core.reference import read_reference
from ..core.types import Item
from ..data.image.facts import thumbnail
from ..data.image.render import SRGB, Render
from ..draw.numbers import limits, shown
from ..learn.figures import sentence_case
from ..learn.sections import AnswerSections, Example
from .page import Headline, Mistake, Report
from .thumbnail import Thumbnail


def with_answers(report: Report, sections: AnswerSections, items: Sequence[Item], render: Render = SRGB) -> Report:
    """Return the page with the sections about the answers to ``items``, whose pictures are shown by ``render``."""
    return replace(
        report,
        called=sections.called,
        classes=sections.classes,
        confusion_CC=sections.confusion_CC,
        class_rows=sections.class_rows,
        several_labels=sections.several_labels,
        plots=sections.plots,
        reliability=sections.reliability,
        ece=sections.ece,
        top_losses=_mistakes(sections.top_losses, items, render),
        confident_mistakes=_mistakes(sections.confident_mistakes, items, render),
        confident_note=sections.confident_note,
    )


def headline(row: Figure, note: str = "") -> Headline:
    """Make the card of a figure; ``note`` stands before the figure's own note."""
    name = f"{sentence_case(row.name)}, {row.of}" if row.of else sentence_case(row.name)
    return Headline(name, shown(row), limits(row), "; ".join(part for part in (note, row.note) if part))


def pictures_of(items: Sequence[Item], render: Render) -> list[Thumbnail]:
    """Make a thumbnail of each item, rendered as for the model; empty where the file has gone since it was read."""

    def one(item: Item) -> Thumbnail:
        try:
            return Thumbnail(item.name, thumbnail(read_reference(item.reference), render=render))
        except (OSError, InputError):
            return Thumbnail(item.name, b"")

    with ThreadPoolExecutor(available_cores()) as pool:
        return list(pool.map(one, items))


def _mistakes(examples: Sequence[Example], items: Sequence[Item], render: Render) -> tuple[Mistake, ...]:
    pictures = pictures_of([items[one.row] for one in examples], render)
    return tuple(Mistake(picture, one) for one, picture in zip(examples, pictures, strict=True))
