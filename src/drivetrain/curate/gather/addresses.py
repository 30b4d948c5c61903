"""Addresses on the web: which are asked at all, and to which machines a name may lead.

A list of addresses from a stranger could point into the reader's own network. A name is therefore resolved once, every
address that it stands for is looked at, and the connection goes to an address that was looked at, whatever the name stands
for a moment later.
"""

from __future__ import annotations

import socket
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from ipaddress import IPv4Address, IPv6Address, IPv6Network, ip_address
from urllib.parse import quote, urlsplit, urlunsplit

from .refusal import NotFetchedError

Resolve = Callable[[str, int], Sequence[str]]

PRIVATE = "private address"

# Networks whose addresses carry one of version 4 in their last bytes: translation (RFC 6052), and its local form (RFC 8215).
_TRANSLATED = (IPv6Network("64:ff9b::/96"), IPv6Network("64:ff9b:1::/48"))
_SAFE = "%/:=&?~#+!$,;'@()*[]"


def resolve(host: str, port: int) -> Sequence[str]:
    """Ask the system for a name's addresses.

    Raises:
        OSError: there are none.
    """
    found = socket.getaddrinfo(host, port, type=socket.SOCK_STREAM)
    return list(dict.fromkeys(str(entry[4][0]) for entry in found))


def checked_url(url: str) -> str:
    """Return an address as it is asked for: ``http`` or ``https``, a host, no password, no fragment, ASCII.

    >>> checked_url("https://example.org/a b.jpg#top")
    'https://example.org/a%20b.jpg'

    Raises:
        NotFetchedError: it is not of these.
    """
    try:
        parts = urlsplit(url.strip())
        host, port = parts.hostname, parts.port
    except ValueError as error:
        raise NotFetchedError("no address", f"{url!r} is no address ({error})") from None
    if parts.scheme not in ("http", "https") or not host:
        raise NotFetchedError("no address", f"{url!r} is no http or https address")
    if "@" in parts.netloc:
        raise NotFetchedError("no address", "it holds a user or a password, which would stay in the record")
    try:
        plain = host.encode("idna").decode("ascii").lower() if not host.isascii() else host.lower()
        path, query = quote(parts.path or "/", _SAFE), quote(parts.query, _SAFE)
    except UnicodeError:
        raise NotFetchedError("no address", f"{url!r} holds characters that no address can") from None
    place = f"[{plain}]" if ":" in plain else plain
    netloc = place if port is None else f"{place}:{port}"
    return urlunsplit((parts.scheme, netloc, path, query, ""))


def host_of(url: str) -> str:
    """The host and port of an address, as requests to it are counted."""
    return urlsplit(url).netloc


def is_public(text: str) -> bool:
    """Tells whether an address is one of the open internet, whatever way it is written in.

    >>> is_public("93.184.216.34"), is_public("10.0.0.1"), is_public("::ffff:127.0.0.1"), is_public("fe80::1%eth0")
    (True, False, False, False)
    """
    address = ip_address(text.partition("%")[0])
    if isinstance(address, IPv6Address):
        inner = _inner(address)
        if inner is not None:
            address = inner
    return address.is_global and not address.is_multicast and not address.is_reserved


def is_any(text: str) -> bool:  # noqa: ARG001  # in the place of `is_public`
    """Tells that an address may be asked, wherever it lies."""
    return True


def _inner(address: IPv6Address) -> IPv4Address | None:
    """The address of version 4 that one of version 6 leads to."""
    if address.ipv4_mapped is not None:
        return address.ipv4_mapped
    if address.sixtofour is not None:
        return address.sixtofour
    if address.teredo is not None:
        return address.teredo[1]
    if any(address in network for network in _TRANSLATED):
        return IPv4Address(int(address) & 0xFFFFFFFF)
    return None


@dataclass(frozen=True)
class Addresses:
    """The machines that may be asked."""

    resolve: Resolve = resolve
    allowed: Callable[[str], bool] = is_public

    def of(self, host: str, port: int) -> Sequence[str]:
        """Resolve a name to addresses that may be connected to.

        Raises:
            NotFetchedError: it has none, or one of them lies in a private network.
        """
        try:
            found = self.resolve(host, port)
        except (OSError, UnicodeError) as error:
            # A name that does not exist is answered like one that cannot be looked up just now.
            detail = f"{host} cannot be found ({getattr(error, 'strerror', None) or error})"
            raise NotFetchedError("no host", detail, passing=True) from None
        if private := [one for one in found if not self.allowed(one)]:
            raise NotFetchedError(
                PRIVATE,
                f"{host} leads to {private[0]}, inside a private network; --allow-private asks it all the same",
                passing=True,
            )
        return found
