"""HEIF files put together by hand: any items with any properties and references, around pictures that an encoder has made."""

from __future__ import annotations

import io
import struct
from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
import pillow_heif
from forged import box
from numpy.typing import NDArray
from PIL import Image

from drivetrain.data.image.boxes import boxes
from drivetrain.data.image.items import located, properties

Pixels = NDArray[np.uint8]


@dataclass(frozen=True)
class Part:
    """One item: its kind, its bytes and the boxes that describe it."""

    kind: bytes
    data: bytes
    described: tuple[bytes, ...] = ()
    hidden: bool = False
    encoding: bytes | None = None
    """For a text: what it is compressed with."""


Reference = tuple[bytes, int, Sequence[int]]


def heif(
    parts: Sequence[Part],
    references: Sequence[Reference] = (),
    *,
    primary: int = 1,
    brand: bytes = b"heic",
    compatible: bytes = b"mif1heic",
) -> bytes:
    """Write a file; items are numbered from 1."""
    described = [one for part in parts for one in part.described]
    entries, associations, at = b"", b"", 0
    for number, part in enumerate(parts, 1):
        ends = b"\0" if part.encoding is None else b"\0text/plain\0" + part.encoding + b"\0"
        entries += box(b"infe", struct.pack(">BBBBHH", 2, 0, 0, part.hidden, number, 0), part.kind, ends)
        places = range(at + 1, at + 1 + len(part.described))
        associations += struct.pack(">HB", number, len(places)) + bytes(0x80 | place for place in places)
        at += len(part.described)
    refs = b"".join(
        box(kind, struct.pack(">HH", origin, len(to)), b"".join(struct.pack(">H", one) for one in to))
        for kind, origin, to in references
    )

    def head(start: int) -> bytes:
        iloc = b""
        for number, part in enumerate(parts, 1):
            iloc += struct.pack(">HHHII", number, 0, 1, start, len(part.data))
            start += len(part.data)
        meta = box(
            b"meta",
            bytes(4),
            box(b"hdlr", bytes(8), b"pict", bytes(13)),
            box(b"pitm", bytes(4), struct.pack(">H", primary)),
            box(b"iloc", b"\0\0\0\0\x44\0", struct.pack(">H", len(parts)), iloc),
            box(b"iinf", bytes(4), struct.pack(">H", len(parts)), entries),
            box(b"iref", bytes(4), refs),
            box(b"iprp", box(b"ipco", *described), box(b"ipma", bytes(4), struct.pack(">I", len(parts)), associations)),
        )
        return box(b"ftyp", brand, bytes(4), compatible) + meta

    return head(len(head(0)) + 8) + box(b"mdat", *(part.data for part in parts))


def saved(pixels: Pixels, **options: object) -> bytes:
    """Write pixels as HEIC without loss."""
    buffer = io.BytesIO()
    pillow_heif.from_pillow(Image.fromarray(pixels)).save(
        buffer, **{"quality": -1, "chroma": 444, "matrix_coefficients": 0, "full_range_flag": 1, **options}
    )
    return buffer.getvalue()


def of_ten_bits(pixels: Pixels) -> bytes:
    """Write pixels as HEIC of 10 bits a channel."""
    mode, values = "RGB;16" if pixels.ndim == 3 else "I;16", pixels.astype(np.uint16) * 257
    buffer = io.BytesIO()
    written = pillow_heif.from_bytes(mode=mode, size=pixels.shape[1::-1], data=values.tobytes())
    written.save(buffer, quality=-1, chroma=444, matrix_coefficients=6)
    return buffer.getvalue()


def that_claims_less(pixels: Pixels) -> bytes:
    """The container says 16×16, the picture itself its true size."""
    photo = coded(pixels, quality=50, chroma=420, matrix_coefficients=6)
    return heif(
        [Part(photo.kind, photo.data, tuple(ispe(16, 16) if b"ispe" in one else one for one in photo.described))]
    )


def coded(pixels: Pixels, *further: bytes, **options: object) -> Part:
    """Encode pixels; ``further`` are boxes that describe the picture, after the encoder's own."""
    return taken(saved(pixels, **options), *further)


def taken(data: bytes, *further: bytes) -> Part:
    """The first picture of a file."""
    meta = next(found for found in boxes(data) if found.kind == b"meta")
    inner = {found.kind: found for found in boxes(data, meta.start + 4, meta.end)}
    described = [data[found.start - 8 : found.end] for number, found in properties(data, inner[b"iprp"]) if number == 1]
    item = next(located(data, inner[b"iloc"], None)).data
    return Part(b"hvc1", item, (*described, *further))


def ispe(width: int, height: int) -> bytes:
    return box(b"ispe", bytes(4), struct.pack(">II", width, height))


def irot(quarters: int) -> bytes:
    """Turn anticlockwise."""
    return box(b"irot", bytes([quarters]))


def imir(axis: int) -> bytes:
    """Mirror: 0 top for bottom, 1 left for right."""
    return box(b"imir", bytes([axis]))


def aux(kind: bytes = b"urn:mpeg:hevc:2015:auxid:1") -> bytes:
    return box(b"auxC", bytes(4), kind + b"\0")


def grid(width: int, height: int, rows: int, columns: int) -> Part:
    layout = bytes([0, 1, rows - 1, columns - 1]) + struct.pack(">II", width, height)
    return Part(b"grid", layout, (ispe(width, height),))


def of_cells(pixels: Pixels, side: int, *further: bytes) -> tuple[list[Part], list[Reference]]:
    """A picture in square cells, as telephones write it; its edges are filled up."""
    height, width = pixels.shape[:2]
    rows, columns = -(-height // side), -(-width // side)
    padded = np.pad(pixels, ((0, rows * side - height), (0, columns * side - width), (0, 0)), "edge")
    whole = grid(width, height, rows, columns)
    cells = [
        coded(np.ascontiguousarray(padded[y * side : (y + 1) * side, x * side : (x + 1) * side]))
        for y in range(rows)
        for x in range(columns)
    ]
    hidden = [Part(one.kind, one.data, one.described, hidden=True) for one in cells]
    described = Part(whole.kind, whole.data, (*whole.described, *further))
    return [described, *hidden], [(b"dimg", 1, list(range(2, 2 + len(cells))))]


def exif(orientation: int) -> bytes:
    """An Exif item that says how the picture is to be turned."""
    tiff = b"MM\0*\0\0\0\x08\0\x01\x01\x12\0\x03\0\0\0\x01" + struct.pack(">HHI", orientation, 0, 0)
    return struct.pack(">I", 6) + b"Exif\0\0" + tiff
