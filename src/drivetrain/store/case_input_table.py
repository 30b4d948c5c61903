"""The store's table of the inputs of cases, which people must be able to see until the case is done."""

from __future__ import annotations

from collections.abc import Collection, Sequence

from sqlalchemy import ColumnElement, Connection, Text, bindparam, exists, select

from ..core.case import Case
from ..core.records import StoredInput
from .indexed import indexed
from .moment import DAY_US
from .new_row import add_new
from .tables import CASE_INPUTS, CASES, INPUTS, REVIEWS

_AT_ONCE = 500
_I = CASE_INPUTS.c

IS_NEEDED: ColumnElement[bool] = exists().where(INPUTS.c.sha256 == _I.sha256, _I.needed.is_(True))
"""Tells the inputs of cases that are not done, in a query of inputs."""

_ASKS = exists().where(
    REVIEWS.c.rollout_id == CASES.c.rollout_id, REVIEWS.c.case_id == CASES.c.id, REVIEWS.c.done_at.is_(None)
)
_IS_DONE = exists().where(
    CASES.c.rollout_id == _I.rollout_id, CASES.c.id == _I.case_id, CASES.c.settled_at.is_not(None), ~_ASKS
)
_FOLLOW = (
    CASE_INPUTS.update()
    .where(_I.rollout_id == bindparam("rollout"), _I.case_id.in_(bindparam("cases", type_=Text(), expanding=True)))
    .where(_I.needed == _IS_DONE)
    .values(needed=~_I.needed)
)
_KEPT = (
    select(INPUTS.c.sha256, INPUTS.c.kept_at)
    .where(INPUTS.c.sha256.in_(bindparam("names", type_=Text(), expanding=True)))
    .order_by(INPUTS.c.sha256)
    .with_for_update()
)


def add(connection: Connection, rollout_id: str, case: Case, inputs: Sequence[StoredInput], at_us: int) -> None:
    """Write down what a case needs, and keep those of the inputs that are not kept yet, as sent at a moment."""
    names = sorted({indexed(sha256) for sha256 in case.inputs})
    given = {indexed(one.sha256): one for one in inputs}
    written = _keep(connection, [given[name] for name in sorted(given)], names, at_us)
    rows = [
        {
            "rollout_id": rollout_id,
            "case_id": indexed(case.id),
            "sha256": name,
            "needed": True,
            "alone": name in written,
        }
        for name in names
    ]
    if rows:
        connection.execute(CASE_INPUTS.insert(), rows)


def _keep(connection: Connection, given: Sequence[StoredInput], names: Sequence[str], at_us: int) -> set[str]:
    """Write the inputs that are not there; returns their hashes. Those that are there are as sent now."""
    written = {indexed(one.sha256) for one in given if _add(connection, one, at_us)}
    there = written | _renew(connection, [name for name in names if name not in written], at_us)
    # One may have been pruned after it was found, and before it was locked.
    gone = [one for one in given if indexed(one.sha256) not in there]
    return written | {indexed(one.sha256) for one in gone if _add(connection, one, at_us)}


def _add(connection: Connection, one: StoredInput, at_us: int) -> bool:
    values = {
        "sha256": indexed(one.sha256),
        "media_type": indexed(one.media_type),
        "size": len(one.data),
        "kept_at": at_us,
        "data": one.data,
    }
    return add_new(connection, INPUTS, values)


def _renew(connection: Connection, names: Sequence[str], at_us: int) -> set[str]:
    """Lock inputs, and date them as sent now where they were sent more than a day ago; returns those that are there."""
    if not names:
        return set()
    # A lock on each keeps whoever prunes from deleting it before it is known to be needed.
    there = connection.execute(_KEPT, {"names": list(names)}).all()
    old = [row.sha256 for row in there if row.kept_at < at_us - DAY_US]
    if old:
        connection.execute(INPUTS.update().where(INPUTS.c.sha256.in_(old)).values(kept_at=at_us))
    return {row.sha256 for row in there}


def follow(connection: Connection, rollout_id: str, case_ids: Collection[str]) -> None:
    """Write down, for cases that something happened to, whether their inputs are still needed.

    They are until the case is settled and nobody has to look at it any more.
    """
    asked = sorted(case_ids)
    for start in range(0, len(asked), _AT_ONCE):
        connection.execute(_FOLLOW, {"rollout": rollout_id, "cases": asked[start : start + _AT_ONCE]})


def left(connection: Connection, limit: int) -> list[str]:
    """Return hashes of inputs that were written for cases alone, all of which are done."""
    other = CASE_INPUTS.alias()
    still = exists().where(other.c.sha256 == _I.sha256, other.c.needed.is_(True))
    query = select(_I.sha256).distinct().where(_I.alone.is_(True), _I.needed.is_(False), ~still).limit(limit)
    return list(connection.execute(query).scalars())


def forget(connection: Connection, sha256s: Sequence[str]) -> int:
    """Write down which of some inputs are not there any more; returns the number of rows that named them."""
    gone = ~exists().where(INPUTS.c.sha256 == _I.sha256)
    here = (_I.sha256.in_(sha256s), _I.alone.is_(True), gone)
    return connection.execute(CASE_INPUTS.update().where(*here).values(alone=False)).rowcount
