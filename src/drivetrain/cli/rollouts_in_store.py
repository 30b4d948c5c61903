"""Rollouts as commands find them in a store."""

from __future__ import annotations

from typing import TYPE_CHECKING, Annotated

import typer

if TYPE_CHECKING:
    from ..core.rollout_records import RolloutRow
    from ..rollout.live import Live
    from ..store.sql_store import SqlStore

RolloutArgument = Annotated[
    str | None,
    typer.Argument(
        metavar="[ROLLOUT]", show_default=False, help="Its name or id; may be left out where one of the store is live."
    ),
]


def live_of(store: SqlStore, name: str | None) -> Live:
    """Return the rollout of this name or id, or the only one that is live.

    Raises:
        UsageError: there is none, or there are several.
    """
    from datetime import UTC, datetime

    from ..core.identifiers import new_id
    from ..rollout.live import Live

    return Live(store, row_of(store, name).id, lambda: datetime.now(UTC), new_id)


def row_of(store: SqlStore, name: str | None) -> RolloutRow:
    from ..core.errors import UsageError

    if name is not None:
        row = store.rollout(name)
        if row is not None:
            return row
        known = ", ".join(dict.fromkeys(one.name for one in store.rollouts()))
        raise UsageError(f"there is no rollout {name!r} in this store; {f'it has {known}' if known else 'it has none'}")
    rows = store.rollouts(live=True) or store.rollouts()[:1]
    if len(rows) == 1:
        return rows[0]
    if not rows:
        raise UsageError("this store has no rollout yet; begin one with: drivetrain rollout init --bundle BUNDLE")
    raise UsageError(f"several rollouts are live; name one of {', '.join(row.name for row in rows)}")
