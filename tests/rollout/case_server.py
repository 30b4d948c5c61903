"""A server that takes cases over HTTP as the real one does, and fails as it is told to: networks do, and servers drain."""

from __future__ import annotations

import json
import threading
from collections import deque
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any
from urllib.parse import parse_qs, urlsplit

BUSY, CUT, LOST = "busy", "cut", "lost"
"""503 with Retry-After; the connection ends without an answer; it is taken, and the answer is lost."""


@dataclass
class Taken:
    """What the server has."""

    url: str = ""
    cases: dict[str, dict[str, Any]] = field(default_factory=dict)
    pictures: dict[str, list[bytes]] = field(default_factory=dict)
    told: list[tuple[str, str, dict[str, Any]]] = field(default_factory=list)
    """Key, decision or outcome, body."""
    trouble: deque[str] = field(default_factory=deque)
    """What befalls the next requests that send something."""
    requests: list[tuple[str, str]] = field(default_factory=list)
    secret: str | None = None
    refuse: dict[str, tuple[int, str]] = field(default_factory=dict)
    """By key: status and words."""
    lock: threading.Lock = field(default_factory=threading.Lock)


@contextmanager
def case_server() -> Iterator[Taken]:
    """Run one on this machine."""
    taken = Taken()

    class Handler(BaseHTTPRequestHandler):
        protocol_version = "HTTP/1.1"

        def log_message(self, *_: object) -> None: ...

        def do_GET(self) -> None:
            with taken.lock:
                taken.requests.append(("GET", self.path))
                query = parse_qs(urlsplit(self.path).query)
                case = taken.cases.get(query["key"][0])
                if not self._admitted():
                    return
                if case is None:
                    self._say(404, {"detail": "the rollout has no case of the key"})
                else:
                    self._say(200, case)

        def do_POST(self) -> None:
            body = self.rfile.read(int(self.headers["Content-Length"]))
            with taken.lock:
                taken.requests.append(("POST", self.path))
                if not self._admitted():
                    return
                trouble = taken.trouble.popleft() if taken.trouble else None
                if trouble == BUSY:
                    self._say(503, {"detail": "the server is draining"}, ("Retry-After", "7"))
                elif trouble == CUT:
                    self._cut()
                elif trouble == LOST:
                    self._take(body)
                    self._cut()
                else:
                    self._say(*self._take(body))

        def _admitted(self) -> bool:
            if taken.secret is None or self.headers.get("Authorization") == f"Bearer {taken.secret}":
                return True
            self._say(401, {"detail": "no key"})
            return False

        def _take(self, body: bytes) -> tuple[int, dict[str, Any]]:
            path = urlsplit(self.path).path.strip("/").split("/")
            if len(path) == 4:
                return self._tell(path[2], path[3], json.loads(body))
            boundary = self.headers["Content-Type"].partition("boundary=")[2].encode()
            parts = [one.strip(b"\r\n").partition(b"\r\n\r\n") for one in body.split(b"--" + boundary)[1:-1]]
            case = json.loads(next(data for head, _, data in parts if b'name="case"' in head))
            pictures = [data for head, _, data in parts if b'name="images"' in head]
            key = case["key"]
            if key in taken.refuse:
                status, words = taken.refuse[key]
                return status, {"detail": words}
            if key in taken.cases and taken.cases[key]["said"] != case:
                return 409, {"detail": "the key is that of another case"}
            answer = {"id": f"id-{len(taken.cases)}", "key": key, "status": "waiting", "said": case}
            answer = taken.cases.setdefault(key, answer)
            taken.pictures.setdefault(key, pictures)
            return 200, answer

        def _tell(self, case_id: str, what: str, said: dict[str, Any]) -> tuple[int, dict[str, Any]]:
            key = next(key for key, case in taken.cases.items() if case["id"] == case_id)
            if what == "decision" and any(one[:2] == (key, what) for one in taken.told):
                return 409, {"detail": "the case does not wait for a decision"}
            taken.told.append((key, what, said))
            return 200, {"status": "decided"}

        def _cut(self) -> None:
            self.close_connection = True
            self.connection.shutdown(2)

        def _say(self, status: int, document: dict[str, Any], *headers: tuple[str, str]) -> None:
            data = json.dumps(document).encode()
            self.send_response(status)
            for name, value in headers:
                self.send_header(name, value)
            self.send_header("Content-Length", str(len(data)))
            self.end_headers()
            self.wfile.write(data)

    server = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
    server.daemon_threads = True
    taken.url = f"http://127.0.0.1:{server.server_port}"
    thread = threading.Thread(target=server.serve_forever, kwargs={"poll_interval": 0.02}, daemon=True)
    thread.start()
    try:
        yield taken
    finally:
        server.shutdown()
        server.server_close()
        thread.join()
