"""Keys, their roles, and how many images a minute they may send.

As long as the store has never held a key the server is open, and for that reason only reachable from its own machine. From the
first key on it asks everybody for one, for good: also when the last has been revoked, as revoked keys stay in the store. Keys
are read again every few seconds (see `Guard.refresh`), so that one that is made or revoked soon counts in every process.
"""

from __future__ import annotations

import hmac
import logging
import math
import threading
import time
from collections.abc import Callable
from dataclasses import dataclass
from typing import Protocol

from starlette.requests import Request

from ..core.errors import StoreError
from ..core.records import ApiKey, Role
from ..core.secret import secret_hash
from .http.problems import Problem

log = logging.getLogger(__name__)


@dataclass(frozen=True, slots=True)
class Caller:
    """The caller of a request; ``client`` is the address by which fairness is counted."""

    role: Role
    client: str
    key: ApiKey | None = None


class KnowsKeys(Protocol):
    """The interface of what keeps the keys: a store, or a file with one."""

    def keys(self) -> tuple[ApiKey, ...]:
        """All keys, revoked ones too; may raise `StoreError`."""
        ...


class Guard:
    """Knows the keys, and whether any are needed."""

    def __init__(
        self,
        store: KnowsKeys,
        *,
        loopback: bool,
        share: int = 1,
        clock: Callable[[], float] = time.monotonic,
    ) -> None:
        """``loopback``: only this machine can reach the server. ``share``: among so many processes a key's images a minute
        are divided."""
        self._loopback = loopback
        self._known = False
        """Tells whether the store could be asked the last time."""
        self._closed = False
        """Tells whether a key has been seen."""
        self._store = store
        self._share = share
        self._clock = clock
        self._lock = threading.Lock()
        self._buckets: dict[str, _Bucket] = {}
        self._keys: tuple[ApiKey, ...] = ()
        self._said = ""
        self.refresh()

    def refresh(self) -> None:
        """Read the keys again; those known stay where the store cannot be asked."""
        try:
            keys = self._store.keys()
        except StoreError as error:
            if str(error) != self._said:  # not every two seconds while a database is gone
                log.warning("the keys cannot be read again, those known stay: %s", error)
            self._said = str(error)
            self._known = False
            return
        if keys and not self._closed and self._known and self._loopback:
            log.warning("a key was made: from now on this server asks everybody for one")
        # The server never opens again: a store that was emptied, or restored from before its first key, must not open it.
        self._closed = self._closed or bool(keys)
        self._keys, self._known, self._said = keys, True, ""

    @property
    def can_tell(self) -> bool:
        """Tells whether callers can be told apart: by the keys of last time, or as an open store could be asked."""
        return self._known or not self.open_to_all

    @property
    def has_live_key(self) -> bool:
        """Tells whether there is a key that opens anything."""
        return any(key.revoked_at is None for key in self._keys)

    @property
    def open_to_all(self) -> bool:
        """Tells whether no key is needed; where the store could not be asked whether there is one, see `admit`."""
        return self._loopback and not self._closed

    def caller(self, request: Request) -> Caller | None:
        """Return the caller; None without a valid key, and while nobody knows whether one is needed."""
        client = request.client.host if request.client else "?"
        if self.open_to_all:
            return Caller(Role.ADMIN, client) if self.can_tell else None
        secret = _secret(request)
        if secret is None:
            return None
        key = self._find(secret)
        return Caller(key.role, key.id, key) if key else None

    def admit(self, request: Request, needed: Role) -> Caller:
        """The caller, if its role suffices.

        Raises:
            Problem: no valid key (401), or one that may not do this (403); or the store cannot say whether a key is needed
                (503).
        """
        caller = self.caller(request)
        if caller is None and self.open_to_all:
            raise Problem(
                "store-unavailable", "the store cannot be read, nor whether a key is needed; ask again", retry_after_s=2
            )
        if caller is None:
            given = "the key is not known or was revoked" if _secret(request) else "no key was sent"
            raise Problem(
                "unauthorized",
                f"{given}; send it as Authorization: Bearer dt_…",
                headers={"WWW-Authenticate": 'Bearer realm="drivetrain"'},
            )
        if not caller.role.may(needed):
            raise Problem("forbidden", f"this needs a key with the role {needed}; this one has {caller.role}")
        return caller

    def count(self, caller: Caller, images: int) -> None:
        """Count images against the key's rate.

        Raises:
            Problem: it has sent more than it may (429).
        """
        key = caller.key
        if key is None or key.per_minute is None:
            return
        per_minute = key.per_minute / self._share
        with self._lock:
            bucket = self._buckets.get(key.id)
            if bucket is None or bucket.per_minute != per_minute:
                bucket = self._buckets[key.id] = _Bucket(per_minute, per_minute, self._clock())
            wait_s = bucket.take(images, self._clock())
        if wait_s > 0:
            # The wait is rounded up: a client that came back a moment early would be sent away again.
            seconds = max(1, math.ceil(wait_s))
            raise Problem(
                "too-many-requests",
                f"this key may send {key.per_minute} images a minute; wait {seconds} s",
                retry_after_s=seconds,
            )

    def _find(self, secret: str) -> ApiKey | None:
        digest = secret_hash(secret)
        found = None
        # All are compared, and each in constant time, so that the time taken says nothing of how near a guess came.
        for key in self._keys:
            if hmac.compare_digest(key.secret_sha256, digest) and key.revoked_at is None:
                found = key
        return found


@dataclass
class _Bucket:
    """A token bucket that holds a minute's worth."""

    per_minute: float
    tokens: float
    at_s: float

    def take(self, count: int, now_s: float) -> float:
        """0 if there were enough, else the seconds until there will be; more than a minute's worth needs a full bucket."""
        self.tokens = min(self.per_minute, self.tokens + (now_s - self.at_s) * self.per_minute / 60)
        self.at_s = now_s
        needed = min(count, self.per_minute)
        if self.tokens >= needed:
            self.tokens -= count
            return 0.0
        return (needed - self.tokens) * 60 / self.per_minute


def _secret(request: Request) -> str | None:
    scheme, _, token = request.headers.get("authorization", "").partition(" ")
    if scheme.lower() == "bearer" and token:
        return token.strip()
    return request.headers.get("x-api-key") or None
