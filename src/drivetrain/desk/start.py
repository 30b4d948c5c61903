"""``drivetrain clean``: a source made into a running desk."""

from __future__ import annotations

import socket
import webbrowser
from collections.abc import Callable
from dataclasses import dataclass, replace
from datetime import UTC, datetime
from pathlib import Path
from typing import TYPE_CHECKING, Literal

from ..core.account import account_name
from ..core.errors import UsageError
from ..serve.listening import address_of, bind, check_installed, leave_alone, run_on

if TYPE_CHECKING:
    from ..curate.suspect import Suspect
    from ..training.options import TrainOptions
    from ..workbench.survey import Survey
    from ..workbench.surveying import Surveying
    from .desk import Desk

PORT = 8010
PORTS_TRIED = 20
DRAIN_S = 3.0


@dataclass(frozen=True)
class DeskOptions:
    """The choices of a desk."""

    source: str
    training: TrainOptions
    """The choices by which the set is read and learned of."""
    host: str = "127.0.0.1"
    port: int | None = None
    """None: the first that is free from `PORT` on."""
    by: str | None = None
    key_file: Path | None = None
    opens: bool = False
    """Tells whether a browser is opened."""
    mode: Literal["clean", "label"] = "clean"
    audit: int | None = None
    """The size of an audit to begin once the set has been surveyed; None where none is wanted."""


PAGES: tuple[str, ...] = ("clean", "duplicates", "gotchas")
"""The console's pages on a desk for cleaning."""


def build(options: DeskOptions) -> Desk:
    """Make a desk; its survey begins when its application starts.

    Raises:
        UsageError: others can reach the address, and there is no key.
    """
    from ..data.edits.log import EditLog
    from ..data.edits.places import log_place
    from ..serve.http.body import BodyReader
    from ..serve.settings import RequestLimits, is_loopback
    from ..workbench.auditing import Auditing
    from ..workbench.session import CleaningSession
    from .desk import Desk
    from .key import guard_of
    from .pictures import Thumbnails

    guard = guard_of(options.host, options.key_file, loopback=is_loopback(options.host))
    log = EditLog.open(log_place(options.source))
    session = CleaningSession(SourceLooks(options), log, lambda: datetime.now(UTC))
    auditing = Auditing(session, options.training.seed, lambda: datetime.now(UTC), options.audit)
    return Desk(
        source=Path(options.source).name or options.source,
        mode=options.mode,
        pages=PAGES,
        session=session,
        auditing=auditing,
        guard=guard,
        bodies=BodyReader(RequestLimits(body_bytes=16 << 20, in_flight_bytes=128 << 20)),
        thumbnails=Thumbnails(),
        log_path=str(log.path),
        by=options.by or account_name(),
    )


@dataclass(frozen=True)
class SourceLooks:
    """The looks that a session takes at a source."""

    options: DeskOptions

    def survey(self, progress: Surveying) -> Survey:
        """Survey the source as it lies."""
        from ..embed.cache import EmbeddingCache, default_folder
        from ..embed.unpack_place import unpack_place
        from ..workbench.survey import survey

        training = self.options.training
        cache = EmbeddingCache(training.cache or default_folder() if training.use_cache else None, progress.say)
        try:
            place = unpack_place(training.cache, use_cache=training.use_cache)
            lying = replace(training, targets=replace(training.targets, edits=False))
            return survey(self.options.source, lying, cache, progress, place)
        finally:
            cache.close()

    def suspects(self, survey: Survey) -> tuple[Suspect, ...]:
        """The items to look at."""
        from ..workbench.suspecting import suspects_of

        return suspects_of(survey)


def run(options: DeskOptions, started: Callable[[Desk, str], None]) -> None:
    """Serve until told to stop; ``started`` is called once, with the address.

    Raises:
        UsageError: the address is taken or not this machine's, or it is open to others and there is no key.
    """
    check_installed(__package__, "uvicorn", ".application")
    from ..serve.http.connections import raise_descriptors
    from ..serve.http.logs import set_up
    from .application import create_app

    raise_descriptors()
    desk = build(options)
    listening = bind_desk(options.host, options.port)
    address = address_of(options.host, listening)
    set_up("text", requests=False)
    app = create_app(desk)
    leave_alone()
    started(desk, address)
    if options.opens:
        webbrowser.open(page_at(address, options))
    run_on(app, listening, DRAIN_S, desk.bell.close)


def page_at(address: str, options: DeskOptions) -> str:
    """The address of the page to begin with."""
    return address if options.audit is None else f"{address}/#/clean?audit=1"


def bind_desk(host: str, port: int | None) -> socket.socket:
    """Listen on the port named, or on the first that is free.

    Raises:
        UsageError: it is taken, or the address is not this machine's.
    """
    if port is not None:
        return bind(host, port)
    for tried in range(PORT, PORT + PORTS_TRIED):
        try:
            return bind(host, tried)
        except UsageError:
            if tried == PORT + PORTS_TRIED - 1:
                raise
    raise AssertionError("the last try raises")
