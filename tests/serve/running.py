"""A server in a process of its own, as people start it, and small things to send it."""

from __future__ import annotations

import json
import os
import signal
import subprocess
import sys
import time
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass
from io import BytesIO
from pathlib import Path
from typing import Any

import httpx2 as httpx
import numpy as np
from PIL import Image

KEPT = Path(__file__).parent.parent / "bundles" / "v1"
"""A tiny bundle (blau, grün, rot) that loads and answers in no time; read only."""

START_S = 60.0


@dataclass(frozen=True)
class Running:
    """A server that answers at ``address``; ``told`` is what it printed with ``--json``."""

    process: subprocess.Popen[str]
    told: Mapping[str, Any]
    log: Path

    @property
    def address(self) -> str:
        """http://host:port."""
        return str(self.told["address"])

    @property
    def port(self) -> int:
        """Its port."""
        return int(self.address.rpartition(":")[2])

    def stop(self, kind: signal.Signals = signal.SIGTERM, wait_s: float = 30.0) -> int:
        """Send a signal and wait for the end; the exit status."""
        self.process.send_signal(kind)
        return self.process.wait(wait_s)


@contextmanager
def serving(
    *bundles: Path | str, store: Path | str, log: Path, environment: Mapping[str, str] | None = None, **options: Any
) -> Iterator[Running]:
    """``drivetrain serve`` on a free port until the end of the block; ``target_ms=50`` is ``--target-ms 50``.

    What it writes to stderr goes to ``log``.
    """
    flags = ["--store", str(store), "--json", *(() if "port" in options else ("--port", "0"))]
    for name, value in options.items():
        flag = "--" + name.replace("_", "-")
        flags += [flag] if value is True else [flag, str(value)]
    command = [sys.executable, "-m", "drivetrain", "serve", *map(str, bundles), *flags]
    with log.open("w") as stderr:
        process = subprocess.Popen(
            command,
            stdout=subprocess.PIPE,
            stderr=stderr,
            text=True,
            env={**os.environ, **(environment or {})},
            start_new_session=True,  # so that all of its processes can be ended together
        )
    try:
        yield Running(process, _first_document(process, log), log)
    finally:
        if process.poll() is None:
            process.terminate()
            try:
                process.wait(20)
            except subprocess.TimeoutExpired:
                os.killpg(process.pid, signal.SIGKILL)
                process.wait()
        if process.stdout:
            process.stdout.close()


def _first_document(process: subprocess.Popen[str], log: Path) -> Mapping[str, Any]:
    assert process.stdout is not None
    text = ""
    until = time.monotonic() + START_S
    while time.monotonic() < until:
        line = process.stdout.readline()
        if not line:
            raise AssertionError(f"the server did not start: {log.read_text()}")
        text += line
        try:
            document: Mapping[str, Any] = json.loads(text)
        except ValueError:
            continue
        wait_until_ready(str(document["address"]), until)
        return document
    raise AssertionError(f"the server said nothing: {log.read_text()}")


def wait_until_ready(address: str, until: float | None = None) -> None:
    """Until the server answers that it is ready."""
    until = until or time.monotonic() + START_S
    while time.monotonic() < until:
        try:
            if httpx.get(f"{address}/v2/health/ready", timeout=5).status_code == 200:
                return
        except httpx.TransportError:
            pass
        time.sleep(0.05)
    raise AssertionError(f"{address} did not become ready")


def jpeg(seed: int = 0, size: tuple[int, int] = (64, 48)) -> bytes:
    """A picture that no other seed gives."""
    pixels = np.random.default_rng(seed).integers(0, 256, (6, 8, 3)).astype(np.uint8)
    out = BytesIO()
    Image.fromarray(pixels).resize(size, Image.Resampling.BICUBIC).save(out, "JPEG", quality=90)
    return out.getvalue()


def form(*images: bytes, **fields: str) -> dict[str, Any]:
    """Arguments of ``httpx.post`` for a form with images."""
    files = [("images", (f"{number}.jpg", data, "image/jpeg")) for number, data in enumerate(images)]
    return {"files": files, "data": fields}
