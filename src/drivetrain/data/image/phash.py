"""Perceptual fingerprint: a picture's structure that survives re-encoding and resizing, in all eight orientations at once.

The grey thumbnail's discrete cosine transform keeps its 16×16 lowest frequencies. The sign of the lowest 8×8 against
their median is the classic 64-bit perceptual hash (Zauner 2010, "Implementation and benchmarking of perceptual image
hash functions"), quick to compare; the frequencies themselves, weighted towards the high ones, tell a re-encoded copy
from a merely similar picture. Mirroring an image flips the sign of its odd frequencies and turning it transposes
them, so all eight flips and rotations follow from one transform.
Shapes: N images, K×K frequencies, O = 8 orientations, P pairs.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence

import numpy as np
from numpy.typing import NDArray
from PIL import Image

SIZE = 64
KEPT = 16
HASHED = 8
BITS = HASHED * HASHED
ORIENTATIONS = 8
STORED_BYTES = 2 * KEPT * KEPT

# Rounding leaves up to 0.0004 of a frequency that a picture does not have; no bit of the hash must depend on that.
ROUNDING = 0.01
# A picture with less structure than this is a blank frame.
BLANK = 1.0
# The number of pairs compared at a time: thousands of equal frames make millions of pairs, at a kilobyte each.
PAIR_BLOCK = 1 << 15

# Many hashes are looked up by parts of 16 bits, of which at most one bit may differ (17 values) or two (137), so that pairs that
# differ in up to eleven bits are found; for more bits, or among few images, comparing all with all is quicker.
PARTS, PART_BITS = 4, 16
MOST_FLIPPED = 3
FEW = 3000
# The number of candidates looked at in one piece, about 24 bytes each.
CANDIDATES = 1 << 20

Hashes = NDArray[np.uint64]
Frequencies = NDArray[np.float32]
Rows = NDArray[np.intp]


def _dct_rows() -> Frequencies:
    """First rows of the orthonormal DCT-II matrix, (16, 64)."""
    k, n = np.arange(KEPT)[:, None], np.arange(SIZE)[None, :]
    rows = np.cos(np.pi * (n + 0.5) * k / SIZE) * np.sqrt(2 / SIZE)
    rows[0] /= np.sqrt(2)
    small: Frequencies = rows.astype(np.float32)
    return small


_DCT = _dct_rows()


def low_frequencies(image: Image.Image) -> bytes:
    """Compute 256 float16 of an RGB image, row by row: all that the functions below need to know of it."""
    small = image.convert("L").resize((SIZE, SIZE), Image.Resampling.BILINEAR, reducing_gap=2.0)
    grey = np.asarray(small, dtype=np.float32)
    return (_DCT @ grey @ _DCT.T).astype(np.float16).tobytes()


def frequencies(stored: Sequence[bytes]) -> Frequencies:
    """Read stored fingerprints as (N, 16, 16) frequencies."""
    return np.frombuffer(b"".join(stored), np.float16).reshape(-1, KEPT, KEPT).astype(np.float32)


def turn(frequencies_NKK: Frequencies, orientation: int) -> Frequencies:
    """The frequencies of the same image in another of its eight orientations; 0 leaves it as it is."""
    turned = frequencies_NKK.transpose(0, 2, 1) if orientation & 4 else frequencies_NKK
    odd_K = np.where(np.arange(frequencies_NKK.shape[1]) % 2, np.float32(-1), np.float32(1))
    if orientation & 2:
        turned = turned * odd_K[:, None]
    if orientation & 1:
        turned = turned * odd_K[None, :]
    return turned


def hashes(frequencies_NKK: Frequencies) -> Hashes:
    """(N, 8) 64-bit hashes: each image in its eight orientations, the stored one first."""
    lowest = frequencies_NKK[:, :HASHED, :HASHED]
    return np.stack([_pack(turn(lowest, o).reshape(-1, BITS)) for o in range(ORIENTATIONS)], axis=1)


def _pack(lowest_NB: Frequencies) -> Hashes:
    # The mean grey (bit 0) says nothing of the picture; it is left out of the median and always 0.
    median_N1 = np.median(lowest_NB[:, 1:], axis=1, keepdims=True)
    bits = lowest_NB > median_N1 + ROUNDING
    bits[:, 0] = False
    return np.packbits(bits, axis=1).view(np.uint64).ravel()


def near_pairs(
    hashes_NO: Hashes, max_distance: int, block: int = 512, settled_N: NDArray[np.bool_] | None = None
) -> Iterator[tuple[Rows, Rows]]:
    """Pairs i < j whose hashes differ in at most ``max_distance`` bits in some orientation.

    Yields (i, j) piece by piece, so memory stays bounded whatever N is. ``settled_N``: pairs of two images that are both marked
    in it are passed over; the caller may mark more of them between two pieces, as a camera that never moved makes more pairs
    than anybody can use.
    """
    settled_N = np.zeros(len(hashes_NO), bool) if settled_N is None else settled_N
    if len(hashes_NO) < FEW or max_distance >= MOST_FLIPPED * PARTS:
        yield from _near_among_few(hashes_NO, max_distance, block, settled_N)
        return
    yield from _near_among_many(hashes_NO, max_distance, block, settled_N)


def _near_among_few(
    hashes_NO: Hashes, max_distance: int, block: int, settled_N: NDArray[np.bool_]
) -> Iterator[tuple[Rows, Rows]]:
    """Compare all with all."""
    upright_N = hashes_NO[:, 0]
    for start in range(0, len(upright_N), block):
        rest_M = upright_N[start:]
        close = np.zeros((min(block, len(rest_M)), len(rest_M)), bool)
        for orientation in range(ORIENTATIONS):
            mine_B1 = hashes_NO[start : start + block, orientation][:, None]
            close |= np.bitwise_count(mine_B1 ^ rest_M[None, :]) <= max_distance
        if settled_N.any():
            close &= ~(settled_N[start : start + block][:, None] & settled_N[start:][None, :])
        at = np.flatnonzero(close)
        rows, columns = at // len(rest_M), at % len(rest_M)
        later = columns > rows
        yield rows[later] + start, columns[later] + start


def _near_among_many(
    hashes_NO: Hashes, max_distance: int, block: int, settled_N: NDArray[np.bool_]
) -> Iterator[tuple[Rows, Rows]]:
    """Compare those that nearly agree in one quarter: at most a quarter of the bits that differ fall into one of four."""
    n = len(hashes_NO)
    masks = _masks(max_distance // PARTS)
    everything = _Quarters(hashes_NO[:, 0], np.arange(n))
    unsettled, settled_before = everything, 0
    for start in range(0, n, block):
        rows = np.arange(start, min(start + block, n))
        if settled_N.sum() > settled_before:
            settled_before = int(settled_N.sum())
            unsettled = _Quarters(hashes_NO[:, 0], np.flatnonzero(~settled_N))
        for among, mine in ((everything, rows[~settled_N[rows]]), (unsettled, rows[settled_N[rows]])):
            for i_C, j_C, orientation_C in among.candidates(hashes_NO, mine, masks):
                near = np.bitwise_count(hashes_NO[i_C, orientation_C] ^ hashes_NO[j_C, 0]) <= max_distance
                near &= ~(settled_N[i_C] & settled_N[j_C])
                keys = np.unique(i_C[near] * n + j_C[near])
                # All candidates of a row stand in one piece, so that no pair comes twice.
                yield keys // n, keys % n


def _masks(flipped: int) -> Hashes:
    """All numbers of 16 bits with at most ``flipped`` ones."""
    numbers = np.arange(1 << PART_BITS, dtype=np.uint64)
    return numbers[np.bitwise_count(numbers) <= flipped]


class _Quarters:
    """Where each value of each 16 bits of a hash occurs among some images."""

    def __init__(self, upright_N: Hashes, rows_M: Rows) -> None:
        """Sort the images ``rows_M`` by each of their four parts."""
        values = np.arange((1 << PART_BITS) + 1)
        self._tables = []
        for part in range(PARTS):
            keys_M = _part(upright_N[rows_M], part)
            order_M = np.argsort(keys_M, kind="stable")
            self._tables.append((rows_M[order_M], np.searchsorted(keys_M[order_M], values)))

    def candidates(self, hashes_NO: Hashes, mine_R: Rows, masks: Hashes) -> Iterator[tuple[Rows, Rows, Rows]]:
        """Yield (mine, other, orientation of mine) where other comes later and one part nearly agrees, row by row."""
        if not len(mine_R):
            return
        turned = np.arange(ORIENTATIONS)
        firsts, counts = [], []
        for part, (_, starts) in enumerate(self._tables):
            keys = (_part(hashes_NO[mine_R], part)[:, :, None] ^ masks).astype(np.intp)
            firsts.append(starts[keys].reshape(len(mine_R), -1))
            counts.append((starts[keys + 1] - starts[keys]).reshape(len(mine_R), -1))
        orientations = np.repeat(turned, len(masks))
        ends_R = np.cumsum(sum(count.sum(axis=1) for count in counts))
        done = 0
        while done < len(mine_R):
            before = ends_R[done - 1] if done else 0
            upto = max(int(np.searchsorted(ends_R, before + CANDIDATES, side="right")), done + 1)
            pieces = []
            for part, (rows_M, _) in enumerate(self._tables):
                first, count = firsts[part][done:upto].ravel(), counts[part][done:upto].ravel()
                at = np.repeat(first - np.concatenate([[0], np.cumsum(count)[:-1]]), count) + np.arange(count.sum())
                i_C = np.repeat(np.repeat(mine_R[done:upto], len(orientations)), count)
                j_C = rows_M[at]
                later = j_C > i_C
                orientation_C = np.repeat(np.tile(orientations, upto - done), count)
                pieces.append((i_C[later], j_C[later], orientation_C[later]))
            i_C, j_C, orientation_C = (np.concatenate(columns) for columns in zip(*pieces, strict=True))
            yield i_C, j_C, orientation_C
            done = upto


def _part(hashes: Hashes, part: int) -> Hashes:
    return (hashes >> np.uint64(part * PART_BITS)) & np.uint64((1 << PART_BITS) - 1)


def blank(frequencies_NKK: Frequencies) -> NDArray[np.bool_]:
    """(N,) whether a picture has no structure, whatever its grey."""
    return _norms(_weighted(frequencies_NKK)) < BLANK


def likeness(frequencies_NKK: Frequencies, i_P: Rows, j_P: Rows) -> Frequencies:
    """(P,) correlation of two pictures' structure, −1 to 1, in the orientation that fits best.

    Frequencies count in proportion to their height, which undoes the fall-off of natural images (about 1/f). Of 111
    photos, copies of JPEG quality 50, of half or of twice the size all kept 0.997 and 19 in 20 of them 0.9998; two
    different photos never reached 0.42. Two blank frames are alike (1), a blank one and any other unlike (0).
    """
    weighted = _weighted(frequencies_NKK)
    norm_N = _norms(weighted)
    unit: Frequencies = np.asarray(weighted / np.maximum(norm_N, np.float32(1e-12))[:, None, None], np.float32)
    best_P = np.full(len(i_P), -1, np.float32)
    for start in range(0, len(i_P), PAIR_BLOCK):
        part = slice(start, start + PAIR_BLOCK)
        mine, others = unit[i_P[part]], unit[j_P[part]]
        for orientation in range(ORIENTATIONS):
            product_P = np.einsum("pkl,pkl->p", turn(mine, orientation), others)
            np.maximum(best_P[part], product_P, out=best_P[part])
    blank_N = norm_N < BLANK
    best_P[blank_N[i_P] ^ blank_N[j_P]] = 0.0
    best_P[blank_N[i_P] & blank_N[j_P]] = 1.0
    return best_P


def _weighted(frequencies_NKK: Frequencies) -> Frequencies:
    height = np.arange(KEPT, dtype=np.float32)
    weighted: Frequencies = frequencies_NKK * np.hypot(height[:, None], height[None, :])
    return weighted


def _norms(weighted: Frequencies) -> Frequencies:
    norms_N: Frequencies = np.linalg.norm(weighted.reshape(-1, KEPT * KEPT), axis=1)
    return norms_N
