"""Splitters: the same split however items are listed, groups and copies whole, labels on both sides, clear refusals."""

from __future__ import annotations

from collections import Counter
from collections.abc import Sequence
from datetime import UTC, date, datetime
from pathlib import Path

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from PIL import Image, ImageOps

from drivetrain.core.errors import DataError, StepError, UsageError
from drivetrain.core.types import Item
from drivetrain.curate import duplicates
from drivetrain.data.block.holdout import hold_out, ranks
from drivetrain.data.block.splitter import Split, Splitter
from drivetrain.data.block.splitters import (
    ColSplitter,
    GrandparentSplitter,
    GroupSplitter,
    LeakFreeSplitter,
    RandomSplitter,
    TimeSplitter,
)
from drivetrain.data.image import copies


def paths(n: int, root: str = "") -> list[Path]:
    return [Path(root) / f"c{i % 3}" / f"{i:03}.jpg" for i in range(n)]


def tails(items: Sequence[Path], rows: Sequence[int]) -> set[str]:
    """Names by which an item is known wherever it lies."""
    return {"/".join(items[row].parts[-2:]) for row in rows}


# By lot


@given(st.integers(2, 60), st.floats(0.01, 0.99), st.integers(0, 5), st.randoms(use_true_random=False))
def test_a_seed_always_gives_the_same_split(n: int, share: float, seed: int, order: object) -> None:
    items = paths(n, "/data")
    splitter = RandomSplitter(share, seed)
    train, valid = splitter(items)
    assert sorted([*train, *valid]) == list(range(n))
    assert len(valid) == min(max(int(share * n + 0.5), 1), n - 1)
    listed_otherwise = items.copy()
    order.shuffle(listed_otherwise)  # type: ignore[attr-defined]
    moved = paths(n, "/elsewhere/deep")
    for others in (listed_otherwise, moved):
        assert tails(others, splitter(others).valid.tolist()) == tails(items, valid.tolist())


def test_another_seed_gives_another_split_and_growth_moves_few() -> None:
    items = paths(200)
    valid = tails(items, RandomSplitter(seed=1)(items).valid.tolist())
    assert valid != tails(items, RandomSplitter(seed=2)(items).valid.tolist())
    grown = paths(210)
    still = tails(grown, RandomSplitter(seed=1)(grown).valid.tolist())
    assert len(valid & still) >= 35, "of 40"


@pytest.mark.parametrize("share", [0, 1, 1.2, -0.1, True, "0.2", float("nan")])
def test_a_share_that_is_none(share: object) -> None:
    for kind in (RandomSplitter, GroupSplitter, LeakFreeSplitter):
        with pytest.raises(UsageError, match=f"{kind.__name__}'s valid_pct is .*; give a share between 0 and 1"):
            kind(share)  # type: ignore[arg-type]


def test_one_item_cannot_be_split() -> None:
    with pytest.raises(DataError, match="received 1 item; a split needs at least two"):
        RandomSplitter()(["a.jpg"])
    with pytest.raises(DataError, match="received 0 items"):
        RandomSplitter()([])


def test_a_class_on_one_side_only_is_named() -> None:
    items = [Item(Path(f"{i}.jpg"), f"{i}.jpg", "cat") for i in range(30)] + [Item(Path("x.jpg"), "x.jpg", "owl")]
    with pytest.raises(DataError, match=r"none of the 1 items labelled 'owl' \(e\.g\. x\.jpg\); one item cannot"):
        RandomSplitter()(items)
    by_hand = ColSplitter("split")
    marked = [Item(Path(f"{i}"), f"{i}", "ab"[i % 2], split=("train", "valid")[i % 2]) for i in range(6)]
    with pytest.raises(DataError, match=r"training has none of the 3 items labelled 'b' .* use LeakFreeSplitter"):
        by_hand(marked)


# By what is said


def test_grandparents() -> None:
    items = ["d/train/a/1.jpg", "d/valid/a/1.jpg", "d/test/a/1.jpg", "d/train/b/2.jpg"]
    split = GrandparentSplitter()(items)
    assert (split.train.tolist(), split.valid.tolist()) == ([0, 3], [1])
    assert split.notes == ("1 items on neither side left out",)
    with pytest.raises(DataError, match="none of 4 items two folders below 'val', but below 'train', 'valid', 'test'"):
        GrandparentSplitter(valid_name="val")(items)
    with pytest.raises(StepError, match=r"GrandparentSplitter failed on item 0 \(number 0\): received dict"):
        GrandparentSplitter()([{"file": "a"}])


def test_columns() -> None:
    marks = [True, False, 0, 1, "valid", "Train", None, "test", np.bool_(True)]
    split = ColSplitter("m")([{"m": mark} for mark in marks])
    assert split.valid.tolist() == [0, 3, 4, 8]
    assert split.train.tolist() == [1, 2, 5, 6]
    assert split.notes == ("1 items on neither side left out",)
    with pytest.raises(StepError, match=r"ColSplitter failed on item 1 .*column 'm' is 'maybe'; use true and false"):
        ColSplitter("m")([{"m": True}, {"m": "maybe"}])
    with pytest.raises(StepError, match=r"item 0 .*no column 'is_valid'; found 'm'"):
        ColSplitter()([{"m": True}])
    with pytest.raises(DataError, match="marks 2 of 2 items for training and 0 for validation"):
        ColSplitter("m")([{"m": 0}, {"m": 0}])


def test_the_latest_validate() -> None:
    for times in (
        [3, 1, 4, 2, 5],
        ["3", "1", "4", "2", "5"],
        ["2024-03-01", "2024-01-01", "2024-04-01T12:00", "2024-02-01", "2024-05-01"],
        [date(2024, month, 1) for month in (3, 1, 4, 2, 5)],
        [datetime(2024, month, 1, tzinfo=UTC) for month in (3, 1, 4, 2, 5)],
        [np.datetime64(f"2024-0{month}-01") for month in (3, 1, 4, 2, 5)],
    ):
        assert TimeSplitter("t", 0.4)([{"t": time} for time in times]).valid.tolist() == [2, 4]


def test_items_of_one_time_stay_together() -> None:
    split = TimeSplitter("t", 0.2)([{"t": time} for time in [1, 2, 2, 2, 2]])
    assert split.train.tolist() == [0], "the only change of time there is"
    with pytest.raises(DataError, match="the same in all 2 items"):
        TimeSplitter("t")([{"t": 1}, {"t": 1}])


@pytest.mark.parametrize(
    ("times", "match"),
    [
        ([1, "31.5.2024"], r"failed on item 1 .*column 't' is '31\.5\.2024'; give a number, a date"),
        ([1, None], "column 't' is None"),
        ([1, float("nan")], "column 't' is nan"),
        ([1, np.datetime64("NaT")], "column 't' is"),
        ([1, True], "column 't' is True"),
        ([1, "2024-05-31"], r"is a number in item 0 .* and a date in item 1"),
        ([date(2024, 1, 1), datetime(2024, 1, 1, tzinfo=UTC)], "is a date in item 0 .* and a date with zone in item 1"),
    ],
)
def test_what_is_no_time(times: list[object], match: str) -> None:
    with pytest.raises(DataError, match=match):
        TimeSplitter("t")([{"t": time} for time in times])


# Groups


@settings(max_examples=60, deadline=None)
@given(st.data())
def test_holding_out_keeps_groups_whole_and_labels_in_proportion(data: st.DataObject) -> None:
    n = data.draw(st.integers(4, 80))
    strata_N = np.asarray(data.draw(st.lists(st.integers(0, 3), min_size=n, max_size=n)))
    groups_N = np.asarray(data.draw(st.lists(st.integers(0, 25), min_size=n, max_size=n)))
    share = data.draw(st.floats(0.1, 0.5))
    rank_N = ranks([str(row) for row in range(n)], 0)
    held_N = hold_out(strata_N, groups_N, rank_N, share)
    for group in np.unique(groups_N):
        assert len(set(held_N[groups_N == group].tolist())) == 1
    order = data.draw(st.permutations(range(n)))
    again_N = hold_out(strata_N[order], groups_N[order], rank_N[order], share)
    assert (again_N == held_N[order]).all(), "the order has no say"


@given(st.lists(st.integers(2, 40), min_size=1, max_size=5), st.floats(0.1, 0.5))
def test_single_items_are_dealt_exactly(sizes: list[int], share: float) -> None:
    strata_N = np.repeat(np.arange(len(sizes)), sizes)
    held_N = hold_out(strata_N, np.arange(len(strata_N)), ranks([str(r) for r in strata_N], 0), share)
    for stratum, size in enumerate(sizes):
        assert held_N[strata_N == stratum].sum() == min(max(int(share * size + 0.5), 1), size - 1)


def test_every_label_of_two_groups_stands_on_both_sides() -> None:
    """Groups of one label each, few and large: the balance alone would leave sides without."""
    strata_N = np.repeat(np.arange(3), 10)
    groups_N = np.repeat(np.arange(6), 5)
    held_N = hold_out(strata_N, groups_N, ranks([str(row) for row in range(30)], 0), 0.1)
    for stratum in range(3):
        assert set(held_N[strata_N == stratum].tolist()) == {False, True}


def videos(frames: int = 5) -> list[Item]:
    return [
        Item(Path(f"{v}/{f}.jpg"), f"{v}/{f}.jpg", "ab"[v % 2], group=f"video {v}")
        for v in range(20)
        for f in range(frames)
    ]


def test_groups_stay_whole() -> None:
    items = videos()
    for splitter in (GroupSplitter(0.3, seed=2), GroupSplitter(0.3, seed=2, group="group")):
        train, valid = splitter(items)
        assert {items[row].group for row in train}.isdisjoint(items[row].group for row in valid)
        assert Counter(items[row].label for row in valid) == {"a": 15, "b": 15}
    by_function = GroupSplitter(group=lambda item: item.path.parent.name)(items)  # type: ignore[attr-defined]
    assert by_function.notes == ("100 items in 20 groups given kept together",)
    with pytest.raises(DataError, match="finds no two of 3 items in one group; say with group="):
        GroupSplitter()(["a", "b", "c"])
    with pytest.raises(StepError, match=r"GroupSplitter failed on item 0 .*no column 'video'"):
        GroupSplitter(group="video")(items)


def test_a_class_of_one_group_is_named_with_the_reason() -> None:
    items = [*videos(), *(Item(Path(f"o{n}"), f"o{n}", "owl", group="nest") for n in range(4))]
    with pytest.raises(DataError, match=r"none of the 4 items labelled 'owl' .* they are one group"):
        GroupSplitter()(items)
    with pytest.raises(DataError, match="2 items that are one group"):
        GroupSplitter()([Item(Path(f"o{n}"), f"o{n}", "owl", group="nest") for n in range(2)])


# The default


@pytest.fixture(scope="module")
def copied(pictures: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The pictures, and of six of them an altered copy each."""
    root = tmp_path_factory.mktemp("copied")
    for path in sorted(pictures.rglob("*.jpg")):
        (root / path.parent.name).mkdir(exist_ok=True)
        (root / path.parent.name / path.name).write_bytes(path.read_bytes())
    for n, path in enumerate(sorted(pictures.rglob("*0.jpg"))):
        image = Image.open(path)
        altered = [ImageOps.mirror(image), image.rotate(90, expand=True), image.resize((192, 160))][n % 3]
        altered.save(root / path.parent.name / f"copy-{path.stem}.png")
    return root


def test_copies_stay_together(copied: Path) -> None:
    files = sorted(copied.rglob("*.*"))
    items = [Item(path, f"{path.parent.name}/{path.name}", path.parent.name) for path in files if path.is_file()]
    for seed in range(5):
        split = LeakFreeSplitter(seed=seed)(items)
        assert split.groups_N is not None
        for row, item in enumerate(items):
            if item.path.name.startswith("copy"):
                original = next(
                    i
                    for i, o in enumerate(items)
                    if o.path.name == f"{item.path.stem[5:]}.jpg" and o.label == item.label
                )
                assert split.groups_N[row] == split.groups_N[original]
                assert (row in split.valid) == (original in split.valid)
        assert split.notes == ("12 items in 6 groups of near-duplicates kept together",)
        assert Counter(items[row].label for row in split.valid) == {"discs": 4, "squares": 4, "stripes": 4}


def test_the_order_of_the_listing_has_no_say(copied: Path) -> None:
    files = [path for path in sorted(copied.rglob("*.*")) if path.is_file()]
    backwards = files[::-1]
    valid = {files[row] for row in LeakFreeSplitter(seed=3)(files).valid}
    assert valid == {backwards[row] for row in LeakFreeSplitter(seed=3)(backwards).valid}


def test_groups_and_copies_join(copied: Path) -> None:
    """A copy in one video ties all of it to the video of the original."""
    files = sorted((copied / "discs").glob("*.jpg"))
    copy = next((copied / "discs").glob("copy-*.png"))
    original = copied / "discs" / f"{copy.stem[5:]}.jpg"
    others = [path for path in files if path != original]
    items = [
        Item(original, "o", group="a"),
        Item(others[0], "p", group="a"),
        Item(copy, "c", group="b"),
        Item(others[1], "q", group="b"),
        *(Item(path, path.name) for path in others[2:]),
    ]
    split = LeakFreeSplitter()(items)
    assert split.groups_N is not None
    assert len(set(split.groups_N[:4].tolist())) == 1
    assert len(set(split.groups_N.tolist())) == len(items) - 3


def test_unusable_files_are_left_out_from_the_start(pictures: Path, tmp_path: Path) -> None:
    files = sorted(pictures.rglob("*.jpg"))[:10]
    broken = tmp_path / "broken.jpg"
    broken.write_bytes(files[0].read_bytes()[:200])
    items = [*files, broken, tmp_path / "none.jpg"]
    split = LeakFreeSplitter()(items)
    assert sorted([*split.train, *split.valid]) == list(range(10))
    assert [(Path(skip.name).name, skip.reason) for skip in split.skipped] == [
        ("broken.jpg", "damaged"),
        ("none.jpg", "missing"),
    ]
    with pytest.raises(DataError, match="received 1 item; a split needs"):
        LeakFreeSplitter()([files[0], broken])


def test_a_split_that_the_source_marks_is_kept_less_what_leaks(copied: Path) -> None:
    files = sorted((copied / "discs").glob("*.jpg"))
    copy = next((copied / "discs").glob("copy-*.png"))
    original = copied / "discs" / f"{copy.stem[5:]}.jpg"
    others = [path for path in files if path != original]
    items = [
        Item(original, "original.jpg", split="train"),
        *(Item(path, path.name, split="train") for path in others[:4]),
        Item(copy, "copy.png", split="valid"),
        *(Item(path, path.name, split="valid") for path in others[4:6]),
        *(Item(path, path.name, split="test") for path in others[6:9]),
    ]
    split = LeakFreeSplitter()(items)
    assert (split.train.tolist(), split.valid.tolist()) == ([0, 1, 2, 3, 4], [6, 7])
    assert split.notes[-2] == "3 items marked test left out"
    assert "1 of 3 items marked valid left out" in split.notes[-1]
    assert split.notes[-1].endswith("first pair original.jpg, copy.png")
    with pytest.raises(DataError, match="all 1 items marked valid are copies"):
        LeakFreeSplitter()(items[:6])
    no_valid = LeakFreeSplitter()([*items[:5], *items[-3:]])
    assert max(*no_valid.train, *no_valid.valid) < 5, "a test set neither trains nor validates"


def test_pictures_in_memory_have_copies_too() -> None:
    rng = np.random.default_rng(0)
    arrays = [np.kron(rng.integers(0, 255, (6, 6), dtype=np.uint8), np.ones((9, 9), np.uint8)) for _ in range(6)]
    split = LeakFreeSplitter()([*arrays, arrays[0][:, ::-1]])
    assert split.groups_N is not None
    assert split.groups_N[0] == split.groups_N[6]
    assert len(set(split.groups_N.tolist())) == 6
    with pytest.raises(StepError, match=r"item 1 \(number 1\): received float64 ndarray"):
        LeakFreeSplitter()([arrays[0], arrays[1] / 255])


def test_copies_are_what_the_embedding_path_calls_copies() -> None:
    assert copies.MAX_HASH_DISTANCE == duplicates.MAX_HASH_DISTANCE
    assert copies.LEAST_LIKENESS == duplicates.LEAST_LIKENESS


@pytest.mark.thorough
def test_real_copies_at_reduced_scale(data_root: Path, tmp_path: Path) -> None:
    """Photos of megapixels, halved and re-encoded: decoded at a reduced scale, they are still copies."""
    files = [path for path in sorted((data_root / "bears_fullsize").rglob("*.*")) if path.is_file()][:4]
    for path in files:
        with Image.open(path) as image:
            image.convert("RGB").resize((image.width // 2, image.height // 2)).save(
                tmp_path / path.name, "JPEG", quality=90
            )
    split = LeakFreeSplitter()([*files, *sorted(tmp_path.iterdir())])
    assert split.groups_N is not None
    assert len(set(split.groups_N.tolist())) == 4


def test_a_splitter_is_abstract_or_final() -> None:
    for kind in Splitter.__subclasses__():
        assert not kind.__subclasses__()
    assert isinstance(RandomSplitter()(["a", "b"]), Split)
