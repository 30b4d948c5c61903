"""What the tests of the desk share: a folder of drawn pictures, and a desk over a copy of it."""

from __future__ import annotations

import shutil
from collections.abc import Iterator
from pathlib import Path

import pytest
from sets import desk_of, moved, opened, until
from starlette.testclient import TestClient


@pytest.fixture(scope="session")
def drawn(tmp_path_factory: pytest.TempPathFactory, pictures: Path) -> Path:
    """The pictures; read only."""
    return moved(pictures, tmp_path_factory.mktemp("drawn") / "shapes")


@pytest.fixture
def source(drawn: Path, tmp_path: Path) -> Path:
    """A copy of one's own."""
    return Path(shutil.copytree(drawn, tmp_path / "shapes"))


@pytest.fixture
def client(source: Path) -> Iterator[TestClient]:
    """A desk over it, surveyed."""
    found = opened(desk_of(source))
    until(found)
    yield found
    found.__exit__(None, None, None)
