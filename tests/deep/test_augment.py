"""The composed warp and colour change, and the validation path against the executor of training and serving."""

import math

import numpy as np
import pytest
import torch
from PIL import Image
from sklearn.datasets import load_sample_images

from drivetrain.core.errors import UsageError
from drivetrain.data.image.preprocess import Preprocess, Resize, apply
from drivetrain.learn.deep.augment import NONE, Augment, InputTransform, aug_transforms, draws
from drivetrain.learn.deep.homography import compose, perspective, rotation, scaling, translation, warp

ONE = torch.ones(1, dtype=torch.float64)


def noise(height: int, width: int, count: int = 1) -> torch.Tensor:
    return torch.from_numpy(np.random.default_rng(3).integers(0, 256, (count, 3, height, width)).astype(np.float32))


def photo(width: int, height: int) -> Image.Image:
    return Image.fromarray(load_sample_images().images[0]).crop((100, 50, 100 + width, 50 + height))


def as_batch(image: Image.Image) -> np.ndarray:
    return np.ascontiguousarray(np.asarray(image).transpose(2, 0, 1)[None])


def whole(size: tuple[int, int]) -> Preprocess:
    """Grey levels come out as they are, over 255."""
    return Preprocess(resize=Resize(size=size), mean=(0, 0, 0), std=(1, 1, 1))


@pytest.mark.parametrize("size", [(31, 31), (24, 40), (224, 224)])
def test_identity(size: tuple[int, int]) -> None:
    images = noise(*size)
    torch.testing.assert_close(warp(images, scaling(ONE, ONE), size), images, atol=0.02, rtol=0)


@pytest.mark.parametrize("size", [(31, 31), (24, 40)])
def test_flips(size: tuple[int, int]) -> None:
    images = noise(*size)
    torch.testing.assert_close(warp(images, scaling(-ONE, ONE), size), images.flip(3), atol=0.02, rtol=0)
    torch.testing.assert_close(warp(images, scaling(ONE, -ONE), size), images.flip(2), atol=0.02, rtol=0)


@pytest.mark.parametrize("quarters", [1, 2, 3])
def test_quarter_turns(quarters: int) -> None:
    images = noise(24, 40)
    expected = images.rot90(-quarters, (2, 3))  # torch turns anticlockwise
    turned = warp(images, rotation(90.0 * quarters * ONE), tuple(expected.shape[2:]))
    torch.testing.assert_close(turned, expected, atol=0.02, rtol=0)


def test_an_integer_shift_is_a_roll() -> None:
    images = noise(30, 41)
    moved = warp(images, translation(3 * ONE, -5 * ONE), (30, 41))
    rolled = images.roll((5, -3), (2, 3))
    torch.testing.assert_close(moved[:, :, 5:, :-3], rolled[:, :, 5:, :-3], atol=0.02, rtol=0)


def test_beyond_the_edge_the_image_is_mirrored() -> None:
    images = noise(20, 20)
    moved = warp(images, translation(-4 * ONE, 0 * ONE), (20, 20))
    torch.testing.assert_close(moved[..., :4], images[..., :4].flip(3), atol=0.02, rtol=0)


def test_two_exact_warps_equal_their_product() -> None:
    images = noise(32, 32)
    a, b = rotation(90 * ONE), compose(scaling(-ONE, ONE), translation(2 * ONE, 1 * ONE))
    twice = warp(warp(images, a, (32, 32)), b, (32, 32))
    torch.testing.assert_close(warp(images, compose(a, b), (32, 32)), twice, atol=0.05, rtol=0)
    assert (warp(images, compose(b, a), (32, 32)) - twice).abs().max() > 50


def test_two_general_warps_equal_their_product_on_a_smooth_image() -> None:
    y, x = torch.meshgrid(torch.arange(96.0), torch.arange(96.0), indexing="ij")
    images = (128 + 90 * torch.sin(x / 17) * torch.cos(y / 13)).expand(1, 3, 96, 96)
    a = compose(rotation(12 * ONE), scaling(0.8 * ONE, 0.9 * ONE))
    b = compose(perspective(0.15 * ONE, -0.1 * ONE, (96, 96)), rotation(-7 * ONE))
    twice = warp(warp(images, a, (96, 96)), b, (96, 96))
    once = warp(images, compose(a, b), (96, 96))
    assert (once - twice)[..., 20:-20, 20:-20].abs().max() < 0.6


def test_perspective_is_the_formula() -> None:
    """x' = x / (1 + 2·t·x / w) on a ramp, whose value is its coordinate."""
    ramp = torch.arange(101.0).expand(1, 3, 101, 101)
    seen = warp(ramp, perspective(0.2 * ONE, 0 * ONE, (101, 101)), (101, 101))[0, 0, 50]
    x = torch.arange(101.0) - 50
    inside = slice(15, 101)
    expected = 50 + x / (1 + 0.4 * x / 101)
    torch.testing.assert_close(seen[inside], expected[inside], atol=1e-3, rtol=0)


def test_each_image_of_a_batch_gets_its_own_matrix() -> None:
    images = noise(16, 16, 20)
    angles = torch.arange(20) % 4 * 90.0
    turned = warp(images, rotation(angles), (16, 16))
    expected = torch.stack([image.rot90(-(i % 4), (1, 2)) for i, image in enumerate(images)])
    torch.testing.assert_close(turned, expected, atol=0.02, rtol=0)


def test_nothing_switched_on_changes_nothing() -> None:
    images = noise(64, 64, 3).byte()
    transform = InputTransform(whole((64, 64)), NONE)
    torch.testing.assert_close(transform.train(images, [0, 1, 2], 0) * 255, images.float(), atol=0.02, rtol=0)


def test_flip_alone_is_the_image_or_its_mirror_half_of_the_time() -> None:
    images = noise(16, 16).byte().expand(400, 3, 16, 16)
    out = InputTransform(whole((16, 16)), Augment(flip=True, rotate=0, zoom=1, warp=0, lighting=0)).train(
        images, range(400), 0
    )
    plain = ((out * 255 - images).abs().amax((1, 2, 3)) < 0.02).numpy()
    mirrored = ((out * 255 - images.flip(3)).abs().amax((1, 2, 3)) < 0.02).numpy()
    assert (plain ^ mirrored).all()
    assert 160 < plain.sum() < 240  # 4 standard deviations


@pytest.mark.parametrize("size", [(16, 16), (12, 20)])
@pytest.mark.parametrize(("flip", "expected"), [(True, {0, 1, 2, 3}), (False, {0, 2})])
def test_vertical_flips_exchange_top_and_bottom_and_turn_nothing(
    size: tuple[int, int], flip: bool, expected: set[int]
) -> None:
    image = noise(*size).byte()
    knobs = Augment(flip=flip, flip_vertical=True, rotate=0, zoom=1, warp=0, lighting=0)
    out = InputTransform(whole(size), knobs).train(image.expand(200, 3, *size), range(200), 0)
    four = [image, image.flip(3), image.flip(2), image.flip((2, 3))]
    seen = [next(i for i, view in enumerate(four) if (one * 255 - view[0]).abs().max() < 0.05) for one in out]
    assert set(seen) == expected
    assert min(seen.count(i) for i in expected) > 200 / len(expected) * 0.5


def test_turns_are_the_eight_symmetries() -> None:
    image = noise(16, 16).byte()
    out = InputTransform(whole((16, 16)), Augment(turns=True, rotate=0, zoom=1, warp=0, lighting=0)).train(
        image.expand(200, 3, 16, 16), range(200), 0
    )
    eight = [turned for k in range(4) for turned in (image.rot90(k, (2, 3)), image.rot90(k, (2, 3)).flip(3))]
    seen = [next(i for i, turned in enumerate(eight) if (one * 255 - turned[0]).abs().max() < 0.05) for one in out]
    assert set(seen) == set(range(8))


def test_what_an_item_gets_depends_on_seed_epoch_and_row_alone() -> None:
    images = noise(40, 40, 6).byte()
    transform = InputTransform(whole((32, 32)), aug_transforms(saturation=0.3), seed=5)
    rows = [10, 11, 12, 13, 14, 15]
    together = transform.train(images, rows, 2)
    assert torch.equal(transform.train(images, rows, 2), together)
    apart = torch.cat([transform.train(images[i : i + 1], rows[i : i + 1], 2) for i in range(6)])
    torch.testing.assert_close(apart, together, atol=1e-5, rtol=0)
    for other in (
        transform.train(images, rows, 3),
        transform.train(images, rows[::-1], 2),
        InputTransform(whole((32, 32)), aug_transforms(saturation=0.3), seed=6).train(images, rows, 2),
    ):
        assert ((other - together).abs().amax((1, 2, 3)) > 0.05).all()


def test_draws_are_uniform() -> None:
    chance = draws(0, 0, range(4000))
    assert chance.shape == (4000, 13)
    assert ((chance.mean(0) - 0.5).abs() < 5 * math.sqrt(1 / 12 / 4000)).all()
    assert np.corrcoef(chance.numpy().T)[np.triu_indices(13, 1)].__abs__().max() < 0.08


def test_global_randomness_is_left_alone() -> None:
    state = torch.get_rng_state()
    InputTransform(whole((16, 16)), aug_transforms()).train(noise(16, 16).byte(), [0], 0)
    assert torch.equal(torch.get_rng_state(), state)


def test_lighting_is_one_affine_map_of_colours_clipped_to_black_and_white() -> None:
    grey = torch.tensor([0, 64, 128, 192, 255], dtype=torch.uint8).reshape(1, 1, 1, 5).expand(300, 3, 5, 5)
    knobs = Augment(flip=False, rotate=0, zoom=1, warp=0, lighting=0.4, saturation=0.5, p_lighting=1)
    spec = Preprocess(resize=Resize(size=(5, 5)), mean=(0.5, 0.4, 0.3), std=(0.2, 0.3, 0.4))
    out = InputTransform(spec, knobs).train(grey, range(300), 0)
    values = out * torch.tensor(spec.std).reshape(3, 1, 1) + torch.tensor(spec.mean).reshape(3, 1, 1)
    assert values.min() >= -1e-5
    assert values.max() <= 1 + 1e-5
    # Grey has no saturation to lose, so all channels stay equal.
    assert (values - values[:, :1]).abs().max() < 1e-5
    free = ((values[:, 0, 0] > 0.001) & (values[:, 0, 0] < 0.999)).all(1)
    slope = (values[free][:, 0, 0, 4] - values[free][:, 0, 0, 0]).numpy()
    assert 0.59 < slope.min() < 0.65
    assert slope.max() <= 1 / 0.6
    middle = values[:, 0, 0, 2].numpy()
    assert middle.min() >= 0.29
    assert middle.max() <= 0.71
    assert middle.max() - middle.min() > 0.35


def test_saturation_keeps_lightness() -> None:
    colours = noise(8, 8, 100).byte() // 4 + 90  # far from where clipping begins
    knobs = Augment(flip=False, rotate=0, zoom=1, warp=0, lighting=0, saturation=0.5, p_lighting=1)
    out = InputTransform(whole((8, 8)), knobs).train(colours, range(100), 0)
    luma = torch.tensor([0.299, 0.587, 0.114]).reshape(3, 1, 1)
    torch.testing.assert_close((out * luma).sum(1), (colours / 255 * luma).sum(1), atol=1e-3, rtol=0)
    spread = (out.amax(1) - out.amin(1)).mean((1, 2)) / ((colours.amax(1) - colours.amin(1)) / 255.0).mean((1, 2))
    assert 0.5 <= spread.min() < 0.6
    assert 1.8 < spread.max() <= 2.001


def test_a_large_image_is_shrunk_without_aliasing() -> None:
    """One-pixel stripes become grey; sampled as they are they would become other stripes."""
    stripes = (torch.arange(512) % 2 * 255).byte().expand(1, 3, 512, 512)
    out = InputTransform(whole((128, 128)), NONE).train(stripes, [0], 0)
    assert (out - 0.5).abs().max() < 0.06


def test_a_crop_keeps_at_least_its_share_and_stays_inside() -> None:
    y, x = torch.meshgrid(torch.arange(100), torch.arange(150), indexing="ij")
    places = torch.stack([x, y, torch.zeros_like(x)]).byte().expand(200, 3, 100, 150)
    knobs = Augment(flip=False, rotate=0, zoom=1, warp=0, lighting=0, crop=0.35)
    spec = Preprocess(resize=Resize(method="crop", size=(90, 90)), mean=(0, 0, 0), std=(1, 1, 1))
    out = InputTransform(spec, knobs).train(places, range(200), 0) * 255
    wide, high = (out[:, 0, 0, -1] - out[:, 0, 0, 0]) * 90 / 89, (out[:, 1, -1, 0] - out[:, 1, 0, 0]) * 90 / 89
    share = (wide * high / 100**2).numpy()
    assert 0.33 < share.min() < 0.45
    assert share.max() < 1.02
    assert out[:, 0].min() < 10
    assert out[:, 0].max() > 139


@pytest.mark.parametrize("kernel", ["bilinear", "bicubic", "lanczos", "box"])
@pytest.mark.parametrize("method", ["crop", "pad", "squish"])
@pytest.mark.parametrize("given", [(256, 256), (301, 227), (180, 333), (60, 45)])
def test_validation_is_the_executor(method: str, kernel: str, given: tuple[int, int]) -> None:
    spec = Preprocess(
        resize=Resize(method=method, size=(96, 80), filter=kernel), mean=(0.5, 0.4, 0.3), std=(0.2, 0.3, 0.4)
    )
    image = photo(*given)
    expected = apply(image, spec)
    out = InputTransform(spec).valid(as_batch(image))[0].numpy()
    levels = np.abs(out - expected) * np.asarray(spec.std)[:, None, None] * 255
    assert levels.max() < 1e-3


def test_an_image_of_the_target_size_is_only_normalised() -> None:
    spec = Preprocess(resize=Resize(size=(50, 60)), mean=(0.5, 0.4, 0.3), std=(0.2, 0.3, 0.4))
    image = photo(60, 50)
    np.testing.assert_allclose(InputTransform(spec).valid(as_batch(image))[0], apply(image, spec), atol=1e-6)


def test_training_without_variation_is_near_the_validation_path() -> None:
    """Shrunk and warped instead of convolved once: the same picture, a little softer."""
    spec = Preprocess(resize=Resize(method="crop", size=(96, 96)), mean=(0, 0, 0), std=(1, 1, 1))
    image = as_batch(photo(400, 300))
    transform = InputTransform(spec)
    # Rows differ in where along the longer side the box lies; this one lies nearly in the middle.
    row = min(range(2000), key=lambda r: abs(float(draws(0, 0, [r])[0, 8]) - 0.5))
    difference = (transform.train(image, [row], 0) - transform.valid(image)).abs() * 255
    assert difference.mean() < 4


@pytest.mark.parametrize("batch", [torch.zeros(2, 3, 8, 8), torch.zeros(2, 4, 8, 8, dtype=torch.uint8)])
def test_other_batches_are_refused(batch: torch.Tensor) -> None:
    with pytest.raises(UsageError, match=r"uint8 images \(N, 3, H, W\), got"):
        InputTransform(whole((8, 8))).valid(batch)


def test_a_value_out_of_range_is_named() -> None:
    with pytest.raises(UsageError, match=r"warp is 1\.2; it must lie within 0 and 0\.9"):
        aug_transforms(warp=1.2)


def test_grey_images_become_colour_ones_of_equal_channels() -> None:
    grey = noise(8, 8, 2).byte()[:, :1]
    transform = InputTransform(whole((8, 8)))
    assert torch.equal(transform.valid(grey), transform.valid(grey.expand(-1, 3, -1, -1)))
