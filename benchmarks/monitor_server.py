"""A server of two processes killed again and again under load (kill -9): what it acknowledged is there, and its monitor's state
is what one watch makes of the whole store by itself, to the bit; then how fast a monitor reads a backlog.

    python -m benchmarks.monitor_server --out benchmarks/results/monitor_server.json

Four clients send pictures of a camera each, half of them with a group of its own (each a vote), and tell right answers of every
second one, most of them wrong for the model, so that alarms are raised and, by a fifth client, cleared. All of the server's
processes are killed at once, each time at another moment. The figures are counts, which must be 0 for what was lost; there is no
sampling in them.
"""

from __future__ import annotations

import base64
import itertools
import json
import os
import signal
import subprocess
import sys
import tempfile
import threading
import time
from collections.abc import Iterator
from contextlib import contextmanager
from http.client import HTTPConnection, HTTPException
from io import BytesIO
from pathlib import Path
from random import Random
from typing import Any

import numpy as np
from PIL import Image

from drivetrain.core.records import Entry, TruthFilter
from drivetrain.model.predictor import load
from drivetrain.monitor.following import alarm_of
from drivetrain.monitor.observation import Audit, Observation
from drivetrain.monitor.reference import Reference
from drivetrain.monitor.watch import Watch
from drivetrain.serve.served import ServedModel
from drivetrain.serve.work.alarms import Alarms
from drivetrain.serve.work.monitoring import Monitoring
from drivetrain.store.sql_store import SqlStore, open_store

from .record import ROOT, parser, record

BUNDLE = ROOT / "tests" / "bundles" / "v1"
NAME = "farben"
CLIENTS = 4
WAIT_S = 60.0
SURE_SEED = 1
"""The picture of which the tiny bundle is sure, so that it is accepted and can be audited."""


def main() -> None:
    arguments = parser(__doc__)
    arguments.add_argument("--kills", type=int, default=20)
    arguments.add_argument("--processes", type=int, default=2)
    arguments.add_argument("--seed", type=int, default=14)
    options = arguments.parse_args()
    with tempfile.TemporaryDirectory() as folder:
        place = Path(folder) / "store.db"
        clients = Clients(open_store(place), Random(options.seed))
        clients.start()
        rng = Random(options.seed + 1)
        for number in range(options.kills):
            with serving(place, options.processes, Path(folder) / "log") as (process, address):
                clients.address = address
                time.sleep(rng.uniform(0.5, 2.5))
                os.killpg(process.pid, signal.SIGKILL)
                process.wait()
            print(f"kill {number + 1}: {len(clients.answered)} answers, {len(clients.told)} labels", file=sys.stderr)
        clients.stop()
        with serving(place, options.processes, Path(folder) / "log") as (process, address):
            read = caught_up(address, clients.stored())
            process.terminate()
            process.wait()
        found = {"kills": options.kills, "processes": options.processes, "seed": options.seed, **checked(clients, read)}
        found["backlog"] = backlog(clients.store, Path(folder))
        clients.store.close()
    lost = found["answers_lost"] + found["labels_lost"] + found["alarms_lost"] + found["clearings_lost"]
    found["reached"] = lost == 0 and found["state_is_equal"] and found["alarms_are_equal"]
    record(found, options.out)


class Clients:
    """Cameras, a person who tells right answers, and one who clears alarms; each notes what was acknowledged."""

    def __init__(self, store: SqlStore, rng: Random) -> None:
        self.store = store
        self.answered: dict[str, str] = {}
        """Verdicts by the prediction's id."""
        self.told: dict[str, str] = {}
        self.cleared: set[str] = set()
        self.seen: set[str] = set()
        """Alarms that were told of."""
        self.address = ""
        self._rng = rng
        self._numbers = itertools.count()
        self._stop = threading.Event()
        work = [self._send] * CLIENTS + [self._clear]
        self._threads = [threading.Thread(target=self._run, args=(each, n), daemon=True) for n, each in enumerate(work)]

    def start(self) -> None:
        for thread in self._threads:
            thread.start()

    def stop(self) -> None:
        self._stop.set()
        for thread in self._threads:
            thread.join()

    def stored(self) -> int:
        return sum(1 for _ in self.store.iterate())

    def _run(self, work: Any, number: int) -> None:
        while not self._stop.is_set():
            try:
                work(number)
            except (OSError, HTTPException, ValueError):
                time.sleep(0.02)  # the server is gone

    def _send(self, camera: int) -> None:
        number = next(self._numbers)
        sure = number % 2 == 1
        metadata = {"camera": f"trail-{camera}", **({"group": f"event {number}"} if number % 4 < 2 else {})}
        image = base64.b64encode(picture(SURE_SEED if sure else number)).decode()
        said = ask(self.address, "POST", "/v1/predict", {"images": [image], "metadata": metadata})["predictions"][0]
        self.answered[said["id"]] = said["verdict"]
        if sure:
            label = "blau" if number % 10 == 1 else "rot"
            path = f"/v1/predictions/{said['id']}/label"
            self.told[said["id"]] = ask(self.address, "POST", path, {"label": label, "by": "ada", "how": "blind"})[
                "label"
            ]

    def _clear(self, _: int) -> None:
        time.sleep(0.3)
        for alarm in ask(self.address, "GET", "/v1/monitor/alarms?standing=true", None)["alarms"]:
            self.seen.add(alarm["id"])
            if self._rng.random() < 0.5:
                path = f"/v1/monitor/alarms/{alarm['id']}/clear"
                self.cleared.add(ask(self.address, "POST", path, {"reason": "seen to", "by": "eve"})["id"])


def ask(address: str, method: str, path: str, body: dict[str, Any] | None) -> Any:
    """The answer to a request over a connection of its own; raises `ValueError` for one that is no success."""
    connection = HTTPConnection(address.removeprefix("http://"), timeout=WAIT_S)
    try:
        content = None if body is None else json.dumps(body)
        connection.request(method, path, content, {"Content-Type": "application/json"} if content else {})
        answer = connection.getresponse()
        data = answer.read()
        if answer.status != 200:
            raise ValueError(f"{answer.status} {data[:200]!r}")
        return json.loads(data)
    finally:
        connection.close()


def picture(seed: int) -> bytes:
    """A small picture that no other seed gives."""
    pixels = np.random.default_rng(seed).integers(0, 256, (6, 8, 3)).astype(np.uint8)
    out = BytesIO()
    Image.fromarray(pixels).resize((64, 48), Image.Resampling.BICUBIC).save(out, "JPEG", quality=90)
    return out.getvalue()


@contextmanager
def serving(place: Path, processes: int, log: Path) -> Iterator[tuple[subprocess.Popen[str], str]]:
    """A server on a free port, in a process group of its own."""
    command = [sys.executable, "-m", "drivetrain", "serve", str(BUNDLE), "--store", str(place), "--port", "0", "--json"]
    command += ["--processes", str(processes), "--images", "hash", "--max-batch", "1"]
    with log.open("a") as errors:
        process = subprocess.Popen(command, stdout=subprocess.PIPE, stderr=errors, text=True, start_new_session=True)
    assert process.stdout is not None
    text = ""
    while not text.endswith("\n}\n"):
        line = process.stdout.readline()
        if not line:
            raise SystemExit(f"the server did not start: {log.read_text()[-2000:]}")
        text += line
    address = json.loads(text)["address"]
    end_s = time.monotonic() + WAIT_S
    while time.monotonic() < end_s:
        try:
            ask(address, "GET", "/v1/whoami", None)
            break
        except (OSError, HTTPException, ValueError):
            time.sleep(0.05)
    try:
        yield process, address
    finally:
        if process.poll() is None:
            os.killpg(process.pid, signal.SIGKILL)
            process.wait()
        process.stdout.close()


def caught_up(address: str, count: int) -> dict[str, Any]:
    """What is known of the model, as soon as its monitor has read everything."""
    end_s = time.monotonic() + WAIT_S
    while time.monotonic() < end_s:
        found: dict[str, Any] = ask(address, "GET", "/v1/monitor", None)["models"][0]
        if found["n"] == count and found["progress"]["caught_up"]:
            return found
        time.sleep(0.2)
    raise SystemExit(f"the monitor has not read all {count} answers: {found}")


def checked(clients: Clients, read: dict[str, Any]) -> dict[str, Any]:
    """What was lost, and whether the state is what the store gives."""
    store, predictor = clients.store, load(BUNDLE)
    version = predictor.manifest.bundle_id
    verdicts = {record.id: str(record.prediction.verdict) for record in store.iterate()}
    labels: dict[str, str | None] = {}
    cursor = None
    while True:
        page = store.truths(TruthFilter(), 200, cursor)
        labels |= {truth.prediction_id: truth.label for truth in page.truths}
        if (cursor := page.next) is None:
            break
    alarms = {alarm.id: alarm for alarm in store.alarms(limit=10_000)}
    state = store.monitor_state(NAME, version)
    watch, raised = replayed(store, (NAME, version), Watch.of(Reference.of(predictor)))
    return {
        "answers": len(clients.answered),
        "answers_lost": sum(verdicts.get(one) != verdict for one, verdict in clients.answered.items()),
        "answers_stored": len(verdicts),
        "answers_monitored": read["n"],
        "labels": len(clients.told),
        "labels_lost": sum(labels.get(one) != label for one, label in clients.told.items()),
        "audits": read["audited"]["n"] if read["audited"] else 0,
        "held_for_review": sum(verdict == "review" for verdict in verdicts.values()),
        "alarms": len(alarms),
        "alarms_lost": len(clients.seen - alarms.keys()),
        "cleared": len(clients.cleared),
        "clearings_lost": sum(one not in alarms or alarms[one].cleared is None for one in clients.cleared),
        "alarms_are_equal": raised == set(alarms),
        "state_is_equal": state is not None and state.state == watch.to_json(),
        "state_bytes": 0 if state is None else len(state.state),
    }


def replayed(store: SqlStore, bundle: tuple[str, str], watch: Watch) -> tuple[Watch, set[str]]:
    """Tell a watch the whole store, one entry after the other; with the ids of the alarms that it raised."""
    raised: set[str] = set()
    clearings: dict[Any, int] = {}
    for entry in store.feed(0, 10_000_000):
        record = entry.record
        told = Observation.of_record(record) if entry.truth is None else Audit.of(record, entry.truth)
        if told is None:
            continue
        for key in [key for key, position in clearings.items() if position < entry.position]:
            watch.clear(*key)
            del clearings[key]
        for each in watch.update(told):
            alarm = alarm_of(bundle, each)
            raised.add(alarm.id)
            kept = store.alarm(alarm.id)
            if kept is not None and kept.cleared_position is not None:
                clearings[each.monitor, each.source] = kept.cleared_position
    return watch, raised


def backlog(store: SqlStore, folder: Path) -> dict[str, Any]:
    """The time in which a monitor that knows nothing reads the whole store, in steps as a server's thread takes them."""
    predictor = load(BUNDLE)
    other = open_store(folder / "other.db")
    entries = store.feed(0, 10_000_000)
    other.append([Entry(entry.record) for entry in entries if entry.truth is None])
    monitoring = Monitoring(other, lambda: (ServedModel(NAME, BUNDLE, predictor),), Alarms(other))
    steps: list[float] = []
    start_s = time.perf_counter()
    more = True
    while more:
        step_s = time.perf_counter()
        more = monitoring.step()
        steps.append(time.perf_counter() - step_s)
    seconds = time.perf_counter() - start_s
    count = sum(entry.truth is None for entry in entries)
    other.close()
    return {
        "answers": count,
        "seconds": round(seconds, 3),
        "a_second": round(count / seconds),
        "longest_step_ms": round(max(steps) * 1000, 1),
    }


if __name__ == "__main__":
    main()
