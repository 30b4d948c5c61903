"""The store's table of API keys."""

from __future__ import annotations

from datetime import datetime
from typing import Any

from sqlalchemy import Connection, Row, select
from sqlalchemy.exc import IntegrityError

from ..core.errors import UsageError
from ..core.records import ApiKey, Role
from .indexed import MAX_CHARACTERS, indexed
from .moment import from_us, to_us
from .tables import KEYS

_MAX_PER_MINUTE = 1 << 31


def all_keys(connection: Connection) -> tuple[ApiKey, ...]:
    """Read every key in the order of its making, revoked ones too."""
    rows = connection.execute(select(KEYS).order_by(KEYS.c.created_at, KEYS.c.id)).all()
    return tuple(map(_key, rows))


def add(connection: Connection, key: ApiKey) -> None:
    """Keep a new key.

    Raises:
        UsageError: a live key has that name, or name or limit are none.
    """
    if not key.name.strip() or indexed(key.name) != key.name or not key.name.isprintable():
        raise UsageError(
            f"{key.name[:40]!r} is no name for a key; give 1 to {MAX_CHARACTERS} characters that can be seen"
        )
    if key.per_minute is not None and not 1 <= key.per_minute < _MAX_PER_MINUTE:
        raise UsageError(f"{str(key.per_minute)[:40]} images a minute are no limit; give 1 or more")
    values = {
        "id": key.id,
        "name": key.name,
        "role": key.role.value,
        "secret_sha256": key.secret_sha256,
        "created_at": to_us(key.created_at),
        "revoked_at": None if key.revoked_at is None else to_us(key.revoked_at),
        "per_minute": key.per_minute,
    }
    try:
        connection.execute(KEYS.insert(), values)
    except IntegrityError:
        raise UsageError(f"there is a key named {key.name!r} already; revoke it, or choose another name") from None


def revoke(connection: Connection, name_or_id: str, at: datetime) -> ApiKey:
    """End a key from ``at`` on; a key that has ended already stays as it was.

    Raises:
        UsageError: no key has that name or id.
    """
    asked = indexed(name_or_id)
    row = connection.execute(select(KEYS).where(KEYS.c.name == asked, KEYS.c.revoked_at.is_(None))).first()
    row = row or connection.execute(select(KEYS).where(KEYS.c.id == asked)).first()
    if row is None:
        raise UsageError(f"no live key is named {name_or_id[:40]!r} or has that id; see: drivetrain keys list")
    found = _key(row)
    if found.revoked_at is None:
        connection.execute(KEYS.update().where(KEYS.c.id == found.id).values(revoked_at=to_us(at)))
    return _key(connection.execute(select(KEYS).where(KEYS.c.id == found.id)).one())


def _key(row: Row[Any]) -> ApiKey:
    return ApiKey(
        id=row.id,
        name=row.name,
        role=Role(row.role),
        secret_sha256=row.secret_sha256,
        created_at=from_us(row.created_at),
        revoked_at=None if row.revoked_at is None else from_us(row.revoked_at),
        per_minute=row.per_minute,
    )
