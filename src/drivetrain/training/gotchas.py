"""Gotchas of a data set: traits from which the targets can be told without the picture, and slices that are answered worse.

Shapes: N images trained on, J judged, A usable images.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np

from ..core.finding import Finding
from ..core.types import IntArray, Interval, Item
from ..curate.field_slices import FieldSlice, cuts_of, judged_slices, subject_cuts
from ..curate.shortcuts import ALL, Shortcut, Sign, shortcuts_of
from ..curate.told import told_of
from ..data.image.traits import Traits
from ..draw.numbers import percent, reading, span
from ..learn.figures import sentence_case
from ..learn.findings import SHORTCUT, WORSE_SLICES, finding
from ..learn.judged import Judged
from ..learn.kinds.targets import Targets
from ..learn.sections import SHORTCUTS, SLICES
from ..stats.metrics import Floats, effective_trials, wilson
from .sample import Sample
from .subjects import NOT_ASKED, Subjects

Columns = Mapping[str, Mapping[str, str]]
"""Values by item name of each column of a table."""

# With fewer images there is nothing to be told for certain.
FEWEST_IMAGES = 20
# Images shown for a shortcut, and slices named in a finding.
EXAMPLES, NAMED = 6, 3

MANY_SLICES = (
    "Of many slices some look bad by chance alone. “Worse” are those that Fisher's exact test finds worse than all other images "
    "at 5 % shared out over all slices that can be judged (Holm); “no worse” is no proof that a slice is as good."
)


@dataclass(frozen=True, eq=False)
class Told:
    """One trait, and how much it tells of the targets, in the terms of the kind."""

    found: Shortcut
    right: Interval
    """Share of right answers from the trait alone, out of fold."""
    sentence: str
    """The words for what it tells an output by; empty where there are none."""
    examples: tuple[str, ...]
    """Names of images that it is told by."""
    output: str | None
    """The output that is told best; None: all of them on the whole."""

    def to_json(self) -> dict[str, Any]:
        """Return plain data for documents."""
        return {
            "trait": self.found.slug,
            "name": self.found.name,
            "right": {"value": self.right.value, "low": self.right.low, "high": self.right.high},
            "r_squared": self.found.r_squared,
            "r_squared_low": self.found.low,
            "of": self.output,
            "shortcut": self.found.clear,
            "sentence": self.sentence,
            "examples": list(self.examples),
        }


@dataclass(frozen=True, eq=False)
class Gotchas:
    """Shortcuts and slices of one data set."""

    rightly: str
    """Words between an answerer and its share of right answers, of the kind: ``right for``."""
    images: int
    model: Interval
    """Share of right answers of the model itself."""
    always: float
    """Share of right answers of always giving the same one."""
    told: tuple[Told, ...]
    """The most telling first, all together last."""
    slices: tuple[FieldSlice, ...]
    """The worst first, those too small to judge by last."""
    how: str
    subjects: str = ""
    """Words on how the extents of subjects were measured; empty where nobody asked."""

    @property
    def shortcuts(self) -> tuple[Told, ...]:
        """Single traits that are shortcuts, the most telling first."""
        return tuple(one for one in self.told if one.found.clear and one.found.slug != ALL)

    @property
    def worse(self) -> tuple[FieldSlice, ...]:
        """Slices that are answered worse than other images, for certain."""
        return tuple(one for one in self.slices if one.worse)

    def findings(self) -> list[Finding]:
        """Make findings on shortcuts and slices."""
        return [*self._about_shortcuts(), *self._about_slices()]

    def to_json(self) -> dict[str, Any]:
        """Return the object that ``train --json`` prints and the desk answers."""
        return {
            "images": self.images,
            "measure": self.rightly,
            "how": self.how,
            "model": {"value": self.model.value, "low": self.model.low, "high": self.model.high},
            "always_the_same": self.always,
            "shortcuts": [one.to_json() for one in self.told],
            "slices": [one.to_json() for one in self.slices],
            "note": MANY_SLICES,
            "subjects": self.subjects or None,
        }

    def _about_shortcuts(self) -> list[Finding]:
        if not self.shortcuts:
            return []
        first, *others = self.shortcuts
        more = "; so " + ("does " if len(others) == 1 else "do ") + _listed(others) if others else ""
        sentence = (
            f"{sentence_case(first.found.name)} alone is {self.rightly} {percent(first.right.value)} of the images "
            f"({span(first.right.low, first.right.high)}); always the same answer for {percent(self.always)}, the model for "
            f"{percent(self.model.value)}. {first.sentence} The model may have learned that in place of what the pictures "
            f"show{more}. See “{SHORTCUTS}”."
        )
        return [finding(SHORTCUT, sentence, SHORTCUTS)]

    def _about_slices(self) -> list[Finding]:
        if not self.worse:
            return []
        named = "; ".join(
            f"{one.by}: {one.name} ({one.count} images), {percent(one.right.value)} "
            f"({span(one.right.low, one.right.high)}), other images {percent(one.others)}"
            for one in self.worse[:NAMED]
        )
        more = f"; and {len(self.worse) - NAMED} more" if len(self.worse) > NAMED else ""
        sentence = f"The model is {self.rightly} clearly fewer images of some kinds: {named}{more}. See “{SLICES}”."
        return [finding(WORSE_SLICES, sentence, SLICES)]


def gotchas_of(
    sample: Sample,
    folds_N: IntArray,
    judged: Judged,
    items_J: Sequence[Item],
    settings: Sequence[float],
    traits: Mapping[str, Traits],
    columns: Columns,
    subjects: Subjects = NOT_ASKED,
) -> Gotchas | None:
    """Look for shortcuts among the N images of ``sample``, and for slices among those judged.

    ``traits`` are by item name, as are the values of ``columns``; ``items_J`` are what was judged. None where there are too few
    pictures, or answers are neither right nor wrong.
    """
    wrong_J = judged.targets.wrong(judged.answers_JO, settings)
    known = np.asarray([row for row, item in enumerate(sample.items) if item.name in traits], np.intp)
    if wrong_J is None or len(known) < FEWEST_IMAGES or len(np.unique(folds_N[known])) < 2:
        return None
    right_J = ~wrong_J
    told, always = _told(sample.take(known), folds_N[known], traits, settings, columns)
    cuts = (
        *cuts_of(items_J, [traits.get(item.name) for item in items_J], columns),
        *subject_cuts(items_J, subjects.extents),
    )
    return Gotchas(
        rightly=judged.targets.answered_as.rightly,
        images=len(known),
        model=_share(right_J.astype(np.float64), judged.groups_J),
        always=always,
        told=told,
        slices=judged_slices(cuts, right_J, judged.groups_J),
        how=judged.how,
        subjects=subjects.words,
    )


def _told(
    known: Sample, folds_N: IntArray, traits: Mapping[str, Traits], settings: Sequence[float], columns: Columns
) -> tuple[tuple[Told, ...], float]:
    """Return what each trait tells, and the share that always the same answer is right for."""
    targets, groups_N = known.targets, known.groups_N
    perfect_NO = targets.answered_as.perfect_answers(targets.names, targets.values)
    found = shortcuts_of(
        told_of(known.items, [traits[item.name] for item in known.items], columns), perfect_NO, folds_N, groups_N
    )
    always = _right(targets, np.broadcast_to(perfect_NO.mean(axis=0), perfect_NO.shape), settings)
    told = []
    for one in found:
        right_N = _right(targets, one.answers_NO, settings)
        name = None if one.output is None else targets.names[one.output]
        shown = () if one.sign is None else tuple(known.items[row].name for row in one.sign.rows[:EXAMPLES])
        told.append(Told(one, _share(right_N, groups_N), _sentence(one, targets), shown, name))
    return tuple(told), float(always.mean())


def _right(targets: Targets, answers_NO: Floats, settings: Sequence[float]) -> Floats:
    wrong_N = targets.wrong(answers_NO, settings)
    assert wrong_N is not None  # or nobody asks
    right_N: Floats = (~wrong_N).astype(np.float64)
    return right_N


def _share(right_N: Floats, groups_N: IntArray) -> Interval:
    trials = effective_trials(right_N, groups_N)
    return wilson(float(right_N.mean()) * trials, trials)


def _sentence(found: Shortcut, targets: Targets) -> str:
    sign = found.sign
    if sign is None or found.output is None:
        return ""
    name = targets.names[sign.output]
    return _of_number(sign, name) if targets.measured else _of_output(sign, name)


def _of_output(sign: Sign, name: str) -> str:
    inside, outside = percent(sign.inside), percent(sign.outside)
    return f"Of the images of “{name}”, {inside} have “{sign.words}”; of the others, {outside} have."


def _of_number(sign: Sign, name: str) -> str:
    inside, outside = reading(sign.inside), reading(sign.outside)
    return (
        f"“{name}” is {inside} on average where images have “{sign.words}” ({sign.count} images), elsewhere {outside}."
    )


def _listed(others: Sequence[Told]) -> str:
    words = [f"{one.found.name} ({percent(one.right.value)})" for one in others]
    return words[0] if len(words) == 1 else f"{', '.join(words[:-1])} and {words[-1]}"
