"""``drivetrain label``: a folder or a store made into a running desk for labelling."""

from __future__ import annotations

import webbrowser
from collections.abc import Callable
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path
from typing import TYPE_CHECKING

from ..core.account import account_name
from ..serve.listening import address_of, check_installed, leave_alone, run_on
from .start import DRAIN_S, bind_desk

if TYPE_CHECKING:
    from ..workbench.label_set import LabelOptions
    from .label_desk import LabelDesk


@dataclass(frozen=True)
class LabelDeskOptions:
    """The choices of a desk for labelling."""

    labelling: LabelOptions
    store: str | None = None
    """The store whose answers are to be labelled; None where a folder is."""
    host: str = "127.0.0.1"
    port: int | None = None
    """None: the first that is free from that of `start` on."""
    by: str | None = None
    key_file: Path | None = None
    opens: bool = False
    """Tells whether a browser is opened."""
    blind: bool = False
    """Tells whether suggestions are hidden until a person asks for them."""


def build_label_desk(options: LabelDeskOptions) -> LabelDesk:
    """Make a desk; embedding begins when its application starts. Raises what `open_label_set` does, and

    Raises:
        UsageError: others can reach the address, and there is no key.
        StoreError: the store cannot be opened.
    """
    from ..serve.http.body import BodyReader
    from ..serve.settings import RequestLimits, is_loopback
    from ..store.sql_store import open_store
    from ..workbench.label_set import open_label_set
    from .key import guard_of
    from .label_desk import LabelDesk
    from .pictures import Thumbnails

    guard = guard_of(options.host, options.key_file, loopback=is_loopback(options.host))
    store = open_store(options.store, create=False) if options.store is not None else None
    try:
        found = open_label_set(options.labelling, lambda: datetime.now(UTC), store)
    except BaseException:
        if store is not None:
            store.close()
        raise

    def close() -> None:
        found.close()
        if store is not None:
            store.close()

    into = options.labelling.into
    return LabelDesk(
        source=Path(found.title).name or found.title,
        session=found.session,
        guard=guard,
        bodies=BodyReader(RequestLimits(body_bytes=4 << 20, in_flight_bytes=64 << 20)),
        thumbnails=Thumbnails(),
        log_path=str(found.log),
        into=str(into) if into is not None else None,
        by=options.by or account_name(),
        blind=options.blind,
        close=close,
    )


def run_label_desk(options: LabelDeskOptions, started: Callable[[LabelDesk, str], None]) -> None:
    """Serve until told to stop; ``started`` is called once, with the address. Raises what `build_label_desk` does, and

    Raises:
        UsageError: the address is taken or not this machine's.
    """
    check_installed(__package__, "uvicorn", ".label_application")
    from ..serve.http.connections import raise_descriptors
    from ..serve.http.logs import set_up
    from .label_application import create_label_app

    raise_descriptors()
    desk = build_label_desk(options)
    listening = bind_desk(options.host, options.port)
    address = address_of(options.host, listening)
    set_up("text", requests=False)
    app = create_label_app(desk)
    leave_alone()
    started(desk, address)
    if options.opens:
        webbrowser.open(address)
    run_on(app, listening, DRAIN_S, desk.bell.close)
