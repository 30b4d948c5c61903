"""The order in which a log's happenings come."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass
from datetime import datetime

from ..events import Alarmed, Ticked, Turned
from .past import Outcome, PastCase, Said

Happening = PastCase | Said | Outcome | Alarmed | Ticked | Turned


@dataclass(frozen=True, slots=True)
class Entry:
    """One happening: a case that comes, what a person says of it, an outcome, or what was logged beside cases."""

    order: int
    at: datetime
    what: Happening
    case_id: str = ""


def timeline(
    cases: Sequence[PastCase], happened: Iterable[tuple[int, Alarmed | Ticked | Turned]] = ()
) -> Iterator[Entry]:
    """Yield everything in the order of the log."""
    entries = [Entry(order, what.at, what) for order, what in happened]
    for one in cases:
        name = one.case.id
        entries.append(Entry(one.order, one.came_at, one, name))
        entries += [Entry(said.order, said.at, said, name) for said in one.said]
        entries += [Entry(outcome.order, outcome.at, outcome, name) for outcome in one.outcomes]
    entries.sort(key=lambda entry: entry.order)
    yield from entries
