"""A closed loop against Gradio's API, which takes three requests: upload, call, and the stream with the answer.

    python -m benchmarks.serve_peers.gradio_load PORT BODIES CLIENTS SECONDS

wrk cannot follow that, so the clients are threads of this process; its own CPU time is printed beside what it saw.
"""

from __future__ import annotations

import http.client
import itertools
import json
import statistics
import sys
import threading
import time
from pathlib import Path

from .bodies import CONTENT_TYPE
from .work import FIELD

PREFIX = "/gradio_api"


def main() -> None:
    port, folder, clients, seconds = sys.argv[1:]
    bodies = [path.read_bytes() for path in sorted(Path(folder).glob("*.body"))]
    times_s: list[float] = []
    start_s = time.perf_counter()
    end_s = start_s + float(seconds)

    def client(number: int) -> None:
        connection = http.client.HTTPConnection("127.0.0.1", int(port), timeout=30)
        for body in itertools.cycle([*bodies[number:], *bodies[:number]]):
            before_s = time.perf_counter()
            if before_s > end_s:
                return
            ask(connection, body)
            times_s.append(time.perf_counter() - before_s)

    threads = [threading.Thread(target=client, args=(number,)) for number in range(int(clients))]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    elapsed_s = time.perf_counter() - start_s
    if len(times_s) < 2:
        sys.exit(f"Gradio answered {len(times_s)} requests in {elapsed_s:.0f} s")
    found = {
        "requests": len(times_s),
        "per_s": len(times_s) / elapsed_s,
        "p50_ms": 1000 * statistics.median(times_s),
        "p99_ms": 1000 * statistics.quantiles(times_s, n=100)[98],
        "client_cpu_ms": 1000 * time.process_time() / len(times_s),
    }
    print(json.dumps(found))


def ask(connection: http.client.HTTPConnection, body: bytes) -> str:
    """One image through all three steps; its label."""
    upload = body.replace(f'name="{FIELD}"'.encode(), b'name="files"', 1)  # its own name for the field
    connection.request("POST", f"{PREFIX}/upload", upload, {"Content-Type": CONTENT_TYPE})
    path = json.loads(_read(connection))[0]
    call = json.dumps({"data": [{"path": path, "meta": {"_type": "gradio.FileData"}}]})
    connection.request("POST", f"{PREFIX}/call/predict", call, {"Content-Type": "application/json"})
    event = json.loads(_read(connection))["event_id"]
    connection.request("GET", f"{PREFIX}/call/predict/{event}")
    lines = _read(connection).decode().splitlines()
    if "event: complete" not in lines:
        raise RuntimeError(f"Gradio answered {lines}")
    label: str = json.loads(lines[lines.index("event: complete") + 1].removeprefix("data: "))[0]["label"]
    return label


def _read(connection: http.client.HTTPConnection) -> bytes:
    response = connection.getresponse()
    data = response.read()
    if response.status != 200:
        raise RuntimeError(f"Gradio answered {response.status}: {data[:300]!r}")
    return data


if __name__ == "__main__":
    main()
