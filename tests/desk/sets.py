"""A folder of pictures to clean, surveyed in no time, and a desk over it in this process."""

from __future__ import annotations

import shutil
import time
from pathlib import Path
from typing import Any

from PIL import Image
from starlette.testclient import TestClient

from drivetrain.desk.application import create_app
from drivetrain.desk.desk import Desk
from drivetrain.desk.start import DeskOptions, build
from drivetrain.training.options import TrainOptions
from tiny_backbone import TINY

WRONG = tuple(f"stripes/wrong-{number}.jpg" for number in range(4))
"""Discs among the stripes."""
LABELS = {"discs": 16, "squares": 21, "stripes": 24}
ITEMS = 61
COPY = "squares/copy.png"
"""The larger of two copies."""


def moved(pictures: Path, root: Path) -> Path:
    """The drawn pictures, four of them under a wrong label, and a larger copy of one."""
    shutil.copytree(pictures, root)
    for number, name in enumerate(WRONG):
        (root / "discs" / f"{number:02}.jpg").rename(root / name)
    image = Image.open(root / "squares" / "07.jpg")
    image.resize((2 * image.width, 2 * image.height)).save(root / COPY)
    return root


def options(source: Path, **choices: Any) -> DeskOptions:
    """The choices of a desk with a network that takes no time."""
    training = TrainOptions(backbone=TINY, use_cache=False)
    return DeskOptions(str(source), training, **{"by": "ann", **choices})


def opened(desk: Desk, base_url: str = "http://localhost") -> TestClient:
    """The application of a desk, begun; closing it is the caller's."""
    client = TestClient(create_app(desk), base_url=base_url, raise_server_exceptions=True)
    client.__enter__()
    return client


def desk_of(source: Path, **choices: Any) -> Desk:
    """A desk that nobody has begun."""
    return build(options(source, **choices))


def until(client: TestClient, state: str = "ready", version: int = 1, seconds: float = 60.0) -> dict[str, Any]:
    """Until the ranking has that version and state; the desk at a glance."""
    end = time.monotonic() + seconds
    while time.monotonic() < end:
        found: dict[str, Any] = client.get("/v1/desk").json()
        if found["ranking"]["state"] == state and found["ranking"]["version"] >= version:
            return found
        time.sleep(0.02)
    raise AssertionError(found)


def ids(client: TestClient) -> dict[str, str]:
    """The id of each item by its name."""
    return {item["name"]: item["id"] for item in client.get("/v1/desk/items?limit=500").json()["items"]}


def mark(client: TestClient, changes: dict[str, Any], by: str = "ann", **more: Any) -> Any:
    """Post changes by item id; the answer."""
    listed = [{"id": item, "to": to, **more} for item, to in changes.items()]
    return client.post("/v1/desk/edits", json={"by": by, "changes": listed})
