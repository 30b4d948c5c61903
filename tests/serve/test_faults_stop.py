"""A server that is told to stop answers what it accepted, and does not wait for ever."""

from __future__ import annotations

import signal
import socket
import threading
import time
from pathlib import Path

import httpx2 as httpx
import pytest
from crowd import Told, check_stored, counted, held_up, open_lines, predict, read_answer, status_of, until
from running import jpeg, serving

pytestmark = pytest.mark.processes

HEAD = b"POST /v1/predict HTTP/1.1\r\nHost: localhost\r\nContent-Type: application/json\r\nContent-Length: 1000\r\n"


@pytest.mark.parametrize("kind", [signal.SIGTERM, signal.SIGINT])
def test_what_was_accepted_is_answered_and_stored(kind: signal.Signals, tmp_path: Path, kept: Path) -> None:
    place, told = tmp_path / "store.db", list[Told]()

    def ask(seed: int) -> None:
        with httpx.Client(timeout=60) as client:
            told.append(predict(client, running.address, jpeg(seed)))

    threads = [threading.Thread(target=ask, args=(seed,), daemon=True) for seed in range(6)]
    with serving(kept, store=place, log=tmp_path / "log", workers=2, max_batch=1, deadline_s=60) as running:
        idle = socket.create_connection(("localhost", running.port))
        with held_up(place) as let_go:
            for thread in threads:
                thread.start()
            until(lambda: counted(running.address, "drivetrain_predictions_total") == len(threads), "all are accepted")
            running.process.send_signal(kind)
            until(lambda: status_of(running.address, "/v2/health/live") in (0, 503), "nobody else is let in")
            assert not told
            assert running.process.poll() is None
            let_go()
            for thread in threads:
                thread.join(60)
        assert running.process.wait(60) == 0
        assert idle.recv(1) == b"", "a connection without a request is closed"
        idle.close()
    assert [one.status for one in told] == [200] * len(threads)
    check_stored(str(place), told)
    assert "Traceback" not in running.log.read_text()


def test_a_request_that_never_ends_is_not_waited_for(tmp_path: Path, kept: Path) -> None:
    with (
        serving(kept, store=tmp_path / "store.db", log=tmp_path / "log", max_batch=1, drain_s=1) as running,
        open_lines(running.port, 2) as (uploading, stalled),
    ):
        uploading.sendall(HEAD + b"Expect: 100-continue\r\n\r\n")
        assert uploading.recv(100).startswith(b"HTTP/1.1 100")  # so that the server is reading the body
        uploading.sendall(b"{")
        stalled.sendall(HEAD)
        start_s = time.monotonic()
        running.process.send_signal(signal.SIGTERM)
        answer = read_answer(uploading)
        assert (answer.status, answer.body["type"]) == (503, "urn:drivetrain:problem:draining")
        assert int(answer.headers["retry-after"]) > 0
        assert stalled.recv(1) == b""
        assert running.process.wait(60) == 0
        assert 0.5 < time.monotonic() - start_s < 15
    assert "Traceback" not in running.log.read_text()
