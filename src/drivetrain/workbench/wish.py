"""Wishes for an item, checked before they go into the log."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace
from typing import Literal

from ..core.errors import DataError
from ..core.scratch import Scratch
from ..core.types import Dataset, Item
from ..data.edits.edit import Fate, Standing
from ..learn.reading import samples_of
from .survey import Survey

FATES: dict[Literal["keep", "remove", "open"], Fate] = {
    "keep": Fate.KEPT,
    "remove": Fate.REMOVED,
    "open": Fate.OPEN,
}


def with_fate(standing: Standing, wish: Literal["keep", "remove", "open"]) -> Standing:
    """The standing with another fate, its label as it is."""
    return replace(standing, fate=FATES[wish])


def relabelled(
    survey: Survey, outputs: Sequence[str], item: Item, label: str | None, labels: Sequence[str] | None
) -> Standing:
    """The standing of an item with another label (or labels, where there may be several), vouched for.

    ``outputs``: the labels that the set knows. Another one is new, which a person may want.

    Raises:
        DataError: the set's labels are of another form.
    """
    targets = survey.sample.targets
    if targets.delimited != (labels is not None):
        given, wanted = ("labels", "label") if labels is not None else ("label", "labels")
        raise DataError(f"{given} was given, and an item of this set has {wanted}; give {wanted}")
    names = tuple(dict.fromkeys(labels)) if labels is not None else (label or "",)
    for name in names:
        if not targets.counted or name not in outputs:  # a number, or a label that is new here
            _check_readable(survey, item, name)
    return Standing(label, Fate.KEPT) if labels is None else Standing(", ".join(names), Fate.KEPT, names)


def _check_readable(survey: Survey, item: Item, label: str) -> None:
    """Check that a label can be read as the set's are: as a number, as one of the grades that were named."""
    source = Dataset(survey.found.dataset.source, (replace(item, label=label, labels=None),))
    samples_of(source, survey.options.targets, None, Scratch(), survey.found.input_block)
