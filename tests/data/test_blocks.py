"""Blocks: there and back, what each refuses, and pictures of every kind as arrays of one."""

from __future__ import annotations

import io
from pathlib import Path

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from PIL import Image

from drivetrain.core.errors import DataError, ImageError, UsageError
from drivetrain.data.block.blocks import CategoryBlock, ImageBlock, MultiCategoryBlock, RegressionBlock

LABELS = st.text(
    st.characters(codec="utf-8", exclude_categories=("Cs", "Cc", "Zs", "Zl", "Zp")), min_size=1, max_size=8
)


@given(st.lists(LABELS, min_size=2, max_size=20))
def test_categories_go_there_and_back(raw: list[str]) -> None:
    targets = [CategoryBlock().parse(label) for label in raw]
    if len(set(targets)) < 2:
        with pytest.raises(DataError, match="a classifier needs two"):
            CategoryBlock().setup(targets)
        return
    block = CategoryBlock().setup(targets)
    assert list(block.labels) == sorted(set(targets))
    y = block.stack([block.encode(target) for target in targets])
    assert y.dtype == np.int64
    assert y.shape == (len(targets),)
    assert [block.decode(number) for number in y] == targets


@given(st.lists(st.lists(LABELS, max_size=4), min_size=1, max_size=10).filter(lambda rows: any(rows)))
def test_many_labels_go_there_and_back(raw: list[list[str]]) -> None:
    targets = [MultiCategoryBlock().parse(labels) for labels in raw]
    block = MultiCategoryBlock().setup(targets)
    y = block.stack([block.encode(target) for target in targets])
    assert y.dtype == np.float32
    assert y.shape == (len(raw), len(block.labels))
    assert [block.decode(row) for row in y] == targets
    assert block.stack([]).shape == (0, len(block.labels))


@given(st.lists(st.tuples(*[st.floats(-1e6, 1e6, width=32)] * 3), min_size=1, max_size=10))
def test_numbers_go_there_and_back(raw: list[tuple[float, ...]]) -> None:
    block = RegressionBlock(3)
    targets = [block.parse(row) for row in raw]
    y = block.setup(targets).stack([block.encode(target) for target in targets])
    assert y.dtype == np.float32
    assert y.shape == (len(raw), 3)
    assert [block.decode(row) for row in y] == targets


def test_a_block_never_changes() -> None:
    block = CategoryBlock()
    assert block.setup(["a", "b"]) is not block
    assert block.vocab is None
    with pytest.raises(UsageError, match=r"has no vocab yet; it gets one from DataBlock\.datasets"):
        block.encode("a")
    with pytest.raises(AttributeError):
        block.vocab = ("a",)  # type: ignore[misc]


def test_a_vocabulary_given_keeps_its_order_and_admits_no_other() -> None:
    block = CategoryBlock(vocab=["new", "old"]).setup(["old", "old"])  # type: ignore[arg-type]
    assert block.labels == ("new", "old")
    assert block.encode("old") == 1
    with pytest.raises(DataError, match=r"the label 'lost' is not among the 2 known \(new, old\)"):
        block.encode("lost")


@pytest.mark.parametrize(
    ("vocab", "match"),
    [
        ("cat", "the vocab is 'cat'; give a list"),
        (["cat", "dog", "cat"], "'cat' twice"),
        (["cat", ""], "an empty label"),
        ([], "no label"),
    ],
)
def test_a_vocabulary_that_is_none(vocab: object, match: str) -> None:
    with pytest.raises(UsageError, match=match):
        CategoryBlock(vocab)  # type: ignore[arg-type]


@pytest.mark.parametrize("raw", [None, "", "  ", float("nan")])
def test_an_item_without_a_label(raw: object) -> None:
    with pytest.raises(DataError, match="there is no label"):
        CategoryBlock().parse(raw)


def test_labels_are_texts_as_elsewhere() -> None:
    assert CategoryBlock().parse(7) == CategoryBlock().parse(7.0) == CategoryBlock().parse(np.int64(7)) == "7"
    assert CategoryBlock().parse("e\u0301") == "\u00e9", "one spelling of é"


def test_one_text_is_no_list_of_labels() -> None:
    with pytest.raises(DataError, match=r"received 'sea;sky'; give a list of labels.*label_delim"):
        MultiCategoryBlock().parse("sea;sky")
    with pytest.raises(DataError, match="none of the 2 training items has a label"):
        MultiCategoryBlock().setup([(), ()])


@pytest.mark.parametrize(
    ("raw", "match"),
    [
        ("seven", "'seven'; give a finite number"),
        (None, "None; give a finite number"),
        (float("nan"), "a finite number"),
        ("inf", "a finite number"),
        ((1, 2), r"received \(1, 2\), 2 numbers; RegressionBlock expects 1"),
        ([], "0 numbers"),
    ],
)
def test_what_is_no_number(raw: object, match: str) -> None:
    with pytest.raises(DataError, match=match):
        RegressionBlock().parse(raw)


@pytest.mark.parametrize("n_out", [0, -1, 1.5, True, "2"])
def test_how_many_numbers(n_out: object) -> None:
    with pytest.raises(UsageError, match="n_out"):
        RegressionBlock(n_out)  # type: ignore[arg-type]


def test_strata_of_many_labels_and_of_numbers() -> None:
    assert MultiCategoryBlock().strata([("a", "b"), ("a",), ()]) == ["b", "a", ""]
    numbers = RegressionBlock().strata([(float(n),) for n in range(10)])
    assert numbers == ["0", "0", "1", "1", "2", "2", "3", "3", "4", "4"]
    assert set(RegressionBlock().strata([(1.0,)] * 7)) == {"2"}, "equal numbers stand together"


# Pictures


def test_pictures_of_every_kind_become_one_kind(tmp_path: Path) -> None:
    ground = np.full((10, 12, 3), (200, 100, 50), np.uint8)
    rgb = Image.fromarray(ground)
    for mode in ("RGB", "L", "P", "RGBA", "CMYK", "1", "I;16", "LA"):
        image = Image.new("I;16", (12, 10), 30000) if mode == "I;16" else rgb.convert(mode)
        image.save(tmp_path / f"{mode.replace(';', '')}.{'tif' if mode in ('CMYK', 'I;16') else 'png'}")
    for mode, channels in (("RGB", 3), ("L", 1)):
        block = ImageBlock(mode)
        arrays = [block.array(block.open(path)) for path in sorted(tmp_path.iterdir())]
        assert len(arrays) == 8
        x = block.stack(arrays, ["any"] * 8)
        assert x.shape == (8, channels, 10, 12)
        assert x.dtype == np.uint8
        assert x.transpose(0, 2, 3, 1).flags.c_contiguous, "channels last in memory"


def test_pictures_from_memory(tmp_path: Path) -> None:
    pixels = np.arange(4 * 6 * 3, dtype=np.uint8).reshape(4, 6, 3)
    buffer = io.BytesIO()
    Image.fromarray(pixels).save(buffer, "PNG")
    (tmp_path / "a.png").write_bytes(buffer.getvalue())
    block = ImageBlock()
    for x in (pixels, Image.fromarray(pixels), buffer.getvalue(), tmp_path / "a.png", str(tmp_path / "a.png")):
        assert (block.array(block.open(x)) == pixels).all()
    assert block.open(pixels[..., :1]).getpixel((0, 0)) == (0, 0, 0)
    given_image = Image.fromarray(pixels)
    block.open(given_image).putpixel((0, 0), (9, 9, 9))
    assert given_image.getpixel((0, 0)) == (0, 1, 2), "the caller's own image is left alone"


@pytest.mark.parametrize(
    ("x", "match"),
    [
        (np.zeros((4, 4), np.float32), r"received float32 ndarray 4×4; give uint8"),
        (np.zeros((4, 4, 2), np.uint8), "4×4×2"),
        (np.zeros((1, 3, 4, 4), np.uint8), "1×3×4×4"),
        (np.zeros((0, 4), np.uint8), "0×4"),
        ({"file": "a.jpg"}, "received dict with 'file'; give a path"),
        (7, "received 7 of type int"),
    ],
)
def test_what_is_no_picture(x: object, match: str) -> None:
    with pytest.raises(DataError, match=match) as caught:
        ImageBlock().open(x)
    assert not isinstance(caught.value, ImageError), "a mistake in the program is not a broken file to be skipped"


def test_files_that_cannot_be_read(tmp_path: Path) -> None:
    (tmp_path / "empty.jpg").touch()
    for name, reason in (("none.jpg", "missing"), ("empty.jpg", "empty"), (".", "unreadable"), ("\0", "unreadable")):
        with pytest.raises(ImageError) as caught:
            ImageBlock().open(tmp_path / name)
        assert caught.value.reason == reason


def test_pictures_of_two_sizes_are_named() -> None:
    arrays = [np.zeros((4, 6, 3), np.uint8), np.zeros((5, 6, 3), np.uint8)]
    with pytest.raises(DataError, match=r"a\.jpg is 6×4 pixels and b\.jpg 6×5; give item_tfms=Resize\(224\)"):
        ImageBlock().stack(arrays, ["a.jpg", "b.jpg"])


def test_a_mode_that_is_none() -> None:
    with pytest.raises(UsageError, match="mode is 'BGR'; it must be 'RGB' or 'L'"):
        ImageBlock("BGR")  # type: ignore[arg-type]
