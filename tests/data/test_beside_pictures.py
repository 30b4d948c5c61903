"""Metadata that are large, odd or damaged, in all formats but PNG: the picture is the same as without them."""

from __future__ import annotations

import io
import struct
from collections.abc import Iterator
from typing import Any

import numpy as np
import pytest
from PIL import Image, ImageCms
from PIL.TiffImagePlugin import ImageFileDirectory_v2

from drivetrain.data.image.containers import mended
from drivetrain.data.image.decode import decode
from drivetrain.data.image.metadata import strip_metadata

pytestmark = pytest.mark.filterwarnings("ignore::UserWarning")

HEIGHT, WIDTH = 40, 60
Y, X = np.mgrid[0:HEIGHT, 0:WIDTH]
RGB = np.stack([np.rint(128 + 100 * np.sin(X / (11 + s) + Y / 17 + s)) for s in range(3)], axis=2).astype(np.uint8)
PROFILE = ImageCms.ImageCmsProfile(ImageCms.createProfile("sRGB")).tobytes()
EMPTY_EXIF = b"Exif\0\0MM\0*\0\0\0\x08\0\0\0\0\0\0"


def saved(kind: str, **options: Any) -> bytes:
    buffer = io.BytesIO()
    Image.fromarray(RGB).save(buffer, kind, **options)
    return buffer.getvalue()


def jpegs() -> Iterator[tuple[str, bytes]]:
    plain = saved("JPEG", quality=95)

    def segment(marker: int, body: bytes) -> bytes:
        return bytes([255, marker]) + struct.pack(">H", len(body) + 2) + body

    def icc(number: int, count: int, body: bytes) -> bytes:
        return segment(0xE2, b"ICC_PROFILE\0" + bytes([number, count]) + body)

    looping = b"II*\0\x08\0\0\0\x01\0\x69\x87\x04\0\x01\0\0\0\x08\0\0\0\0\0\0\0"
    yield "jpeg", plain
    for name, segments in (
        ("13 MB of comments", [segment(0xFE, b"x" * 65000)] * 199),
        ("EXIF that lies beyond the file", [segment(0xE1, b"Exif\0\0II*\0\xff\xff\xff\x7f")]),
        ("EXIF within itself", [segment(0xE1, b"Exif\0\0" + looping)]),
        ("a profile of which parts are missing", [icc(2, 3, PROFILE[:100])]),
        ("a profile without a number", [segment(0xE2, b"ICC_PROFILE\0")]),
        ("a profile of no part", [icc(0, 0, b"")]),
        ("a profile's part twice", [icc(1, 2, PROFILE)] * 2),
        ("a profile of garbage", [icc(1, 1, b"garbage" * 100)]),
        ("a profile of 12 MB", [icc(number, 190, bytes(65000)) for number in range(1, 191)]),
        ("a Photoshop block cut short", [segment(0xED, b"Photoshop 3.0\x008BIM\x03\xed\0\0\0\0\0\x10\0\0\0")]),
        ("a short Adobe mark", [segment(0xEE, b"Adobe")]),
        ("a short JFIF head", [segment(0xE0, b"JFIF\0")]),
        ("an index of pictures that lies", [segment(0xE2, b"MPF\0II*\0\xff\xff\xff\xff")]),
        ("an empty index of pictures", [segment(0xE2, b"MPF\0")]),
        ("an empty segment", [segment(0xE5, b"")]),
        ("XMP cut short", [segment(0xE1, b"http://ns.adobe.com/xap/1.0/\0<x:xmpmeta")]),
        ("XMP of odd letters", [segment(0xE1, b"http://ns.adobe.com/xap/1.0/\0\xff\xfe\xff")]),
    ):
        yield f"jpeg {name}", plain[:2] + b"".join(segments) + plain[2:]
    yield "jpeg garbage before a marker", plain[:20] + b"\0\1\2\3" * 5 + plain[20:]
    yield "jpeg a segment without a length", plain[:2] + b"\xff\xe5\0\0" + plain[2:]
    yield "jpeg garbage behind the end", plain + b"garbage" * 1000


def webps() -> Iterator[tuple[str, bytes]]:
    plain = saved("WEBP", lossless=True, exif=EMPTY_EXIF, icc_profile=PROFILE, xmp=b"<x/>")
    chunks, at = [], 12
    while at < len(plain):
        kind, length = struct.unpack_from("<4sI", plain, at)
        chunks.append((kind, plain[at + 8 : at + 8 + length]))
        at += 8 + length + length % 2

    def riff(parts: list[tuple[bytes, bytes]]) -> bytes:
        body = b"".join(kind + struct.pack("<I", len(part)) + part + b"\0" * (len(part) % 2) for kind, part in parts)
        return b"RIFF" + struct.pack("<I", len(body) + 4) + b"WEBP" + body

    yield "webp", plain
    for name, kind, body in (
        ("EXIF of garbage", b"EXIF", b"\xff" * 50),
        ("empty EXIF", b"EXIF", b""),
        ("EXIF of 5 MB", b"EXIF", bytes(5 << 20)),
        ("a profile of garbage", b"ICCP", b"\0" * 9),
        ("an empty profile", b"ICCP", b""),
        ("a profile of 5 MB", b"ICCP", PROFILE + bytes(5 << 20)),
        ("XMP of odd letters", b"XMP ", b"\xff\xfe" * 9),
    ):
        yield f"webp {name}", riff([(other, body if other == kind else part) for other, part in chunks])
    yield "webp flags without chunks", riff([part for part in chunks if part[0] not in (b"EXIF", b"XMP ", b"ICCP")])
    yield "webp an unknown chunk", riff([chunks[0], (b"ABCD", b"x" * 99), *chunks[1:]])
    yield "webp EXIF twice", riff([*chunks, (b"EXIF", EMPTY_EXIF)])
    yield "webp XMP cut short", plain[:-3]
    yield "webp XMP cut to its head", plain[:-9]
    yield "webp garbage behind the end", plain + b"garbage" * 99


def gifs() -> Iterator[tuple[str, bytes]]:
    plain = saved("GIF")
    head = 13 + (6 << (plain[10] & 7))

    def blocks(body: bytes) -> bytes:
        return (
            b"".join(bytes([len(body[at : at + 255])]) + body[at : at + 255] for at in range(0, len(body), 255)) + b"\0"
        )

    yield "gif", plain
    for name, more in (
        ("a comment of 1 MB", b"!\xfe" + blocks(b"x" * (1 << 20))),
        ("XMP of 1 MB", b"!\xff\x0bXMP DataXMP" + blocks(b"y" * (1 << 20))),
        ("a comment of 9 MB", b"!\xfe" + blocks(b"x" * (9 << 20))),
        ("20,000 comments", b"!\xfe\1a\0" * 20_000),
        ("a long comment and its control", b"!\xf9\4\0\0\0\0\0!\xfe" + blocks(b"x" * 9999)),
        ("an unknown extension", b"!\x42" + blocks(b"q" * 999)),
        ("an empty comment", b"!\xfe\0"),
        ("a loop cut short", b"!\xff\x0bNETSCAPE2.0\x01\x01\0"),
    ):
        yield f"gif {name}", plain[:head] + more + plain[head:]
    yield "gif a comment of 9 MB behind", plain[:-1] + b"!\xfe" + blocks(b"x" * (9 << 20)) + b";"
    yield "gif no end", plain[:-1]


def tiffs() -> Iterator[tuple[str, bytes]]:
    for codec in (None, "tiff_lzw", "jpeg"):
        yield f"tiff {codec}", saved("TIFF", compression=codec)
        for name, profile in (("garbage", b"x" * 1000), ("5 MB", PROFILE + bytes(5 << 20)), ("one byte", b"x")):
            yield f"tiff {codec} a profile of {name}", saved("TIFF", compression=codec, icc_profile=profile)
        for name, tag, kind, value in (
            ("EXIF beyond the file", 34665, 4, 0xFFFFFF),
            ("EXIF that is no directory", 34665, 4, 8),
            ("GPS that is no directory", 34853, 4, 99),
            ("XMP of odd letters", 700, 7, b"\xff" * 5000),
            ("a Photoshop block that lies", 34377, 7, b"8BIM\x03\xed\0\0\xff\xff\xff\xff"),
            ("a text of 100 KB", 305, 2, "x" * 100_000),
            ("a private tag of 3 MB", 65000, 7, bytes(3 << 20)),
            ("a density of 0/0", 282, 5, 0),
            ("no number for no data", 42113, 2, "junk"),
        ):
            tags = ImageFileDirectory_v2()
            tags[tag] = value
            tags.tagtype[tag] = kind
            yield f"tiff {codec} {name}", saved("TIFF", compression=codec, tiffinfo=tags)
    for name, tag, kind, value in (("XMP that is a number", 700, 4, 7), ("a profile that is a number", 34675, 3, 5)):
        tags = ImageFileDirectory_v2()
        tags[tag] = value
        tags.tagtype[tag] = kind
        yield f"tiff None {name}", saved("TIFF", tiffinfo=tags)


def bmps() -> Iterator[tuple[str, bytes]]:
    rows = b"".join(row[:, ::-1].tobytes() for row in RGB[::-1])
    masks = struct.pack("<4I", 0xFF0000, 0xFF00, 0xFF, 0xFF000000)

    def bmp(size: int, more: bytes = b"", behind: bytes = b"") -> bytes:
        head = struct.pack("<IiiHHIIiiII", size, WIDTH, HEIGHT, 1, 24, 0, len(rows), 2835, 2835, 0, 0) + more
        total = 14 + size + len(rows) + len(behind)
        return b"BM" + struct.pack("<IHHI", total, 0, 0, 14 + size) + head.ljust(size, b"\0")[:size] + rows + behind

    yield "bmp", bmp(40)
    for size in (52, 56, 64, 108, 124):
        yield f"bmp a head of {size} bytes", bmp(size, masks)
    embedded = masks + b"DEBM" + bytes(48) + struct.pack("<IIII", 4, 124 + len(rows), len(PROFILE), 0)
    yield "bmp a profile", bmp(124, embedded, PROFILE)
    yield (
        "bmp a profile that lies",
        bmp(124, masks + b"DEBM" + bytes(48) + struct.pack("<IIII", 4, 0xFFFFFF, 0xFFFFFF, 0)),
    )
    yield "bmp a profile elsewhere", bmp(124, masks + b"KNIL" + bytes(48) + struct.pack("<IIII", 4, 99, 5, 0), b"a.icc")


def jpeg2000s() -> Iterator[tuple[str, bytes]]:
    plain = saved("JPEG2000")
    at = plain.index(b"jp2c") - 4
    yield "jp2", plain
    for size in (100, 5000, 1 << 20, 5 << 20):
        yield (
            f"jp2 a box of {size} bytes",
            plain[:at] + struct.pack(">I", size) + b"uuid" + bytes(size - 8) + plain[at:],
        )
    yield "jp2 garbage behind the end", plain + b"x" * 999
    yield "jp2 a profile of garbage", plain.replace(b"colr\x01\0\0", b"colr\x02\0\0")


FILES = {name: data for family in (jpegs(), webps(), gifs(), tiffs(), bmps(), jpeg2000s()) for name, data in family}


@pytest.mark.parametrize("name", FILES)
def test_the_picture_is_that_without_them(name: str) -> None:
    words = name.split()
    plain = FILES[" ".join(words[:2] if words[0] == "tiff" else words[:1])]
    assert np.array_equal(np.asarray(decode(FILES[name]).image), np.asarray(decode(plain).image))


@pytest.mark.parametrize("name", [name for name in FILES if name.startswith(("jpeg", "webp"))])
def test_without_metadata_it_is_the_same_picture(name: str) -> None:
    stripped, _ = strip_metadata(FILES[name])
    assert decode(stripped).image.tobytes() == decode(FILES[name]).image.tobytes()


def test_a_file_that_needs_no_mending_is_not_copied() -> None:
    for name in ("jpeg", "webp", "jp2", "gif"):
        assert mended(FILES[name]) is FILES[name]


def test_a_picture_cut_short_is_not_mended() -> None:
    for name in ("jpeg", "webp", "jp2"):
        data = FILES[name]
        cut = data[: len(data) // 2]
        assert mended(cut) is cut
