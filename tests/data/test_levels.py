"""Values of more than 8 bits: the levels they become, by known ranges and guessed ones, and how little a guess moves."""

from __future__ import annotations

import io
from typing import Any

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from numpy.typing import NDArray
from PIL import Image, TiffImagePlugin

from drivetrain.core.errors import ImageError
from drivetrain.data.image.decode import decode
from drivetrain.data.image.guess import guess_from
from drivetrain.data.image.levels import Scaling, levels_of
from drivetrain.data.image.render import Ranges, Render
from drivetrain.data.image.valid_values import LOOKED_AT, counting, ends

UNKNOWN = Ranges()
GDAL_NO_DATA = 42113
TYPES = ("uint16", ">u2", "int16", "uint32", "int32", "float16", "float32", "float64")


def scene(seed: int = 0, height: int = 120, width: int = 160) -> NDArray[np.float64]:
    """A soft picture with noise, in 0–1, some of it black and some of it white."""
    rng = np.random.default_rng(seed)
    coarse = Image.fromarray(rng.integers(0, 256, (5, 6), dtype=np.uint8)).resize(
        (width, height), Image.Resampling.BICUBIC
    )
    return np.clip(np.asarray(coarse) / 255 + rng.normal(0, 0.02, (height, width)), 0, 1)


def guess(values: NDArray[Any]) -> tuple[float, float]:
    return guess_from(*ends(counting(values, None)), floats=values.dtype.kind == "f")


def levels(values: NDArray[Any], ranges: Ranges = UNKNOWN, no_data: float | None = None) -> NDArray[np.int64]:
    return levels_of(values, ranges, no_data)[0].astype(np.int64)


# Known ranges


@pytest.mark.parametrize("kind", TYPES)
def test_a_known_range_is_the_same_straight_line_for_every_type(kind: str) -> None:
    values = np.asarray([[0, 99, 100, 150, 200, 300, 301, 1000]], kind)
    known = Ranges(integers=(100, 300), floats=(100, 300))
    found, how = levels_of(values, known)
    assert found.tolist() == [[0, 0, 0, 64, 128, 255, 255, 255]]
    assert (found.dtype, how) == (np.uint8, "exceeded")  # four of eight lie beyond


def test_each_family_of_types_has_a_range_of_its_own() -> None:
    known = Ranges(integers=(0, 4095), floats=(0, 1))
    assert levels(np.asarray([[4095, 0]], np.uint16), known).tolist() == [[255, 0]]
    assert levels(np.asarray([[1, 0.5]], np.float32), known).tolist() == [[255, 128]]
    only = Ranges(integers=(0, 4095))
    assert [levels_of(np.full((4, 4), 2, kind), only)[1] for kind in ("int16", "float32")] == ["known", "guessed"]


@pytest.mark.parametrize(("share", "how"), [(0.49, "known"), (0.5, "exceeded"), (1, "exceeded")])
def test_a_picture_mostly_beyond_the_range_is_told(share: float, how: str) -> None:
    values = np.full(100, 2000, np.uint16)
    values[: round(100 * share)] = 60000
    assert levels_of(values.reshape(10, 10), Ranges(integers=(0, 4095)))[1] == how


def test_channels_share_one_range_and_bands_leave_no_seam() -> None:
    rng = np.random.default_rng(0)
    values = rng.integers(0, 4096, (900, 700, 3)).astype(np.uint16)
    expected = np.rint(values.astype(np.float64) * 255 / 4095)
    for kind in (np.uint16, np.int16, np.int32, np.float64):
        assert np.array_equal(Scaling(0, 4095).levels(values.astype(kind)), expected)
        assert np.array_equal(
            Scaling(0, 4095).levels(values.astype(kind).transpose(1, 0, 2)), expected.transpose(1, 0, 2)
        )
    assert levels_of(values, UNKNOWN)[0].shape == values.shape


# Values that mean nothing


@pytest.mark.parametrize("fill", [-9999, -32768, -99999, 3.4028235e38, -3.4028235e38, 1e20, 9.96921e36, 9999])
@pytest.mark.parametrize("known", [True, False])
def test_fill_values_are_black_and_the_rest_is_as_without_them(fill: float, known: bool) -> None:
    values = scene().astype(np.float32)
    patched = values.copy()
    patched[:30] = fill
    ranges = Ranges(floats=(0, 1)) if known else UNKNOWN
    found = levels(patched, ranges)
    assert (found[:30] == 0).all()
    assert np.array_equal(found[30:], levels(values, ranges)[30:])


@pytest.mark.parametrize("kind", ["int16", "int32", "float16", "float32", "float64"])
@pytest.mark.parametrize("full", [1, 200, 4000, 30000])
def test_a_fill_value_is_known_in_every_type(kind: str, full: float) -> None:
    if kind.startswith("int") and full == 1:
        pytest.skip("there are no integers in between")
    values = (scene() * full).astype(kind)
    patched = values.copy()
    patched[:30] = -9999
    found = levels(patched)
    assert (found[:30] == 0).all()
    assert np.abs(found - levels(values))[30:].max() <= 2  # what stood in the patch has no part in the guess


def test_the_lowest_number_of_half_precision_is_a_fill_value() -> None:
    values = scene().astype(np.float16)
    patched = values.copy()
    patched[:30] = np.finfo(np.float16).min
    found = levels(patched)
    assert (found[:30] == 0).all()
    assert np.abs(found - levels(values))[30:].max() <= 2


@pytest.mark.parametrize("kind", ["uint16", "int32", "float32"])
def test_where_the_lowest_number_is_white_nothing_is_black_all_the_same(kind: str) -> None:
    values = np.rint(scene() * 4000 + 50).astype(kind)
    values[:10] = 9
    for ranges in (UNKNOWN, Ranges(integers=(0, 4095), floats=(0, 4095))):
        plain = levels_of(values, ranges, 9)[0].astype(int)
        found = levels_of(values, ranges, 9, inverted=True)[0].astype(int)
        assert (plain[:10] == 0).all()
        assert (found[:10] == 0).all()
        assert np.abs(found[10:] + plain[10:] - 255).max() <= 1


@pytest.mark.parametrize("value", [np.nan, np.inf, -np.inf])
def test_what_is_no_number_is_black_and_the_rest_is_as_without_it(value: float) -> None:
    values = scene().astype(np.float32)
    patched = values.copy()
    patched[:30] = value
    for ranges in (UNKNOWN, Ranges(floats=(0, 1))):
        found, how = levels_of(patched, ranges)
        assert (found[:30] == 0).all()
        assert np.array_equal(found[30:], levels(values, ranges)[30:])
        assert how == ("guessed" if ranges is UNKNOWN else "known")


def test_a_number_like_a_fill_value_counts_where_others_are_near() -> None:
    depths = np.linspace(-11000, 0, 12000, dtype=np.float32).reshape(100, 120)
    assert -9999 in np.rint(depths)
    assert guess(depths)[0] < -10900
    # A mask of the smallest and the largest number of 16 bits is a picture.
    mask = np.zeros((40, 50), np.uint16)
    mask[10:30] = 65535
    assert np.array_equal(levels(mask), mask // 257)


@pytest.mark.parametrize(("no_data", "value"), [("0", 0), ("65535", 65535), ("-9999", -9999), ("nan", np.nan)])
def test_the_value_that_a_file_names_means_nothing(no_data: str, value: float) -> None:
    signed = value < 0 or value != value
    stored = (7000 + scene() * 2000).astype(np.float32 if signed else np.uint16)
    stored[:20] = value
    tags = TiffImagePlugin.ImageFileDirectory_v2()
    tags[GDAL_NO_DATA] = no_data
    tags.tagtype[GDAL_NO_DATA] = 2
    buffer = io.BytesIO()
    Image.fromarray(stored).save(buffer, "TIFF", tiffinfo=tags)
    found = np.asarray(decode(buffer.getvalue()).image)[:, :, 0]
    assert (found[:20] == 0).all()
    assert found[20:].std() > 40  # the picture's own contrast, not that between it and nothing


@pytest.mark.parametrize("kind", ["float32", "float64", "uint16", "int16"])
def test_a_picture_without_a_value_that_counts_is_none(kind: str) -> None:
    values = np.full((20, 30), np.nan if kind.startswith("f") else 7, kind)
    for ranges in (UNKNOWN, Ranges(integers=(0, 9), floats=(0, 1))):
        with pytest.raises(ImageError, match="none of its values is a number that counts"):
            levels(values, ranges, no_data=7)


def test_one_value_that_counts_is_enough() -> None:
    values = np.full((2000, 2000), np.nan, np.float32)
    values[1001, 777] = 0.5
    found = levels(values)
    assert (found[1001, 777], found.sum()) == (128, 128)


# Guesses


@pytest.mark.parametrize(
    ("low", "high", "floats", "expected"),
    [
        (0, 1000, False, (0, 1023)),
        (3, 3900, False, (0, 4095)),
        (0, 16000, False, (0, 16383)),
        (100, 60000, False, (0, 65535)),
        (0, 200, False, (0, 255)),
        (7000, 9000, False, (7000, 9000)),
        (-5, 5, False, (-5, 5)),
        (0, 0, False, (0, 255)),
        (0.02, 0.97, True, (0, 1)),
        (0.6, 0.9, True, (0, 1)),
        (0, 240, True, (0, 255)),
        (280, 310, True, (280, 310)),
        (-50, -20, True, (-50, -20)),
        (0, 0.004, True, (0, 0.004)),
    ],
)
def test_the_scale_that_a_picture_is_probably_on(
    low: float, high: float, floats: bool, expected: tuple[float, float]
) -> None:
    assert guess_from(low, high, floats=floats) == expected


@settings(max_examples=400, deadline=None)
@given(high=st.floats(1, 1e6), ratio=st.floats(-1, 1), up=st.floats(-1, 1), down=st.floats(-1, 1), floats=st.booleans())
def test_a_guess_is_a_continuous_function_of_the_ends(
    high: float, ratio: float, up: float, down: float, floats: bool
) -> None:
    high = high if floats else high + 20
    low, moved = ratio * high, 1e-5 * high
    near = sorted((low + down * moved, high + up * moved))
    values = np.linspace(low, high, 9)
    shown = [
        np.clip((values - black) / (white - black), 0, 1)
        for black, white in (guess_from(*ends, floats=floats) for ends in ((low, high), tuple(near)))
    ]
    # A hundred-thousandth of the largest value moves no level by more than a thousandth of the way from black to white.
    assert np.abs(shown[0] - shown[1]).max() <= 1e-3


SCALES = {
    "10 bits": lambda grey: np.rint(grey * 1023).astype(np.uint16),
    "12 bits": lambda grey: np.rint(grey * 4095).astype(np.uint16),
    "16 bits": lambda grey: np.rint(grey * 65535).astype(np.uint16),
    "thermal": lambda grey: np.rint(7000 + grey * 2000).astype(np.uint16),
    "signed, all of it": lambda grey: np.rint(grey * 32767).astype(np.int16),
    "32 bits": lambda grey: np.rint(grey * (2**32 - 1)).astype(np.uint32),
    "signed": lambda grey: np.rint(grey * 4000 - 1024).astype(np.int16),
    "0 to 1": lambda grey: grey.astype(np.float32),
    "0 to 255": lambda grey: (grey * 255).astype(np.float32),
    "kelvins": lambda grey: (280 + grey * 30).astype(np.float64),
}
"""What cameras and programs write, made of a picture in 0–1."""


@pytest.mark.parametrize("name", SCALES)
def test_what_is_guessed_shows_the_picture(name: str) -> None:
    grey = scene()
    found = levels(SCALES[name](grey))
    assert np.corrcoef(found.ravel(), grey.ravel())[0, 1] > 0.99
    assert found.std() > 0.7 * 255 * grey.std()  # never nearly black, nor nearly grey


@pytest.mark.parametrize("name", SCALES)
@pytest.mark.parametrize("seed", range(3))
def test_single_pixels_move_the_others_by_no_more_than_a_level(name: str, seed: int) -> None:
    rng = np.random.default_rng(seed)
    values = SCALES[name](scene(seed))
    before = levels(values)
    span = float(values.max()) - float(values.min())
    for factor in (1.001, 3, 1000):
        changed = values.copy().astype(np.float64)
        rows, columns = rng.integers(0, values.shape[0], 4), rng.integers(0, values.shape[1], 4)
        changed[rows, columns] = values.max() + factor * span
        if values.dtype.kind != "f":
            changed = np.clip(changed, np.iinfo(values.dtype).min, np.iinfo(values.dtype).max)
        after = levels(changed.astype(values.dtype))
        others = np.ones(values.shape, bool)
        others[rows, columns] = False
        assert np.abs(after - before)[others].max() <= 1


@pytest.mark.parametrize("kind", ["uint16", "float32"])
def test_a_bright_spot_that_grows_is_let_in_pixel_by_pixel(kind: str) -> None:
    """A quantile would jump where the spot exceeds its share: from one of these pictures to the next, by 240 levels."""
    rng = np.random.default_rng(0)
    full = 4095 if kind == "uint16" else 1
    base = (rng.uniform(0, 0.25, (300, 400)) * full).astype(kind)
    places = rng.permutation(base.size)
    before = levels(base).ravel()
    first = before
    for count in range(1, 700, 3):
        values = base.ravel().copy()
        values[places[:count]] = full
        found = levels(values.reshape(base.shape)).ravel()
        assert np.abs(found - before)[places[count:]].max() <= 15
        before = found
    assert kind == "float32" or np.abs(before - first)[places[700:]].max() > 100


def test_of_a_large_picture_an_even_sample_is_looked_at() -> None:
    values = np.zeros((2000, 1500), np.uint16)
    values[:, :750] = 4000
    assert values.size > LOOKED_AT
    assert guess(values) == (0, 4095)
    assert ends(np.arange(100_000)) == (250, 99_749)


def test_the_rule_of_a_picture_says_which_range_it_had() -> None:
    buffer = io.BytesIO()
    Image.fromarray(np.full((4, 5), 2048, np.uint16)).save(buffer, "PNG")
    assert decode(buffer.getvalue()).rendered.range == "guessed"
    known = decode(buffer.getvalue(), render=Render(ranges=Ranges(integers=(0, 4096))))
    assert (known.rendered.range, known.image.getpixel((0, 0))) == ("known", (128, 128, 128))


@pytest.mark.filterwarnings("error")
@pytest.mark.parametrize(
    ("kind", "bits"), [("float16", 0x7D01), ("float32", 0x7FA00001), ("float64", 0x7FF4000000000001)]
)
def test_a_nan_that_makes_the_processor_complain_is_one_like_any_other(kind: str, bits: int) -> None:
    values = np.full((20, 30), 0.5, kind)
    values[0, 0] = 1
    values.view(f"u{values.itemsize}")[3, 4] = bits
    found = levels(values, Ranges(floats=(0, 1)))
    assert (found[3, 4], found[0, 0], found[5, 5]) == (0, 255, 128)
    with pytest.raises(ImageError, match="NaN or infinity"):
        levels_of(values, "picture")
