"""Slices that matter in the field: parts of the images in which a model may do worse, by light, sharpness, size, place and time.

Each slice is compared with all other images. Of many slices some look bad by chance alone; so a slice is called worse only where
Fisher's exact test says so at a level that Holm's method shares out over all slices that are large enough to be judged. Images of
one group count as fewer than as many independent ones. Shapes: J images judged.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from typing import Any, Literal

import numpy as np
from numpy.typing import NDArray

from ..core.types import IntArray, Interval, Item
from ..data.image.traits import Traits
from ..model.explain.extent import Extent
from ..stats.metrics import effective_trials, wilson
from .told import folders_of

# Mean luma below which a picture is dark: of 3,000 photos in daylight 1 % lie below it.
DARK = 0.2
# A picture of less sharpness is blurred: of 377 photos 99 % lie above it by far, and blurred by 0.6 % of a side 95 % below.
BLURRED = 0.45
# A picture whose shorter side has fewer pixels has little to show to a network of 224.
LOW = 128
# Independent images below which a share says next to nothing: of 10 right ones, 72 % to 100 % may be right.
FEWEST = 10
# The chance that any slice is called worse where none is.
LEVEL = 0.05
# The share of the images that are the least of a set in something.
TENTH = 0.1
# The share of the images whose subject is measured that has the smallest, or lies most at the edge. Few are measured, and a
# tenth of them would be too few to judge by.
FIFTH = 0.2
# A column with more values than this is no way to cut a set.
MOST_VALUES = 40

Standing = Literal["worse", "no worse", "too few to say"]
Mask = NDArray[np.bool_]


@dataclass(frozen=True, eq=False)
class FieldSlice:
    """One slice of the images judged, and how well they are answered beside the others."""

    by: str
    """The ground on which images are cut: ``light``, ``camera``, ``column “site”``."""
    name: str
    """The slice in words: ``dark``."""
    mask_J: Mask
    count: int
    independent: float
    """The number of independent images that these count as."""
    right: Interval
    """Share of right answers."""
    others: float
    """Share of right answers to all other images; NaN where there are none."""
    p_value: float
    """Chance of as many wrong answers here if the slice were like the others."""
    worse: bool = False
    """Tells whether it is answered worse than the others, with all slices in mind."""

    @property
    def small(self) -> bool:
        """Tells whether there are too few independent images to say anything."""
        return self.independent < FEWEST

    @property
    def standing(self) -> Standing:
        """``too few to say``, ``worse`` or ``no worse``; the last is no proof that it is as good."""
        return "too few to say" if self.small else "worse" if self.worse else "no worse"

    def to_json(self) -> dict[str, Any]:
        """Return plain data for documents."""
        return {
            "by": self.by,
            "slice": self.name,
            "images": self.count,
            "independent": round(self.independent, 1),
            "right": {"value": self.right.value, "low": self.right.low, "high": self.right.high},
            "others": None if math.isnan(self.others) else self.others,
            "p_value": self.p_value,
            "standing": self.standing,
        }


Cut = tuple[str, str, Mask]
"""(by, name, mask) of a slice that is not judged yet."""


def judged_slices(cuts: Sequence[Cut], right_J: Mask, groups_J: IntArray) -> tuple[FieldSlice, ...]:
    """Judge slices, the worst first; those too small to judge by stand last."""
    found = [
        _slice(by, name, mask_J, right_J, groups_J) for by, name, mask_J in cuts if mask_J.any() and not mask_J.all()
    ]
    tested = sorted((one for one in found if not one.small), key=lambda one: one.p_value)
    worse: set[int] = set()
    for place, one in enumerate(tested):
        if one.p_value > LEVEL / (len(tested) - place):
            break
        worse.add(id(one))
    marked = [replace(one, worse=id(one) in worse) for one in found]
    return tuple(sorted(marked, key=lambda one: (one.small, not one.worse, one.right.value, one.by, one.name)))


def cuts_of(
    items: Sequence[Item], traits: Sequence[Traits | None], columns: Mapping[str, Mapping[str, str]]
) -> tuple[Cut, ...]:
    """Cut images by what their traits, folders and table say; ``columns``: values by item name of each column."""
    return (
        *_by_traits(traits),
        *_by_values("camera", [None if one is None else one.camera for one in traits]),
        *_by_values("month", [None if one is None or not one.taken_at else one.taken_at[:7] for one in traits]),
        *_by_values("folder", folders_of(items)),
        *_by_values("group", [item.group for item in items]),
        *(
            cut
            for column, of in columns.items()
            for cut in _by_values(f"column “{column}”", [of.get(item.name) for item in items])
        ),
    )


def _by_traits(traits: Sequence[Traits | None]) -> Iterator[Cut]:
    def mask(holds: Callable[[Traits], bool]) -> Mask:
        return np.asarray([one is not None and holds(one) for one in traits], np.bool_)

    def less_sharp(limit: float) -> Mask:
        return mask(lambda one: one.sharpness is not None and one.sharpness < limit)

    yield "light", "dark", mask(lambda one: one.brightness < DARK)
    yield "light", "grey, as by infra-red light", mask(lambda one: one.grey)
    yield "light", "dark and grey, as at night", mask(lambda one: one.grey and one.brightness < DARK)
    yield "sharpness", "blurred", less_sharp(BLURRED)
    known = [one.sharpness for one in traits if one is not None and one.sharpness is not None]
    if known and (softest := float(np.quantile(known, TENTH))) > BLURRED:
        yield "sharpness", f"least sharp tenth, below {softest:.2f}", less_sharp(softest)
    yield "resolution", f"shorter side below {LOW} pixels", mask(lambda one: one.shorter < LOW)
    sides = [one.shorter for one in traits if one is not None]
    if sides and (smallest := float(np.quantile(sides, TENTH))) > LOW:
        yield "resolution", f"smallest tenth, below {smallest:.0f} pixels", mask(lambda one: one.shorter < smallest)


def subject_cuts(items: Sequence[Item], extents: Mapping[str, Extent]) -> tuple[Cut, ...]:
    """Cut images by the extent of what they show; ``extents`` by item name, of some of them."""
    if not extents:
        return ()
    smallest = float(np.quantile([one.size for one in extents.values()], FIFTH))
    outermost = float(np.quantile([one.at_edge for one in extents.values()], 1 - FIFTH))
    known = [extents.get(item.name) for item in items]
    small = np.asarray([one is not None and one.size < smallest for one in known], np.bool_)
    cut = np.asarray([one is not None and one.at_edge > outermost for one in known], np.bool_)
    return (
        ("subject", "smallest fifth of those measured", small),
        ("subject", "most at the edge, a fifth of those measured", cut),
    )


def _by_values(by: str, values: Sequence[str | None]) -> Iterator[Cut]:
    """Yield a cut a value; none where nearly every image has one of its own, or all have the same."""
    distinct = sorted({value for value in values if value})
    if not distinct or len(distinct) > MOST_VALUES:
        return
    for value in distinct:
        yield by, value, np.asarray([other == value for other in values], np.bool_)
    if any(not value for value in values):
        yield by, "none named", np.asarray([not value for value in values], np.bool_)


def _slice(by: str, name: str, mask_J: Mask, right_J: Mask, groups_J: IntArray) -> FieldSlice:
    inside, outside = right_J[mask_J], right_J[~mask_J]
    trials = effective_trials(inside, groups_J[mask_J])
    rest = effective_trials(outside, groups_J[~mask_J])
    share, others = float(inside.mean()), float(outside.mean())
    p_value = _fisher((1 - share) * trials, trials, (1 - others) * rest, rest)
    return FieldSlice(by, name, mask_J, int(mask_J.sum()), trials, wilson(share * trials, trials), others, p_value)


def _fisher(wrong: float, trials: float, wrong_others: float, others: float) -> float:
    """Return the chance of at least so many wrong of ``trials`` if both had one share (Fisher's exact test, one-sided).

    Numbers of independent trials may be fractional; wrong ones are rounded to the safe side, down here and up there.

    >>> round(_fisher(3, 4, 1, 4), 4)
    0.2429
    """
    n, m = int(trials), int(others)
    here, there = min(math.floor(wrong), n), min(math.ceil(wrong_others), m)
    if n == 0 or m == 0:
        return 1.0
    bad = here + there
    k = np.arange(here, min(n, bad) + 1)
    logs = _choose(n, k) + _choose(m, bad - k) - _choose(n + m, np.asarray([bad]))
    return float(min(1.0, np.exp(logs).sum()))


def _choose(n: int, k: NDArray[np.intp]) -> NDArray[np.float64]:
    logs = np.full(len(k), -np.inf)
    fits = (k >= 0) & (k <= n)
    logs[fits] = [math.lgamma(n + 1) - math.lgamma(int(i) + 1) - math.lgamma(n - int(i) + 1) for i in k[fits]]
    return logs
