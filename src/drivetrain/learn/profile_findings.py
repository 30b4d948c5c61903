"""Findings on colour profiles in the images' files. Shapes: N items."""

from __future__ import annotations

from collections.abc import Sequence

from ..core.finding import Finding
from ..core.types import Facts
from .findings import PROFILES_IGNORED, finding


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
