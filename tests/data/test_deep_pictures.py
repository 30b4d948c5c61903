"""Pictures of more than 8 bits a channel: all bits reach the rule, and bundles of before get what Pillow made of them."""

from __future__ import annotations

import io
import itertools
import sys
from collections.abc import Iterator

import imagecodecs
import numpy as np
import png_writer
import pytest
import tiff_writer
from numpy.typing import NDArray
from PIL import Image
from tiff_writer import Form

from drivetrain.core.errors import ImageError
from drivetrain.data.image.decode import decode
from drivetrain.data.image.render import AS_BEFORE, Ranges, Render
from drivetrain.data.image.rgb import rendered, to_rgb
from drivetrain.data.image.values import Values

DIM = Render(ranges=Ranges(integers=(0, 4095), floats=(0, 1)))
"""The rule of a camera of 12 bits."""

VALUES = np.random.default_rng(0).integers(0, 4096, (18, 25, 4), np.uint16)


LERC = bytes(imagecodecs.lerc_encode(VALUES[:, :, 0].astype(np.float32)))


def ppm(values: NDArray[np.uint16], highest: int, *, text: bool = False) -> bytes:
    head = f"P{3 if text else 6} {values.shape[1]} {values.shape[0]} {highest}\n".encode()
    return head + (" ".join(map(str, values.reshape(-1))).encode() if text else values.astype(">u2").tobytes())


def files() -> Iterator[tuple[str, bytes, int]]:
    """Colour of 16 bits a channel, of which 12 are used: name, file, channels."""
    rgb = VALUES[:, :, :3]
    for interlaced in (False, True):
        yield f"png {interlaced}", png_writer.write(rgb, 16, 2, interlaced=interlaced), 3
    for planar, compression, order in itertools.product((False, True), ("none", "LZW", "deflate"), "<>"):
        form = Form(16, planar=planar, compression=compression, order=order)
        yield f"tiff {planar} {compression} {order}", tiff_writer.write(rgb, form), 3
    yield "jp2", bytes(imagecodecs.jpeg2k_encode(rgb, level=0)), 3


DEEP = {name: (data, channels) for name, data, channels in files()}


@pytest.mark.parametrize("name", DEEP)
def test_twelve_bits_in_sixteen_are_no_black_picture(name: str) -> None:
    data, channels = DEEP[name]
    found = decode(data, render=DIM)
    assert found.mode == "RGB;uint16"
    assert found.rendered.range == "known"
    assert np.abs(np.asarray(found.image) - VALUES[:, :, :channels] * (255 / 4095)).max() <= 0.51


@pytest.mark.parametrize("text", [False, True])
def test_ppm_is_scaled_to_its_white(text: bool) -> None:
    found = decode(ppm(VALUES[:, :, :3], 4095, text=text), render=Render(ranges=Ranges(integers=(0, 65535))))
    assert np.abs(np.asarray(found.image) - VALUES[:, :, :3] * (255 / 4095)).max() <= 0.51


def before() -> Iterator[tuple[str, bytes]]:
    """Everything that Pillow reads to 8 bits, or without turning white and black round."""
    wide = VALUES * 16 + 7
    for colour, samples in ((0, 1), (2, 3), (4, 2), (6, 4)):
        yield f"png {colour}", png_writer.write(wide[:, :, :samples], 16, colour)
        if colour in (0, 2):
            clear = png_writer.chunk(b"tRNS", wide[3, 4, :samples].astype(">u2").tobytes())
            yield f"png {colour} clear", png_writer.write(wide[:, :, :samples], 16, colour, before=[clear])
    for highest in (300, 1023, 4095, 65535):
        for text in (False, True):
            yield f"ppm {highest} {text}", ppm(np.minimum(wide, highest)[:, :, :3], highest, text=text)
    for order, compression in itertools.product("<>", ("none", "LZW")):
        for photometric, samples, extra in (
            (2, 3, ()),
            (2, 4, ()),
            (2, 4, (0,)),
            (2, 4, (1,)),
            (2, 4, (2,)),
            (5, 4, ()),
        ):
            form = Form(16, "u", photometric, order=order, compression=compression, extra=extra)
            yield f"tiff {form}", tiff_writer.write(wide[:, :, :samples], form)
        for photometric, samples, extra in (
            (8, 3, ()),
            (6, 3, ()),
            (2, 4, (1,)),
            (1, 2, (2,)),
            (1, 2, (1,)),
            (5, 4, ()),
        ):
            more = {530: (3, [1, 1])} if photometric == 6 else {}
            form = Form(8, "u", photometric, order=order, compression=compression, extra=extra, more=more)
            yield f"tiff {form}", tiff_writer.write(wide[:, :, :samples] % 256, form)
    for bits, photometric in itertools.product((2, 4, 8, 12, 16), (0, 1)):
        if (bits, photometric) != (12, 0):
            form = Form(bits, "u", photometric)
            yield f"tiff {form}", tiff_writer.write(wide[:, :, :1] & ((1 << bits) - 1), form)
    for photometric in (0, 1):
        form = Form(32, "f", photometric)
        yield f"tiff {form}", tiff_writer.write(wide[:, :, :1] / 65535, form)
    for samples in (1, 2, 3, 4):
        stored = wide[:, :, 0] if samples == 1 else wide[:, :, :samples]
        yield f"jp2 {samples}", bytes(imagecodecs.jpeg2k_encode(stored, level=0))


BEFORE = dict(before())


@pytest.mark.parametrize("name", BEFORE)
def test_bundles_of_before_get_what_pillow_makes_of_it(name: str) -> None:
    with Image.open(io.BytesIO(BEFORE[name])) as image:
        image.load()
        known, _ = rendered(image, AS_BEFORE) if image.mode[0] in "IF" else (to_rgb(image), None)
    assert decode(BEFORE[name], render=AS_BEFORE).image.tobytes() == known.tobytes()


@pytest.mark.parametrize("channels", [1, 2, 3, 4])
@pytest.mark.parametrize("dtype", [np.int16, np.uint32, np.int32, np.float16, np.float32, np.float64])
def test_values_of_any_type_are_rendered(channels: int, dtype: type[np.generic]) -> None:
    whole = np.issubdtype(dtype, np.integer)
    values = (VALUES[:, :, :channels].astype(np.float64) / (1 if whole else 4095)).astype(dtype)
    if channels in (2, 4):
        values[:, :, -1] = np.iinfo(dtype).max if whole else 1
    found, how = rendered(values, DIM)
    expected = VALUES[:, :, [0] * 3 if channels < 3 else [0, 1, 2]] * (255 / 4095)
    assert how.range == "known"
    assert np.abs(np.asarray(found) - expected).max() <= 0.6


def test_opacity_and_white_that_is_zero() -> None:
    values = np.array([[[0, 65535], [4095, 65535], [0, 0], [0, 32768]]], np.uint16)
    assert np.asarray(rendered(Values(values), DIM)[0])[0, :, 0].tolist() == [0, 255, 255, 127]
    assert np.asarray(rendered(Values(values, inverted=True), DIM)[0])[0, :, 0].tolist() == [255, 0, 255, 255]


def test_a_ppm_that_lies() -> None:
    for data, reason in (
        (ppm(VALUES[:, :, :3], 4095)[:-9], "truncated"),
        (ppm(VALUES[:, :, :3], 4095, text=True)[:-9], "truncated"),
        (b"P3 2 1 4095\n1 2 3 x 5 6", "damaged"),
        (b"P3 2 1 4095\n1 2 3 4 5 99999999999999999999", "damaged"),
        (b"P3 2 1 4095\n1 2 3 4 5 -6", "damaged"),
    ):
        with pytest.raises(ImageError) as caught:
            decode(data, render=DIM)
        assert caught.value.reason == reason


def test_without_the_codecs_it_is_said_what_to_install(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(sys.modules, "imagecodecs", None)
    with pytest.raises(
        ImageError, match=r"JPEG 2000 of more than 8 bits.*needs one more package; pip install .*\[tiff\]"
    ):
        decode(DEEP["jp2"][0])
    lerc = tiff_writer.assembled(
        [LERC],
        {
            256: (4, [25]),
            257: (4, [18]),
            258: (3, [32]),
            259: (3, [34887]),
            262: (3, [1]),
            277: (3, [1]),
            278: (4, [18]),
            339: (3, [3]),
        },
        Form(),
    )
    with pytest.raises(ImageError, match=r"LERC, which needs one more package; pip install .*\[tiff\]"):
        decode(lerc)
    for name, (data, _) in DEEP.items():
        if name != "jp2":
            assert decode(data, render=DIM).mode == "RGB;uint16"  # every other layout is read without the package
