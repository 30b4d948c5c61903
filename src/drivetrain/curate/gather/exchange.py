"""One request and its answer, over connections that are kept for the next. Needs httpcore2."""

from __future__ import annotations

import zlib
from collections.abc import Iterator
from contextlib import contextmanager

import httpcore2

from .addresses import Addresses
from .answer import Answer, Head, Screen
from .backend import DEADLINE, CheckedBackend
from .clock import Clock
from .limits import Limits
from .refusal import NotFetchedError

# Connections kept for the next request, and for how long.
KEPT, KEPT_S = 16, 10.0


class Exchange:
    """Sends requests and reads what comes back; redirects are answers like any other. Serves several threads."""

    def __init__(self, agent: str, addresses: Addresses, limits: Limits, clock: Clock) -> None:
        self._limits = limits
        self._clock = clock
        self._headers = [("User-Agent", agent), ("Accept", "image/*,*/*;q=0.5"), ("Accept-Encoding", "identity")]
        self._pool = httpcore2.ConnectionPool(
            ssl_context=httpcore2.default_ssl_context(),
            max_connections=64,
            max_keepalive_connections=KEPT,
            keepalive_expiry=KEPT_S,
            network_backend=CheckedBackend(addresses, clock),
        )

    def get(self, url: str, screen: Screen, max_bytes: int, *, cut: bool = False) -> Answer:
        """Ask once. ``cut``: of a longer body the beginning is enough.

        Raises:
            NotFetchedError: no answer, none in time, one that breaks off or is too long, or what ``screen`` raises.
        """
        limits = self._limits
        waits = {"connect": limits.connect_s, "read": limits.idle_s, "write": limits.idle_s, "pool": limits.total_s}
        token = DEADLINE.set(self._clock.seconds() + limits.total_s)
        try:
            with (
                _plainly(limits),
                self._pool.stream("GET", url, headers=self._headers, extensions={"timeout": waits}) as response,
            ):
                head = Head(url, response.status, _joined(response.headers))
                screen(head)
                return Answer(head, _body(response.iter_stream(), head, max_bytes, cut))
        finally:
            DEADLINE.reset(token)

    def close(self) -> None:
        """Close all connections."""
        self._pool.close()


@contextmanager
def _plainly(limits: Limits) -> Iterator[None]:
    try:
        yield
    except httpcore2.ConnectTimeout:
        raise NotFetchedError("timeout", f"no connection within {limits.connect_s:g} s", passing=True) from None
    except httpcore2.TimeoutException:
        detail = f"no byte for {limits.idle_s:g} s, or not all of them within {limits.total_s:g} s"
        raise NotFetchedError("timeout", detail, passing=True) from None
    except httpcore2.RemoteProtocolError as error:
        cut = "without sending complete" in str(error)
        detail = "the connection ended before the body did" if cut else f"the answer is no HTTP ({error})"
        raise NotFetchedError("truncated" if cut else "connection", detail, passing=True) from None
    except (httpcore2.LocalProtocolError, httpcore2.UnsupportedProtocol) as error:
        raise NotFetchedError("no address", str(error) or "it cannot be asked") from None
    except httpcore2.NetworkError as error:
        raise NotFetchedError("connection", f"the connection failed ({error})", passing=True) from None


def _joined(headers: list[tuple[bytes, bytes]]) -> dict[str, str]:
    found: dict[str, str] = {}
    for name, value in headers:
        key, text = name.decode("latin-1").lower(), value.decode("latin-1")
        between = "\n" if key == "x-robots-tag" else ", "
        found[key] = f"{found[key]}{between}{text}" if key in found else text
    return found


def _body(chunks: Iterator[bytes], head: Head, max_bytes: int, cut: bool) -> bytes:
    announced = head.headers.get("content-length", "")
    if not cut and announced.isascii() and announced.isdigit() and int(announced) > max_bytes:
        raise _too_long(max_bytes)
    unpack = _unpacker(head, max_bytes)
    body = bytearray()
    for chunk in chunks:
        body += unpack(chunk)
        if len(body) > max_bytes:
            if cut:
                return bytes(body[:max_bytes])
            raise _too_long(max_bytes)
    return bytes(body)


def _too_long(max_bytes: int) -> NotFetchedError:
    return NotFetchedError("too large", f"the body has more than {max_bytes / 2**20:.0f} MiB")


class _Packed:
    """Unpacks gzip or deflate, never more than the bound."""

    def __init__(self, bound: int) -> None:
        self._bound = bound
        self._stream = zlib.decompressobj(zlib.MAX_WBITS | 32)

    def __call__(self, chunk: bytes) -> bytes:
        try:
            return self._stream.decompress(chunk, self._bound + 1)
        except zlib.error:
            raise NotFetchedError("damaged", "its body says it is packed, and cannot be unpacked") from None


def _unpacker(head: Head, bound: int) -> _Packed | type[bytes]:
    """Return how a body becomes plain; hosts are asked for plain ones, and some pack them all the same."""
    coding = head.headers.get("content-encoding", "").strip().lower()
    if coding in ("", "identity"):
        return bytes
    if coding in ("gzip", "x-gzip", "deflate"):
        return _Packed(bound)
    raise NotFetchedError("damaged", f"its body is packed as {coding[:20]!r}, which was not asked for")
