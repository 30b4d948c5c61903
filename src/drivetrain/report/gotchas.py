"""Making the sections on what gives answers away, and on kinds of images that are answered worse."""

from __future__ import annotations

from collections.abc import Iterator

from ..core.types import Interval, Item
from ..curate.shortcuts import ALL, CLEAR
from ..data.image.render import Render
from ..draw.numbers import percent, whole_percent
from ..learn.figures import sentence_case
from ..training.gotchas import MANY_SLICES, Gotchas
from .answers import pictures_of
from .gotchas_section import Answerer, Given, GotchasSection, SliceRow

# Shortcuts that are shown with images, and images of each: every one has to be decoded.
SHOWN, EXAMPLES = 3, 4


def gotchas_section(gotchas: Gotchas | None, items: tuple[Item, ...], render: Render) -> GotchasSection:
    """The sections' content; ``items`` are those among which the examples are."""
    if gotchas is None:
        return GotchasSection()
    return GotchasSection(
        rightly=gotchas.rightly,
        answerers=tuple(_answerers(gotchas)),
        given=_given(gotchas, items, render),
        slices=tuple(
            SliceRow(
                sentence_case(one.by),
                one.name,
                one.count,
                int(one.independent),
                one.right,
                percent(one.others),
                one.standing,
            )
            for one in gotchas.slices
        ),
        summary=_summary(gotchas),
        slices_note=f"{MANY_SLICES} {gotchas.subjects}".strip(),
    )


def _answerers(gotchas: Gotchas) -> Iterator[Answerer]:
    yield Answerer("the model", gotchas.model, "first")
    for one in sorted(gotchas.told, key=lambda told: -told.right.value):
        remark = "a shortcut" if one.found.clear and one.found.slug != ALL else ""
        yield Answerer(one.found.name, one.right, "second" if one.found.clear else "plain", remark)
    always = gotchas.always
    yield Answerer("always the same answer", Interval(always, always, always, ""), "plain")


def _given(gotchas: Gotchas, items: tuple[Item, ...], render: Render) -> tuple[Given, ...]:
    by_name = {item.name: item for item in items}
    shown = gotchas.shortcuts[:SHOWN]
    examples = [[by_name[name] for name in one.examples[:EXAMPLES] if name in by_name] for one in shown]
    pictures = iter(pictures_of([item for few in examples for item in few], render))
    return tuple(
        Given(sentence_case(one.found.name), one.sentence, tuple(next(pictures) for _ in few))
        for one, few in zip(shown, examples, strict=True)
    )


def _summary(gotchas: Gotchas) -> str:
    if not gotchas.shortcuts:
        return "None of these tells the answer clearly enough to be a shortcut."
    one = len(gotchas.shortcuts) == 1
    what, by = ("is a shortcut", "it") if one else ("are shortcuts", "each")
    return (
        f"{len(gotchas.shortcuts)} of these {what}: for certain, more than {whole_percent(CLEAR)} of what tells some answer from "
        f"the others is told by {by} alone. A model that goes by it does well here, and fails where it no longer holds. If the "
        "field is not like that, gather images that break it."
    )
