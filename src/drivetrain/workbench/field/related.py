"""All that is known of the cases of a name: from the log of its rollout, of those before it, and of candidates beside it.

A candidate's log repeats its champion's cases and what people said of them, and adds adjudications of its own.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import replace

from ...core.rollout_port import RolloutStore
from ...core.rollout_records import RolloutRow
from ...rollout.succession import events_of, predecessors_of, shadows_of
from .told import FieldCase, Told, field_cases


def related_cases(store: RolloutStore, row: RolloutRow) -> tuple[FieldCase, ...]:
    """Return the cases of a rollout and of those whose place it took, with what was said of them anywhere.

    Raises:
        LogError: a line of a log is no event.
    """
    own = (row, *predecessors_of(store, row))
    eldest_first = [*reversed(own), *(shadow for one in own for shadow in shadows_of(store, one) if shadow not in own)]
    return merged([field_cases(one.name, events_of(store, one.id)) for one in eldest_first])


def merged(logs: Sequence[Iterable[FieldCase]]) -> tuple[FieldCase, ...]:
    """Put the logs together: a case is as the first one has it, whose draw decided who was to look at it."""
    found: dict[str, FieldCase] = {}
    for cases in logs:
        for one in cases:
            known = found.get(one.case.id)
            found[one.case.id] = one if known is None else replace(known, told=_together(known.told, one.told))
    return tuple(found.values())


def _together(first: Sequence[Told], second: Sequence[Told]) -> tuple[Told, ...]:
    """Put statements together; one that is repeated counts once."""
    known = {(one.how, one.by, one.label) for one in first}
    return (*first, *(one for one in second if (one.how, one.by, one.label) not in known))
