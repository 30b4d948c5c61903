"""Decoding: every mode and orientation comes out upright and RGB, and nothing but `ImageError` ever comes out else."""

from __future__ import annotations

import hashlib
import io
import pickle
import struct
import subprocess
import sys
import zlib
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from contextlib import suppress
from functools import cache
from pathlib import Path
from typing import Any

import cv2
import forged
import numpy as np
import pytest
import tifffile
from hypothesis import example, given, settings
from hypothesis import strategies as st
from numpy.typing import NDArray
from picture_case import TURNS, turned
from PIL import Image
from PIL.PngImagePlugin import PngInfo

from drivetrain.core.errors import ImageError
from drivetrain.data.image.decode import MAX_BYTES, Decoded, decode
from drivetrain.data.image.facts import thumbnail
from drivetrain.data.image.preprocess import Preprocess, Resize
from drivetrain.data.image.render import AS_BEFORE, Ranges, Render
from drivetrain.data.image.rgb import to_rgb
from drivetrain.data.image.true_size import MAX_PIXELS, MAX_SIDE

# Pillow warns of much that is odd in a file; pytest brings back what the program ignores.
pytestmark = [
    pytest.mark.filterwarnings("ignore::UserWarning"),
    pytest.mark.filterwarnings("ignore::PIL.Image.DecompressionBombWarning"),
]

Pixels = NDArray[np.uint8]

ORIENTATION = 0x0112


def picture(width: int = 48, height: int = 32, seed: int = 0) -> Image.Image:
    """Soft colours without any symmetry."""
    coarse = np.random.default_rng(seed).integers(0, 256, (4, 5, 3), dtype=np.uint8)
    return Image.fromarray(coarse).resize((width, height), Image.Resampling.BICUBIC)


def saved(image: Image.Image, kind: str, **options: Any) -> bytes:
    buffer = io.BytesIO()
    image.save(buffer, kind, **options)
    return buffer.getvalue()


def tagged(orientation: int) -> Image.Exif:
    exif = Image.Exif()
    exif[ORIENTATION] = orientation
    return exif


def pixels(decoded: Decoded) -> Pixels:
    return np.asarray(decoded.image)


def reason(data: bytes) -> str:
    with pytest.raises(ImageError) as caught:
        decode(data)
    assert "\n" not in str(caught.value)
    return caught.value.reason


def colour(data: bytes) -> tuple[int, ...]:
    decoded = decode(data)
    assert decoded.image.mode == "RGB"
    corner = decoded.image.getpixel((0, 0))
    assert isinstance(corner, tuple)
    return corner


# Orientation


@pytest.mark.parametrize("orientation", TURNS)
@pytest.mark.parametrize(
    ("kind", "options"),
    [
        ("JPEG", {}),
        ("PNG", {}),
        ("WEBP", {}),
        ("AVIF", {}),
        ("TIFF", {}),
        ("TIFF", {"compression": "tiff_lzw"}),
        ("MPO", {}),
    ],
    ids=lambda value: value if isinstance(value, str) else "-".join(value.values()),
)
def test_exif_orientation(kind: str, options: dict[str, str], orientation: int) -> None:
    stored = picture()
    plain = pixels(decode(saved(stored, kind, **options)))
    decoded = decode(saved(stored, kind, exif=tagged(orientation), **options))
    assert np.array_equal(pixels(decoded), turned(plain, orientation))
    assert (decoded.width, decoded.height) == decoded.image.size
    assert decoded.image.size == ((32, 48) if orientation >= 5 else (48, 32))


def test_orientation_in_xmp_counts_where_exif_has_none() -> None:
    xmp = b'<x:xmpmeta xmlns:x="adobe:ns:meta/"><rdf:Description tiff:Orientation="6"/></x:xmpmeta>'
    assert decode(saved(picture(), "JPEG", xmp=xmp)).image.size == (32, 48)


@pytest.mark.parametrize(
    "exif",
    [b"Exif\0\0garbage", b"Exif\0\0II*\0\xff\xff\xff\xff", b"Exif\0\0MM\0*\0\0\0\x08\xff\xff", b"Exif\0\0"],
    ids=["no TIFF", "far offset", "cut short", "nothing"],
)
@pytest.mark.parametrize("kind", ["JPEG", "PNG", "WEBP"])
def test_exif_that_cannot_be_read_does_no_harm(kind: str, exif: bytes) -> None:
    assert np.array_equal(pixels(decode(saved(picture(), kind, exif=exif))), pixels(decode(saved(picture(), kind))))


def test_exif_in_a_text_that_cannot_be_read_does_no_harm() -> None:
    info = PngInfo()
    info.add_text("Raw profile type exif", "\nexif\n   10\nnot hexadecimal\n")
    assert decode(saved(picture(), "PNG", pnginfo=info)).image.size == (48, 32)


@pytest.mark.parametrize("orientation", [0, 9, 65535])
def test_an_orientation_that_does_not_exist_turns_nothing(orientation: int) -> None:
    assert decode(saved(picture(), "JPEG", exif=tagged(orientation))).image.size == (48, 32)


# Modes


def test_grey_and_palette_modes() -> None:
    grey = Image.new("L", (5, 4), 77)
    assert colour(saved(grey, "PNG")) == (77, 77, 77)
    assert colour(saved(Image.new("1", (5, 4), 1), "PNG")) == (255, 255, 255)
    assert colour(saved(Image.new("1", (5, 4), 0), "PNG")) == (0, 0, 0)
    palette = Image.new("RGB", (5, 4), (10, 200, 30)).quantize(4)
    assert palette.mode == "P"
    assert colour(saved(palette, "PNG")) == (10, 200, 30)
    assert colour(saved(palette, "GIF")) == (10, 200, 30)
    assert colour(saved(palette, "BMP")) == (10, 200, 30)


def test_transparency_is_laid_over_white() -> None:
    half = Image.new("RGBA", (5, 4), (200, 100, 0, 128))
    over_white = tuple(round(level * 128 / 255 + 255 * 127 / 255) for level in (200, 100, 0))
    for kind in ("PNG", "TIFF"):
        assert colour(saved(half, kind)) == over_white
    assert colour(saved(half, "WEBP", lossless=True)) == over_white
    assert colour(saved(Image.new("LA", (5, 4), (50, 0)), "PNG")) == (255, 255, 255)
    assert colour(saved(Image.new("LA", (5, 4), (50, 255)), "PNG")) == (50, 50, 50)


def test_a_transparent_colour_is_white_in_every_mode_that_can_have_one() -> None:
    palette = Image.new("P", (5, 4), 1)
    palette.putpalette([0, 0, 0, 90, 80, 70, 10, 20, 30])
    assert colour(saved(palette, "PNG", transparency=1)) == (255, 255, 255)
    assert colour(saved(palette, "PNG", transparency=2)) == (90, 80, 70)
    assert colour(saved(palette, "PNG", transparency=bytes([255, 0, 255]))) == (255, 255, 255)
    assert colour(saved(palette, "GIF", transparency=1)) == (255, 255, 255)
    grey = Image.new("L", (5, 4), 60)
    assert colour(saved(grey, "PNG", transparency=60)) == (255, 255, 255)
    assert colour(saved(grey, "PNG", transparency=61)) == (60, 60, 60)
    rgb = Image.new("RGB", (5, 4), (1, 2, 3))
    assert colour(saved(rgb, "PNG", transparency=(1, 2, 3))) == (255, 255, 255)
    assert colour(saved(rgb, "PNG", transparency=(1, 2, 4))) == (1, 2, 3)


@pytest.mark.parametrize(
    ("mode", "value", "expected"),
    [
        ("PA", (0, 0), (255, 255, 255)),
        ("La", (0, 0), (255, 255, 255)),
        ("La", (40, 255), (40, 40, 40)),
        ("RGBa", (0, 0, 0, 0), (255, 255, 255)),
        ("RGBX", (9, 8, 7, 0), (9, 8, 7)),
        ("YCbCr", (100, 128, 128), (100, 100, 100)),
        ("HSV", (0, 0, 120), (120, 120, 120)),
    ],
)
def test_rare_modes(mode: str, value: tuple[int, ...], expected: tuple[int, ...]) -> None:
    assert to_rgb(Image.new(mode, (3, 3), value)).getpixel((1, 1)) == expected


def test_cmyk_jpeg() -> None:
    c, m, y, k = 200, 30, 90, 40
    found = colour(saved(Image.new("CMYK", (16, 16), (c, m, y, k)), "JPEG", quality=100))
    expected = [(255 - ink) * (255 - k) / 255 for ink in (c, m, y)]
    assert np.abs(np.asarray(found) - expected).max() <= 3


@pytest.mark.parametrize("kind", ["PNG", "TIFF"])
def test_16_bit_grey_keeps_its_full_scale(kind: str) -> None:
    levels = np.asarray([[0, 257, 32768, 65535]], np.uint16)
    decoded = decode(saved(Image.fromarray(levels), kind))
    assert decoded.mode == "I;16"
    assert pixels(decoded)[0, :, 0].tolist() == [0, 1, round(32768 / 257), 255]
    # By a known range two files stay comparable: a dark picture is not stretched.
    dark = saved(Image.fromarray(np.full((2, 2), 514, np.uint16)), kind)
    full = decode(dark, render=Render(ranges=Ranges(integers=(0, 65535))))
    assert (full.image.getpixel((0, 0)), full.rendered.range) == ((2, 2, 2), "known")


def test_big_endian_16_bit_tiff() -> None:
    levels = np.asarray([[0, 514], [25700, 65535]], ">u2")
    image = Image.frombytes("I;16B", (2, 2), levels.tobytes())
    assert pixels(decode(saved(image, "TIFF")))[:, :, 0].tolist() == [[0, 2], [100, 255]]


@pytest.mark.parametrize(
    ("values", "expected"),
    [
        ([0.0, 0.5, 1.0], [0, 128, 255]),  # 0–1: scaled
        ([0.0, 100.0, 255.0], [0, 100, 255]),  # 0–255: kept
        ([-10.0, 0.0, 10.0], [0, 128, 255]),  # anything else: stretched
        ([1000.0, 1000.0, 1000.0], [0, 0, 0]),  # nothing to stretch
    ],
)
def test_floating_point_tiff(values: list[float], expected: list[int]) -> None:
    image = Image.fromarray(np.asarray([values], np.float32))
    assert pixels(decode(saved(image, "TIFF")))[0, :, 1].tolist() == expected


def test_32_bit_grey_tiff() -> None:
    image = Image.fromarray(np.asarray([[-5, 0, 5]], np.int32))
    assert pixels(decode(saved(image, "TIFF")))[0, :, 2].tolist() == [0, 128, 255]


@pytest.mark.parametrize("value", [np.nan, np.inf, -np.inf])
def test_floating_point_pixels_that_are_no_numbers_are_black(value: float) -> None:
    data = saved(Image.fromarray(np.asarray([[0.2, 1, value]], np.float32)), "TIFF")
    assert pixels(decode(data))[0, :, 0].tolist() == [51, 255, 0]
    with pytest.raises(ImageError, match="NaN or infinity"):  # as bundles of before schema version 4 have it
        decode(data, render=AS_BEFORE)


# Formats


@pytest.mark.parametrize("kind", ["GIF", "WEBP", "PNG", "TIFF", "AVIF"])
def test_the_first_frame_of_several(kind: str) -> None:
    frames = [Image.new("RGB", (16, 16), tone) for tone in ((250, 0, 0), (0, 250, 0), (0, 0, 250))]
    data = saved(frames[0], kind, save_all=True, append_images=frames[1:])
    with Image.open(io.BytesIO(data)) as image:
        assert getattr(image, "n_frames", 1) == 3
    red, green, blue = colour(data)
    assert red > 230
    assert max(green, blue) < 20


@pytest.mark.parametrize("kind", ["JPEG", "PNG", "WEBP", "AVIF", "GIF", "BMP", "TIFF", "PPM", "ICO", "JPEG2000", "TGA"])
def test_every_format_by_its_content(kind: str) -> None:
    decoded = decode(saved(picture(64, 64), kind))
    assert decoded.format == kind
    assert (decoded.width, decoded.height, decoded.reduced) == (64, 64, 1)
    assert type(decoded.image) is Image.Image  # nothing that holds on to a file or decoder
    difference = np.abs(pixels(decoded).astype(int) - np.asarray(picture(64, 64)))
    assert difference.mean() < (12 if kind == "GIF" else 3)


def test_mpo_is_read_as_its_first_picture() -> None:
    first, second = picture(seed=1), picture(seed=2)
    decoded = decode(saved(first, "MPO", save_all=True, append_images=[second]), lambda w, h: (w // 2, h // 2))
    assert (decoded.format, decoded.reduced, decoded.image.size) == ("MPO", 2, (24, 16))
    halved = np.asarray(first.resize((24, 16), Image.Resampling.BOX)).astype(int)
    assert np.abs(pixels(decoded) - halved).mean() < 5


def test_vector_and_program_formats_are_not_tried() -> None:
    for data in (b"%!PS-Adobe-3.0 EPSF-3.0\n%%BoundingBox: 0 0 9 9\n", b"<svg xmlns='http://www.w3.org/2000/svg'/>"):
        assert reason(data) == "not an image"


# Bad bytes


@pytest.mark.parametrize(
    ("data", "expected"),
    [
        (b"", "empty"),
        (b"just some text, not a picture", "not an image"),
        (b"\0" * 5000, "not an image"),
        (b"PK\x03\x04" + bytes(200), "not an image"),
        (b"\xff\xd8\xff", "damaged"),
        (b"\x89PNG\r\n\x1a\n" + bytes(40), "damaged"),
        (b"GIF89a" + bytes(40), "damaged"),
        (b"II*\0" + b"\xff" * 40, "damaged"),
    ],
)
def test_what_is_no_picture(data: bytes, expected: str) -> None:
    assert reason(data) == expected


def test_the_message_shows_how_the_file_starts() -> None:
    with pytest.raises(ImageError, match="the file starts with “<!DOCTYPE ht”"):
        decode(b"<!DOCTYPE html><html>404</html>")
    with pytest.raises(ImageError, match="it begins like a file of type PNG"):
        decode(b"\x89PNG\r\n\x1a\n" + bytes(40))
    with pytest.raises(ImageError, match="HEIC"):
        decode(b"\0\0\0\x18ftypheic\0\0\0\0" + bytes(40))


@pytest.mark.parametrize("kind", ["JPEG", "PNG", "WEBP", "TIFF", "BMP", "JPEG2000", "AVIF"])
def test_half_a_file_is_truncated_or_damaged(kind: str) -> None:
    data = saved(picture(200, 150), kind)
    assert reason(data[: len(data) // 2]) in {"truncated", "damaged"}


def test_what_libtiff_says_of_a_damaged_file_is_not_printed(capfd: pytest.CaptureFixture[str]) -> None:
    noise = np.random.default_rng(0).integers(0, 256, (64, 64, 3), dtype=np.uint8)
    data = bytearray(saved(Image.fromarray(noise), "TIFF", compression="tiff_lzw"))
    data[len(data) // 2 : len(data) // 2 + 400] = b"\xff" * 400
    with pytest.raises(ImageError, match="its picture cannot be decoded"):
        decode(bytes(data))
    assert capfd.readouterr().err == ""  # libtiff writes past Python: “tempfile.tif: Using code not yet in table.”


def test_a_jpeg_without_its_end_is_truncated() -> None:
    data = saved(picture(200, 150), "JPEG")
    assert reason(data[: len(data) * 3 // 4]) == "truncated"


def test_a_jpeg_whose_end_is_zeros_is_truncated() -> None:
    exif = Image.Exif()
    exif[0x9286] = saved(picture(60, 40), "JPEG")  # with an end of its own, before the picture
    data = saved(picture(200, 150), "JPEG", exif=exif.tobytes())
    assert decode(data + bytes(5000)).image.size == (200, 150)
    assert decode(data[:-2] + b"\xff\xd9" + data).image.size == (200, 150)
    assert reason(data[: len(data) * 3 // 4] + bytes(len(data))) == "truncated"


@pytest.mark.parametrize(
    ("frame", "words"),
    [
        (b"\xff\xc3\0\x0b\x08", "a lossless JPEG"),
        (b"\xff\xc1\0\x0b\x0c", "a JPEG of 12 bits a colour"),
        (b"\xff\xf7\0\x0b\x08", "a JPEG-LS"),
    ],
)
def test_kinds_of_jpeg_that_cannot_be_read_are_named(frame: bytes, words: str) -> None:
    scan = b"\0\x08\0\x08\1\1\x11\0\xff\xda\0\x08\1\1\0\0\0\0" + bytes(20) + b"\xff\xd9"
    with pytest.raises(ImageError, match=f"not an image: {words}, which cannot be read here; save it as PNG"):
        decode(b"\xff\xd8" + frame + scan)


def test_a_file_too_long_is_refused_unread() -> None:
    assert reason(bytes(MAX_BYTES + 1)) == "too large"


def test_an_error_survives_the_way_from_another_process() -> None:
    copy = pickle.loads(pickle.dumps(ImageError("damaged", "a detail")))
    assert (str(copy), copy.reason, copy.detail) == ("damaged: a detail", "damaged", "a detail")


# Too many pixels


def png(width: int, height: int, colour_type: int = 0, *, complete: bool = True) -> bytes:
    """A PNG of nothing but zeros, which take next to no room; or its header alone."""

    def chunk(name: bytes, body: bytes) -> bytes:
        return struct.pack(">I", len(body)) + name + body + struct.pack(">I", zlib.crc32(name + body))

    header = chunk(b"IHDR", struct.pack(">2I5B", width, height, 8, colour_type, 0, 0, 0))
    body = b""
    if complete:
        row = bytes(1 + width * {0: 1, 2: 3, 6: 4}[colour_type])
        packer = zlib.compressobj(1)
        body = chunk(b"IDAT", b"".join(packer.compress(row) for _ in range(height)) + packer.flush())
    return b"\x89PNG\r\n\x1a\n" + header + body + chunk(b"IEND", b"")


def with_size(kind: str, width: int, height: int) -> bytes:
    """A small picture whose header announces another size."""
    data = bytearray(saved(picture(), kind))
    if kind == "JPEG":
        data[(at := data.index(b"\xff\xc0") + 5) : at + 4] = struct.pack(">2H", height, width)
    elif kind == "GIF":
        data[6:10] = struct.pack("<2H", width, height)
    elif kind == "BMP":
        data[18:26] = struct.pack("<2i", width, height)
    elif kind == "WEBP":
        data[26:30] = struct.pack("<2H", width, height)
    elif kind == "JPEG2000":
        data[(at := data.index(b"ihdr") + 4) : at + 8] = struct.pack(">2I", height, width)
    return bytes(data)


def icon(width: int, height: int) -> bytes:
    """An ICO that says 16×16 and holds a PNG of another size."""
    inside = png(width, height, 6)
    return struct.pack("<3H4B2H2I", 0, 1, 1, 16, 16, 0, 0, 1, 32, len(inside), 22) + inside


@pytest.mark.parametrize(
    "data",
    [
        png(30_000, 30_000, complete=False),
        png(9_500, 9_500, complete=False),
        png(1, MAX_SIDE + 1),
        png(MAX_SIDE + 1, 1),
        with_size("JPEG", 12_000, 12_000),
        with_size("GIF", 65_000, 65_000),
        with_size("BMP", 20_000, 6_000),
        with_size("WEBP", 16_000, 16_000),
        with_size("JPEG2000", 60_000, 60_000),
    ],
    ids=["PNG 900 M", "PNG 90 M", "tall", "wide", "JPEG", "GIF", "BMP", "WEBP", "JPEG2000"],
)
def test_too_many_pixels(data: bytes) -> None:
    assert len(data) < 100_000
    assert reason(data) == "too large"


def test_the_largest_sides_are_decoded() -> None:
    assert decode(png(MAX_SIDE, 3)).image.size == (MAX_SIDE, 3)


def test_an_icon_that_hides_a_large_picture() -> None:
    assert decode(icon(16, 16)).image.size == (16, 16)
    assert reason(icon(9_500, 9_500)) == "too large"


LIMITED = """
import resource, sys
from drivetrain.core.errors import ImageError
from drivetrain.data.image.decode import decode
decode(open(sys.argv[1], "rb").read())  # all that is loaded once is loaded
used = int(open("/proc/self/statm").read().split()[0]) * resource.getpagesize()
resource.setrlimit(resource.RLIMIT_AS, (used + (128 << 20), resource.RLIM_INFINITY))
for name in sys.argv[1:]:
    try:
        print(decode(open(name, "rb").read()).image.size)
    except ImageError as error:
        print(error.reason)
"""


@pytest.mark.processes
@pytest.mark.skipif(sys.platform != "linux", reason="the limit on a process's memory is Linux's")
def test_too_many_pixels_are_refused_without_allocating_them(tmp_path: Path) -> None:
    """With 128 MiB to spare: what is above the bound is refused by its header; what is below it fails for memory."""
    files = {
        "small": png(16, 16),
        "just too large": png(9_500, 9_500, 2),
        "large JPEG": with_size("JPEG", 12_000, 12_000),
        "hidden in an icon": icon(9_500, 9_500),
        "within bounds": png(9_400, 9_400, 2),
    }
    for name, data in files.items():
        (tmp_path / name).write_bytes(data)
    done = subprocess.run(
        [sys.executable, "-c", LIMITED, *map(str, map(tmp_path.joinpath, files))],
        capture_output=True,
        text=True,
        check=True,
        timeout=120,
    )
    assert done.stdout.splitlines() == ["(16, 16)", "too large", "too large", "too large", "out of memory"]


def test_the_bounds_are_what_pillow_itself_warns_of() -> None:
    assert Image.MAX_IMAGE_PIXELS == MAX_PIXELS


# Broken on purpose


@cache
def seeds() -> dict[str, tuple[bytes, ...]]:
    rgb, grey = picture(24, 20), picture(24, 20).convert("L")
    frames = [picture(24, 20, seed) for seed in (1, 2)]
    return {
        "JPEG": (saved(rgb, "JPEG", exif=tagged(6)), saved(grey, "JPEG", progressive=True)),
        "PNG": (saved(rgb, "PNG", exif=tagged(6)), saved(rgb.quantize(8), "PNG", transparency=3), saved(grey, "PNG")),
        "GIF": (saved(rgb, "GIF"), saved(rgb, "GIF", save_all=True, append_images=frames)),
        "WEBP": (saved(rgb, "WEBP", exif=tagged(6)), saved(rgb, "WEBP", lossless=True)),
        "TIFF": (saved(rgb, "TIFF"), saved(rgb, "TIFF", compression="tiff_lzw"), saved(grey, "TIFF", exif=tagged(6))),
        "AVIF": (saved(rgb, "AVIF", speed=10),),
        "other": (saved(rgb, "BMP"), saved(rgb, "ICO", sizes=[(16, 16)]), saved(rgb, "JPEG2000"), saved(rgb, "TGA")),
    }


@st.composite
def mutants(draw: st.DrawFn, kind: str) -> bytes:
    data = bytearray(draw(st.sampled_from(seeds()[kind])))
    for _ in range(draw(st.integers(1, 6))):
        # Headers decide most, so half of the changes fall there.
        reach = draw(st.sampled_from([min(len(data), 80), len(data)]))
        at = draw(st.integers(0, max(reach - 1, 0)))
        change = draw(st.sampled_from(["flip", "cut", "drop", "insert", "repeat"]))
        if change == "flip":
            data[at : at + 1] = bytes([draw(st.sampled_from([0, 1, 127, 128, 255]) | st.integers(0, 255))])
        elif change == "cut":
            del data[at:]
        elif change == "drop":
            del data[at : at + draw(st.integers(1, 16))]
        elif change == "insert":
            data[at:at] = draw(st.sampled_from([b"\xff\xff\xff\xff", b"\0\0\0\0", b"\x7f\xff", b"\0"]))
        else:
            data[at:at] = data[at : at + draw(st.integers(1, 40))]
    return bytes(data)


@pytest.mark.thorough
@pytest.mark.parametrize("kind", ["JPEG", "PNG", "GIF", "WEBP", "TIFF", "AVIF", "other"])
def test_altered_bytes_give_a_picture_or_an_image_error(kind: str) -> None:
    outcomes = set()

    @settings(max_examples=250, deadline=None, derandomize=True, database=None)
    @given(data=mutants(kind), smaller=st.booleans())
    def check(data: bytes, smaller: bool) -> None:
        try:
            decoded = decode(data, (lambda w, h: (max(1, w // 2), max(1, h // 2))) if smaller else None)
        except ImageError as error:
            outcomes.add(error.reason)
        else:
            assert decoded.image.mode == "RGB"
            assert decoded.image.size == (
                -(-decoded.width // decoded.reduced),
                -(-decoded.height // decoded.reduced),
            )
            outcomes.add("picture")

    check()
    assert outcomes <= {"picture", "empty", "not an image", "truncated", "damaged", "too large"}
    assert {"picture", "damaged"} <= outcomes  # else the changes are too wild, or too tame, to tell anything


@settings(max_examples=300, deadline=None, derandomize=True, database=None)
@given(
    signature=st.sampled_from(
        [
            b"",
            b"\xff\xd8\xff\xe0",
            b"GIF89a",
            b"II*\0\x08\0\0\0",
            b"MM\0*\0\0\0\x08",
            b"BM",
            b"\0\0\1\0\1\0",
            b"P6 9 9 255 ",
        ]
    ),
    rest=st.binary(max_size=300),
)
def test_noise_gives_a_picture_or_an_image_error(signature: bytes, rest: bytes) -> None:
    with suppress(ImageError):
        assert decode(signature + rest).image.mode == "RGB"


# Files that Pillow refuses for something else than their picture: who else reads it.
GOOD_ALL_THE_SAME: dict[str, Callable[[Path], Pixels]] = {
    "apng__chunk_no_fctl.png": lambda path: read_by_opencv(path),
    "hopper_unknown_pixel_mode.tif": lambda path: (tifffile.imread(path) >> 24).astype(np.uint8),
    "hopper_webp.tif": lambda path: np.asarray(tifffile.imread(path), np.uint8),
    "png_decompression_dos.png": lambda path: read_by_opencv(path),
    "unknown_compression_method.png": lambda path: read_by_opencv(path),
}


def read_by_opencv(path: Path) -> Pixels:
    found = cv2.imread(str(path), cv2.IMREAD_COLOR_RGB)
    assert found is not None
    return np.asarray(found, np.uint8)


def test_files_that_make_pillow_raise_are_refused_or_read_right(data_root: Path) -> None:
    files = sorted((data_root / "broken").iterdir())
    assert len(files) == 36
    for file in files:
        if file.name in GOOD_ALL_THE_SAME:
            found = pixels(decode(file.read_bytes())).astype(int)
            assert np.abs(found - GOOD_ALL_THE_SAME[file.name](file)).max() <= 1, file.name
            continue
        with pytest.raises(ImageError) as caught:
            decode(file.read_bytes())
        assert caught.value.reason in {"not an image", "truncated", "damaged", "too large"}, file.name


def test_webp_named_jpg(data_root: Path) -> None:
    kinds = {
        path.name: decode(path.read_bytes()).format for path in sorted((data_root / "bears_fullsize").rglob("*.jpg"))
    }
    assert {"JPEG", "WEBP"} <= set(kinds.values())


# Reduced scale


@settings(max_examples=60, deadline=None, derandomize=True, database=None)
@given(
    width=st.integers(1, 400),
    height=st.integers(1, 400),
    least_w=st.integers(1, 400),
    least_h=st.integers(1, 400),
    orientation=st.integers(1, 8),
)
@example(width=9, height=10, least_w=1, least_h=1, orientation=1)  # an eighth is 2×2, neither of them an eighth
def test_never_below_the_size_asked_for(width: int, height: int, least_w: int, least_h: int, orientation: int) -> None:
    asked: list[tuple[int, int]] = []

    def at_least(stored_w: int, stored_h: int) -> tuple[int, int]:
        asked.append((stored_w, stored_h))
        return least_w, least_h

    decoded = decode(saved(picture(width, height), "JPEG", exif=tagged(orientation)), at_least)
    upright = (height, width) if orientation >= 5 else (width, height)
    stored = decoded.image.size if orientation < 5 else decoded.image.size[::-1]
    assert asked == [(width, height)]
    assert (decoded.width, decoded.height) == upright
    assert stored[0] >= min(least_w, width)
    assert stored[1] >= min(least_h, height)
    factor = max(f for f in (1, 2, 4, 8) if f == 1 or (width // f >= least_w and height // f >= least_h))
    assert decoded.reduced == factor
    assert stored == (-(-width // factor), -(-height // factor))


@pytest.mark.parametrize("kind", ["PNG", "WEBP", "TIFF", "GIF"])
def test_only_jpeg_is_reduced(kind: str) -> None:
    decoded = decode(saved(picture(200, 100), kind), lambda _w, _h: (10, 5))
    assert (decoded.reduced, decoded.image.size) == (1, (200, 100))


def test_the_upright_size_is_that_before_the_reduction() -> None:
    """1000×999 at an eighth is 125×125: from there on nobody can see which way it was turned."""
    data = saved(picture(1000, 999), "JPEG", exif=tagged(6))
    decoded = decode(data, lambda _w, _h: (100, 100))
    assert (decoded.width, decoded.height, decoded.reduced) == (999, 1000, 8)
    assert decoded.image.size == (125, 125)
    upright = decode(saved(picture(1000, 999), "JPEG", exif=tagged(3)), lambda _w, _h: (100, 100))
    assert (upright.width, upright.height, upright.image.size) == (1000, 999, (125, 125))
    square = decode(saved(picture(800, 800), "JPEG", exif=tagged(8)), lambda _w, _h: (100, 100))
    assert (square.width, square.height, square.image.size) == (800, 800, (100, 100))


@pytest.mark.parametrize("orientation", TURNS)
def test_a_reduced_picture_is_the_full_one_averaged(orientation: int) -> None:
    data = saved(picture(320, 240), "JPEG", quality=95, exif=tagged(orientation))
    full = decode(data)
    reduced = decode(data, lambda _w, _h: (80, 60))
    assert reduced.reduced == 4
    averaged = np.asarray(full.image.reduce(4)).astype(int)
    assert np.abs(pixels(reduced) - averaged).mean() < 1


@pytest.mark.parametrize("size", [(1, 4000), (4000, 1), (4000, 2), (3000, 2000)])
def test_small_pictures_of_odd_shapes(size: tuple[int, int]) -> None:
    data = saved(picture(*size), "JPEG")
    with Image.open(io.BytesIO(thumbnail(data, 160))) as small:
        assert max(small.size) == 160
        assert min(small.size) == max(1, round(160 * min(size) / max(size)))
    for method in ("crop", "pad", "squish"):
        spec = Preprocess(resize=Resize(method=method, size=(16, 16)), decode_floor=32)
        decoded = decode(data, spec.decode_size)
        side = max(decoded.image.size) if method == "pad" else min(decoded.image.size)
        assert side >= min(32, max(size) if method == "pad" else min(size))


# Threads


def test_many_threads_at_once_give_the_same_pixels() -> None:
    files = [
        saved(picture(90, 70, seed), kind)
        for seed, kind in enumerate(["JPEG", "PNG", "WEBP", "GIF", "TIFF", "AVIF", "BMP", "JPEG2000"])
    ]

    def digest(data: bytes) -> str:
        return hashlib.sha256(decode(data, lambda w, h: (w // 2, h // 2)).image.tobytes()).hexdigest()

    alone = [digest(data) for data in files]
    with ThreadPoolExecutor(12) as pool:
        together = list(pool.map(digest, files * 30))
    assert together == alone * 30


def test_what_pillow_says_to_programmers_is_put_in_plain_words() -> None:
    plain = saved(picture(), "PNG")
    body = b"Comment\0\0" + zlib.compress(b"a" * (2 << 20))
    text = struct.pack(">I", len(body)) + b"zTXt" + body + struct.pack(">I", zlib.crc32(b"zTXt" + body))
    for data, said in (
        (plain[:43] + b"\xff" * 9 + plain[52:], "its compressed picture is damaged"),
        (plain[:29] + bytes(4) + plain[33:], "its header cannot be read"),
        (forged.icon(plain[:33] + text + plain[33:]), "texts in its metadata"),
    ):
        with pytest.raises(ImageError, match=said) as error:
            decode(data)
        assert "Pillow" not in str(error.value)
        assert "MAX_" not in str(error.value)
