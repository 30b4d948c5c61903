"""Samples of a DataBlock as people have edited them: other targets, items left out, groups by where the items came from."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import replace
from pathlib import PurePosixPath
from typing import Any

from ...core.errors import DataError, StepError
from ...core.types import Item
from ..edits.edit import Standing
from ..edits.matching import there_in
from ..edits.overlay import log_of, overlay, root_of
from ..provenance.groups import groups_below
from .blocks import TargetBlock
from .describe import called
from .sample import Sample, folder_of


def edited_samples(
    samples: Sequence[Sample], source: object, target: TargetBlock[Any] | None, get_y: Callable[[Any], object] | None
) -> tuple[tuple[Sample, ...], tuple[str, ...]]:
    """Lay the edits of a source's log over the samples that a DataBlock made of it; the note says what was done.

    ``target`` and ``get_y`` are the block's, by which a label becomes a target.

    Raises:
        DataError: the log cannot be read.
        StepError: the block cannot use a label that a person gave.
    """
    log = log_of(source)
    if log is None or not log.standings:
        return tuple(samples), ()
    root = root_of(source)
    names, places = [one.name for one in samples], [one.x for one in samples]
    edited: dict[int, Any] = {}

    def same(row: int, standing: Standing) -> bool:
        edited[row] = _target(target, get_y, samples[row], standing) if target is not None else None
        return bool(edited[row] == samples[row].target)

    found = overlay(log, names, places, there_in(root), same)
    rows = [row for row in range(len(samples)) if not found.is_removed(row)]
    targets = [edited.get(row, samples[row].target) for row in rows]
    strata = target.strata(targets) if target is not None else [samples[row].stratum for row in rows]
    kept = tuple(
        replace(samples[row], row=place, target=targets[place], stratum=strata[place]) for place, row in enumerate(rows)
    )
    return kept, (found.sentence,) if found.sentence else ()


def grouped_samples(samples: Sequence[Sample], source: object) -> tuple[Sample, ...]:
    """Give samples the groups that the source's record of origins has for them, where they have none.

    Raises:
        SourceError: the record cannot be read.
    """
    root = folder_of(source)
    folders = dict.fromkeys(str(above) for one in samples for above in PurePosixPath(one.name).parents)
    groups = groups_below(root, ("" if one == "." else one for one in folders)) if root is not None else {}
    if not groups:
        return tuple(samples)
    return tuple(replace(one, group=groups.get(one.name)) if one.group is None else one for one in samples)


def _target(target: TargetBlock[Any], get_y: Callable[[Any], object] | None, sample: Sample, standing: Standing) -> Any:
    """The target that a person's label gives: by the block's own reader where that looks at labels."""
    raw = target.carried(standing.label, standing.labels)
    if get_y is not None and isinstance(sample.item, Item):
        now = get_y(replace(sample.item, label=standing.label, labels=standing.labels))
        raw = raw if now == get_y(sample.item) else now
    try:
        return target.parse(raw)
    except DataError as error:
        raise StepError(called(target), f"the label that edits give {sample.name}", str(error)) from None
