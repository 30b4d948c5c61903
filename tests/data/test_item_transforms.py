"""Item transforms: the executor's pixels, boxes that always fit, reduced decoding that is never too small."""

from __future__ import annotations

import io

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from PIL import Image

from drivetrain.core.errors import UsageError
from drivetrain.data.block.item_transforms import RandomResizedCrop, Resize, ResizeMethod
from drivetrain.data.image.decode import decode
from drivetrain.data.image.preprocess import Preprocess, resize_image
from drivetrain.data.image.preprocess import Resize as ResizeSpec

SIDES = st.integers(1, 300)


def noise(width: int, height: int, mode: str = "RGB") -> Image.Image:
    pixels = np.random.default_rng(width * 1000 + height).integers(0, 255, (height, width, 3), dtype=np.uint8)
    return Image.fromarray(pixels).convert(mode)


@settings(max_examples=40, deadline=None)
@given(SIDES, SIDES, st.integers(1, 80), st.integers(1, 80), st.sampled_from(list(ResizeMethod)))
def test_resize_gives_the_pixels_of_production(w: int, h: int, th: int, tw: int, method: ResizeMethod) -> None:
    image = noise(w, h)
    transform = Resize((th, tw), method)
    assert transform.spec == ResizeSpec(method=method.value, size=(th, tw))
    wanted = np.asarray(resize_image(image, transform.spec))
    for training in (True, False):
        assert (np.asarray(transform(image, training=training)) == wanted).all()


def test_resize_keeps_greyscale() -> None:
    for method in ResizeMethod:
        grey = Resize(32, method)(noise(60, 40, "L"))
        assert (grey.mode, grey.size) == ("L", (32, 32))
    padded = np.asarray(Resize(32, ResizeMethod.Pad)(noise(64, 32, "L")))
    assert (padded[:8] == 128).all()
    assert (padded[24:] == 128).all()


@pytest.mark.parametrize("mode", ["RGB", "L"])
def test_the_ways_to_pad(mode: str) -> None:
    image = noise(40, 20, mode)
    made = {
        pad: np.asarray(Resize(40, ResizeMethod.Pad, pad)(image)) for pad in ("zeros", "border", "reflection", "grey")
    }
    for pixels in made.values():
        assert pixels.shape[:2] == (40, 40)
        assert (pixels[10:30] == np.asarray(image)).all(), "the picture itself in the middle"
    assert not made["zeros"][:10].any()
    assert (made["border"][:10] == made["border"][10]).all()
    assert (made["reflection"][:10] == made["reflection"][11:21][::-1]).all()
    assert (made["grey"][:10] == 128).all()
    assert Resize(40, ResizeMethod.Pad, "zeros").spec is None, "no bundle pads so"


@given(st.integers(1, 40), st.integers(1, 40), st.sampled_from(["zeros", "border", "reflection"]))
def test_padding_fits_any_shape(w: int, h: int, pad: str) -> None:
    assert Resize((12, 9), ResizeMethod.Pad, pad)(noise(w, h)).size == (9, 12)  # type: ignore[arg-type]


@given(SIDES, SIDES, st.floats(0.01, 1), st.integers(0, 50), st.tuples(st.integers(1, 64), st.integers(1, 64)))
def test_a_random_box_always_fits(w: int, h: int, min_scale: float, seed: int, size: tuple[int, int]) -> None:
    crop = RandomResizedCrop(size, min_scale)
    left, top, right, bottom = crop._box(w, h, *np.random.default_rng(seed).random(4).tolist())
    assert 0 <= left < right <= w
    assert 0 <= top < bottom <= h
    own = (right - left) / (bottom - top) * size[0] / size[1]
    assert 3 / 4 - 1e-6 <= own <= 4 / 3 + 1e-6
    share = (right - left) * (bottom - top) / (w * h)
    largest = min(1.0, 4 / 3 * size[1] / size[0] * h / w, w / h / (3 / 4 * size[1] / size[0]))
    assert min(min_scale, largest) - 1e-6 <= share <= largest + 1e-6


def test_boxes_cover_what_they_may() -> None:
    crop, rng = RandomResizedCrop(32, 0.2), np.random.default_rng(0)
    boxes = np.asarray([crop._box(200, 160, *rng.random(4).tolist()) for _ in range(2000)])
    shares = (boxes[:, 2] - boxes[:, 0]) * (boxes[:, 3] - boxes[:, 1]) / 32000
    assert shares.min() < 0.22
    assert shares.max() > 0.95
    assert np.median(shares) == pytest.approx(0.6, abs=0.03)
    assert boxes[:, 0].min() < 1
    assert boxes[:, 3].max() > 159


def test_the_whole_picture_is_a_resize() -> None:
    """All of a picture of the target's shape: nothing is left to draw, whatever the generator."""
    image = noise(64, 64)
    for seed in range(3):
        made = RandomResizedCrop(32, 1.0, ratio=(1.0, 1.0))(image, np.random.default_rng(seed))
        assert (np.asarray(made) == np.asarray(Resize(32)(image))).all()


def test_validation_takes_the_centre_and_draws_nothing() -> None:
    image, rng = noise(90, 60), np.random.default_rng(5)
    before = rng.bit_generator.state
    made = RandomResizedCrop(32)(image, rng, training=False)
    assert rng.bit_generator.state == before
    assert (np.asarray(made) == np.asarray(Resize(32)(image))).all()
    first, second = (np.asarray(RandomResizedCrop(32)(image, np.random.default_rng(n))) for n in (1, 1))
    assert (first == second).all()
    assert (first != np.asarray(RandomResizedCrop(32)(image, np.random.default_rng(2)))).any()


def test_pictures_smaller_than_the_crop_are_enlarged() -> None:
    for image in (noise(1, 1), noise(3, 200), noise(200, 3), noise(20, 10, "L")):
        for transform in (Resize(64), RandomResizedCrop(64), RandomResizedCrop((64, 32), 1.0)):
            made = transform(image)
            assert made.mode == image.mode
            assert made.size == ((32, 64) if transform.size == (64, 32) else (64, 64))


@settings(deadline=None)
@given(st.integers(20, 6000), st.integers(20, 6000), st.integers(8, 256), st.integers(0, 20))
def test_decoding_never_goes_below_twice_the_target(w: int, h: int, size: int, seed: int) -> None:
    for transform in (Resize(size), Resize(size, ResizeMethod.Squish), RandomResizedCrop(size)):
        plan = transform.plan(np.random.default_rng(seed), training=True)
        smallest = plan.decode_size(w, h)
        if smallest is None:
            continue
        assert smallest[0] <= w
        assert smallest[1] <= h
        if isinstance(transform, RandomResizedCrop):
            draws = np.random.default_rng(seed).random(4).tolist()
            for stored in (smallest, smallest[::-1]):  # EXIF may turn it
                left, top, right, bottom = transform._box(*stored, *draws)
                assert min(right - left, bottom - top) >= 2 * size * 0.97, "up to the rounding of the shape"
        else:
            assert min(smallest) >= 2 * size


def test_reduced_decoding_is_the_executors() -> None:
    buffer = io.BytesIO()
    smooth = noise(40, 30).resize((1600, 1200), Image.Resampling.BICUBIC)
    smooth.save(buffer, "JPEG", quality=95)
    for method in ResizeMethod:
        transform = Resize(128, method)
        plan = transform.plan(np.random.default_rng(0), training=True)
        decoded = decode(buffer.getvalue(), plan.decode_size)
        assert decoded.reduced == 4
        assert transform.spec is not None
        spec = Preprocess(resize=transform.spec, decode_floor=256)
        same = resize_image(decode(buffer.getvalue(), spec.decode_size).image, spec.resize)
        assert (np.asarray(plan.apply(decoded.image)) == np.asarray(same)).all()
    turned = io.BytesIO()
    exif = Image.Exif()
    exif[0x0112] = 6
    smooth.save(turned, "JPEG", quality=95, exif=exif)
    plan = RandomResizedCrop(128).plan(np.random.default_rng(0), training=True)
    decoded = decode(turned.getvalue(), plan.decode_size)
    assert decoded.reduced == 4, "this crop takes three quarters of the picture"
    full = plan.apply(decode(turned.getvalue()).image)
    near = np.abs(np.asarray(plan.apply(decoded.image), int) - np.asarray(full, int))
    assert near.mean() < 2, "grey levels"


@pytest.mark.parametrize("size", [0, -3, 2.5, "128", (1, 2, 3), (10, 0), True, None])
def test_sizes_that_are_none(size: object) -> None:
    for kind in (Resize, RandomResizedCrop):
        with pytest.raises(UsageError, match=f"{kind.__name__}'s size is .*give pixels"):
            kind(size)  # type: ignore[arg-type]


def test_other_parts_that_are_none() -> None:
    with pytest.raises(UsageError, match=r"method is 'stretch'; use ResizeMethod\.Crop, Pad, Squish"):
        Resize(8, "stretch")  # type: ignore[arg-type]
    with pytest.raises(UsageError, match="pad_mode is 'mirror'; use grey, zeros, border, reflection"):
        Resize(8, ResizeMethod.Pad, "mirror")  # type: ignore[arg-type]
    with pytest.raises(UsageError, match="filter is 'nearest'; use bilinear"):
        Resize(8, filter="nearest")  # type: ignore[arg-type]
    for scale in (0, 1.5, "0.3"):
        with pytest.raises(UsageError, match="min_scale is"):
            RandomResizedCrop(8, scale)  # type: ignore[arg-type]
    for ratio in ((4 / 3, 3 / 4), (0, 1), 1.0):
        with pytest.raises(UsageError, match="ratio is"):
            RandomResizedCrop(8, ratio=ratio)  # type: ignore[arg-type]
    assert Resize(8, "pad").method is ResizeMethod.Pad  # type: ignore[arg-type]
    assert Resize(8) == Resize((8, 8)) == Resize(np.int64(8))  # type: ignore[arg-type]
