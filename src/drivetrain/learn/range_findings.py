"""Findings on the ranges by which values of more than 8 bits became levels. Shapes: N items."""

from __future__ import annotations

from collections.abc import Sequence

from ..core.finding import Finding
from ..core.types import Facts
from .findings import RANGE_EXCEEDED, RANGE_FITTED, RANGE_GUESSED, finding


def about_fit(words: str | None) -> list[Finding]:
    """Say which ranges were fitted; ``words``: as `InputBlock.fitted` has them."""
    if words is None:
        return []
    sentence = (
        f"Images of more than 8 bits are shown to the network with black and white at {words}; every other image will be, too. "
        "If you know the range, state it: --range LOW:HIGH."
    )
    return [finding(RANGE_FITTED, sentence)]


def about_ranges(details: Sequence[Facts], names: Sequence[str]) -> list[Finding]:
    """Say of how many items the range was guessed, and how many lie beyond the known one; ``details`` are their facts."""
    by_word: dict[object, list[str]] = {}
    for facts, name in zip(details, names, strict=True):
        by_word.setdefault(facts.get("range"), []).append(name)
    found = []
    if guessed := by_word.get("guessed"):
        sentence = (
            f"{_images(guessed)} of more than 8 bits, and the range of values was guessed from each alone, as the model knows "
            "none; train with such images, or state the range: --range LOW:HIGH."
        )
        found.append(finding(RANGE_GUESSED, sentence))
    if exceeded := by_word.get("exceeded"):
        sentence = (
            f"{_images(exceeded)} mostly beyond the model's range of values, so that half of each or more is cut off: another "
            "camera, or another setting of it."
        )
        found.append(finding(RANGE_EXCEEDED, sentence))
    return found


def _images(names: Sequence[str]) -> str:
    one = len(names) == 1
    return f"{len(names)} image{'' if one else 's'} ({'' if one else 'first: '}{names[0]}) {'is' if one else 'are'}"
