"""Colour profiles built from their definition, and what they make of colours, computed without a colour library."""

from __future__ import annotations

import struct
from collections.abc import Mapping

import numpy as np
from numpy.typing import NDArray

Floats = NDArray[np.float64]

# Chromaticities of red, green, blue and white, from the spaces' own standards, and the exponent of their curve.
SPACES: Mapping[str, tuple[tuple[float, ...], float]] = {
    "Adobe RGB (1998)": ((0.64, 0.33, 0.21, 0.71, 0.15, 0.06, 0.3127, 0.3290), 563 / 256),
    "Display P3, by a power": ((0.68, 0.32, 0.265, 0.69, 0.15, 0.06, 0.3127, 0.3290), 2.2),
    "ProPhoto RGB": ((0.7347, 0.2653, 0.1596, 0.8404, 0.0366, 0.0001, 0.3457, 0.3585), 1.8),
    "Rec. 2020, by a power": ((0.708, 0.292, 0.17, 0.797, 0.131, 0.046, 0.3127, 0.3290), 2.4),
    "sRGB, by a power": ((0.64, 0.33, 0.30, 0.60, 0.15, 0.06, 0.3127, 0.3290), 2.2),
}
SRGB = (0.64, 0.33, 0.30, 0.60, 0.15, 0.06, 0.3127, 0.3290)
D50 = np.array([0.9642, 1.0, 0.8249])
_BRADFORD = np.array([[0.8951, 0.2664, -0.1614], [-0.7502, 1.7135, 0.0367], [0.0389, -0.0685, 1.0296]])


def to_xyz(chromaticities: tuple[float, ...]) -> Floats:
    """The matrix from linear values to XYZ under D50, by the Bradford adaptation, as profiles have it."""
    xy = np.array(chromaticities).reshape(4, 2)
    xyz = np.stack([xy[:, 0] / xy[:, 1], np.ones(4), (1 - xy.sum(1)) / xy[:, 1]])
    primaries, white = xyz[:, :3], xyz[:, 3]
    matrix = primaries * np.linalg.solve(primaries, white)
    scale = np.diag((_BRADFORD @ D50) / (_BRADFORD @ white))
    return np.linalg.inv(_BRADFORD) @ scale @ _BRADFORD @ matrix


def srgb_of(xyz: Floats) -> Floats:
    """XYZ under D50 (…, 3) → levels of sRGB, 0 to 255, cut off at its bounds."""
    linear = np.clip(xyz @ np.linalg.inv(to_xyz(SRGB)).T, 0, 1)
    return 255 * np.where(linear <= 0.0031308, 12.92 * linear, 1.055 * linear ** (1 / 2.4) - 0.055)


def expected(space: str, pixels: NDArray[np.uint8]) -> Floats:
    """Levels in a space → levels of sRGB."""
    chromaticities, gamma = SPACES[space]
    return srgb_of((pixels / 255.0) ** gamma @ to_xyz(chromaticities).T)


def expected_grey(gamma: float, levels: NDArray[np.uint8]) -> Floats:
    return srgb_of(((levels / 255.0) ** gamma)[..., None] * D50)[..., 1]


def profile(colours: bytes, kind: bytes, pcs: bytes, tags: Mapping[bytes, bytes]) -> bytes:
    """A profile of version 2 from its tags."""
    place, table, body = 132 + 12 * len(tags), b"", b""
    for name, data in tags.items():
        padded = data + bytes(-len(data) % 4)
        table += name + struct.pack(">II", place + len(body), len(data))
        body += padded
    white = struct.pack(">iii", *(round(value * 65536) for value in D50))
    head = struct.pack(">I4xI4s4s4s", place + len(body), 0x02400000, kind, colours, pcs)
    head += bytes(12) + b"acsp" + bytes(28) + white + bytes(48)
    assert len(head) == 128
    return head + struct.pack(">I", len(tags)) + table + body


def _xyz(values: Floats) -> bytes:
    return b"XYZ \0\0\0\0" + struct.pack(">iii", *(round(float(value) * 65536) for value in values))


def _curve(gamma: float) -> bytes:
    return b"curv\0\0\0\0" + struct.pack(">IH", 1, round(gamma * 256))


def _text(words: str) -> bytes:
    return b"text\0\0\0\0" + words.encode() + b"\0"


def _described(words: str) -> dict[bytes, bytes]:
    name = words.encode() + b"\0"
    return {
        b"desc": b"desc\0\0\0\0" + struct.pack(">I", len(name)) + name + bytes(78),
        b"cprt": _text("none"),
        b"wtpt": _xyz(D50),
    }


def matrix_profile(space: str) -> bytes:
    chromaticities, gamma = SPACES[space]
    matrix = to_xyz(chromaticities)
    tags = _described(space)
    for column, name in enumerate((b"r", b"g", b"b")):
        tags[name + b"XYZ"] = _xyz(matrix[:, column])
        tags[name + b"TRC"] = _curve(gamma)
    return profile(b"RGB ", b"mntr", b"XYZ ", tags)


def grey_profile(gamma: float) -> bytes:
    return profile(b"GRAY", b"mntr", b"XYZ ", {**_described("grey"), b"kTRC": _curve(gamma)})


# Lab of paper, and of each ink alone, of a press that was made up; black covers all, and other colours lie between, line by line.
PAPER, INKS = (100.0, 0.0, 0.0), ((55.0, -36.0, -48.0), (48.0, 72.0, -3.0), (88.0, -5.0, 90.0))


def lab_of(inks: NDArray[np.uint8]) -> Floats:
    """Lab of inks (…, 4) of that press: multilinear between the 16 corners."""
    share = inks / 255.0
    found = np.zeros((*inks.shape[:-1], 3))
    for corner in range(16):
        on = [corner >> place & 1 for place in range(4)]
        weight = np.prod([share[..., place] if on[place] else 1 - share[..., place] for place in range(4)], axis=0)
        found += weight[..., None] * _corner(on)
    return found


def _corner(on: list[int]) -> Floats:
    lightness, a, b = PAPER
    for place in range(3):
        if on[place]:
            lightness *= INKS[place][0] / 100
            a, b = a + INKS[place][1], b + INKS[place][2]
    if on[3]:
        lightness, a, b = 0.0, 0.0, 0.0
    return np.array([lightness, np.clip(a, -120, 120), np.clip(b, -120, 120)])


def press_profile(side: int = 2) -> bytes:
    """A profile with a table of ``side`` steps for each ink, from inks to Lab."""
    steps = np.rint(np.linspace(0, 255, side)).astype(np.uint8)
    grid = np.stack(np.meshgrid(steps, steps, steps, steps, indexing="ij"), -1)
    lab = lab_of(grid).reshape(-1, 3)
    # Version 2 writes Lab in 16 bits as L / 100 · 65280 and (a + 128) · 256.
    coded = np.rint(np.stack([lab[:, 0] * 652.8, (lab[:, 1] + 128) * 256, (lab[:, 2] + 128) * 256], -1))
    table = coded.clip(0, 65535).astype(">u2").tobytes()
    identity = struct.pack(">9i", *(65536 * one for one in (1, 0, 0, 0, 1, 0, 0, 0, 1)))
    straight = struct.pack(">HH", 0, 65535)
    lut = b"mft2\0\0\0\0" + bytes([4, 3, side, 0]) + identity + struct.pack(">HH", 2, 2)
    lut += straight * 4 + table + straight * 3
    return profile(b"CMYK", b"prtr", b"Lab ", {**_described("press"), b"A2B0": lut})


def xyz_of_lab(lab: Floats) -> Floats:
    """Lab → XYZ, both under D50."""
    f_y = (lab[..., 0] + 16) / 116
    f = np.stack([f_y + lab[..., 1] / 500, f_y, f_y - lab[..., 2] / 200], -1)
    return D50 * np.where(f > 6 / 29, f**3, 3 * (6 / 29) ** 2 * (f - 4 / 29))
