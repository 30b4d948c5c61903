"""The store's table of rollouts."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace
from typing import Any

from sqlalchemy import Connection, Row, bindparam, select
from sqlalchemy.exc import IntegrityError

from ..core.errors import UsageError
from ..core.rollout_records import ENDED, GENESIS, RolloutRow
from .indexed import MAX_CHARACTERS, indexed
from .moment import from_us, to_us
from .tables import ROLLOUTS

_R = ROLLOUTS.c
_LOCKED = select(ROLLOUTS).where(_R.id == bindparam("rollout")).with_for_update()
_CHANGED = [column.name for column in ROLLOUTS.columns if column.name != "id"]
_UPDATE = ROLLOUTS.update().where(_R.id == bindparam("rollout"))
_UPDATE = _UPDATE.values({name: bindparam(f"to_{name}") for name in _CHANGED})


def add(connection: Connection, row: RolloutRow) -> RolloutRow:
    """Keep a new rollout with an empty log.

    Raises:
        UsageError: one that has not ended has its name, there is one of its id, or the name is none.
    """
    if not row.name.strip() or indexed(row.name) != row.name or not row.name.isprintable():
        raise UsageError(
            f"{row.name[:40]!r} is no name for a rollout; give 1 to {MAX_CHARACTERS} characters that can be seen"
        )
    new = replace(row, head=0, head_hash=GENESIS, opened_at=from_us(to_us(row.opened_at)))
    try:
        connection.execute(ROLLOUTS.insert(), _values(new))
    except IntegrityError:
        raise UsageError(f"there is a rollout {row.name!r} already; end it, or choose another name") from None
    return new


def update(connection: Connection, row: RolloutRow) -> None:
    """Write where a rollout and its log stand now."""
    values = _values(row)
    connection.execute(_UPDATE, {"rollout": row.id, **{f"to_{name}": values[name] for name in _CHANGED}})


def locked(connection: Connection, rollout_id: str) -> RolloutRow:
    """Return a rollout, which nobody else can write until this transaction ends.

    Raises:
        UsageError: there is none of that id.
    """
    row = connection.execute(_LOCKED, {"rollout": indexed(rollout_id)}).first()
    if row is None:
        raise UsageError(f"there is no rollout {rollout_id[:40]!r}")
    return _rollout(row)


def find(connection: Connection, name_or_id: str) -> RolloutRow | None:
    """Return the rollout of that id, or the newest of that name."""
    asked = indexed(name_or_id)
    row = connection.execute(select(ROLLOUTS).where(_R.id == asked)).first()
    if row is None:
        named = select(ROLLOUTS).where(_R.name == asked).order_by(_R.opened_at.desc(), _R.id.desc())
        row = connection.execute(named.limit(1)).first()
    return None if row is None else _rollout(row)


def find_all(connection: Connection, live: bool | None, model: str | None) -> Sequence[RolloutRow]:
    """Return rollouts, the newest first."""
    query = select(ROLLOUTS).order_by(_R.opened_at.desc(), _R.id.desc())
    if live is not None:
        query = query.where(_R.stage != ENDED if live else _R.stage == ENDED)
    if model is not None:
        query = query.where(_R.model == model)
    return tuple(map(_rollout, connection.execute(query)))


def _values(row: RolloutRow) -> dict[str, Any]:
    return {
        "id": row.id,
        "name": row.name,
        "model": row.model,
        "bundle_id": row.bundle_id,
        "stage": row.stage,
        "step": row.step,
        "paused": row.paused,
        "opened_at": to_us(row.opened_at),
        "salt": row.salt,
        "head": row.head,
        "head_hash": row.head_hash,
        "shadow_of": row.shadow_of,
    }


def _rollout(row: Row[Any]) -> RolloutRow:
    return RolloutRow(
        id=row.id,
        name=row.name,
        model=row.model,
        bundle_id=row.bundle_id,
        stage=row.stage,
        step=row.step,
        paused=row.paused,
        opened_at=from_us(row.opened_at),
        salt=bytes(row.salt),
        head=row.head,
        head_hash=row.head_hash,
        shadow_of=row.shadow_of,
    )
