"""A rollout over HTTP with five simulated reviewers, while a server process is killed (kill -9) at random moments: no case that
was acknowledged is lost, none is decided twice, the log's chain is whole, and the gates say what a clean recomputation says.

    python -m benchmarks.rollout_server --out benchmarks/results/rollout_server.json

Senders post cases of small pictures, each with a key of its own, until every one is acknowledged, and send some again. Reviewers
take what the queue gives them, err now and then, cannot tell now and then, and take decisions back. An admin advances the rollout
whenever its gates let it. With one process the server is killed and started again; with several, one of them is killed and the
supervisor starts another. The figures are counts, which must be 0 for what was lost; the rates tell how fast this machine was.
"""

from __future__ import annotations

import json
import os
import secrets
import signal
import socket
import subprocess
import sys
import tempfile
import threading
import time
from collections import Counter
from collections.abc import Iterator, Mapping
from contextlib import suppress
from dataclasses import dataclass, field
from datetime import UTC, datetime
from http.client import HTTPConnection, HTTPException
from io import BytesIO
from pathlib import Path
from random import Random
from typing import Any

import numpy as np
from PIL import Image

from drivetrain.core.identifiers import new_id
from drivetrain.core.records import Role
from drivetrain.model.predictor import load
from drivetrain.rollout.event_json import of_body
from drivetrain.rollout.events import Arrived, Decided, Event, Opened, Turned
from drivetrain.rollout.live import Live
from drivetrain.rollout.machine import Machine
from drivetrain.rollout.opening import open_rollout
from drivetrain.rollout.policy import Policy
from drivetrain.store.new_key import new_key
from drivetrain.store.sql_store import SqlStore, open_store

from .record import ROOT, parser, record

BUNDLE = ROOT / "tests" / "bundles" / "v1"
MODEL, NAME = "farben", "field"
LABELS = ("blau", "grün", "rot")
REVIEWERS, SENDERS = 5, 3
WAIT_S = 60.0
PICTURES = 60

MODEL_ERROR, PEOPLE_ERROR, CANNOT_TELL, UNDONE, SENT_AGAIN, SEEDED = 0.02, 0.03, 0.01, 0.02, 0.05, 0.03

REQUIRED = {"min_days": 0.0, "max_out_of_domain": 0.5, "max_latency_ms": 60_000, "max_unresolved": 0.5}
POLICY = {
    "name": NAME,
    "model": MODEL,
    "cases": {"undo_seconds": 1, "slices": ["site"], "lease_minutes": 0.5},
    "parallel": {**REQUIRED, "min_cases": 300, "margin": 0.08},
    "supervised": {**REQUIRED, "min_cases": 200, "max_error": 0.12, "max_override": 0.2, "blind": 0.4},
    "expanding": {**REQUIRED, "min_cases": 100, "max_error": 0.12, "new_audits": 20},
    "rollback": {
        "max_error": 0.1,
        **dict.fromkeys(("out_of_domain", "confidence", "score", "audited_error", "certificate"), "ignore"),
    },
}


def main() -> None:
    arguments = parser(__doc__)
    arguments.add_argument("--cases", type=int, default=50_000)
    arguments.add_argument("--kills", type=int, default=20)
    arguments.add_argument("--processes", type=int, default=1)
    arguments.add_argument("--minutes", type=float, default=60.0, help="no new case is sent after so long")
    arguments.add_argument("--seed", type=int, default=16)
    options = arguments.parse_args()
    with tempfile.TemporaryDirectory() as folder:
        field_ = Field.of(Path(folder), options.cases, options.seed)
        server = Server(field_.place, options.processes, Path(folder) / "log")
        start_s = time.monotonic()
        run(field_, server, options.kills, options.minutes * 60, Random(options.seed + 1))
        seconds = time.monotonic() - start_s
        told = field_.ask(field_.admin, "GET", f"/v1/rollouts/{NAME}")[1]
        server.stop()
        found = {"kills": server.kills, "processes": options.processes, "seed": options.seed, **checked(field_, told)}
    found["seconds"] = round(seconds, 1)
    found["cases_a_second"] = round(found["cases"] / seconds, 1)
    found["decisions_a_second"] = round(found["decisions"] / seconds, 1)
    record(found, options.out)


# The server


class Server:
    """A server on one port, which is started again whenever it was killed."""

    def __init__(self, place: Path, processes: int, log: Path) -> None:
        self._place, self._processes, self._log = place, processes, log
        with socket.create_server(("127.0.0.1", 0)) as free:
            self.port = free.getsockname()[1]
        self.kills = 0
        self._process = self._start()

    def _start(self) -> subprocess.Popen[bytes]:
        command = [sys.executable, "-m", "drivetrain", "serve", str(BUNDLE), "--store", str(self._place)]
        command += [
            "--port",
            str(self.port),
            "--processes",
            str(self._processes),
            "--images",
            "hash",
            "--max-batch",
            "1",
        ]
        with self._log.open("a") as log:
            process = subprocess.Popen(command, stdout=subprocess.DEVNULL, stderr=log, start_new_session=True)
        end_s = time.monotonic() + WAIT_S
        while time.monotonic() < end_s:
            with suppress(OSError, HTTPException):
                connection = HTTPConnection("127.0.0.1", self.port, timeout=5)
                connection.request("GET", "/v2/health/ready")
                if connection.getresponse().status == 200:
                    return process
            if process.poll() is not None:
                break
            time.sleep(0.05)
        raise SystemExit(f"the server did not start: {self._log.read_text()[-2000:]}")

    def kill(self, rng: Random) -> None:
        """Kill a process; with several the supervisor starts another one."""
        self.kills += 1
        if self._processes == 1:
            os.killpg(self._process.pid, signal.SIGKILL)
            self._process.wait()
            self._process = self._start()
        elif workers := _children(self._process.pid):
            with suppress(ProcessLookupError):
                os.kill(rng.choice(workers), signal.SIGKILL)

    def stop(self) -> None:
        """End it as it should end."""
        self._process.terminate()
        self._process.wait(WAIT_S)


def _children(pid: int) -> list[int]:
    """The processes that answer: those of the supervisor's children that hold the server's socket."""
    found = [int(child) for child in Path(f"/proc/{pid}/task/{pid}/children").read_text().split()]
    return [child for child in found if b"spawn_main" in Path(f"/proc/{child}/cmdline").read_bytes()]


# The field: cases, senders, reviewers, an admin


@dataclass
class Field:
    """All that is outside of the server, with what was acknowledged."""

    place: Path
    port: int
    keys: Mapping[str, str]
    """Secrets by name."""
    pictures: list[tuple[bytes, str]]
    """Files that the model is sure of, with its label."""
    truths: list[str]
    """The right answer to each case."""
    seed: int
    acknowledged: dict[str, str] = field(default_factory=dict)
    """Ids of cases by key."""
    moved: int = 0
    """Keys under which another id came back later."""
    decided: dict[str, tuple[str, str | None]] = field(default_factory=dict)
    """Decisions by review: by whom, and what."""
    doubtful: set[str] = field(default_factory=set)
    """Reviews of which nobody can say whether their decision was taken back: the answer did not come."""
    advanced: list[str] = field(default_factory=list)
    statuses: Counter[int] = field(default_factory=Counter)
    ended: threading.Event = field(default_factory=threading.Event)
    sent: threading.Event = field(default_factory=threading.Event)

    @classmethod
    def of(cls, folder: Path, cases: int, seed: int) -> Field:
        """Open a rollout in a new store, and make up its cases."""
        rng, place = Random(seed), folder / "store.db"
        store = open_store(place)
        keys = {"sender": Role.PREDICT, "boss": Role.ADMIN, **{f"person-{n}": Role.REVIEW for n in range(REVIEWERS)}}
        found = {}
        for name, role in keys.items():
            found[name], key = new_key(name, role)
            store.add_key(key)
        policy = Policy.model_validate_json(json.dumps(POLICY))
        manifest = load(BUNDLE).manifest
        open_rollout(
            store, policy, manifest, "boss", at=datetime.now(UTC), salt=secrets.token_bytes(32), rollout_id=new_id()
        )
        store.close()
        pictures = list(sure_pictures())
        truths = [
            label if rng.random() >= MODEL_ERROR else rng.choice([one for one in LABELS if one != label])
            for label in (pictures[number % len(pictures)][1] for number in range(cases))
        ]
        return cls(place, 0, found, pictures, truths, seed)

    @property
    def admin(self) -> str:
        return "boss"

    def ask(
        self, who: str, method: str, path: str, body: bytes | None = None, kind: str = "application/json"
    ) -> tuple[int, Any]:
        """Ask until there is an answer that is not "ask again": its status and JSON."""
        while True:
            status, said = self.once(who, method, path, body, kind)
            if status not in (0, 429, 503):
                return status, said
            time.sleep(0.05)

    def once(
        self, who: str, method: str, path: str, body: bytes | None = None, kind: str = "application/json"
    ) -> tuple[int, Any]:
        """Ask once; 0 where no answer came."""
        connection = _connection(self.port)
        headers = {"Authorization": f"Bearer {self.keys[who]}", **({"Content-Type": kind} if body else {})}
        try:
            connection.request(method, path, body, headers)
            answer = connection.getresponse()
            data = answer.read()
            self.statuses[answer.status] += 1
            return answer.status, json.loads(data) if answer.headers.get_content_type().endswith("json") else None
        except (OSError, HTTPException, ValueError):
            connection.close()
            self.statuses[0] += 1
            return 0, None

    def send(self, number: int, rng: Random) -> None:
        """Send a case until it is acknowledged, and perhaps once more."""
        key = f"case-{number}"
        case: dict[str, Any] = {"key": key, "slices": {"site": f"site-{number % 3}"}, "metadata": {"n": number}}
        if number % 5 == 0:
            case["group"] = f"burst-{number // 10}"
        if rng.random() < SEEDED:
            case["known"] = self.truths[number]
        content, kind = form(self.pictures[number % len(self.pictures)][0], case)
        for _ in range(2 if rng.random() < SENT_AGAIN else 1):
            status, said = self.ask("sender", "POST", "/v1/cases", content, kind)
            if status != 200:
                raise SystemExit(f"case {number}: {status} {said}")
            if self.acknowledged.setdefault(key, said["id"]) != said["id"]:
                self.moved += 1

    def review(self, who: str, rng: Random) -> bool:
        """Do one review; False where there is none."""
        status, said = self.once(who, "GET", "/v1/reviews/next")
        if status != 200:
            time.sleep(0.05)
            return True
        review = said["review"]
        if review is None:
            return False
        if rng.random() < 0.1:
            self.once(who, "GET", review["case"]["images"][0])
        label = self._opinion(review, rng)
        body = json.dumps({"label": label, "cannot_tell": label is None, "seconds": 1.0}).encode()
        status, _ = self.once(who, "POST", f"/v1/reviews/{review['id']}", body)
        if status == 200:
            self.decided[review["id"]] = who, label
            if rng.random() < UNDONE:
                self._undo(who)
        elif status == 0:
            self.doubtful.add(review["id"])
        return True

    def _opinion(self, review: Mapping[str, Any], rng: Random) -> str | None:
        truth = self.truths[review["case"]["metadata"]["n"]]
        chance = rng.random()
        if chance < CANNOT_TELL:
            return None
        if chance < CANNOT_TELL + PEOPLE_ERROR:
            return rng.choice([one for one in LABELS if one != truth])
        return truth

    def _undo(self, who: str) -> None:
        status, said = self.once(who, "POST", "/v1/reviews/undo")
        if status == 200:
            self.decided.pop(said["review"]["id"], None)
        elif status == 0:
            self.doubtful.update(one for one, (by, _) in self.decided.items() if by == who)

    def advance(self) -> None:
        """Advance the rollout where its gates let it; go on where the evidence paused it."""
        status, said = self.once(self.admin, "GET", f"/v1/rollouts/{NAME}")
        if status != 200:
            return
        turn = "resume" if said["paused"] else "clear" if said["stage"] == "rolled-back" else "advance"
        if turn != "advance" or said["may_advance"]:
            body = json.dumps({"reason": "the gates let it"}).encode()
            status, said = self.once(self.admin, "POST", f"/v1/rollouts/{NAME}/{turn}", body)
            if status == 200:
                self.advanced.append(f"{turn} to {said['stage']} {said['step']} after {len(self.acknowledged)} cases")
                print(self.advanced[-1], file=sys.stderr, flush=True)


_connections = threading.local()


def _connection(port: int) -> HTTPConnection:
    """This thread's connection, which is made anew after it was lost."""
    found: HTTPConnection | None = getattr(_connections, "one", None)
    if found is None:
        found = _connections.one = HTTPConnection("127.0.0.1", port, timeout=WAIT_S)
    return found


def sure_pictures() -> Iterator[tuple[bytes, str]]:
    """Small pictures that the model accepts, each with its label."""
    predictor, seed, count = load(BUNDLE), 0, 0
    while count < PICTURES:
        pixels = np.random.default_rng(seed).integers(0, 256, (2, 2, 3)).astype(np.uint8)
        out = BytesIO()
        Image.fromarray(pixels).resize((16, 16), Image.Resampling.BICUBIC).save(out, "JPEG", quality=80)
        prediction = predictor.predict(out.getvalue())
        if prediction.label is not None and str(prediction.verdict) == "accept":
            count += 1
            yield out.getvalue(), prediction.label
        seed += 1


def form(image: bytes, case: Mapping[str, Any]) -> tuple[bytes, str]:
    """A form with an image and what is known of its case."""
    text = json.dumps(case).encode()
    parts = [
        b'--edge\r\nContent-Disposition: form-data; name="images"; filename="a.jpg"\r\n\r\n' + image,
        b'--edge\r\nContent-Disposition: form-data; name="case"\r\n\r\n' + text,
        b"--edge--\r\n",
    ]
    return b"\r\n".join(parts), "multipart/form-data; boundary=edge"


def run(field_: Field, server: Server, kills: int, longest_s: float, rng: Random) -> None:
    """Send every case and review until nothing waits, while the server is killed so many times."""
    field_.port = server.port
    threads = [threading.Thread(target=_send, args=(field_, n, longest_s), daemon=True) for n in range(SENDERS)]
    others = [threading.Thread(target=_review, args=(field_, n), daemon=True) for n in range(REVIEWERS)]
    others.append(threading.Thread(target=_administer, args=(field_,), daemon=True))
    for thread in (*threads, *others):
        thread.start()
    # Every kill comes while cases are sent: after a random part of each equal share of them.
    share = len(field_.truths) / (kills + 1)
    for number in range(kills):
        until = (number + 1) * share - rng.uniform(0, share * 0.8)
        while len(field_.acknowledged) < until and any(thread.is_alive() for thread in threads):
            time.sleep(rng.uniform(0.001, 0.05))
        server.kill(rng)
        print(
            f"kill {number + 1}: {len(field_.acknowledged)} cases, {len(field_.decided)} decisions",
            file=sys.stderr,
            flush=True,
        )
    for thread in threads:
        thread.join()
    field_.sent.set()
    for thread in others:
        thread.join()


def _send(field_: Field, number: int, longest_s: float) -> None:
    rng, end_s = Random(f"{field_.seed} sender {number}"), time.monotonic() + longest_s
    for case in range(number, len(field_.truths), SENDERS):
        if time.monotonic() > end_s:
            return
        field_.send(case, rng)


def _review(field_: Field, number: int) -> None:
    rng, idle = Random(f"{field_.seed} person {number}"), 0
    while idle < 40:
        if field_.review(f"person-{number}", rng):
            idle = 0
        else:
            # Leases of what was lost on the way, and decisions that can still be taken back, come to an end meanwhile.
            idle += field_.sent.is_set()
            time.sleep(0.1)
    field_.ended.set()


def _administer(field_: Field) -> None:
    while not field_.ended.is_set():
        field_.advance()
        time.sleep(0.5)


# What must be so


def checked(field_: Field, told: Mapping[str, Any]) -> dict[str, Any]:
    """Hold the store against what was acknowledged, and the server's gates against a clean recomputation."""
    store = open_store(field_.place)
    row = store.rollout(NAME)
    assert row is not None
    lines = list(store.verify_log(row.id))
    events = [of_body(line.body) for line in lines]
    found = {**_counts(field_, store, row.id, events), **_equal(store, events, row.salt, told)}
    store.close()
    found["log_lines"], found["chain_intact"] = len(lines), len(lines) == row.head
    found["stages"] = [f"{e.turn.value}: {e.stage.value} {e.step}" for e in events if isinstance(e, Turned)][:60]
    found["statuses"] = {str(status): count for status, count in sorted(field_.statuses.items())}
    lost = found["cases_lost"] + found["cases_twice"] + found["decisions_lost"] + found["decided_twice"]
    found["reached"] = lost == 0 and found["chain_intact"] and found["gates_are_equal"] and found["state_is_equal"]
    return found


def _counts(field_: Field, store: SqlStore, rollout_id: str, events: list[Event]) -> dict[str, Any]:
    arrived = Counter(event.case.key for event in events if isinstance(event, Arrived))
    ids = {event.case.key: event.case.id for event in events if isinstance(event, Arrived)}
    decided = Counter((e.case_id, e.review, e.round) for e in events if isinstance(e, Decided))
    by = Counter((e.case_id, e.by) for e in events if isinstance(e, Decided))
    lost = 0
    for review_id, (who, label) in field_.decided.items():
        if review_id not in field_.doubtful:
            review = store.review(rollout_id, review_id)
            held = None if review is None else review.held
            lost += held is None or (held.by, held.label) != (who, label)
    settled = store.settled(rollout_id, list(ids.values()))
    return {
        "cases": len(field_.acknowledged),
        "cases_lost": sum(ids.get(key) != case_id for key, case_id in field_.acknowledged.items()),
        "cases_twice": field_.moved + sum(count > 1 for count in arrived.values()),
        "decisions": len(field_.decided),
        "decisions_lost": lost,
        "decided_twice": sum(count > 1 for count in decided.values()) + sum(count > 1 for count in by.values()),
        "settled": len(settled),
        "acted": sum(how == "model" for _, how, _ in settled.values()),
        "waiting": len(ids) - len(settled),
    }


def _equal(store: SqlStore, events: list[Event], salt: bytes, told: Mapping[str, Any]) -> dict[str, Any]:
    """Fold the log from its first line, and hold it against the server's own status and against what a server begins with."""
    opened = events[0]
    assert isinstance(opened, Opened)
    policy = Policy.model_validate_json(json.dumps(dict(opened.policy)))
    machine = Machine(policy, salt, opened.labels)
    for event in events:
        machine.take(event)
    at = datetime.fromisoformat(told["at"])
    readings = [reading.to_json() for reading in machine.readings(at)]
    live = Live(store, told["id"], lambda: at, new_id)
    return {
        "gates": len(readings),
        "gates_are_equal": json.loads(json.dumps(readings)) == told["readings"],
        "state_is_equal": live.machine.snapshot() == machine.snapshot(),
        "snapshot_line": (store.snapshot(told["id"]) or (0, ""))[0],
        "readings": [f"{one['gate']} {one['slice'] or 'all'}: {one['verdict']}, n {one['n']}" for one in readings],
    }


if __name__ == "__main__":
    main()
