"""The cache: what was committed is found again, and nothing that befalls the file costs more than time."""

from __future__ import annotations

import hashlib
import json
import signal
import sqlite3
import subprocess
import sys
import threading
import time
import zlib
from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path

import numpy as np
import PIL
import pytest
from PIL import Image

from drivetrain.core.errors import CacheError
from drivetrain.core.types import FloatArray, Item, ItemFacts
from drivetrain.data.image.preprocess import Preprocess
from drivetrain.embed.cache import (
    DAY_S,
    ENVIRONMENT,
    FACTS_VERSION,
    FILE_NAME,
    EmbeddingCache,
    Failure,
    default_folder,
)
from drivetrain.embed.embedder import Embedder
from drivetrain.embed.recipe import Recipe
from drivetrain.embed.registry import resolve

WIDTH = 1000
PREPARED = Preprocess()
RECIPE = "0123456789abcdef" * 2
FACTS_KIND = f"facts-{FACTS_VERSION}-{PREPARED.reading}"


def sha(number: int) -> str:
    return hashlib.sha256(str(number).encode()).hexdigest()


def facts(number: int) -> ItemFacts:
    details = {"width": 640, "height": 480, "format": "JPEG", "mode": "RGB", "reduced": 2}
    details |= {"profile": "none", "range": "8 bits"}
    return ItemFacts(sha(number), sha(-number), details, bytes([number % 256]) * 512)


def vector(number: int) -> FloatArray:
    return np.random.default_rng(number).standard_normal(WIDTH).astype(np.float32)


def put(cache: EmbeddingCache, *numbers: int) -> None:
    cache.put(PREPARED, [(sha(n), facts(n)) for n in numbers], [(sha(n), RECIPE, vector(n)) for n in numbers])


def found(cache: EmbeddingCache, *numbers: int) -> list[int]:
    """Those of ``numbers`` whose embedding is there; it must then be the right one."""
    features = cache.features([sha(n) for n in numbers], RECIPE, WIDTH)
    for n in numbers:
        if sha(n) in features:
            assert np.array_equal(features[sha(n)], vector(n))
    assert len(features) == len({n for n in numbers if sha(n) in features})
    return [n for n in numbers if sha(n) in features]


def facts_found(cache: EmbeddingCache, *numbers: int) -> list[int]:
    known = cache.facts([sha(n) for n in numbers], PREPARED)
    for n in numbers:
        assert known.get(sha(n)) in (None, facts(n))
    return [n for n in numbers if sha(n) in known]


def filled(folder: Path, n: int) -> Path:
    """A closed database with ``n`` images; returns its file."""
    cache = EmbeddingCache(folder)
    put(cache, *range(n))
    cache.close()
    return folder / FILE_NAME


class Clock:
    """Time that stands still until it is told."""

    def __init__(self) -> None:
        self.now_s = 1_700_000_000.0

    def __call__(self) -> float:
        return self.now_s

    def days(self, days: float) -> None:
        self.now_s += days * DAY_S


# In and out


@pytest.mark.parametrize("folder", ["here", None])
def test_what_is_put_is_found(tmp_path: Path, folder: str | None) -> None:
    cache = EmbeddingCache(tmp_path / folder if folder else None)
    put(cache, *range(1200))  # more than one query looks up
    cache.put(PREPARED, [(sha(5000), Failure("truncated", "cut short"))], [])
    assert found(cache, *range(1202)) == list(range(1200))
    assert facts_found(cache, 3, 1300, 4) == [3, 4]
    assert cache.facts([sha(5000)], PREPARED) == {sha(5000): Failure("truncated", "cut short")}
    assert cache.facts([sha(1)], Preprocess(decode_floor=448)) == {}
    assert cache.features([sha(1)], "another recipe", WIDTH) == {}
    assert cache.features([sha(1)], RECIPE, WIDTH + 1) == {}
    assert cache.features([], RECIPE, WIDTH) == {}
    cache.close()


def test_it_is_there_the_next_time_and_can_be_replaced(tmp_path: Path) -> None:
    filled(tmp_path / "a" / "b", 10)
    cache = EmbeddingCache(tmp_path / "a" / "b")
    assert found(cache, *range(12)) == list(range(10))
    cache.put(PREPARED, [], [(sha(1), RECIPE, np.zeros(WIDTH, np.float32))])
    assert not cache.features([sha(1)], RECIPE, WIDTH)[sha(1)].any()


def test_notes(tmp_path: Path) -> None:
    cache = EmbeddingCache(tmp_path)
    assert cache.note("speed") is None
    cache.set_note("speed", "0.012 s – schnell")
    cache.close()
    assert EmbeddingCache(tmp_path).note("speed") == "0.012 s – schnell"


def test_info_counts_images_once(tmp_path: Path) -> None:
    cache = EmbeddingCache(tmp_path)
    put(cache, 1, 2, 3)
    cache.put(Preprocess(decode_floor=448), [(sha(1), facts(1))], [(sha(1), "second recipe", vector(1))])
    cache.set_note("speed", "1")
    info = cache.info()
    assert (info.images, info.embeddings, info.path) == (3, 4, str(tmp_path / FILE_NAME))
    assert info.bytes > 4 * 4 * WIDTH
    assert EmbeddingCache(None).info().path == "in memory"


def test_the_default_folder(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv(ENVIRONMENT, "/somewhere/else")
    assert default_folder() == Path("/somewhere/else")
    monkeypatch.delenv(ENVIRONMENT)
    assert default_folder().name == "drivetrain"


# Age


def test_prune_forgets_what_was_not_used(tmp_path: Path) -> None:
    clock = Clock()
    cache = EmbeddingCache(tmp_path, clock=clock)
    put(cache, 1, 2, 3)
    cache.set_note("speed", "1")
    clock.days(20)
    assert found(cache, 2) == [2]
    clock.days(11)
    put(cache, 4)
    # 1 and 3: facts and embedding; 2: the facts, which nobody looked at; and the note.
    assert cache.prune(30) == 6
    assert found(cache, 1, 2, 3, 4) == [2, 4]
    assert cache.note("speed") is None
    assert cache.prune(30) == 0
    assert cache.prune(0) == 3
    assert cache.info().embeddings == 0


def test_use_is_recorded_for_each_of_many_looked_up_together(tmp_path: Path) -> None:
    """A new image in front must not hide that the older ones behind it were used."""
    clock = Clock()
    cache = EmbeddingCache(tmp_path, clock=clock)
    put(cache, 1, 2, 3)
    clock.days(20)
    put(cache, 0)
    assert found(cache, 0, 1, 2, 3) == [0, 1, 2, 3]
    clock.days(20)
    cache.prune(30)
    assert found(cache, 0, 1, 2, 3) == [0, 1, 2, 3]


def test_use_is_recorded_once_a_day(tmp_path: Path) -> None:
    clock = Clock()
    cache = EmbeddingCache(tmp_path, clock=clock)
    put(cache, 1)
    watcher = sqlite3.connect(tmp_path / FILE_NAME)

    def version() -> int:
        (number,) = watcher.execute("PRAGMA data_version").fetchone()
        return int(number)

    before = version()
    clock.days(0.9)
    found(cache, 1)
    assert version() == before  # nothing was written
    clock.days(0.2)
    found(cache, 1)
    after = version()
    assert after != before
    found(cache, 1)
    assert version() == after


def test_prune_gives_the_space_back(tmp_path: Path) -> None:
    file = filled(tmp_path, 300)
    full = file.stat().st_size
    (tmp_path / f"{FILE_NAME}.damaged-1").write_bytes(b"set aside long ago")
    cache = EmbeddingCache(tmp_path)
    cache.prune(0)
    assert cache.info().bytes < full / 5
    assert [path.name for path in tmp_path.glob("*damaged*")] == []


# Rows that are not what was written


def edit(file: Path, statement: str, *values: object) -> None:
    with sqlite3.connect(file) as db:
        assert db.execute(statement, values).rowcount > 0
    db.close()


@pytest.mark.parametrize(
    "assignment",
    [
        "value = zeroblob(length(value))",
        "value = substr(value, 1, 100)",
        "value = 'text'",
        "value = 17",
        "value = CAST(x'ff00fe' AS TEXT)",
        "crc = crc + 1",
        "crc = 'text'",
        "used_s = 'text', crc = 0",
    ],
)
def test_a_row_that_fails_its_checksum_counts_as_absent(tmp_path: Path, assignment: str) -> None:
    lines: list[str] = []
    file = filled(tmp_path, 3)
    edit(file, f"UPDATE entry SET {assignment} WHERE sha256 = ?", sha(1))
    cache = EmbeddingCache(tmp_path, lines.append)
    assert found(cache, 0, 1, 2) == [0, 2]
    assert facts_found(cache, 0, 1, 2) == [0, 2]
    put(cache, 1)  # computed anew
    assert found(cache, 0, 1, 2) == [0, 1, 2]
    assert lines == []


GOOD = {
    "width": 640,
    "height": 480,
    "format": "JPEG",
    "mode": "RGB",
    "reduced": 2,
    "profile": "none",
    "range": "8 bits",
    "pixels_sha256": sha(-1),
    "dct": "01" * 512,
}


@pytest.mark.parametrize(
    "content",
    [
        {**GOOD, "colour": "a field of a later version"},
        {name: value for name, value in GOOD.items() if name != "reduced"},
        {**GOOD, "width": "640"},
        {**GOOD, "height": True},
        {**GOOD, "dct": "01" * 511},
        {**GOOD, "dct": "not hexadecimal"},
        {**GOOD, "dct": 7},
        {"reason": "truncated"},
        {"reason": "truncated", "detail": "", "pillow": PIL.__version__, "extra": 1},
        {"reason": "truncated", "detail": "as an older Pillow saw it", "pillow": "1.0"},
        {},
        [],
        "text",
        None,
    ],
    ids=str,
)
def test_facts_in_another_form_count_as_absent(tmp_path: Path, content: object) -> None:
    """Their checksum is right, so they were written on purpose: by another version."""
    file = filled(tmp_path, 3)
    value = json.dumps(content).encode()
    edit(
        file,
        "UPDATE entry SET value = ?, crc = ? WHERE sha256 = ? AND kind = ?",
        value,
        zlib.crc32(value),
        sha(1),
        FACTS_KIND,
    )
    cache = EmbeddingCache(tmp_path)
    assert facts_found(cache, 0, 1, 2) == [0, 2]


def test_the_good_form_is_the_one_that_is_found(tmp_path: Path) -> None:
    """Else the test above would prove nothing."""
    file = filled(tmp_path, 3)
    value = json.dumps(GOOD).encode()
    edit(
        file,
        "UPDATE entry SET value = ?, crc = ? WHERE sha256 = ? AND kind = ?",
        value,
        zlib.crc32(value),
        sha(1),
        FACTS_KIND,
    )
    assert EmbeddingCache(tmp_path).facts([sha(1)], PREPARED) == {sha(1): replace(facts(1), fingerprint=b"\1" * 512)}


# Files that are not what was written


def usable(folder: Path, lines: list[str]) -> EmbeddingCache:
    """Open the cache, work with it, find the work again the next time."""
    cache = EmbeddingCache(folder, lines.append, clock=lambda: 1234.5)
    found(cache, *range(300))
    put(cache, 1000)
    assert found(cache, 1000) == [1000]
    cache.close()
    again = EmbeddingCache(folder, lines.append)
    assert found(again, 1000) == [1000]
    return again


@pytest.mark.parametrize(
    "content",
    [b"this is no database" * 100, b"\0" * 8192, b"SQLite format 3\0" + b"\xff" * 5000],
    ids=["text", "zeros", "header only"],
)
def test_a_file_that_is_no_database_is_set_aside(tmp_path: Path, content: bytes) -> None:
    (tmp_path / FILE_NAME).write_bytes(content)
    lines: list[str] = []
    usable(tmp_path, lines)
    assert len(lines) == 1
    assert "the cache was damaged" in lines[0]
    (aside,) = tmp_path.glob("*damaged*")
    assert aside.name == f"{FILE_NAME}.damaged-1234"
    assert aside.name in lines[0]
    assert aside.read_bytes() == content


@pytest.mark.parametrize("content", [b"", b"x"])
def test_a_file_that_was_hardly_begun_is_a_new_cache(tmp_path: Path, content: bytes) -> None:
    (tmp_path / FILE_NAME).write_bytes(content)
    lines: list[str] = []
    usable(tmp_path, lines)
    assert lines == []


def test_somebody_elses_database_is_set_aside(tmp_path: Path) -> None:
    with sqlite3.connect(tmp_path / FILE_NAME) as db:
        db.execute("CREATE TABLE entry (id INTEGER PRIMARY KEY, note TEXT)")
    db.close()
    lines: list[str] = []
    usable(tmp_path, lines)
    assert len(lines) == 1
    assert "its columns are id, note" in lines[0]


@pytest.mark.parametrize("by", ["reading", "writing"])
def test_damaged_pages_are_met_while_working(tmp_path: Path, by: str) -> None:
    file = filled(tmp_path, 300)
    content = bytearray(file.read_bytes())
    content[8192:] = b"\xff" * (len(content) - 8192)
    file.write_bytes(content)
    lines: list[str] = []
    cache = EmbeddingCache(tmp_path, lines.append)
    if by == "reading":
        assert found(cache, *range(300)) == []
        put(cache, *range(300))
    else:
        put(cache, *range(300))
    assert found(cache, *range(300)) == list(range(300))
    cache.close()
    assert len(lines) == 1
    assert "the cache was damaged" in lines[0]
    assert found(EmbeddingCache(tmp_path), *range(300)) == list(range(300))


@pytest.mark.parametrize("kept", [0.02, 0.5, 0.99])
def test_a_file_cut_short(tmp_path: Path, kept: float) -> None:
    file = filled(tmp_path, 300)
    size = file.stat().st_size
    with file.open("r+b") as handle:
        handle.truncate(int(size * kept))
    lines: list[str] = []
    usable(tmp_path, lines)
    assert len(lines) == 1
    assert "damaged" in lines[0]


@pytest.mark.parametrize("rest", [b"", b"\xff" * 5000])
def test_a_lost_or_garbled_log_costs_only_what_was_in_it(tmp_path: Path, rest: bytes) -> None:
    file = filled(tmp_path, 50)
    file.with_name(f"{FILE_NAME}-wal").write_bytes(rest)
    assert found(usable(tmp_path, []), *range(50)) == list(range(50))


def test_damage_is_told_by_info(tmp_path: Path) -> None:
    file = filled(tmp_path, 300)
    cache = EmbeddingCache(tmp_path)
    content = bytearray(file.read_bytes())
    content[4096:] = b"\xff" * (len(content) - 4096)
    file.write_bytes(content)
    with pytest.raises(CacheError, match="cannot be read"):
        cache.info()


# Folders that cannot be used


def works_in_memory(cache: EmbeddingCache, lines: list[str]) -> None:
    put(cache, 1, 2)
    assert found(cache, 1, 2, 3) == [1, 2]
    assert facts_found(cache, 1, 2, 3) == [1, 2]
    cache.set_note("speed", "1")
    assert cache.note("speed") == "1"
    assert cache.info().path == "in memory"
    cache.prune(0)
    cache.close()
    assert len(lines) == 1
    assert lines[0].startswith("working without a cache: ")


def test_a_folder_that_is_a_file(tmp_path: Path) -> None:
    (tmp_path / "file").write_text("not a folder")
    for folder in (tmp_path / "file", tmp_path / "file" / "below"):
        lines: list[str] = []
        works_in_memory(EmbeddingCache(folder, lines.append), lines)
        assert "cannot be made" in lines[0]
    assert (tmp_path / "file").read_text() == "not a folder"


def test_a_database_that_is_a_folder(tmp_path: Path) -> None:
    (tmp_path / FILE_NAME).mkdir()
    lines: list[str] = []
    works_in_memory(EmbeddingCache(tmp_path, lines.append), lines)


def test_a_path_that_cannot_exist() -> None:
    lines: list[str] = []
    works_in_memory(EmbeddingCache(Path("/tmp/with\0null"), lines.append), lines)


@pytest.fixture
def small_disk(tmp_path: Path) -> Iterator[Path]:
    """A file system of 256 KiB."""
    folder = tmp_path / "disk"
    folder.mkdir()
    mount = ["mount", "-t", "tmpfs", "-o", "size=256k", "tmpfs", str(folder)]
    if not sys.platform.startswith("linux") or subprocess.run(mount, capture_output=True, check=False).returncode:
        pytest.skip("mounting a small file system is not permitted here")
    yield folder
    subprocess.run(["umount", "--lazy", str(folder)], check=True)


@pytest.mark.processes
def test_a_full_disk(small_disk: Path) -> None:
    lines: list[str] = []
    cache = EmbeddingCache(small_disk, lines.append)
    for number in range(100):
        put(cache, number)  # 400 KiB in all
    assert found(cache, *range(101)) == list(range(100))  # what did not fit is still known to this run
    assert facts_found(cache, *range(101)) == list(range(100))
    cache.close()
    assert len(lines) == 1
    assert "what is new is not kept" in lines[0]
    kept = found(EmbeddingCache(small_disk), *range(100))
    assert 5 < len(kept) < 90
    assert kept == list(range(len(kept)))


FILE_LIMIT = """
import resource, sys
from pathlib import Path
sys.path.insert(0, sys.argv[1])
from test_cache import EmbeddingCache, found, put
resource.setrlimit(resource.RLIMIT_FSIZE, (200_000, 200_000))
lines = []
cache = EmbeddingCache(Path(sys.argv[2]), lines.append)
for number in range(100):
    put(cache, number)
assert found(cache, *range(101)) == list(range(100))
cache.close()
assert len(lines) == 1, lines
print(lines[0])
"""


@pytest.mark.processes
@pytest.mark.skipif(sys.platform == "win32", reason="no limit on the size of files")
def test_a_file_that_may_not_grow(tmp_path: Path) -> None:
    """The same for those who may not mount: the system refuses to make files larger than 200 kB."""
    done = subprocess.run(
        [sys.executable, "-c", FILE_LIMIT, str(Path(__file__).parent), str(tmp_path)],
        capture_output=True,
        text=True,
        timeout=120,
        check=False,
    )
    assert done.returncode == 0, done.stderr
    assert "what is new is not kept" in done.stdout
    kept = found(EmbeddingCache(tmp_path), *range(100))
    assert 5 < len(kept) < 90


@pytest.mark.processes
@pytest.mark.parametrize("before", ["nothing", "a cache"])
def test_a_folder_that_may_only_be_read(small_disk: Path, before: str) -> None:
    if before == "a cache":
        filled(small_disk, 5)
    subprocess.run(["mount", "-o", "remount,ro", str(small_disk)], check=True)
    lines: list[str] = []
    cache = EmbeddingCache(small_disk, lines.append)
    put(cache, 1, 2)
    assert found(cache, 1, 2, 9) == [1, 2]
    cache.close()
    assert len(lines) == 1


# Several at once

WRITER = """
import sys, time
from pathlib import Path
sys.path.insert(0, sys.argv[1])
from test_cache import EmbeddingCache, found, put
folder, writer, start_s = Path(sys.argv[2]), int(sys.argv[3]), float(sys.argv[4])
while time.time() < start_s:
    time.sleep(0.001)
lines = []
cache = EmbeddingCache(folder, lines.append)
for number in range(40):
    put(cache, number, 1000 * writer + number)
    assert found(cache, number, 1000 * writer + number) == [number, 1000 * writer + number]
cache.close()
assert lines == [], lines
"""


@pytest.mark.processes
def test_several_processes_write_at_once(tmp_path: Path) -> None:
    """They make the database together, write rows of their own and the same rows, and none is lost."""
    start_s = time.time() + 1.5  # all are loaded by then
    writers = [
        subprocess.Popen(
            [sys.executable, "-c", WRITER, str(Path(__file__).parent), str(tmp_path), str(writer), str(start_s)],
            stderr=subprocess.PIPE,
            text=True,
        )
        for writer in (1, 2, 3)
    ]
    for process in writers:
        _, errors = process.communicate(timeout=120)
        assert process.returncode == 0, errors
    everything = [*range(40), *(1000 * writer + number for writer in (1, 2, 3) for number in range(40))]
    assert found(EmbeddingCache(tmp_path), *everything) == everything


def test_a_database_that_somebody_else_is_just_making_is_waited_for(tmp_path: Path) -> None:
    """Before it is in WAL mode SQLite reports a writer at once, whatever patience it was told to have."""
    maker = sqlite3.connect(tmp_path / FILE_NAME, isolation_level=None, check_same_thread=False)
    maker.execute("CREATE TABLE other (column)")
    maker.execute("BEGIN IMMEDIATE")
    timer = threading.Timer(0.2, maker.execute, ["COMMIT"])
    timer.start()
    lines: list[str] = []
    cache = EmbeddingCache(tmp_path, lines.append)
    put(cache, 1)
    timer.join()
    maker.close()
    assert lines == []
    assert found(EmbeddingCache(tmp_path), 1) == [1]


def test_a_database_that_is_made_forever_is_done_without(tmp_path: Path) -> None:
    maker = sqlite3.connect(tmp_path / FILE_NAME, isolation_level=None)
    maker.execute("CREATE TABLE other (column)")
    maker.execute("BEGIN IMMEDIATE")
    lines: list[str] = []
    works_in_memory(EmbeddingCache(tmp_path, lines.append, patience_s=0.05), lines)
    assert "database is locked" in lines[0]
    maker.close()


HOLDER = """
import sqlite3, sys
db = sqlite3.connect(sys.argv[1], isolation_level=None)
db.execute("BEGIN IMMEDIATE")
print("held", flush=True)
sys.stdin.readline()
db.execute("COMMIT")
print("released", flush=True)
"""


class Lock:
    """Another process in the middle of a long write."""

    def __init__(self, file: Path) -> None:
        self._process = subprocess.Popen(
            [sys.executable, "-c", HOLDER, str(file)], stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True
        )
        assert self._process.stdout
        assert self._process.stdout.readline() == "held\n"

    def release(self) -> None:
        assert self._process.stdin
        assert self._process.stdout
        self._process.stdin.write("\n")
        self._process.stdin.flush()
        assert self._process.stdout.readline() == "released\n"
        self._process.wait(timeout=60)
        self._process.stdin.close()
        self._process.stdout.close()


@pytest.fixture
def lock(tmp_path: Path) -> Iterator[Lock]:
    filled(tmp_path, 5)
    held = Lock(tmp_path / FILE_NAME)
    yield held
    held._process.kill()
    held._process.wait()


@pytest.mark.processes
def test_a_locked_database_is_read_and_written_to_later(tmp_path: Path, lock: Lock) -> None:
    lines: list[str] = []
    clock = Clock()
    cache = EmbeddingCache(tmp_path, lines.append, clock, patience_s=0.05)
    clock.days(1e6)  # the date of use would have to be written too
    assert found(cache, 1, 2) == [1, 2]
    for number in range(10, 20):
        put(cache, number)
    assert found(cache, 2, 10, 19, 20) == [2, 10, 19]
    assert facts_found(cache, 2, 10, 19, 20) == [2, 10, 19]
    assert len(lines) == 1
    assert "is locked by another program" in lines[0]
    with pytest.raises(CacheError, match="locked"):
        cache.prune(0)
    assert found(EmbeddingCache(tmp_path), 2, 10) == [2]

    lock.release()
    put(cache, 20)
    assert found(EmbeddingCache(tmp_path), *range(10, 22)) == list(range(10, 21))
    cache.close()
    assert len(lines) == 1


@pytest.mark.processes
def test_what_could_not_be_written_is_written_at_the_end(tmp_path: Path, lock: Lock) -> None:
    cache = EmbeddingCache(tmp_path, patience_s=0.05)
    put(cache, 10, 11)
    lock.release()
    cache.close()
    assert found(EmbeddingCache(tmp_path), 10, 11) == [10, 11]


@pytest.mark.processes
def test_a_lock_that_is_never_released_costs_what_is_new(tmp_path: Path, lock: Lock) -> None:
    lines: list[str] = []
    cache = EmbeddingCache(tmp_path, lines.append, patience_s=0.05)
    put(cache, 10, 11)
    cache.close()
    assert len(lines) == 2
    assert "4 new entries are not kept" in lines[1]
    lock.release()
    assert found(EmbeddingCache(tmp_path), 1, 10, 11) == [1]


def test_a_cache_is_for_one_thread_and_not_for_use_after_close(tmp_path: Path) -> None:
    """A mistake in the program is no damage to the file: it must show, and the file must stay."""
    cache = EmbeddingCache(tmp_path)
    cache.close()
    with pytest.raises(sqlite3.ProgrammingError):
        found(cache, 1)
    with pytest.raises(sqlite3.ProgrammingError):
        put(cache, 1)
    assert list(tmp_path.glob("*damaged*")) == []


# Killed in the middle

PASS = """
import sys
from pathlib import Path
from drivetrain.core.types import Item
from drivetrain.embed.cache import EmbeddingCache
from drivetrain.embed.embedder import Embedder
from drivetrain.embed.recipe import Recipe
from drivetrain.embed.registry import resolve
items = [Item(path, path.name) for path in sorted(Path(sys.argv[1]).iterdir())]
Embedder(EmbeddingCache(Path(sys.argv[2])), workers=1).embed(items, [Recipe(resolve("efficientnet-lite0"))])
"""


def committed(file: Path) -> int:
    """Images in the database as another process sees it; 0 where there is none yet."""
    if not file.exists():
        return 0
    db = sqlite3.connect(f"file:{file}?mode=ro", uri=True)
    try:
        return int(db.execute("SELECT count(*) FROM entry WHERE kind LIKE 'facts-%'").fetchone()[0])
    except sqlite3.OperationalError:
        return 0  # between being made and having its table
    finally:
        db.close()


@pytest.mark.processes
@pytest.mark.skipif(sys.platform == "win32", reason="SIGKILL is POSIX's")
def test_a_killed_pass_is_continued(tmp_path: Path) -> None:
    (tmp_path / "images").mkdir()
    rng = np.random.default_rng(0)
    for number in range(128):
        coarse = Image.fromarray(rng.integers(0, 256, (5, 6, 3), dtype=np.uint8))
        coarse.resize((240, 200), Image.Resampling.BICUBIC).save(tmp_path / "images" / f"{number:03}.png")
    items = [Item(path, path.name) for path in sorted((tmp_path / "images").iterdir())]
    recipe = Recipe(resolve("efficientnet-lite0"))
    file = tmp_path / "cache" / FILE_NAME

    process = subprocess.Popen([sys.executable, "-c", PASS, str(tmp_path / "images"), str(file.parent)])
    while process.poll() is None and committed(file) < 32:
        time.sleep(0.005)
    process.send_signal(signal.SIGKILL)
    assert process.wait(timeout=60) == -signal.SIGKILL, "it was done before it could be killed"
    before = committed(file)
    assert 32 <= before < 128

    lines: list[str] = []
    cache = EmbeddingCache(file.parent, lines.append)
    hashes = [hashlib.sha256(item.path.read_bytes()).hexdigest() for item in items]
    assert len(cache.features(hashes, recipe.key, recipe.width)) >= before
    continued = Embedder(cache).embed(items, [recipe])[recipe.key]
    assert cache.info().images == 128
    assert lines == []
    uninterrupted = Embedder(EmbeddingCache(None)).embed(items, [recipe])[recipe.key]
    assert np.array_equal(continued.features_ND, uninterrupted.features_ND)
    assert continued.facts == uninterrupted.facts
    assert list(file.parent.glob("*damaged*")) == []
