"""The one key of a desk that others can reach, in a file; without one a desk answers its own machine only."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path

from ..core.errors import UsageError
from ..core.plain_file import read_plain
from ..core.records import ApiKey, Role
from ..core.secret import secret_hash
from ..serve.access import Guard

LEAST_SECRET, MOST_SECRET = 16, 4096


@dataclass(frozen=True)
class Keys:
    """The part of a store that a `Guard` asks."""

    found: tuple[ApiKey, ...] = ()

    def keys(self) -> tuple[ApiKey, ...]:
        """All there are."""
        return self.found


def read_key(path: Path) -> Keys:
    """Read the key; white space around it is no part of it.

    Raises:
        UsageError: the file cannot be read, or holds too little.
    """
    try:
        secret = read_plain(path, MOST_SECRET).decode("utf-8").strip()
    except (OSError, UnicodeDecodeError) as error:
        reason = (error.strerror if isinstance(error, OSError) else None) or str(error)
        raise UsageError(f"--key-file {path} cannot be read ({reason})") from None
    if len(secret) < LEAST_SECRET:
        raise UsageError(
            f"--key-file {path} holds {len(secret)} characters; it needs {LEAST_SECRET} or more, such as: openssl rand -hex 32"
        )
    key = ApiKey("desk", "desk", Role.ADMIN, secret_hash(secret), datetime(2026, 1, 1, tzinfo=UTC))
    return Keys((key,))


def guard_of(host: str, key_file: Path | None, *, loopback: bool) -> Guard:
    """The guard of a desk.

    Raises:
        UsageError: others can reach the address, and there is no key.
    """
    keys = Keys() if key_file is None else read_key(key_file)
    if not loopback and key_file is None:
        raise UsageError(
            f"{host} can be reached by others, and there is no key; write one into a file (openssl rand -hex 32 > key.txt) "
            "and give it with --key-file, or leave --host out"
        )
    return Guard(keys, loopback=loopback)
