"""``drivetrain serve``: bundles, store and settings made into a running server.

Several processes share one socket: the first binds it, and each of the others is started anew and builds its own server from
the same options, handed over in the environment.
"""

from __future__ import annotations

import json
import logging
import os
import socket
import sys
import tempfile
import time
from collections.abc import Callable
from dataclasses import asdict, replace
from pathlib import Path
from typing import TYPE_CHECKING, Any

from ..core.errors import DrivetrainError, UsageError
from ..core.memory import resident_memory, return_large_blocks
from ..core.memory_budget import MemoryBudget
from .listening import address_of, bind, check_installed, leave_alone, run_on, uvicorn_options
from .options import ServeOptions, serve_options
from .settings import Settings

if TYPE_CHECKING:
    from starlette.types import ASGIApp

    from ..core.ports import Store
    from ..model.predictor import Predictor
    from .access import Guard
    from .http.metrics import Metrics
    from .served import Shelf
    from .server import Server
    from .work.engine import Plan
    from .work.memory_shares import MemoryShares
    from .work.webhook import Webhook

# Where options wait for the processes that share a port.
OPTIONS = "DRIVETRAIN_SERVE_OPTIONS"

log = logging.getLogger(__name__)


def build(options: ServeOptions) -> Server:
    """Load the bundles, open the store, measure, and start the threads of one server process.

    Raises:
        BundleError: a bundle cannot be trusted or read.
        StoreError: the store cannot be opened.
        UsageError: an option is out of range, or the address is open to others and there is no key.
    """
    check_installed(__package__, ".server", "..store.sql_store")
    from ..store.sql_store import open_store
    from .http.metrics import Metrics
    from .work.measure import plan

    settings = Settings.of(options)
    return_large_blocks()
    shelf = _shelf(options, settings)
    store = open_store(options.store or _default_store())
    try:
        guard = _guard(options, settings, store)
        planned = plan(settings, [model.predictor for model in shelf.models])
        settings, memory = _within_memory(options)
        metrics = Metrics()
        webhook = _webhook(options, store, metrics)
    except UsageError:
        store.close()
        raise
    return _assembled(settings, memory, shelf, store, guard, planned, metrics, webhook)


def _webhook(options: ServeOptions, store: Store, metrics: Metrics) -> Webhook | None:
    """Make the webhook that is told of alarms, where there is an address for it.

    Raises:
        UsageError: its secret cannot be read, or is too short.
    """
    if options.webhook is None or options.webhook_secret_file is None:
        return None
    from .work.webhook import Webhook, read_secret

    secret = read_secret(options.webhook_secret_file)
    return Webhook(store, options.webhook, secret, metrics, acts=options.on_alarm == "review")


def _assembled(
    settings: Settings,
    memory: MemoryShares,
    shelf: Shelf,
    store: Store,
    guard: Guard,
    planned: Plan,
    metrics: Metrics,
    webhook: Webhook | None,
) -> Server:
    from .http.body import BodyReader
    from .http.console import read_static
    from .server import Server
    from .sight import Sight
    from .work.alarms import Alarms
    from .work.engine import Engine
    from .work.keeping import Keeping
    from .work.ledger import Ledger
    from .work.monitoring import Monitoring
    from .work.pictures import Pictures
    from .work.rollouts import Rollouts

    pictures = Pictures(MemoryBudget(memory.pictures), settings.limits.pixels)
    ledger = Ledger(store, metrics.lag)
    keeping = Keeping(settings.retention, settings.keep_metadata)
    alarms = Alarms(store, settings.on_alarm)
    monitoring = Monitoring(store, lambda: shelf.models, alarms, webhook=webhook)
    ledger.stored = monitoring.wake
    engine = Engine(planned, ledger, keeping, pictures, metrics, alarms.judged)
    rollouts, files = Rollouts(store, shelf, engine, alarms, told=monitoring.wake), read_static()
    return Server(
        settings=settings,
        shelf=shelf,
        store=store,
        ledger=ledger,
        engine=engine,
        guard=guard,
        metrics=metrics,
        bodies=BodyReader(settings.limits),
        memory=memory,
        pictures=pictures,
        alarms=alarms,
        monitoring=monitoring,
        rollouts=rollouts,
        sight=Sight(guard, lambda: rollouts.live, files),
        files=files,
        webhook=webhook,
    )


def _shelf(options: ServeOptions, settings: Settings) -> Shelf:
    from ..model.predictor import load
    from .served import Shelf, parse_bundle

    def load_one(path: Path) -> Predictor:
        return load(path, golden=options.golden, threads=settings.cores, signed_by=options.verify)

    return Shelf([parse_bundle(text) for text in options.bundles], load_one, allow_other_classes=options.other_classes)


def _guard(options: ServeOptions, settings: Settings, store: Store) -> Guard:
    """Make the guard that lets callers in.

    Raises:
        UsageError: others can reach the address, and there is no key.
    """
    from .access import Guard

    keys = store.keys()
    guard = Guard(store, loopback=settings.loopback, share=settings.processes)
    if not keys and not settings.loopback:
        raise UsageError(
            f"{options.host} can be reached by others, and there is no key; make one with: drivetrain keys add NAME "
            "--role predict, or serve on 127.0.0.1"
        )
    if keys and not guard.has_live_key:
        log.warning(
            "every key of this store has been revoked: nobody is answered until one is made (drivetrain keys add)"
        )
    return guard


def _within_memory(options: ServeOptions) -> tuple[Settings, MemoryShares]:
    """Settings whose limits the memory allows, and how that is shared out; what this process holds by now is the base.

    Raises:
        UsageError: an option is out of range, or the memory is too little for them.
    """
    from .work.memory_shares import shares

    settings = Settings.of(options)
    limits = settings.limits
    held = options.memory_held
    memory = shares(
        settings.memory,
        resident_memory() if held is None else held,
        limits.body_bytes,
        settings.processes,
        beside=held or 0,
    )
    if options.max_megapixels is not None and limits.pixels > memory.pixels and settings.memory is not None:
        raise UsageError(
            f"--memory leaves room for images of {memory.pixels / 1e6:.1f} million pixels; give more, or fewer with "
            "--max-megapixels"
        )
    allowed = replace(limits, pixels=min(limits.pixels, memory.pixels), in_flight_bytes=memory.bodies)
    return replace(settings, limits=allowed), memory


def _default_store() -> str:
    from ..store.default_store import default_store_url

    return default_store_url()


def run(options: ServeOptions, started: Callable[[Server, str], None]) -> None:
    """Serve until told to stop; ``started`` is called once, with the address.

    Raises:
        BundleError, StoreError, UsageError: as `build`; or the address is taken or not this machine's.
    """
    check_installed(__package__, "uvicorn")
    options.check()
    from .http.connections import raise_descriptors

    raise_descriptors()
    listening = bind(options.host, options.port)
    address = address_of(options.host, listening)
    if options.processes > 1:
        _run_several(options, listening, lambda server: started(server, address))
        return
    from .application import create_app, front
    from .http.logs import set_up

    server = build(options)
    set_up(options.log, requests=options.log_requests)
    app = front(create_app(server), server)
    leave_alone()
    started(server, address)
    run_on(app, listening, options.drain_s)


def _run_several(options: ServeOptions, listening: socket.socket, started: Callable[[Server], None]) -> None:
    import uvicorn

    from .http.logs import set_up
    from .http.metrics import MULTIPROCESS
    from .work.workers import Workers

    # Built once here too: what cannot work is said once, and the store's tables are made by one.
    server = build(options)
    try:
        # This process answers nothing, but holds memory that the others cannot have, which have less than was reckoned with.
        options = replace(options, memory_held=resident_memory())
        settings, memory = _within_memory(options)
        started(replace(server, settings=settings, memory=memory))
    finally:
        server.engine.close()
        server.store.close()
    set_up(options.log, requests=options.log_requests)
    with tempfile.TemporaryDirectory(prefix="drivetrain-metrics-") as counts:
        os.environ[MULTIPROCESS] = counts
        os.environ[OPTIONS] = json.dumps(asdict(options), default=str)  # paths
        config = uvicorn.Config(
            "drivetrain.serve.start:worker_app",
            factory=True,
            workers=options.processes,
            **uvicorn_options(options.drain_s),
        )
        Workers(config, sockets=[listening]).run()


def worker_app() -> ASGIApp:
    """The application of one of several processes, from the options in the environment."""
    from .application import create_app, front
    from .http.logs import set_up
    from .work.workers import AGAIN_S, end_with_parent

    end_with_parent()
    options = _handed_over(os.environ[OPTIONS])
    set_up(options.log, requests=options.log_requests)
    try:
        server = build(options)
        app = front(create_app(server), server)
        leave_alone()
        return app
    except DrivetrainError as error:
        # A bundle or the store is no longer in order, as it was when the first process looked: another process will try.
        log.error("this process cannot serve: %s", error)
        time.sleep(AGAIN_S)
        sys.exit(1)


def _handed_over(text: str) -> ServeOptions:
    """The options that another process wrote down."""
    given: dict[str, Any] = json.loads(text)
    options = serve_options(tuple(given["bundles"]), given)
    # Two fields are set here: one is no choice of a person's, and the other may be None (never), which chooses nothing.
    return replace(options, memory_held=given["memory_held"], watch_s=given["watch_s"])
