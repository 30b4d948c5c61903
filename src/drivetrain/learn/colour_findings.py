"""Findings on the colours in the images' files: profiles, and bands that are no colours. Shapes: N items."""

from __future__ import annotations

from collections.abc import Sequence

from ..core.finding import Finding
from ..core.types import Facts
from ..data.bands import bands_of
from .findings import BANDS_GUESSED, PROFILES_IGNORED, finding


def about_colours(details: Sequence[Facts], names: Sequence[str]) -> list[Finding]:
    """Say of how many items colours may be other than meant; ``details`` are their facts, ``names`` theirs in turn."""
    return [*about_profiles(details, names), *about_bands(details, names)]


def about_bands(details: Sequence[Facts], names: Sequence[str]) -> list[Finding]:
    """Say of how many items only the first three bands are shown."""
    found = [
        (bands, name) for facts, name in zip(details, names, strict=True) if (bands := bands_of(facts)) is not None
    ]
    if not found:
        return []
    bands, first = found[0]
    who = f"1 image ({first}) has" if len(found) == 1 else f"{len(found)} images (first: {first}) have"
    sentence = (
        f"{who} bands whose meaning the file does not say ({bands}), and the first three were taken for red, green and blue. If "
        "others are meant, or these in another order, write them into files of three bands."
    )
    return [finding(BANDS_GUESSED, sentence)]


def about_profiles(details: Sequence[Facts], names: Sequence[str]) -> list[Finding]:
    """Say of how many items the colour profile could not be used; ``details`` are their facts, ``names`` theirs in turn."""
    ignored = [name for facts, name in zip(details, names, strict=True) if facts.get("profile") == "ignored"]
    if not ignored:
        return []
    who = f"1 image ({ignored[0]}) has" if len(ignored) == 1 else f"{len(ignored)} images (first: {ignored[0]}) have"
    sentence = (
        f"{who} a colour profile that is broken, or for another kind of colours, and was ignored: the colours were taken as sRGB "
        "and may be off. Save such images again from where they came, as sRGB."
    )
    return [finding(PROFILES_IGNORED, sentence)]
