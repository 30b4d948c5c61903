"""Small image files made by hand to make a decoder take far more memory or time than they look like, or are worth."""

from __future__ import annotations

import io
import struct
import zlib
from typing import Any

import numpy as np
from PIL import Image

PNG = b"\x89PNG\r\n\x1a\n"


def saved(image: Image.Image, kind: str, **options: Any) -> bytes:
    buffer = io.BytesIO()
    image.save(buffer, kind, **options)
    return buffer.getvalue()


def plain(width: int, height: int, mode: str = "RGB") -> Image.Image:
    return Image.new(mode, (width, height))


# PNG


def png_chunk(kind: bytes, body: bytes) -> bytes:
    return struct.pack(">I", len(body)) + kind + body + struct.pack(">I", zlib.crc32(kind + body))


def ihdr(width: int, height: int, colour: int = 2, depth: int = 8) -> bytes:
    return png_chunk(b"IHDR", struct.pack(">2I5B", width, height, depth, colour, 0, 0, 0))


def zeros(size: int) -> bytes:
    """So many of them, deflated."""
    packer = zlib.compressobj(9)
    block = bytes(1 << 20)
    whole, rest = divmod(size, len(block))
    return b"".join([*(packer.compress(block) for _ in range(whole)), packer.compress(block[:rest]), packer.flush()])


def png_of_two_headers(width: int, height: int) -> bytes:
    """The first says 16×16; Pillow goes by the second."""
    pixels = png_chunk(b"IDAT", zeros(height * (1 + 3 * width)))
    return PNG + ihdr(16, 16) + ihdr(width, height) + pixels + png_chunk(b"IEND", b"")


def png_of_texts(count: int) -> bytes:
    """Each a megabyte of signs that take four bytes in memory."""
    text = zlib.compress(("x" * ((1 << 20) - 8) + "\U0001f43b").encode(), 9)
    texts = b"".join(png_chunk(b"iTXt", b"t%d\0\1\0\0\0" % number + text) for number in range(count))
    return PNG + ihdr(8, 8) + texts + png_chunk(b"IDAT", zeros(8 * 25)) + png_chunk(b"IEND", b"")


def png_of_chunks(count: int) -> bytes:
    """Empty ones, of a kind that nobody knows."""
    chunks = png_chunk(b"abCd", b"") * count
    return PNG + ihdr(8, 8) + chunks + png_chunk(b"IDAT", zeros(8 * 25)) + png_chunk(b"IEND", b"")


def icon(inside: bytes, entries: int = 1) -> bytes:
    """All entries are at one place."""
    entry = b"\x10\x10\0\0\1\0\x20\0" + struct.pack("<II", len(inside), 6 + 16 * entries)
    return b"\0\0\1\0" + struct.pack("<H", entries) + entry * entries + inside


# BMP, PPM, TGA, GIF


def dib(width: int, height: int, compression: int = 0, bits: int = 24, pixels: bytes = b"") -> bytes:
    head = struct.pack("<IiiHHIIiiII", 40, width, height, 1, bits, compression, len(pixels), 0, 0, 256, 0)
    return head + (bytes(1024) if bits == 8 else b"") + pixels


def bmp_of_run_lengths(width: int, height: int) -> bytes:
    """A pixel, then the end of the line, filled up pixel by pixel in Python."""
    body = dib(width, height, 1, 8, b"\x01\x07\0\0" * height)
    return b"BM" + struct.pack("<IHHI", 14 + len(body), 0, 0, 14 + 40 + 1024) + body


def ppm_of_odd_depth(width: int, height: int) -> bytes:
    return b"P5 %d %d 254\n" % (width, height) + bytes(width * height)


def ppm_as_text(width: int, height: int) -> bytes:
    return b"P1 %d %d\n" % (width, height) + b"1" * (width * height)


def tga_of_run_lengths(width: int, height: int) -> bytes:
    head = struct.pack("<BBBHHBHHHHBB", 0, 0, 10, 0, 0, 0, 0, 0, width, height, 24, 0)
    return head + b"\xff\0\0\0" * (width * height // 128 + 1)


def gif(width: int, height: int, screen: tuple[int, int] | None = None) -> bytes:
    """Of one colour, in a few kilobytes; ``screen`` is what the header says."""
    out = bytearray(b"GIF89a" + struct.pack("<HH", *(screen or (width, height))) + b"\x80\0\0" + bytes(6))
    out += b"," + struct.pack("<4H", 0, 0, width, height) + b"\0" + b"\x02"
    packed = _lzw_zeros(width * height)
    for at in range(0, len(packed), 255):
        piece = packed[at : at + 255]
        out += bytes([len(piece)]) + piece
    return bytes(out + b"\0;")


def gif_after(blocks: bytes) -> bytes:
    """A picture of 8×8 after so much else."""
    data = gif(8, 8)
    return data[:19] + blocks + data[19:]


def _lzw_zeros(count: int) -> bytes:
    """GIF's codes for so many zeros: each stands for one more than the last, until the table is full."""
    bits = value = 0
    out = bytearray()

    def put(code: int, width: int) -> None:
        nonlocal bits, value
        value |= code << bits
        bits += width
        while bits >= 8:
            out.append(value & 255)
            value >>= 8
            bits -= 8

    put(4, 3)
    while count > 0:
        next_code, width, run = 6, 3, 1
        code = 0
        first = True
        while count > 0 and next_code < 4096:
            put(code, width)
            count -= run
            if not first:
                next_code += 1
            first = False
            # The code that is about to be made is the last run and one more zero.
            code, run = next_code, run + 1
            if next_code + 1 > (1 << width) and width < 12:
                width += 1
        put(4, width)
    put(5, 3)
    out.append(value & 255)
    return bytes(out)


# JPEG


def jpeg_of_two_frames() -> bytes:
    """A frame of 65535×65535 before the true one."""
    data = saved(plain(64, 64), "JPEG")
    at = data.index(b"\xff\xc0")
    size = 2 + int.from_bytes(data[at + 2 : at + 4], "big")
    frame = bytearray(data[at : at + size])
    frame[5:9] = b"\xff\xff\xff\xff"
    return data[: at + size] + bytes(frame) + data[at + size :]


def jpeg_after(parts: bytes) -> bytes:
    """A picture of 64×64 after so much else."""
    data = saved(plain(64, 64), "JPEG")
    return data[:2] + parts + data[2:]


def jpeg_of_scans(side: int, count: int) -> bytes:
    """The last scan of a progressive picture, over and over."""
    data = saved(plain(side, side), "JPEG", progressive=True)
    at = data.rindex(b"\xff\xda")
    return data[:-2] + data[at:-2] * count + data[-2:]


def jpeg_with_exif(numbers: int) -> bytes:
    """EXIF in many segments, joined by Pillow: a resolution of so many fractions."""
    head = b"II*\0\x08\0\0\0\x02\0" + struct.pack("<HHII", 0x011A, 5, numbers, 38)
    exif = head + struct.pack("<HHII", 0x0128, 3, 1, 2) + bytes(4) + b"\1\0\0\0" * (2 * numbers)
    pieces = [b"Exif\0\0" + exif[at : at + 65_000] for at in range(0, len(exif), 65_000)]
    data = saved(plain(64, 64), "JPEG")
    at = 2 + 2 + int.from_bytes(data[4:6], "big")  # without JFIF, whose resolution would do
    segments = b"".join(b"\xff\xe1" + struct.pack(">H", 2 + len(piece)) + piece for piece in pieces)
    return data[:2] + segments + data[at:]


# WebP, AVIF


def webp_of_canvas(width: int, height: int) -> bytes:
    """A picture of 64×64 on a large canvas."""
    small = saved(plain(64, 64), "WEBP", lossless=True)[12:]
    head = bytes([0, 0, 0, 0]) + (width - 1).to_bytes(3, "little") + (height - 1).to_bytes(3, "little")
    frame = bytes(6) + (63).to_bytes(3, "little") * 2 + bytes(4) + small
    body = b"WEBPVP8X" + struct.pack("<I", 10) + bytes([2]) + head[1:]
    body += b"ANIM" + struct.pack("<I", 6) + bytes(6) + b"ANMF" + struct.pack("<I", len(frame)) + frame
    return b"RIFF" + struct.pack("<I", len(body)) + body


def webp_of_chunks(count: int) -> bytes:
    """A picture of 64×64 after empty ones."""
    head = bytes(4) + (63).to_bytes(3, "little") * 2
    small = saved(plain(64, 64), "WEBP", lossless=True)[12:]
    body = b"WEBPVP8X" + struct.pack("<I", 10) + head + b"abcd\0\0\0\0" * count + small
    return b"RIFF" + struct.pack("<I", len(body)) + body


def avif_that_claims_less(width: int, height: int) -> bytes:
    """A frame of that size; the container says 16×16."""
    data = saved(plain(width, height), "AVIF", speed=10)
    said = b"ispe" + bytes(4) + struct.pack(">II", width, height)
    assert said in data
    return data.replace(said, b"ispe" + bytes(4) + struct.pack(">II", 16, 16))


def box(kind: bytes, *content: bytes) -> bytes:
    body = b"".join(content)
    return struct.pack(">I", 8 + len(body)) + kind + body


def avif(kind: bytes, item: bytes, size: tuple[int, int] = (16, 16)) -> bytes:
    """A file of one item."""
    infe = box(b"infe", b"\2\0\0\0\0\1\0\0", kind, b"\0")
    iloc = box(b"iloc", b"\0\0\0\0\x44\0\0\1", b"\0\1\0\0\0\1", struct.pack(">II", 0, len(item)))
    ispe = box(b"ispe", bytes(4), struct.pack(">II", *size))
    associated = box(b"ipma", bytes(4), b"\0\0\0\1\0\1\1\1")
    meta = box(
        b"meta",
        bytes(4),
        box(b"hdlr", bytes(8), b"pict", bytes(13)),
        box(b"pitm", bytes(4), b"\0\1"),
        iloc,
        box(b"iinf", bytes(4), b"\0\1", infe),
        box(b"iprp", box(b"ipco", ispe), associated),
    )
    head = box(b"ftyp", b"avif", bytes(4), b"avifmif1miaf") + meta
    place = head.index(struct.pack(">II", 0, len(item)))
    head = head[:place] + struct.pack(">I", len(head) + 8) + head[place + 4 :]
    return head + box(b"mdat", item)


def bits(*fields: tuple[int, int]) -> bytes:
    """Values, each in so many bits."""
    text = "".join(f"{value:0{width}b}" for value, width in fields)
    return int(text.ljust(-(-len(text) // 8) * 8, "0"), 2).to_bytes(-(-len(text) // 8), "big")


def obu(kind: int, body: bytes) -> bytes:
    return bytes([kind << 3 | 2, len(body)]) + body


def av1_sequence(width: int, height: int) -> bytes:
    """The header of a still picture, with sixteen bits for each side."""
    size = ((15, 4), (15, 4), (width - 1, 16), (height - 1, 16))
    return obu(1, bits((0, 3), (1, 1), (1, 1), (0, 5), *size, (0, 6), (0, 1), (0, 8)))


def av1_of_many_points(width: int, height: int) -> bytes:
    """A sequence's header of 32 operating points with all they may say, so that the size stands far behind."""
    timing = ((1, 1), (1, 32), (1, 32), (1, 1), (1, 1), (1, 1), (31, 5), (1, 32), (0, 5), (0, 5))
    point = ((0, 12), (8, 5), (0, 1), (1, 1), (0, 32), (0, 32), (0, 1), (1, 1), (0, 4))
    size = ((15, 4), (15, 4), (width - 1, 16), (height - 1, 16))
    body = bits((0, 3), (0, 1), (0, 1), *timing, (1, 1), (31, 5), *(point * 32), *size, (0, 32))
    return b"\x0a" + bytes([len(body) & 127 | 128, len(body) >> 7]) + body


def avif_of_many_items(count: int, item: bytes) -> bytes:
    """All are the same bytes."""
    infe = b"".join(
        box(b"infe", b"\2\0\0\0", struct.pack(">H", number), b"\0\0", b"av01", b"\0") for number in range(1, count + 1)
    )

    def head(at: int) -> bytes:
        places = (struct.pack(">HHHII", number, 0, 1, at, len(item)) for number in range(1, count + 1))
        iloc = box(b"iloc", b"\0\0\0\0\x44\0", struct.pack(">H", count), *places)
        meta = box(b"meta", bytes(4), iloc, box(b"iinf", bytes(4), struct.pack(">H", count), infe))
        return box(b"ftyp", b"avif", bytes(4), b"avifmif1miaf") + meta

    return head(len(head(0)) + 8) + box(b"mdat", item)


def av1_of_own_size(kind: int = 6) -> bytes:
    """A sequence of 16×16 whose frame announces a size of its own: a bit in its header, which is a unit of that kind."""
    sequence = bits(
        (0, 3), (0, 1), (0, 1), (0, 1), (0, 1), (0, 5), (0, 12), (0, 5),
        (15, 4), (15, 4), (15, 16), (15, 16),
        (0, 1), (0, 3), (0, 4), (0, 1), (1, 1), (1, 1), (0, 3), (0, 1), (0, 1), (0, 8),
    )  # fmt: skip
    # a key frame that is shown, no screen tools, the size overridden: 16000 × 16000
    frame = bits((0, 1), (0, 2), (1, 1), (0, 1), (0, 1), (1, 1), (15999, 16), (15999, 16))
    return obu(1, sequence) + obu(kind, frame)


# JPEG 2000


def j2k(
    width: int,
    height: int,
    *,
    tile: tuple[int, int] | None = None,
    components: int = 1,
    block: int = 4,
    precinct: int | None = None,
    layers: int = 1,
) -> bytes:
    """A code stream with one empty tile; ``block`` is the binary logarithm of a block's side less two."""
    tile = tile or (width, height)
    siz = struct.pack(">H8IH", 0, width, height, 0, 0, *tile, 0, 0, components) + b"\x07\1\1" * components
    levels = 5
    sizes = b"" if precinct is None else bytes([precinct << 4 | precinct]) * (levels + 1)
    style = 0 if precinct is None else 1
    cod = struct.pack(">BBHBBBBBB", style, 0, layers, 0, levels, block, block, 0, 1) + sizes
    qcd = b"\x40" + b"\x40" * (3 * levels + 1)
    parts = [(0x51, siz), (0x52, cod), (0x5C, qcd)]
    head = b"".join(b"\xff" + bytes([kind]) + struct.pack(">H", 2 + len(body)) + body for kind, body in parts)
    start = b"\xff\x90" + struct.pack(">HHIBB", 10, 0, 14, 0, 1) + b"\xff\x93"
    return b"\xff\x4f" + head + start + b"\xff\xd9"


def j2k_after(parts: bytes, width: int, height: int) -> bytes:
    """Tiny precincts, announced after so much else."""
    data = j2k(width, height, precinct=1)
    at = data.index(b"\xff\x52")
    return data[:at] + parts + data[at:]


def jp2_that_claims_less(width: int, height: int) -> bytes:
    data = saved(plain(width, height), "JPEG2000")
    said = b"ihdr" + struct.pack(">II", height, width)
    assert said in data
    return data.replace(said, b"ihdr" + struct.pack(">II", 16, 16))


# TIFF


def tiff(tags: list[tuple[int, int, int, int]], rest: bytes = b"") -> bytes:
    """Little-endian, one directory of (tag, type, count, value), and bytes after it."""
    body = struct.pack("<H", len(tags)) + b"".join(struct.pack("<HHII", *tag) for tag in sorted(tags)) + bytes(4)
    return b"II*\0\x08\0\0\0" + body + rest


def grey_tags(width: int, height: int) -> list[tuple[int, int, int, int]]:
    return [(256, 4, 1, width), (257, 4, 1, height), (258, 3, 1, 8), (262, 3, 1, 1), (277, 3, 1, 1)]


def tiff_of_large_tiles(side: int) -> bytes:
    """A picture of 16×16 in one tile of side × side, deflated."""
    packed = zeros(1000)
    tags = [*grey_tags(16, 16), (259, 3, 1, 8), (322, 4, 1, side), (323, 4, 1, side)]
    end = 8 + 2 + 12 * (len(tags) + 2) + 4
    return tiff([*tags, (324, 4, 1, end), (325, 4, 1, len(packed))], packed)


def tiff_of_numbers(count: int, pointer: bool = False) -> bytes:
    """A tag of so many numbers, in the directory or in the one for EXIF."""
    tags = [*grey_tags(16, 16), (273, 4, 1, 8), (279, 4, 1, 256)]
    end = 8 + 2 + 12 * (len(tags) + 1) + 4
    if not pointer:
        return tiff([*tags, (50000, 3, count, end)], bytes(2 * count))
    inner = struct.pack("<H", 1) + struct.pack("<HHII", 50000, 3, count, end + 18) + bytes(4)
    return tiff([*tags, (34665, 4, 1, end)], inner + bytes(2 * count))


def tiff_of_many_strips(count: int) -> bytes:
    """Uncompressed strips of one pixel, all at one place."""
    tags = [*grey_tags(16, 16), (278, 4, 1, 1), (279, 4, 1, 16)]
    end = 8 + 2 + 12 * (len(tags) + 1) + 4
    return tiff([*tags, (273, 4, count, end)], b"\x08\0\0\0" * count)


def tiff_deflated(width: int, height: int, compression: str = "tiff_adobe_deflate") -> bytes:
    return saved(Image.fromarray(np.zeros((height, width), np.uint8)), "TIFF", compression=compression)
