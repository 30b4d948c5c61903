"""Several processes on one port, sharing one store."""

from __future__ import annotations

import os
import shutil
import signal
from pathlib import Path

import httpx2 as httpx
import pytest
from crowd import Crowd, check_stored, counted, predict, status_of, until, workers_of
from prometheus_client.mmap_dict import MmapedDict
from running import jpeg, serving

pytestmark = [
    pytest.mark.processes,
    pytest.mark.skipif(not Path("/proc/self/task").is_dir(), reason="looks for processes in /proc"),
]

LIVE = "/v2/health/live"


def has_answered(folder: Path, pid: int) -> bool:
    """Whether this one of the processes has answered requests, by the counts it leaves for the others."""
    for file in folder.glob(f"*/counter_{pid}.db"):
        if not file.stat().st_size:
            continue  # it has been made this moment
        for key, value, *_ in MmapedDict.read_all_values_from_file(str(file)):
            if "drivetrain_requests_total" in key and LIVE in key and value > 0:
                return True
    return False


def test_two_processes_that_share_a_port_and_a_store(tmp_path: Path, kept: Path) -> None:
    place, counts = tmp_path / "store.db", tmp_path / "counts"
    counts.mkdir()
    with serving(
        kept,
        store=place,
        log=tmp_path / "log",
        environment={"TMPDIR": str(counts)},
        processes=2,
        workers=2,
        max_batch=1,
    ) as running:
        address, supervisor = running.address, running.process.pid

        def both_answer() -> bool:
            for _ in range(4):
                assert status_of(address, LIVE) == 200  # over a connection of its own
            return len(workers_of(supervisor)) == 2 and all(has_answered(counts, p) for p in workers_of(supervisor))

        until(both_answer, "both have answered")
        with Crowd(address, 4, images=1) as crowd:
            until(lambda: len(crowd.told) >= 60, "60 answers")
        assert not crowd.broken
        for _ in range(4):
            # Whichever is asked answers for both.
            assert counted(address, "drivetrain_predictions_total") == len(crowd.told)
            assert counted(address, "drivetrain_store_up") == 1
        told = crowd.told

        one, two = workers_of(supervisor)
        with Crowd(address, 4) as crowd:
            until(lambda: len(crowd.told) >= 30, "30 answers")
            os.kill(one, signal.SIGKILL)
            until(lambda: one not in workers_of(supervisor) and both_answer(), "another answers in its place")
            assert two in workers_of(supervisor)
            answered = len(crowd.told)
            until(lambda: len(crowd.told) >= answered + 30, "30 answers more")
        told += crowd.told
        assert {answer.status for answer in told} == {200}

        members = workers_of(supervisor)
        assert running.stop(wait_s=60) == 0
        assert not any(Path(f"/proc/{pid}").exists() for pid in members)
        assert status_of(address, LIVE) == 0
    check_stored(str(place), told)
    assert not any(counts.glob("drivetrain-*")), "what was counted for the others is cleared away"
    log = running.log.read_text()
    assert "Traceback" not in log
    assert f"process {one} ended by itself" in log


def test_a_process_that_cannot_start_again_and_one_that_starts_nobody_any_more(tmp_path: Path, kept: Path) -> None:
    counts, bundle = tmp_path / "counts", tmp_path / "farben.bundle"
    counts.mkdir()
    shutil.copytree(kept, bundle)
    with serving(
        bundle,
        store=tmp_path / "store.db",
        log=tmp_path / "log",
        environment={"TMPDIR": str(counts)},
        processes=2,
        max_batch=1,
    ) as running:
        supervisor = running.process.pid
        one, two = until(lambda: len(found := workers_of(supervisor)) == 2 and found, "two processes")
        until(lambda: status_of(running.address, LIVE) == 200 and has_answered(counts, two), "the second answers")
        (bundle / "model.onnx").write_bytes(b"")
        os.kill(one, signal.SIGKILL)
        until(lambda: "this process cannot serve" in running.log.read_text(), "the next one cannot start")
        with httpx.Client(timeout=60) as client:
            assert predict(client, running.address, jpeg()).status == 200
        shutil.copy(kept / "model.onnx", bundle / "model.onnx")
        until(
            lambda: (
                status_of(running.address, LIVE) == 200
                and len(workers_of(supervisor)) == 2
                and all(has_answered(counts, pid) for pid in workers_of(supervisor))
            ),
            "both answer again",
        )
        members = workers_of(supervisor)
        assert two in members
        running.process.kill()
        running.process.wait(10)
        until(lambda: not any(is_running(pid) for pid in members), "nobody goes on without the first process")
        assert status_of(running.address, LIVE) == 0
    assert "Traceback" not in running.log.read_text()


def is_running(pid: int) -> bool:
    """Whether a process does anything; what has ended may stay until somebody asks for its status."""
    try:
        return ") Z " not in Path(f"/proc/{pid}/stat").read_text()
    except OSError:
        return False
