"""A server's HTTP API as a sender meets it: one connection a thread, patience with what passes, and words for what does not."""

from __future__ import annotations

import http.client
import json
import ssl
import threading
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from datetime import UTC, datetime
from email.utils import parsedate_to_datetime
from typing import Any
from urllib.parse import urlencode, urlsplit

from ..._version import __version__
from ...core.errors import UsageError

PASSING = frozenset({408, 425, 429, 500, 502, 503, 504})
"""Answers after which the same request may succeed later."""

FIRST_S, LONGEST_S = 1.0, 60.0
"""The wait after the first failure, and the longest, where the server names none."""

TIMEOUT_S = 120.0
MOST_BYTES = 4 << 20

Body = tuple[str, bytes]
"""Type and content."""


class UnreachableError(UsageError):
    """The server did not answer within the time that is waited for it."""


@dataclass(frozen=True, slots=True)
class Reply:
    """An answer that is no passing failure."""

    status: int
    document: Mapping[str, Any]
    repeated: bool
    """The request was sent before, and nobody knows whether it was taken then."""

    @property
    def is_good(self) -> bool:
        """Tells whether the request was carried out."""
        return 200 <= self.status < 300

    @property
    def detail(self) -> str:
        """Say what the server said against it."""
        text = self.document.get("detail")
        return text if isinstance(text, str) and text else f"the server answered {self.status}"


@dataclass(frozen=True)
class Patience:
    """The clocks and chance by which a sender waits, and for how long."""

    clock: Callable[[], float]
    """A steady clock, in seconds."""
    sleep: Callable[[float], None]
    jitter: Callable[[], float]
    """Numbers in 0–1, so that many senders do not come back at one moment."""
    wall: Callable[[], datetime] = lambda: datetime.now(UTC)
    give_up_s: float | None = 600.0
    """The longest time without an answer; None: for ever."""


class ServerApi:
    """Asks one server. Safe to use from several threads."""

    def __init__(
        self, url: str, secret: str | None, patience: Patience, notice: Callable[[str], None] = lambda _line: None
    ) -> None:
        """``notice`` is told once when the server begins to keep the sender waiting.

        Raises:
            UsageError: ``url`` is no address of a server.
        """
        parts = urlsplit(url if "://" in url else f"http://{url}")
        try:
            host, port = parts.hostname, parts.port
        except ValueError:
            host, port = None, None
        if parts.scheme not in {"http", "https"} or not host or parts.query or parts.username:
            raise UsageError(f"{url!r} is no server's address; write one such as http://127.0.0.1:8000")
        self._secure, self._host, self._port, self._base = parts.scheme == "https", host, port, parts.path.rstrip("/")
        self.url = f"{parts.scheme}://{parts.netloc}{self._base}"
        self._secret, self._patience, self._notice = secret, patience, notice
        self._own = threading.local()
        self._waiting = False

    def get(self, path: str, **query: str | None) -> Reply:
        """Ask for something."""
        return self._request("GET", path, query, None)

    def post(self, path: str, body: Body, **query: str | None) -> Reply:
        """Send something, again and again until the server answers; it has to be safe to send twice."""
        return self._request("POST", path, query, body)

    def _request(self, method: str, path: str, query: Mapping[str, str | None], body: Body | None) -> Reply:
        given = urlencode({name: value for name, value in query.items() if value is not None})
        target = f"{self._base}{path}{f'?{given}' if given else ''}"
        began_s, attempt, repeated = self._patience.clock(), 0, False
        while True:
            status, why, wait_s, document = self._attempt(method, target, body)
            if status is not None and status not in PASSING:
                self._waiting = False
                self._check_allowed(status, document)
                return Reply(status, document, repeated)
            # A 429 and a 503 say that nothing was done; after anything else the request may have been taken.
            repeated = repeated or status not in {429, 503}
            self._wait(attempt, why, wait_s, began_s)
            attempt += 1

    def _wait(self, attempt: int, why: str, wait_s: float | None, began_s: float) -> None:
        patience = self._patience
        own_s = min(LONGEST_S, FIRST_S * 2.0 ** min(attempt, 30)) * (0.5 + patience.jitter() / 2)
        wait_s = own_s if wait_s is None else wait_s
        spent_s = patience.clock() - began_s
        if patience.give_up_s is not None and spent_s + wait_s > patience.give_up_s:
            raise UnreachableError(
                f"{self.url} has not taken it for {spent_s:.0f} s: {why}; run the command again later, and it goes on"
            )
        if not self._waiting:
            self._waiting = True
            most_s = patience.give_up_s
            until = "for as long as it takes" if most_s is None else f"for up to {most_s / 60:.0f} minutes"
            self._notice(f"{self.url}: {why}; trying again {until}")
        patience.sleep(wait_s)

    def _attempt(
        self, method: str, target: str, body: Body | None
    ) -> tuple[int | None, str, float | None, Mapping[str, Any]]:
        """Return status (None without an answer), the reason to wait, the seconds the server names, and its document."""
        headers = {"User-Agent": f"drivetrain/{__version__}", "Accept": "application/json"}
        if self._secret is not None:
            headers["Authorization"] = f"Bearer {self._secret}"
        if body is not None:
            headers["Content-Type"] = body[0]
        connection = self._connection()
        try:
            connection.request(method, target, None if body is None else body[1], headers)
            answer = connection.getresponse()
            data = answer.read(MOST_BYTES)
        except ssl.SSLCertVerificationError as error:
            raise UsageError(f"{self.url} cannot show that it is who it says ({error.verify_message})") from None
        except (OSError, http.client.HTTPException) as error:
            connection.close()
            return None, f"it cannot be reached ({' '.join(str(error).split()) or type(error).__name__})", None, {}
        if answer.will_close or not answer.isclosed():
            connection.close()
        document = _document(data)
        said = document.get("detail")
        why = f"it answers {answer.status}{f' ({said})' if isinstance(said, str) else ''}"
        return answer.status, why, _retry_after_s(answer.getheader("Retry-After"), self._patience.wall), document

    def _connection(self) -> http.client.HTTPConnection:
        """Return this thread's connection, which opens itself again after it was closed."""
        kept: http.client.HTTPConnection | None = getattr(self._own, "connection", None)
        if kept is None:
            kept = (
                http.client.HTTPSConnection(self._host, self._port, timeout=TIMEOUT_S)
                if self._secure
                else http.client.HTTPConnection(self._host, self._port, timeout=TIMEOUT_S)
            )
            self._own.connection = kept
        return kept

    def _check_allowed(self, status: int, document: Mapping[str, Any]) -> None:
        """Refuse to go on after an answer that every other request would get, too.

        Raises:
            UsageError: the key is missing, wrong or of another role, or there is another program at this address.
        """
        detail = document.get("detail")
        if status == 401:
            raise UsageError(
                f"{self.url} asks for a key; put one in $DRIVETRAIN_KEY, or name its file with --key-file "
                f"({detail or 'the server answered 401'})"
            )
        if status == 403:
            raise UsageError(f"{self.url} refuses this key: {detail or 'it answered 403'}")
        if 300 <= status < 400 or (not document and status != 204):
            raise UsageError(
                f"{self.url} is no server of drivetrain: it answered {status}; give the address it serves at"
            )


def _document(data: bytes) -> Mapping[str, Any]:
    try:
        read = json.loads(data)
    except (ValueError, RecursionError):
        return {}
    return read if isinstance(read, dict) else {}


def _retry_after_s(text: str | None, wall: Callable[[], datetime]) -> float | None:
    """Return the seconds that a server asks to wait: so many, or until a date."""
    if text is None:
        return None
    if text.strip().isdigit():
        return float(text)
    try:
        return max(0.0, (parsedate_to_datetime(text) - wall()).total_seconds())
    except (ValueError, TypeError):
        return None
