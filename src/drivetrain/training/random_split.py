"""The claim of a random split, in words that say what it is and what follows from it."""

from __future__ import annotations

from ..core.figure import Figure
from ..draw.numbers import shown, step
from ..learn.figures import Figures

# The part of a figure in a unit of its own that a difference has to exceed to be spoken of.
LEAST_PART = 5e-3


def claim(figures: Figures) -> str | None:
    """The figure that a random split would have given; None where there is none to compare with."""
    claimed = figures.random_split
    # For several numbers the claim is in standard deviations, which no other figure is.
    return shown(claimed) if claimed is not None and claimed.unit == figures.headline.unit else None


def meaning(figures: Figures, *, held_out: bool, grouped: bool) -> str:
    """Say what to think of the claim. ``held_out``: the figures are of a split that came with the data; ``grouped``: some
    images had
    to be kept together."""
    claimed = figures.random_split
    assert claimed is not None  # callers ask `claim` first
    if held_out:
        return (
            "for the training images, dealt at random into training and test; the figures here are of the split that came "
            "with the data, so the two differ by more than copies"
        )
    if not grouped:
        return "the same, as no copies and no groups were found that a random split could tear apart"
    dealt = "images dealt at random into training and test, copies and group members on both sides"
    better, gap = _gap(figures.headline, claimed)
    if not gap:
        return f"{dealt}; here it comes to the same"
    if better > 0:
        return f"{dealt}; it looks better by {gap}, which is memory of copies or chance, not skill"
    worse = "here it is off by more than" if figures.headline.better == "lower" else "here it lies below"
    return f"{dealt}; {worse} the figure of this model, by {gap}: that is chance, and no copies flattered it"


def _gap(headline: Figure, claimed: Figure) -> tuple[float, str]:
    """Return by how much a random split looks better, as a number and in words; no words where it does not show."""
    if claimed.value is None or headline.value is None:
        return 0.0, ""
    better = (claimed.value - headline.value) * (-1 if headline.better == "lower" else 1)
    if headline.format == "significant" and abs(better) <= LEAST_PART * claimed.value:
        return better, ""
    return better, step(better, headline.format)
