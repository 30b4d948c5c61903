"""Preprocessing: the geometry of every method on every shape, antialiasing, exact arithmetic, and its form as data."""

from __future__ import annotations

import hashlib
import subprocess
import sys
from concurrent.futures import ThreadPoolExecutor
from fractions import Fraction

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from numpy.typing import NDArray
from PIL import Image
from pydantic import ValidationError

from drivetrain.data.image.preprocess import (
    FILTERS,
    Preprocess,
    Resize,
    Triple,
    apply,
    resize_image,
    to_tensor,
)

METHODS = ("crop", "pad", "squish")
IMAGENET: tuple[Triple, Triple] = ((0.485, 0.456, 0.406), (0.229, 0.224, 0.225))
EFFICIENTNET: tuple[Triple, Triple] = ((0.5, 0.5, 0.5), (0.5, 0.5, 0.5))


def noise(width: int, height: int, seed: int = 0) -> Image.Image:
    return Image.fromarray(np.random.default_rng(seed).integers(0, 256, (height, width, 3), dtype=np.uint8))


def resized(image: Image.Image, **spec: object) -> NDArray[np.int64]:
    return np.asarray(resize_image(image, Resize.model_validate(spec))).astype(np.int64)


# Geometry


@pytest.mark.parametrize("method", METHODS)
@pytest.mark.parametrize("filter_name", FILTERS)
@pytest.mark.parametrize(
    "size", [(1, 1), (1, 5000), (5000, 1), (2, 3), (65_500, 1), (1, 65_500), (3000, 17), (223, 225)]
)
def test_any_shape_gives_the_target_size(size: tuple[int, int], filter_name: str, method: str) -> None:
    image = Image.new("RGB", size, (10, 20, 30))
    for target in ((224, 224), (7, 31), (1, 1)):
        found = resize_image(image, Resize.model_validate({"method": method, "size": target, "filter": filter_name}))
        assert (found.mode, found.size) == ("RGB", target[::-1])
        colours = {colour for _, colour in found.getcolors() or []}
        assert (10, 20, 30) in colours  # a flat picture stays flat
        assert colours <= {(10, 20, 30), (128, 128, 128)}  # and only padding is grey


@settings(max_examples=150, deadline=None, derandomize=True, database=None)
@given(
    width=st.integers(1, 3000),
    height=st.integers(1, 3000),
    target=st.tuples(st.integers(1, 40), st.integers(1, 40)),
    method=st.sampled_from(METHODS),
)
def test_any_shape_and_any_target(width: int, height: int, target: tuple[int, int], method: str) -> None:
    found = resized(Image.new("RGB", (width, height), (1, 2, 3)), method=method, size=target)
    assert found.shape == (*target, 3)
    if method != "pad":
        assert (found == (1, 2, 3)).all()


def test_crop_takes_the_largest_centred_box_of_the_shape() -> None:
    """Left to right 30 columns: ten red, ten green, ten blue. A square crop of 10 rows sees only the green."""
    thirds = np.zeros((10, 30, 3), np.uint8)
    thirds[:, :10, 0] = thirds[:, 10:20, 1] = thirds[:, 20:, 2] = 255
    # With the box filter; wider kernels also look a little across the box's edge, at what is really there.
    assert (resized(Image.fromarray(thirds), method="crop", size=(5, 5), filter="box") == (0, 255, 0)).all()
    upright = Image.fromarray(thirds.swapaxes(0, 1))
    assert (resized(upright, method="crop", size=(5, 5), filter="box") == (0, 255, 0)).all()
    # A target twice as wide as high sees 20 columns: half of red and blue each.
    wide = resized(Image.fromarray(thirds), method="crop", size=(10, 20))
    assert (wide == thirds[:, 5:25]).all()


def test_crop_of_an_odd_margin_lies_half_a_pixel_off() -> None:
    """5 columns to 4: the box reaches from 0.5 to 4.5, as a bilinear kernel sees it."""
    image = Image.fromarray(np.asarray([[[0] * 3, [100] * 3, [200] * 3, [100] * 3, [0] * 3]] * 4, np.uint8))
    assert resized(image, method="crop", size=(4, 4))[0, :, 0].tolist() == [50, 150, 150, 50]


def test_pad_shows_everything_in_the_middle_of_grey() -> None:
    found = resized(Image.new("RGB", (40, 20), (255, 0, 0)), method="pad", size=(16, 16))
    assert (found[4:12] == (255, 0, 0)).all()
    assert (found[:4] == 128).all()
    assert (found[12:] == 128).all()
    tall = resized(Image.new("RGB", (20, 40), (255, 0, 0)), method="pad", size=(16, 16))
    assert (tall == found.swapaxes(0, 1)).all()
    thread = resized(Image.new("RGB", (5000, 1), (255, 0, 0)), method="pad", size=(15, 16))
    assert np.argwhere(thread[:, 0, 0] == 255).ravel().tolist() == [7]


def test_squish_ignores_the_shape() -> None:
    halves = np.zeros((10, 100, 3), np.uint8)
    halves[:, 50:] = 200
    found = resized(Image.fromarray(halves), method="squish", size=(8, 8), filter="box")
    assert (found[:, :4] == 0).all()
    assert (found[:, 4:] == 200).all()


def test_nothing_to_do_changes_nothing() -> None:
    image = noise(32, 24)
    for method in METHODS:
        for filter_name in FILTERS:
            assert (resized(image, method=method, size=(24, 32), filter=filter_name) == np.asarray(image)).all()


# Antialiasing


@pytest.mark.parametrize("filter_name", FILTERS)
def test_the_resize_is_pillows(filter_name: str) -> None:
    image = noise(301, 203)
    found = resize_image(image, Resize.model_validate({"method": "squish", "size": (40, 50), "filter": filter_name}))
    assert found.tobytes() == image.resize((50, 40), FILTERS[filter_name]).tobytes()
    # The largest box of shape 5:4 in 301×203 is 253.75 wide.
    box = (23.625, 0, 277.375, 203)
    cropped = resize_image(image, Resize.model_validate({"method": "crop", "size": (40, 50), "filter": filter_name}))
    assert cropped.tobytes() == image.resize((50, 40), FILTERS[filter_name], box=box).tobytes()


def test_a_box_filter_over_a_whole_factor_is_the_average() -> None:
    image = noise(120, 90)
    found = resized(image, method="squish", size=(15, 20), filter="box")
    average = np.asarray(image).astype(float).reshape(15, 6, 20, 6, 3).mean(axis=(1, 3))
    assert np.abs(found - average).max() <= 1  # rounded after the columns and again after the rows


def triangle_weights(source: int, target: int) -> NDArray[np.float64]:
    """(target, source) weights of an antialiased bilinear resize, from its definition."""
    scale = source / target
    centres = (np.arange(target)[:, None] + 0.5) * scale
    weights = np.clip(1 - np.abs((np.arange(source)[None, :] + 0.5 - centres) / scale), 0, None)
    total = weights.sum(axis=1, keepdims=True)
    return np.asarray(weights / total)


def test_bilinear_is_the_antialiased_triangle() -> None:
    image = noise(160, 120)
    found = resized(image, method="squish", size=(30, 40), filter="bilinear")
    rows, columns = triangle_weights(120, 30), triangle_weights(160, 40)
    exact = np.einsum("hy,wx,yxk->hwk", rows, columns, np.asarray(image).astype(float))
    assert np.abs(found - exact).max() <= 1
    # Without antialiasing noise keeps its contrast; that error is what the tolerance above must tell apart.
    naive = np.asarray(image)[2::4, 2::4].astype(float)
    assert np.abs(naive - exact).mean() > 40


# Exactness


@pytest.mark.parametrize(("mean", "std"), [IMAGENET, EFFICIENTNET, ((0.0, 0.1, 1.0), (1.0, 0.003, 7.5))])
def test_normalisation_is_the_formula_in_float64_rounded_once(mean: Triple, std: Triple) -> None:
    levels = np.repeat(np.arange(256, dtype=np.uint8), 3).reshape(16, 16, 3)
    tensor = to_tensor(Image.fromarray(levels), Preprocess(mean=mean, std=std))
    assert tensor.dtype == np.float32
    assert tensor.shape == (3, 16, 16)
    assert tensor.flags["C_CONTIGUOUS"]
    for k in range(3):
        expected = ((np.arange(256) / 255.0 - mean[k]) / std[k]).astype(np.float32)
        assert tensor[k].ravel().tolist() == expected.tolist()
        # And within a hair of the true value, told in whole numbers.
        for level in (0, 1, 127, 255):
            true = (Fraction(level, 255) - Fraction(mean[k])) / Fraction(std[k])
            assert abs(Fraction(float(tensor[k].ravel()[level])) - true) <= abs(true) * Fraction(1, 2**22) + Fraction(
                1, 2**40
            )


def test_channels_stay_in_their_places() -> None:
    pixel = Image.new("RGB", (2, 1), (255, 0, 51))
    tensor = to_tensor(pixel, Preprocess(mean=(0, 0, 0), std=(1, 1, 1)))
    assert tensor[:, 0, 1].tolist() == [1.0, 0.0, np.float32(0.2)]


SPECS = [
    Preprocess.model_validate(
        {"resize": {"method": method, "size": (57, 64), "filter": kernel}, "mean": IMAGENET[0], "std": IMAGENET[1]}
    )
    for method in METHODS
    for kernel in FILTERS
]


def digest() -> str:
    image = noise(333, 250, seed=7)
    return hashlib.sha256(b"".join(apply(image, spec).tobytes() for spec in SPECS)).hexdigest()


@pytest.mark.processes
def test_another_process_gives_the_same_bits() -> None:
    code = "import sys; sys.path.insert(0, sys.argv[1]); import test_preprocess; print(test_preprocess.digest())"
    folder = __file__.rsplit("test_preprocess", 1)[0]
    done = subprocess.run([sys.executable, "-c", code, folder], capture_output=True, text=True, check=True, timeout=120)
    assert done.stdout.strip() == digest()


def test_many_threads_at_once_give_the_same_bits() -> None:
    with ThreadPoolExecutor(8) as pool:
        found = set(pool.map(lambda _: digest(), range(24)))
    assert found == {digest()}


def test_the_image_is_left_as_it_was() -> None:
    image = noise(50, 40)
    before = image.tobytes()
    for spec in SPECS:
        apply(image, spec)
    assert (image.size, image.tobytes()) == ((50, 40), before)


# As data


@settings(max_examples=100, deadline=None, derandomize=True, database=None)
@given(
    method=st.sampled_from(METHODS),
    kernel=st.sampled_from(sorted(FILTERS)),
    size=st.tuples(st.integers(1, 600), st.integers(1, 600)),
    mean=st.tuples(*[st.floats(-1, 1)] * 3),
    std=st.tuples(*[st.floats(1e-3, 10)] * 3),
    floor=st.none() | st.integers(1200, 5000),
)
def test_json_round_trip(
    method: str, kernel: str, size: tuple[int, int], mean: Triple, std: Triple, floor: int | None
) -> None:
    resize = {"method": method, "filter": kernel, "size": size}
    spec = Preprocess.model_validate({"resize": resize, "mean": mean, "std": std, "decode_floor": floor})
    again = Preprocess.model_validate_json(spec.model_dump_json())
    assert again == spec
    assert again.model_dump(mode="json") == spec.model_dump(mode="json")


def test_the_form_in_a_manifest() -> None:
    """What a bundle written today looks like; a later version must read it."""
    written = (
        '{"orient": "exif", "mode": "RGB", "resize": {"method": "crop", "size": [240, 320], "filter": "bicubic"}, '
        '"mean": [0.485, 0.456, 0.406], "std": [0.229, 0.224, 0.225], "decode_floor": 640}'
    )
    spec = Preprocess.model_validate_json(written)
    assert spec.resize.size == (240, 320)
    assert apply(noise(700, 500), spec).shape == (3, 240, 320)


@pytest.mark.parametrize(
    ("wrong", "complaint"),
    [
        ({"gamma": 2.2}, "gamma"),
        ({"resize": {"method": "crop", "antialias": False}}, "resize.antialias"),
        ({"resize": {"method": "stretch"}}, "resize.method"),
        ({"resize": {"filter": "nearest"}}, "resize.filter"),
        ({"resize": {"size": [0, 224]}}, "resize.size.0"),
        ({"resize": {"size": [224, -1]}}, "resize.size.1"),
        ({"resize": {"size": [224]}}, "resize.size"),
        ({"mode": "BGR"}, "mode"),
        ({"orient": "none"}, "orient"),
        ({"std": [0.5, 0.0, 0.5]}, "above 0"),
        ({"std": [0.5, -0.1, 0.5]}, "above 0"),
        ({"mean": [0.5, 0.5]}, "mean"),
        ({"mean": [float("nan"), 0.5, 0.5]}, "mean.0"),
        ({"std": [float("inf"), 0.5, 0.5]}, "std.0"),
    ],
)
def test_what_is_no_preprocessing(wrong: dict[str, object], complaint: str) -> None:
    with pytest.raises(ValidationError) as caught:
        Preprocess.model_validate(wrong)
    (error,) = caught.value.errors()[:1]
    assert complaint in ".".join(map(str, error["loc"])) + " " + error["msg"]


# Reduced decoding


def test_the_floor_leaves_a_margin_of_two() -> None:
    resize = Resize(size=(224, 300))
    assert Preprocess(resize=resize, decode_floor=600).decode_floor == 600
    with pytest.raises(ValidationError, match="decode_floor is 599; it must be at least twice the input size, 600"):
        Preprocess(resize=resize, decode_floor=599)


@pytest.mark.parametrize(
    ("method", "size", "expected"),
    [
        ("crop", (4160, 3120), (694, 520)),  # the shorter side comes down to the floor
        ("squish", (3120, 4160), (520, 694)),
        ("pad", (4160, 3120), (520, 390)),  # the longer
        ("crop", (600, 520), None),  # there already
        ("crop", (9000, 300), None),  # the side that matters is small
        ("pad", (9000, 300), (520, 18)),
        ("pad", (500, 300), None),
    ],
)
def test_the_smallest_size_to_decode_at(method: str, size: tuple[int, int], expected: tuple[int, int] | None) -> None:
    spec = Preprocess(resize=Resize.model_validate({"method": method, "size": (224, 224)}), decode_floor=520)
    assert spec.decode_size(*size) == expected
    assert spec.model_copy(update={"decode_floor": None}).decode_size(*size) is None


@settings(max_examples=200, deadline=None, derandomize=True, database=None)
@given(
    width=st.integers(1, 70_000),
    height=st.integers(1, 70_000),
    target=st.tuples(st.integers(1, 400), st.integers(1, 400)),
    margin=st.integers(0, 300),
    method=st.sampled_from(METHODS),
)
def test_twice_the_target_is_always_left(
    width: int, height: int, target: tuple[int, int], margin: int, method: str
) -> None:
    """At the smallest size allowed, what the resize looks at still has twice the pixels of the target on both axes."""
    spec = Preprocess(
        resize=Resize.model_validate({"method": method, "size": target}), decode_floor=2 * max(target) + margin
    )
    smallest = spec.decode_size(width, height)
    if smallest is None:
        return
    assert smallest[0] < width or smallest[1] < height
    target_h, target_w = target
    fill = {"crop": min, "pad": max, "squish": min}[method]
    if method == "squish":
        assert smallest[0] >= 2 * target_w
        assert smallest[1] >= 2 * target_h
    else:
        assert fill(smallest[0] / target_w, smallest[1] / target_h) >= 2
