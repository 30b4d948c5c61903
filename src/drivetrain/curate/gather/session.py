"""Everything that a gathering run needs, opened together and closed together."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from datetime import datetime
from importlib.metadata import PackageNotFoundError, version
from pathlib import Path

from ...core.ports import Progress
from .addresses import Addresses, is_any, is_public
from .api import Api
from .clock import Clock
from .fetcher import open_fetcher
from .limits import Limits
from .run import WORKERS, Gathering
from .writer import open_writer

USUAL = Limits()


@dataclass(frozen=True, slots=True)
class Settings:
    """The choices of a run."""

    contact: str | None = None
    """An address on the web or for mail, at which hosts can reach whoever gathers; part of the User-Agent."""
    resize: int | None = None
    allow_private: bool = False
    limits: Limits = USUAL
    workers: int = WORKERS


def agent(contact: str | None) -> str:
    """Return the User-Agent: this program, whoever runs it, and its HTTP library.

    >>> agent("ada@example.org").split(" httpcore2")[0].partition("/")[2].partition(" ")[2]
    '(ada@example.org)'
    """
    from ..._version import __version__

    about = " ".join((contact or "").split()).encode("ascii", "ignore").decode() or "gathers pictures for training"
    try:
        library = f" httpcore2/{version('httpcore2')}"
    except PackageNotFoundError:
        library = ""
    return f"drivetrain/{__version__} ({about}){library}"


@contextmanager
def open_gathering(
    into: Path, settings: Settings, clock: Clock, now: Callable[[], datetime], progress: Progress
) -> Iterator[tuple[Gathering, Api]]:
    """Open a folder and the way to the web.

    Raises:
        UsageError: the folder is a file, another program gathers into it, or packages are missing.
        DataError: the folder's record or log cannot be read.
    """
    addresses = Addresses(allowed=is_any if settings.allow_private else is_public)
    fetcher = open_fetcher(agent(settings.contact), addresses, settings.limits, clock, now)
    try:
        with open_writer(into, resize=settings.resize, progress=progress) as writer:
            gathering = Gathering(writer, fetcher, clock, now, progress, settings.workers)
            yield gathering, Api(fetcher, clock, now)
    finally:
        fetcher.close()
