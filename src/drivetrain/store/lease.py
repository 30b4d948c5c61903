"""The next review for a person.

Reviews of one kind that the same people must not do stand in one lane, in the order of their due times. The query steps from lane
to lane by the index, looks at the first free review of each lane that the person may work in, and takes the one that is due
first. So it is quick however many reviews wait that this person must not do.
"""

from __future__ import annotations

from collections.abc import Collection
from datetime import datetime
from typing import Any

from sqlalchemy import Connection, Text, TextClause, bindparam, select, text

from ..core.errors import UsageError
from ..core.rollout_records import Review
from .indexed import SEPARATOR, indexed
from .moment import to_us
from .review_table import to_review
from .tables import REVIEWS, WAITS

MOST_SKIPPED = 10_000
_R = REVIEWS.c


def lease(
    connection: Connection,
    rollout_id: str,
    by: str,
    kinds: Collection[str],
    now: datetime,
    until: datetime,
    skip: Collection[str],
) -> Review | None:
    """Lease a person the next review; see `RolloutStore.lease_review`.

    Raises:
        UsageError: ``skip`` is too long.
    """
    if len(skip) > MOST_SKIPPED:
        raise UsageError(f"{len(skip)} reviews to be skipped are too many; name {MOST_SKIPPED} at most")
    asked = {
        "rollout": indexed(rollout_id),
        "by": indexed(by),
        "kinds": [indexed(kind) for kind in kinds],
        "now": to_us(now),
        "skip": sorted({indexed(name) for name in skip}),
    }
    review_id = _own(connection, asked)
    values: dict[str, Any] = {"lease_by": asked["by"], "lease_until": to_us(until)}
    if review_id is None:
        review_id = _free(connection, asked)
        values["leased_at"] = asked["now"]
    if review_id is None:
        return None
    connection.execute(REVIEWS.update().where(_R.id == review_id).values(values))
    return to_review(connection.execute(select(REVIEWS).where(_R.id == review_id)).one())


def _own(connection: Connection, asked: dict[str, Any]) -> str | None:
    """Find the first review that the person has already, and lock it."""
    query = select(_R.id, _R.lane).where(
        _R.rollout_id == asked["rollout"],
        WAITS,
        _R.lease_by == asked["by"],
        _R.lease_until > asked["now"],
        _R.kind.in_(asked["kinds"]),
        _R.id.not_in(asked["skip"]),
    )
    barred = f"{SEPARATOR}{asked['by']}{SEPARATOR}"
    rows = connection.execute(query.order_by(_R.due, _R.place, _R.id).with_for_update())
    return next((row.id for row in rows if barred not in row.lane), None)


def _free(connection: Connection, asked: dict[str, Any]) -> str | None:
    """Find the first free review, and lock it. One that another process takes at this moment is passed by."""
    query = _QUERIES[connection.dialect.name]
    taken: list[str] = []
    while True:
        barred = f"{SEPARATOR}{asked['by']}{SEPARATOR}"
        found = connection.execute(query, {**asked, "barred": barred, "skip": [*asked["skip"], *taken]}).scalar()
        if found is None:
            return None
        still = (_R.id == found, WAITS, _R.lease_until <= asked["now"])
        if connection.execute(select(_R.id).where(*still).with_for_update(skip_locked=True)).first() is not None:
            return str(found)
        taken.append(found)


def _query(position: str) -> TextClause:
    """Write the query, with the name that a database has for the function that finds a text in another."""
    waits = "rollout_id = :rollout AND done_at IS NULL AND held_at IS NULL"
    return text(
        "WITH RECURSIVE lanes(lane) AS ("
        f"SELECT (SELECT min(lane) FROM reviews WHERE {waits}) UNION ALL "
        f"SELECT (SELECT min(lane) FROM reviews WHERE {waits} AND lane > lanes.lane) FROM lanes "
        "WHERE lanes.lane IS NOT NULL), "
        "firsts(id) AS ("
        f"SELECT (SELECT id FROM reviews WHERE {waits} AND lane = lanes.lane AND lease_until <= :now AND id NOT IN :skip "
        "ORDER BY due, place, id LIMIT 1) FROM lanes "
        f"WHERE substr(lane, 1, {position}(lane, '{SEPARATOR}') - 1) IN :kinds AND {position}(lane, :barred) = 0) "
        "SELECT reviews.id FROM firsts JOIN reviews ON reviews.id = firsts.id "
        "ORDER BY reviews.due, reviews.place, reviews.id LIMIT 1"
    ).bindparams(bindparam("skip", type_=Text(), expanding=True), bindparam("kinds", type_=Text(), expanding=True))


_QUERIES = {"sqlite": _query("instr"), "postgresql": _query("strpos")}
