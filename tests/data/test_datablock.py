"""The DataBlock: from a source to both sides, what it refuses, the summary, and the guide's examples."""

from __future__ import annotations

import re
import subprocess
import sys
from collections import Counter
from dataclasses import FrozenInstanceError, replace
from pathlib import Path

import numpy as np
import pytest
from PIL import Image

from drivetrain.core.errors import DataError, SourceError, StepError, UsageError
from drivetrain.core.types import Dataset, Item
from drivetrain.data.block.batch import Batch
from drivetrain.data.block.blocks import CategoryBlock, ImageBlock, MultiCategoryBlock, RegressionBlock
from drivetrain.data.block.datablock import DataBlock
from drivetrain.data.block.getters import get_rows
from drivetrain.data.block.item_transforms import RandomResizedCrop, Resize
from drivetrain.data.block.labellers import ColReader, RegexLabeller, parent_label
from drivetrain.data.block.splitters import ColSplitter, LeakFreeSplitter, RandomSplitter
from drivetrain.data.sources.opening import open_source

ROOT = Path(__file__).resolve().parents[2]
GUIDE = (ROOT / "docs" / "datablock.md").read_text(encoding="utf-8")

SHAPES = DataBlock(blocks=(ImageBlock, CategoryBlock), get_y=parent_label, item_tfms=Resize(32))


@pytest.fixture(scope="module")
def guide(pictures: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Where the guide's examples run: three kinds of pictures stand in for bears."""
    folder = tmp_path_factory.mktemp("guide")
    for kind, name in (("discs", "black"), ("squares", "grizzly"), ("stripes", "teddy")):
        (folder / "bears" / name).mkdir(parents=True)
        for path in (pictures / kind).iterdir():
            (folder / "bears" / name / path.name).write_bytes(path.read_bytes())
    rows = ["file,tags,is_valid", "black/00.jpg,forest river,0", "grizzly/01.jpg,snow,0", "teddy/02.jpg,,1"]
    (folder / "tags.csv").write_text("\n".join(rows) + "\n")
    return folder


@pytest.mark.processes
def test_the_guides_code_runs_and_shows_what_it_says(guide: Path) -> None:
    code = "\n".join(re.findall(r"```python\n(.*?)```", GUIDE, flags=re.DOTALL))
    done = subprocess.run(
        [sys.executable, "-c", code], cwd=guide, capture_output=True, text=True, check=False, timeout=120
    )
    assert done.returncode == 0, done.stderr
    (shown,) = re.findall(r"```text\n(.*?)```", GUIDE, flags=re.DOTALL)
    assert done.stdout == shown
    assert (guide / "crops.png").is_file()


# A block


def test_a_block_never_changes() -> None:
    other = SHAPES.new(item_tfms=RandomResizedCrop(16), splitter=None)
    assert SHAPES.item_tfms == (Resize(32),)
    assert other.item_tfms == (RandomResizedCrop(16),)
    assert other.get_y is SHAPES.get_y
    with pytest.raises(FrozenInstanceError):
        SHAPES.item_tfms = ()  # type: ignore[misc]
    tfms = [Resize(8)]
    block = SHAPES.new(item_tfms=tfms)
    tfms.append(Resize(9))
    assert block.item_tfms == (Resize(8),)


@pytest.mark.parametrize(
    ("changes", "match"),
    [
        ({"item_tfm": Resize(8)}, "a DataBlock has no 'item_tfm'; it has blocks, get_items"),
        ({"blocks": (CategoryBlock, ImageBlock)}, "blocks are CategoryBlock.*; give an ImageBlock and the target's"),
        ({"blocks": ()}, "blocks are none"),
        ({"blocks": (ImageBlock, CategoryBlock, CategoryBlock)}, "give an ImageBlock and the target's"),
        ({"get_y": "parent"}, "get_y is 'parent'; give a function"),
        ({"get_items": None}, "get_items is None"),
        ({"splitter": RandomSplitter}, r"splitter is .*; give a function, e\.g\. RandomSplitter\(\)"),
        ({"item_tfms": Resize}, r"item_tfms\[0\] is .*; give a transform"),
        ({"item_tfms": [Resize(8), 3]}, r"item_tfms\[1\] is 3"),
        ({"item_tfms": lambda image: image}, r"item_tfms\[0\] lambda cannot be called with \(image, rng\)"),
        ({"batch_tfms": [lambda: 0]}, r"batch_tfms\[0\] lambda cannot be called with \(batch, rng\)"),
    ],
)
def test_parts_that_are_none(changes: dict[str, object], match: str) -> None:
    with pytest.raises(UsageError, match=match):
        SHAPES.new(**changes)


# From source to sides


def test_folders(pictures: Path) -> None:
    for source in (pictures, str(pictures)):
        sets = SHAPES.datasets(source)
        assert sets.vocab == ("discs", "squares", "stripes")
        assert (len(sets.train), len(sets.valid)) == (48, 12)
        assert Counter(sample.target for sample in sets.valid.samples) == {"discs": 4, "squares": 4, "stripes": 4}
    image, label = sets.train[0]
    assert isinstance(image, Image.Image)
    assert image.size == (96, 80), "as stored: transforms belong to the loader"
    assert label == sets.train.samples[0].path.parent.name  # type: ignore[union-attr]
    assert sets.train.targets_N is not None
    assert [sets.vocab[number] for number in sets.train.targets_N] == [s.target for s in sets.train.samples]
    assert sum(1 for _ in sets.valid) == 12
    assert repr(sets).startswith("48 items for training, 12 for validation\n3 labels: discs, squares, stripes")
    assert len(set(sets.groups_of(sets.valid).tolist())) == 12


def test_the_split_does_not_hang_on_where_the_data_lie(pictures: Path, guide: Path) -> None:
    sides = []
    for root in (pictures, guide / "bears"):
        valid = SHAPES.datasets(root).valid.samples
        order = sorted(path.name for path in root.iterdir())
        sides.append({(order.index(s.name.split("/")[0]), s.name.split("/")[1]) for s in valid})
    assert len(sides[0] & sides[1]) < 12, "names differ, so do draws"
    assert {s.name for s in SHAPES.datasets(pictures).valid.samples} == {
        s.name for s in SHAPES.datasets(f"{pictures}/../{pictures.name}/").valid.samples
    }


def test_open_source_brings_labels_groups_and_splits(pictures: Path) -> None:
    files = sorted(pictures.rglob("*.jpg"))
    rows = [(path, path.parent.name, f"clip {n // 4}") for n, path in enumerate(files)]
    block = DataBlock(get_items=open_source, item_tfms=Resize(16))
    sets = block.datasets(rows)
    train, valid = ({sample.group for sample in view.samples} for view in (sets.train, sets.valid))
    assert train.isdisjoint(valid)
    assert sets.notes == ("60 items in 15 groups given kept together",)
    dataset = open_source([*rows, (files[0].parent / "none.jpg", "discs")])
    again = SHAPES.new(get_y=None).datasets(dataset)
    assert [s.name for s in again.valid.samples] == [s.name for s in sets.valid.samples]
    assert [skip.reason for skip in again.skipped] == ["missing"]
    marked = [
        Item(path, path.name, path.parent.name, split="train" if n % 3 else "valid") for n, path in enumerate(files)
    ]
    assert len(block.datasets(Dataset("given", tuple(marked))).valid) == 20


def test_the_same_name_in_two_folders_is_two_items(pictures: Path) -> None:
    items = [Item(path, path.name, path.parent.name) for path in sorted(pictures.rglob("0*.jpg"))]
    sets = DataBlock(get_items=list, item_tfms=Resize(8)).datasets(items)
    assert len(sets.train) + len(sets.valid) == 30


def test_tables(pictures: Path, tmp_path: Path) -> None:
    lines = [
        f"{path.parent.name}/{path.name},{n},{n % 5 == 0}" for n, path in enumerate(sorted(pictures.rglob("*.jpg")))
    ]
    (tmp_path / "t.csv").write_text("file,n,is_valid\n" + "\n".join(lines))
    block = DataBlock(
        (ImageBlock("L"), RegressionBlock(2)),
        get_rows,
        get_x=ColReader("file", prefix=pictures),
        get_y=ColReader(("n", "n")),
        splitter=ColSplitter(),
        item_tfms=Resize((8, 16)),
    )
    loaders = block.dataloaders(tmp_path / "t.csv", bs=10)
    batch = loaders.valid.one_batch()
    assert batch.x.shape == (10, 1, 8, 16)
    assert batch.y.tolist() == [[5.0 * n, 5.0 * n] for n in range(10)]
    assert batch.names[0] == "discs/00.jpg"
    assert loaders.vocab == ()


def test_many_labels(pictures: Path) -> None:
    block = DataBlock(
        (ImageBlock, MultiCategoryBlock),
        get_y=lambda path: [path.parent.name, *(["even"] if int(path.stem) % 2 == 0 else [])],
        item_tfms=Resize(8),
    )
    sets = block.datasets(pictures)
    assert sets.vocab == ("discs", "even", "squares", "stripes")
    assert sets.train.targets_N is not None
    assert sets.train.targets_N.shape == (48, 4)
    assert sets.train.targets_N.sum(axis=1).tolist() == [len(sample.target) for sample in sets.train.samples]


def test_pictures_without_targets(pictures: Path) -> None:
    sets = DataBlock(ImageBlock, item_tfms=Resize(8)).dataloaders(pictures, bs=4)
    batch = sets.one_batch()
    assert batch.y is None
    assert batch.x.shape == (4, 3, 8, 8)
    assert sets.datasets.train[0][1] is None


def test_no_split_at_all(pictures: Path) -> None:
    loaders = SHAPES.new(splitter=None).dataloaders(pictures, bs=8)
    assert len(loaders.datasets.train) == 60
    assert len(loaders.valid) == 0
    assert list(loaders.valid) == []
    with pytest.raises(UsageError, match="there is no batch in <0 batches of 8, <0 items for validation>>"):
        loaders.valid.one_batch()
    with pytest.raises(UsageError, match="nothing to show"):
        loaders.valid.show_batch()


def test_a_splitter_of_ones_own(pictures: Path) -> None:
    def odd(items: list[Path]) -> tuple[list[int], list[int]]:
        return [n for n, p in enumerate(items) if int(p.stem) % 2], [
            n for n, p in enumerate(items) if not int(p.stem) % 2
        ]

    sets = SHAPES.new(splitter=odd).datasets(pictures)
    assert {int(s.path.stem) % 2 for s in sets.valid.samples} == {0}  # type: ignore[union-attr]
    for given, match in (
        (lambda _: ([0], [0]), r"gave item 0 \(discs/00\.jpg\) twice"),
        (lambda _: ([0], [99]), "gave row 99; there are 60 items"),
        (lambda _: ([0], [-1]), "gave row -1"),
        (lambda _: ([], [1]), "gave no training rows of 60 items"),
        (lambda _: ([0.5], [1]), "rows must be whole numbers"),
        (lambda _: 7, r"gave 7 of type int; it must give \(train_rows, valid_rows\)"),
        (lambda _: 1 / 0, "splitter lambda failed on 60 items: ZeroDivisionError"),
        (lambda _: ([0, 20, 40], [1, 2]), "validation has none of the 1 items labelled 'squares'"),
    ):
        with pytest.raises(DataError, match=match):
            SHAPES.new(splitter=given).datasets(pictures)


# What is wrong with the data


def test_a_label_unseen_in_training_names_the_item_and_what_is_known(pictures: Path) -> None:
    def only_discs_and_squares(_items: list[Path]) -> tuple[list[int], list[int]]:
        return list(range(40)), [50]

    block = SHAPES.new(splitter=only_discs_and_squares)
    match = r"CategoryBlock failed on item 50 \(stripes/10\.jpg\): the label 'stripes' is not among the 2 known"
    with pytest.raises(StepError, match=rf"{match} \(discs, squares\)"):
        block.datasets(pictures)
    many = block.new(blocks=(ImageBlock, MultiCategoryBlock), get_y=lambda path: [path.parent.name])
    with pytest.raises(StepError, match=r"MultiCategoryBlock failed on item 50 .*'stripes' is not among"):
        many.datasets(pictures)
    given = block.new(blocks=(ImageBlock, CategoryBlock(["discs", "squares", "stripes"])))  # type: ignore[arg-type]
    with pytest.raises(DataError, match="training has none of the 1 items labelled 'stripes'"):
        given.datasets(pictures)


def test_one_class(pictures: Path) -> None:
    with pytest.raises(DataError, match="all 16 training items are labelled discs; a classifier needs two labels"):
        SHAPES.datasets(pictures / "discs")


def test_nothing_at_all(tmp_path: Path) -> None:
    with pytest.raises(SourceError, match="found no images in"):
        SHAPES.datasets(tmp_path)
    with pytest.raises(DataError, match=r"get_items list gave no items for \[\]; check the source"):
        SHAPES.new(get_items=list).datasets([])
    with pytest.raises(DataError, match="get_items lambda gave 7 of type int; it must give a list of items"):
        SHAPES.new(get_items=lambda _: 7).datasets("x")
    with pytest.raises(StepError, match="get_items lambda failed on 'x': KeyError: 'no'"):
        SHAPES.new(get_items=lambda _: {}["no"]).datasets("x")


def test_a_getter_that_fails_names_its_item(pictures: Path) -> None:
    bad = SHAPES.new(get_y=lambda path: 1 / (int(path.stem) - 7))
    with pytest.raises(
        StepError, match=r"get_y lambda failed on item 7 \(discs/07\.jpg\): ZeroDivision.*received path"
    ) as caught:
        bad.datasets(pictures)
    assert (caught.value.step, caught.value.item) == ("get_y lambda", "item 7 (discs/07.jpg)")
    with pytest.raises(
        StepError, match=r"get_y RegexLabeller failed on item 0 .*'z\(\.\)' is not found in the name '00.jpg'"
    ):
        SHAPES.new(get_y=RegexLabeller("z(.)")).datasets(pictures)
    with pytest.raises(StepError, match=r"get_y failed on item 0 .*has no label of its own; give get_y"):
        SHAPES.new(get_y=None).datasets(pictures)
    with pytest.raises(StepError, match=r"CategoryBlock failed on item 0 .*there is no label \(received None\)"):
        SHAPES.new(get_y=lambda _: None).datasets(pictures)
    with pytest.raises(StepError, match="get_x failed on item 0: received dict with 'file'; give get_x"):
        SHAPES.new(get_items=list).datasets([{"file": "a.jpg"}])
    with pytest.raises(StepError, match=r"get_x lambda failed on item 0: received 7 of type int"):
        SHAPES.new(get_x=lambda _: 7).datasets(pictures)


def test_a_broken_file_asked_for_by_hand_says_so(pictures: Path, tmp_path: Path) -> None:
    (tmp_path / "a.jpg").write_bytes(b"\xff\xd8\xff broken")
    view = DataBlock(ImageBlock, get_items=list, splitter=None).datasets([tmp_path / "a.jpg"]).train
    with pytest.raises(StepError, match=r"ImageBlock failed on item 0 \(a\.jpg\): damaged"):
        view[0]
    with pytest.raises(IndexError):
        SHAPES.datasets(pictures).valid[12]


def test_broken_files_are_skipped_and_named(pictures: Path, tmp_path: Path) -> None:
    for path in sorted(pictures.rglob("0*.jpg")):
        (tmp_path / path.parent.name).mkdir(exist_ok=True)
        (tmp_path / path.parent.name / path.name).write_bytes(path.read_bytes())
    (tmp_path / "discs" / "03.jpg").write_bytes(b"")
    sets = SHAPES.datasets(tmp_path)
    assert [(skip.name, skip.reason) for skip in sets.skipped] == [("discs/03.jpg", "empty")]
    assert len(sets.train) + len(sets.valid) == 29
    assert "1 files skipped, first discs/03.jpg: empty" in repr(sets)


def test_real_broken_files_are_all_found(data_root: Path) -> None:
    files = sorted((data_root / "broken").iterdir()) + sorted((data_root / "scenes").rglob("*.jpg"))[:10]
    block = DataBlock(ImageBlock, get_items=list, item_tfms=Resize(8))
    sets = block.datasets(files)
    assert len(sets.train) + len(sets.valid) + len(sets.skipped) == len(files)
    assert len(sets.skipped) >= 30
    assert sum(len(batch) for batch in block.dataloaders(files, bs=4).valid) == len(sets.valid)


# The summary


def test_the_summary_tells_every_step(pictures: Path) -> None:
    def half(batch: Batch, _rng: np.random.Generator) -> Batch:
        return replace(batch, x=batch.x[..., ::2, ::2] / np.float32(255))

    summary = SHAPES.new(item_tfms=[Resize(40), lambda image, _: np.asarray(image)[:32]], batch_tfms=half).summary(
        pictures
    )
    assert summary.failure is None
    assert [step.name for step in summary.steps] == [
        "get_items",
        "get_x",
        "get_y",
        "splitter",
        "blocks",
        "blocks",
        "open",
        "item_tfms[0]",
        "item_tfms[1]",
        "stack",
        "batch_tfms[0]",
    ]
    text = str(summary)
    for part in (
        "60 items, first path",
        "get_y parent_label",
        "48 for training, 12 for validation",
        "3 labels: discs, squares, stripes",
        "'discs' → 0 (int64), and back: 'discs'",
        "RGB image 96×80 → RGB image 40×40",
        "RGB image 40×40 → RGB image 40×32",
        "uint8 ndarray 4×3×32×40, targets int64 ndarray 4",
        "uint8 ndarray 4×3×32×40 → float32 ndarray 4×3×16×20",
    ):
        assert part in text


@pytest.mark.parametrize(
    ("changes", "step", "failure"),
    [
        ({"get_items": lambda _: []}, "get_items lambda", "gave no items"),
        ({"get_x": lambda _: None}, "get_x lambda", "item 0: received None"),
        ({"get_y": lambda _: None}, "CategoryBlock", "item 0 (discs/00.jpg): there is no label"),
        ({"get_y": lambda _: "one"}, "blocks CategoryBlock", "all 48 training items are labelled one"),
        ({"splitter": lambda _: ([], [])}, "splitter lambda", "gave no training rows"),
        ({"item_tfms": lambda _image, _rng: None}, "item_tfms[0] lambda", "it gave None; it must give a Pillow image"),
        ({"item_tfms": lambda image, _: image.nope}, "item_tfms[0] lambda", "AttributeError"),
        ({"batch_tfms": lambda batch, _: batch.nope}, "batch_tfms[0] lambda", "received uint8 ndarray 4×3×32×32"),
    ],
)
def test_the_summary_names_the_step_that_fails(
    pictures: Path, changes: dict[str, object], step: str, failure: str
) -> None:
    summary = SHAPES.new(**changes).summary(pictures)
    assert summary.failed_step == step
    assert summary.failure is not None
    assert failure in summary.failure
    assert str(summary).splitlines()[-1] == f"{step} ✗ {summary.failure}"


def test_the_summary_passes_over_broken_files(pictures: Path, tmp_path: Path) -> None:
    (tmp_path / "a.jpg").write_bytes(b"broken")
    files = [tmp_path / "a.jpg", *sorted(pictures.rglob("*.jpg"))]
    block = DataBlock(ImageBlock, get_items=list, splitter=None, item_tfms=Resize(8))
    assert "would be skipped: not an image" in str(block.summary(files))
    summary = block.summary(files[:1])
    assert summary.failed_step == "open ImageBlock"
    assert "none of 1 training files can be decoded" in str(summary)


def test_sizes_that_differ_are_told(tmp_path: Path) -> None:
    for n, size in enumerate(((20, 30), (30, 20), (20, 30))):
        Image.effect_noise(size, 90).save(tmp_path / f"{n}.png")
    block = DataBlock(ImageBlock, get_items=list, splitter=None)
    summary = block.summary(sorted(tmp_path.iterdir()))
    assert summary.failed_step == "stack ImageBlock"
    assert "give item_tfms=Resize(224)" in str(summary)


def test_the_default_splitter_leaks_nothing() -> None:
    assert DataBlock().splitter == LeakFreeSplitter()
    assert len(SHAPES.item_tfms) == 1
