"""Decoded files kept in memory: the same batches with and without, a bound that holds, and files that change."""

from __future__ import annotations

import gc
import os
import tracemalloc
from collections import Counter
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from PIL import ExifTags, Image, ImageDraw

from drivetrain.core.errors import ImageError, StepError, UsageError
from drivetrain.data.block.batch import Batch
from drivetrain.data.block.blocks import ImageBlock
from drivetrain.data.block.datablock import DataBlock
from drivetrain.data.block.item_transforms import (
    ItemTransform,
    Plan,
    RandomResizedCrop,
    Resize,
    ResizeMethod,
    full_size,
)
from drivetrain.data.block.loader import DataLoader, DataLoaders, Loading
from drivetrain.data.block.splitters import GrandparentSplitter, RandomSplitter
from drivetrain.data.image import picture
from drivetrain.data.image.decoded_store import ENTRY_BYTES, DecodedStore

EPOCHS = 3
KINDS = ("jpg", "turned.jpg", "grey.jpg", "png", "webp")
EACH = 4
PLAIN = DataBlock(ImageBlock, splitter=RandomSplitter(), item_tfms=Resize(32))
CROPPED = PLAIN.new(item_tfms=RandomResizedCrop(32, min_scale=0.02))
"""Crops so different in size that one JPEG is decoded at a whole, a half, a quarter and an eighth."""


def scene(seed: int, size: tuple[int, int] = (480, 360)) -> Image.Image:
    noise = np.random.default_rng(seed).integers(0, 255, (12, 16, 3), dtype=np.uint8)
    return Image.fromarray(noise).resize(size, Image.Resampling.BICUBIC)


@pytest.fixture(scope="module")
def photos(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """20 files: JPEGs upright, on their side and in grey, transparent PNGs, WebPs. Not to be written to."""
    folder = tmp_path_factory.mktemp("photos")
    exif = Image.Exif()
    exif[ExifTags.Base.Orientation] = 6
    for number in range(EACH):
        scene(number).save(folder / f"{number}.jpg", quality=92)
        scene(10 + number).save(folder / f"{number}.turned.jpg", exif=exif, progressive=True)
        scene(20 + number).convert("L").save(folder / f"{number}.grey.jpg")
        clear = scene(30 + number)
        clear.putalpha(scene(40 + number).convert("L"))
        clear.save(folder / f"{number}.png")
        scene(50 + number).save(folder / f"{number}.webp")
    return folder


@pytest.fixture
def decodes(monkeypatch: pytest.MonkeyPatch) -> Callable[[], int]:
    """How many files were decoded since it was last asked."""
    done: list[int] = []
    really = picture.decode

    def counted(*args: Any, **options: Any) -> Any:
        done.append(1)
        return really(*args, **options)

    def since() -> int:
        count = len(done)
        done.clear()
        return count

    monkeypatch.setattr(picture, "decode", counted)
    return since


def same(one: list[Batch], other: list[Batch]) -> bool:
    return len(one) == len(other) and all(
        a.names == b.names and a.x.tobytes() == b.x.tobytes() for a, b in zip(one, other, strict=True)
    )


def run(loaders: DataLoaders, epochs: int = EPOCHS) -> list[Batch]:
    """Training and validation batches of some epochs, as a training run takes them."""
    return [batch for _ in range(epochs) for side in (loaders.train, loaders.valid) for batch in side]


def scribble(image: Image.Image, rng: np.random.Generator) -> Image.Image:
    """Draws on the very image it is given, and on what the file says of itself."""
    x, y = (int(value) for value in rng.integers(0, 16, 2))
    ImageDraw.Draw(image).rectangle((x, y, x + 9, y + 9), fill=7)
    pixels = image.load()
    assert pixels is not None
    pixels[0, 0] = 1 if image.mode == "L" else (1, 2, 3)
    if "scribbled" in image.info:
        raise AssertionError("it was drawn on before")
    image.info["scribbled"] = True
    return image


# The same batches


TRANSFORMS: dict[str, Any] = {
    "resize": Resize(32),
    "padded": Resize(32, ResizeMethod.Pad, "reflection"),
    "crop": RandomResizedCrop(32, min_scale=0.02),
    "drawn on": (scribble, RandomResizedCrop(32, min_scale=0.02)),
    "drawn on once small": (Resize(48), scribble, RandomResizedCrop(32)),
    "two of a kind": (Resize(64), Resize(32)),
}


@pytest.mark.thorough
@pytest.mark.parametrize("tfms", TRANSFORMS.values(), ids=TRANSFORMS)
@pytest.mark.parametrize("mode", ["RGB", "L"])
def test_batches_are_the_same_with_and_without(photos: Path, tfms: Any, mode: str) -> None:
    block = PLAIN.new(blocks=ImageBlock(mode), item_tfms=tfms)  # type: ignore[arg-type]  # one of the two
    without = run(block.dataloaders(photos, bs=4, keep_bytes=0, workers=1))
    for keep_bytes in (600_000, 3_000_000, 1 << 30):
        for workers in (1, 7):
            loaders = block.dataloaders(photos, bs=4, keep_bytes=keep_bytes, workers=workers)
            assert same(run(loaders), without)
            assert 0 < loaders.train.decoded.n_bytes <= keep_bytes


def test_pictures_as_they_are_without_transforms(tmp_path: Path, decodes: Callable[[], int]) -> None:
    for number in range(6):
        scene(number, (64, 48)).save(tmp_path / f"{number}.jpg")
    block = PLAIN.new(item_tfms=())
    without = run(block.dataloaders(tmp_path, bs=2, keep_bytes=0))
    decodes()
    assert same(run(block.dataloaders(tmp_path, bs=2)), without)
    assert decodes() == 6


def test_a_later_epoch_alone_is_what_it_was_in_its_turn(photos: Path) -> None:
    loader = CROPPED.dataloaders(photos, bs=4).train
    third = [list(loader.batches(epoch)) for epoch in range(3)][2]
    assert same(list(CROPPED.dataloaders(photos, bs=4).train.batches(2)), third)
    assert same(list(loader.batches(2, start=1)), third[1:])


# What is decoded


def test_from_the_second_epoch_on_nothing_is_decoded(photos: Path, decodes: Callable[[], int]) -> None:
    loaders = PLAIN.dataloaders(photos, bs=4)
    files = len(KINDS) * EACH
    assert [(run(loaders, 1), decodes())[1] for _ in range(3)] == [files, 0, 0]
    assert len(loaders.train.decoded) == files
    assert loaders.train.decoded is loaders.valid.decoded


def test_what_is_kept_is_small_where_the_first_transform_draws_nothing(photos: Path) -> None:
    """The resized picture instead of the whole one; in validation of random crops too."""
    kept = {}
    for name, tfms in (("resize", Resize(32)), ("crop", RandomResizedCrop(32, min_scale=0.9))):
        loaders = PLAIN.new(item_tfms=tfms).dataloaders(photos, bs=4)
        list(loaders.valid)
        kept[name] = loaders.valid.decoded.n_bytes
    assert set(kept.values()) == {4 * (32 * 32 * 3 + ENTRY_BYTES + 256)}, "pixels, and an empty note of the file's own"


def test_a_crop_of_another_scale_is_decoded_a_crop_of_the_same_is_not(photos: Path, decodes: Callable[[], int]) -> None:
    loader = CROPPED.dataloaders(photos, bs=4).train
    counts = [(list(loader), decodes())[1] for _ in range(12)]
    assert counts[0] == 16
    assert counts[1] > 0, "some JPEG is wanted at another scale than before"
    assert sum(counts) <= 16 + 3 * 3 * EACH, "a file for each of its scales, those that are no JPEG once"
    assert sum(counts[-4:]) < 8, "and by and by all scales are there"


def test_off(photos: Path, decodes: Callable[[], int]) -> None:
    loaders = PLAIN.dataloaders(photos, bs=4, keep_bytes=0)
    assert [(run(loaders, 1), decodes())[1] for _ in range(2)] == [20, 20]
    assert (len(loaders.train.decoded), loaders.train.decoded.n_bytes) == (0, 0)


def test_pictures_in_memory_are_not_kept_again() -> None:
    arrays = list(np.random.default_rng(0).integers(0, 255, (8, 40, 40), dtype=np.uint8))
    loaders = DataBlock(ImageBlock, list, splitter=None, item_tfms=Resize(32)).dataloaders(arrays, bs=4)
    run(loaders)
    assert loaders.train.decoded.n_bytes == 0


class Sided(ItemTransform):
    """Draws nothing, yet does something else in training."""

    def plan(self, rng: np.random.Generator, *, training: bool) -> Plan:  # noqa: ARG002
        return Plan(lambda image: image.resize((8, 8) if training else (9, 9)), fixed=True)


@pytest.mark.parametrize("tfm", [RandomResizedCrop(32, min_scale=0.02), Sided()])
def test_each_side_keeps_what_its_own_transforms_made(tmp_path: Path, tfm: ItemTransform) -> None:
    """One file on both sides."""
    scene(0).save(tmp_path / "a.jpg")
    source = [tmp_path / "a.jpg", tmp_path / "a.jpg"]
    block = PLAIN.new(item_tfms=tfm, get_items=list, splitter=lambda _: ([0], [1]))
    without = run(block.dataloaders(source, keep_bytes=0))
    assert same(run(block.dataloaders(source)), without)


# The bound


@contextmanager
def measured() -> Iterator[list[int]]:
    """Bytes that are still allocated after the block and were not before."""
    grown: list[int] = []
    gc.collect()
    tracemalloc.start()
    try:
        before = tracemalloc.get_traced_memory()[0]
        yield grown
        gc.collect()
        grown.append(tracemalloc.get_traced_memory()[0] - before)
    finally:
        tracemalloc.stop()


@pytest.mark.serial
@pytest.mark.parametrize("limit", [700_000, 2_000_000, 1 << 30])
def test_bytes_really_taken_stay_within_the_bound(photos: Path, limit: int) -> None:
    loaders = CROPPED.dataloaders(photos, bs=4, keep_bytes=limit, workers=4)
    with measured() as grown:
        for _ in range(4):
            for _batch in loaders.train:
                assert loaders.train.decoded.n_bytes <= limit
        del _batch
    kept = loaders.train.decoded.n_bytes
    assert kept > 0.3 * min(limit, 2_000_000), "and it is made use of"
    assert 0.9 * kept < grown[0] < kept + 50_000, "what it says is what is taken"


def test_what_is_full_stays_full_and_serves_every_epoch(photos: Path, decodes: Callable[[], int]) -> None:
    """A store that pushed out what was used least recently would decode all 20 each time."""
    half = 10 * (32 * 32 * 3 + ENTRY_BYTES + 256)
    loader = PLAIN.new(splitter=None).dataloaders(photos, bs=4, keep_bytes=half).train
    assert [(list(loader), decodes())[1] for _ in range(4)] == [20, 10, 10, 10]
    assert loader.decoded.n_bytes == half


def test_what_files_say_of_themselves_counts_too(tmp_path: Path) -> None:
    exif = Image.Exif()
    exif[ExifTags.Base.ImageDescription] = "x" * 30_000
    scene(0, (64, 64)).save(tmp_path / "a.jpg", exif=exif)
    store = DecodedStore(80_000)
    store.picture(tmp_path / "a.jpg", None, full_size, lambda wanted: ImageBlock().open(tmp_path / "a.jpg", wanted))
    assert 64 * 64 * 3 + 30_000 < store.n_bytes < 64 * 64 * 3 + 70_000
    again = store.picture(tmp_path / "a.jpg", None, full_size, lambda _: pytest.fail("it is kept"))
    assert again.getexif()[ExifTags.Base.ImageDescription] == "x" * 30_000


def test_training_and_validation_share_one_bound(photos: Path) -> None:
    kept = PLAIN.dataloaders(photos, bs=4, keep_bytes=20_000)
    run(kept)
    assert 0 < kept.train.decoded.n_bytes <= 20_000
    datasets = PLAIN.datasets(photos)
    one, other = (DataLoader(view, Loading(4), PLAIN.item_tfms) for view in (datasets.train, datasets.valid))
    assert one.decoded is not other.decoded
    assert DataLoaders(one, other, datasets).valid.decoded is one.decoded
    off = DataLoader(datasets.valid, Loading(4, keep_bytes=0), PLAIN.item_tfms)
    run(DataLoaders(one, off, datasets))
    assert off.decoded.n_bytes == 0, "who is told to keep nothing keeps nothing"


def test_many_threads_at_few_files(photos: Path) -> None:
    files = sorted(photos.iterdir())
    store = DecodedStore()
    block = ImageBlock()

    def ask(number: int) -> tuple[Path, bytes]:
        file = files[number % len(files)]
        return file, store.picture(file, None, full_size, lambda wanted: block.open(file, wanted)).tobytes()

    with ThreadPoolExecutor(16) as pool:
        answers = list(pool.map(ask, range(400)))
    assert len(set(answers)) == len(store) == len(files)
    assert max(Counter(file for file, _ in set(answers)).values()) == 1
    again = DecodedStore()
    for file in files:
        again.picture(file, None, full_size, lambda wanted, file=file: block.open(file, wanted))  # type: ignore[misc]
    assert store.n_bytes == again.n_bytes, "what two threads decoded at once counts once"


@pytest.mark.parametrize("wrong", [-1, 1.5, "1", True])
def test_a_number_of_bytes_that_is_none(photos: Path, wrong: object) -> None:
    with pytest.raises(UsageError, match=f"keep_bytes is {wrong!r}; give a whole number of at least 0"):
        PLAIN.dataloaders(photos, keep_bytes=wrong)  # type: ignore[arg-type]


# Files that change, go, or are no pictures


def level(loader: DataLoader) -> list[int]:
    return [int(value) for batch in loader for value in batch.x[:, 0, 0, 0]]


@pytest.mark.parametrize("tfms", [Resize(8), RandomResizedCrop(8)])
def test_a_file_that_changed_is_decoded_again(tmp_path: Path, tfms: Any) -> None:
    """Also by a file of as many bytes and the same date, of which only the time of its status tells."""
    file = tmp_path / "a.bmp"
    Image.new("RGB", (16, 16), (10, 0, 0)).save(file)
    loader = PLAIN.new(item_tfms=tfms, splitter=None).dataloaders(tmp_path).train
    assert [level(loader), level(loader)] == [[10], [10]]
    Image.new("RGB", (20, 16), (20, 0, 0)).save(file)
    assert [level(loader), level(loader)] == [[20], [20]]
    before, kept = file.stat(), loader.decoded.n_bytes
    while file.stat().st_ctime_ns == before.st_ctime_ns:  # clocks of file systems tick in milliseconds
        Image.new("RGB", (20, 16), (30, 0, 0)).save(file)
        os.utime(file, ns=(before.st_atime_ns, before.st_mtime_ns))
    assert (file.stat().st_size, file.stat().st_mtime_ns) == (before.st_size, before.st_mtime_ns)
    assert [level(loader), level(loader)] == [[30], [30]]
    assert (len(loader.decoded), loader.decoded.n_bytes) == (1, kept), "the old pictures are gone"


def test_a_file_that_changes_while_it_is_read_is_read_again(tmp_path: Path) -> None:
    file = tmp_path / "a.bmp"
    Image.new("RGB", (16, 16), (10, 0, 0)).save(file)
    store, block = DecodedStore(), ImageBlock()

    def interrupted(wanted: Any) -> Image.Image:
        image = block.open(file, wanted)
        Image.new("RGB", (20, 20), (20, 0, 0)).save(file)
        return image

    assert store.picture(file, None, full_size, interrupted).getpixel((0, 0)) == (10, 0, 0)
    assert store.picture(file, None, full_size, lambda wanted: block.open(file, wanted)).getpixel((0, 0)) == (20, 0, 0)


def test_a_deleted_file_is_skipped_as_it_would_be_without(tmp_path: Path) -> None:
    for number in range(2):
        Image.new("RGB", (16, 16), (10 * number, 0, 0)).save(tmp_path / f"{number}.png")
    loader = PLAIN.new(splitter=None).dataloaders(tmp_path).train
    assert sorted(level(loader)) == [0, 10]
    both, content = loader.decoded.n_bytes, (tmp_path / "1.png").read_bytes()
    (tmp_path / "1.png").unlink()
    assert level(loader) == [0]
    assert [(skipped.name, skipped.reason) for skipped in loader.skipped] == [("1.png", "missing")]
    assert loader.decoded.n_bytes == both / 2
    (tmp_path / "1.png").write_bytes(content)
    assert sorted(level(loader)) == [0, 10], "what is missing is looked for again"


def test_what_is_no_picture_is_decoded_once_until_it_changes(tmp_path: Path, decodes: Callable[[], int]) -> None:
    Image.new("RGB", (16, 16), (10, 0, 0)).save(tmp_path / "a.png")
    scene(0).save(tmp_path / "b.jpg")
    cut = (tmp_path / "b.jpg").read_bytes()[:2000]
    (tmp_path / "b.jpg").write_bytes(cut)
    (tmp_path / "c.jpg").write_bytes(b"no picture")
    loaders = {n: PLAIN.new(splitter=None).dataloaders(tmp_path, keep_bytes=n) for n in (0, 1 << 30)}
    counts = {n: [(run(kept, 1), decodes())[1] for _ in range(3)] for n, kept in loaders.items()}
    assert counts == {0: [3, 3, 3], 1 << 30: [3, 0, 0]}
    assert loaders[0].skipped == loaders[1 << 30].skipped
    assert [skipped.reason for skipped in loaders[0].skipped] == ["truncated", "not an image"]
    Image.new("RGB", (16, 16), (20, 0, 0)).save(tmp_path / "b.jpg")
    assert len(level(loaders[1 << 30].train)) == 2


@pytest.mark.parametrize("reason", sorted(ImageError.PASSING))
def test_what_may_pass_is_tried_again(photos: Path, reason: str) -> None:
    store, file = DecodedStore(), photos / "0.png"

    def fails(_wanted: Any) -> Image.Image:
        raise ImageError(reason, "just now")

    with pytest.raises(ImageError, match="just now"):
        store.picture(file, None, full_size, fails)
    assert (len(store), store.n_bytes) == (0, 0)
    assert store.picture(file, None, full_size, lambda wanted: ImageBlock().open(file, wanted)).size == (480, 360)


class Whimsical(ItemTransform):
    """Says of itself that it draws nothing, and fails when it is told to."""

    def __init__(self) -> None:
        self.fails = True

    def plan(self, rng: np.random.Generator, *, training: bool) -> Plan:  # noqa: ARG002
        return Plan(self._apply, fixed=True)

    def _apply(self, image: Image.Image) -> Image.Image:
        if self.fails:
            raise ValueError("out of sorts")
        return image.resize((8, 8))


def test_a_failed_transform_is_told_each_time_and_kept_never(photos: Path) -> None:
    tfm = Whimsical()
    loader = PLAIN.new(item_tfms=tfm).dataloaders(photos).train
    for _ in range(2):
        with pytest.raises(StepError, match=r"item_tfms\[0\] Whimsical failed on item .*out of sorts"):
            list(loader)
    assert loader.decoded.n_bytes == 0
    tfm.fails = False
    assert len(list(loader)) == 1


def test_folders_of_a_given_split(tmp_path: Path, decodes: Callable[[], int]) -> None:
    for side in ("train", "valid"):
        (tmp_path / side / "a").mkdir(parents=True)
        for number in range(3):
            scene(number).save(tmp_path / side / "a" / f"{number}.jpg")
    loaders = CROPPED.new(splitter=GrandparentSplitter()).dataloaders(tmp_path, bs=2)
    assert [(list(loaders.valid), decodes())[1] for _ in range(2)] == [3, 0]
