"""The connections of a process, and which of them ends when there are too many.

A connection costs a file descriptor and some memory, and a client can open thousands for nothing. So their number is bounded:
beyond it each new one takes the place of the one the server has waited for longest, first among those of the address that has
most. A new one is refused only where every connection is at work.
"""

from __future__ import annotations

import ipaddress
import logging
import sys
from collections import OrderedDict
from typing import Protocol

if sys.platform != "win32":  # which has no such limits
    import resource

log = logging.getLogger(__name__)

# A process holds at most so many connections; idle, they take some tens of megabytes.
MOST = 2048

# While more than this part of them are taken, a client that has its answer must ask again within so many seconds.
BUSY = 1 / 2
KEEP_ALIVE_S = 5

# So many file descriptors are left to everything else: the store, bundles, libraries.
SPARE = 48

# More descriptors than this are no use, and some libraries count through all they may have.
DESCRIPTORS = 65_536


class Connection(Protocol):
    """The interface of a connection."""

    @property
    def is_idle(self) -> bool:
        """Tells whether the server waits for a request, or for its head."""
        ...

    @property
    def is_sending(self) -> bool:
        """Tells whether a request or its answer is held up by the client."""
        ...

    def hang_up(self) -> None:
        """End it at once."""
        ...


class Connections:
    """The connections of one process, by address; of each address the one that has been waited for longest comes first."""

    def __init__(self, most: int = MOST) -> None:
        self._most = most
        self._count = 0
        self._by_address: dict[str, OrderedDict[Connection, None]] = {}

    def __len__(self) -> int:
        return self._count

    @property
    def are_many(self) -> bool:
        """Tells whether the places will soon be taken."""
        return self._count > self._most * BUSY

    def enter(self, connection: Connection, host: str, descriptor: int) -> bool:
        """Take in a new connection; False if there is no place for it. ``descriptor`` is the number of its file: systems give
        the lowest that is free, so it tells how many are taken."""
        self._by_address.setdefault(_network(host), OrderedDict())[connection] = None
        self._count += 1
        if self._count <= self._most and descriptor < _descriptors() - SPARE:
            return True
        found = self._stalest(connection)
        if found is None:
            return False
        found.hang_up()
        return True

    def leave(self, connection: Connection, host: str) -> None:
        """Forget a connection that is closed."""
        network = _network(host)
        line = self._by_address.get(network)
        if line is not None and connection in line:
            del line[connection]
            self._count -= 1
            if not line:
                del self._by_address[network]

    def answered(self, connection: Connection, host: str) -> None:
        """Note that a connection has its answer: the server waits for it anew from now on."""
        line = self._by_address.get(_network(host))
        if line is not None and connection in line:
            line.move_to_end(connection)

    def _stalest(self, newest: Connection) -> Connection | None:
        for line in sorted(self._by_address.values(), key=len, reverse=True):
            found = next((one for one in line if one.is_idle and one is not newest), None)
            found = found or next((one for one in line if one.is_sending and one is not newest), None)
            if found is not None:
                return found
        return None


def _network(host: str) -> str:
    """The part of an address that counts as one: of IPv6 its network, as every customer is given a whole one."""
    if ":" not in host:
        return host
    try:
        address = ipaddress.IPv6Address(host)
    except ValueError:
        return host
    return str(address.ipv4_mapped or address.packed[:8].hex())


def _descriptors() -> int:
    """Return the number of file descriptors this process may have."""
    if sys.platform == "win32":
        return DESCRIPTORS
    soft, _ = resource.getrlimit(resource.RLIMIT_NOFILE)
    return DESCRIPTORS if soft == resource.RLIM_INFINITY else soft


def raise_descriptors() -> None:
    """Have as many file descriptors as this user may have; shells give a program few of them."""
    if sys.platform == "win32":
        return
    soft, hard = resource.getrlimit(resource.RLIMIT_NOFILE)
    wanted = DESCRIPTORS if hard == resource.RLIM_INFINITY else min(hard, DESCRIPTORS)
    if soft != resource.RLIM_INFINITY and soft < wanted:
        try:
            resource.setrlimit(resource.RLIMIT_NOFILE, (wanted, hard))
        except (OSError, ValueError) as error:
            log.warning("%d file descriptors are few for a server, and more cannot be had: %s", soft, error)
