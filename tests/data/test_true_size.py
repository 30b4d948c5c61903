"""What a file makes its decoder allocate is known from its headers, and bounded; whatever size the file claims at first."""

from __future__ import annotations

import io
import json
import struct
import subprocess
import sys
import zlib
from collections.abc import Callable, Iterator, Mapping
from functools import partial
from pathlib import Path
from typing import Any

import forged
import heif_files
import imagecodecs
import numpy as np
import png_writer
import profiles
import pytest
import tiff_writer
from forged import plain, saved
from PIL import Image

from drivetrain.core.errors import ImageError
from drivetrain.data.image.decode import decode, decoding_bytes
from drivetrain.data.image.jpeg_scan import check_scans
from drivetrain.data.image.true_size import MAX_SIDE, TrueSize, true_size

LIMIT = 4_000_000
"""Pixels, as a server may have it."""
MEMORY = 800 << 20
"""Bytes that each child may take beyond what it starts with."""
NOISE = 6 << 20

Files = Mapping[str, bytes]
Made = Callable[[], bytes]

# Each would be decoded to more than the limit, or take far more memory or time than its size is worth.
REFUSED: Mapping[str, tuple[Made, str]] = {
    "png of two headers": (lambda: forged.png_of_two_headers(3000, 2000), "3000×2000"),
    "png in an icon": (lambda: forged.icon(forged.png_of_two_headers(3000, 2000)), "3000×2000"),
    "bitmap in an icon": (lambda: forged.icon(forged.dib(3000, 4000)), "3000×2000"),
    "run lengths in an icon": (lambda: forged.icon(forged.dib(3000, 6000, 1, 8)), "3000×3000"),
    "bmp of run lengths": (lambda: forged.bmp_of_run_lengths(3000, 3000), "3000×3000"),
    "ppm of odd depth": (lambda: forged.ppm_of_odd_depth(2500, 2000), "2500×2000"),
    "ppm as text": (lambda: forged.ppm_as_text(2500, 2000), "2500×2000"),
    "tga": (lambda: forged.tga_of_run_lengths(3000, 3000), "3000×3000"),
    "gif": (lambda: forged.gif(3000, 3000), "3000×3000"),
    "gif beyond its screen": (lambda: forged.gif(3000, 3000, (16, 16)), "3000×3000"),
    "jpeg of two frames": (forged.jpeg_of_two_frames, "65535×65535"),
    "jpeg of many scans": (lambda: forged.jpeg_of_scans(1600, 3000), "in more than 100 scans"),
    "jpeg of many segments": (lambda: forged.jpeg_after(b"\xff\xe5\0\2" * 20_000), "more than 8192 parts"),
    "jpeg of filling": (lambda: forged.jpeg_after(b"\xff" * 400_000), "before its picture"),
    "jpeg of rubbish": (lambda: forged.jpeg_after(b"\xff\xd0" + b"x" * 400_000), "before its picture"),
    "png of many chunks": (lambda: forged.png_of_chunks(140_000), "more than 131072 chunks"),
    "icon of many pictures": (lambda: forged.icon(forged.png_of_chunks(9), 300), "300 pictures"),
    "icon of one picture many times": (lambda: forged.icon(forged.png_of_chunks(1000), 200), "more than 655 chunks"),
    "gif of comments": (lambda: forged.gif_after(b"!\xfe\1a\0" * 300_000), "blocks before its picture"),
    "gif of one comment": (lambda: forged.gif_after(b"!\xfe" + b"\1a" * 300_000 + b"\0"), "blocks before its picture"),
    "gif of nothing": (lambda: forged.gif_after(b"\0" * 40_000), "blocks before its picture"),
    "ppm after a comment": (lambda: b"P6\n#" + b"x" * 70_000 + b"\n8 8\n255\n" + bytes(192), "KiB of comments"),
    "jpeg of much exif": (lambda: forged.jpeg_with_exif(400_000), "MiB of EXIF"),
    "webp on a large canvas": (lambda: forged.webp_of_canvas(3000, 3000), "3000×3000"),
    "webp of many chunks": (lambda: forged.webp_of_chunks(140_000), "more than 131072 chunks"),
    "avif that claims less": (lambda: forged.avif_that_claims_less(2100, 2100), "2100×2100"),
    "avif of 16,000 a side": (lambda: forged.avif(b"av01", forged.av1_sequence(16000, 16000)), "16000×16000"),
    "avif frame of its own size": (lambda: forged.avif(b"av01", forged.av1_of_own_size()), "65536×65536"),
    "avif frame of its own size again": (lambda: forged.avif(b"av01", forged.av1_of_own_size(7)), "65536×65536"),
    "avif of many operating points": (
        lambda: forged.avif(b"av01", forged.av1_of_many_points(16000, 16000)),
        "16000×16000",
    ),
    "avif after much padding": (
        lambda: forged.avif(
            b"av01", forged.av1_sequence(16, 16) + b"\x7a\0" * 20_000 + forged.av1_sequence(16000, 16000)
        ),
        "more than 20000 parts",
    ),
    "avif of one picture many times": (
        lambda: forged.avif_of_many_items(3000, forged.av1_sequence(16, 16) * 9000),
        "far more bytes than the file",
    ),
    "avif of many boxes": (
        lambda: forged.box(b"ftyp", b"avif", bytes(4), b"avifmif1miaf") + forged.box(b"free") * 20_000,
        "more than 20000 parts",
    ),
    "avif that claims more": (lambda: forged.avif(b"av01", forged.av1_sequence(16, 16), (9000, 9000)), "9000×9000"),
    "heic": (lambda: heif_files.saved(_picture(2100, 2100), **LOSSY), "2104×2104"),
    "heic that claims less": (lambda: heif_files.that_claims_less(_picture(2112, 2112)), "2112×2112"),
    "heic that claims more": (
        lambda: heif_files.heif([heif_files.grid(9000, 9000, 1, 1)], [(b"dimg", 1, [1])]),
        "others",
    ),
    "j2k": (lambda: forged.j2k(3000, 3000), "3000×3000"),
    "j2k of many components": (lambda: forged.j2k(64, 64, components=9000), "9000 components"),
    "j2k of many tiles": (lambda: forged.j2k(2000, 2000, tile=(2, 2)), "of memory"),
    "j2k of tiny precincts": (lambda: forged.j2k(2000, 2000, precinct=1), "of memory"),
    "j2k of many layers": (lambda: forged.j2k(2000, 2000, precinct=3, layers=65535), "of memory"),
    "j2k of tiny precincts after a marker unknown": (
        lambda: forged.j2k_after(b"\xff\x30", 2000, 2000) + bytes(70_000),
        "of memory",
    ),
    "j2k of many comments": (
        lambda: forged.j2k_after(b"\xff\x64\0\5\0\0x" * 100_000, 2000, 2000),
        "more than 100000 parts",
    ),
    "jp2 that claims less": (lambda: forged.jp2_that_claims_less(2100, 2100), "2100×2100"),
    "tiff of large tiles": (lambda: forged.tiff_of_large_tiles(60_000), "of memory"),
    "tiff of many numbers": (lambda: forged.tiff_of_numbers(5_000_000), "5000007 numbers"),
    "tiff of many numbers in exif": (lambda: forged.tiff_of_numbers(5_000_000, pointer=True), "5000008 numbers"),
    "tiff of many strips": (lambda: forged.tiff_of_many_strips(300_000), "300000 pieces"),
    "tiff of many pieces": (lambda: forged.tiff_of_many_strips(200_000), "200000 pieces"),
    "tiff lzma": (lambda: forged.tiff_deflated(3000, 3000, "lzma"), "3000×3000"),
}


LOSSY = {"quality": 50, "chroma": 420, "matrix_coefficients": 6}


def _picture(height: int, width: int) -> heif_files.Pixels:
    y, x = np.mgrid[:height, :width]
    return np.stack([x % 256, y % 256, (x + y) % 256], -1).astype(np.uint8)


def _grey(kind: type[np.generic]) -> Image.Image:
    return Image.fromarray(np.zeros((2000, 2000), kind))


def _turned(kind: str) -> bytes:
    return saved(plain(2000, 2000), kind, exif=_turning_exif())


def _turning_exif() -> Image.Exif:
    exif = Image.Exif()
    exif[0x0112] = 6
    return exif


WIDE = profiles.matrix_profile("Adobe RGB (1998)")


def deep_tiffs() -> Iterator[tuple[str, Made]]:
    """TIFFs that Pillow does not read, of four megapixels, in strips and tiles that are large or many."""
    for name, bits, kind, samples, options in (
        ("planes", 16, "u", 3, {"planar": True}),
        ("planes in one strip each", 16, "u", 3, {"planar": True, "rows": 1900, "compression": "LZW"}),
        ("opacity", 16, "u", 4, {"extra": (1,), "compression": "deflate", "predictor": 2}),
        ("floating point", 64, "f", 3, {"rows": 1900, "compression": "deflate", "predictor": 3}),
        ("floating point and opacity", 32, "f", 4, {"extra": (2,), "tile": (512, 512)}),
        ("64 bits", 64, "u", 1, {"photometric": 1, "rows": 1}),
        ("12 bits", 12, "u", 3, {"rows": 100}),
        ("1 bit", 1, "u", 3, {"rows": 1900}),
        ("24 bits", 24, "u", 1, {"photometric": 1, "rows": 1900}),
        ("6 bands", 8, "u", 6, {"photometric": 1, "extra": (0,) * 5, "rows": 1900, "compression": "LZW"}),
        ("inks", 16, "u", 4, {"photometric": 5, "planar": True}),
        ("palette", 16, "u", 1, {"photometric": 3, "more": {320: (3, [7] * (3 << 16))}}),
        ("YCbCr", 8, "u", 3, {"photometric": 6, "more": {530: (3, [1, 1])}}),
        ("CIELAB", 16, "u", 3, {"photometric": 8, "planar": True}),
        ("tiles beyond the edge", 16, "u", 3, {"tile": (1904, 4096), "planar": True}),
    ):
        form = tiff_writer.Form(bits, kind, **{"photometric": 2, "rows": 16, **options})
        zeros = np.zeros(
            (1900, 1900, samples), f"{kind}{max(bits, 8) // 8}" if bits in (1, 8, 16, 32, 64) else np.uint32
        )
        yield name, partial(tiff_writer.write, zeros, form)


def deep_pngs() -> Iterator[tuple[str, Made]]:
    """PNGs of 16 bits a channel, and with a text to be left out."""
    for name, colour, samples in (
        ("16 bits RGB", 2, 3),
        ("16 bits RGB and opacity", 6, 4),
        ("16 bits grey and opacity", 4, 2),
    ):
        yield name, partial(png_writer.write, np.zeros((1900, 1900, samples), np.uint16), 16, colour)
    clear = png_writer.chunk(b"tRNS", bytes(6))
    yield (
        "16 bits RGB, one clear",
        partial(png_writer.write, np.zeros((1900, 1900, 3), np.uint16), 16, 2, before=[clear]),
    )
    long = png_writer.chunk(b"tEXt", bytes(20 << 20))
    yield "long text", partial(png_writer.write, np.zeros((1900, 1900, 3), np.uint8), 8, 2, before=[long])
    profile = png_writer.chunk(b"iCCP", b"p\0\0" + zlib.compress(bytes(3 << 20)))
    yield "profile", partial(png_writer.write, np.zeros((1900, 1900, 3), np.uint8), 8, 2, before=[profile])


# All of these are within the limit, and take no more than their headers let expect.
BOUNDED: Mapping[str, Made] = {
    "jpeg": lambda: saved(plain(2000, 2000), "JPEG"),
    "jpeg, grey": lambda: saved(plain(2000, 2000, "L"), "JPEG"),
    "jpeg, turned": lambda: _turned("JPEG"),
    "jpeg, progressive": lambda: saved(plain(2000, 2000), "JPEG", progressive=True, subsampling=0),
    "jpeg, progressive inks": lambda: saved(plain(2000, 2000, "CMYK"), "JPEG", progressive=True, subsampling=0),
    "jpeg, a wide space": lambda: saved(plain(2000, 2000), "JPEG", icc_profile=WIDE),
    "jpeg, a wide space, turned": lambda: saved(plain(2000, 2000), "JPEG", icc_profile=WIDE, exif=_turning_exif()),
    "jpeg, inks of a press": lambda: saved(plain(2000, 2000, "CMYK"), "JPEG", icc_profile=profiles.press_profile(23)),
    "jpeg, grey of a profile": lambda: saved(plain(2000, 2000, "L"), "JPEG", icc_profile=profiles.grey_profile(1.8)),
    "png, clear in a wide space": lambda: saved(plain(2000, 2000, "RGBA"), "PNG", icc_profile=WIDE),
    "png, palette in a wide space": lambda: saved(plain(2000, 2000, "P"), "PNG", icc_profile=WIDE),
    "png, 16 bits of a profile": lambda: saved(_grey(np.uint16), "PNG", icc_profile=profiles.grey_profile(1.8)),
    "tiff, inks of a press": lambda: saved(plain(2000, 2000, "CMYK"), "TIFF", icc_profile=profiles.press_profile(23)),
    "tiff, floats of a profile": lambda: saved(_grey(np.float32), "TIFF", icc_profile=profiles.grey_profile(1.8)),
    "webp, a wide space": lambda: saved(
        plain(2000, 2000), "WEBP", lossless=True, quality=0, method=0, icc_profile=WIDE
    ),
    "png": lambda: saved(plain(2000, 2000), "PNG"),
    "png, two headers": lambda: forged.png_of_two_headers(2000, 2000),
    "png, clear": lambda: saved(plain(2000, 2000, "RGBA"), "PNG"),
    "png, clear and turned": lambda: saved(plain(2000, 2000, "RGBA"), "PNG", exif=b"Exif\0\0" + _exif_of_six()),
    "png, palette": lambda: saved(plain(2000, 2000, "P"), "PNG", transparency=0),
    "png, 16 bits": lambda: saved(_grey(np.uint16), "PNG"),
    "png, texts": lambda: forged.png_of_texts(60),
    "icon": lambda: forged.icon(forged.png_of_two_headers(2000, 2000)),
    "webp": lambda: saved(plain(2000, 2000, "RGBA"), "WEBP", lossless=True, quality=0, method=0),
    "webp, turned": lambda: _turned("WEBP"),
    "webp, canvas": lambda: forged.webp_of_canvas(2000, 2000),
    "avif": lambda: saved(plain(2000, 2000), "AVIF", speed=10, subsampling="4:4:4"),
    "avif, clear": lambda: saved(plain(2000, 2000, "RGBA"), "AVIF", speed=10),
    "avif, less": lambda: forged.avif_that_claims_less(1900, 1900),
    "heic": lambda: heif_files.saved(_picture(2000, 2000), **LOSSY),
    "heic, all colours": lambda: heif_files.saved(_picture(2000, 2000)),
    "heic, grey": lambda: heif_files.saved(_picture(2000, 2000)[..., 0], **LOSSY),
    "heic, clear": lambda: heif_files.saved(np.dstack([_picture(2000, 2000)] * 2)[..., :4], **LOSSY),
    "heic, 10 bits": lambda: heif_files.of_ten_bits(_picture(2000, 2000)),
    "heic, 10 bits of grey": lambda: heif_files.of_ten_bits(_picture(2000, 2000)[..., 0]),
    "heic, cells": lambda: heif_files.heif(*heif_files.of_cells(_picture(1900, 2000), 512, heif_files.irot(1))),
    "gif": lambda: saved(plain(2000, 2000, "P"), "GIF", transparency=0),
    "gif, a long comment": lambda: forged.gif_after(b"!\xfe" + (b"\xff" + b"x" * 255) * 100_000 + b"\0"),
    "gif, made by hand": lambda: forged.gif(2000, 2000),
    "bmp": lambda: saved(plain(2000, 2000), "BMP"),
    "bmp, run lengths": lambda: forged.bmp_of_run_lengths(900, 900),
    "ppm, odd depth": lambda: forged.ppm_of_odd_depth(900, 900),
    "tiff": lambda: forged.tiff_deflated(2000, 2000),
    "tiff, lzma": lambda: forged.tiff_deflated(2000, 2000, "lzma"),
    "tiff, tiles": lambda: forged.tiff_of_large_tiles(8000),
    "tiff, floating point": lambda: saved(_grey(np.float32), "TIFF"),
    "tiff, numbers": lambda: forged.tiff_of_numbers(200_000),
    **{f"tiff, {name}": made for name, made in deep_tiffs()},
    **{f"png, {name}": made for name, made in deep_pngs()},
    "ppm, 16 bits": lambda: b"P6 1900 1900 65535\n" + bytes(6 * 1900 * 1900),
    "j2k, 16 bits": lambda: bytes(imagecodecs.jpeg2k_encode(np.zeros((1900, 1900, 3), np.uint16), level=0)),
    "jpeg, mended": lambda: forged.jpeg_after(b"\xff\xee\0\7Adobe" + (b"\xff\xe5\xff\xff" + bytes(65533)) * 190),
    "webp, mended": lambda: saved(plain(1900, 1900), "WEBP", lossless=True, method=0, xmp=bytes(20 << 20))[:-9],
    "j2k": lambda: saved(plain(2000, 2000), "JPEG2000"),
    "j2k, tiles": lambda: forged.j2k(2000, 2000, tile=(20, 20), components=3),
    "j2k, blocks": lambda: forged.j2k(2000, 2000, block=0, components=3),
    "j2k, precincts": lambda: forged.j2k(500, 500, precinct=1),
    "j2k, layers": lambda: forged.j2k(500, 500, precinct=5, layers=65535),
}


def _exif_of_six() -> bytes:
    return b"MM\0*\0\0\0\x08\0\x01\x01\x12\0\x03\0\0\0\x01\0\x06\0\0\0\0\0\0"


@pytest.fixture(scope="module")
def measured(tmp_path_factory: pytest.TempPathFactory) -> Mapping[str, Any]:
    """What each file took in a process of its own."""
    folder = tmp_path_factory.mktemp("forged")
    for name, (make, _) in REFUSED.items():
        (folder / f"refused {name}").write_bytes(make())
    for name, other in BOUNDED.items():
        (folder / f"bounded {name}").write_bytes(other())
    script = Path(__file__).with_name("decoding_within.py")
    told = subprocess.run(
        [sys.executable, str(script), str(folder), str(LIMIT), str(MEMORY)], capture_output=True, text=True, check=True
    )
    found: Mapping[str, Any] = json.loads(told.stdout)
    return found


@pytest.mark.processes
@pytest.mark.parametrize("name", REFUSED)
def test_what_would_take_too_much_is_refused_before_it_does(measured: Mapping[str, Any], name: str) -> None:
    found = measured[f"refused {name}"]
    assert "died" not in found
    assert REFUSED[name][1] in found["error"]
    # How many scans there are takes a look at all of the file.
    assert found.get("refused") == (None if "scans" in name else found["error"])
    assert found["took"] < NOISE


@pytest.mark.processes
@pytest.mark.parametrize("name", BOUNDED)
def test_decoding_takes_no_more_than_the_headers_let_expect(measured: Mapping[str, Any], name: str) -> None:
    found = measured[f"bounded {name}"]
    assert "died" not in found
    assert found["header"] < NOISE
    assert found["took"] < found["need"] + NOISE


def test_a_picture_within_the_limit_is_what_it_was() -> None:
    data = forged.png_of_two_headers(100, 50)
    assert decode(data).image.size == (100, 50)
    data = forged.jpeg_of_scans(64, 50)
    assert decode(data).image.size == (64, 64)


def test_scans_in_what_follows_the_picture_do_not_count() -> None:
    data = saved(plain(64, 64), "JPEG", progressive=True) + b"\xff\xda" * 500
    assert decode(data).image.size == (64, 64)
    comment = b"\xff\xfe" + struct.pack(">H", 1002) + b"\xff\xda" * 500
    whole = saved(plain(64, 64), "JPEG", progressive=True)
    assert decode(whole[:2] + comment + whole[2:]).image.size == (64, 64)


def test_the_larger_a_picture_the_fewer_scans() -> None:
    data = forged.jpeg_of_scans(64, 40)
    check_scans(data, 2_000_000)
    with pytest.raises(ImageError, match="a JPEG of 80 million pixels in more than 20 scans"):
        check_scans(data, 80_000_000)
    check_scans(saved(plain(64, 64), "JPEG", progressive=True), 80_000_000)


def test_what_usually_stands_before_a_picture_is_no_hindrance() -> None:
    for data in (
        forged.gif_after(b"!\xfe" + b"\xff" * 256 * 400 + b"\0"),
        forged.jpeg_after((b"\xff\xe5" + b"\xff\xfd" + bytes(65531)) * 300),
        forged.png_of_chunks(2000),
        forged.icon(forged.png_of_chunks(100), 60),
        b"P4\n# 64 KiB and more of spaces, which are pixels too\n1024 1024\n" + b" " * (1 << 17),
    ):
        assert decode(data).image.size in ((8, 8), (64, 64), (1024, 1024))


def test_the_bound_is_the_callers() -> None:
    data = saved(plain(200, 100), "PNG")
    assert decode(data, max_pixels=20_000).image.size == (200, 100)
    with pytest.raises(ImageError, match=r"200×100 pixels; at most 0\.02 million"):
        decode(data, max_pixels=19_999)


def test_a_reduced_jpeg_takes_less() -> None:
    data = saved(plain(2000, 1000), "JPEG")
    whole = decoding_bytes(data)
    assert decoding_bytes(data, lambda _w, _h: (250, 125)) < whole / 3
    coefficients = saved(plain(2000, 1000), "JPEG", progressive=True)
    assert decoding_bytes(coefficients, lambda _w, _h: (250, 125)) > 2 * 3 * 2000 * 1000


def test_a_grid_of_pictures_has_the_size_it_is_put_together_to() -> None:
    grid = forged.avif(b"grid", b"\0\0\3\3" + struct.pack(">HH", 12_000, 11_000))
    with pytest.raises(ImageError, match="no AV1 picture"):
        true_size(grid)
    both = grid.replace(b"grid\0", b"av01\0")
    with pytest.raises(ImageError, match="no AV1 picture"):
        true_size(both)


def test_an_animation_keeps_several_pictures_at_once() -> None:
    frames = [Image.new("RGB", (64, 64), (tone, 0, 0)) for tone in (0, 90, 200)]
    size = true_size(saved(frames[0], "AVIF", save_all=True, append_images=frames[1:]))
    assert size is not None
    assert (size.width, size.height) == (64, 64)


@pytest.mark.parametrize(
    ("kind", "mode"),
    [
        *((kind, "RGB") for kind in ("JPEG", "PNG", "WEBP", "AVIF", "GIF", "BMP", "TIFF", "PPM", "JPEG2000", "TGA")),
        ("PNG", "RGBA"),
        ("WEBP", "RGBA"),
        ("AVIF", "RGBA"),
        ("JPEG", "L"),
        ("MPO", "RGB"),
        ("ICO", "RGBA"),
    ],
)
def test_the_size_of_an_honest_file(kind: str, mode: str) -> None:
    options: dict[str, Any] = {"sizes": [(44, 30)]} if kind == "ICO" else {}
    data = saved(plain(44, 30, mode), kind, **options)
    size = true_size(data)
    assert size is not None
    assert (size.width, size.height) == (44, 30)


def test_the_size_is_told_however_large() -> None:
    png = forged.PNG + forged.ihdr(2_000_000, 3_000_000) + forged.png_chunk(b"IDAT", b"")
    assert _told(png) == _told(forged.icon(png)) == (2_000_000, 3_000_000) > (MAX_SIDE, MAX_SIDE)
    bitmap = saved(plain(40, 30, "RGBA"), "ICO", sizes=[(40, 30)], bitmap_format="bmp")
    assert _told(bitmap) == (40, 30)
    assert _told(forged.webp_of_canvas(1 << 24, 1 << 24)) == (1 << 24, 1 << 24)


def _told(data: bytes) -> tuple[int, int]:
    size = true_size(data)
    assert isinstance(size, TrueSize)
    return size.width, size.height


@pytest.mark.parametrize("data", [b"", b"\xff\xd8\xff", b"%PDF-1.7", b"\0" * 99, b"\0\0\1\0\1\0" + bytes(16)])
def test_what_has_no_header_has_no_size(data: bytes) -> None:
    assert true_size(data) is None
    with pytest.raises(ImageError):
        decode(data)


def test_real_files_are_decoded_as_before(data_root: Path) -> None:
    for path in sorted((data_root / "bears_fullsize").rglob("*.jpg")):
        data = path.read_bytes()
        size = true_size(data)
        assert size is not None
        with Image.open(io.BytesIO(data)) as image:
            assert (size.width, size.height) == image.size
