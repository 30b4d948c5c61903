"""Clients that leave, lie, stall or send what is no HTTP: each is told or hung up on, and the others notice nothing."""

from __future__ import annotations

import json
import socket
import threading
import time
from collections.abc import Iterator
from contextlib import suppress
from pathlib import Path

import httpx2 as httpx
import pytest
from crowd import (
    Answer,
    Crowd,
    counted,
    held_up,
    in_status,
    open_files,
    open_lines,
    predict,
    read_answer,
    status_of,
    until,
)
from running import Running, form, jpeg, serving

pytestmark = [
    pytest.mark.processes,
    pytest.mark.skipif(not Path("/proc/self/fd").is_dir(), reason="looks into /proc"),
]

POST = b"POST /v1/predict HTTP/1.1\r\nHost: localhost\r\n"
GET = b"GET /v2/health/live HTTP/1.1\r\nHost: localhost\r\n"
CHUNKED = POST + b"Content-Type: application/json\r\nTransfer-Encoding: chunked\r\n\r\n"
MIB = 1 << 20

# Answers of some ten kilobytes each: together more than the system takes in for a client.
MANY = 400


@pytest.fixture(scope="module")
def running(tmp_path_factory: pytest.TempPathFactory, kept: Path) -> Iterator[Running]:
    folder = tmp_path_factory.mktemp("clients")
    flags = {"max_body_mb": 1, "workers": 2, "max_batch": 1, "deadline_s": 60, "upload_s": 12}
    with serving(kept, store=folder / "store.db", log=folder / "log", **flags) as running:
        yield running
        assert running.stop() == 0
    assert "Traceback" not in running.log.read_text()


class Stall(threading.Thread):
    """A client that sends something and then no more, until the server hangs up."""

    def __init__(self, port: int, sent: bytes, drip: bytes = b"", *, reads: bool = True) -> None:
        super().__init__(daemon=True)
        self.got = b""
        self.took_s = 0.0
        self._sent, self._drip, self._reads = sent, drip, reads
        self._line = socket.socket()
        if not reads:
            self._line.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, 4096)
        self._line.connect(("127.0.0.1", port))

    def run(self) -> None:
        start_s = time.monotonic()
        with self._line as line, suppress(ConnectionError):
            line.sendall(self._sent)
            if not self._reads:
                time.sleep(30)
            # It is the whole head that has to come in time, not its next byte.
            line.settimeout(0.5 if self._drip else 60)
            while True:
                try:
                    piece = line.recv(1 << 20)
                except TimeoutError:
                    line.sendall(self._drip)
                    continue
                if not piece:
                    break
                self.got += piece
        self.took_s = time.monotonic() - start_s


@pytest.fixture(scope="module")
def stalls(running: Running) -> dict[str, Stall]:
    """They begin first and are looked at last, as the server has patience with each."""
    port = running.port
    found = {
        "nothing": Stall(port, b""),
        "half a line": Stall(port, b"GET /v2"),
        "dripping": Stall(port, GET + b"X-A: ", b"a"),
        "half a second head": Stall(port, GET + b"\r\n" + GET),
        "half a body that nobody reads": Stall(
            port, b"POST /nowhere HTTP/1.1\r\nHost: localhost\r\nContent-Length: 9\r\n\r\nx"
        ),
        "half a body": Stall(port, POST + b"Content-Type: application/json\r\nContent-Length: 1000\r\n\r\n{"),
        "half a chunk": Stall(port, CHUNKED + b"400\r\n{"),
        "asks and does not read": Stall(
            port, b"GET /openapi.json HTTP/1.1\r\nHost: localhost\r\n\r\n" * MANY, reads=False
        ),
    }
    for stall in found.values():
        stall.start()
    return found


@pytest.fixture(scope="module")
def client() -> Iterator[httpx.Client]:
    """Each request goes over a connection of its own."""
    with httpx.Client(timeout=60, limits=httpx.Limits(max_keepalive_connections=0)) as client:
        yield client


@pytest.fixture(autouse=True)
def _still_well(running: Running, stalls: dict[str, Stall], client: httpx.Client) -> Iterator[None]:
    """After each of these the server answers as before."""
    del stalls  # so that they begin with the first test
    yield
    told = predict(client, running.address, jpeg(time.monotonic_ns() % 2**32))
    assert told.status == 200
    assert told.body["predictions"][0]["verdict"] in ("accept", "review")


def answer_of(running: Running, sent: bytes) -> Answer | None:
    """What comes back; None where the connection is closed without an answer."""
    with open_lines(running.port, 1) as (line,):
        line.sendall(sent)
        try:
            return read_answer(line)
        except ConnectionError:
            return None


NOT_HTTP = {
    "noise": bytes(range(256)) * 8,
    "text": b"hello\r\n\r\n",
    "another protocol": b"\x16\x03\x01\x02\x00\x01\x00\x01\xfc\x03\x03" + bytes(64),
    "HTTP/2": b"PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n",
    "no version": b"GET /\r\n\r\n",
    "unknown method": b"BREW / HTTP/1.1\r\nHost: localhost\r\n\r\n",
    "connect": b"CONNECT localhost:80 HTTP/1.1\r\nHost: localhost\r\n\r\n",
    "path of other bytes": b"GET /\xff\xfe HTTP/1.1\r\nHost: localhost\r\n\r\n",
    "line folded": GET + b"X-A: b\r\n c\r\n\r\n",
    "header without a name": GET + b": x\r\n\r\n",
    "header with a space": GET + b"X Y: x\r\n\r\n",
    "length that is no number": POST + b"Content-Length: ten\r\n\r\n",
    "length below zero": POST + b"Content-Length: -1\r\n\r\n",
    "length beyond all": POST + b"Content-Length: 99999999999999999999999\r\n\r\n",
    "two lengths": POST + b"Content-Length: 3\r\nContent-Length: 4\r\n\r\nabcd",
    "length and chunks": POST + b"Content-Length: 3\r\nTransfer-Encoding: chunked\r\n\r\n0\r\n\r\n",
    "chunk without a size": CHUNKED + b"zz\r\n",
    "chunk longer than it says": CHUNKED + b"1\r\nabc\r\n0\r\n\r\n",
    "more than the length": POST + b"Content-Length: 1\r\n\r\n{}{}{}",
    "nothing but line ends": b"\r\n" * 40_000,
}


@pytest.mark.parametrize("kind", NOT_HTTP)
def test_what_is_no_http(running: Running, kind: str) -> None:
    answer = answer_of(running, NOT_HTTP[kind])
    if answer is not None:
        assert 200 <= answer.status < 500
        assert len(answer.headers["x-request-id"]) == 32
        if answer.status >= 300:
            assert answer.headers["content-type"] == "application/problem+json"
            assert answer.body["status"] == answer.status
            assert answer.body["request_id"] == answer.headers["x-request-id"]


@pytest.mark.parametrize("kind", ["noise", "two lengths", "chunk without a size", "connect"])
def test_what_is_no_http_is_told_so(running: Running, kind: str) -> None:
    answer = answer_of(running, NOT_HTTP[kind])
    assert answer is not None
    assert (answer.status, answer.body["type"]) == (400, "urn:drivetrain:problem:bad-request")


ENDLESS = {
    "header": GET + b"X-Long: ",
    "headers": GET + b"X-Many: 1\r\n" * 100,
    "address": b"GET /",
    "trailers": CHUNKED + b"1\r\n{\r\n0\r\nX-Trailer: ",
    "size of a chunk": CHUNKED + b"1;x=",
}


@pytest.mark.parametrize("kind", ENDLESS)
def test_a_head_that_does_not_end(running: Running, kind: str) -> None:
    sent = 0
    with open_lines(running.port, 1) as (line,):
        line.sendall(ENDLESS[kind])
        with suppress(ConnectionError):
            while sent < 64 * MIB:
                line.sendall(b"a" * 4096 if kind != "headers" else b"X-Many: 1\r\n" * 400)
                sent += 4096
                line.setblocking(False)
                with suppress(BlockingIOError):
                    if line.recv(1, socket.MSG_PEEK) == b"" or read_answer(line).status == 400:
                        break
                line.settimeout(60)
    assert sent < 16 * MIB


@pytest.mark.parametrize("announced", [True, False], ids=["announced", "chunked"])
def test_a_body_beyond_the_limit(running: Running, announced: bool) -> None:
    piece = b"x" * 65536
    with open_lines(running.port, 1) as (line,):
        line.sendall(POST + b"Content-Length: 104857600\r\n\r\n" if announced else CHUNKED)
        line.settimeout(60)
        # Whoever sends all before it reads must get the answer too, if it stops within reason.
        for _ in range(40):
            line.sendall(piece if announced else b"10000\r\n" + piece + b"\r\n")
        answer = read_answer(line)
    assert (answer.status, answer.body["type"]) == (413, "urn:drivetrain:problem:too-large")


def test_a_client_of_a_library_reads_why_its_body_was_refused(running: Running, client: httpx.Client) -> None:
    for _ in range(5):
        refused = client.post(f"{running.address}/v1/predict", **form(bytes(8 * MIB)))
        assert (refused.status_code, refused.json()["type"]) == (413, "urn:drivetrain:problem:too-large")


def test_an_answer_before_the_end_of_the_body_does_not_hold_the_connection(running: Running) -> None:
    with open_lines(running.port, 1) as (line,):
        line.sendall(b"POST /nowhere HTTP/1.1\r\nHost: localhost\r\nContent-Length: 20\r\n\r\n0123456789")
        assert read_answer(line).status in (404, 405)
        line.sendall(b"0123456789\r\n" + GET + b"\r\n")
        assert read_answer(line).status == 200


def test_requests_one_after_the_other_without_waiting(running: Running) -> None:
    body = json.dumps({"images": []}).encode()
    bad = POST + b"Content-Type: application/json\r\nContent-Length: %d\r\n\r\n" % len(body) + body
    with open_lines(running.port, 1) as (line,):
        line.sendall(GET + b"\r\n" + bad + GET + b"Connection: close\r\n\r\n")
        got = b""
        while piece := line.recv(65536):
            got += piece
    assert [int(part[:3]) for part in got.split(b"HTTP/1.1 ")[1:]] == [200, 422, 200]


def test_a_head_byte_by_byte(running: Running) -> None:
    with open_lines(running.port, 1) as (line,):
        line.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
        for byte in GET + b"\r\n":
            line.sendall(bytes([byte]))
        assert read_answer(line).status == 200


def test_clients_that_leave_while_they_send(running: Running) -> None:
    """A hundred, each with most of what it may send: were it kept, it would show."""
    pid, body = running.process.pid, b"x" * (MIB - 70_000)
    status_of(running.address, "/v2/health/live")
    before = in_status(pid, "VmRSS")
    for number in range(100):
        with open_lines(running.port, 1) as (line,):
            line.sendall(
                POST + b"Content-Type: multipart/form-data; boundary=b\r\nContent-Length: 1000000\r\n\r\n" + body
            )
            if number % 2:  # a reset instead of an end
                line.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, b"\1\0\0\0\0\0\0\0")
    until(lambda: in_status(pid, "VmRSS") - before < 40 * 1024, "the memory is given back")


def test_clients_that_leave_while_they_wait(running: Running) -> None:
    request = httpx.Request("POST", f"{running.address}/v1/predict", **form(jpeg(1)))
    body = request.read()
    kind = request.headers["content-type"].encode()
    whole = POST + b"Content-Type: %b\r\nContent-Length: %d\r\n\r\n%b" % (kind, len(body), body)
    before = counted(running.address, "drivetrain_predictions_total")
    left = counted(running.address, "drivetrain_requests_total", status="499")
    with held_up(running.log.with_name("store.db")), open_lines(running.port, 20) as lines:
        for line in lines:
            line.sendall(whole)
        until(lambda: counted(running.address, "drivetrain_predictions_total") > before, "their images are looked at")
        for line in lines:
            line.close()
        # They are let go when they leave, not when the store answers.
        until(
            lambda: counted(running.address, "drivetrain_requests_total", status="499") >= left + len(lines),
            "the server has noticed",
        )


def test_many_connections_that_do_nothing(running: Running) -> None:
    with open_lines(running.port, 300), Crowd(running.address, 2) as crowd:
        until(lambda: len(crowd.told) >= 10, "others are answered")
    assert {told.status for told in crowd.told} == {200}
    assert not crowd.broken


def test_nothing_is_left_behind_by_hundreds_of_requests(running: Running, client: httpx.Client) -> None:
    pid, address = running.process.pid, running.address

    def some(count: int) -> None:
        for number in range(count):
            assert predict(client, address, jpeg(number)).status == 200
            assert status_of(address, "/v1/predictions?limit=1") == 200
            assert status_of(address, "/v1/models/nothing/versions/0/card") == 404
            for sent in (NOT_HTTP["noise"], POST + b"Content-Length: 1000\r\n\r\nx", GET, CHUNKED + b"1\r\nx\r\n"):
                with open_lines(running.port, 1) as (line,):
                    line.sendall(sent)

    def counts() -> tuple[int, int]:
        return open_files(pid), in_status(pid, "Threads")

    with Crowd(address, 8) as crowd:  # so that the pools of threads and connections have what they will ever have
        until(lambda: len(crowd.told) >= 40, "it is warm")
    some(20)
    before = counts()
    some(60)
    until(lambda: counts()[0] <= before[0] + 8, "connections are closed")
    assert counts()[1] <= before[1] + 8, "threads"


def test_clients_that_stall_are_hung_up_on(stalls: dict[str, Stall]) -> None:
    for name, stall in stalls.items():
        stall.join(90)
        assert not stall.is_alive(), f"{name}: nobody hung up"
        # The upper end is for machines that are busy; patience is 10 seconds for heads and 12 for bodies.
        assert 5 < stall.took_s < 60, name
    for name in ("half a body", "half a chunk"):
        head, _, body = stalls[name].got.partition(b"\r\n\r\n")
        assert head.startswith(b"HTTP/1.1 408 ")
        assert json.loads(body)["type"] == "urn:drivetrain:problem:timeout"
        assert stalls[name].took_s > 11
    for name in ("nothing", "half a line", "dripping"):
        assert stalls[name].got == b""
    for name in ("half a second head", "half a body that nobody reads"):
        assert stalls[name].got.count(b"HTTP/1.1 ") == 1
    assert 1 <= stalls["asks and does not read"].got.count(b"HTTP/1.1 200 ") < MANY
