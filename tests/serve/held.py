"""The real application in this process, with a network that can be held up."""

from __future__ import annotations

import threading
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import replace
from pathlib import Path
from typing import Any, cast

from running import KEPT
from starlette.testclient import TestClient
from waiting import LONG_S

from drivetrain.core.records import Role
from drivetrain.core.types import FloatArray
from drivetrain.embed.session import Session
from drivetrain.serve.application import create_app
from drivetrain.serve.options import ServeOptions
from drivetrain.serve.server import Server
from drivetrain.serve.start import build
from drivetrain.serve.work.job import Job
from drivetrain.store.new_key import new_key
from drivetrain.store.sql_store import open_store

MakeClient = Callable[..., TestClient]
"""What the fixture ``make_client`` gives."""


class HeldSession:
    """A network that waits while ``go`` is cleared; ``running`` is released whenever a run begins."""

    def __init__(self, session: Session) -> None:
        self._session = session
        self.running = threading.Semaphore(0)
        self.go = threading.Event()
        self.go.set()

    def run(self, pixels_NKHW: FloatArray, outputs: Sequence[str] | None = None) -> list[FloatArray]:
        self.running.release()
        assert self.go.wait(LONG_S)
        return self._session.run(pixels_NKHW, outputs)


class Held:
    """A client, the server behind it, and its first model's network."""

    def __init__(self, client: TestClient, server: Server) -> None:
        self.client, self.server = client, server
        model, *others = server.shelf.models
        self.session = HeldSession(model.predictor._session)
        predictor = replace(model.predictor, _session=cast(Session, self.session), _wide=None)
        server.shelf.models = (replace(model, predictor=predictor), *others)
        self.queued = threading.Semaphore(0)
        """Released whenever a request's images have been queued."""
        self._put = server.engine.queue.put
        server.engine.queue.put = self._queue  # type: ignore[method-assign]

    def _queue(self, jobs: Sequence[Job]) -> None:
        self._put(jobs)
        self.queued.release()

    def await_queued(self) -> None:
        assert self.queued.acquire(timeout=LONG_S), "nothing was queued"

    def await_running(self) -> None:
        assert self.session.running.acquire(timeout=LONG_S), "nothing runs"


@contextmanager
def held(store: Path, **options: Any) -> Iterator[Held]:
    """One worker, one image a run, until the end of the block."""
    given = {"bundles": (str(KEPT),), "store": str(store), "watch_s": None, "workers": 1, "max_batch": 1, **options}
    server = build(ServeOptions(**given))
    with TestClient(create_app(server), base_url="http://localhost") as client:
        bench = Held(client, server)
        try:
            yield bench
        finally:
            bench.session.go.set()


def with_keys(store: Path | str, *roles: Role, per_minute: int | None = None) -> list[dict[str, str]]:
    """Headers with a new key for each role, kept in the store at that path."""
    opened = open_store(str(store))
    headers = []
    for number, role in enumerate(roles):
        secret, key = new_key(f"{role} {number}", role, per_minute)
        opened.add_key(key)
        headers.append({"Authorization": f"Bearer {secret}"})
    opened.close()
    return headers
