"""Writes TIFFs of any layout, so that a test knows the values that a reader must find."""

from __future__ import annotations

import struct
import zlib
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from typing import Any

import imagecodecs
import numpy as np
from numpy.typing import NDArray

Values = NDArray[Any]

COMPRESSIONS = {
    "none": 1,
    "LZW": 5,
    "deflate": 8,
    "PackBits": 32773,
    "old deflate": 32946,
    "LZMA": 34925,
    "Zstandard": 50000,
}
NAMES_OF_KINDS = {"u": 1, "i": 2, "f": 3, "c": 6}
SIZES = {1: "B", 2: "B", 3: "H", 4: "I", 7: "B", 16: "Q"}


@dataclass(frozen=True)
class Form:
    """The way in which values are laid down in the file."""

    bits: int = 8
    kind: str = "u"
    """u: unsigned, i: signed, f: floating point, c: complex."""
    photometric: int | None = 2
    planar: bool = False
    compression: str = "none"
    predictor: int = 1
    order: str = "<"
    tile: tuple[int, int] | None = None
    """(width, length)."""
    rows: int = 7
    """Rows of a strip."""
    extra: tuple[int, ...] = ()
    big: bool = False
    orientation: int = 1
    reversed_bits: bool = False
    more: Mapping[int, tuple[int, Any]] = field(default_factory=dict)
    """Further tags: number → (type, values)."""


def write(values_HWS: Values, form: Form) -> bytes:
    """Write one picture; ``values_HWS`` (height, width, samples) are whole numbers of ``bits`` bits, or floating point."""
    height, width, samples = values_HWS.shape
    planes = np.moveaxis(values_HWS, 2, 0)[:, :, :, None] if form.planar else values_HWS[None]
    pieces = [_packed(piece, form) for plane in planes for piece in _cut(plane, form)]
    if form.reversed_bits:
        pieces = [imagecodecs.bitorder_decode(piece) for piece in pieces]
    tags: dict[int, tuple[int, Any]] = {
        256: (4, [width]),
        257: (4, [height]),
        258: (3, [form.bits] * samples),
        259: (3, [COMPRESSIONS[form.compression]]),
        277: (3, [samples]),
        284: (3, [2 if form.planar else 1]),
        339: (3, [NAMES_OF_KINDS[form.kind]] * samples),
    }
    if form.photometric is not None:
        tags[262] = (3, [form.photometric])
    if form.predictor != 1:
        tags[317] = (3, [form.predictor])
    if form.reversed_bits:
        tags[266] = (3, [2])
    if form.orientation != 1:
        tags[274] = (3, [form.orientation])
    if form.extra:
        tags[338] = (3, list(form.extra))
    if form.tile:
        tags |= {322: (4, [form.tile[0]]), 323: (4, [form.tile[1]])}
    else:
        tags[278] = (4, [form.rows])
    return assembled(pieces, tags | dict(form.more), form)


def assembled(pieces: list[bytes], tags: dict[int, tuple[int, Any]], form: Form) -> bytes:
    """Put strips or tiles behind the header, and the directory behind these."""
    head, room, word = (16, 8, "Q") if form.big else (8, 4, "I")
    starts, body = [], b""
    for piece in pieces:
        starts.append(head + len(body))
        body += piece + b"\0" * (len(piece) % 2)
    where, length = (324, 325) if form.tile else (273, 279)
    tags |= {where: (4, starts), length: (4, [len(piece) for piece in pieces])}
    at = head + len(body)
    entries, behind = b"", b""
    free = at + (8 if form.big else 2) + len(tags) * (20 if form.big else 12) + room
    for tag in sorted(tags):
        kind, numbers = tags[tag]
        packed = (
            bytes(numbers)
            if isinstance(numbers, bytes)
            else struct.pack(f"{form.order}{len(numbers)}{SIZES[kind]}", *numbers)
        )
        if len(packed) > room:
            packed, behind = (
                struct.pack(form.order + word, free + len(behind)),
                behind + packed + b"\0" * (len(packed) % 2),
            )
        entries += struct.pack(f"{form.order}HH{word}", tag, kind, len(numbers)) + packed.ljust(room, b"\0")
    magic = b"II" if form.order == "<" else b"MM"
    if form.big:
        start = magic + struct.pack(f"{form.order}HHHQ", 43, 8, 0, at)
        count = struct.pack(f"{form.order}Q", len(tags))
    else:
        start = magic + struct.pack(f"{form.order}HI", 42, at)
        count = struct.pack(f"{form.order}H", len(tags))
    return start + body + count + entries + bytes(room) + behind


def _cut(plane: Values, form: Form) -> Iterator[Values]:
    height, width, samples = plane.shape
    if form.tile is None:
        for top in range(0, height, form.rows):
            yield plane[top : top + form.rows]
        return
    across, down = form.tile
    for top in range(0, height, down):
        for left in range(0, width, across):
            # What lies beyond the picture's edge is anything, so that a reader that takes it is found out.
            tile = np.full((down, across, samples), plane[0, 0, 0])
            part = plane[top : top + down, left : left + across]
            tile[: part.shape[0], : part.shape[1]] = part
            yield tile


def _packed(piece: Values, form: Form) -> bytes:
    data = _bytes(piece, form)
    if form.compression == "none":
        return data
    if form.compression in ("deflate", "old deflate"):
        return zlib.compress(data)
    codec = {"LZW": "lzw", "PackBits": "packbits", "LZMA": "lzma", "Zstandard": "zstd"}[form.compression]
    return bytes(getattr(imagecodecs, f"{codec}_encode")(data))


def _bytes(piece: Values, form: Form) -> bytes:
    rows = len(piece)
    if form.kind == "c" or form.bits in (8, 16, 32, 64):
        dtype = np.dtype(f"{form.order}{form.kind}{form.bits // 8}")
        values = piece.astype(dtype)
        if form.predictor == 2:
            numbers = values.view(f"{form.order}u{form.bits // 8}").astype(f"u{form.bits // 8}")
            numbers[:, 1:] -= numbers[:, :-1].copy()
            return numbers.astype(f"{form.order}u{form.bits // 8}").tobytes()
        if form.predictor == 3:
            return _floating_differences(values, form.bits // 8)
        return values.tobytes()
    numbers = piece.reshape(rows, -1).astype(np.int64) & ((1 << form.bits) - 1)
    if form.bits == 24:
        return (
            np.ascontiguousarray(numbers.astype(f"{form.order}u4"))
            .view(np.uint8)
            .reshape(-1, 4)[:, slice(0, 3) if form.order == "<" else slice(1, 4)]
            .tobytes()
        )
    bits = (numbers[:, :, None] >> np.arange(form.bits - 1, -1, -1)) & 1
    return np.packbits(bits.reshape(rows, -1).astype(np.uint8), axis=1).tobytes()


def _floating_differences(values: Values, size: int) -> bytes:
    rows, width, samples = values.shape
    big = np.ascontiguousarray(values.astype(f">f{size}")).view(np.uint8).reshape(rows, width * samples, size)
    planes = np.ascontiguousarray(big.swapaxes(1, 2)).reshape(rows, -1, samples)
    planes[:, 1:] -= planes[:, :-1].copy()
    return planes.tobytes()
