"""Messages about alarms, raised and cleared, posted to one address: signed, and tried again until they arrive.

What is to be told lies in the store, written in the transaction that raised or cleared the alarm, so nothing is lost by whatever
ends. A process claims a message before it posts it; another takes it only where the first did not come back. A receiver may so
get one twice, and knows it by its id.

A message is signed as ``Drivetrain-Signature: t=SECONDS,v1=HEX``: HMAC-SHA256 under the secret over ``SECONDS.BODY``. The moment
is part of what is signed, so that a receiver can refuse an old message that somebody sends again.
"""

from __future__ import annotations

import hashlib
import hmac
import http.client
import json
import logging
import random
import threading
import urllib.error
import urllib.request
from collections.abc import Callable
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Protocol

from ..._version import __version__
from ...core.errors import StoreError, UsageError
from ...core.plain_file import read_plain
from ...core.ports import MonitorStore
from ...core.records import Notice
from .alarm_words import alarm_json, utc
from .webhook_address import shown_address

log = logging.getLogger(__name__)

SIGNATURE = "Drivetrain-Signature"

# The wait after the first failure, and the longest: doubled from one to the next, so that ten failures take half an hour.
FIRST_S = 2.0
LONGEST_S = 2 * 3600.0

# A receiver has so long to answer; nobody else takes the message within the lease.
TIMEOUT_S = 10.0
LEASE_S = 60.0

# Seconds between two looks for messages that are due; what this process raises or clears is told at once.
LOOK_S = 1.0

# A receiver that is slow does not keep the server from ending.
CLOSE_S = 2.0

# A secret that is shorter could be found by trying.
LEAST_SECRET = 16
MOST_SECRET = 4096


class HookGauge(Protocol):
    """Counts what became of messages."""

    def webhook(self, outcome: str) -> None: ...


class _NoRedirect(urllib.request.HTTPRedirectHandler):
    """Follows no redirect: it would send a GET without the message to an address that nobody named."""

    def redirect_request(self, *_: object) -> None:
        """Return no request to go on with: the redirect is then an answer like any other error."""


class Webhook:
    """Posts what is due, in a thread of its own."""

    def __init__(
        self,
        store: MonitorStore,
        url: str,
        secret: bytes,
        gauge: HookGauge,
        *,
        acts: bool = True,
        now: Callable[[], datetime] = lambda: datetime.now(UTC),
        jitter: Callable[[], float] = random.random,
    ) -> None:
        """``acts``: an alarm that stands turns accepted answers into reviewed ones, which is told along."""
        self._store, self.url, self._secret, self._gauge = store, url, secret, gauge
        self._acts, self._now, self._jitter = acts, now, jitter
        self._opener = urllib.request.build_opener(_NoRedirect)
        self._woken = threading.Event()
        self._closed = False
        self.last_error: str | None = None
        """The reason why the last message did not arrive; None where it did."""
        self.last_sent: datetime | None = None
        self.failed = 0
        """Attempts of this process that failed, since it started."""
        self._thread = threading.Thread(target=self._run, name="webhook", daemon=True)

    def start(self) -> None:
        """Begin to post."""
        self._thread.start()

    def wake(self) -> None:
        """Look at once for what is due."""
        self._woken.set()

    def close(self) -> None:
        """Stop. A message under way is not waited for long: it stays in the store, and is sent again."""
        self._closed = True
        self._woken.set()
        if self._thread.is_alive():
            self._thread.join(CLOSE_S)

    def deliver(self) -> int:
        """Post every message that is due, one after the other; returns how many arrived.

        Raises:
            StoreError: the store cannot be used.
        """
        arrived = 0
        while not self._closed:
            now = self._now()
            if not self._store.notices_due(now, 1):
                break  # looking is cheap, and waits for no writer
            claimed = self._store.claim_notices(now, now + timedelta(seconds=LEASE_S), 1)
            if not claimed:
                break
            arrived += self._attempt(claimed[0])
        return arrived

    def _attempt(self, notice: Notice) -> bool:
        error = self._posted(notice)
        at = self._now()
        if error is None:
            self._store.settle_notice(notice, at)
            self.last_sent = at
            if self.last_error is not None:
                log.warning("the webhook at %s takes messages again", shown_address(self.url))
        else:
            again_at = at + timedelta(seconds=wait_s(notice.attempts, self._jitter()))
            self._store.settle_notice(notice, at, error=error, again_at=again_at)
            self.failed += 1
            if error != self.last_error:  # once, not every few seconds while a receiver is down
                log.warning("the webhook at %s: %s; it is tried again", shown_address(self.url), error)
        self.last_error = error
        self._gauge.webhook("arrived" if error is None else "failed")
        return error is None

    def _posted(self, notice: Notice) -> str | None:
        """Post a message; the reason why it did not arrive, or None."""
        body = message(notice, acts=self._acts)
        seconds = int(self._now().timestamp())
        headers = {
            "Content-Type": "application/json",
            "User-Agent": f"drivetrain/{__version__}",
            "Drivetrain-Notice": notice.id,
            SIGNATURE: f"t={seconds},v1={signature(self._secret, seconds, body)}",
        }
        request = urllib.request.Request(self.url, body, headers, method="POST")  # its kind was checked
        try:
            with self._opener.open(request, timeout=TIMEOUT_S) as answer:
                answer.read(1024)
        except urllib.error.HTTPError as error:
            error.close()
            return f"it answered {error.code}"
        except (OSError, http.client.HTTPException, ValueError) as error:
            reason = error.reason if isinstance(error, urllib.error.URLError) else error
            return f"it cannot be reached ({' '.join(str(reason).split())[:200] or type(reason).__name__})"
        return None

    def _run(self) -> None:
        while not self._closed:
            try:
                self.deliver()
            except StoreError:
                pass  # the ledger tells of a store that fails; what is due stays there
            except Exception:  # this thread must live, whatever one message does to it
                log.exception("the webhook failed")
            self._woken.wait(LOOK_S)
            self._woken.clear()


def message(notice: Notice, *, acts: bool) -> bytes:
    """Write the body of a message: JSON in UTF-8."""
    content = {
        "id": notice.id,
        "event": f"alarm.{notice.event}",
        "at": utc(notice.at),
        "alarm": alarm_json(notice.alarm, acts=acts),
    }
    return json.dumps(content, separators=(",", ":")).encode()


def signature(secret: bytes, seconds: int, body: bytes) -> str:
    """HMAC-SHA256 (hex) over the moment, a full stop, and the body.

    >>> signature(b"0123456789abcdef", 1764511320, b"{}")[:16]
    '7c51d5028dc5630b'
    """
    return hmac.new(secret, f"{seconds}.".encode() + body, hashlib.sha256).hexdigest()


def wait_s(attempts: int, jitter: float) -> float:
    """Seconds until the next attempt, after so many; ``jitter`` in 0–1 keeps many servers from asking at the same moment.

    >>> [wait_s(attempts, 1.0) for attempts in (1, 2, 3, 40)]
    [2.0, 4.0, 8.0, 7200.0]
    """
    return float(min(LONGEST_S, FIRST_S * 2.0 ** min(attempts - 1, 30)) * (0.5 + jitter / 2))


def read_secret(path: Path) -> bytes:
    """Read the secret that messages are signed with; white space around it is no part of it.

    Raises:
        UsageError: the file cannot be read, or holds too little.
    """
    try:
        secret = read_plain(path, MOST_SECRET).strip()
    except OSError as error:
        raise UsageError(f"--webhook-secret-file {path} cannot be read ({error.strerror or error})") from None
    if len(secret) < LEAST_SECRET:
        raise UsageError(
            f"--webhook-secret-file {path} holds {len(secret)} bytes; it needs {LEAST_SECRET} or more, such as: openssl rand "
            "-hex 32"
        )
    return secret
