"""A host on this machine that behaves like those of the web: slow, moved, busy, cut short, endless or not a picture at all."""

from __future__ import annotations

import io
import json
import sys
import threading
import time
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager, suppress
from dataclasses import dataclass, field
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any
from urllib.parse import parse_qsl, urlsplit

import numpy as np
from PIL import Image


@dataclass(frozen=True)
class Reply:
    """What is answered. ``length``: the Content-Length announced, where it is not the body's."""

    body: bytes = b""
    kind: str = "image/jpeg"
    status: int = 200
    headers: Mapping[str, str] = field(default_factory=dict)
    length: int | None = None
    before_s: float = 0.0
    drip_s: float | None = None
    """Seconds between two bytes of the body."""
    endless: bool = False


@dataclass(frozen=True)
class Asked:
    """One request as it came."""

    path: str
    query: Mapping[str, str]
    headers: Mapping[str, str]
    at_s: float

    @property
    def host(self) -> str:
        """The host's name that was asked for."""
        return self.headers["host"].partition(":")[0]


Answering = Reply | Callable[[Asked], Reply]


class Web:
    """The host: paths and what they answer, and the requests that came."""

    def __init__(self) -> None:
        self.replies: dict[str, Answering] = {}
        self.asked: list[Asked] = []
        self.most_at_once: dict[str, int] = {}
        self._at_once: dict[str, int] = {}
        self._lock = threading.Lock()
        self.port = 0

    def url(self, path: str, host: str = "photos.test") -> str:
        """The address of a path; every name leads here."""
        return f"http://{host}:{self.port}{path}"

    def add(self, path: str, reply: Answering, host: str = "photos.test") -> str:
        """Answer a path, and return its address."""
        self.replies[f"{host}{path}"] = reply
        return self.url(path, host)

    def count(self, path: str) -> int:
        """How often a path was asked for."""
        return sum(one.path == path for one in self.asked)

    @contextmanager
    def serving(self, asked: Asked) -> Iterator[Reply]:
        """The reply to a request, which is counted as long as it is under way."""
        with self._lock:
            self.asked.append(asked)
            self._at_once[asked.host] = self._at_once.get(asked.host, 0) + 1
            self.most_at_once[asked.host] = max(self._at_once[asked.host], self.most_at_once.get(asked.host, 0))
        try:
            reply = self.replies.get(f"{asked.host}{asked.path}", Reply(b"nothing", "text/plain", 404))
            yield reply(asked) if callable(reply) else reply
        finally:
            with self._lock:
                self._at_once[asked.host] -= 1


def handler(web: Web) -> type[BaseHTTPRequestHandler]:
    """Answers requests by what the host has."""

    class Handler(BaseHTTPRequestHandler):
        protocol_version = "HTTP/1.1"

        def do_GET(self) -> None:
            parts = urlsplit(self.path)
            headers = {name.lower(): value for name, value in self.headers.items()}
            asked = Asked(parts.path, dict(parse_qsl(parts.query)), headers, time.monotonic())
            with web.serving(asked) as reply, suppress(OSError):
                self._answer(reply)

        def _answer(self, reply: Reply) -> None:
            time.sleep(reply.before_s)
            self.send_response(reply.status)
            self.send_header("Content-Type", reply.kind)
            for name, value in reply.headers.items():
                for one in value.split("\n"):
                    self.send_header(name, one)
            if reply.endless:
                self.send_header("Connection", "close")
                self.end_headers()
                while True:
                    self.wfile.write(reply.body or bytes(1 << 16))
            length = len(reply.body) if reply.length is None else reply.length
            self.send_header("Content-Length", str(length))
            self.end_headers()
            if reply.drip_s is None:
                self.wfile.write(reply.body)
            else:
                for byte in reply.body:
                    self.wfile.write(bytes([byte]))
                    self.wfile.flush()
                    time.sleep(reply.drip_s)
            if length != len(reply.body):
                self.close_connection = True

        def log_message(self, format: str, *args: Any) -> None:  # the base class's name
            """Nothing."""

    return Handler


class _Server(ThreadingHTTPServer):
    def handle_error(self, request: Any, client_address: Any) -> None:
        """Say nothing of clients that have gone, as many are meant to."""
        if not isinstance(sys.exc_info()[1], OSError):
            super().handle_error(request, client_address)


@contextmanager
def web_host(address: str = "127.0.0.1") -> Iterator[Web]:
    """A host that runs as long as the block."""
    web = Web()
    server = _Server((address, 0), handler(web))
    server.daemon_threads = True
    web.port = server.server_address[1]
    thread = threading.Thread(target=server.serve_forever, kwargs={"poll_interval": 0.01}, daemon=True)
    thread.start()
    try:
        yield web
    finally:
        server.shutdown()
        server.server_close()
        thread.join()


def photo(seed: int, size: tuple[int, int] = (96, 72), form: str = "JPEG") -> bytes:
    """A picture like no other: a few soft blobs."""
    rng = np.random.default_rng(seed)
    small = rng.integers(0, 256, (6, 8, 3), dtype=np.uint8)
    file = io.BytesIO()
    Image.fromarray(small).resize(size, Image.Resampling.BICUBIC).save(file, form)
    return file.getvalue()


def as_json(document: Any, status: int = 200, headers: Mapping[str, str] | None = None) -> Reply:
    """A service's document."""
    return Reply(json.dumps(document).encode(), "application/json", status, headers or {})
