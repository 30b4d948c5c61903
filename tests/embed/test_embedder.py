"""The embedding pass: the same numbers however it is run, bad files passed over, and an end to every mishap."""

from __future__ import annotations

import hashlib
import io
import itertools
import os
import signal
import sqlite3
import struct
import subprocess
import sys
import threading
import time
import tracemalloc
import zlib
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import replace
from pathlib import Path

import numpy as np
import onnx
import pytest
from PIL import Image, ImageOps

from drivetrain.core.cores import available_cores
from drivetrain.core.errors import WeightsError
from drivetrain.core.types import Embeddings, FloatArray, Item
from drivetrain.data.image.decode import MAX_BYTES, Decoded, decode
from drivetrain.data.image.facts import facts_of, pixel_size
from drivetrain.data.image.preprocess import Preprocess, Resize
from drivetrain.embed.backbone import INPUT, OUTPUT, Backbone, Block
from drivetrain.embed.cache import FACTS_VERSION, FILE_NAME, EmbeddingCache
from drivetrain.embed.embedder import CHUNK, KEPT_BYTES, Embedder
from drivetrain.embed.graph import GraphBuilder
from drivetrain.embed.recipe import Recipe, View
from drivetrain.embed.registry import resolve
from drivetrain.embed.session import Session

SIZE = 16
WIDTHS = {"head": 12, "early": 5}


def graph(blocks: tuple[str, ...], size: int = SIZE) -> onnx.ModelProto:
    """A convolution, its pooled output (``early``), another one and its pooled output (``head``)."""
    rng = np.random.default_rng(1)
    net = GraphBuilder()

    def conv(x: str, name: str, into: int, out: int) -> str:
        weight = rng.standard_normal((out, into, 3, 3)).astype(np.float32)
        bias = rng.standard_normal(out).astype(np.float32)
        return net.relu6(net.conv(x, name, weight, bias, stride=2, pads=(1, 1), groups=1))

    first = conv(INPUT, "one", 3, WIDTHS["early"])
    second = conv(first, "two", WIDTHS["early"], WIDTHS["head"])
    ends = {"head": second, "early": first}
    units = [net.unit_length(net.mean_pool(ends[name], name), f"{name}.unit") for name in WIDTHS if name in blocks]
    net.node("Concat", units, OUTPUT, axis=1)
    return net.model({INPUT: ("N", 3, size, size)}, {OUTPUT: ("N", sum(WIDTHS[name] for name in blocks))})


SPEC = Preprocess(resize=Resize(method="crop", size=(SIZE, SIZE), filter="bicubic"), decode_floor=2 * SIZE)

NET = Backbone(
    name="small",
    fingerprint="5" * 64,
    licence="none",
    source="this test",
    preprocess=SPEC,
    blocks=tuple(Block(name, width) for name, width in WIDTHS.items()),
    build=graph,
)


def never(_blocks: tuple[str, ...]) -> onnx.ModelProto:
    raise AssertionError("the graph was built")


class Counted(Preprocess):
    """The same preprocessing, which also knows how often a file was read for it."""

    def read(self, data: bytes) -> Decoded:
        DECODED.append(len(data))
        return super().read(data)


DECODED: list[int] = []


@contextmanager
def decodes(expected: int) -> Iterator[None]:
    before = len(DECODED)
    yield
    assert len(DECODED) - before == expected


COUNTED = replace(NET, preprocess=Counted.model_validate(SPEC.model_dump()))


def items_of(*paths: Path) -> list[Item]:
    return [Item(path, path.name) for path in paths]


def all_items(pictures: Path) -> list[Item]:
    return items_of(*sorted(pictures.rglob("*.jpg")))


def embed(items: Sequence[Item], backbone: Backbone = NET, workers: int | None = None) -> Embeddings:
    recipe = Recipe(backbone)
    return Embedder(EmbeddingCache(None), workers).embed(items, [recipe])[recipe.key]


def one_by_one(items: Sequence[Item], recipe: Recipe) -> FloatArray:
    """What the pass promises, without threads, chunks or cache."""
    session = Session(recipe.backbone.build(recipe.backbone.block_names).SerializeToString())
    rows = []
    for item in items:
        content = recipe.backbone.preprocess.read(item.path.read_bytes())
        rows.append(session.run(recipe.tensor(content)[None])[0][0])
    return np.stack(rows)


def noise(path: Path, width: int = 40, height: int = 30, seed: int = 0) -> Path:
    pixels = np.random.default_rng(seed).integers(0, 256, (height, width, 3), dtype=np.uint8)
    Image.fromarray(pixels).save(path)
    return path


def bitmap(path: Path, size: int, tag: int) -> Path:
    """A black BMP of size × size pixels but for one, uncompressed and written sparsely."""
    length = 54 + 3 * size * size
    header = struct.pack("<2sIHHI", b"BM", length, 0, 0, 54)
    header += struct.pack("<IiiHHIIiiII", 40, size, size, 1, 24, 0, 3 * size * size, 0, 0, 0, 0)
    with path.open("wb") as file:
        file.write(header + tag.to_bytes(3, "little"))
        file.truncate(length)
    return path


# The same numbers, however it is run


def test_features_are_those_of_one_image_at_a_time_in_order(pictures: Path) -> None:
    items = all_items(pictures)
    rng = np.random.default_rng(0)
    items = [items[row] for row in rng.permutation(len(items))]
    assert len(items) > CHUNK
    found = embed(items)
    assert np.array_equal(found.features_ND, one_by_one(items, Recipe(NET)))
    assert found.features_ND.dtype == np.float32
    assert found.rows_N.tolist() == list(range(len(items)))
    assert [fact.sha256 for fact in found.facts] == [hashlib.sha256(i.path.read_bytes()).hexdigest() for i in items]
    assert found.skipped == ()
    assert len(np.unique(found.features_ND, axis=0)) == len(items)  # else the order would prove nothing


@pytest.mark.parametrize("workers", [1, 2, 3, 16])
def test_the_number_of_workers_changes_no_bit(pictures: Path, workers: int) -> None:
    items = all_items(pictures)
    found = embed(items, workers=workers)
    assert np.array_equal(found.features_ND, embed(items).features_ND)
    assert found.facts == embed(items).facts


class Met(Preprocess):
    """The same preprocessing, for which the first `WORKERS` decodes wait until they have all begun."""

    def decode_size(self, width: int, height: int) -> tuple[int, int] | None:
        if next(ARRIVALS) < WORKERS:
            MEETING.wait(timeout=60)  # broken, the image would count as damaged
        return super().decode_size(width, height)


WORKERS = 16
ARRIVALS = itertools.count()
MEETING = threading.Barrier(WORKERS)


def test_every_worker_has_work_at_once(pictures: Path) -> None:
    """However many there are: batches must not be so large that a chunk runs out of them."""
    found = embed(all_items(pictures), replace(NET, preprocess=Met.model_validate(SPEC.model_dump())), WORKERS)
    assert found.skipped == ()
    assert next(ARRIVALS) >= WORKERS


@pytest.mark.trains
def test_a_packaged_backbone_too(pictures: Path) -> None:
    items = all_items(pictures)[::5]
    lite = resolve("efficientnet-lite0")
    assert np.array_equal(embed(items, lite, workers=4).features_ND, one_by_one(items, Recipe(lite)))


def test_facts_are_those_of_the_decode(pictures: Path) -> None:
    items = all_items(pictures)[:3]
    for item, fact in zip(items, embed(items).facts, strict=True):
        data = item.path.read_bytes()
        assert fact == facts_of(hashlib.sha256(data).hexdigest(), decode(data, SPEC.decode_size))
        assert (pixel_size(fact), fact.details["reduced"]) == ((96, 80), 2)


def test_nothing_to_embed() -> None:
    found = embed([])
    assert found.features_ND.shape == (0, sum(WIDTHS.values()))
    assert (found.rows_N.tolist(), found.facts, found.skipped) == ([], (), ())


def test_several_recipes_share_one_decode(pictures: Path) -> None:
    items = all_items(pictures)
    other = replace(COUNTED, fingerprint="6" * 64)
    recipes = [Recipe(COUNTED), Recipe(COUNTED, View.MIRROR), Recipe(other)]
    with decodes(len(items)):
        found = Embedder(EmbeddingCache(None)).embed(items, recipes)
    for recipe in recipes:
        assert np.array_equal(found[recipe.key].features_ND, one_by_one(items, recipe))


def test_a_recipe_that_asks_for_another_decode_gets_its_own(pictures: Path) -> None:
    """96×80 JPEGs: at half scale for one, at full scale for the other; the second must not see the first's pixels."""
    items = all_items(pictures)[:8]
    full = replace(NET, preprocess=SPEC.model_copy(update={"decode_floor": None}))
    padded = replace(NET, preprocess=SPEC.model_copy(update={"resize": Resize(method="pad", size=(SIZE, SIZE))}))
    recipes = [Recipe(NET), Recipe(full), Recipe(padded)]
    found = Embedder(EmbeddingCache(None)).embed(items, recipes)
    for recipe in recipes:
        assert np.array_equal(found[recipe.key].features_ND, one_by_one(items, recipe))
    assert not np.array_equal(found[recipes[0].key].features_ND, found[recipes[1].key].features_ND)


def test_backbones_of_equal_weights_and_other_blocks_are_not_confused(pictures: Path) -> None:
    items = all_items(pictures)[:4]
    head = replace(NET, blocks=NET.blocks[:1])
    found = Embedder(EmbeddingCache(None)).embed(items, [Recipe(NET), Recipe(head)])
    whole, part = found[Recipe(NET).key].features_ND, found[Recipe(head).key].features_ND
    assert np.array_equal(part, whole[:, NET.columns(("head",))])


# Views


def test_the_mirror_view_is_the_network_on_the_mirrored_picture(tmp_path: Path) -> None:
    original = noise(tmp_path / "a.png", SIZE, SIZE)
    large = noise(tmp_path / "large.png", 8 * SIZE + 3, 6 * SIZE, seed=2)
    for path in (original, large):
        with Image.open(path) as image:
            ImageOps.mirror(image).save(path.with_stem(f"mirrored-{path.stem}"))
    mirror = Recipe(NET, View.MIRROR)
    seen = Embedder(EmbeddingCache(None)).embed(items_of(original, large), [mirror])[mirror.key].features_ND
    turned = embed(items_of(tmp_path / "mirrored-a.png", tmp_path / "mirrored-large.png")).features_ND
    plain = embed(items_of(original, large)).features_ND
    assert np.array_equal(seen[0], turned[0])  # nothing to resize: the same pixels
    assert np.abs(seen[1] - turned[1]).max() < 1e-3  # resizing rounds a level here and there
    assert np.abs(plain - turned).max() > 1e-2


@pytest.mark.parametrize("size", [(1, 1), (3, 39), (500, 400), (65_500, 2)])
def test_the_probe_view_of_any_shape(tmp_path: Path, size: tuple[int, int]) -> None:
    probe = Recipe(NET, View.PROBE)
    found = Embedder(EmbeddingCache(None)).embed(items_of(noise(tmp_path / "a.png", *size)), [probe])[probe.key]
    assert found.skipped == ()
    assert np.isfinite(found.features_ND).all()


def test_the_probe_view_is_another_but_similar_picture(pictures: Path) -> None:
    items = all_items(pictures)[:10]
    recipes = [Recipe(NET), Recipe(NET, View.PROBE)]
    found = Embedder(EmbeddingCache(None)).embed(items, recipes)
    plain, probed = (found[recipe.key].features_ND for recipe in recipes)
    cosines = (plain * probed).sum(axis=1) / np.linalg.norm(plain, axis=1) / np.linalg.norm(probed, axis=1)
    assert 0.9 < cosines.min() < cosines.max() < 1 - 1e-7


@pytest.mark.parametrize(
    "other",
    [
        Recipe(NET, View.MIRROR),
        Recipe(replace(NET, fingerprint="6" * 64)),
        Recipe(replace(NET, blocks=NET.blocks[:1])),
        Recipe(replace(NET, preprocess=SPEC.model_copy(update={"decode_floor": None}))),
    ],
)
def test_whatever_changes_the_numbers_changes_the_key(other: Recipe) -> None:
    assert Recipe(NET).key != other.key
    assert Recipe(replace(NET, name="renamed", licence="other", build=never)).key == Recipe(NET).key


# Bad files


def test_bad_files_are_listed_in_order_and_stop_nothing(tmp_path: Path) -> None:
    def file(name: str, data: bytes) -> Path:
        (tmp_path / name).write_bytes(data)
        return tmp_path / name

    good = [noise(tmp_path / f"{number}.png", seed=number) for number in range(3)]
    whole = good[0].read_bytes()
    (tmp_path / "folder.jpg").mkdir()
    os.mkfifo(tmp_path / "pipe.jpg")  # nobody ever writes to it
    (tmp_path / "loop.jpg").symlink_to(tmp_path / "loop.jpg")
    with (tmp_path / "huge.jpg").open("wb") as huge:
        huge.truncate(MAX_BYTES + 1)
    items = items_of(
        file("empty.jpg", b""),
        good[0],
        tmp_path / "missing.jpg",
        file("text.png", b"not a picture at all"),
        good[1],
        tmp_path / "folder.jpg",
        tmp_path / "pipe.jpg",
        file("cut.png", whole[: len(whole) // 2]),
        Path("null\0character.jpg"),
        tmp_path / "loop.jpg",
        good[2],
        tmp_path / "huge.jpg",
        tmp_path / "empty.jpg",
    )
    found = embed(items)
    assert [(one.name, one.reason) for one in found.skipped] == [
        ("empty.jpg", "empty"),
        ("missing.jpg", "missing"),
        ("text.png", "not an image"),
        ("folder.jpg", "unreadable"),
        ("pipe.jpg", "unreadable"),
        ("cut.png", "truncated"),
        ("null\0character.jpg", "unreadable"),
        ("loop.jpg", "unreadable"),
        ("huge.jpg", "too large"),
        ("empty.jpg", "empty"),
    ]
    assert all(one.detail for one in found.skipped)
    assert found.rows_N.tolist() == [1, 4, 10]
    assert np.array_equal(found.features_ND, one_by_one(items_of(*good), Recipe(NET)))


def test_nothing_but_bad_files(tmp_path: Path) -> None:
    found = embed(items_of(*(tmp_path / f"{number}.jpg" for number in range(3 * CHUNK))))
    assert len(found.skipped) == 3 * CHUNK
    assert found.features_ND.shape == (0, sum(WIDTHS.values()))


def test_a_broken_file_is_remembered(tmp_path: Path) -> None:
    buffer = io.BytesIO()
    Image.fromarray(np.random.default_rng(0).integers(0, 256, (90, 90, 3), dtype=np.uint8)).save(buffer, "JPEG")
    (tmp_path / "cut.jpg").write_bytes(buffer.getvalue()[:-3000])
    cache = EmbeddingCache(tmp_path)
    items = items_of(tmp_path / "cut.jpg")
    with decodes(1):
        first = Embedder(cache).embed(items, [Recipe(COUNTED)])
    with decodes(0):
        second = Embedder(cache).embed(items, [Recipe(replace(COUNTED, build=never))])
    assert first[Recipe(COUNTED).key].skipped == second[Recipe(COUNTED).key].skipped
    assert first[Recipe(COUNTED).key].skipped[0].reason == "truncated"


# The cache


def test_copies_are_computed_once(pictures: Path, tmp_path: Path) -> None:
    """Whether they stand in one chunk, in the next, which starts before the first is done, or far behind."""
    original, other = sorted(pictures.rglob("*.jpg"))[:2]
    copies = [original] * 5 + [other] + [original] * (3 * CHUNK)
    for number in range(4):
        (tmp_path / f"{number}.jpg").write_bytes(original.read_bytes())
        copies.append(tmp_path / f"{number}.jpg")
    with decodes(2):
        found = embed(items_of(*copies), COUNTED)
    expected = one_by_one(items_of(original, other), Recipe(NET))
    assert np.array_equal(found.features_ND, expected[[int(path == other) for path in copies]])
    assert found.rows_N.tolist() == list(range(len(copies)))


def test_what_is_cached_needs_neither_decode_nor_network(pictures: Path, tmp_path: Path) -> None:
    items = all_items(pictures)
    cache = EmbeddingCache(tmp_path)
    recipes = [Recipe(COUNTED), Recipe(COUNTED, View.MIRROR)]
    with decodes(len(items)):
        first = Embedder(cache).embed(items, recipes)
    cache.close()
    sealed = replace(COUNTED, build=never)
    with decodes(0):
        again = Embedder(EmbeddingCache(tmp_path)).embed(items, [Recipe(sealed), Recipe(sealed, View.MIRROR)])
    for key in (recipe.key for recipe in recipes):
        assert np.array_equal(first[key].features_ND, again[key].features_ND)
        assert first[key].facts == again[key].facts
    with pytest.raises(AssertionError, match="the graph was built"):
        Embedder(EmbeddingCache(tmp_path)).embed(items, [Recipe(sealed), Recipe(sealed, View.PROBE)])


def test_only_what_is_missing_is_computed(pictures: Path, tmp_path: Path) -> None:
    items = all_items(pictures)
    cache = EmbeddingCache(tmp_path)
    recipe = Recipe(COUNTED)
    Embedder(cache).embed(items[:25], [recipe])
    with decodes(len(items) - 25):
        found = Embedder(cache).embed(items[::-1], [recipe])[recipe.key]
    assert np.array_equal(found.features_ND, one_by_one(items[::-1], recipe))


@pytest.mark.parametrize("kind", ["facts", "features"])
def test_a_row_that_was_damaged_is_computed_anew(pictures: Path, tmp_path: Path, kind: str) -> None:
    items = all_items(pictures)[:5]
    cache = EmbeddingCache(tmp_path)
    recipe = Recipe(COUNTED)
    first = Embedder(cache).embed(items, [recipe])[recipe.key]
    cache.close()
    rows = f"facts-{FACTS_VERSION}-{SPEC.reading}" if kind == "facts" else recipe.key
    with sqlite3.connect(tmp_path / FILE_NAME) as db:
        changed = db.execute(
            "UPDATE entry SET value = zeroblob(9) WHERE kind = ? AND sha256 = ?", (rows, first.facts[2].sha256)
        )
        assert changed.rowcount == 1
    db.close()
    # For facts alone one decode is enough, and no network.
    backbone = replace(COUNTED, build=never) if kind == "facts" else COUNTED
    with decodes(1):
        again = Embedder(EmbeddingCache(tmp_path)).embed(items, [Recipe(backbone)])[recipe.key]
    assert again.facts == first.facts
    assert np.array_equal(again.features_ND, first.features_ND)
    with decodes(0):
        Embedder(EmbeddingCache(tmp_path)).embed(items, [Recipe(backbone)])


def test_a_database_locked_by_somebody_does_not_stop_the_pass(pictures: Path, tmp_path: Path) -> None:
    items = all_items(pictures)
    recipe = Recipe(COUNTED)
    Embedder(EmbeddingCache(tmp_path)).embed(items[:10], [recipe])
    other = sqlite3.connect(tmp_path / FILE_NAME, isolation_level=None)
    other.execute("BEGIN IMMEDIATE")
    lines: list[str] = []
    cache = EmbeddingCache(tmp_path, lines.append, patience_s=0.05)
    with decodes(len(items) - 10):
        found = Embedder(cache).embed(items, [recipe])[recipe.key]
    with decodes(0):  # what could not be written yet is known all the same
        Embedder(cache).embed(items, [recipe])
    assert np.array_equal(found.features_ND, one_by_one(items, recipe))
    assert len(lines) == 1
    other.execute("COMMIT")
    other.close()
    cache.close()
    with decodes(0):
        Embedder(EmbeddingCache(tmp_path)).embed(items, [Recipe(replace(COUNTED, build=never))])


# Files that change under the reader's hands


def rewriting(path: Path, content: bytes | None) -> Backbone:
    """Its graph is built after the file was read and before it is decoded; then the file becomes another."""

    def build(blocks: tuple[str, ...]) -> onnx.ModelProto:
        path.unlink() if content is None else path.write_bytes(content)
        return graph(blocks)

    return replace(NET, build=build)


@pytest.mark.parametrize("fate", ["rewritten", "deleted"])
def test_a_file_that_changes_between_reading_and_decoding(tmp_path: Path, fate: str) -> None:
    path, other = noise(tmp_path / "a.png", seed=1), noise(tmp_path / "b.png", seed=2)
    expected = one_by_one(items_of(path, other), Recipe(NET))
    cache = EmbeddingCache(tmp_path)
    changing = rewriting(path, other.read_bytes() if fate == "rewritten" else None)
    found = Embedder(cache).embed(items_of(path), [Recipe(changing)])[Recipe(NET).key]
    assert np.array_equal(found.features_ND[0], expected[0])  # of the bytes that were hashed
    path.write_bytes(other.read_bytes())
    again = Embedder(cache).embed(items_of(path), [Recipe(NET)])[Recipe(NET).key]
    assert np.array_equal(again.features_ND[0], expected[1])


@pytest.mark.parametrize("fate", ["rewritten", "deleted"])
def test_a_large_file_that_changes_is_not_mistaken_for_what_it_was(tmp_path: Path, fate: str) -> None:
    """Large files are read a second time to be decoded: a chance to store one picture under the hash of another."""
    path, other = bitmap(tmp_path / "a.bmp", 1700, tag=1), bitmap(tmp_path / "b.bmp", 1700, tag=2)
    assert path.stat().st_size > KEPT_BYTES
    original = path.read_bytes()
    cache = EmbeddingCache(tmp_path)
    changing = rewriting(path, other.read_bytes() if fate == "rewritten" else None)
    found = Embedder(cache).embed(items_of(path), [Recipe(changing)])[Recipe(NET).key]
    assert [one.reason for one in found.skipped] == ["changed" if fate == "rewritten" else "unreadable"]
    assert cache.info().images == 0
    path.write_bytes(original)
    again = Embedder(cache).embed(items_of(path, other), [Recipe(NET)])[Recipe(NET).key]
    assert again.skipped == ()
    assert [fact.sha256 for fact in again.facts] == [
        hashlib.sha256(file.read_bytes()).hexdigest() for file in (path, other)
    ]


# Memory


def peak_bytes(work: Callable[[], object]) -> int:
    """Most memory held at once by Python objects and arrays."""
    tracemalloc.start()
    try:
        work()
        return tracemalloc.get_traced_memory()[1]
    finally:
        tracemalloc.stop()


@pytest.mark.serial
def test_memory_is_bounded_by_the_chunk_not_by_the_data_set(tmp_path: Path) -> None:
    size_bytes = 54 + 3 * 200 * 200
    paths = [bitmap(tmp_path / f"{number:03}.bmp", 200, tag=number) for number in range(12 * CHUNK)]
    assert paths[0].stat().st_size == size_bytes
    embed(items_of(*paths[:2]))  # what is loaded once is loaded
    few = peak_bytes(lambda: embed(items_of(*paths[: 6 * CHUNK]), workers=2))
    many = peak_bytes(lambda: embed(items_of(*paths), workers=2))
    assert many < 1.15 * few
    assert many < 4 * CHUNK * size_bytes


@pytest.mark.serial
def test_large_files_are_not_kept_in_memory(tmp_path: Path) -> None:
    paths = [bitmap(tmp_path / f"{number}.bmp", 1700, tag=number) for number in range(10)]
    size_bytes = paths[0].stat().st_size
    assert peak_bytes(lambda: embed(items_of(*paths), workers=1)) < 5 * size_bytes


def test_a_file_beyond_all_bounds_is_not_even_read(tmp_path: Path) -> None:
    with (tmp_path / "film.jpg").open("wb") as file:
        file.truncate(MAX_BYTES + 1)
    assert peak_bytes(lambda: embed(items_of(tmp_path / "film.jpg"))) < MAX_BYTES / 10


SHORT_OF_MEMORY = """
import resource, sys
from pathlib import Path
sys.path.insert(0, sys.argv[1])
from test_embedder import NET, Embedder, EmbeddingCache, Recipe, items_of
small, large, folder = map(Path, sys.argv[2:5])
cache, recipe = EmbeddingCache(folder), Recipe(NET)
embedder = Embedder(cache, workers=1)
embedder.embed(items_of(small), [recipe])
used = int(open("/proc/self/statm").read().split()[0]) * resource.getpagesize()
resource.setrlimit(resource.RLIMIT_AS, (used + (int(sys.argv[5]) << 20), resource.RLIM_INFINITY))
found = embedder.embed(items_of(small, large), [recipe])[recipe.key]
print([(one.name, one.reason) for one in found.skipped], found.rows_N.tolist())
resource.setrlimit(resource.RLIMIT_AS, (resource.RLIM_INFINITY, resource.RLIM_INFINITY))
found = embedder.embed(items_of(small, large), [recipe])[recipe.key]
print([(one.name, one.reason) for one in found.skipped], found.rows_N.tolist())
"""


@pytest.mark.processes
@pytest.mark.skipif(sys.platform != "linux", reason="the limit on a process's memory is Linux's")
@pytest.mark.parametrize("spare_mib", [160, 400], ids=["to decode", "to fingerprint"])
def test_too_little_memory_is_not_held_against_the_file(tmp_path: Path, spare_mib: int) -> None:
    """A picture of 64 million pixels: 64 MB in grey, 256 MB as RGB beside it, another 384 MB to hash its pixels."""
    chunks = [
        (b"IHDR", struct.pack(">2I5B", 8000, 8000, 8, 0, 0, 0, 0)),
        (b"IDAT", zlib.compress(bytes(8001 * 8000), 1)),
    ]
    png = b"".join(
        struct.pack(">I", len(body)) + name + body + struct.pack(">I", zlib.crc32(name + body))
        for name, body in [*chunks, (b"IEND", b"")]
    )
    (tmp_path / "large.png").write_bytes(b"\x89PNG\r\n\x1a\n" + png)
    noise(tmp_path / "small.png")
    done = subprocess.run(
        [
            *(sys.executable, "-c", SHORT_OF_MEMORY, str(Path(__file__).parent)),
            *(str(tmp_path / name) for name in ("small.png", "large.png", "cache")),
            str(spare_mib),
        ],
        capture_output=True,
        text=True,
        timeout=120,
        check=False,
        env={**os.environ, "MALLOC_ARENA_MAX": "1"},  # a heap of its own for every thread would take the room
    )
    assert done.returncode == 0, done.stderr
    assert done.stdout.splitlines() == ["[('large.png', 'out of memory')] [0]", "[] [0, 1]"]


# Ends


def test_an_error_in_a_worker_comes_out_and_nothing_hangs(pictures: Path, tmp_path: Path) -> None:
    """The graph takes another size than the preprocessing makes, so ONNX Runtime refuses every image."""
    items = all_items(pictures)
    cache = EmbeddingCache(tmp_path)
    broken = replace(NET, build=lambda blocks: graph(blocks, size=SIZE + 1))
    with pytest.raises(Exception, match="Got: 16 Expected: 17"):
        Embedder(cache).embed(items, [Recipe(broken)])
    assert not [thread.name for thread in threading.enumerate() if thread.name.startswith("embed")]
    assert cache.info().embeddings == 0
    found = Embedder(cache).embed(items, [Recipe(NET)])[Recipe(NET).key]
    assert len(found.rows_N) == len(items)


def test_a_graph_that_cannot_be_loaded(pictures: Path) -> None:
    with pytest.raises(WeightsError, match="ONNX Runtime cannot load the graph"):
        embed(all_items(pictures), replace(NET, build=lambda _blocks: onnx.ModelProto()))


def test_progress_counts_every_item_once(pictures: Path, tmp_path: Path) -> None:
    class Bar:
        def __init__(self) -> None:
            self.stages: list[tuple[str, int]] = []
            self.done: list[int] = []

        @contextmanager
        def stage(self, name: str, total: int) -> Iterator[Callable[[int], None]]:
            self.stages.append((name, total))
            yield self.done.append

        def say(self, line: str) -> None:
            raise AssertionError(line)

    items = [*all_items(pictures), *items_of(tmp_path / "missing.jpg"), *all_items(pictures)]
    bar = Bar()
    Embedder(EmbeddingCache(None), progress=bar).embed(items, [Recipe(NET)], stage="look")
    assert bar.stages == [("look", len(items))]
    assert sum(bar.done) == len(items)
    assert max(bar.done) == CHUNK


INTERRUPTED = """
import sys
from pathlib import Path
sys.path.insert(0, sys.argv[1])
from test_embedder import NET, Embedder, EmbeddingCache, Recipe, all_items, items_of, noise
folder, cache = Path(sys.argv[2]), EmbeddingCache(Path(sys.argv[3]))
items = items_of(*sorted(folder.iterdir()))
print("ready", flush=True)
try:
    Embedder(cache, workers=2).embed(items, [Recipe(NET)])
finally:
    cache.close()
"""


@pytest.mark.processes
@pytest.mark.skipif(sys.platform == "win32", reason="SIGINT is sent another way")
def test_ctrl_c_leaves_what_was_done(tmp_path: Path) -> None:
    """400 pictures of 1 MB, which take some 5 ms each: time enough to be stopped after the first chunk."""
    (tmp_path / "images").mkdir()
    for number in range(400):
        bitmap(tmp_path / "images" / f"{number:03}.bmp", 600, tag=number)
    file = tmp_path / "cache" / FILE_NAME
    process = subprocess.Popen(
        [
            *(sys.executable, "-c", INTERRUPTED),
            *(str(Path(__file__).parent), str(tmp_path / "images"), str(file.parent)),
        ],
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
    )
    assert process.stdout
    assert process.stdout.readline() == "ready\n"
    watcher = sqlite3.connect(file)
    rows = 0
    while process.poll() is None and not rows:
        (rows,) = watcher.execute("SELECT count(*) FROM entry").fetchone()
        time.sleep(0.002)
    process.send_signal(signal.SIGINT)
    _, errors = process.communicate(timeout=60)
    assert errors.rstrip().endswith("KeyboardInterrupt")
    assert errors.count("Traceback") == 1  # and nothing else went wrong on the way out
    watcher.close()

    lines: list[str] = []
    cache = EmbeddingCache(file.parent, lines.append)
    kept = cache.info().embeddings
    assert CHUNK <= kept < 400
    recipe = Recipe(NET)
    items = items_of(*sorted((tmp_path / "images").iterdir()))[:kept]
    sealed = replace(NET, build=never)
    # Chunks are committed in order, so what was kept are the first items.
    assert len(Embedder(cache).embed(items, [Recipe(sealed)])[recipe.key].rows_N) == kept
    assert lines == []


# Cores


@pytest.mark.parametrize(
    ("files", "expected"),
    [
        ({}, None),
        ({"cpu.max": "max 100000\n"}, None),
        ({"cpu.max": "100000 100000\n"}, 1),
        ({"cpu.max": "1000 100000\n"}, 1),
        ({"cpu.max": "99900000 100000\n"}, None),  # more than there are
        ({"cpu.max": "nonsense"}, None),
        ({"cpu/cpu.cfs_quota_us": "50000\n", "cpu/cpu.cfs_period_us": "100000\n"}, 1),
        ({"cpu/cpu.cfs_quota_us": "-1\n", "cpu/cpu.cfs_period_us": "100000\n"}, None),
    ],
)
def test_cores_of_a_container(tmp_path: Path, files: dict[str, str], expected: int | None) -> None:
    for name, content in files.items():
        (tmp_path / name).parent.mkdir(exist_ok=True)
        (tmp_path / name).write_text(content)
    unlimited = available_cores(tmp_path / "nothing here")
    assert unlimited >= 1
    assert available_cores(tmp_path) == (expected or unlimited)
