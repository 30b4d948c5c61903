"""Our server beside the best pipeline without a server, a plain FastAPI route, LitServe and Gradio: one bundle, one run.

    python -m benchmarks.serve --peers-python ENV/bin/python --out benchmarks/results/serve.json

ENV is a virtual environment made so (the last line because Gradio asks for an older Pillow, and decoding must be equal):

    pip install fastapi "uvicorn[standard]" litserve gradio pydantic
    pip install onnxruntime==X numpy==Y pillow==Z       # as beside Drivetrain

wrk must be installed. The model is EfficientNet-Lite0 trained on ``bears``; requests are 64 different JPEGs of 400 pixels,
one a request. Every peer does the same work with the same code (`serve_peers/work.py`), only the server differs; its label
for all 64 is compared with ours before it is timed. Ours runs as ``drivetrain serve`` does by default, storing every answer
and image. Only one server is up at a time, and all take turns, so that drift favours none: warm-up, ``--clients``
connections in a closed loop, then one. Figures are medians over the rounds, ratios medians of ratios within a round. Of
each peer all ways to run it are measured and the better one counts, in throughput and in latency each.

Gradio's protocol of three requests is beyond wrk: a Python process asks, which takes CPU time from the server; it is
written beside. Overload is an open loop (`serve_peers/open_loop.py`) at three times the capacity measured before.
"""

from __future__ import annotations

import http.client
import json
import os
import statistics
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable, Mapping, Sequence
from functools import partial
from pathlib import Path
from typing import Any

import drivetrain as dt

from .record import ROOT, data_root, parser, record
from .serve_peers import bodies, gradio_load, limit
from .serve_peers.process import Server, free_port
from .serve_peers.targets import Figures, evaluate
from .serve_peers.work import PATH
from .serve_peers.wrk import closed_loop

READY = "/v2/health/ready"
STARTS = 5
SETTLE_S = 3.0
OVERLOAD = 3
QUIET = 0.5
SAME_VERSIONS = ("numpy", "pillow", "onnxruntime")

# Name → module, path that answers when it is up, arguments after bundle and port (threads in a call; 0: as the runtime likes).
PEERS: dict[str, tuple[str, str, tuple[int, ...]]] = {
    "fastapi": ("plain", "/openapi.json", (0,)),
    "fastapi, one thread a call": ("plain", "/openapi.json", (1,)),
    "litserve, batch 8": ("lit", "/health", (0, 8, 1)),
    "litserve, unbatched": ("lit", "/health", (0, 1, 1)),
    "litserve, unbatched, two workers": ("lit", "/health", (1, 1, 2)),
    "gradio": ("gradio_app", "/config", (0,)),
    "gradio, one thread a call": ("gradio_app", "/config", (1,)),
}


class Bench:
    """The bundle, the requests and the servers of one run, in one folder."""

    def __init__(self, folder: Path, options: Any) -> None:
        self.folder, self.options = folder, options
        self.bundle = folder / "bears.bundle"
        dt.train(data_root() / "bears", self.bundle, backbone="efficientnet-lite0", seed=0)
        self.images = bodies.jpegs(data_root() / "bears")
        self.bodies = folder / "bodies"
        bodies.write(self.bodies, self.images)
        self.predictor = dt.load(self.bundle)
        self.labels = [self.predictor.predict(data).label for data in self.images]
        self._started = 0

    def ours(self) -> Server:
        """``drivetrain serve`` with a store of its own."""
        self._started += 1
        port = free_port()
        command: list[str | Path] = [
            Path(sys.executable).with_name("drivetrain"),
            "serve",
            self.bundle,
            "--port",
            str(port),
        ]
        command += [
            "--store",
            self.folder / f"store{self._started}" / "store.db",
            *self.options.serve_arguments.split(),
        ]
        (self.folder / f"store{self._started}").mkdir()
        return Server(command, port, READY, self.folder / "log", {})

    def peer(self, name: str) -> Server:
        module, ready, arguments = PEERS[name]
        port = free_port()
        command = [self.options.peers_python, "-m", f"benchmarks.serve_peers.{module}", self.bundle, str(port)]
        environment = {"PYTHONPATH": f"{ROOT / 'src'}:{ROOT}"}
        return Server([*command, *map(str, arguments)], port, ready, self.folder / "log", environment)

    def check(self, server: Server, gradio: bool = False) -> None:
        """Whether a server gives our labels, for all images."""
        ask = gradio_load.ask if gradio else _ask
        connection = http.client.HTTPConnection("127.0.0.1", server.port, timeout=30)
        for number, (data, label) in enumerate(zip(self.images, self.labels, strict=True)):
            found = ask(connection, bodies.body("a.jpg", data))
            if found != label:
                sys.exit(f"image {number} is {label}, the server answered {found}")

    def turn(self, start: Callable[[], Server], gradio: bool = False) -> Figures:
        """One turn of a server, which is started for it and stopped after it."""
        many, seconds = self.options.clients, self.options.seconds
        load = self._gradio if gradio else self._wrk
        with start() as server:
            self.check(server, gradio)
            load(server, many, max(1, seconds // 4))
            before_s = server.cpu_s()
            crowd = load(server, many, seconds)
            if not crowd["requests"]:
                sys.exit(f"no request was answered within {seconds} s; is the machine busy with other work?")
            cpu_ms = 1000 * (server.cpu_s() - before_s) / crowd["requests"]
            load(server, 1, 1)
            alone = load(server, 1, max(1, seconds // 2))
        return Figures(
            crowd["per_s"],
            crowd["p50_ms"],
            crowd["p99_ms"],
            alone["p50_ms"],
            cpu_ms,
            int(crowd.get("failed", 0) + alone.get("failed", 0)),
            crowd.get("client_cpu_ms", 0.0),
        )

    def _wrk(self, server: Server, clients: int, seconds: int) -> dict[str, float]:
        return dict(closed_loop(server.port, self.bodies, clients, seconds)._asdict())

    def _gradio(self, server: Server, clients: int, seconds: int) -> dict[str, float]:
        return self._client("gradio_load", server.port, self.bodies, clients, seconds)

    def overload(self, capacity: float) -> dict[str, Any]:
        """Three times the capacity, and what becomes of answers and memory."""
        seconds = self.options.overload_seconds
        with self.ours() as server:
            time.sleep(SETTLE_S)
            idle_mib = server.memory_mib()
            closed_loop(server.port, self.bodies, self.options.clients, max(1, self.options.seconds // 4))
            warm_mib = server.memory_mib()
            command = self._command("open_loop", server.port, self.bodies, OVERLOAD * capacity, seconds)
            memory_mib = []
            with subprocess.Popen(command, cwd=ROOT, stdout=subprocess.PIPE, text=True) as client:
                while client.poll() is None:
                    memory_mib.append(round(server.memory_mib(), 1))
                    time.sleep(1)
                assert client.stdout is not None
                found: dict[str, Any] = json.loads(client.stdout.read())
            alive = server.alive
            if alive:
                self.check(server)
        body_mib = statistics.mean(map(len, self.images)) / 2**20
        return {
            **found,
            "alive_and_right_after": alive,
            "memory_mib": {
                "idle": round(idle_mib, 1),
                "after_warm_up": round(warm_mib, 1),
                "queue": round(found["most_in_flight"] * body_mib, 1),
                "every_second": memory_mib,
            },
        }

    def start_up(self) -> dict[str, Any]:
        """From the start of the process to ready, and the memory of a server that has nothing to do."""
        ready_s, idle_mib = [], []
        for _ in range(STARTS):
            with self.ours() as server:
                ready_s.append(server.ready_s)
                time.sleep(SETTLE_S)
                idle_mib.append(server.memory_mib())
        return {
            "ready_s": {"best": round(min(ready_s), 2), "median": round(statistics.median(ready_s), 2)},
            "idle_mib": round(statistics.median(idle_mib), 1),
        }

    def _command(self, module: str, *arguments: object) -> list[str]:
        return [sys.executable, "-m", f"benchmarks.serve_peers.{module}", *map(str, arguments)]

    def _client(self, module: str, *arguments: object) -> dict[str, Any]:
        done = subprocess.run(self._command(module, *arguments), cwd=ROOT, stdout=subprocess.PIPE, check=True)
        found: dict[str, Any] = json.loads(done.stdout)
        return found


def main() -> None:
    arguments = parser(__doc__)
    arguments.add_argument("--peers-python", type=Path, required=True)
    arguments.add_argument("--clients", type=int, default=32)
    arguments.add_argument("--seconds", type=int, default=20, help="of a turn with many clients")
    arguments.add_argument("--overload-seconds", type=int, default=60, help="0: leave it out")
    arguments.add_argument("--rounds", type=int, default=2)
    arguments.add_argument("--peers", nargs="*", choices=list(PEERS), default=list(PEERS))
    arguments.add_argument("--serve-arguments", default="", help="for drivetrain serve, in one string")
    arguments.add_argument("--without-ours", action="store_true", help="the limit and the peers only")
    options = arguments.parse_args()
    load = round(os.getloadavg()[0], 2)
    if load > QUIET:
        print(f"the machine is busy (load {load}): throughput and latency will not mean much", file=sys.stderr)
    versions = _peers_versions(options.peers_python)
    limits: list[dict[str, float]] = []
    predict_ms: list[float] = []
    sides: dict[str, list[Figures]] = {}
    with tempfile.TemporaryDirectory() as folder:
        bench = Bench(Path(folder), options)
        for _ in range(options.rounds):
            limits.append(limit.pipelines(bench.bundle, bench.images, max(1, options.seconds / 4)))
            predict_ms.append(limit.median_ms(bench.predictor.predict, bench.images, max(1, options.seconds / 4)))
            if not options.without_ours:
                _note(sides, "ours", bench.turn(bench.ours))
            for name in options.peers:
                _note(sides, name, bench.turn(partial(bench.peer, name), name.startswith("gradio")))
        result: dict[str, Any] = {
            "images": len(bench.images),
            "mean_bytes": round(statistics.mean(map(len, bench.images))),
            "clients": options.clients,
            "seconds": options.seconds,
            "rounds": options.rounds,
            "load_of_the_machine_before": load,
            "versions_of_the_peers": versions,
            "limit": {
                "images_per_s": round(statistics.median(max(speeds.values()) for speeds in limits), 1),
                "tried": {name: round(statistics.median(s[name] for s in limits), 1) for name in limits[0]},
                "predict_ms": round(statistics.median(predict_ms), 2),
            },
            "sides": {name: _medians(turns) for name, turns in sides.items()},
        }
        if not options.without_ours:
            capacity = result["sides"]["ours"]["per_s"]
            result["start"] = bench.start_up()
            if options.overload_seconds:
                result["overload"] = bench.overload(capacity)
            targets = evaluate(result, limits, sides, predict_ms, options.clients)
            result["targets"] = {
                name: {"measured": round(t.measured, 3), "target": round(t.target, 3), "reached": t.reached}
                for name, t in targets.items()
            }
            result["reached"] = all(target.reached for target in targets.values())
    _table(result)
    record(result, options.out)


def _ask(connection: http.client.HTTPConnection, body: bytes) -> str:
    """The label of one image, from ours or a peer other than Gradio."""
    connection.request("POST", PATH, body, {"Content-Type": bodies.CONTENT_TYPE})
    response = connection.getresponse()
    answer = json.loads(response.read())
    if response.status != 200:
        sys.exit(f"the server answered {response.status}: {answer}")
    label: str = answer["predictions"][0]["label"] if "predictions" in answer else answer["label"]
    return label


def _note(sides: dict[str, list[Figures]], name: str, turn: Figures) -> None:
    sides.setdefault(name, []).append(turn)
    print(f"{name}: {turn.per_s:.1f} a second", file=sys.stderr, flush=True)


def _medians(turns: Sequence[Figures]) -> dict[str, float]:
    columns = {name: statistics.median(getattr(turn, name) for turn in turns) for name in Figures._fields}
    return {name: round(value, 2) for name, value in columns.items() if name != "client_cpu_ms" or value}


def _table(result: Mapping[str, Any]) -> None:
    print(f"{'':34}{'a second':>9}{'p50 ms':>9}{'p99 ms':>9}{'one, p50':>9}{'CPU ms':>9}{'failed':>8}")
    print(f"{'limit':34}{result['limit']['images_per_s']:9.1f}{'':18}{result['limit']['predict_ms']:9.2f}")
    for name, side in result["sides"].items():
        figures = "".join(f"{side[key]:9.2f}" for key in ("per_s", "p50_ms", "p99_ms", "one_p50_ms", "cpu_ms"))
        print(f"{name:34}{figures}{side['failed']:8.0f}")
    for name, target in result.get("targets", {}).items():
        print(
            f"{name:42}{target['measured']:10.3f}  of {target['target']:8.3f}  {'' if target['reached'] else 'NOT REACHED'}"
        )


def _peers_versions(python: Path) -> dict[str, str]:
    """Versions beside the peers; ends the run where the work itself would differ from ours."""
    names = (*SAME_VERSIONS, "fastapi", "uvicorn", "litserve", "gradio")
    code = (
        f"import json; from importlib.metadata import version; print(json.dumps({{n: version(n) for n in {names!r}}}))"
    )
    done = subprocess.run([python, "-c", code], capture_output=True, text=True, check=False)
    if done.returncode:
        sys.exit(f"{python} lacks a peer: {done.stderr.strip().splitlines()[-1]}; see the head of benchmarks/serve.py")
    from importlib.metadata import version

    found: dict[str, str] = json.loads(done.stdout)
    for name in SAME_VERSIONS:
        if found[name] != version(name):
            sys.exit(f"{name} is {found[name]} beside the peers and {version(name)} here; decoding must be equal")
    return found


if __name__ == "__main__":
    main()
