"""A server knows when nothing gets through, and what cannot be kept does not hold up what can be answered."""

from __future__ import annotations

import sys
import time
from pathlib import Path

import httpx2 as httpx
import pytest
from crowd import until
from held import MakeClient, held
from running import form, jpeg
from test_engine import MakeBench, make_bench
from waiting import LONG_S, Beside

sys.path.insert(0, str(Path(__file__).parent.parent / "data"))
import forged

from drivetrain.core.memory_budget import MemoryBudget
from drivetrain.data.image import metadata
from drivetrain.serve import server as server_module
from drivetrain.serve.work.job import Upload

__all__ = ["make_bench"]


def test_a_store_that_hangs_is_known(make_bench: MakeBench) -> None:
    bench = make_bench()
    assert bench.engine.ledger.stuck_s() == 0
    bench.store.open.clear()
    outcome = bench.send(Upload("1", jpeg()))
    assert bench.store.begun.acquire(timeout=LONG_S)
    first = bench.engine.ledger.stuck_s()
    time.sleep(0.01)
    assert bench.engine.ledger.stuck_s() > first > 0
    bench.store.open.set()
    outcome.entries()


def test_workers_that_are_all_at_the_same_work_are_known(make_bench: MakeBench) -> None:
    bench = make_bench(workers=1)
    assert bench.engine.stuck_s() == 0
    outcome = bench.occupy()
    assert bench.engine.stuck_s() > 0
    bench.go.set()
    outcome.entries()
    bench = make_bench(workers=2)
    outcome = bench.occupy()
    assert bench.engine.stuck_s() == 0  # the other is free
    bench.go.set()
    outcome.entries()


def test_a_server_through_which_nothing_gets_is_not_ready(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(server_module, "STUCK_S", 0.05)
    with held(tmp_path / "store.db", workers=1) as bench:
        assert bench.client.get("/v2/health/ready").status_code == 200
        bench.session.go.clear()
        sent = Beside(lambda: bench.client.post("/v1/predict", **form(jpeg())))
        assert bench.session.running.acquire(timeout=LONG_S)
        time.sleep(0.1)
        answer = bench.client.get("/v2/health/ready")
        assert answer.status_code == 503
        assert "no image has got through" in answer.json()["detail"]
        assert bench.client.post("/v1/predict", **form(jpeg())).status_code == 503
        page = bench.client.get("/metrics").text
        (line,) = [line for line in page.splitlines() if line.startswith("drivetrain_stuck_seconds ")]
        assert float(line.split()[1]) > 0.05
        bench.session.go.set()
        assert sent.result().status_code == 200
        assert bench.client.get("/v2/health/ready").status_code == 200


@pytest.mark.parametrize("kind", ["lzma", "tiff_lzw"])
def test_a_picture_too_large_to_be_written_anew_leaves_its_hash(
    make_client: MakeClient, monkeypatch: pytest.MonkeyPatch, kind: str
) -> None:
    monkeypatch.setattr(metadata, "KEPT_PIXELS", 100 * 100)
    client = make_client(images="keep")
    answer = client.post(
        "/v1/predict", **form(forged.tiff_deflated(101, 100, kind), forged.tiff_deflated(100, 100, kind))
    ).json()
    large, small = answer["predictions"]
    assert large["input_sha256"]
    assert client.get(f"/v1/predictions/{large['id']}").json()["input"] is None
    assert client.get(f"/v1/inputs/{large['input_sha256']}").status_code == 404
    address = client.get(f"/v1/predictions/{small['id']}").json()["input"]
    assert client.get(address).headers["content-type"] == "image/png"
    images = {one["id"]: one["input"] for one in client.get("/v1/predictions").json()["predictions"]}
    assert images == {large["id"]: None, small["id"]: address}


def test_what_grows_on_the_way_is_kept_as_far_as_there_is_room(tmp_path: Path) -> None:
    grows = forged.tiff_deflated(1000, 1000, "lzma")
    with held(tmp_path / "store.db", images="keep") as bench:
        pictures = bench.server.pictures

        def image_of(data: bytes) -> httpx.Response:
            (one,) = bench.client.post("/v1/predict", **form(data)).json()["predictions"]
            return bench.client.get(f"/v1/inputs/{one['input_sha256']}")

        kept = image_of(grows)
        assert kept.headers["content-type"] == "image/png"
        assert len(kept.content) > len(grows)
        # Sooner than the ledger looks again by itself: what is stored leaves its room to what comes next.
        until(lambda: pictures.waiting.held == 0, "what has been stored takes no room", wait_s=1)
        pictures.waiting = MemoryBudget(len(kept.content) - 1)
        assert image_of(forged.tiff_deflated(1000, 1001, "lzma")).status_code == 404


def test_an_odd_jpeg_that_was_reduced_is_written_whole(make_bench: MakeBench) -> None:
    """Its picture is decoded a second time, after the first was given back: else this would wait for itself."""
    data = jpeg(size=(3000, 2000))
    at = 4 + int.from_bytes(data[4:6], "big")
    odd = data[:at] + b"junk" + data[at:]  # skipped by decoders
    bench = make_bench(images="keep")
    entry = bench.send(Upload("1.jpg", odd)).entries()[0]
    assert entry.record.prediction.error is None
    assert entry.input is not None
    assert entry.input.media_type == "image/png"
    assert bench.pictures.budget.held == 0
