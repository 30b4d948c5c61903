"""The loader: one epoch whatever the threads, bounded memory, threads that end, and what is skipped or refused."""

from __future__ import annotations

import gc
import threading
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
from PIL import Image

from drivetrain.core.errors import DataError, StepError, UsageError
from drivetrain.core.ordered_map import THREAD_NAME, ordered_map
from drivetrain.data.block.batch import Batch
from drivetrain.data.block.blocks import CategoryBlock, ImageBlock
from drivetrain.data.block.datablock import DataBlock
from drivetrain.data.block.item_transforms import RandomResizedCrop, Resize
from drivetrain.data.block.labellers import parent_label
from drivetrain.data.block.loader import DataLoader, Loading
from drivetrain.data.block.splitters import RandomSplitter
from drivetrain.data.image import contact_sheet

Transform = Callable[[Image.Image, np.random.Generator], object]


def speckle(image: Image.Image, rng: np.random.Generator) -> np.ndarray:
    """A transform that draws as it goes."""
    pixels = np.asarray(image).copy()
    pixels[rng.integers(0, pixels.shape[0], 20), rng.integers(0, pixels.shape[1], 20)] = rng.integers(0, 255)
    return pixels


def brighten(batch: Batch, rng: np.random.Generator) -> Batch:
    return replace(batch, x=np.clip(batch.x + rng.integers(0, 20, (len(batch), 1, 1, 1)), 0, 255).astype(np.uint8))


SHAPES = DataBlock(
    blocks=(ImageBlock, CategoryBlock),
    get_y=parent_label,
    splitter=RandomSplitter(),
    item_tfms=(RandomResizedCrop(24), speckle),
    batch_tfms=brighten,
)


def threads() -> list[str]:
    return [thread.name for thread in threading.enumerate() if thread.name.startswith(THREAD_NAME)]


def same(one: list[Batch], other: list[Batch]) -> bool:
    return len(one) == len(other) and all(
        (a.x == b.x).all() and (a.y == b.y).all() and a.names == b.names for a, b in zip(one, other, strict=True)
    )


# Epochs


def test_an_epoch_is_the_same_whatever_the_threads(pictures: Path) -> None:
    runs = []
    for workers in (1, 2, 7):
        train = SHAPES.dataloaders(pictures, bs=10, seed=5, workers=workers).train
        runs.append([list(train), list(train)])
    assert same(runs[0][0], runs[1][0])
    assert same(runs[0][0], runs[2][0])
    assert same(runs[0][1], runs[2][1])
    assert not same(runs[0][0], runs[0][1]), "the next epoch is another"
    assert not same(runs[0][0], list(SHAPES.dataloaders(pictures, bs=10, seed=6).train)), "and so is another seed"


def test_any_epoch_can_be_had_again_from_any_batch_on(pictures: Path) -> None:
    train = SHAPES.dataloaders(pictures, bs=10).train
    first, second, third = list(train), list(train), list(train)
    again = SHAPES.dataloaders(pictures, bs=10).train
    assert same(list(again.batches(2)), third)
    assert same(list(again.batches(1, start=2)), second[2:])
    assert same(list(again), first), "asking for an epoch does not use one up"
    assert list(again.batches(0, start=len(again))) == []


def test_training_is_shuffled_and_drops_the_rest_validation_neither(pictures: Path) -> None:
    loaders = SHAPES.dataloaders(pictures, bs=10)
    assert (len(loaders.train), len(loaders.valid)) == (4, 2)
    assert [len(batch) for batch in loaders.train] == [10] * 4
    rows = [row for batch in loaders.train for row in batch.rows]
    assert rows != sorted(rows)
    assert len(set(rows)) == 40
    valid = list(loaders.valid)
    assert [len(batch) for batch in valid] == [10, 2]
    assert [sample for batch in valid for sample in batch.samples] == list(loaders.datasets.valid.samples)
    assert not valid[0].training
    assert loaders.one_batch().training
    few = SHAPES.dataloaders(pictures, bs=64)
    assert [len(batch) for batch in few.train] == [48], "the only batch is not left out"


def test_validation_looks_the_same_every_epoch(pictures: Path) -> None:
    valid = SHAPES.dataloaders(pictures, bs=5).valid
    assert same(list(valid), list(valid))


def test_one_more_transform_does_not_change_what_others_draw(pictures: Path) -> None:
    crops = [
        SHAPES.new(item_tfms=tfms, batch_tfms=()).dataloaders(pictures, bs=8).one_batch().x
        for tfms in ([RandomResizedCrop(24)], [RandomResizedCrop(24), lambda image, rng: (rng.random(), image)[1]])
    ]
    assert (crops[0] == crops[1]).all()


def test_batches_say_whose_they_are(pictures: Path) -> None:
    loaders = SHAPES.dataloaders(pictures, bs=7)
    batch = loaders.one_batch()
    assert batch.x.shape == (7, 3, 24, 24)
    assert batch.x.dtype == np.uint8
    for row, path, name, label in zip(batch.rows, batch.paths, batch.names, batch.y, strict=True):
        assert path is not None
        assert path.as_posix().endswith(name)
        assert loaders.vocab[label] == path.parent.name
        assert sorted(pictures.rglob("*.jpg"))[row] == path
    assert batch.weights.tolist() == [1.0] * 7
    plain = SHAPES.new(batch_tfms=()).dataloaders(pictures, bs=7).one_batch().x
    assert plain.transpose(0, 2, 3, 1).flags.c_contiguous, "channels last in memory"


def test_greyscale_and_pictures_in_memory() -> None:
    arrays = list(np.random.default_rng(0).integers(0, 255, (10, 8, 8), dtype=np.uint8))
    block = DataBlock((ImageBlock("L"), CategoryBlock), list, get_y=lambda a: int(a[0, 0]) % 2, splitter=None)
    batch = block.dataloaders(arrays, bs=10).one_batch()
    assert batch.x.shape == (10, 1, 8, 8)
    assert (batch.x[:, 0] == np.stack(arrays)[batch.rows]).all()
    assert batch.paths == (None,) * 10


# Threads and memory


def test_threads_end_with_the_epoch(pictures: Path) -> None:
    train = SHAPES.dataloaders(pictures, bs=8, workers=3).train
    assert not threads(), "none before the first batch"
    for number, _ in enumerate(train):
        if number == 0:
            assert threads()
    assert not threads()


def test_threads_end_when_the_consumer_leaves(pictures: Path) -> None:
    train = SHAPES.dataloaders(pictures, bs=8, workers=3).train
    for _ in train:
        break
    gc.collect()
    assert not threads()
    batches = iter(train)
    next(batches)
    assert threads()
    batches.close()  # type: ignore[attr-defined]
    assert not threads()

    def leaves_by_an_error() -> None:
        for _ in train:
            raise ZeroDivisionError

    with pytest.raises(ZeroDivisionError):
        leaves_by_an_error()
    gc.collect()
    assert not threads()


def test_threads_end_when_a_transform_fails(pictures: Path) -> None:
    def fails(_image: Image.Image, _rng: np.random.Generator) -> Image.Image:
        raise RuntimeError("on purpose")

    train = SHAPES.new(item_tfms=fails).dataloaders(pictures, bs=8, workers=3).train
    with pytest.raises(StepError):
        list(train)
    assert not threads()


def test_no_more_is_made_ahead_than_was_said(pictures: Path) -> None:
    made = []
    counted: Transform = lambda image, _: (made.append(1), image)[1]  # noqa: E731
    block = SHAPES.new(item_tfms=[Resize(8), counted], batch_tfms=())
    view = block.datasets(pictures).train
    train = DataLoader(view, Loading(bs=4, workers=3, prefetch=2), block.item_tfms)
    for number, _ in enumerate(train, start=1):
        assert len(made) <= 4 * (number + 2)


def test_results_come_in_order_and_the_first_error_in_order_is_raised() -> None:
    gate = threading.Event()

    def work(job: int) -> int:
        if job == 0:
            gate.wait(10)  # the later ones are done, and have failed, before the first
        if job == 3:
            gate.set()
            raise ValueError(job)
        if job == 1:
            raise KeyError(job)
        return job

    results = ordered_map(work, range(10), workers=4, ahead=6)
    assert next(results) == 0
    with pytest.raises(KeyError):
        next(results)
    assert not threads()


def test_loaders_run_side_by_side(pictures: Path) -> None:
    train = SHAPES.dataloaders(pictures, bs=10, workers=2).train
    pairs = list(zip(train.batches(0), train.batches(0), strict=True))
    assert same([a for a, _ in pairs], [b for _, b in pairs])
    assert not threads()


# What goes wrong


@pytest.fixture
def damaged(pictures: Path, tmp_path: Path) -> Path:
    """Thirty pictures, three of which cannot be decoded."""
    for path in sorted(pictures.rglob("0*.jpg")):
        (tmp_path / path.parent.name).mkdir(exist_ok=True)
        data = path.read_bytes()
        (tmp_path / path.parent.name / path.name).write_bytes(data[:300] if path.name == "05.jpg" else data)
    return tmp_path


def test_files_that_cannot_be_decoded_are_left_out_and_recorded(damaged: Path) -> None:
    loaders = SHAPES.new(splitter=None).dataloaders(damaged, bs=5)
    assert loaders.skipped == ()
    for _ in range(2):
        assert sum(len(batch) for batch in loaders.train) == 27
    assert [skip.name for skip in loaders.skipped] == ["discs/05.jpg", "squares/05.jpg", "stripes/05.jpg"]
    assert {skip.reason for skip in loaders.train.skipped} == {"damaged"}
    intact = {name for batch in loaders.train.batches(0) for name in batch.names}
    assert not any(name.endswith("05.jpg") for name in intact)


def test_a_batch_of_nothing_but_broken_files_is_passed_over(damaged: Path) -> None:
    loaders = SHAPES.new(splitter=None).dataloaders(damaged, bs=1)
    assert sum(1 for _ in loaders.train) == 27
    assert len(loaders.train) == 30


def test_no_file_that_can_be_decoded(tmp_path: Path) -> None:
    for n in range(4):
        (tmp_path / f"{n}.jpg").write_bytes(b"no")
    block = DataBlock(ImageBlock, splitter=None)
    with pytest.raises(DataError, match=r"none of 4 files can be decoded \(first 0\.jpg: not an image"):
        list(block.dataloaders(tmp_path, bs=2).train)


def test_a_file_that_goes_missing_is_skipped(damaged: Path) -> None:
    loaders = SHAPES.new(splitter=RandomSplitter(0.4)).dataloaders(damaged, bs=5)
    gone = loaders.datasets.valid.samples[0].path
    assert gone is not None
    gone.unlink()
    assert sum(len(batch) for batch in loaders.valid) < len(loaders.datasets.valid)
    assert any(skip.reason == "missing" for skip in loaders.skipped)


def test_a_transform_that_raises_names_item_step_and_what_it_received(pictures: Path) -> None:
    def picky(_image: Image.Image, _rng: np.random.Generator) -> Image.Image:
        raise ValueError("no\nway")

    train = SHAPES.new(item_tfms=[Resize(20), picky]).dataloaders(pictures, bs=8).train
    first = train.view.samples[train.order(0)[0]]
    with pytest.raises(StepError) as caught:
        next(iter(train))
    assert str(caught.value) == f"item_tfms[1] picky failed on {first}: ValueError: no way; received RGB image 20×20"
    assert isinstance(caught.value.__cause__, ValueError)


def test_a_transform_that_gives_something_else(pictures: Path) -> None:
    for gives, match in ((None, "it gave None"), (np.zeros((4, 4)), "received float64 ndarray 4×4; give uint8")):
        block = SHAPES.new(item_tfms=lambda _image, _rng, gives=gives: gives)
        with pytest.raises(StepError, match=rf"item_tfms\[0\] lambda failed on item .*{match}"):
            block.dataloaders(pictures).one_batch()
    grey = SHAPES.new(item_tfms=[Resize(8), lambda image, _: image.convert("L")], batch_tfms=())
    assert grey.dataloaders(pictures, bs=4).one_batch().x.shape == (4, 3, 8, 8), "a mode is brought back"


def test_a_batch_transform_that_raises_names_the_batch(pictures: Path) -> None:
    block = SHAPES.new(batch_tfms=[brighten, lambda batch, _: batch.x.reshape(7, 11)])
    match = r"batch_tfms\[1\] lambda failed on batch 0 of epoch 0 \(8 items, first .*\): ValueError"
    with pytest.raises(StepError, match=rf"{match}.*received uint8 ndarray 8×3×24×24"):
        block.dataloaders(pictures, bs=8).one_batch()


def test_pictures_of_several_sizes(tmp_path: Path) -> None:
    for n, size in enumerate(((20, 30), (30, 20))):
        Image.effect_noise(size, 90).save(tmp_path / f"{n}.png")
    with pytest.raises(
        DataError, match=r"item \d \(\d\.png\) is .* pixels and item \d .*; give item_tfms=Resize\(224\)"
    ):
        DataBlock(ImageBlock, splitter=None).dataloaders(tmp_path).one_batch()


@pytest.mark.parametrize(
    "wrong", [{"bs": 0}, {"bs": 1.5}, {"bs": "8"}, {"seed": -1}, {"workers": 0}, {"prefetch": 0}, {"bs": True}]
)
def test_numbers_that_are_none(wrong: dict[str, object]) -> None:
    ((name, value),) = wrong.items()
    with pytest.raises(UsageError, match=f"{name} is {value!r}; give a whole number of at least"):
        Loading(**wrong)  # type: ignore[arg-type]


# What people see


def test_a_sheet_of_pictures(pictures: Path) -> None:
    loaders = SHAPES.dataloaders(pictures, bs=8)
    nine, row = loaders.show_batch(), loaders.valid.show_batch(max_n=4, nrows=1)
    assert nine.mode == row.mode == "RGB"
    assert nine.width < nine.height, "three by three, with captions"
    assert row.width > 3 * row.height
    assert (np.asarray(nine) == np.asarray(loaders.show_batch())).all()
    assert loaders.show_batch(max_n=2).height < nine.height
    assert not threads()
    for wrong in ({"max_n": 4, "nrows": 0}, {"max_n": 0}):
        with pytest.raises(UsageError):
            loaders.show_batch(**wrong)


def test_one_picture_as_it_comes_in_several_epochs(pictures: Path) -> None:
    train = SHAPES.new(batch_tfms=()).dataloaders(pictures, bs=8).train
    sample = train.view.samples[train.order(0)[0]]
    wanted = []
    for epoch in range(4):
        for batch in train.batches(epoch):
            wanted += [batch.x[batch.names.index(sample.name)]] if sample.name in batch.names else []
    shown: list[Batch] = []
    spy = lambda batch, _: (shown.append(batch), batch)[1]  # noqa: E731
    block = SHAPES.new(batch_tfms=spy)
    block.dataloaders(pictures, bs=8).train.show_batch(max_n=4, unique=True)
    (batch,) = shown
    assert batch.names == (sample.name,) * 4
    assert len({pixels.tobytes() for pixels in batch.x}) == 4
    assert {pixels.tobytes() for pixels in wanted} <= {pixels.tobytes() for pixels in batch.x}
    assert wanted


def test_what_normalisation_did_is_undone_for_people(pictures: Path) -> None:
    class Normalise:
        def __call__(self, batch: Batch, _rng: np.random.Generator) -> Batch:
            return replace(batch, x=batch.x.astype(np.float32) / 255 * 4 - 2)

        def undo(self, batch: Batch) -> Batch:
            return replace(batch, x=(batch.x + 2) / 4)

    plain = SHAPES.new(item_tfms=Resize(30), batch_tfms=())
    sheets = [block.dataloaders(pictures).show_batch() for block in (plain, plain.new(batch_tfms=Normalise()))]
    assert (np.asarray(sheets[0]) == np.asarray(sheets[1])).all()
    only_scaled = lambda batch, _: replace(batch, x=batch.x.astype(np.float32) - 128)  # noqa: E731
    assert plain.new(batch_tfms=only_scaled).dataloaders(pictures).show_batch().size == sheets[0].size


def test_broken_files_do_not_leave_holes(damaged: Path) -> None:
    loaders = SHAPES.new(splitter=None).dataloaders(damaged, bs=5)
    full = loaders.train.show_batch(max_n=25)
    assert full.width == full.height - 5 * (contact_sheet.CAPTION)


def test_captions_are_cut_and_may_be_in_any_script() -> None:
    images = [Image.new("L", (30, 10)), Image.new("RGB", (300, 400)), Image.new("RGB", (10, 10))]
    sheet = contact_sheet.contact_sheet(images, ["a very long caption " * 9, "медведь 熊", ""])
    assert sheet.size == (
        2 * (contact_sheet.CELL + 16) + 16,
        2 * (contact_sheet.CELL + contact_sheet.CAPTION + 16) + 16,
    )
