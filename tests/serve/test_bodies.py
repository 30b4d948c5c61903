"""Bodies of many clients: memory is shared fairly, and whoever sends slowly makes room when others wait."""

from __future__ import annotations

import asyncio
import socket
from collections.abc import Iterator
from contextlib import ExitStack, suppress
from pathlib import Path
from typing import Any

import httpx2 as httpx
import pytest
from crowd import Answer, open_lines, read_answer
from held import with_keys
from running import Running, form, jpeg, serving
from starlette.requests import Request

from drivetrain.core.records import Role
from drivetrain.serve.http import body as module
from drivetrain.serve.http.body import BodyReader, ReadingBudget
from drivetrain.serve.http.problems import Problem
from drivetrain.serve.settings import RequestLimits

MIB = 1 << 20


class Sender:
    """A request whose body comes piece by piece, when the test says so."""

    def __init__(self, reader: BodyReader, client: str, announced: int | None = None, most: int | None = None) -> None:
        self._pieces: asyncio.Queue[bytes | None] = asyncio.Queue()
        headers = [] if announced is None else [(b"content-length", str(announced).encode())]
        self._request = Request({"type": "http", "headers": headers}, self._receive)
        self._reader, self._client, self._most = reader, client, most
        self.arrived = asyncio.Event()
        self.done = asyncio.Event()
        self.size = 0
        self.task = asyncio.create_task(self._read())

    async def _receive(self) -> dict[str, Any]:
        piece = await self._pieces.get()
        return {"type": "http.request", "body": piece or b"", "more_body": piece is not None}

    async def _read(self) -> None:
        async with self._reader.read(self._request, self._client, self._most) as body:
            self.size = await body.read(len, cost=0, aside=False)
            self.arrived.set()
            await self.done.wait()

    def send(self, *pieces: bytes | None) -> None:
        """Pieces; None is the end."""
        for piece in pieces:
            self._pieces.put_nowait(piece)

    async def refused(self) -> Problem:
        """Why it was refused."""
        with pytest.raises(Problem) as caught:
            await asyncio.wait_for(self.task, 20)
        return caught.value


async def rounds(count: int = 20) -> None:
    """Until everything that can go on has gone on."""
    for _ in range(count):
        await asyncio.sleep(0)


LIMITS = RequestLimits(body_bytes=64, in_flight_bytes=256)
"""192 bytes for bodies, 64 for reading them."""


@pytest.fixture
def brief(monkeypatch: pytest.MonkeyPatch) -> None:
    """Nobody waits for long."""
    monkeypatch.setattr(module, "PATIENCE_S", 0.3)


def run(scenario: Any) -> None:
    """On a loop of its own."""
    asyncio.run(scenario())


@pytest.mark.usefixtures("brief")
@pytest.mark.parametrize("announced", [True, False])
def test_a_client_holds_no_more_than_half_of_what_others_leave(announced: bool) -> None:
    async def scenario() -> None:
        reader = BodyReader(LIMITS)

        def sender(client: str, size: int) -> Sender:
            made = Sender(reader, client, size if announced else None)
            made.send(bytes(size))
            return made

        first = [sender("a", 60), sender("a", 36)]
        await rounds()
        assert reader.held_bytes == 96
        greedy = sender("a", 8)
        assert (await greedy.refused()).slug == "too-many-requests"
        other = sender("b", 40)
        other.send(None)
        await asyncio.wait_for(other.arrived.wait(), 5)
        third = sender("c", 20)
        third.send(None)
        await asyncio.wait_for(third.arrived.wait(), 5)
        # What a client has given back is there again at once, for itself too.
        first[0].send(None)
        first[0].done.set()
        await asyncio.wait_for(first[0].task, 5)
        again = sender("a", 20)
        again.send(None)
        await asyncio.wait_for(again.arrived.wait(), 5)
        for one in (first[1], other, third, again):
            one.task.cancel()
        await asyncio.gather(first[1].task, other.task, third.task, again.task, return_exceptions=True)
        assert reader.held_bytes == 0

    run(scenario)


def test_slow_uploads_make_room_when_others_wait(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(module, "STEP_S", 0.2)

    async def scenario() -> None:
        reader = BodyReader(LIMITS)
        slow = Sender(reader, "a", 64)
        slow.send(b"x")
        whole = Sender(reader, "b", 50)
        whole.send(bytes(50), None)
        await asyncio.wait_for(whole.arrived.wait(), 5)
        waits = Sender(reader, "c", 64)
        waits.send(bytes(64), None)
        assert (await slow.refused()).slug == "timeout"
        await asyncio.wait_for(waits.arrived.wait(), 5)
        assert waits.size == 64
        # What has arrived is not slow, however long its answer takes.
        assert not whole.task.done()
        for one in (whole, waits):
            one.done.set()
            await asyncio.wait_for(one.task, 5)

    run(scenario)


@pytest.mark.usefixtures("brief")
def test_who_fills_its_own_share_hurries_nobody_else(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(module, "STEP_S", 0.05)

    async def scenario() -> None:
        reader = BodyReader(LIMITS)
        mobile = Sender(reader, "slow but honest", 60)
        mobile.send(b"x")
        greedy = Sender(reader, "greedy", 60)
        greedy.send(bytes(60), None)
        await asyncio.wait_for(greedy.arrived.wait(), 5)
        assert (await Sender(reader, "greedy", 60).refused()).slug == "too-many-requests"
        assert not mobile.task.done()
        for one in (mobile, greedy):
            one.task.cancel()
        await asyncio.gather(mobile.task, greedy.task, return_exceptions=True)

    run(scenario)


@pytest.mark.usefixtures("brief")
def test_a_body_is_no_larger_than_it_may_be() -> None:
    async def scenario() -> None:
        reader = BodyReader(LIMITS)
        assert (await Sender(reader, "a", 65).refused()).slug == "too-large"
        assert (await Sender(reader, "a", 21, most=20).refused()).slug == "too-large"
        chunked = Sender(reader, "a")
        chunked.send(bytes(40), bytes(40))
        assert (await chunked.refused()).slug == "too-large"
        # A limit on bodies that the memory does not allow is none.
        small = BodyReader(RequestLimits(body_bytes=1000, in_flight_bytes=256))
        assert (await Sender(small, "a", 65).refused()).slug == "too-large"
        assert reader.held_bytes == small.held_bytes == 0

    run(scenario)


@pytest.mark.usefixtures("brief")
def test_room_to_read_is_given_in_the_order_of_asking() -> None:
    async def scenario() -> None:
        room = ReadingBudget(10)
        order: list[int] = []

        async def take(count: int) -> None:
            async with room.taken(count):
                order.append(count)
                await asyncio.sleep(0.01)

        await asyncio.gather(take(6), take(9), take(4), take(1))
        assert order == [6, 9, 4, 1]
        with pytest.raises(Problem) as caught:
            await take(11)
        assert caught.value.slug == "too-large"
        async with room.taken(10):
            with pytest.raises(Problem) as caught:
                await take(1)
            assert caught.value.slug == "overloaded"
            given_up = asyncio.create_task(take(5))
            await rounds()
            given_up.cancel()
            await asyncio.gather(given_up, return_exceptions=True)
        await asyncio.wait_for(take(10), 5)

    run(scenario)


# A server in a process of its own.


@pytest.fixture(scope="module")
def keys(tmp_path_factory: pytest.TempPathFactory) -> tuple[Path, list[dict[str, str]]]:
    store = tmp_path_factory.mktemp("bodies") / "store.db"
    return store, with_keys(store, Role.PREDICT, Role.PREDICT)


@pytest.fixture(scope="module")
def running(keys: tuple[Path, list[dict[str, str]]], kept: Path) -> Iterator[Running]:
    store, _ = keys
    with serving(kept, store=store, log=store.with_name("log"), workers=2, images="none", deadline_s=60) as running:
        yield running
        assert running.stop() == 0
    assert "Traceback" not in running.log.read_text()


def head(key: dict[str, str], *lines: str) -> bytes:
    fields = (f"{name}: {value}" for name, value in key.items())
    first = ("POST /v1/predict HTTP/1.1", "Host: localhost", "Content-Type: multipart/form-data; boundary=b")
    return "\r\n".join((*first, *fields, *lines, "", "")).encode()


def unfinished(line: socket.socket, key: dict[str, str], *, chunked: bool) -> None:
    """Most of a body of 60 MiB, as far as the server takes it."""
    line.sendall(head(key, "Transfer-Encoding: chunked" if chunked else f"Content-Length: {60 * MIB}"))
    line.settimeout(1)
    piece = bytes(MIB)
    with suppress(OSError):
        for _ in range(45):
            line.sendall(b"%x\r\n%b\r\n" % (len(piece), piece) if chunked else piece)


def predicted(running: Running, key: dict[str, str], *images: bytes) -> httpx.Response:
    return httpx.post(f"{running.address}/v1/predict", headers=key, timeout=60, **form(*images))


@pytest.mark.parametrize("chunked", [False, True], ids=["announced", "chunked"])
def test_five_unfinished_uploads_of_one_key_stop_no_other(
    running: Running, keys: tuple[Path, list[dict[str, str]]], chunked: bool
) -> None:
    greedy, other = keys[1]
    with open_lines(running.port, 5) as lines:
        for line in lines:
            unfinished(line, greedy, chunked=chunked)
        small = predicted(running, other, jpeg(1))
        assert small.status_code == 200, small.text
        # As large as any may be: what is slow makes room.
        large = predicted(running, other, jpeg(2) + bytes(60 * MIB))
        assert large.status_code == 200, large.text
        told: list[Answer] = []
        for line in lines:
            line.settimeout(60)
            with suppress(ConnectionError):
                told.append(read_answer(line))
        assert {answer.status for answer in told} <= {408, 429}
    assert predicted(running, greedy, jpeg(3)).status_code == 200


def test_two_heads_of_one_name_are_refused(running: Running, keys: tuple[Path, list[dict[str, str]]]) -> None:
    for twice in ("Host: evil.example", "Authorization: Bearer dt_x", "Content-Type: application/json"):
        with ExitStack() as stack:
            (line,) = stack.enter_context(open_lines(running.port, 1))
            line.sendall(head(keys[1][0], twice, "Content-Length: 0"))
            answer = read_answer(line)
        assert (answer.status, answer.body["type"]) == (400, "urn:drivetrain:problem:bad-request")
        assert twice.partition(":")[0] in answer.body["detail"]
