"""A server in a process of its own stays within the memory it was given, whatever legal pictures it is sent at once."""

from __future__ import annotations

import resource
import sys
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from io import BytesIO
from pathlib import Path

import httpx2 as httpx
import pytest
from PIL import Image
from running import Running, form, jpeg, serving

from test_docs import documented, fields

sys.path.insert(0, str(Path(__file__).parent.parent / "data"))
import forged

pytestmark = pytest.mark.processes

GIVEN = 1536 << 20


@pytest.fixture(scope="module")
def server(kept: Path, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Running]:
    folder = tmp_path_factory.mktemp("memory")
    with serving(
        kept, store=folder / "store.db", log=folder / "log", memory="1536M", images="keep", deadline_s=120, workers=6
    ) as running:
        yield running


def high_water(running: Running) -> int:
    status = Path(f"/proc/{running.process.pid}/status").read_text()
    return next(int(line.split()[1]) << 10 for line in status.splitlines() if line.startswith("VmHWM"))


def test_what_it_takes_is_told(server: Running) -> None:
    memory = server.told["memory"]
    assert memory["bytes"] == GIVEN
    assert memory["base_bytes"] + memory["bodies_bytes"] + memory["pictures_bytes"] == GIVEN
    assert memory["pixels"] < memory["pictures_bytes"] / 8


def test_what_several_processes_take_is_told_without_what_started_them(kept: Path, tmp_path: Path) -> None:
    with serving(kept, store=tmp_path / "store.db", log=tmp_path / "log", memory="2G", processes=2) as running:
        memory = running.told["memory"]
        started_by = Path(f"/proc/{running.process.pid}/statm").read_text().split()[1]
        beside = (2 << 30) - 2 * memory["bytes"]
        assert 32 << 20 < beside < 2 * int(started_by) * resource.getpagesize()
        assert running.stop() == 0


def test_all_that_a_server_prints_is_documented(server: Running) -> None:
    assert fields(server.told) == documented("drivetrain serve")


def test_six_large_pictures_at_once(server: Running) -> None:
    picture = forged.gif(7000, 7000)
    assert len(picture) < 40_000
    with ThreadPoolExecutor(6) as pool:
        answers = list(
            pool.map(
                lambda _: httpx.post(f"{server.address}/v1/predict", timeout=120, **form(picture)).json(), range(6)
            )
        )
    predictions = [answer["predictions"][0] for answer in answers]
    assert [one["error"] for one in predictions] == [None] * 6
    assert high_water(server) < GIVEN


def test_twenty_thumbnails_of_one_large_picture(server: Running) -> None:
    out = BytesIO()
    Image.new("RGB", (5000, 5000), (9, 8, 7)).save(out, "PNG", compress_level=9)
    answer = httpx.post(f"{server.address}/v1/predict", timeout=60, **form(out.getvalue())).json()
    address = f"{server.address}/v1/inputs/{answer['predictions'][0]['input_sha256']}?size=64"
    with ThreadPoolExecutor(20) as pool:
        found = list(pool.map(lambda _: httpx.get(address, timeout=120), range(20)))
    assert {one.status_code for one in found} == {200}
    assert high_water(server) < GIVEN


def test_a_picture_larger_than_the_memory_is_refused_with_the_reason(server: Running) -> None:
    limit = server.told["memory"]["pixels"]
    too_many = forged.PNG + forged.ihdr(limit // 1000 + 1, 1000) + forged.png_chunk(b"IDAT", b"")
    answer = httpx.post(f"{server.address}/v1/predict", timeout=60, **form(too_many))
    assert answer.status_code == 422
    assert "million: send it smaller" in answer.json()["detail"]
    heavy = forged.webp_of_canvas(5000, limit // 5000)
    answer = httpx.post(f"{server.address}/v1/predict", timeout=60, **form(heavy))
    (one,) = answer.json()["predictions"]
    assert one["verdict"] == "unreadable"
    assert "of memory; at most" in one["error"]
    assert httpx.post(f"{server.address}/v1/predict", timeout=60, **form(jpeg())).status_code == 200


def test_forged_pictures_do_not_take_more(server: Running) -> None:
    pictures = [
        forged.png_of_two_headers(6000, 6000),
        forged.avif_that_claims_less(4000, 4000),
        forged.png_of_texts(60),
        forged.j2k(2000, 2000, precinct=1),
        forged.tiff_of_large_tiles(12_000),
        forged.icon(forged.png_of_two_headers(4000, 4000)),
    ]
    with ThreadPoolExecutor(12) as pool:
        answers = list(
            pool.map(
                lambda picture: httpx.post(f"{server.address}/v1/predict", timeout=120, **form(picture)), pictures * 2
            )
        )
    assert {answer.status_code for answer in answers} <= {200, 422}
    assert high_water(server) < GIVEN
    assert httpx.get(f"{server.address}/v2/health/ready", timeout=10).status_code == 200


def test_too_little_memory_is_refused_with_what_is_enough(kept: Path, tmp_path: Path) -> None:
    with (
        pytest.raises(AssertionError, match=r"200 MiB of memory are too little; give at least \d+ MiB with --memory"),
        serving(kept, store=tmp_path / "store.db", log=tmp_path / "log", memory="200M"),
    ):
        pass
