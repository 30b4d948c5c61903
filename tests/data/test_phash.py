"""The perceptual fingerprint: all eight orientations from one transform, and the near pairs that follow from it."""

from __future__ import annotations

import io
from collections.abc import Callable
from functools import cache
from pathlib import Path

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from numpy.typing import NDArray
from PIL import Image, ImageDraw

from drivetrain.data.image import phash
from drivetrain.data.image.decode import decode
from drivetrain.data.image.phash import ORIENTATIONS, Frequencies, Hashes

Transpose = Image.Transpose
# What `turn` does for each of its numbers: bit 4 transposes, then bit 2 turns upside down and bit 1 left to right.
ACTUAL = {
    0: None,
    1: Transpose.FLIP_LEFT_RIGHT,
    2: Transpose.FLIP_TOP_BOTTOM,
    3: Transpose.ROTATE_180,
    4: Transpose.TRANSPOSE,
    5: Transpose.ROTATE_270,
    6: Transpose.ROTATE_90,
    7: Transpose.TRANSVERSE,
}


@cache
def scene(seed: int) -> Image.Image:
    """A picture with structure at several scales and no symmetry."""
    rng = np.random.default_rng(seed)
    image = Image.fromarray(rng.integers(0, 256, (6, 8, 3), dtype=np.uint8)).resize(
        (240, 180), Image.Resampling.BICUBIC
    )
    draw = ImageDraw.Draw(image)
    for _ in range(12):
        x, y, r = (int(value) for value in rng.integers((0, 0, 8), (240, 180, 50)))
        draw.ellipse((x - r, y - r, x + r, y + r), fill=tuple(int(level) for level in rng.integers(0, 256, 3)))
    return image


def of(*images: Image.Image) -> Frequencies:
    return phash.frequencies([phash.low_frequencies(image) for image in images])


def turned(image: Image.Image, orientation: int) -> Image.Image:
    how = ACTUAL[orientation]
    return image if how is None else image.transpose(how)


def structure(frequencies_NKK: Frequencies) -> Frequencies:
    """All but the mean grey, as rows."""
    return frequencies_NKK.reshape(len(frequencies_NKK), -1)[:, 1:]


def correlations(a_NKK: Frequencies, b_NKK: Frequencies) -> NDArray[np.float64]:
    return np.asarray([np.corrcoef(a, b)[0, 1] for a, b in zip(structure(a_NKK), structure(b_NKK), strict=True)])


def jpeg(image: Image.Image, quality: int) -> Image.Image:
    buffer = io.BytesIO()
    image.save(buffer, "JPEG", quality=quality)
    return decode(buffer.getvalue()).image


def pairs(hashes_NO: Hashes, max_distance: int, block: int = 512) -> list[tuple[int, int]]:
    found = phash.near_pairs(hashes_NO, max_distance, block)
    return [(int(i), int(j)) for i_P, j_P in found for i, j in zip(i_P, j_P, strict=True)]


# One transform, eight orientations


@pytest.mark.parametrize("orientation", range(ORIENTATIONS))
def test_turn_is_what_turning_the_picture_would_give(orientation: int) -> None:
    scenes = [scene(seed) for seed in range(12)]
    stored = of(*scenes)
    actual = of(*(turned(image, orientation) for image in scenes))
    assert correlations(phash.turn(stored, orientation), actual).min() >= 0.999
    # The other seven are told apart from it.
    for other in set(range(ORIENTATIONS)) - {orientation}:
        assert correlations(phash.turn(stored, other), actual).max() < 0.9


def test_the_stored_form_is_the_transform_of_the_thumbnail() -> None:
    """Against the definition of the orthonormal DCT-II, term by term."""
    image = scene(3)
    grey = np.asarray(image.convert("L").resize((64, 64), Image.Resampling.BILINEAR, reducing_gap=2.0)).astype(float)
    basis = np.cos(np.pi * (np.arange(64) + 0.5)[None, :] * np.arange(16)[:, None] / 64) * np.sqrt(2 / 64)
    basis[0] = np.sqrt(1 / 64)
    exact = basis @ grey @ basis.T
    stored = phash.low_frequencies(image)
    assert len(stored) == phash.STORED_BYTES == 512
    assert np.abs(of(image)[0] - exact).max() <= np.abs(exact).max() * 2**-11 + 1e-2  # float16 has 11 bits


def test_no_pictures() -> None:
    nothing = phash.frequencies([])
    none = np.empty(0, np.intp)
    assert nothing.shape == (0, 16, 16)
    assert phash.hashes(nothing).shape == (0, 8)
    assert pairs(phash.hashes(nothing), 6) == []
    assert phash.likeness(nothing, none, none).shape == (0,)


def test_hashes_of_a_turned_picture_are_the_same_in_another_order() -> None:
    scenes = [scene(seed) for seed in range(20)]
    stored = phash.hashes(of(*scenes))
    for orientation in range(ORIENTATIONS):
        upright = phash.hashes(of(*(turned(image, orientation) for image in scenes)))[:, 0]
        assert np.bitwise_count(stored[:, orientation] ^ upright).max() <= 4


# Near pairs

COPIES: dict[str, Callable[[Image.Image], Image.Image]] = {
    "quality 50": lambda image: jpeg(image, 50),
    "half the size": lambda image: image.resize((120, 90), Image.Resampling.LANCZOS),
    "twice the size": lambda image: image.resize((480, 360), Image.Resampling.BICUBIC),
    "squeezed": lambda image: image.resize((160, 180), Image.Resampling.BILINEAR),
    "darker": lambda image: image.point(lambda level: level * 0.9),
    "mirrored": lambda image: jpeg(image.transpose(Transpose.FLIP_LEFT_RIGHT), 80),
    "turned": lambda image: image.transpose(Transpose.ROTATE_90).resize((90, 120)),
}


@pytest.mark.parametrize("how", COPIES)
def test_copies_are_near_and_alike_and_nothing_else_is(how: str) -> None:
    originals = [scene(seed) for seed in range(40)]
    frequencies = of(*originals, *(COPIES[how](image) for image in originals))
    assert pairs(phash.hashes(frequencies), 6) == [(row, row + 40) for row in range(40)]
    rows = np.arange(40)
    assert phash.likeness(frequencies, rows, rows + 40).min() > 0.997
    assert phash.likeness(frequencies, rows, np.roll(rows, 1) + 40).max() < 0.9


def test_real_photos(data_root: Path) -> None:
    files = sorted((data_root / "bears").rglob("*.jpg"))[::15]
    photos = [decode(path.read_bytes()).image for path in files]
    copies = [jpeg(photo.transpose(Transpose.FLIP_LEFT_RIGHT).reduce(2), 60) for photo in photos]
    frequencies = of(*photos, *copies)
    n = len(photos)
    found = set(pairs(phash.hashes(frequencies), 6))
    assert {(row, row + n) for row in range(n)} <= found
    assert len(found) <= n + 3
    kinship = phash.likeness(frequencies, np.arange(n), np.arange(n) + n)
    assert kinship.min() > 0.995
    assert np.median(kinship) > 0.9995


def brute_force(hashes_NO: Hashes, max_distance: int) -> list[tuple[int, int]]:
    rows = [[int(value) for value in row] for row in hashes_NO]
    return [
        (i, j)
        for i in range(len(rows))
        for j in range(i + 1, len(rows))
        if min((turned ^ rows[j][0]).bit_count() for turned in rows[i]) <= max_distance
    ]


@settings(max_examples=60, deadline=None, derandomize=True, database=None)
@given(
    n=st.integers(0, 40),
    block=st.integers(1, 45),
    max_distance=st.integers(0, 24),
    flips=st.integers(0, 12),
    seed=st.integers(0, 2**32 - 1),
)
def test_near_pairs_are_those_of_a_double_loop(n: int, block: int, max_distance: int, flips: int, seed: int) -> None:
    rng = np.random.default_rng(seed)
    hashes = rng.integers(0, 2**64, (n, ORIENTATIONS), dtype=np.uint64)
    for row in range(1, n, 3):  # some are others with bits flipped, in some orientation
        for bit in rng.integers(0, 64, flips):
            hashes[row, 0] = hashes[row, 0] ^ np.uint64(1 << int(bit))
        hashes[row - 1, rng.integers(ORIENTATIONS)] = hashes[row, 0]
    assert sorted(pairs(hashes, max_distance, block)) == brute_force(hashes, max_distance)


def test_every_pair_is_found_once_whatever_the_blocks() -> None:
    hashes = np.zeros((23, ORIENTATIONS), np.uint64)
    everything = [(i, j) for i in range(23) for j in range(i + 1, 23)]
    for block in (1, 2, 7, 22, 23, 24, 512):
        assert sorted(pairs(hashes, 0, block)) == everything


# Blank pictures


def test_blank_pictures_are_alike_whatever_their_grey() -> None:
    greys = range(0, 256, 15)
    frequencies = of(*(Image.new("RGB", (97, 60), (level, level, level)) for level in greys), scene(0))
    blank = len(greys)
    hashes = phash.hashes(frequencies)
    assert not hashes[:blank].any()
    assert [pair for pair in pairs(hashes, 6) if blank not in pair] == brute_force(hashes[:blank], 64)
    rows = np.arange(blank)
    assert phash.likeness(frequencies, rows, np.roll(rows, 1)).tolist() == [1.0] * blank
    assert phash.likeness(frequencies, rows, np.full(blank, blank)).tolist() == [0.0] * blank


def test_a_hint_of_a_picture_is_not_that_picture() -> None:
    """The same structure at a contrast below the rounding of grey levels: a blank frame."""
    frequencies = of(scene(1))
    faint = frequencies * np.float32(1e-5)
    both = np.concatenate([frequencies, faint])
    assert phash.likeness(both, np.asarray([0, 0]), np.asarray([0, 1])).tolist() == pytest.approx([1.0, 0.0])


def test_likeness_of_many_pairs_is_that_of_each() -> None:
    frequencies = of(*(scene(seed) for seed in range(6)))
    i, j = np.triu_indices(6, 1)
    repeats = phash.PAIR_BLOCK // len(i) + 2  # more pairs than are compared at a time
    alone = np.concatenate([phash.likeness(frequencies, i[p : p + 1], j[p : p + 1]) for p in range(len(i))])
    many = phash.likeness(frequencies, np.tile(i, repeats), np.tile(j, repeats))
    assert np.allclose(many, np.tile(alone, repeats), atol=1e-6)
    assert np.allclose(alone, phash.likeness(frequencies, j, i), atol=1e-6)
