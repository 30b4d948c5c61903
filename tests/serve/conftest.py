"""What the tests of the server share: a tiny bundle, an application in this process, and servers in their own."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import httpx2 as httpx
import pytest
from running import KEPT, serving
from starlette.testclient import TestClient

from browsing import Site
from drivetrain.serve.application import create_app
from drivetrain.serve.http.console import STATIC
from drivetrain.serve.options import ServeOptions
from drivetrain.serve.start import build
from drivetrain.serve.work import measure


@pytest.fixture(scope="session", autouse=True)
def _measured_in_no_time() -> Iterator[None]:
    """Of how fast a tiny network runs here nothing depends; measuring it took most of the time of starting a server."""
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(measure, "MEASURE_S", 0.001)
        yield


@pytest.fixture(scope="session")
def kept() -> Path:
    """A tiny bundle (blau, grün, rot); read only."""
    return KEPT


MakeClient = Callable[..., TestClient]


@pytest.fixture
def make_client(tmp_path: Path, kept: Path) -> Iterator[MakeClient]:
    """``make_client(images="hash", bundles=(…))``: the real application in this process, with a store of its own."""
    opened: list[TestClient] = []

    def make(**options: Any) -> TestClient:
        given = {"bundles": (str(kept),), "store": str(tmp_path / "store.db"), "watch_s": None, **options}
        app = create_app(build(ServeOptions(**given)))
        client = TestClient(app, base_url="http://localhost", raise_server_exceptions=True)
        client.__enter__()
        opened.append(client)
        return client

    yield make
    for client in opened:
        client.__exit__(None, None, None)


@pytest.fixture
def client(make_client: MakeClient) -> TestClient:
    """An application with the options as they come."""
    return make_client()


@pytest.fixture
def site(tmp_path: Path) -> Iterator[Site]:
    """A server in a process of its own with the console's pages; `browsing.visit` opens them."""
    if not (STATIC / "index.html").is_file():
        pytest.fail("the console's pages have not been built; run: make web")
    store = tmp_path / "store.db"
    with (
        serving(KEPT, store=store, log=tmp_path / "log", max_batch=1) as server,
        httpx.Client(base_url=server.address, timeout=60) as client,
    ):
        yield Site(server.address, store, client)
