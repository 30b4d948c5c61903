"""Picture files of every kind that is sent to a server, files that only look like one, and ways to damage them.

All of it follows from a seed: the same number gives the same bytes.
"""

from __future__ import annotations

import io
import random
import struct
import zipfile
import zlib
from functools import cache

import numpy as np
from PIL import Image, PngImagePlugin

APPENDED = b"<script>alert('appended')</script>"
"""Stands in every polyglot and in all metadata, and must never be found in a stored image."""

PNG_SIGNATURE = b"\x89PNG\r\n\x1a\n"
EXTREMES = (0, 1, 2, 0x7F, 0x80, 0xFF, 0x7FFF, 0x8000, 0xFFFF, 0x7FFFFFFF, 0x80000000, 0xFFFFFFFE, 0xFFFFFFFF)


@cache
def pictures() -> dict[str, bytes]:
    """Files that can be read, by what they are."""
    rng = np.random.default_rng(4)
    rgb = Image.fromarray(rng.integers(0, 256, (6, 8, 3)).astype(np.uint8)).resize((40, 30), Image.Resampling.BICUBIC)
    grey16 = Image.fromarray(rng.integers(0, 65536, (30, 40)).astype(np.uint16))
    rgba = rgb.convert("RGBA")
    rgba.putalpha(rgb.convert("L"))
    frames = [rgb.rotate(90 * turn, expand=True).resize(rgb.size) for turn in range(3)]
    more = {"save_all": True, "append_images": frames[1:]}
    exif = Image.Exif()
    exif[0x0112] = 6
    exif[0x010E] = APPENDED.decode()
    exif.get_ifd(0x8825)[1] = "N"
    exif.get_ifd(0x8825)[2] = (47.0, 22.0, 33.5)
    text = PngImagePlugin.PngInfo()
    text.add_text("Comment", APPENDED.decode())
    text.add_itxt("XML:com.adobe.xmp", APPENDED.decode(), zip=True)
    files = {
        "jpeg": _save(rgb, "JPEG", quality=80),
        "jpeg progressive": _save(rgb, "JPEG", progressive=True, quality=80),
        "jpeg cmyk": _save(rgb.convert("CMYK"), "JPEG"),
        "jpeg grey": _save(rgb.convert("L"), "JPEG"),
        "jpeg exif": _save(rgb, "JPEG", exif=exif, comment=APPENDED),
        "png": _save(rgb, "PNG"),
        "png palette": _save(rgb.quantize(16), "PNG", transparency=3),
        "png 16 bit": _save(grey16, "PNG"),
        "png one bit": _save(rgb.convert("1"), "PNG"),
        "png alpha": _save(rgba, "PNG"),
        "png text": _save(rgb, "PNG", pnginfo=text, exif=exif),
        "png interlaced": _interlaced(rgb),
        "apng": _save(frames[0], "PNG", duration=40, **more),
        "webp": _save(rgb, "WEBP", quality=70),
        "webp lossless": _save(rgba, "WEBP", lossless=True, exif=exif, xmp=APPENDED),
        "webp animated": _save(frames[0], "WEBP", **more),
        "gif": _save(rgb, "GIF", comment=APPENDED),
        "gif animated": _save(frames[0], "GIF", disposal=2, **more),
        "bmp": _save(rgb, "BMP"),
        "bmp palette": _save(rgb.quantize(200), "BMP"),
        "tiff": _save(rgb, "TIFF", description=APPENDED.decode()),
        "tiff lzw": _save(rgb, "TIFF", compression="tiff_lzw"),
        "tiff jpeg": _save(rgb, "TIFF", compression="jpeg"),
        "tiff 16 bit": _save(grey16, "TIFF"),
        "tiff float": _save(rgb.convert("F"), "TIFF"),
        "ico": _save(rgb, "ICO", sizes=[(16, 16), (32, 32)]),
        "ico bmp": _save(rgb, "ICO", sizes=[(16, 16)], bitmap_format="bmp"),
        "mpo": _save(frames[0], "MPO", **more),
        "ppm": _save(rgb, "PPM"),
        "pgm plain": b"P2\n4 3\n255\n" + b" ".join(b"%d" % (20 * n) for n in range(12)) + b"\n",
        "tga": _save(rgb, "TGA", rle=True),
        "jpeg 2000": _save(rgb, "JPEG2000"),
        "avif": _save(rgb, "AVIF", quality=50),
        "long": _save(Image.new("L", (60_000, 1), 90), "PNG"),
        "high": _save(Image.new("L", (1, 60_000), 90), "PNG"),
        "one pixel": _save(Image.new("RGB", (1, 1)), "GIF"),
    }
    return {**files, **polyglots(files)}


def polyglots(files: dict[str, bytes]) -> dict[str, bytes]:
    """Pictures that are something else as well."""
    packed = io.BytesIO()
    with zipfile.ZipFile(packed, "w") as archive:
        archive.writestr("index.html", APPENDED)
    script = b"GIF89a/*" + files["gif"][8:] + b"*/=1;" + APPENDED  # its size is that of the comment
    return {
        "jpeg and zip": files["jpeg"] + packed.getvalue(),
        "jpeg and html": files["jpeg progressive"] + b"<html>" + APPENDED,
        "jpeg comment": files["jpeg"][:2]
        + b"\xff\xfe"
        + struct.pack(">H", 2 + len(APPENDED))
        + APPENDED
        + files["jpeg"][2:],
        "gif and script": script,
        "gif and html": files["gif"] + APPENDED,
        "png and html": files["png"] + b"<html>" + APPENDED,
        "png chunk": files["png"][:33] + _chunk(b"teXt", APPENDED) + files["png"][33:],
        "webp and script": files["webp"] + APPENDED,
        "bmp and html": files["bmp"] + APPENDED,
        "tiff and zip": files["tiff"] + packed.getvalue(),
        "mpo and html": files["mpo"] + APPENDED,
        "ico and html": files["ico"] + APPENDED,
    }


@cache
def impostors() -> dict[str, bytes]:
    """Files that are no picture here, or one that nobody should decode."""
    bomb = zlib.compress(b"\0" * (1 << 20))
    return {
        "empty": b"",
        "one byte": b"\xff",
        "svg": b"<svg xmlns='http://www.w3.org/2000/svg'>" + APPENDED + b"</svg>",
        "svg entities": b'<!DOCTYPE a [<!ENTITY b "' + b"x" * 99 + b'"><!ENTITY c "&b;&b;">]><svg>&c;</svg>',
        "html": b"<!doctype html>" + APPENDED,
        "pdf": b"%PDF-1.7\n1 0 obj<</Type/Catalog/OpenAction<</S/JavaScript/JS(app.alert(1))>>>>endobj\n%%EOF",
        "eps": b"%!PS-Adobe-3.0 EPSF-3.0\n%%BoundingBox: 0 0 9 9\n(%pipe%id) (w) file\nshowpage\n%%EOF",
        "eps in tiff": b"\xc5\xd0\xd3\xc6" + struct.pack("<6I", 32, 99, 0, 0, 0, 0) + b"%!PS-Adobe-3.0\n",
        "zip": b"PK\x03\x04" + b"\0" * 40,
        "elf": b"\x7fELF" + b"\0" * 60,
        "text": "Keine Bilddatei, nur Wörter.".encode(),
        "heic": b"\0\0\0\x18ftypheic" + b"\0" * 40,
        "png bomb": PNG_SIGNATURE + _header(200_000, 200_000) + _chunk(b"IDAT", bomb) + _chunk(b"IEND", b""),
        "png many pixels": PNG_SIGNATURE + _header(9000, 9000) + _chunk(b"IDAT", bomb) + _chunk(b"IEND", b""),
        "png short bomb": PNG_SIGNATURE + _header(1200, 1200) + _chunk(b"IDAT", bomb) + _chunk(b"IEND", b""),
        "png text bomb": PNG_SIGNATURE
        + _header(8, 8)
        + _chunk(b"zTXt", b"a\0\0" + zlib.compress(b"\0" * (8 << 20)))
        + _chunk(b"IDAT", zlib.compress(b"\0" * 72))
        + _chunk(b"IEND", b""),
        "png no pixels": PNG_SIGNATURE + _header(0, 7) + _chunk(b"IDAT", bomb[:40]) + _chunk(b"IEND", b""),
        "png largest": PNG_SIGNATURE + _header(0x7FFFFFFF, 0x7FFFFFFF) + _chunk(b"IEND", b""),
        "gif huge": b"GIF89a"
        + struct.pack("<HH", 65535, 65535)
        + b"\x80\0\0"
        + b"\0" * 6
        + b",\0\0\0\0\xff\xff\xff\xff\0\x02\x02D\x01\0;",
        "bmp huge": b"BM" + struct.pack("<IIIIiiHHIIIIII", 70, 0, 54, 40, 1 << 30, -(1 << 30), 1, 24, 0, 0, 0, 0, 0, 0),
        "tiff loop": b"II*\0\x08\0\0\0" + struct.pack("<HHHII", 1, 256, 4, 1, 40) + struct.pack("<I", 8),
        "tiff huge": b"II*\0\x08\0\0\0\x02\0"
        + struct.pack("<HHII", 256, 4, 1, 1 << 31)
        + struct.pack("<HHII", 257, 4, 1, 1 << 31)
        + b"\0" * 4,
        "webp huge": b"RIFF\x1a\0\0\0WEBPVP8X\x0a\0\0\0\x10\0\0\0" + b"\xff" * 6,
        "jpeg huge": b"\xff\xd8\xff\xc0\0\x11\x08\xff\xff\xff\xff\x03\1\x22\0\2\x11\1\3\x11\1"
        b"\xff\xda\0\x0c\3\1\0\2\x11\3\x11\0\x3f\0\xff\xd9",
        "jpeg no lines": b"\xff\xd8\xff\xc0\0\x0b\x08\0\0\0\x10\x01\x01\x11\0\xff\xd9",
        "ico many": b"\0\0\1\0\xff\xff" + b"\x10\x10\0\0\1\0\x20\0\xff\xff\xff\x7f\x16\0\0\0" * 30,
        "ppm huge": b"P6\n99999999999999999999 4\n255\nabc",
        "jpeg 2000 head": b"\0\0\0\x0cjP  \r\n\x87\n" + b"\0" * 30,
        "avif head": b"\0\0\0\x1cftypavif" + b"\0" * 60,
    }


def mutated(rng: random.Random) -> tuple[str, bytes]:
    """A file and how it came to be: most of them damaged, a few as they are."""
    named = [*pictures().items(), *impostors().items()]
    name, data = rng.choice(named)
    steps = []
    for _ in range(rng.choice((0, 1, 1, 1, 1, 2, 3))):
        step = rng.choice(MUTATIONS)
        steps.append(step.__name__.strip("_"))
        data = step(rng, data)
    if data.startswith(PNG_SIGNATURE) and steps and rng.random() < 0.5:
        steps.append("right checksums")
        data = with_checksums(data)
    return " + ".join([name, *steps]), data


def with_checksums(data: bytes) -> bytes:
    """A PNG whose damage gets past the checksums."""
    out, at = bytearray(PNG_SIGNATURE), len(PNG_SIGNATURE)
    while at + 8 <= len(data):
        length = int.from_bytes(data[at : at + 4], "big")
        body = data[at + 4 : at + 8 + length]
        out += data[at : at + 4] + body
        if at + 12 + length > len(data):
            break
        out += struct.pack(">I", zlib.crc32(body))
        at += 12 + length
    return bytes(out)


def _flip(rng: random.Random, data: bytes) -> bytes:
    out = bytearray(data)
    for _ in range(rng.choice((1, 1, 2, 8, 40)) if out else 0):
        out[_place(rng, len(out))] ^= 1 << rng.randrange(8)
    return bytes(out)


def _overwrite(rng: random.Random, data: bytes) -> bytes:
    at = _place(rng, len(data) + 1)
    size = rng.choice((1, 2, 4, 16, 64))
    return data[:at] + rng.randbytes(size) + data[at + size :]


def _truncate(rng: random.Random, data: bytes) -> bytes:
    return data[: rng.randrange(len(data) + 1)]


def _drop(rng: random.Random, data: bytes) -> bytes:
    start, end = _span(rng, data)
    return data[:start] + data[end:]


def _double(rng: random.Random, data: bytes) -> bytes:
    start, end = _span(rng, data)
    return data[:end] + data[start:end] * rng.choice((1, 1, 2, 30)) + data[end:]


def _swap(rng: random.Random, data: bytes) -> bytes:
    a, b, c, d = sorted(rng.randrange(len(data) + 1) for _ in range(4))
    return data[:a] + data[c:d] + data[b:c] + data[a:b] + data[d:]


def _extreme(rng: random.Random, data: bytes) -> bytes:
    """A number is set to what nobody expects: it may be a length, a size, an offset, a count."""
    size = rng.choice((1, 2, 4, 4))
    at = _place(rng, len(data) + 1)
    value = rng.choice(EXTREMES) & ((1 << 8 * size) - 1)
    return data[:at] + value.to_bytes(size, rng.choice(("big", "little"))) + data[at + size :]


def _splice(rng: random.Random, data: bytes) -> bytes:
    other = rng.choice([*pictures().values()])
    return data[: rng.randrange(len(data) + 1)] + other[rng.randrange(len(other)) :]


def _append(rng: random.Random, data: bytes) -> bytes:
    return data + rng.choice((APPENDED, b"\0" * 500, rng.choice([*pictures().values()]), b"PK\3\4" + rng.randbytes(60)))


MUTATIONS = (_flip, _flip, _overwrite, _truncate, _drop, _double, _swap, _extreme, _extreme, _splice, _append)


def _place(rng: random.Random, size: int) -> int:
    """Half of all places are in the head, where sizes and lengths stand."""
    return rng.randrange(min(size, 80) if rng.random() < 0.5 else size)


def _span(rng: random.Random, data: bytes) -> tuple[int, int]:
    start = _place(rng, len(data) + 1)
    return start, min(len(data), start + rng.choice((1, 2, 4, 12, 64, 300)))


def _save(image: Image.Image, kind: str, **options: object) -> bytes:
    out = io.BytesIO()
    image.save(out, kind, **options)
    return out.getvalue()


def _chunk(kind: bytes, body: bytes) -> bytes:
    return struct.pack(">I", len(body)) + kind + body + struct.pack(">I", zlib.crc32(kind + body))


def _header(width: int, height: int) -> bytes:
    return _chunk(b"IHDR", struct.pack(">IIBBBBB", width, height, 8, 0, 0, 0, 0))


def _interlaced(image: Image.Image) -> bytes:
    """Adam7, which Pillow reads but does not write."""
    pixels = np.asarray(image)
    rows = []
    for x, y, dx, dy in (
        (0, 0, 8, 8),
        (4, 0, 8, 8),
        (0, 4, 4, 8),
        (2, 0, 4, 4),
        (0, 2, 2, 4),
        (1, 0, 2, 2),
        (0, 1, 1, 2),
    ):
        rows += [b"\0" + row.tobytes() for row in pixels[y::dy, x::dx]]
    header = _chunk(b"IHDR", struct.pack(">IIBBBBB", image.width, image.height, 8, 2, 0, 0, 1))
    return PNG_SIGNATURE + header + _chunk(b"IDAT", zlib.compress(b"".join(rows))) + _chunk(b"IEND", b"")
