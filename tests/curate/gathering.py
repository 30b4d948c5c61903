"""What a gathering run needs, with every host's name leading to this machine and no more patience than a test has."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from datetime import UTC, datetime
from pathlib import Path
from time import monotonic

from drivetrain.core.ports import Silent
from drivetrain.curate.gather.addresses import Addresses, is_public
from drivetrain.curate.gather.clock import Clock
from drivetrain.curate.gather.fetcher import Fetcher, open_fetcher
from drivetrain.curate.gather.found import Found
from drivetrain.curate.gather.limits import Limits
from drivetrain.curate.gather.run import Gathering, Order
from drivetrain.curate.gather.tally import Tally
from drivetrain.curate.gather.writer import open_writer
from drivetrain.data.provenance.line import Provenance
from drivetrain.data.provenance.record import read_record

HERE = "127.0.0.1"
AGENT = "drivetrain/0 (test)"
HASTY = Limits(connect_s=2, idle_s=1.5, total_s=3, max_bytes=1 << 20, retries=2, backoff_s=0.02, longest_wait_s=3)


def now() -> datetime:
    """A moment."""
    return datetime(2026, 1, 2, 3, 4, 5, tzinfo=UTC)


def here_only(host: str, port: int) -> Sequence[str]:  # noqa: ARG001  # as the system's look-up
    """Every name leads to this machine; addresses are their own."""
    return [host if host[0].isdigit() or ":" in host else HERE]


def allowed(address: str) -> bool:
    """This machine counts as public; its other addresses do not."""
    return address == HERE or is_public(address)


@contextmanager
def fetching(
    limits: Limits = HASTY,
    resolve: Callable[[str, int], Sequence[str]] = here_only,
    allowed: Callable[[str], bool] = allowed,
    clock: Clock | None = None,
) -> Iterator[Fetcher]:
    """A fetcher whose names all lead here."""
    clock = clock or Clock(monotonic, lambda: 0.5)
    fetcher = open_fetcher(AGENT, Addresses(resolve, allowed), limits, clock, now)
    try:
        yield fetcher
    finally:
        fetcher.close()


def gather(into: Path, *orders: Order, limits: Limits = HASTY, resize: int | None = None) -> list[Tally]:
    """A whole run."""
    clock = Clock(monotonic, lambda: 0.5)
    with fetching(limits, clock=clock) as fetcher, open_writer(into, resize=resize, progress=Silent()) as writer:
        return Gathering(writer, fetcher, clock, now, Silent()).fill(orders)


def order(*urls: str, label: str = "bear", wanted: int | None = None, only_open: bool = False) -> Order:
    """An order of addresses."""
    return Order(label, None, "urls", tuple(map(Found, urls)), wanted, only_open)


def files(folder: Path) -> list[str]:
    """All files below a folder that a reader of the data sees."""
    found = (path.relative_to(folder).as_posix() for path in folder.rglob("*") if path.is_file())
    return sorted(name for name in found if "/." not in f"/{name}" and name != "provenance.jsonl")


def lines(folder: Path) -> tuple[Provenance, ...]:
    """The record."""
    return read_record(folder)
