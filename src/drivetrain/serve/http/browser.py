"""Checks and headers for browsers, so that a page of another site can neither read nor do anything here; and headers that a
request must not have twice, or from a proxy."""

from __future__ import annotations

import re
from collections.abc import Iterable, Mapping

from ..settings import is_loopback
from .problems import Problem

Headers = Mapping[bytes, bytes]

_NOTHING = "default-src 'none'; base-uri 'none'; form-action 'none'; frame-ancestors 'none'"

# The console and everything that has no rule of its own.
CONSOLE_POLICY = (
    "default-src 'none'; script-src 'self'; style-src 'self'; img-src 'self' blob: data:; connect-src 'self'; "
    "font-src 'self'; media-src 'self' blob:; frame-src 'self'; base-uri 'none'; form-action 'none'; frame-ancestors 'none'"
)
# A report is one file with its styles and pictures inside; the console shows it in a frame without rights.
REPORT_POLICY = (
    "default-src 'none'; style-src 'unsafe-inline'; img-src data:; base-uri 'none'; form-action 'none'; "
    "frame-ancestors 'self'; sandbox"
)
# Pictures that others sent: opened by themselves they are pictures and nothing else.
IMAGE_POLICY = f"{_NOTHING}; sandbox"

SECURITY_HEADERS: tuple[tuple[bytes, bytes], ...] = (
    (b"x-content-type-options", b"nosniff"),
    (b"referrer-policy", b"no-referrer"),
    (b"cross-origin-opener-policy", b"same-origin"),
    (b"cross-origin-resource-policy", b"same-origin"),
    (b"permissions-policy", b"camera=(self), microphone=(), geolocation=()"),
)
_POLICY = CONSOLE_POLICY.encode()

_HOST = re.compile(r"(\[[0-9a-f:.]*\]|[^:\[\]]*)(?::[0-9]*)?")

# These methods change nothing, and browsers send them without asking.
SAFE_METHODS = frozenset({"GET", "HEAD", "OPTIONS"})


# A head that has one of these twice is refused: one reader takes the first and another the last, so that the one that was
# checked need not be the one that counts.
_ONCE = frozenset(
    {b"host", b"authorization", b"x-api-key", b"origin", b"sec-fetch-site", b"content-type", b"content-length"}
)

# Proxies, load balancers and tunnels add these headers to what they pass on.
_PASSED_ON = frozenset(
    {
        b"forwarded",
        b"via",
        b"x-real-ip",
        b"x-real-port",
        b"x-client-ip",
        b"x-client-cert",
        b"x-cluster-client-ip",
        b"x-proxyuser-ip",
        b"x-remote-ip",
        b"x-remote-addr",
        b"x-host",
        b"x-scheme",
        b"x-original-url",
        b"x-original-host",
        b"x-original-uri",
        b"x-rewrite-url",
        b"x-arr-log-id",
        b"x-arr-ssl",
        b"x-appengine-user-ip",
        b"x-amzn-trace-id",
        b"x-cloud-trace-context",
        b"x-varnish",
        b"true-client-ip",
        b"client-ip",
        b"proxy-client-ip",
        b"wl-proxy-client-ip",
        b"fastly-client-ip",
        b"front-end-https",
        b"cdn-loop",
        b"remote-addr",
    }
)
_PASSED_ON_PREFIXES = (
    b"x-forwarded",
    b"x-original-forwarded",
    b"cf-",
    b"x-envoy-",
    b"x-azure-",
    b"tailscale-",
    b"ngrok-",
)


def check_once(headers: Iterable[tuple[bytes, bytes]]) -> None:
    """Refuse a head that says twice what can be said once.

    Raises:
        Problem: refused (400).
    """
    seen = set()
    for name, _ in headers:
        if name in seen:
            raise Problem("bad-request", f"the header {name.decode('latin-1').title()} was sent twice; send one")
        if name in _ONCE:
            seen.add(name)


def check_direct(headers: Headers) -> None:
    """Refuse what came through a proxy, where no key is needed: the proxy's address is this machine's, whoever asks it.

    Raises:
        Problem: refused (403).
    """
    for name in headers:
        if name in _PASSED_ON or name.startswith(_PASSED_ON_PREFIXES):
            raise Problem(
                "forbidden",
                f"this server is open and may only be reached from this machine, and the request came through a proxy "
                f"({name.decode('latin-1')[:40]}); behind a proxy it needs keys, make one with: drivetrain keys add NAME",
            )


def check_browser(method: str, headers: Headers, *, open_to_all: bool) -> None:
    """Refuse what a page of another site made a browser send.

    Programs send neither Origin nor Sec-Fetch-Site and pass. Where no key is needed the Host must be this machine's, as a
    name that was made to point here (DNS rebinding) would make any page one of ours.

    Raises:
        Problem: refused (403).
    """
    host = headers.get(b"host", b"").decode("latin-1")
    if open_to_all and not is_loopback(_name_of(host)):
        raise Problem(
            "forbidden",
            f"this server answers for localhost only, not for {host[:80]!r}; to serve others, add a key first",
        )
    if method in SAFE_METHODS:
        return
    origin = headers.get(b"origin")
    if origin is not None:
        scheme, _, origin_host = origin.decode("latin-1").partition("://")
        if scheme not in ("http", "https") or origin_host.lower() != host.lower():
            raise Problem("forbidden", "the request comes from a page of another site")
    elif headers.get(b"sec-fetch-site", b"none") not in (b"same-origin", b"none"):
        raise Problem("forbidden", "the request comes from a page of another site")


def _name_of(host: str) -> str:
    """A Host header without its port and the brackets of an IPv6 address; empty if it is none."""
    found = _HOST.fullmatch(host.lower())
    return found[1].strip("[]") if found else ""


def with_security_headers(headers: list[tuple[bytes, bytes]]) -> list[tuple[bytes, bytes]]:
    """Response headers with what is missing added."""
    present = {name for name, _ in headers}
    headers = [*headers, *(pair for pair in SECURITY_HEADERS if pair[0] not in present)]
    if b"content-security-policy" not in present:
        headers.append((b"content-security-policy", _POLICY))
    if b"cache-control" not in present:
        # Answers speak of people's pictures; what may be kept says so itself.
        headers.append((b"cache-control", b"no-store"))
    return headers
