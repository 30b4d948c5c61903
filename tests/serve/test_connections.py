"""Too many connections: whoever is waited for longest goes, of whoever has most; newcomers are answered."""

from __future__ import annotations

import resource
import socket
from collections.abc import Iterator
from contextlib import ExitStack, suppress
from dataclasses import dataclass
from pathlib import Path

import pytest
from crowd import Answer, in_status, open_files, open_lines, read_answer, status_of, until
from running import Running, serving

from drivetrain.serve.http import connections as module
from drivetrain.serve.http.connections import MOST, Connections
from drivetrain.serve.http.protocol import HEADERS, PIPELINED

GET = b"GET /v2/health/live HTTP/1.1\r\nHost: localhost\r\n"
POST = b"POST /v1/predict HTTP/1.1\r\nHost: localhost\r\nContent-Type: application/json\r\n"


@dataclass(eq=False)
class Line:
    """A connection in whatever state."""

    is_idle: bool = True
    is_sending: bool = False
    ended: bool = False

    def hang_up(self) -> None:
        self.ended = True


def entered(connections: Connections, host: str, count: int, line: type[Line] = Line, **state: bool) -> list[Line]:
    made = [line(**state) for _ in range(count)]
    for one in made:
        assert connections.enter(one, host, 0)
    return made


def ended(lines: list[Line]) -> list[int]:
    return [number for number, line in enumerate(lines) if line.ended]


def test_the_stalest_of_whoever_has_most_makes_room() -> None:
    connections = Connections(10)
    many, few = entered(connections, "10.0.0.1", 7), entered(connections, "10.0.0.2", 3)
    assert connections.are_many
    connections.answered(many[0], "10.0.0.1")  # the first has just been answered
    entered(connections, "10.0.0.3", 1)
    assert (ended(many), ended(few)) == ([1], [])
    connections.leave(many[1], "10.0.0.1")
    connections.leave(many[1], "10.0.0.1")
    assert len(connections) == 10
    many[2].is_idle = False
    entered(connections, "10.0.0.2", 1)
    assert (ended(many), ended(few)) == ([1, 3], [])


def test_who_is_at_work_stays_and_who_holds_things_up_goes() -> None:
    connections = Connections(4)
    entered(connections, "a", 1, is_idle=False)
    sending = entered(connections, "a", 3, is_idle=False, is_sending=True)
    entered(connections, "b", 1)
    assert ended(sending) == [0]
    working = Connections(2)
    entered(working, "a", 2, is_idle=False)
    assert not working.enter(Line(), "b", 0)


def test_descriptors_that_run_out_are_too_many_too(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(module, "_descriptors", lambda: 100)
    connections = Connections(1000)
    lines = entered(connections, "a", 3)
    assert connections.enter(Line(), "b", 99)
    assert ended(lines) == [0]


def test_of_ipv6_a_network_is_one_address() -> None:
    connections = Connections(3)
    lines = [Line(), Line(), Line()]
    for number, line in enumerate(lines[:2]):
        connections.enter(line, f"2001:db8::{number + 1}", 0)
    connections.enter(lines[2], "::ffff:10.0.0.1", 0)
    connections.enter(Line(), "2001:db8:0:1::1", 0)
    assert ended(lines) == [0]
    connections.leave(lines[2], "10.0.0.1")
    assert len(connections) == 3


@pytest.fixture(scope="module")
def running(tmp_path_factory: pytest.TempPathFactory, kept: Path) -> Iterator[Running]:
    """As from a shell that gives few descriptors."""
    folder = tmp_path_factory.mktemp("connections")
    before = resource.getrlimit(resource.RLIMIT_NOFILE)
    if before[1] < 4096:
        pytest.skip(f"only {before[1]} file descriptors may be had here")
    resource.setrlimit(resource.RLIMIT_NOFILE, (1024, before[1]))
    try:
        with serving(kept, store=folder / "store.db", log=folder / "log", workers=2, upload_s=60) as running:
            resource.setrlimit(resource.RLIMIT_NOFILE, before)
            yield running
            assert running.stop() == 0
    finally:
        resource.setrlimit(resource.RLIMIT_NOFILE, before)
    assert "Traceback" not in running.log.read_text()


def alive(line: socket.socket) -> bool:
    """Whether the other side has not hung up, after all it said."""
    line.setblocking(False)
    try:
        while line.recv(65536):
            pass
        return False
    except BlockingIOError:
        return True
    except ConnectionError:
        return False
    finally:
        line.settimeout(60)


HELD_UP = {
    "silent": b"",
    "half a head": GET + b"X-A: ",
    "half a body": POST + b"Content-Length: 100\r\n\r\n{",
    "half a body that nobody reads": GET + b"Content-Length: 9\r\n\r\nx",
    "half a chunk": POST + b"Transfer-Encoding: chunked\r\n\r\n400\r\n{",
    "answered": GET + b"\r\n",
}


@pytest.mark.parametrize("kind", HELD_UP)
def test_more_connections_than_there_may_be_lock_nobody_out(running: Running, kind: str) -> None:
    count = MOST + 300
    with ExitStack() as stack:
        lines = []
        for _ in range(count):
            line = stack.enter_context(socket.create_connection(("127.0.0.1", running.port), 60))
            with suppress(ConnectionError):
                line.sendall(HELD_UP[kind])
            lines.append(line)
        (fresh,) = stack.enter_context(open_lines(running.port, 1))
        fresh.sendall(GET + b"\r\n")
        assert read_answer(fresh).status == 200
        assert status_of(running.address, "/v1/models") == 200
        until(lambda: open_files(running.process.pid) <= MOST + 100, "those too many have gone")
        assert not any(alive(line) for line in lines[:250]), "the oldest go first"
        assert alive(lines[-1])


def test_1100_idle_connections_lock_nobody_out(running: Running) -> None:
    with open_lines(running.port, 1100) as lines, open_lines(running.port, 1) as (fresh,):
        fresh.sendall(GET + b"\r\n")
        assert read_answer(fresh).status == 200
        assert all(alive(line) for line in lines[-100:])


def test_more_connections_than_the_process_may_have(running: Running) -> None:
    pid = running.process.pid
    _, most = resource.prlimit(pid, resource.RLIMIT_NOFILE)
    resource.prlimit(pid, resource.RLIMIT_NOFILE, (open_files(pid) + 60, most))
    try:
        with ExitStack() as stack:
            for _ in range(200):
                line = stack.enter_context(socket.socket())
                line.settimeout(60)
                with suppress(ConnectionError):
                    line.connect(("127.0.0.1", running.port))
        until(lambda: status_of(running.address, "/v2/health/live") == 200, "they are gone")
        until(lambda: status_of(running.address, "/v2/health/ready") == 200, "the store can be opened again")
    finally:
        resource.prlimit(pid, resource.RLIMIT_NOFILE, (most, most))


def test_pipelined_requests_are_few(running: Running) -> None:
    before = in_status(running.process.pid, "VmRSS")
    with open_lines(running.port, 20) as lines:
        for line in lines:
            line.sendall((GET + b"\r\n") * 20_000)
        for line in lines:
            got = b""
            with suppress(ConnectionError):
                while piece := line.recv(1 << 20):
                    got += piece
            assert 1 <= got.count(b"HTTP/1.1 200 ") <= PIPELINED + 1
    assert in_status(running.process.pid, "VmRSS") - before < 100 * 1024


def test_a_head_has_so_many_lines_and_no_more(running: Running) -> None:
    def asked(count: int) -> Answer:
        with open_lines(running.port, 1) as (line,):
            line.sendall(GET + b"a: b\r\n" * (count - 1) + b"\r\n")
            return read_answer(line)

    assert asked(HEADERS).status == 200
    refused = asked(HEADERS + 1)
    assert refused.status == 400
    assert "headers" in refused.body["detail"]
    assert asked(8000).status == 400


def test_a_server_has_the_descriptors_it_may_have(running: Running) -> None:
    limits = Path(f"/proc/{running.process.pid}/limits")
    if not limits.is_file():
        pytest.skip("looks into /proc")
    (row,) = [row for row in limits.read_text().splitlines() if row.startswith("Max open files")]
    soft, hard = row.split()[3:5]
    assert soft == hard or int(soft) == module.DESCRIPTORS
