"""An AVIF file's pictures, found where its decoder finds them: items of the `meta` box and the first samples of tracks."""

from __future__ import annotations

import struct
from collections.abc import Iterator
from dataclasses import dataclass

from ...core.errors import ImageError
from .av1 import Units, coded
from .boxes import Box, boxes, inside
from .items import item_kinds, located


@dataclass(frozen=True, slots=True)
class Announced:
    """The largest picture a decoder makes of the file, and the bytes of all it makes before a picture is given out."""

    width: int
    height: int
    bytes: int


@dataclass(frozen=True, slots=True)
class _Item:
    kind: bytes
    data: bytes


def announced(data: bytes) -> Announced:
    """Read the sizes from the frames' own headers, the container's and those of grids.

    Raises:
        ImageError: no picture can be found, or too many.
    """
    sizes, total, found, units = list(_container_sizes(data)), 0.0, False, Units()
    for item in (*_items(data), *_samples(data)):
        if item.kind == b"grid":
            sizes += _grid_sizes(item.data)
        elif item.kind == b"av01" and (frame := coded(units.of(item.data))) is not None:
            found = True
            sizes.append((frame.width, frame.height))
            total += frame.pixel_bytes * frame.width * frame.height
    if not found:
        raise ImageError("damaged", "no AV1 picture can be found in it")
    width, height = max(sizes, key=lambda size: size[0] * size[1])
    return Announced(width, height, round(total))


def _container_sizes(data: bytes) -> Iterator[tuple[int, int]]:
    for top in boxes(data):
        if top.kind == b"meta":
            for box in inside(data, top, b"iprp", b"ipco", b"ispe", skip=4):
                yield from _unpacked(">4xII", data, box)
        elif top.kind == b"moov":
            for entry in inside(data, top, b"trak", b"mdia", b"minf", b"stbl", b"stsd"):
                for sample in boxes(data, entry.start + 8, entry.end):
                    yield from _unpacked(">24xHH", data, sample)
            for box in inside(data, top, b"trak", b"tkhd"):
                if box.end - box.start >= 8:
                    width, height = struct.unpack_from(">II", data, box.end - 8)
                    yield width >> 16, height >> 16


def _grid_sizes(data: bytes) -> Iterator[tuple[int, int]]:
    whole = Box(b"grid", 0, len(data))
    if len(data) >= 2:
        yield from _unpacked(">4xII" if data[1] & 1 else ">4xHH", data, whole)


def _unpacked(form: str, data: bytes, box: Box) -> Iterator[tuple[int, int]]:
    if box.end - box.start >= struct.calcsize(form):
        yield struct.unpack_from(form, data, box.start)


def _items(data: bytes) -> Iterator[_Item]:
    for meta in boxes(data):
        if meta.kind != b"meta":
            continue
        parts = {box.kind: box for box in boxes(data, meta.start + 4, meta.end)}
        if b"iloc" not in parts or b"iinf" not in parts:
            continue
        kinds = {number: kind for number, kind, _ in item_kinds(data, parts[b"iinf"])}
        try:
            for number, item, _ in located(data, parts[b"iloc"], parts.get(b"idat")):
                if kinds.get(number) in (b"av01", b"grid"):
                    yield _Item(kinds[number], item)
        except (struct.error, IndexError):
            raise ImageError("truncated", "it ends within the list of its pictures") from None


def _samples(data: bytes) -> Iterator[_Item]:
    """Yield the first picture of each track."""
    for moov in boxes(data):
        if moov.kind != b"moov":
            continue
        for table in inside(data, moov, b"trak", b"mdia", b"minf", b"stbl"):
            parts = {box.kind: box for box in boxes(data, table.start, table.end)}
            offsets, sizes = parts.get(b"stco") or parts.get(b"co64"), parts.get(b"stsz")
            if offsets is None or sizes is None:
                continue
            try:
                at = struct.unpack_from(">8xI" if offsets.kind == b"stco" else ">8xQ", data, offsets.start)[0]
                same, count = struct.unpack_from(">4xII", data, sizes.start)
                size = same or (struct.unpack_from(">12xI", data, sizes.start)[0] if count else 0)
            except struct.error:
                continue
            yield _Item(b"av01", data[at : at + size])
