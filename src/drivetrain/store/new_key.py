"""New API keys: a secret that is shown once, and the hash that is kept of it."""

from __future__ import annotations

import base64
import secrets
import uuid
from collections.abc import Callable
from datetime import UTC, datetime

from ..core.records import ApiKey, Role
from ..core.secret import secret_hash

PREFIX = "dt_"
_SECRET_BYTES = 32


def new_key(
    name: str,
    role: Role,
    per_minute: int | None = None,
    now: datetime | None = None,
    random_bytes: Callable[[int], bytes] = secrets.token_bytes,
) -> tuple[str, ApiKey]:
    """Make a secret of 256 random bits and the key that stands for it; only the key is ever stored."""
    secret = PREFIX + _readable(random_bytes(_SECRET_BYTES))
    made = ApiKey(
        id=uuid.UUID(bytes=random_bytes(16), version=4).hex,
        name=name,
        role=role,
        secret_sha256=secret_hash(secret),
        created_at=now or datetime.now(UTC),
        per_minute=per_minute,
    )
    return secret, made


def _readable(raw: bytes) -> str:
    # The secret has small letters and digits only, so that a double click selects all of it.
    return base64.b32encode(raw).decode().rstrip("=").lower()
