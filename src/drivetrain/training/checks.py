"""What must hold of the data before a head can be fitted, and what a reader must be told of it."""

from __future__ import annotations

import numpy as np

from ..core.errors import DataError
from ..core.types import Dataset, IntArray, Skipped
from ..data.reasons import reasons
from ..data.sources.folder import UNREADABLE_FOLDER
from ..data.sources.table import CONFLICTING_LABELS
from ..learn.balance import Balance
from ..learn.figures import AnyFigures, ClassFigures, LabelFigures, NumberFigures
from ..learn.head import FittedHead
from ..learn.sections import FILES_LEFT_OUT, OCCURS_AGAIN
from ..learn.targets import ClassTargets, LabelTargets, NumberTargets, Targets
from .contradictions import Contradictory
from .options import TrainOptions

# Of numbers: the model's weights, which are float32, are in their unit.
LEAST_SPREAD = 1e-30


def per_output(targets: Targets) -> dict[str, int]:
    """Images of each class or label, by name; of numbers, all images for each."""
    match targets:
        case ClassTargets():
            counts = np.bincount(targets.values, minlength=len(targets.names))
        case LabelTargets():
            counts = (targets.values > 0.5).sum(axis=0)
        case _:
            counts = np.full(len(targets.names), len(targets))
    return {name: int(count) for name, count in zip(targets.names, counts, strict=True)}


def check_classes(dataset: Dataset, targets: Targets) -> None:
    """Whether there is anything to tell apart.

    Raises:
        DataError: fewer than two classes; all numbers are the same; a label that all images or no other have.
    """
    if not isinstance(targets, ClassTargets):
        _check_spread(targets)
        return
    if len(targets.names) < 2:
        found = f"one class, “{targets.names[0]}” ({len(dataset.items)} images{_closed(dataset.skipped)})"
        raise DataError(
            f"{dataset.source} has {found}; a classifier needs two or more classes, each in a folder of its own"
        )
    check_usable(targets, ())


def _check_spread(targets: Targets, where: str = "", unusable: str = "") -> None:
    if isinstance(targets, LabelTargets):
        counts = per_output(targets)
        few = [name for name, count in counts.items() if not count >= 2]
        if few:
            names = ", ".join(f"“{name}” has {counts[name]}" for name in few[:5]) + (", …" if len(few) > 5 else "")
            raise DataError(
                f"every label needs at least two usable images{where}{unusable}: {names}; add images or remove the label"
                f"{_or_regression(targets)}"
            )
        everywhere = [name for name, count in counts.items() if count == len(targets)]
        if everywhere:
            raise DataError(
                f"all {len(targets)} usable images{where} have the label “{everywhere[0]}”, so there is nothing to tell "
                "apart; remove it, or add images without it"
            )
        return
    spread_M = np.ptp(targets.values.astype(np.float64), axis=0)
    flat = [m for m, spread in enumerate(spread_M) if spread == 0]
    if flat:
        raise DataError(
            f"“{targets.names[flat[0]]}” is {targets.values[0, flat[0]]:g} for all {len(targets)} usable images{where}"
            f"{unusable}; there is nothing to predict"
        )
    close = [m for m, spread in enumerate(spread_M) if spread < LEAST_SPREAD]
    if close:
        raise DataError(
            f"“{targets.names[close[0]]}” varies by {spread_M[close[0]]:.1g} only, which is too little to reckon with; give "
            "it in a smaller unit"
        )


def _closed(skipped: tuple[Skipped, ...]) -> str:
    """The first folder that could not be read, which may be the class that is missing."""
    first = next((one for one in skipped if one.reason == UNREADABLE_FOLDER), None)
    return f"; the folder “{first.name}” cannot be read" if first else ""


def _or_regression(targets: Targets) -> str:
    """A hint for names that are all numbers."""
    try:
        numbers = [float(name) for name in targets.names]
    except ValueError:
        return ""
    return "; to predict a number, give --task regression" if len(numbers) > 2 else ""


def check_copies(groups_N: IntArray) -> None:
    """Whether anything can be held out once copies of a picture are joined.

    Raises:
        DataError: all images are one.
    """
    if len(np.unique(groups_N)) < 2:
        raise DataError(
            f"all {len(groups_N)} usable images are copies of one picture or belong to one group, so nothing can be held "
            "out; add pictures that differ"
        )


def check_groups(groups_N: IntArray, balance: Balance) -> None:
    """Whether anything can be held out, and balanced as was asked.

    Raises:
        DataError: all images belong to one group, or groups are to be balanced and there are none.
    """
    if len(np.unique(groups_N)) < 2:
        raise DataError(
            f"all {len(groups_N)} images belong to one group, so nothing can be held out; give them finer groups"
        )
    if balance == "groups" and len(np.unique(groups_N)) == len(groups_N):
        raise DataError(
            "--balance groups needs groups, and no two images share one; give them a group column, or take --balance classes"
        )


def check_usable(targets: Targets, skipped: tuple[Skipped, ...], where: str = "") -> None:
    """Whether every class still has two images once unusable files are gone.

    Raises:
        DataError: it has not.
    """
    unusable = f" ({len(skipped)} files could not be used{_closed(skipped)})" if skipped else ""
    if not isinstance(targets, ClassTargets):
        _check_spread(targets, where, unusable)
        return
    counts = per_output(targets)
    few = [name for name, count in counts.items() if count < 2]
    if few:
        names = ", ".join(f"“{name}” has {counts[name]}" for name in few[:5]) + (", …" if len(few) > 5 else "")
        raise DataError(
            f"every class needs at least two usable images{where}{unusable}: {names}; add images or remove the class"
            f"{_or_regression(targets)}"
        )


def warnings_for(
    targets: Targets,
    skipped: tuple[Skipped, ...],
    figures: AnyFigures,
    leak: str | None,
    contradictory: tuple[Contradictory, ...],
    fitted: FittedHead,
    options: TrainOptions,
    tuning: str | None,
    *,
    held_out: bool,
) -> tuple[str, ...]:
    """What a reader must not miss, most important first."""
    lines = [leak] if leak else []
    if closed := [one for one in skipped if one.reason == UNREADABLE_FOLDER]:
        names = ", ".join(f"“{one.name}”" for one in closed[:5]) + (", …" if len(closed) > 5 else "")
        lines.append(f"What lies in {names} is not in the model, as it cannot be read; check the folder's permissions.")
    if contradictory:
        lines.append(_about_contradictions(contradictory, targets))
    lines += _about_conflicts(skipped)
    lines += _about_guessing(figures)
    if tuning is not None and tuning.startswith("left out"):
        lines.append(f"Fine-tuning was {tuning}.")
    if isinstance(targets, ClassTargets | LabelTargets):
        lines += _about_counts(targets, options)
    if isinstance(figures, ClassFigures) and figures.random_split is not None and not held_out:
        lines += _about_leakage(figures.random_split, figures.accuracy.value)
    if fitted.n_folds < 5:
        who = "Some class stands" if isinstance(targets, ClassTargets) else "The images stand"
        lines.append(
            f"{who} in few groups, so there are only {fitted.n_folds} folds instead of 5 (rounds in which the model is tested "
            "on groups it has not seen): the figures say less than usual."
        )
    total = len(targets) + len(skipped)
    if len(skipped) > 0.05 * total:
        lines.append(
            f"{len(skipped)} of {total} files could not be used ({reasons(skipped)}); the report lists them under "
            f"“{FILES_LEFT_OUT}”."
        )
    return tuple(lines)


def _about_contradictions(found: tuple[Contradictory, ...], targets: Targets) -> str:
    what = "numbers" if isinstance(targets, NumberTargets) else "labels"
    one = len(found) == 1
    first = found[0]
    return (
        f"{len(found)} picture{'' if one else 's'} occur{'s' if one else ''} with {what} that contradict each other, so at "
        f"least one of {'them' if one else 'each'} is wrong; {'the' if one else 'first'} pair: {first.first} "
        f"({first.first_label}) and {first.second} ({first.second_label}). The report shows "
        f"{'it' if one else 'them'} under “{OCCURS_AGAIN}”."
    )


def _about_conflicts(skipped: tuple[Skipped, ...]) -> list[str]:
    """Files that a table names twice, with labels that contradict each other: left out, so that they are no `Contradictory`."""
    conflicts = {one.name: one.detail for one in skipped if one.reason == CONFLICTING_LABELS}
    if not conflicts:
        return []
    name, detail = next(iter(conflicts.items()))
    who, first = (
        ("1 file is", "was left out; it is")
        if len(conflicts) == 1
        else (f"{len(conflicts)} files are", "were left out; the first is")
    )
    return [f"{who} listed with labels that contradict each other, and {first} {name}: {detail}."]


def _about_guessing(figures: AnyFigures) -> list[str]:
    """Whether anything was learned, beside what always giving the same answer achieves."""
    little = "nothing was learned that could be relied on; see in the report what it mixes up, and add images."
    match figures:
        case ClassFigures():
            if figures.accuracy.low > figures.baseline:
                return []
            accuracy, guess = f"{100 * figures.accuracy.value:.1f} %", f"{100 * figures.baseline:.1f} %"
            return [f"An accuracy of {accuracy} is not clearly better than {figures.constant} ({guess}): {little}"]
        case LabelFigures():
            mean = figures.mean_average_precision
            if mean.low > figures.baseline:
                return []
            claim = f"A mean average precision of {mean.value:.3f}"
            return [f"{claim} is not clearly better than guessing ({figures.baseline:.3f}): {little}"]
        case NumberFigures():
            return [
                f"Being off by {error.value:.3g} on average is not clearly better than always answering the median "
                f"({guess:.3g}) for “{name}”: {little}"
                for name, error, guess in zip(figures.names, figures.mean_absolute_error, figures.baseline, strict=True)
                if error.high >= guess
            ]


def _about_leakage(random: float, grouped: float) -> list[str]:
    if random - grouped <= 0.02:
        return []
    line = f"A random split would have claimed {100 * random:.1f} %: the difference is leakage between near-duplicates "
    return [line + "or members of one group, not skill."]


def _about_counts(targets: Targets, options: TrainOptions) -> list[str]:
    lines, counts = [], per_output(targets)
    kind, what = ("class", "classes") if isinstance(targets, ClassTargets) else ("label", "labels")
    rarest, commonest = min(counts, key=lambda k: counts[k]), max(counts, key=lambda k: counts[k])
    if counts[rarest] < 20:
        few = [f"“{name}” {count}" for name, count in counts.items() if count < 20]
        more = f" and {len(few) - 6} more" if len(few) > 6 else ""
        lines.append(
            f"Too few images to say much about some {what}: {', '.join(few[:6])}{more}. "
            "Their figures have wide intervals."
        )
    if kind == "class" and counts[commonest] >= 10 * counts[rarest] and options.balance == "none":
        lines.append(
            f"“{commonest}” has {counts[commonest]} images, “{rarest}” {counts[rarest]}: the model follows these shares. "
            "With --balance classes every class weighs the same."
        )
    return lines
