"""A run writes whole pictures with their lines, each once, and goes on where it was stopped."""

from __future__ import annotations

import hashlib
import io
import json
import signal
import struct
import subprocess
import sys
import time
import zlib
from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
from gathering import files, gather, lines, now, order
from PIL import Image

from drivetrain.core.errors import SourceError, UsageError
from drivetrain.core.ports import Silent
from drivetrain.curate.duplicates import copies_of
from drivetrain.curate.gather.found import Found
from drivetrain.curate.gather.known import Known
from drivetrain.curate.gather.prepared import prepare
from drivetrain.curate.gather.refusal import NotFetchedError
from drivetrain.curate.gather.run import Order
from drivetrain.curate.gather.writer import open_writer
from drivetrain.data.image import phash
from drivetrain.data.provenance.codec import to_line
from drivetrain.data.provenance.line import FILE, Provenance
from drivetrain.data.provenance.record import ProvenanceRecord, read_record
from web_host import Reply, Web, photo, web_host


@pytest.fixture
def web() -> Iterator[Web]:
    with web_host() as host:
        yield host


def photos(web: Web, count: int, first: int = 0) -> list[str]:
    """Addresses of pictures, each of another."""
    return [web.add(f"/{n}.jpg", Reply(photo(n))) for n in range(first, first + count)]


def test_pictures_lie_in_their_class_and_each_has_its_line(web: Web, tmp_path: Path) -> None:
    found = Found(
        photos(web, 1)[0], "https://page", "cc-by-4.0", "https://licence", "Ada", "A bear", group="g", label=None
    )
    tally = gather(tmp_path / "bears", Order("grizzly bear", "grizzly", "openverse", [found], 5))[0]
    name = f"grizzly bear/{hashlib.sha256(photo(0)).hexdigest()[:16]}.jpg"
    assert files(tmp_path / "bears") == [name]
    assert (tmp_path / "bears" / name).read_bytes() == photo(0)
    (line,) = lines(tmp_path / "bears")
    assert line == Provenance(
        name,
        hashlib.sha256(photo(0)).hexdigest(),
        "openverse",
        now(),
        found.url,
        "https://page",
        "cc-by-4.0",
        "https://licence",
        "Ada",
        "A bear",
        "grizzly",
        "g",
        "query",
    )
    assert (tally.wanted, tally.got, tally.asked, tally.dropped) == (5, 1, 1, {})


def bomb() -> bytes:
    """A PNG of 60,000×60,000 pixels in a few kilobytes."""
    head = struct.pack(">IIBBBBB", 60_000, 60_000, 8, 2, 0, 0, 0)

    def chunk(kind: bytes, data: bytes) -> bytes:
        return struct.pack(">I", len(data)) + kind + data + struct.pack(">I", zlib.crc32(kind + data))

    body = zlib.compress(bytes(1 << 20))
    return b"\x89PNG\r\n\x1a\n" + chunk(b"IHDR", head) + chunk(b"IDAT", body) + chunk(b"IEND", b"")


@pytest.mark.parametrize(
    ("body", "reason"),
    [
        (b"<html>not here any more</html>", "not an image"),
        (photo(1)[:-300], "truncated"),
        (b"", "empty"),
        (photo(1, (20, 20)), "tiny"),
        (bomb(), "too large"),
        (photo(1)[:100] + b"\xff" * 2000 + photo(1)[-2:], "damaged"),
    ],
    ids=["html", "cut", "empty", "tiny", "bomb", "damaged"],
)
def test_what_is_no_picture_is_dropped_for_its_reason_and_not_asked_again(
    web: Web, tmp_path: Path, body: bytes, reason: str
) -> None:
    url = web.add("/a.jpg", Reply(body, "image/jpeg"))
    for _ in range(2):
        tally = gather(tmp_path, order(url))[0]
        assert tally.dropped == {reason: 1}
    assert files(tmp_path) == []
    assert lines(tmp_path) == ()
    assert web.count("/a.jpg") == 1


def test_what_may_pass_is_asked_again(web: Web, tmp_path: Path) -> None:
    url = web.add("/a.jpg", Reply(status=503))
    assert gather(tmp_path, order(url))[0].dropped == {"host error": 1}
    web.add("/a.jpg", Reply(photo(1)))
    assert gather(tmp_path, order(url))[0].got == 1


def test_as_many_come_as_are_wanted_and_no_more_are_asked_for(web: Web, tmp_path: Path) -> None:
    urls = photos(web, 30)
    asked: list[str] = []

    def found() -> Iterator[Found]:
        for url in urls:
            asked.append(url)
            yield Found(url)

    gone = web.add("/gone.jpg", Reply(status=404))
    urls.insert(0, gone)
    tally = gather(tmp_path, Order("bear", "bear", "openverse", found(), 7))[0]
    assert (tally.got, tally.asked, tally.dropped) == (7, 8, {"not found": 1})
    assert len(asked) == 8
    again = gather(tmp_path, Order("bear", "bear", "openverse", found(), 7))[0]
    assert (again.had, again.got, again.asked) == (7, 0, 0)
    more = gather(tmp_path, Order("bear", "bear", "openverse", found(), 10))[0]
    assert (more.had, more.got) == (7, 3)
    assert len(files(tmp_path)) == 10
    assert max(map(web.count, {f"/{n}.jpg" for n in range(30)} | {"/gone.jpg"})) == 1


def re_encoded(data: bytes, scale: float = 1.0, mirror: bool = False) -> bytes:
    image = Image.open(io.BytesIO(data)).convert("RGB")
    image = image.resize((round(image.width * scale), round(image.height * scale)), Image.Resampling.LANCZOS)
    if mirror:
        image = image.transpose(Image.Transpose.FLIP_LEFT_RIGHT)
    file = io.BytesIO()
    image.save(file, "PNG")
    return file.getvalue()


def test_copies_are_dropped_also_of_what_was_there_before(web: Web, tmp_path: Path) -> None:
    (tmp_path / "mine").mkdir()
    Image.open(io.BytesIO(photo(1, (320, 240)))).save(tmp_path / "mine" / "own.png")
    original = photo(2, (320, 240))
    urls = [
        web.add("/mine.jpg", Reply(re_encoded(photo(1, (320, 240)), 0.7))),
        web.add("/original.jpg", Reply(original)),
        web.add("/new.jpg", Reply(photo(3, (320, 240)))),
    ]
    copies = [
        web.add("/same.jpg", Reply(original)),
        web.add("/png.png", Reply(re_encoded(original))),
        web.add("/half.jpg", Reply(re_encoded(original, 0.5, mirror=True))),
    ]
    tally = gather(tmp_path, order(*urls))[0]
    assert (tally.got, tally.dropped) == (2, {"duplicate": 1})
    tally = gather(tmp_path, order(*copies, label="other"))[0]
    assert (tally.got, tally.dropped) == (0, {"duplicate": 3})


def test_equal_addresses_are_asked_for_once(web: Web, tmp_path: Path) -> None:
    (url,) = photos(web, 1)
    tallies = gather(tmp_path, order(url, url), order(url, label="other"))
    assert [(one.got, dict(one.dropped)) for one in tallies] == [(1, {"duplicate": 1}), (0, {"duplicate": 1})]
    assert web.count("/0.jpg") == 1


def test_what_a_person_took_out_does_not_come_again(web: Web, tmp_path: Path) -> None:
    urls = photos(web, 3)
    gather(tmp_path, order(*urls))
    taken = tmp_path / files(tmp_path)[0]
    (tmp_path / "removed" / "bear").mkdir(parents=True)
    taken.rename(tmp_path / "removed" / "bear" / taken.name)
    again = [web.add(f"/mirror/{n}.jpg", Reply(photo(n))) for n in range(3)]
    tally = gather(tmp_path, order(*urls, *again))[0]
    assert (tally.got, tally.dropped) == (0, {"duplicate": 3})


def test_pictures_are_made_smaller_where_asked(web: Web, tmp_path: Path) -> None:
    urls = [
        web.add("/large.png", Reply(photo(1, (800, 600), "PNG"), "image/png")),
        web.add("/small.png", Reply(photo(2, (300, 200), "PNG"), "image/png")),
    ]
    gather(tmp_path, order(*urls), resize=400)
    found = {Path(name).suffix: Image.open(tmp_path / name) for name in files(tmp_path)}
    assert (found[".jpg"].size, found[".jpg"].format) == ((400, 300), "JPEG")
    assert (found[".png"].size, found[".png"].format) == ((300, 200), "PNG")
    for line in lines(tmp_path):
        assert hashlib.sha256((tmp_path / line.name).read_bytes()).hexdigest() == line.sha256
    again = [web.add("/large-again.png", Reply(photo(1, (800, 600), "PNG"), "image/png"))]
    assert gather(tmp_path, order(*again), resize=400)[0].dropped == {"duplicate": 1}


def test_closed_licences_are_left_out_where_open_ones_are_wanted(web: Web, tmp_path: Path) -> None:
    licences = ["cc-by-nc-2.0", "unknown", "cc0-1.0", "all-rights-reserved", "pdm-1.0", "gfdl"]
    found = [Found(url, licence=licence) for url, licence in zip(photos(web, 6), licences, strict=True)]
    tally = gather(tmp_path, Order("bear", None, "urls", found, only_open=True))[0]
    assert (tally.got, tally.asked, tally.dropped) == (3, 3, {"licence": 3})
    assert {line.licence for line in lines(tmp_path)} == {"cc-by-nc-2.0", "cc0-1.0", "pdm-1.0"}


def test_a_source_that_fails_is_told_of_and_the_next_class_comes(web: Web, tmp_path: Path) -> None:
    def broken() -> Iterator[Found]:
        yield Found(photos(web, 1)[0])
        raise NotFetchedError("throttled", "the service wants a pause", passing=True)

    first, second = gather(
        tmp_path,
        Order("a", "a", "openverse", broken(), 9),
        Order("b", "b", "openverse", iter([Found(photos(web, 2)[1])])),
    )
    assert (first.got, first.problem) == (1, "the service wants a pause")
    assert (second.got, second.problem) == (1, None)


def test_ctrl_c_leaves_whole_pictures_and_keeps_what_has_come(web: Web, tmp_path: Path) -> None:
    urls = photos(web, 4)

    def interrupted() -> Iterator[Found]:
        for url in urls:
            yield Found(url)
        time.sleep(0.5)
        raise KeyboardInterrupt

    tally = gather(tmp_path, Order("bear", "bear", "openverse", interrupted(), 9))[0]
    assert tally.got == len(files(tmp_path)) == len(lines(tmp_path)) == 4
    assert gather(tmp_path, order(*urls))[0].asked == 0


KILLED = """
import sys
sys.path.insert(0, sys.argv[1])
from pathlib import Path
from gathering import gather, order
gather(Path(sys.argv[2]), order(*Path(sys.argv[3]).read_text().split()))
"""


@pytest.mark.processes
def test_killed_at_any_moment_it_goes_on_and_fetches_nothing_twice_that_was_kept(web: Web, tmp_path: Path) -> None:
    urls = [web.add(f"/{n}.jpg", Reply(photo(n, (640, 480)), before_s=0.02)) for n in range(120)]
    (tmp_path / "urls.txt").write_text("\n".join(urls))
    into = tmp_path / "bears"
    command = [sys.executable, "-c", KILLED, str(Path(__file__).parent), str(into), str(tmp_path / "urls.txt")]
    kept: set[str] = set()
    rng = np.random.default_rng(7)
    for _ in range(6):
        program = subprocess.Popen(command)
        seen = len(web.asked)
        while len(web.asked) < seen + 3 and program.poll() is None:
            time.sleep(0.01)
        time.sleep(float(rng.uniform(0, 0.25)))
        program.send_signal(signal.SIGKILL)
        program.wait()
        recorded = lines(into)
        assert kept <= {line.name for line in recorded}
        kept = {line.name for line in recorded}
        for name in files(into):  # no half picture is ever seen, and none is without its line
            data = (into / name).read_bytes()
            assert [line.sha256 for line in recorded if line.name == name] == [hashlib.sha256(data).hexdigest()]
    assert 0 < len(kept) < 120
    asked_before = {line.url for line in lines(into)}
    seen = len(web.asked)
    assert subprocess.run(command, check=False).returncode == 0
    assert not {web.url(one.path) for one in web.asked[seen:]} & asked_before
    assert len(files(into)) == len(lines(into)) == 120
    assert sorted(line.name for line in lines(into)) == files(into)
    assert not list(into.rglob(".gathering-*"))


def test_a_run_killed_between_line_and_place_is_finished(tmp_path: Path) -> None:
    origin = Provenance("bear/", "", "urls", now(), "http://h/1.jpg")
    with open_writer(tmp_path, resize=None, progress=Silent()) as writer:
        kept = writer.write(photo(1), origin)
    place = tmp_path / kept.name
    part = place.with_name(f".gathering-{place.name}")
    place.rename(part)  # its line was written, its place not yet taken
    (tmp_path / "bear" / ".gathering-0123456789abcdef.jpg").write_bytes(photo(2)[:100])  # no line was written
    with open_writer(tmp_path, resize=None, progress=Silent()):
        assert place.read_bytes() == photo(1)
    assert [path.name for path in (tmp_path / "bear").iterdir()] == [place.name]


@pytest.mark.parametrize("rest", [0, (1 << 16) - 14, 1 << 16, 200_000])
def test_half_a_line_is_passed_over_and_cut_off_before_the_next(tmp_path: Path, rest: int) -> None:
    whole = Provenance("a.jpg", "00", "urls", now())
    half = '{"name": "b.jp' + "x" * rest
    (tmp_path / FILE).write_text(to_line(whole) + half)
    assert read_record(tmp_path) == (whole,)
    record = ProvenanceRecord(tmp_path)
    record.add([replace(whole, name="c.jpg")])
    record.close()
    assert [json.loads(line)["name"] for line in (tmp_path / FILE).read_text().splitlines()] == ["a.jpg", "c.jpg"]


@pytest.mark.parametrize(
    "line",
    [
        "no json",
        "[]",
        "[" * 100_000,
        '{"name": "a"}',
        '{"name": 3, "sha256": "", "source": "", "at": ""}',
        '{"name": "../a", "sha256": "", "source": "", "at": "2026-01-01"}',
        '{"name": "/a", "sha256": "", "source": "", "at": "2026-01-01"}',
    ],
)
def test_a_line_that_is_no_provenance_is_named(tmp_path: Path, line: str) -> None:
    (tmp_path / FILE).write_text(to_line(Provenance("a.jpg", "00", "urls", now())) + line + "\n")
    with pytest.raises(SourceError, match=r"provenance\.jsonl, line 2, is no provenance"):
        read_record(tmp_path)


def test_fields_of_newer_versions_are_passed_over(tmp_path: Path) -> None:
    line = json.loads(to_line(Provenance("a.jpg", "00", "urls", now()))) | {"mood": 7}
    (tmp_path / FILE).write_text(json.dumps(line) + "\n")
    assert read_record(tmp_path)[0].name == "a.jpg"


def test_two_programs_do_not_gather_into_one_folder(tmp_path: Path) -> None:
    with (
        open_writer(tmp_path, resize=None, progress=Silent()),
        pytest.raises(UsageError, match="another program is adding"),
        open_writer(tmp_path, resize=None, progress=Silent()),
    ):
        pass


def test_a_video_s_frames_are_written_by_the_same_writer(tmp_path: Path) -> None:
    """The seam: whatever yields bytes and provenance."""
    pairs = [(photo(n), Provenance(f"hen/clip-{n:04}", "", "video", now(), group="clip.mp4")) for n in range(3)]
    with open_writer(tmp_path, resize=None, progress=Silent()) as writer:
        written = [writer.write(data, origin) for data, origin in pairs]
        again = writer.write(photo(9), pairs[0][1])
    assert files(tmp_path) == sorted([*(f"hen/clip-{n:04}.jpg" for n in range(3)), "hen/clip-0000 (2).jpg"])
    assert [line.name for line in lines(tmp_path)] == [line.name for line in [*written, again]]
    assert {line.group for line in lines(tmp_path)} == {"clip.mp4"}


def test_known_pictures_are_those_that_the_search_for_copies_finds() -> None:
    rng = np.random.default_rng(3)
    originals = [photo(n, (200, 150)) for n in range(300)]
    facts = [prepare(data).facts for data in originals]
    known = Known()
    for n, fact in enumerate(facts):
        known.add(str(n), fact)
    altered = [
        re_encoded(originals[n], float(rng.uniform(0.5, 1.5)), bool(rng.integers(2)))
        for n in rng.choice(300, 40, replace=False).tolist()
    ]
    asked = [prepare(data).facts for data in altered]
    asked += [prepare(photo(n, (200, 150))).facts for n in range(300, 340)]
    digests = np.stack([np.frombuffer(bytes.fromhex(one.content_sha256), np.uint8) for one in facts])
    prints = phash.frequencies([one.fingerprint for one in facts if one.fingerprint])
    wanted = copies_of(asked, digests, prints)
    assert len(wanted) >= 35
    assert {row: int(name) for row, one in enumerate(asked) if (name := known.copy_of(one))} == wanted
