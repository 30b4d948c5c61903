"""A candidate reads its champion's log along exactly once, however its server is killed, and is promoted while one runs."""

from __future__ import annotations

import json
import shutil
import signal
import subprocess
import sys
from collections import Counter
from datetime import UTC, datetime
from pathlib import Path
from random import Random
from typing import Any

import httpx2 as httpx
import pytest
from crowd import until
from resealing import new_version
from rolled import NAME, SALT, Key, opened, policy, reviewers, sender
from running import KEPT, Running, form, jpeg, serving

from drivetrain.core.identifiers import new_id
from drivetrain.core.records import RecordFilter
from drivetrain.model.predictor import load
from drivetrain.rollout.event_json import of_body
from drivetrain.rollout.events import Arrived, Decided, Event, Followed, Turn, Turned, TurnedOut
from drivetrain.rollout.hands import Hands
from drivetrain.rollout.live import Live
from drivetrain.rollout.opening import open_rollout
from drivetrain.rollout.recomputation import Recomputation
from drivetrain.rollout.stage import Stage
from drivetrain.rollout.succession import PREDECESSOR
from drivetrain.store.sql_store import open_store

pytestmark = pytest.mark.processes

CANDIDATE = "farben-2"


class Place:
    """A store with a champion and its candidate, and the server that is killed and started again."""

    def __init__(self, folder: Path) -> None:
        self.folder, self.store, self.bundle = folder, folder / "store.db", folder / "next.bundle"
        shutil.copytree(KEPT, self.bundle)
        self.version = new_version(self.bundle)
        self.champion = opened(self.store, policy(parallel={"audit": 0.5, "decide_twice": 0.0})).id
        self.candidate = new_id()
        kept = open_store(str(self.store))
        manifest, at = load(self.bundle).manifest, datetime.now(UTC)
        rules = policy(CANDIDATE, parallel={"audit": 0.5, "decide_twice": 0.0})
        row = {"at": at, "salt": SALT, "rollout_id": self.candidate, "shadow_of": self.champion}
        open_rollout(kept, rules, manifest, "Ada", **row)
        kept.close()
        self.who = sender(self.store)

    def serving(self, *more: str) -> Any:
        """The server; by default with the candidate's bundle under a name of its own."""
        bundles = more or (f"next={self.bundle}",)
        return serving(f"farben={KEPT}", *bundles, store=self.store, log=self.folder / "server.log")

    def events(self, rollout_id: str) -> list[Event]:
        """A log's events; its chain is verified on the way."""
        kept = open_store(str(self.store))
        try:
            return [of_body(line.body) for line in kept.verify_log(rollout_id)]
        finally:
            kept.close()

    def half_promoted(self) -> None:
        """Advance the candidate as the first half of a promotion does, as if its gates had let it."""
        kept = open_store(str(self.store))
        live = Live(kept, self.candidate, lambda: datetime.now(UTC), new_id)
        with live.replica.writing() as writing:
            hands = Hands(writing, self.candidate, datetime.now(UTC), new_id)
            evidence = {PREDECESSOR: self.champion}
            hands.take(Turned(hands.now, Turn.ADVANCED, "Ada", "a test", Stage.SUPERVISED, 0, evidence=evidence))
        kept.close()


@pytest.fixture
def place(tmp_path: Path) -> Place:
    """A champion and its candidate."""
    return Place(tmp_path)


def asked(server: Running, method: str, path: str, who: Key, **given: Any) -> httpx.Response | None:
    """An answer that is no request to come again; None: come again."""
    headers = {**who, **given.pop("headers", {})}
    try:
        answer = httpx.request(method, server.address + path, headers=headers, timeout=20, **given)
    except httpx.TransportError:
        return None
    return None if answer.status_code in (429, 503) else answer


def sent(server: Running, key: str, number: int, who: Key, query: str = "") -> dict[str, Any] | None:
    """Send a case; its receipt, where the server lived to give it."""
    case = json.dumps({"slices": {"site": "north"}})
    headers = {"Idempotency-Key": key}
    answer = asked(server, "POST", f"/v1/cases{query}", who, headers=headers, **form(jpeg(number), case=case))
    if answer is None:
        return None
    assert answer.status_code == 200, answer.text
    found: dict[str, Any] = answer.json()
    return found


def test_a_candidate_reads_every_line_once_though_its_server_is_killed(place: Place) -> None:
    chance, who = Random(3), place.who
    receipts: dict[str, dict[str, Any]] = {}
    decided: set[str] = set()
    with place.serving() as server:  # the candidate begins behind the first line of its champion
        until(lambda: any(isinstance(one, Followed) for one in place.events(place.candidate)), "it follows")
    for run in range(4):
        with place.serving() as server:
            for number in range(run * 8, run * 8 + 8):
                key = f"m-{number}"
                receipts[key] = until(lambda key=key, number=number: sent(server, key, number, who), "it is taken")
                if number % 3:
                    case_id = receipts[key]["id"]
                    body = {"label": chance.choice(("rot", "blau")), "by": "Bo", "how": "blind"}
                    path = f"/v1/cases/{case_id}/decision"
                    done = until(lambda path=path, body=body: asked(server, "POST", path, who, json=body), "decided")
                    assert done.status_code == 200, done.text
                    decided.add(case_id)
            server.stop(signal.SIGKILL)  # while it reads along what has just come
    with place.serving() as server:

        def all_read() -> bool:
            mine = [one for one in place.events(place.candidate) if isinstance(one, Followed)]
            return bool(mine) and mine[-1].line == len(place.events(place.champion))

        until(all_read, "all lines are read")
    theirs, mine = place.events(place.champion), place.events(place.candidate)
    for kind in (Arrived, Decided):
        cases = [_case_of(one) for one in mine if isinstance(one, kind)]
        assert Counter(cases) == Counter(_case_of(one) for one in theirs if isinstance(one, kind)), kind
    read = [one.line for one in mine if isinstance(one, Followed)]
    assert read == sorted(set(read))
    assert len(decided) == sum(isinstance(one, Decided) for one in mine) == 21
    kept = open_store(str(place.store))
    try:
        live = Live(kept, place.candidate, lambda: datetime.now(UTC), new_id)
        again = Recomputation(SALT)
        assert list(again.take(kept.verify_log(place.candidate))) == []
        assert again.machine is not None
        assert again.machine.snapshot() == live.machine.snapshot()
        # Its answers are predictions under the name that its bundle is served by, so that its monitor sees them.
        names = Counter((one.model, one.prediction.bundle_id) for one in kept.iterate(RecordFilter()))
        assert names["next", place.version] >= 32
    finally:
        kept.close()


def _case_of(event: Event) -> str:
    return event.case.id if isinstance(event, Arrived) else getattr(event, "case_id", "")


def test_it_is_promoted_while_the_server_runs_and_old_cases_are_known(place: Place) -> None:
    who, (ada, bob) = place.who, reviewers(place.store, "Ada", "Bob")
    told = {"label": "rot", "by": "Bo"}
    with place.serving(f"another={KEPT}") as server:  # the candidate's bundle is not there, and nothing is read along
        old = until(lambda: sent(server, "old", 0, who), "it is taken")
        assert asked(server, "POST", f"/v1/cases/{old['id']}/decision", who, json=told) is not None
        assert not any(isinstance(one, Followed) for one in place.events(place.candidate))
    assert "the candidate farben-2 does not read its champion's cases along: its bundle" in server.log.read_text()
    with place.serving() as server:
        until(lambda: any(isinstance(one, Followed) for one in place.events(place.candidate)), "it follows")
        first = until(lambda: sent(server, "first", 1, who), "it is taken")
        assert asked(server, "POST", f"/v1/cases/{first['id']}/decision", who, json=told) is not None
        waits = until(lambda: sent(server, "waits", 2, who), "it is taken")
        summary = asked(server, "GET", "/v1/reviews/summary", ada)
        assert summary is not None
        assert (summary.status_code, summary.json()["rollout"]) == (200, NAME), summary.text
        place.half_promoted()
        command = [sys.executable, "-m", "drivetrain", "rollout", "promote", CANDIDATE, "--store", str(place.store)]
        promote = [*command, "--by", "Ada", "--reason", "it sees more", "--json"]
        done = subprocess.run(promote, capture_output=True, text=True, check=True)
        assert json.loads(done.stdout)["promoted"] is True
        # From the next request on, whether this process has looked since or not, cases of the old name are the new one's.
        for key, query in (("a", ""), ("b", f"?rollout={NAME}"), ("c", f"?rollout={CANDIDATE}")):
            found = until(lambda key=key, query=query: sent(server, key, 3, who, query), "it is taken")
            assert found["rollout"] == CANDIDATE
        for case, key, number, refusal in (
            (old, "old", 0, "was decided in farben-1, whose place farben-2 has taken"),
            (first, "first", 1, "is decided already"),
        ):
            again = sent(server, key, number, who, f"?rollout={NAME}")
            assert again is not None
            assert (again["id"], again["rollout"], again["decision"]["label"]) == (case["id"], NAME, "rot")
            known = asked(server, "GET", f"/v1/cases/{case['id']}", who)
            assert known is not None
            assert known.json() == again
            path, other = f"/v1/cases/{case['id']}/decision", {"label": "blau", "by": "Cy"}
            twice = asked(server, "POST", path, who, json=other)
            assert twice is not None
            assert (twice.status_code, refusal in twice.json()["detail"]) == (409, True), twice.text
            outcome = asked(server, "POST", f"/v1/cases/{case['id']}/outcome", who, json={"label": "blau", "by": "lab"})
            assert outcome is not None
            assert outcome.status_code == 200, outcome.text
        conflict = asked(
            server, "POST", "/v1/cases", who, headers={"Idempotency-Key": "old"}, **form(jpeg(9), case="{}")
        )
        assert conflict is not None
        assert conflict.status_code == 409

        def taken_over() -> bool:
            path = f"/v1/cases/{waits['id']}/decision"
            answer = asked(server, "POST", path, who, json={"label": "rot", "by": "Bo", "how": "blind"})
            return answer is not None and answer.status_code == 200

        until(taken_over, "the case that nobody had decided is the candidate's")
        now = asked(server, "GET", "/v1/cases?key=waits", who)
        assert now is not None
        assert (now.json()["id"], now.json()["rollout"], now.json()["status"]) == (waits["id"], CANDIDATE, "decided")
        review = asked(server, "GET", f"/v1/reviews/next?rollout={NAME}", bob)
        assert review is not None
        assert review.status_code == 200, review.text
    theirs = place.events(place.champion)
    assert _ended(theirs) == 1
    assert [one.case_id for one in theirs if isinstance(one, TurnedOut)] == [old["id"]]
    arrived = Counter(_case_of(one) for one in place.events(place.candidate) if isinstance(one, Arrived))
    assert arrived[waits["id"]] == 1


def _ended(events: list[Event]) -> int:
    return sum(isinstance(one, Turned) and one.turn is Turn.ENDED for one in events)
