"""Colours become sRGB by the profile in the file: right values, in every mode and format, and never worse for a broken one."""

from __future__ import annotations

import io
import random
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Any

import heif_files
import numpy as np
import profiles
import pytest
from forged import box, saved
from numpy.typing import NDArray
from PIL import Image, ImageCms
from profiles import Floats

from drivetrain.data.image import colour
from drivetrain.data.image.decode import decode
from drivetrain.data.image.metadata import rewritten, strip_metadata
from drivetrain.data.image.picture import read_picture
from drivetrain.data.image.render import AS_BEFORE, SRGB, Ranges, Render
from drivetrain.data.image.rgb import rendered
from drivetrain.data.image.values import Values

ADOBE = profiles.matrix_profile("Adobe RGB (1998)")
GREY = profiles.grey_profile(1.0)
PRESS = profiles.press_profile(9)
OWN = ImageCms.ImageCmsProfile(ImageCms.createProfile("sRGB")).tobytes()
LEVELS = np.arange(0, 256, 15, dtype=np.uint8)


@pytest.fixture(scope="module")
def cube() -> NDArray[np.uint8]:
    """Colours of all kinds in patches, so that a coder with loss keeps them."""
    colours = np.random.default_rng(8).integers(0, 256, (6, 8, 3), np.uint8)
    return colours.repeat(16, 0).repeat(16, 1)


def off(image: Image.Image, expected: Floats) -> float:
    """The largest difference in levels."""
    return float(np.abs(np.asarray(image).astype(float) - expected).max())


@pytest.mark.parametrize("space", profiles.SPACES)
def test_a_space_of_three_primaries_is_converted_as_its_definition_says(space: str) -> None:
    pixels = np.stack(np.meshgrid(LEVELS, LEVELS, LEVELS, indexing="ij"), -1).reshape(-1, len(LEVELS), 3)
    picture = Image.fromarray(pixels)
    picture.info["icc_profile"] = profiles.matrix_profile(space)
    image, how = rendered(picture, SRGB)
    assert how.profile == "applied"
    assert off(image, profiles.expected(space, pixels)) < 1.5
    assert np.array_equal(np.asarray(picture), pixels)  # the caller's picture is left alone
    assert "icc_profile" in picture.info
    assert "icc_profile" not in image.info


@pytest.mark.parametrize("gamma", [1.0, 1.8, 2.2])
def test_grey_is_converted_by_its_curve(gamma: float) -> None:
    levels = np.arange(256, dtype=np.uint8)[None]
    for mode in ("L", "LA"):
        picture = Image.fromarray(levels).convert(mode)
        picture.info["icc_profile"] = profiles.grey_profile(gamma)
        image, how = rendered(picture, SRGB)
        assert how.profile == "applied"
        assert off(image, profiles.expected_grey(gamma, levels)[..., None]) < 1


def test_inks_are_converted_by_the_press_they_are_for() -> None:
    inks = (np.random.default_rng(9).integers(0, 9, (40, 50, 4)) * 255 / 8).round().astype(np.uint8)
    inks[0, :3] = (0, 0, 0, 0), (255, 255, 255, 255), (0, 0, 0, 255)
    picture = Image.fromarray(inks, "CMYK")
    picture.info["icc_profile"] = PRESS
    image, how = rendered(picture, SRGB)
    assert how.profile == "applied"
    expected = profiles.srgb_of(profiles.xyz_of_lab(profiles.lab_of(inks)))
    difference = np.abs(np.asarray(image) - expected)
    assert difference.mean() < 0.5
    assert np.quantile(difference, 0.99) < 4
    plain, untouched = rendered(Image.fromarray(inks, "CMYK"), SRGB)
    assert untouched.profile == "none"
    assert np.array_equal(np.asarray(plain), np.asarray(Image.fromarray(inks, "CMYK").convert("RGB")))
    assert off(plain, expected) > 60


FORMATS: dict[str, dict[str, Any]] = {
    "PNG": {},
    "TIFF": {},
    "WEBP": {"lossless": True},
    "JPEG": {"quality": 100, "subsampling": 0},
    "MPO": {"quality": 100, "subsampling": 0, "save_all": True},
    "AVIF": {"quality": 100, "subsampling": "4:4:4"},
}


@pytest.mark.parametrize("kind", [*FORMATS, "HEIC"])
def test_every_format_that_carries_a_profile_is_converted(kind: str, cube: NDArray[np.uint8]) -> None:
    if kind == "HEIC":
        data = heif_files.saved(cube, icc_profile=ADOBE, save_nclx_profile=False)
    else:
        data = saved(Image.fromarray(cube), kind, icc_profile=ADOBE, **FORMATS[kind])
    decoded = decode(data)
    assert decoded.rendered.profile == "applied"
    assert "icc_profile" not in decoded.image.info
    expected = profiles.expected("Adobe RGB (1998)", cube)
    assert off(decoded.image, expected) < (12 if kind in ("JPEG", "MPO", "AVIF") else 1.5)
    assert np.abs(np.asarray(decode(data, render=AS_BEFORE).image).astype(int) - cube).max() <= 3
    assert decode(data, render=AS_BEFORE).rendered.profile == "none"


@pytest.mark.parametrize("marker", ["Adobe", "plain"])
def test_inks_of_a_jpeg_are_converted(marker: str) -> None:
    codecs = pytest.importorskip("imagecodecs")
    inks = (np.random.default_rng(9).integers(0, 3, (6, 8, 4)) * 127.5).round().astype(np.uint8)
    inks = inks.repeat(16, 0).repeat(16, 1)
    expected = profiles.srgb_of(profiles.xyz_of_lab(profiles.lab_of(inks)))
    if marker == "Adobe":
        data = saved(Image.fromarray(inks, "CMYK"), "JPEG", quality=100, icc_profile=PRESS)
    else:
        # Luminance and colours of inverted inks (YCCK), as Photoshop writes them.
        data = codecs.jpeg8_encode(255 - inks, level=100, colorspace="CMYK", outcolorspace="YCCK", subsampling="444")
        segment = b"ICC_PROFILE\0\1\1" + PRESS
        data = data[:2] + b"\xff\xe2" + (len(segment) + 2).to_bytes(2, "big") + segment + data[2:]
    decoded = decode(data)
    assert (decoded.mode, decoded.rendered.profile) == ("CMYK", "applied")
    difference = np.abs(np.asarray(decoded.image) - expected)
    assert difference.mean() < 2
    assert np.quantile(difference, 0.95) < 8


def test_a_jpeg_2000_is_converted_by_the_profile_in_its_header(cube: NDArray[np.uint8]) -> None:
    plain = saved(Image.fromarray(cube), "JPEG2000")
    stated = box(b"colr", b"\1\0\0", (16).to_bytes(4, "big"))
    at = plain.index(stated)
    colr = box(b"colr", b"\2\0\0", ADOBE)
    header = plain.index(b"jp2h") - 4
    length = int.from_bytes(plain[header : header + 4], "big") + len(colr) - len(stated)
    data = plain[:header] + length.to_bytes(4, "big") + plain[header + 4 : at] + colr + plain[at + len(stated) :]
    decoded = decode(data)
    assert decoded.rendered.profile == "applied"
    assert off(decoded.image, profiles.expected("Adobe RGB (1998)", cube)) < 1.5
    assert decode(plain).rendered.profile == "none"


def test_opacity_is_kept_and_laid_over_white_after_the_colours(cube: NDArray[np.uint8]) -> None:
    opacity = np.linspace(0, 255, cube.shape[1]).round().astype(np.uint8)[None].repeat(cube.shape[0], 0)
    picture = np.dstack([cube, opacity])
    expected = profiles.expected("Adobe RGB (1998)", cube)
    share = opacity[..., None] / 255
    laid = 255 - (255 - expected) * share
    for kind in ("PNG", "WEBP"):
        options = {"exact": True, "lossless": True} if kind == "WEBP" else {}
        assert off(decode(saved(Image.fromarray(picture), kind, icc_profile=ADOBE, **options)).image, laid) < 2
    keyed = Image.fromarray(cube)
    first = tuple(int(level) for level in cube[0, 0])
    data = saved(keyed, "PNG", icc_profile=ADOBE, transparency=first)
    hidden = (cube == cube[0, 0]).all(-1, keepdims=True)
    assert off(decode(data).image, np.where(hidden, 255, expected)) < 1.5


def test_a_palette_is_converted(cube: NDArray[np.uint8]) -> None:
    palette = Image.fromarray(cube).quantize(48)
    expected = profiles.expected("Adobe RGB (1998)", np.asarray(palette.convert("RGB")))
    for kind in ("PNG", "TIFF"):
        assert off(decode(saved(palette, kind, icc_profile=ADOBE)).image, expected) < 1.5


@pytest.mark.parametrize("channels", [1, 2, 3, 4])
def test_deep_pictures_are_converted_after_their_range(channels: int, cube: NDArray[np.uint8]) -> None:
    grey = channels < 3
    values = cube[..., :1] if grey else cube
    opacity = np.full((*cube.shape[:2], 1), 65535, np.uint16)
    deep = values.astype(np.uint16) * 257
    array = deep if channels % 2 else np.concatenate([deep, opacity], 2)
    image, how = rendered(Values(array, profile=GREY if grey else ADOBE), SRGB)
    expected = profiles.expected_grey(1.0, values) if grey else profiles.expected("Adobe RGB (1998)", cube)
    assert how.profile == "applied"
    assert off(image, expected) < 1.5


@pytest.mark.parametrize("brightest", [255, 120, 30, 3])
def test_a_photo_of_16_bits_with_a_profile_is_as_dark_as_that_of_8(brightest: int, cube: NDArray[np.uint8]) -> None:
    levels = (cube.astype(int) * brightest // 255).astype(np.uint8)
    plain = Image.fromarray(levels)
    plain.info["icc_profile"] = ADOBE
    expected, _ = rendered(plain, SRGB)
    for order in "<>":
        deep, how = rendered(Values(levels.astype(f"{order}u2") * 257, profile=ADOBE), SRGB)
        assert np.abs(np.asarray(deep).astype(int) - np.asarray(expected)).max() <= 1
        assert (how.profile, how.range) == ("applied", "known")
    # A range that the bundle knows goes before, and neither grey nor a profile that is of no use says anything.
    narrow, _ = rendered(Values(levels.astype(np.uint16), profile=ADOBE), Render(ranges=Ranges(integers=(0, 255))))
    assert np.array_equal(np.asarray(narrow), np.asarray(expected))
    for values in (
        Values(levels[:, :, :1].astype(np.uint16), profile=ADOBE),
        Values(levels.astype(np.uint16), profile=b"x"),
    ):
        assert rendered(values, SRGB)[1].range == "guessed"


def test_a_profile_that_is_srgb_changes_nothing(cube: NDArray[np.uint8]) -> None:
    for picture in (Image.fromarray(cube), Image.fromarray(cube[..., 0])):
        data = saved(picture, "PNG", icc_profile=OWN)
        decoded = decode(data)
        assert decoded.rendered.profile == "applied"
        assert np.array_equal(np.asarray(decoded.image), np.asarray(picture.convert("RGB")))


def test_grey_in_a_space_of_colours_has_that_spaces_curve() -> None:
    levels = np.arange(256, dtype=np.uint8)[None]
    picture = Image.fromarray(levels)
    picture.info["icc_profile"] = profiles.matrix_profile("ProPhoto RGB")
    image, how = rendered(picture, SRGB)
    assert how.profile == "applied"
    assert off(image, profiles.expected_grey(1.8, levels)[..., None]) < 1


def _with(at: int, piece: bytes) -> bytes:
    return ADOBE[:at] + piece + ADOBE[at + len(piece) :]


BROKEN = {
    "empty": b"\0",
    "no profile": b"GIF89a" * 40,
    "cut short": ADOBE[: len(ADOBE) // 2],
    "cut within its header": ADOBE[:100],
    "no tags": ADOBE[:128] + bytes(4),
    "another mark": _with(36, b"xxxx"),
    "a link of devices": _with(12, b"link"),
    "inks": PRESS,
    "grey": GREY,
    "far too large": ADOBE + bytes(5 << 20),
    "another name of space": _with(16, b"XYZ "),
    "primaries that are none": ADOBE.replace(b"XYZ \0\0\0\0", b"text\0\0\0\0"),
    "black for all": ADOBE.replace(b"curv\0\0\0\0\0\0\0\1", b"curv\0\0\0\0\0\0\0\2").replace(b"rXYZ", b"xxxx"),
}


@pytest.mark.parametrize("name", BROKEN)
def test_a_profile_that_cannot_be_used_is_ignored(name: str, cube: NDArray[np.uint8]) -> None:
    picture = Image.fromarray(cube)
    picture.info["icc_profile"] = BROKEN[name]
    image, how = rendered(picture, SRGB)
    assert how.profile == "ignored"
    assert np.array_equal(np.asarray(image), cube)
    image, how = rendered(Values(cube.astype(np.uint16) * 257, profile=BROKEN[name]), SRGB)
    assert how.profile == "ignored"
    assert off(image, cube.astype(float)) <= 1


def test_inks_with_a_profile_of_another_space_are_as_without() -> None:
    picture = Image.new("CMYK", (8, 8), (10, 60, 200, 30))
    bare = picture.convert("RGB")
    for profile in (ADOBE, GREY, b"rubbish" * 40):
        data = saved(picture, "TIFF", icc_profile=profile)
        decoded = decode(data)
        assert decoded.rendered.profile == "ignored"
        assert np.array_equal(np.asarray(decoded.image), np.asarray(bare))


def test_a_jpeg_is_reduced_first(cube: NDArray[np.uint8]) -> None:
    large = cube.repeat(8, 0).repeat(8, 1)
    data = saved(Image.fromarray(large), "JPEG", quality=95, subsampling=0, icc_profile=ADOBE)
    decoded = decode(data, lambda _w, _h: (128, 96))
    assert decoded.reduced == 8
    centres = np.asarray(decoded.image)[8::16, 8::16]
    assert off(Image.fromarray(centres), profiles.expected("Adobe RGB (1998)", cube[8::16, 8::16])) < 5


def test_what_is_kept_of_a_picture_looks_as_it_was_judged(cube: NDArray[np.uint8]) -> None:
    tiff = saved(Image.fromarray(cube), "TIFF", icc_profile=ADOBE)
    decoded = decode(tiff)
    kept = rewritten(tiff, decode(tiff))
    assert kept is not None
    assert np.array_equal(np.asarray(decode(kept[0]).image), np.asarray(decoded.image))
    assert "icc_profile" not in Image.open(io.BytesIO(kept[0])).info
    png = saved(Image.fromarray(cube), "PNG", icc_profile=ADOBE)
    stripped, _ = strip_metadata(png)
    assert np.array_equal(np.asarray(decode(stripped).image), np.asarray(decode(png).image))


def test_a_pillow_image_is_read_as_its_file(cube: NDArray[np.uint8], tmp_path: Path) -> None:
    path = tmp_path / "wide.png"
    path.write_bytes(saved(Image.fromarray(cube), "PNG", icc_profile=ADOBE))
    with Image.open(path) as opened:
        assert np.array_equal(np.asarray(read_picture(opened)), np.asarray(read_picture(path)))
        assert np.array_equal(np.asarray(opened), cube)


def test_threads_share_a_profile(cube: NDArray[np.uint8]) -> None:
    data = saved(Image.fromarray(cube), "PNG", icc_profile=profiles.matrix_profile("ProPhoto RGB"))
    expected = decode(data).image.tobytes()
    with ThreadPoolExecutor(8) as pool:
        assert {image.image.tobytes() for image in pool.map(decode, [data] * 200)} == {expected}


def test_profiles_are_made_ready_once_and_forgotten_when_many(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(colour, "_ready", type(colour._ready)())
    first = colour.conversion_of(ADOBE, "RGB")
    assert colour.conversion_of(ADOBE, "RGB") is first
    for number in range(colour.KEPT + 3):
        assert colour.conversion_of(_with(100, bytes([number])), "RGB") is not None
    assert len(colour._ready) == colour.KEPT
    assert colour.conversion_of(ADOBE, "RGB") is not first


def test_mutated_profiles_do_no_harm() -> None:
    inks, colours = Image.new("CMYK", (4, 4), (1, 2, 3, 4)), Image.new("RGB", (4, 4), (1, 2, 3))
    for seed in range(400):
        choice = random.Random(seed)
        for whole, picture in ((PRESS, inks), (ADOBE, colours)):
            changed = bytearray(whole)
            for _ in range(choice.choice((1, 2, 6))):
                at = choice.randrange(min(len(changed), 600))
                changed[at : at + 4] = choice.choice((b"\xff" * 4, bytes(4), choice.randbytes(4), b"\x7f\xff\xff\xff"))
            copy = picture.copy()
            copy.info["icc_profile"] = bytes(changed)
            image, how = rendered(copy, SRGB)
            assert (image.mode, image.size) == ("RGB", (4, 4))
            assert how.profile in ("applied", "ignored")
