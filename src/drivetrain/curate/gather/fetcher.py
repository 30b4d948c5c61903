"""Fetching: addresses → bytes, with patience, manners and bounds."""

from __future__ import annotations

from collections.abc import Callable
from datetime import datetime
from typing import TYPE_CHECKING
from urllib.parse import urljoin

from ...core.errors import UsageError
from ...core.installation import install_command
from .addresses import PRIVATE, Addresses, checked_url, host_of
from .answer import Answer, Head, Screen
from .clock import Clock
from .limits import Limits
from .manners import Manners
from .pace import Pace
from .refusal import NotFetchedError
from .robots import MAX_BYTES as MAX_ROBOTS_BYTES

if TYPE_CHECKING:
    from .exchange import Exchange

REDIRECTS = frozenset({301, 302, 303, 307, 308})
AGAIN = frozenset({429, 500, 502, 503, 504})
"""Statuses after which a host is asked again."""

NOT_SOON = frozenset({"no host", "throttled", "robots", PRIVATE})
"""Reasons that may pass, but not within a run."""

# Kinds of bodies that are no picture. Hosts announce pictures as anything, but never as one of these.
FOREIGN = ("text/", "audio/", "video/", "multipart/", "application/json", "application/pdf", "application/zip")


class Fetcher:
    """Fetches for one run, from any of its threads."""

    def __init__(self, exchange: Exchange, limits: Limits, clock: Clock, now: Callable[[], datetime]) -> None:
        self._exchange = exchange
        self._limits = limits
        self._clock = clock
        self._now = now
        self._pace = Pace(limits, clock)
        self._manners = Manners(self._robots_text)

    def picture(self, url: str) -> Answer:
        """Fetch a picture's bytes, which nobody has looked into yet.

        Raises:
            NotFetchedError: refused here or there, not to be had, or not a picture; its reason says which.
            StoppedError: the run is stopped.
        """
        return self._follow(url, self._screen_picture, self._limits.max_bytes, self._manners.check)

    def document(self, url: str, max_bytes: int, interval_s: float) -> Answer:
        """Fetch what a service answers to programs; their terms hold, not the rules for robots that read its pages.

        Requests begin at least ``interval_s`` apart. The answer's status is 200.

        Raises:
            NotFetchedError: as `picture`.
            StoppedError: the run is stopped.
        """
        return self._follow(url, _screen_status, max_bytes, lambda _url: interval_s)

    def hold(self, url: str, seconds: float) -> None:
        """Give the host of an address a pause."""
        self._pace.hold(host_of(url), seconds)

    def close(self) -> None:
        """Close all connections."""
        self._exchange.close()

    def _follow(
        self, url: str, screen: Screen, max_bytes: int, interval: Callable[[str], float], *, cut: bool = False
    ) -> Answer:
        address = checked_url(url)
        for _ in range(self._limits.redirects + 1):
            pause_s = interval(address)
            answer = self._patiently(
                address, pause_s, lambda one: self._exchange.get(one, _patient(screen), max_bytes, cut=cut)
            )
            if answer.head.status not in REDIRECTS:
                return answer
            address = _next_address(address, answer.head.headers.get("location", ""))
        raise NotFetchedError("redirects", f"it leads on more than {self._limits.redirects} times")

    def _patiently(self, url: str, interval_s: float, ask: Callable[[str], Answer]) -> Answer:
        """Ask until there is an answer that asking again would not change."""
        host = host_of(url)
        for attempt in range(self._limits.retries + 1):
            last = attempt == self._limits.retries
            try:
                with self._pace.turn(host, interval_s):
                    return ask(url)
            except _TryAgain as answer:
                pause = answer.head.retry_after_s(self._now)
                if pause is not None:
                    self._pace.hold(host, pause)
                if last:
                    raise _busy(answer.head) from None
                if pause is None:
                    self._clock.wait(self._pace.backoff_s(attempt))
            except NotFetchedError as error:
                if last or not error.passing or error.reason in NOT_SOON:
                    raise
                self._clock.wait(self._pace.backoff_s(attempt))
        raise AssertionError("the last attempt returns or raises")

    def _screen_picture(self, head: Head) -> None:
        if head.status in REDIRECTS:
            return
        _screen_status(head)
        self._manners.screen(head)
        if head.media_type.startswith(FOREIGN):
            raise NotFetchedError("not an image", f"its host says that it is {head.media_type}")

    def _robots_text(self, url: str) -> Answer:
        return self._follow(url, lambda _head: None, MAX_ROBOTS_BYTES, lambda _url: 0.0, cut=True)


def _next_address(address: str, location: str) -> str:
    try:
        return checked_url(urljoin(address, location))
    except ValueError:
        raise NotFetchedError("no address", f"it leads to {location[:200]!r}, which is no address") from None


class _TryAgain(Exception):  # noqa: N818  # a signal between the lines above, not an error
    def __init__(self, head: Head) -> None:
        super().__init__(head.status)
        self.head = head


def _patient(screen: Screen) -> Screen:
    def look(head: Head) -> None:
        if head.status in AGAIN:
            raise _TryAgain(head)
        screen(head)

    return look


def _busy(head: Head) -> NotFetchedError:
    reason = "throttled" if head.status == 429 else "host error"
    return NotFetchedError(reason, f"its host keeps answering {head.status}", passing=True)


def _screen_status(head: Head) -> None:
    """Refuse what is no success; redirects are followed."""
    status = head.status
    if status == 200 or status in REDIRECTS:
        return
    if status in (404, 410):
        raise NotFetchedError("not found", f"its host answers {status}")
    if status in (401, 403, 451):
        raise NotFetchedError("forbidden", f"its host answers {status}")
    raise NotFetchedError("host error", f"its host answers {status}", passing=status >= 500)


def open_fetcher(
    agent: str, addresses: Addresses, limits: Limits, clock: Clock, now: Callable[[], datetime]
) -> Fetcher:
    """Make a fetcher.

    Raises:
        UsageError: the packages for gathering are not installed.
    """
    try:
        from .exchange import Exchange
    except ModuleNotFoundError as error:
        raise UsageError(
            f"gathering needs more packages ({error.name} is not there); {install_command('gather')}"
        ) from None
    return Fetcher(Exchange(agent, addresses, limits, clock), limits, clock, now)
