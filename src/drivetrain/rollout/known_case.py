"""A case that has come before: to a rollout, or to one whose place that one has taken.

A candidate that reads its champion's cases along has many of them too, under the same ids and keys. To their sender the
champion's decision is the one that took effect, and what the champion left undecided is the candidate's.
"""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass, replace

from ..core.rollout_port import RolloutStore
from ..core.rollout_records import RolloutRow
from .receipt import Receipt, Taken


@dataclass(frozen=True, slots=True)
class KnownCase:
    """A case that one of some rollouts has."""

    first: RolloutRow
    """The rollout that it was sent to."""
    last: RolloutRow
    """The latest of them that has it: what is told of it from now on is told there."""
    receipt: Receipt


def known_case(
    store: RolloutStore, rows: Iterable[RolloutRow], *, case_id: str | None = None, key: str | None = None
) -> KnownCase | None:
    """Return the case of an id or a key, where one of some rollouts has it: the first that ran before the others."""
    found: KnownCase | None = None
    for row in rows:
        receipt = receipt_in(store, row, case_id=case_id, key=key)
        if receipt is None:
            continue
        if found is None:
            found = KnownCase(row, row, receipt)
        else:
            found = replace(found, last=row, receipt=found.receipt if found.receipt.decision else receipt)
    return found


def receipt_in(
    store: RolloutStore, row: RolloutRow, *, case_id: str | None = None, key: str | None = None
) -> Receipt | None:
    """Return the receipt of a case of one rollout, by its id or its key; None where it has none."""
    case = None
    if case_id is not None:
        case = store.case(row.id, case_id)
    elif key is not None:
        case = store.case_of_key(row.id, key)
    if case is None:
        return None
    settled = store.settled(row.id, [case.id]).get(case.id)
    return Receipt(case.id, case.key, row.name, None if settled is None else Taken(*settled), fresh=False)
