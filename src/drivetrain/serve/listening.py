"""A server's socket, and how uvicorn is to serve on it; shared by all that listens."""

from __future__ import annotations

import gc
import signal
import socket
from collections.abc import Callable
from contextlib import suppress
from importlib import import_module
from typing import TYPE_CHECKING, Any

from ..core.errors import UsageError
from ..core.installation import install_command

if TYPE_CHECKING:
    from types import FrameType

    from starlette.types import ASGIApp


def run_on(app: ASGIApp, listening: socket.socket, drain_s: float, stopping: Callable[[], None] = lambda: None) -> None:
    """Serve until told to stop, by Ctrl-C or SIGTERM; ``stopping`` is called at once then, so that nobody goes on waiting."""
    import uvicorn

    class Server(uvicorn.Server):
        def handle_exit(self, sig: int, frame: FrameType | None) -> None:
            stopping()
            super().handle_exit(sig, frame)

    with suppress(KeyboardInterrupt):  # how uvicorn says that it was told to stop, after everything has ended
        # uvicorn sends the signal to itself again; as SIGTERM it would kill a process that has ended as it should.
        signal.signal(signal.SIGTERM, signal.default_int_handler)
        Server(uvicorn.Config(app, **uvicorn_options(drain_s))).run(sockets=[listening])


def leave_alone() -> None:
    """Freeze the objects there at the start, which stay to the end, so that Python's collector need not look at them again."""
    gc.collect()
    gc.freeze()
    # A request's objects are freed by counting references; looking for cycles can wait.
    gc.set_threshold(50_000)


def uvicorn_options(drain_s: float) -> dict[str, Any]:
    """The settings of uvicorn; ``drain_s``: the seconds in which what is under way may end."""
    from .http.protocol import PatientProtocol

    return {
        "http": PatientProtocol,
        "lifespan": "on",
        "access_log": False,
        "log_config": None,
        "server_header": False,
        "proxy_headers": False,  # a header anybody can send must not say who asks
        "timeout_keep_alive": 65,  # longer than the usual minute of proxies, so that it is they who hang up
        "timeout_graceful_shutdown": max(1, round(drain_s)),
        "ws": "none",
    }


def bind(host: str, port: int) -> socket.socket:
    """Listen on an address.

    Raises:
        UsageError: it is taken, or not this machine's.
    """
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


def address_of(host: str, listening: socket.socket) -> str:
    """The address under which a socket is reached."""
    port = listening.getsockname()[1]
    return f"http://{f'[{host}]' if ':' in host else host}:{port}"


def check_installed(package: str, *modules: str) -> None:
    """Check that the packages that these modules of ``package`` need are there.

    Raises:
        UsageError: one is not; says how to install it.
    """
    try:
        for module in modules:
            import_module(module, package)
    except ModuleNotFoundError as error:
        raise UsageError(
            f"serving needs more packages ({error.name} is not there); {install_command('serve')}"
        ) from None
