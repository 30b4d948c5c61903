"""Several labels in one cell: reading them, and finding out what stands between them where it is not the usual semicolon."""

from __future__ import annotations

from collections import Counter
from collections.abc import Collection, Sequence
from dataclasses import dataclass
from typing import NamedTuple

from ..core.types import Item

OTHERS: tuple[tuple[str, str, float], ...] = (("|", "bars", 0.0), (",", "commas", 0.5), (" ", "spaces", 1.0))
"""Delimiter, its name, and the share of the parts that must occur in other cells, too, for it to be one: “polar bear” has
spaces, and “bear” alone is no label."""


class Guess(NamedTuple):
    """A delimiter, what it is called, and a cell that it takes apart."""

    delimiter: str
    called: str
    example: str


def parts_of(text: str, delimiter: str) -> list[str]:
    """The labels in a text.

    >>> parts_of("sea; sky;", ";")
    ['sea', 'sky']
    """
    return [part.strip() for part in text.split(delimiter) if part.strip()]


@dataclass(frozen=True)
class LabelsOf:
    """Reads several labels in one cell."""

    delimiter: str

    def __call__(self, item: Item) -> list[str]:
        if item.labels is not None:
            return list(item.labels)
        text = (item.label or "").strip()
        # A table's cells are stripped of spaces, so a cell that is only a delimiter may have lost the delimiter's own.
        if text == self.delimiter.strip():
            return []
        return parts_of(text, self.delimiter)


def guess_delimiter(texts: Sequence[str], usual: str, vocabulary: Collection[str] = ()) -> Guess | None:
    """Guess what stands between labels; None where it is ``usual``, or where nothing does for certain.

    ``vocabulary`` are the labels that are known already: parts that are all among them decide it.

    >>> guess_delimiter(["sea sky", "sea", "sky boat", "boat"], ";").called
    'spaces'
    >>> guess_delimiter(["polar bear", "black bear", "teddy"], ";")
    """
    cells = sorted({text for text in texts if text})
    if any(usual in cell for cell in cells):
        return None
    for delimiter, called, share in OTHERS:
        several = [cell for cell in cells if len(parts_of(cell, delimiter)) > 1]
        if several and _fits(cells, several, delimiter, share, vocabulary):
            return Guess(delimiter, called, several[0])
    return None


def settle_delimiter(
    texts: Sequence[str], usual: str, vocabulary: Collection[str] = ()
) -> tuple[str | None, tuple[str, ...]]:
    """Return the delimiter that was guessed, or None, and what there is to say of it."""
    guess = guess_delimiter(texts, usual, vocabulary)
    if guess is not None:
        note = (
            f"took labels apart at {guess.called}, as in “{guess.example}”, since none has a “{usual}”; say otherwise with "
            f"--delimiter '{usual}'"
        )
        return guess.delimiter, (note,)
    whole = undivided(texts, usual)
    if whole is None:
        return None, ()
    note = (
        f"no cell has a “{usual}”, so each is one label, as “{whole}” is; --delimiter says what stands between labels"
    )
    return None, (note,)


def undivided(texts: Sequence[str], usual: str) -> str | None:
    """Return a text that may be several labels and was left whole, where none has the usual delimiter.

    >>> undivided(["polar bear", "teddy"], ";"), undivided(["a b", "a;b"], ";"), undivided(["teddy"], ";")
    ('polar bear', None, None)
    """
    if any(usual in text for text in texts):
        return None
    several = (text for text in sorted(set(texts)) for delimiter, _, _ in OTHERS if len(parts_of(text, delimiter)) > 1)
    return next(several, None)


def _fits(
    cells: Sequence[str], several: Sequence[str], delimiter: str, share: float, vocabulary: Collection[str]
) -> bool:
    parts = {part for cell in several for part in parts_of(cell, delimiter)}
    if vocabulary:
        return not set(several) & set(vocabulary) and parts <= set(vocabulary)
    if share and len({len(parts_of(cell, delimiter)) for cell in cells}) == 1:
        return False  # “light blue” and “dark red”: where labels are several, there are now more of them, now fewer
    counts = Counter(part for cell in cells for part in set(parts_of(cell, delimiter)))
    again = sum(counts[part] > 1 for part in parts)
    return again >= share * len(parts)
