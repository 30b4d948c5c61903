"""Several processes at one rollout, and processes that are killed in the middle of it."""

from __future__ import annotations

import json
import os
import signal
import subprocess
import sys
from pathlib import Path

import pytest
from made_rollouts import ROLLOUT, START, made_case, made_review, made_rollout

from drivetrain.store.sql_store import open_store

pytestmark = pytest.mark.processes

WORKER = str(Path(__file__).with_name("rollout_process.py"))


def start(place: str, what: str, name: str, count: int = 0) -> subprocess.Popen[str]:
    environment = os.environ | {"PYTHONPATH": os.pathsep.join(filter(None, [*sys.path]))}
    arguments = [sys.executable, WORKER, place, what, name, str(count)]
    return subprocess.Popen(arguments, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True, env=environment)


def told(worker: subprocess.Popen[str]) -> list[str]:
    out, err = worker.communicate(timeout=120)
    assert (worker.returncode, err) == (0, ""), err
    first, *rest = out.split()
    assert first == "open"
    return rest


def opened(place: str, reviews: int = 0) -> None:
    store = open_store(place)
    store.open_rollout(made_rollout())
    with store.rollout_log(ROLLOUT) as log:
        log.add_reviews([made_review(number) for number in range(reviews)])
    store.close()


def test_processes_write_one_chain(place: str) -> None:
    opened(place)
    workers = [start(place, "log", str(1000 * number), 25) for number in range(4)]
    keys = sorted(int(key) for worker in workers for key in told(worker))
    store = open_store(place, create=False)
    events = [json.loads(line.body) for line in store.verify_log(ROLLOUT)]
    assert [event["part"] for event in events] == [0, 1] * 100
    assert [event["number"] for event in events[::2]] == [event["number"] for event in events[1::2]]
    assert sorted(event["number"] for event in events[::2]) == keys
    store.close()


def test_no_review_is_given_twice_to_processes_that_ask_at_once(place: str) -> None:
    opened(place, 120)
    shares = [told(worker) for worker in [start(place, "lease", f"p{number}") for number in range(4)]]
    assert sorted(name for share in shares for name in share) == [made_review(number).id for number in range(120)]


def test_no_review_is_decided_twice_by_processes_that_work_at_once(place: str) -> None:
    opened(place, 80)
    shares = [told(worker) for worker in [start(place, "decide", f"p{number}") for number in range(3)]]
    assert sorted(name for share in shares for name in share) == [made_review(number).id for number in range(80)]
    store = open_store(place, create=False)
    events = [json.loads(line.body) for line in store.verify_log(ROLLOUT)]
    assert sorted(event["review"] for event in events) == [made_review(number).id for number in range(80)]
    assert store.queue_counts(ROLLOUT, START) == {"decide": {"open": 0, "leased": 0, "held": 80, "overdue": 0}}
    store.close()


def test_what_killed_processes_had_acknowledged_is_there_and_the_rest_is_whole_or_not_at_all(place: str) -> None:
    opened(place)
    acknowledged: list[int] = []
    for number in range(4):
        worker = start(place, "log", str(10_000 * number), 10_000)
        assert worker.stdout is not None
        lines = [worker.stdout.readline() for _ in range(7 + 5 * number)]
        worker.send_signal(signal.SIGKILL)
        rest, _ = worker.communicate(timeout=60)
        # A last line may have been cut by the kill.
        lines += [line for line in rest.splitlines(keepends=True) if line.endswith("\n")]
        acknowledged += [int(line) for line in lines[1:]]
    store = open_store(place, create=False)
    events = [json.loads(line.body) for line in store.verify_log(ROLLOUT)]
    assert [event["part"] for event in events] == [0, 1] * (len(events) // 2)
    kept = [event["number"] for event in events[::2]]
    assert set(acknowledged) <= set(kept)
    assert len(kept) - len(acknowledged) <= 4
    for key in kept:
        case = made_case(key)
        assert store.case(ROLLOUT, case.id) == case
        assert store.input(case.inputs[0]) is not None
        assert store.review(ROLLOUT, made_review(key).id) == made_review(key)
        assert [line.case_id for line in store.lines_of(ROLLOUT, case.id)] == [case.id] * 2
    assert store.queue_counts(ROLLOUT, START)["decide"]["open"] == len(kept)
    # The next writer goes on where they were.
    assert told(start(place, "log", "90000", 3)) == ["90000", "90001", "90002"]
    assert len(list(store.verify_log(ROLLOUT))) == len(events) + 6
    store.close()
