"""PNGs that hold more than a picture, or are damaged beside it: the picture is read, and nothing else is unpacked."""

from __future__ import annotations

import io
import struct
import tracemalloc
import zlib
from collections.abc import Mapping

import numpy as np
import png_writer
import pytest
from PIL import Image, ImageCms
from png_writer import chunk

from drivetrain.core.errors import ImageError
from drivetrain.data.image import png
from drivetrain.data.image.decode import decode, decoding_bytes
from drivetrain.data.image.metadata import strip_metadata

HEIGHT, WIDTH = 20, 30
VALUES = np.random.default_rng(0).integers(0, 256, (HEIGHT, WIDTH, 3))

BOMB = zlib.compress(bytes(20 << 20))
LONG = zlib.compress(b"a recipe " * 300_000)
TEXT = b"Comment\0a good one"
EXIF = png_writer.orientation(6)
XMP = b'<x:xmpmeta xmlns:x="adobe:ns:meta/"><rdf:Description tiff:Orientation="6"/></x:xmpmeta>'
LEGACY = b"Raw profile type exif\0\0" + zlib.compress(
    b"\nexif\n%8d\n" % (len(EXIF) + 6) + (b"Exif\0\0" + EXIF).hex().encode() + b"\n"
)
PROFILE = ImageCms.ImageCmsProfile(ImageCms.createProfile("sRGB")).tobytes()


def written(*before: bytes, after: tuple[bytes, ...] = (), piece: int = 1 << 20) -> bytes:
    return png_writer.write(VALUES, 8, 2, before=before, after=after, piece=piece)


def profile_of(size: int) -> bytes:
    """A usable profile of so many bytes: it says how many it has, and the rest belongs to no part of it."""
    return struct.pack(">I", size) + PROFILE[4:] + bytes(size - len(PROFILE))


def short_of(rows: int, *, bits: int = 8, interlaced: bool = False) -> bytes:
    """A picture without its last bytes, in a stream that says that it is whole."""
    whole = png_writer.write(VALUES, bits, 2, interlaced=interlaced)
    raw = zlib.decompress(b"".join(bytes(part.body(whole)) for part in png.chunks(whole) if part.kind == b"IDAT"))
    packed = zlib.compress(raw[: -rows * (1 + WIDTH * 3 * bits // 8)])
    return whole[:33] + chunk(b"IDAT", packed) + whole[-12:]


PLAIN = written()
END = PLAIN[-12:]

# What stands beside the pixels, and does no harm.
HARMLESS: Mapping[str, bytes] = {
    "nothing": PLAIN,
    "a long compressed text": written(chunk(b"zTXt", b"parameters\0\0" + LONG)),
    "a long compressed text of Unicode": written(chunk(b"iTXt", b"parameters\0\1\0\0\0" + LONG)),
    "a long plain text": written(chunk(b"tEXt", b"parameters\0" + b"x" * 3_000_000)),
    "a bomb in a text": written(chunk(b"zTXt", b"bomb\0\0" + BOMB)),
    "a hundred bombs": written(*[chunk(b"iTXt", b"bomb\0\1\0\0\0" + BOMB)] * 100),
    "a bomb in XMP": written(chunk(b"iTXt", b"XML:com.adobe.xmp\0\1\0\0\0" + BOMB)),
    "a bomb in EXIF as text": written(chunk(b"zTXt", b"Raw profile type exif\0\0" + BOMB)),
    "a text of an unknown compression": written(chunk(b"zTXt", b"a\0\7xyz")),
    "a text that is not compressed as it says": written(chunk(b"zTXt", b"a\0\0xyz")),
    "a text without a keyword's end": written(chunk(b"tEXt", b"x" * 90)),
    "a text of odd letters": written(chunk(b"iTXt", b"\xff\xfe\0\0\0\xff\0\xff\0\xff\xff")),
    "a damaged text": written(chunk(b"tEXt", TEXT, damaged=True)),
    "a damaged time": written(chunk(b"tIME", bytes(7), damaged=True)),
    "a time cut short": written(chunk(b"tIME", bytes(2))),
    "a damaged density": written(chunk(b"pHYs", bytes(9), damaged=True)),
    "a density cut short": written(chunk(b"pHYs", bytes(3))),
    "a damaged gamma": written(chunk(b"gAMA", struct.pack(">I", 45455), damaged=True)),
    "a gamma cut short": written(chunk(b"gAMA", bytes(2))),
    "chromaticities cut short": written(chunk(b"cHRM", bytes(9))),
    "an empty sRGB": written(chunk(b"sRGB", b"")),
    "a damaged background": written(chunk(b"bKGD", bytes(6), damaged=True)),
    "a damaged EXIF": written(chunk(b"eXIf", EXIF, damaged=True)),
    "an EXIF of megabytes": written(chunk(b"eXIf", EXIF + bytes(3 << 20))),
    "a private chunk": written(chunk(b"prVt", bytes(5000))),
    "a damaged private chunk": written(chunk(b"prVt", bytes(50), damaged=True)),
    "a damaged animation": written(chunk(b"acTL", bytes(8), damaged=True)),
    "an animation without frames": written(chunk(b"acTL", bytes(8))),
    "an animation cut short": written(chunk(b"acTL", bytes(3))),
    "an animation out of order": written(
        chunk(b"acTL", struct.pack(">II", 2, 0)), after=(chunk(b"fdAT", struct.pack(">I", 7)),)
    ),
    "a text behind the pixels": written(after=(chunk(b"tEXt", TEXT),)),
    "a bomb behind the pixels": written(after=(chunk(b"zTXt", b"bomb\0\0" + BOMB),)),
    "a damaged text behind the pixels": written(after=(chunk(b"tEXt", TEXT, damaged=True),)),
    "a text behind the pixels that is cut short": PLAIN[:-12] + chunk(b"tEXt", TEXT * 9)[:40],
    "a text behind the pixels whose length lies": PLAIN[:-12] + b"\x7f\xff\xff\xfftEXt" + TEXT + END,
    "an end that is missing": PLAIN[:-12],
    "an end that is cut short": PLAIN[:-5],
    "a damaged end": PLAIN[:-4] + bytes(4),
    "garbage behind the end": PLAIN + bytes(1000) + b"\xff\xd8\xff garbage",
    "garbage instead of the end": PLAIN[:-12] + b"\0\1\2\3" * 50,
    "another PNG behind the end": PLAIN + PLAIN,
    "pixels in a thousand pieces": written(piece=1),
    "empty pieces among the pixels": PLAIN[:33] + chunk(b"IDAT", b"") * 500 + PLAIN[33:],
    "a profile's chunk that is damaged": written(chunk(b"iCCP", b"p\0\0" + zlib.compress(PROFILE), damaged=True)),
    "a profile cut short": written(chunk(b"iCCP", b"p\0\0" + zlib.compress(PROFILE)[:200])),
    "a profile that is not compressed": written(chunk(b"iCCP", b"p\0\0" + PROFILE)),
    "a profile of an unknown compression": written(chunk(b"iCCP", b"p\0\1" + zlib.compress(PROFILE))),
    "a profile without a name's end": written(chunk(b"iCCP", b"p" * 90)),
    "an empty profile": written(chunk(b"iCCP", b"")),
    "a bomb in a profile": written(chunk(b"iCCP", b"p\0\0" + BOMB)),
    "a profile of 2 MB": written(chunk(b"iCCP", b"p\0\0" + zlib.compress(profile_of(2 << 20)))),
    "two profiles": written(*[chunk(b"iCCP", b"p\0\0" + zlib.compress(PROFILE))] * 2),
    "a profile, and a damaged one": written(
        chunk(b"iCCP", b"p\0\0" + zlib.compress(PROFILE)), chunk(b"iCCP", b"q\0\0" + BOMB)
    ),
    "a profile behind the pixels": written(after=(chunk(b"iCCP", b"p\0\0" + BOMB),)),
}
# The same turned by 90°, whichever chunk says so and wherever it stands.
TURNED: Mapping[str, bytes] = {
    "EXIF": written(chunk(b"eXIf", EXIF)),
    "EXIF behind the pixels": written(after=(chunk(b"eXIf", EXIF),)),
    "EXIF as text": written(chunk(b"zTXt", LEGACY)),
    "XMP": written(chunk(b"iTXt", b"XML:com.adobe.xmp\0\0\0\0\0" + XMP)),
    "compressed XMP": written(chunk(b"iTXt", b"XML:com.adobe.xmp\0\1\0\0\0" + zlib.compress(XMP))),
    "XMP behind the pixels": written(after=(chunk(b"iTXt", b"XML:com.adobe.xmp\0\0\0\0\0" + XMP),)),
    "EXIF, and a bomb": written(chunk(b"zTXt", b"bomb\0\0" + BOMB), chunk(b"eXIf", EXIF)),
    "EXIF behind a damaged text": written(after=(chunk(b"tEXt", TEXT, damaged=True), chunk(b"eXIf", EXIF))),
    "EXIF of an animation": written(
        chunk(b"acTL", struct.pack(">II", 2, 0)),
        chunk(b"fcTL", struct.pack(">IIIIIHHBB", 0, WIDTH, HEIGHT, 0, 0, 1, 1, 0, 0)),
        after=(
            chunk(b"fcTL", struct.pack(">IIIIIHHBB", 1, WIDTH, HEIGHT, 0, 0, 1, 1, 0, 0)),
            chunk(b"fdAT", struct.pack(">I", 2) + zlib.compress(bytes((1 + WIDTH * 3) * HEIGHT))),
            chunk(b"eXIf", EXIF),
        ),
    ),
    "many of them": written(*[chunk(b"eXIf", EXIF)] * 50),
}
# Damage of the picture itself.
DAMAGED: Mapping[str, bytes] = {
    "its header": PLAIN[:29] + bytes(4) + PLAIN[33:],
    "a palette": png_writer.write(VALUES[:, :, :1] % 2, 8, 3, before=[chunk(b"PLTE", bytes(6), damaged=True)]),
    "transparency": written(chunk(b"tRNS", bytes(6), damaged=True)),
    "pixels": PLAIN[:60] + bytes(9) + PLAIN[69:],
    "pixels cut short": PLAIN[: len(PLAIN) // 2],
    "a text whose length lies": PLAIN[:33] + b"\0\0\1\0tEXt" + TEXT + PLAIN[33:],
    "pixels of which rows are missing": short_of(4),
    "interlaced pixels of which the last pass is missing": short_of(HEIGHT // 2 - 1, interlaced=True),
    "pixels of 16 bits of which rows are missing": short_of(4, bits=16),
    "pixels and their checksum": PLAIN[:-40] + bytes([PLAIN[-40] ^ 64]) + PLAIN[-39:],
    "a variant that Apple makes": PLAIN[:8] + chunk(b"CgBI", bytes(4)) + PLAIN[8:],
    "a chunk without a name": PLAIN[:33] + bytes(12) + PLAIN[33:],
    "no pixels": PLAIN[:33] + END,
}


@pytest.mark.parametrize("name", HARMLESS)
def test_what_is_beside_the_picture_does_no_harm(name: str) -> None:
    found = decode(HARMLESS[name])
    assert np.array_equal(np.asarray(found.image), VALUES)
    assert (found.format, found.mode) == ("PNG", "RGB")


@pytest.mark.parametrize("name", TURNED)
def test_what_says_how_the_picture_is_turned_is_kept(name: str) -> None:
    assert np.array_equal(np.asarray(decode(TURNED[name]).image), np.rot90(VALUES, -1))


@pytest.mark.parametrize("name", DAMAGED)
def test_damage_of_the_picture_stays_damage(name: str) -> None:
    with pytest.raises(ImageError) as caught:
        decode(DAMAGED[name])
    assert caught.value.reason in ({"not an image"} if "Apple" in name else {"damaged", "truncated"})


@pytest.mark.parametrize("interlaced", [False, True])
@pytest.mark.parametrize(("bits", "colour"), [(1, 0), (2, 3), (4, 0), (8, 2), (8, 6), (16, 0), (16, 4), (16, 6)])
def test_a_picture_that_ends_in_black_is_whole(bits: int, colour: int, interlaced: bool) -> None:
    for height, width in ((1, 1), (1, 9), (2, 3), (5, 8), (9, 1), (20, 30)):
        channels = png_writer.CHANNELS[colour]
        before = [chunk(b"PLTE", bytes(12))] if colour == 3 else []
        data = png_writer.write(
            np.zeros((height, width, channels), int), bits, colour, interlaced=interlaced, before=before
        )
        assert decode(data).image.size == (width, height)
        # No checksum fits, but the pixels' own.
        at = data.index(b"IDAT")
        end = at + 4 + int.from_bytes(data[at - 4 : at], "big")
        assert decode(data[:end] + bytes(4) + data[end + 4 :]).image.size == (width, height)


def test_a_bomb_in_damaged_pixels_takes_no_memory() -> None:
    data = PLAIN[:33] + chunk(b"IDAT", BOMB, damaged=True) + END
    tracemalloc.start()
    decode(data)
    _, most = tracemalloc.get_traced_memory()
    tracemalloc.stop()
    assert most < 4 << 20


@pytest.mark.parametrize("name", [*HARMLESS, *TURNED])
def test_without_metadata_it_is_the_same_picture(name: str) -> None:
    data = {**HARMLESS, **TURNED}[name]
    stripped, media_type = strip_metadata(data)
    assert media_type == "image/png"
    assert decode(stripped).image.tobytes() == decode(data).image.tobytes()
    assert b"a recipe" not in stripped
    assert b"good one" not in stripped


@pytest.mark.parametrize(
    "name", ["a bomb in a text", "a hundred bombs", "a bomb in XMP", "a bomb in a profile", "a bomb behind the pixels"]
)
def test_a_bomb_is_not_unpacked(name: str) -> None:
    data = HARMLESS[name]
    decode(data)
    tracemalloc.start()
    decode(data)
    _, most = tracemalloc.get_traced_memory()
    tracemalloc.stop()
    assert most < decoding_bytes(data)
    assert most < 9 << 20  # twice the most that a profile may unpack to; the bomb has 20 MiB


def test_an_ordinary_file_is_not_copied() -> None:
    for data in (PLAIN, written(chunk(b"pHYs", bytes(9)), chunk(b"tEXt", TEXT)), written(chunk(b"eXIf", EXIF))):
        assert png.cleaned(data).data is data


def test_what_is_kept_of_a_file_is_its_picture() -> None:
    clean = png.cleaned(
        written(chunk(b"gAMA", struct.pack(">I", 45455)), chunk(b"prVt", b"x"), chunk(b"zTXt", b"a\0\0" + LONG))
    )
    assert clean.data == written(chunk(b"gAMA", struct.pack(">I", 45455)))


def test_a_large_profile_is_passed_on_and_a_damaged_one_marked() -> None:
    large = profile_of(2 << 20)
    assert png.cleaned(written(chunk(b"iCCP", b"p\0\0" + zlib.compress(large)))).profile == large
    for name in (
        "a profile cut short",
        "a profile of an unknown compression",
        "a bomb in a profile",
        "an empty profile",
    ):
        assert png.cleaned(HARMLESS[name]).profile == png.UNUSABLE
    small = written(chunk(b"iCCP", b"p\0\0" + zlib.compress(PROFILE)))
    assert png.cleaned(small).profile is None
    with Image.open(io.BytesIO(png.cleaned(HARMLESS["a profile, and a damaged one"]).data)) as image:
        assert image.info["icc_profile"] == PROFILE
