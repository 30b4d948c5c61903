"""What must hold of the data before a head can be fitted, and what a reader must be told of it."""

from __future__ import annotations

import numpy as np

from ..core.errors import DataError
from ..core.types import Dataset, IntArray, Skipped
from ..learn.head import FittedHead
from .holdout import HeldOut
from .options import TrainOptions
from .trained import Figures


def per_class(labels_N: IntArray, classes: tuple[str, ...]) -> dict[str, int]:
    """Images of each class, by name."""
    counts = np.bincount(labels_N, minlength=len(classes))
    return {name: int(count) for name, count in zip(classes, counts, strict=True)}


def check_classes(dataset: Dataset) -> None:
    """Whether there is anything to tell apart.

    Raises:
        DataError: fewer than two classes.
    """
    classes = dataset.classes
    if len(classes) < 2:
        found = f"one class, “{classes[0]}” ({len(dataset.items)} images)" if classes else "no labels"
        raise DataError(
            f"{dataset.source} has {found}; a classifier needs two or more classes, each in a folder of its own"
        )
    counts = per_class(np.asarray([classes.index(i.label) for i in dataset.items if i.label], np.int64), classes)
    few = [name for name, count in counts.items() if count < 2]
    if few:
        raise DataError(_too_few(few, counts, "", ()))


def check_groups(groups_N: IntArray) -> None:
    """Whether anything can be held out.

    Raises:
        DataError: all images belong to one group.
    """
    if len(np.unique(groups_N)) < 2:
        raise DataError(
            f"all {len(groups_N)} images belong to one group, so nothing can be held out; give them finer groups"
        )


def check_usable(labels_N: IntArray, classes: tuple[str, ...], skipped: tuple[Skipped, ...], where: str = "") -> None:
    """Whether every class still has two images once unusable files are gone.

    Raises:
        DataError: it has not.
    """
    counts = per_class(labels_N, classes)
    few = [name for name, count in counts.items() if count < 2]
    if few:
        raise DataError(_too_few(few, counts, where, skipped))


def _too_few(few: list[str], counts: dict[str, int], where: str, skipped: tuple[Skipped, ...]) -> str:
    unusable = f" ({len(skipped)} files could not be used)" if skipped else ""
    names = ", ".join(f"“{name}” has {counts[name]}" for name in few[:5]) + (", …" if len(few) > 5 else "")
    return f"every class needs at least two usable images{where}{unusable}: {names}; add images or remove the class"


def warnings_for(
    labels_N: IntArray,
    classes: tuple[str, ...],
    skipped: tuple[Skipped, ...],
    figures: Figures,
    held_out: HeldOut | None,
    fitted: FittedHead,
    options: TrainOptions,
) -> tuple[str, ...]:
    """What a reader must not miss, most important first."""
    lines = [held_out.leak] if held_out is not None and held_out.leak else []
    counts = per_class(labels_N, classes)
    rarest, commonest = min(counts, key=lambda k: counts[k]), max(counts, key=lambda k: counts[k])
    if counts[rarest] < 20:
        few = [f"“{name}” {count}" for name, count in counts.items() if count < 20]
        lines.append(
            f"Too few images to say much about some classes: {', '.join(few[:6])}{', …' if len(few) > 6 else ''}. "
            "Their figures have wide intervals."
        )
    if counts[commonest] >= 10 * counts[rarest] and options.balance == "none":
        lines.append(
            f"“{commonest}” has {counts[commonest]} images, “{rarest}” {counts[rarest]}: the model follows these shares. "
            "With --balance classes every class weighs the same."
        )
    if figures.random_split - figures.accuracy.value > 0.02 and held_out is None:
        lines.append(
            f"A random split would have claimed {100 * figures.random_split:.1f} %: the difference is leakage between "
            "near-duplicates or members of one group, not skill."
        )
    if fitted.n_folds < 5:
        lines.append(f"Some class stands in few groups, so there are only {fitted.n_folds} folds instead of 5.")
    total = len(labels_N) + len(skipped)
    if len(skipped) > 0.05 * total:
        lines.append(f"{len(skipped)} of {total} files could not be used; see the list of skipped files.")
    return tuple(lines)
