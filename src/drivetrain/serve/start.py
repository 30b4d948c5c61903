"""``drivetrain serve``: bundles, store and settings made into a running server.

Several processes share one socket: the first binds it, and each of the others is started anew and builds its own server from
the same options, handed over in the environment.
"""

from __future__ import annotations

import gc
import ipaddress
import json
import logging
import os
import signal
import socket
import sys
import tempfile
import time
from collections.abc import Callable
from contextlib import suppress
from dataclasses import asdict, dataclass, replace
from pathlib import Path
from typing import TYPE_CHECKING, Any, Literal

from ..core.errors import DrivetrainError, UsageError
from ..core.installation import install_command
from ..core.memory import resident_memory, return_large_blocks
from ..core.memory_budget import MemoryBudget
from ..core.retention import Retention

if TYPE_CHECKING:
    from starlette.types import ASGIApp

    from ..model.predictor import Predictor
    from .server import Server
    from .settings import Settings
    from .work.memory_shares import MemoryShares

# Where options wait for the processes that share a port.
OPTIONS = "DRIVETRAIN_SERVE_OPTIONS"

log = logging.getLogger(__name__)


@dataclass(frozen=True)
class ServeOptions:
    """What ``drivetrain serve`` was told; plain data, as it travels to other processes."""

    bundles: tuple[str, ...]
    host: str = "127.0.0.1"
    port: int = 8000
    store: str | None = None
    """None: the default, see `store.default_store.default_store_url`."""
    processes: int = 1
    target_ms: float | None = None
    """By default as `drivetrain.serve.settings` has it."""
    max_batch: int | None = None
    max_wait_ms: float | None = None
    queue: int | None = None
    workers: int | None = None
    deadline_s: float = 10.0
    images: str = "30d"
    keep_metadata: bool = False
    max_body_mb: int = 64
    max_images: int = 64
    max_megapixels: float | None = None
    """None: as many as are decoded anywhere, or as the memory holds."""
    memory: int | None = None
    """Bytes for all processes together; None: see `Settings.memory`."""
    memory_held: int | None = None
    """Of these, what the process holds that started the others. Each of them holds as much; if each looked for itself, one
    that holds a page more could refuse to start for ever."""
    upload_s: float = 30.0
    samples: str | None = None
    drain_s: float = 20.0
    watch_s: float | None = 2.0
    golden: bool = True
    verify: str | None = None
    """File of the public key that every bundle must be signed with."""
    other_classes: bool = False
    """Whether a new version may answer with other names than the one it replaces."""
    log: Literal["text", "json"] = "text"
    log_requests: bool = False

    def settings(self) -> Settings:
        """As the server has them.

        Raises:
            UsageError: one of them is out of range.
        """
        from ..data.image.true_size import MAX_PIXELS
        from .settings import Limits, Settings

        for name, value in (("max_body_mb", self.max_body_mb), ("max_images", self.max_images)):
            if value < 1:
                raise UsageError(f"{name} is {value}; it must be 1 or more")
        if not 0 < self.upload_s < float("inf"):
            raise UsageError(f"upload_s is {self.upload_s}; it must be more than 0")
        pixels = MAX_PIXELS if self.max_megapixels is None else self.max_megapixels * 1e6
        if not 0 < pixels <= MAX_PIXELS:
            raise UsageError(
                f"max_megapixels is {self.max_megapixels}; it must be more than 0, and at most {MAX_PIXELS / 1e6:.2f}: no "
                "larger image is decoded anywhere"
            )
        self._refuse_ignored(Retention.parse(self.images))
        return Settings(
            target_ms=Settings.target_ms if self.target_ms is None else self.target_ms,
            max_batch=self.max_batch,
            max_wait_ms=self.max_wait_ms,
            queue=self.queue,
            workers=self.workers,
            processes=self.processes,
            deadline_s=self.deadline_s,
            retention=Retention.parse(self.images),
            keep_metadata=self.keep_metadata,
            limits=Limits(
                body_bytes=self.max_body_mb << 20,
                images=self.max_images,
                pixels=round(pixels),
                upload_s=self.upload_s,
            ),
            memory=self.memory,
            samples=Path(self.samples) if self.samples else None,
            loopback=is_loopback(self.host),
            drain_s=self.drain_s,
            watch_s=self.watch_s,
        )

    def _refuse_ignored(self, retention: Retention) -> None:
        """Whether what was chosen has an effect: a choice that is silently ignored would mislead."""
        if self.keep_metadata and not retention.keeps_input:
            raise UsageError(
                f"--keep-metadata is about images that are kept, and with --images {self.images} none is; leave one of the two "
                "out"
            )
        if self.max_batch == 1 and self.max_wait_ms is not None:
            raise UsageError(
                "--max-wait-ms is how long a run waits for more images, and --max-batch 1 takes no more; leave one out"
            )
        if self.target_ms is not None and None not in (self.max_batch, self.max_wait_ms, self.queue):
            raise UsageError(
                "--target-ms is what --max-batch, --max-wait-ms and --queue follow from, and all three are given; leave it out"
            )


def is_loopback(host: str) -> bool:
    """Whether an address can only be reached from this machine."""
    if host == "localhost":
        return True
    try:
        return ipaddress.ip_address(host).is_loopback
    except ValueError:
        return False


def build(options: ServeOptions) -> Server:
    """Load the bundles, open the store, measure, and start the threads of one server process.

    Raises:
        BundleError: a bundle cannot be trusted or read.
        StoreError: the store cannot be opened.
        UsageError: an option is out of range, or the address is open to others and there is no key.
    """
    try:
        from ..store.sql_store import open_store
        from .access import Guard
        from .http.body import BodyReader
        from .http.metrics import Metrics
        from .served import Shelf, parse_bundle
        from .server import Server
        from .work.engine import Engine
        from .work.keeping import Keeping
        from .work.ledger import Ledger
        from .work.measure import plan
        from .work.pictures import Pictures
    except ModuleNotFoundError as error:
        raise _missing(error) from None
    from ..model.predictor import load

    settings = options.settings()
    return_large_blocks()

    key = Path(options.verify) if options.verify else None

    def load_one(path: Path) -> Predictor:
        return load(path, golden=options.golden, threads=settings.cores, signed_by=key)

    shelf = Shelf([parse_bundle(text) for text in options.bundles], load_one, allow_other_classes=options.other_classes)
    store = open_store(options.store or _default_store())
    keys = store.keys()
    metrics = Metrics()
    guard = Guard(store, loopback=settings.loopback, share=settings.processes)
    if not keys and not settings.loopback:
        store.close()
        raise UsageError(
            f"{options.host} can be reached by others, and there is no key; make one with: drivetrain keys add NAME "
            "--role predict, or serve on 127.0.0.1"
        )
    if keys and not guard.has_live_key:
        log.warning(
            "every key of this store has been revoked: nobody is answered until one is made (drivetrain keys add)"
        )
    planned = plan(settings, [model.predictor for model in shelf.models])
    try:
        settings, memory = _within_memory(options)
    except UsageError:
        store.close()
        raise
    pictures = Pictures(MemoryBudget(memory.pictures), settings.limits.pixels)
    ledger = Ledger(store, metrics.lag)
    keeping = Keeping(settings.retention, settings.keep_metadata)
    return Server(
        settings=settings,
        shelf=shelf,
        store=store,
        ledger=ledger,
        engine=Engine(planned, ledger, keeping, pictures, metrics),
        guard=guard,
        metrics=metrics,
        bodies=BodyReader(settings.limits),
        memory=memory,
        pictures=pictures,
    )


def _within_memory(options: ServeOptions) -> tuple[Settings, MemoryShares]:
    """Settings whose limits the memory allows, and how that is shared out; what this process holds by now is the base.

    Raises:
        UsageError: an option is out of range, or the memory is too little for them.
    """
    from .work.memory_shares import shares

    settings = options.settings()
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
    try:
        import uvicorn
    except ModuleNotFoundError as error:
        raise _missing(error) from None
    if options.processes < 1:
        raise UsageError(f"processes is {options.processes}; it must be 1 or more")
    from .http.connections import raise_descriptors

    raise_descriptors()
    listening = _bind(options.host, options.port)
    address = _address(options.host, listening)
    if options.processes > 1:
        _run_several(options, listening, lambda server: started(server, address))
        return
    from .application import create_app, front
    from .http.logs import set_up

    server = build(options)
    set_up(options.log, requests=options.log_requests)
    app = front(create_app(server), server)
    _leave_alone()
    started(server, address)
    with suppress(KeyboardInterrupt):  # how uvicorn says that it was told to stop, after everything has ended
        # It sends itself the signal again; as SIGTERM this would kill what has ended as it should.
        signal.signal(signal.SIGTERM, signal.default_int_handler)
        uvicorn.Server(uvicorn.Config(app, **_uvicorn(options))).run(sockets=[listening])


def _run_several(options: ServeOptions, listening: socket.socket, started: Callable[[Server], None]) -> None:
    import uvicorn

    from .http.logs import set_up
    from .http.metrics import MULTIPROCESS
    from .work.workers import Workers

    # Built once here too: what cannot work is said once, and the store's tables are made by one.
    server = build(options)
    try:
        # What this process holds, which answers nothing, the others cannot have: they have less than it reckoned with.
        options = replace(options, memory_held=resident_memory())
        settings, memory = _within_memory(options)
        started(replace(server, settings=settings, memory=memory))
    finally:
        server.engine.close()
        server.store.close()
    set_up(options.log, requests=options.log_requests)
    with tempfile.TemporaryDirectory(prefix="drivetrain-metrics-") as counts:
        os.environ[MULTIPROCESS] = counts
        os.environ[OPTIONS] = json.dumps(asdict(options))
        config = uvicorn.Config(
            "drivetrain.serve.start:worker_app", factory=True, workers=options.processes, **_uvicorn(options)
        )
        Workers(config, sockets=[listening]).run()


def worker_app() -> ASGIApp:
    """The application of one of several processes, from the options in the environment."""
    from .application import create_app, front
    from .http.logs import set_up
    from .work.workers import AGAIN_S, end_with_parent

    end_with_parent()
    given: dict[str, Any] = json.loads(os.environ[OPTIONS])
    options = ServeOptions(**{**given, "bundles": tuple(given["bundles"])})
    set_up(options.log, requests=options.log_requests)
    try:
        server = build(options)
        app = front(create_app(server), server)
        _leave_alone()
        return app
    except DrivetrainError as error:
        # What was well when the first process looked is so no more, a bundle or the store: another will try.
        log.error("this process cannot serve: %s", error)
        time.sleep(AGAIN_S)
        sys.exit(1)


def _leave_alone() -> None:
    """What is there at the start stays to the end: Python's collector need not look at it again and again."""
    gc.collect()
    gc.freeze()
    # What a request leaves behind is freed by counting references; looking for circles can wait.
    gc.set_threshold(50_000)


def _uvicorn(options: ServeOptions) -> dict[str, Any]:
    from .http.protocol import PatientProtocol

    return {
        "http": PatientProtocol,
        "lifespan": "on",
        "access_log": False,
        "log_config": None,
        "server_header": False,
        "proxy_headers": False,  # a header anybody can send must not say who asks
        "timeout_keep_alive": 65,  # longer than the usual minute of proxies, so that it is they who hang up
        "timeout_graceful_shutdown": max(1, round(options.drain_s)),
        "ws": "none",
    }


def _bind(host: str, port: int) -> socket.socket:
    family = socket.AF_INET6 if ":" in host else socket.AF_INET
    listening = socket.socket(family, socket.SOCK_STREAM)
    listening.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
    try:
        listening.bind((host, port))
        listening.listen(2048)
    except (OSError, OverflowError) as error:
        listening.close()
        reason = error.strerror if isinstance(error, OSError) else str(error)
        raise UsageError(f"cannot serve on {host}:{port} ({reason}); choose another with --host or --port") from None
    listening.set_inheritable(True)
    return listening


def _address(host: str, listening: socket.socket) -> str:
    port = listening.getsockname()[1]
    return f"http://{f'[{host}]' if ':' in host else host}:{port}"


def _missing(error: ModuleNotFoundError) -> UsageError:
    return UsageError(f"serving needs more packages ({error.name} is not there); {install_command('serve')}")
