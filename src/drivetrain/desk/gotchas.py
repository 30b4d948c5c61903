"""The answer to what gives labels away, and to what is answered worse. The console's types are generated from it."""

from __future__ import annotations

import math
from typing import Literal

from pydantic import Field

from ..core.types import Interval
from ..curate.field_slices import FieldSlice
from ..training.gotchas import MANY_SLICES, Told
from ..training.gotchas import Gotchas as Found
from ..workbench.board import Board
from .answers import Answer, Share


class ShownItem(Answer):
    """An item to be shown."""

    id: str
    name: str


class Shortcut(Answer):
    """One trait, and how much it tells of the labels without the picture."""

    trait: str = Field(description="Never changes", examples=["file-type"])
    name: str = Field(description="The trait in words")
    right: Share = Field(description="Share of right answers from the trait alone, out of fold")
    r_squared: float = Field(description="Share of the variance of what is told best that it explains, out of fold")
    r_squared_low: float = Field(description="Its lower limit, with all that was looked at in mind")
    of: str | None = Field(description="What is told best; null: all on the whole")
    shortcut: bool = Field(description="Whether it tells enough, for certain, to be a shortcut")
    sentence: str = Field(description="What it is told by; empty where there are no words for it")
    examples: list[ShownItem]


class Slice(Answer):
    """One kind of items, beside all others."""

    by: str = Field(examples=["light"])
    slice: str = Field(examples=["dark"])
    images: int
    independent: float = Field(description="The number of independent items that these count as")
    right: Share
    others: float | None = Field(description="Share of right answers to the others")
    p_value: float = Field(description="Of Fisher's exact test against the others, one-sided")
    standing: Literal["worse", "no worse", "too few to say"]


class Gotchas(Answer):
    """Shortcuts, the most telling first, and slices, the worst first."""

    version: int = Field(description="Version of the ranking whose labels these are about")
    note: str | None = Field(description="The reason why there is nothing to tell")
    measure: str = Field(description="Words between an answerer and its share of right answers", examples=["right for"])
    how: str
    images: int
    model: Share | None
    always_the_same: float | None = Field(description="Share of right answers of always giving the same one")
    shortcuts: list[Shortcut]
    slices: list[Slice]
    slices_note: str
    subjects: str | None = Field(description="How the size of subjects was measured; null: nobody asked")


def answer_of(found: Found | str, board: Board, version: int) -> Gotchas:
    """Put what was found, or the reason why nothing was, in the terms of the API."""
    known = None if isinstance(found, str) else found
    return Gotchas(
        version=version,
        note=found if isinstance(found, str) else None,
        measure=known.rightly if known else "right for",
        how=known.how if known else "",
        images=known.images if known else 0,
        model=_share(known.model) if known else None,
        always_the_same=known.always if known else None,
        shortcuts=[_shortcut(one, board) for one in known.told] if known else [],
        slices=[_slice(one) for one in known.slices] if known else [],
        slices_note=MANY_SLICES,
        subjects=(known.subjects or None) if known else None,
    )


def _shortcut(one: Told, board: Board) -> Shortcut:
    rows = [board.rows_by_name[name] for name in one.examples if name in board.rows_by_name]
    return Shortcut(
        trait=one.found.slug,
        name=one.found.name,
        right=_share(one.right),
        r_squared=one.found.r_squared,
        r_squared_low=one.found.low,
        of=one.output,
        shortcut=one.found.clear,
        sentence=one.sentence,
        examples=[ShownItem(id=board.keys[row], name=board.items[row].name) for row in rows],
    )


def _slice(one: FieldSlice) -> Slice:
    return Slice(
        by=one.by,
        slice=one.name,
        images=one.count,
        independent=one.independent,
        right=_share(one.right),
        others=None if math.isnan(one.others) else one.others,
        p_value=one.p_value,
        standing=one.standing,
    )


def _share(interval: Interval) -> Share:
    return Share(value=interval.value, low=interval.low, high=interval.high)
