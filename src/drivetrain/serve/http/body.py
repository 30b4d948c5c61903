"""The body of a request, read within limits: so many bytes, so long, and so much memory for all together.

The memory is shared fairly. It has two parts: one for bodies, from their first byte to the answer, and one for what reading
them costs on top, which is over in a moment and is waited for in turn. Of the first a client may hold half of what the others
leave: alone it has plenty, and however much it sends, as much again is left for the next one.
"""

from __future__ import annotations

import asyncio
from collections import deque
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager, suppress
from dataclasses import dataclass, field
from typing import TypeVar

from starlette.requests import ClientDisconnect, Request

from ..settings import RequestLimits
from .problems import Problem

T = TypeVar("T")

# A request waits so many seconds for memory that others hold.
PATIENCE_S = 5.0

# While others wait for the memory that a body holds, so many bytes of it have to arrive in so many seconds.
STEP = 256 << 10
STEP_S = 2.0

# Pieces are put together to this size, as each small one would cost more memory than it holds.
_PIECE = 1 << 20


class Gone(Exception):  # noqa: N818  # a state, not a fault
    """The client has left; there is nobody to answer."""


@dataclass(eq=False)
class _Arrival:
    """A body that is arriving: it holds ``held`` bytes of the memory and ``received`` of it have come. Moments are on the
    loop's clock."""

    client: str
    since_s: float
    held: int = 0
    received: int = 0
    step: int = 0
    step_s: float = 0.0
    """The moment of the last whole step; ``step`` is the amount that had been received then."""
    waits: bool = False
    """Tells whether it is kept waiting for memory itself."""
    patience: asyncio.Timeout | None = None
    """Set while it arrives."""
    hurried: bool = False
    """Tells whether it was given up for those who wait."""

    def is_slow(self, now_s: float) -> bool:
        """Tells whether it arrives more slowly than may be while others wait."""
        return self.patience is not None and not self.waits and now_s > self.step_s + STEP_S

    def receive(self, count: int, now_s: float) -> None:
        """Count bytes that have come."""
        self.received += count
        if self.received >= self.step + STEP:
            self.step, self.step_s = self.received, now_s


class Body:
    """A body that has arrived; it is forgotten as soon as it has been read."""

    def __init__(self, pieces: list[bytes], size: int, budget: ReadingBudget) -> None:
        self.pieces, self.size = pieces, size
        self._budget = budget

    async def read(self, work: Callable[[bytes], T], *, cost: int, aside: bool) -> T:
        """Return what ``work`` makes of the body, which takes ``cost`` bytes beside it. ``aside``: in a thread, not on the
        event loop.

        Raises:
            Problem: it takes more than there is (413), or others are in the way for too long (503).
        """
        if not aside:
            return work(self._whole())
        # The body is there twice while its pieces are put together.
        async with self._budget.taken(max(self.size, cost)):
            return await asyncio.to_thread(lambda: work(self._whole()))

    def _whole(self) -> bytes:
        pieces, self.pieces = self.pieces, []
        return pieces[0] if len(pieces) == 1 else b"".join(pieces)


class ReadingBudget:
    """Memory for reading bodies, which is taken for a moment, in the order of asking."""

    def __init__(self, size: int) -> None:
        self.size = size
        self._free = size
        self._waiting: deque[tuple[int, asyncio.Future[None]]] = deque()

    @asynccontextmanager
    async def taken(self, count: int) -> AsyncIterator[None]:
        """Hold ``count`` bytes until the end of the block.

        Raises:
            Problem: there will never be so many (413), or others hold them for too long (503).
        """
        if count > self.size:
            raise Problem(
                "too-large", "reading this body takes more memory than there is for it; send less at once, or as a form"
            )
        if self._waiting or count > self._free:
            await self._turn(count)
        else:
            self._free -= count
        try:
            yield
        finally:
            self._free += count
            self._serve()

    async def _turn(self, count: int) -> None:
        turn: asyncio.Future[None] = asyncio.get_running_loop().create_future()
        self._waiting.append((count, turn))
        try:
            async with asyncio.timeout(PATIENCE_S):
                await turn
        except (TimeoutError, asyncio.CancelledError) as error:
            if turn.done() and not turn.cancelled():
                self._free += count  # it came at the same moment
            self._waiting = deque(entry for entry in self._waiting if entry[1] is not turn)
            self._serve()
            if isinstance(error, TimeoutError):
                raise Problem("overloaded", "other bodies are being read; ask again", retry_after_s=2) from None
            raise

    def _serve(self) -> None:
        while self._waiting and self._waiting[0][0] <= self._free:
            count, turn = self._waiting.popleft()
            if not turn.done():
                self._free -= count
                turn.set_result(None)


@dataclass
class BodyReader:
    """Counts the bytes that all requests hold together, and those of each client."""

    limits: RequestLimits
    _held: dict[str, int] = field(default_factory=dict)
    _arrivals: set[_Arrival] = field(default_factory=set)
    _freed: asyncio.Event = field(default_factory=asyncio.Event)

    def __post_init__(self) -> None:
        self.reading = ReadingBudget(self.limits.reading_bytes)

    @property
    def held_bytes(self) -> int:
        """Bytes that all requests hold together."""
        return sum(self._held.values())

    @asynccontextmanager
    async def read(self, request: Request, client: str, most: int | None = None) -> AsyncIterator[Body]:
        """Read the whole body of up to ``most`` bytes; it counts as the client's until the end of the block.

        Raises:
            Problem: too large (413), too slow (408), or there is no memory for it: the client has its share (429), or
                others hold it (503).
            Gone: the client left before its end.
        """
        most = min(self.limits.largest_body, most or self.limits.largest_body)
        now_s = asyncio.get_running_loop().time()
        arrival = _Arrival(client, now_s, step_s=now_s)
        self._arrivals.add(arrival)
        try:
            announced = _announced(request)
            if announced:
                _check_size(announced, most)
                await self._take(arrival, announced)
            yield Body(await self._pieces(request, arrival, most), arrival.received, self.reading)
        finally:
            self._arrivals.discard(arrival)
            self._give_back(arrival)

    async def _pieces(self, request: Request, arrival: _Arrival, most: int) -> list[bytes]:
        loop = asyncio.get_running_loop()
        # Most bodies come in one piece, and that need not be copied.
        first, pieces, tail = b"", list[bytes](), bytearray()
        try:
            async with asyncio.timeout(self.limits.upload_s) as arrival.patience:
                async for piece in request.stream():
                    arrival.receive(len(piece), loop.time())
                    _check_size(arrival.received, most)
                    if arrival.received > arrival.held:
                        await self._take(arrival, arrival.received - arrival.held)
                    if not piece:
                        continue  # the end
                    if arrival.received == len(piece):
                        first = piece
                        continue
                    if first:
                        tail, first = bytearray(first), b""
                    tail += piece
                    if len(tail) >= _PIECE:
                        pieces.append(bytes(tail))
                        tail.clear()
        except TimeoutError:
            why = " while others wait for the memory it holds" if arrival.hurried else ""
            raise Problem(
                "timeout",
                f"{arrival.received} bytes arrived in {loop.time() - arrival.since_s:.0f} s{why}; "
                "send less at once or over a better line",
                headers={"Connection": "close"},
            ) from None
        except ClientDisconnect:
            raise Gone from None
        finally:
            arrival.patience = None
        return [*pieces, first or bytes(tail)]

    async def _take(self, arrival: _Arrival, count: int) -> None:
        loop = asyncio.get_running_loop()
        until_s = loop.time() + PATIENCE_S
        while not self._fits(arrival.client, count):
            self._hurry(arrival, loop.time())
            self._freed.clear()
            left_s = until_s - loop.time()
            if left_s <= 0:
                raise self._refused(arrival)
            arrival.waits = True
            # Another body may be found slow by then.
            with suppress(TimeoutError):
                async with asyncio.timeout(min(left_s, 0.25)):
                    await self._freed.wait()
        if arrival.waits:
            arrival.waits, arrival.step_s = False, loop.time()
        self._held[arrival.client] = self._held.get(arrival.client, 0) + count
        arrival.held += count

    def _fits(self, client: str, count: int) -> bool:
        own = self._held.get(client, 0)
        others = self.held_bytes - own
        return own + count <= (self.limits.arriving_bytes - others) // 2

    def _refused(self, arrival: _Arrival) -> Problem:
        if self._held.get(arrival.client, 0) > arrival.held:
            return Problem(
                "too-many-requests",
                "your requests under way hold your share of the memory for bodies; wait for their answers",
                retry_after_s=2,
            )
        return Problem("overloaded", "the images under way fill the memory set aside for them", retry_after_s=1)

    def _hurry(self, waiting: _Arrival, now_s: float) -> None:
        """Give up slow bodies, as ``waiting`` needs their memory: its client's own, or those of the client that holds most."""
        has_some = self._held.get(waiting.client, 0) > waiting.held
        client = waiting.client if has_some else max(self._held, key=self._held.__getitem__, default="")
        for arrival in self._arrivals:
            if arrival.client == client and arrival is not waiting and arrival.is_slow(now_s) and not arrival.hurried:
                assert arrival.patience is not None  # or it is not slow
                arrival.hurried = True
                arrival.patience.reschedule(now_s)

    def _give_back(self, arrival: _Arrival) -> None:
        left = self._held.get(arrival.client, 0) - arrival.held
        if left > 0:
            self._held[arrival.client] = left
        else:
            self._held.pop(arrival.client, None)
        arrival.held = 0
        self._freed.set()


def _check_size(size: int, most: int) -> None:
    if size > most:
        raise Problem(
            "too-large",
            f"the body has more than {most >> 20} MiB; send fewer or smaller images at once"
            if most >= 1 << 20
            else f"the body has more than {most} bytes",
            headers={"Connection": "close"},
        )


def _announced(request: Request) -> int | None:
    length = request.headers.get("content-length")
    if length is None:
        return None
    if not length.isdecimal() or len(length) > 18:
        raise Problem("bad-request", f"Content-Length is {length[:40]!r}, not a number of bytes")
    return int(length)
