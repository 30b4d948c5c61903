"""Findings on how stored values and colours became levels of sRGB: by which ranges, profiles and bands. Shapes: N items."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import NamedTuple

from ..core.finding import Finding
from ..core.types import Facts
from ..data.bands import bands_of
from .findings import BANDS_GUESSED, PROFILES_IGNORED, RANGE_EXCEEDED, RANGE_FITTED, RANGE_GUESSED, finding


class _Rule(NamedTuple):
    """A finding on some of the items: on those of whose facts ``word`` says anything, which stands for ``{word}`` too."""

    code: str
    word: Callable[[Facts], str | None]
    one: str
    """The verb behind ``1 image``."""
    many: str
    sentence: str


def _where(fact: str, value: str) -> Callable[[Facts], str | None]:
    return lambda facts: value if facts.get(fact) == value else None


_RULES = (
    _Rule(
        RANGE_GUESSED,
        _where("range", "guessed"),
        "is",
        "are",
        "of more than 8 bits, and the range of values was guessed from each alone, as the model knows none; train with such "
        "images, or state the range: --range LOW:HIGH.",
    ),
    _Rule(
        RANGE_EXCEEDED,
        _where("range", "exceeded"),
        "is",
        "are",
        "mostly beyond the model's range of values, so that half of each or more is cut off: another camera, or another "
        "setting of it.",
    ),
    _Rule(
        PROFILES_IGNORED,
        _where("profile", "ignored"),
        "has",
        "have",
        "a colour profile that is broken, or for another kind of colours, and was ignored: the colours were taken as sRGB and "
        "may be off. Save such images again from where they came, as sRGB.",
    ),
    _Rule(
        BANDS_GUESSED,
        bands_of,
        "has",
        "have",
        "bands whose meaning the file does not say ({word}), and the first three were taken for red, green and blue. If others "
        "are meant, or these in another order, write them into files of three bands.",
    ),
)


def about_fit(words: str | None) -> list[Finding]:
    """Say which ranges were fitted; ``words``: as `InputBlock.fitted` has them."""
    if words is None:
        return []
    sentence = (
        f"Images of more than 8 bits are shown to the network with black and white at {words}; every other image will be, too. "
        "If you know the range, state it: --range LOW:HIGH."
    )
    return [finding(RANGE_FITTED, sentence)]


def about_rendering(details: Sequence[Facts], names: Sequence[str]) -> list[Finding]:
    """Say of how many items values or colours may be other than meant; ``details`` are their facts, ``names`` theirs in turn."""
    found = []
    for rule in _RULES:
        told = [(name, word) for facts, name in zip(details, names, strict=True) if (word := rule.word(facts))]
        if told:
            first, word = told[0]
            who = f"1 image ({first}) {rule.one}"
            if len(told) > 1:
                who = f"{len(told)} images (first: {first}) {rule.many}"
            found.append(finding(rule.code, f"{who} {rule.sentence.format(word=word)}"))
    return found
