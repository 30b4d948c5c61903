"""What a random split would have claimed, in words that say what that is and what follows from it."""

from __future__ import annotations

from ..learn.figures import AnyFigures, ClassFigures, LabelFigures, NumberFigures


def claim(figures: AnyFigures) -> str | None:
    """The figure that a random split would have given; None where there is none to compare with."""
    claimed = figures.random_split
    match figures:
        case _ if claimed is None:
            return None
        case ClassFigures():
            return f"{100 * claimed:.1f} %"
        case LabelFigures():
            return f"{claimed:.3f}"
        case _:
            # Of several numbers it is in standard deviations, which no other figure is.
            return f"{claimed:.3g}" if len(figures.names) == 1 else None


def meaning(figures: AnyFigures, *, held_out: bool, grouped: bool) -> str:
    """What to think of it. ``held_out``: the figures are of a split that came with the data; ``grouped``: some images had
    to be kept together."""
    claimed = figures.random_split
    assert claimed is not None  # `claim` has said so
    if held_out:
        return (
            "for the training images, dealt at random into training and test; the figures here are of the split that came "
            "with the data, so the two differ by more than copies"
        )
    if not grouped:
        return "the same, as no copies and no groups were found that a random split could tear apart"
    dealt = "images dealt at random into training and test, copies and group members on both sides"
    better, gap = _gap(figures, claimed)
    if not gap:
        return f"{dealt}; here it comes to the same"
    if better > 0:
        return f"{dealt}; it looks better by {gap}, which is memory of copies or chance, not skill"
    worse = "here it is off by more than" if isinstance(figures, NumberFigures) else "here it lies below"
    return f"{dealt}; {worse} the figure of this model, by {gap}: that is chance, and no copies flattered it"


def _gap(figures: AnyFigures, claimed: float) -> tuple[float, str]:
    """By how much a random split looks better, and that in words; no words where it does not show."""
    match figures:
        case ClassFigures():
            better = claimed - figures.accuracy.value
            points = f"{100 * abs(better):.1f}"
            return better, "" if points == "0.0" else f"{points} percentage points"
        case LabelFigures():
            better = claimed - figures.mean_average_precision.value
            points = f"{abs(better):.3f}"
            return better, "" if points == "0.000" else points
        case _:
            better = figures.mean_absolute_error[0].value - claimed
            return better, f"{abs(better):.2g}" if abs(better) > 5e-3 * claimed else ""
