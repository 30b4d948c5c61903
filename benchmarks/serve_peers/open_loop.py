"""An open loop: requests leave at their times whether or not earlier ones were answered, as a crowd would send them.

    python -m benchmarks.serve_peers.open_loop PORT BODIES PER_SECOND SECONDS

wrk's clients wait for their answers, so what it offers falls as the server slows; an overload has to keep coming. Times
between requests are exponential, from a fixed seed. Each request takes a connection that is idle, or a new one. Plain
sockets in one event loop, in a process of its own: its CPU time is printed beside what it saw.
"""

from __future__ import annotations

import asyncio
import json
import random
import statistics
import sys
import time
from collections import Counter
from pathlib import Path

from .bodies import CONTENT_TYPE
from .work import PATH

PATIENCE_S = 30.0
BROKEN = 0

Connection = tuple[asyncio.StreamReader, asyncio.StreamWriter]


class Crowd:
    """Those who ask: what they were answered, and how long the answered waited."""

    def __init__(self, port: int) -> None:
        self._port = port
        self._idle: list[Connection] = []
        self._in_flight = 0
        self.most_in_flight = 0
        self.statuses: Counter[int] = Counter()
        self.answered_s: list[float] = []
        self.refused_s: list[float] = []
        self.refused_without_retry_after = 0

    async def ask(self, request: bytes) -> None:
        """One request; its outcome is noted. Status 0: the connection broke, or nothing came in time."""
        self._in_flight += 1
        self.most_in_flight = max(self.most_in_flight, self._in_flight)
        start_s = time.perf_counter()
        try:
            status, retry_after = await asyncio.wait_for(self._exchange(request), PATIENCE_S)
        except (OSError, EOFError, ValueError, TimeoutError):
            status, retry_after = BROKEN, False
        elapsed_s = time.perf_counter() - start_s
        self._in_flight -= 1
        self.statuses[status] += 1
        if status == 200:
            self.answered_s.append(elapsed_s)
        elif status in (429, 503):
            self.refused_s.append(elapsed_s)
            self.refused_without_retry_after += not retry_after

    async def _exchange(self, request: bytes) -> tuple[int, bool]:
        """Status, and whether ``Retry-After`` was there."""
        reader, writer = await self._connection()
        try:
            writer.write(request)
            lines = (await reader.readuntil(b"\r\n\r\n")).lower().split(b"\r\n")
            headers = dict(line.split(b": ", 1) for line in lines[1:] if b": " in line)
            await reader.readexactly(int(headers[b"content-length"]))
        except BaseException:
            writer.close()
            raise
        if headers.get(b"connection") == b"close":
            writer.close()
        else:
            self._idle.append((reader, writer))
        return int(lines[0].split()[1]), b"retry-after" in headers

    async def _connection(self) -> Connection:
        while self._idle:
            reader, writer = self._idle.pop()
            if not reader.at_eof():  # the server has closed those that were idle for long
                return reader, writer
            writer.close()
        return await asyncio.open_connection("127.0.0.1", self._port)


async def crowd(port: int, bodies: list[bytes], per_s: float, seconds: float) -> Crowd:
    """Send for so long; returns when the last answer is there."""
    head = f"POST {PATH} HTTP/1.1\r\nHost: 127.0.0.1\r\nContent-Type: {CONTENT_TYPE}\r\nContent-Length: "
    requests = [f"{head}{len(body)}\r\n\r\n".encode() + body for body in bodies]
    rng = random.Random(0)
    people = Crowd(port)
    start_s, due_s, number = time.perf_counter(), 0.0, 0
    async with asyncio.TaskGroup() as tasks:
        while due_s < seconds:
            # Those who are due by now leave together; a sleep a request would be late at high rates.
            await asyncio.sleep(max(0.0, start_s + due_s - time.perf_counter()))
            tasks.create_task(people.ask(requests[number % len(requests)]))
            due_s += rng.expovariate(per_s)
            number += 1
    return people


def main() -> None:
    port, folder, per_s, seconds = sys.argv[1:]
    bodies = [path.read_bytes() for path in sorted(Path(folder).glob("*.body"))]
    start_s = time.perf_counter()
    people = asyncio.run(crowd(int(port), bodies, float(per_s), float(seconds)))
    total = people.statuses.total()
    found = {
        "offered_per_s": round(total / (time.perf_counter() - start_s), 1),
        "requests": total,
        "shares": {str(status): round(count / total, 4) for status, count in sorted(people.statuses.items())},
        "answered_per_s": round(len(people.answered_s) / float(seconds), 1),
        "answered_p50_ms": _quantile_ms(people.answered_s, 50),
        "answered_p99_ms": _quantile_ms(people.answered_s, 99),
        "refused_p99_ms": _quantile_ms(people.refused_s, 99),
        "refused_without_retry_after": people.refused_without_retry_after,
        "most_in_flight": people.most_in_flight,
        "client_cpu_share_of_a_core": round(time.process_time() / (time.perf_counter() - start_s), 2),
    }
    print(json.dumps(found))


def _quantile_ms(times_s: list[float], percent: int) -> float | None:
    if len(times_s) < 2:
        return None
    return round(1000 * statistics.quantiles(times_s, n=100)[percent - 1], 1)


if __name__ == "__main__":
    main()
