"""Finding pictures that are copies of one another, re-encoded, resized, mirrored or turned, by perceptual hash.

It needs no network, so a split can use it before anything is embedded. Crops and frames of one video look different to
it; whoever knows of those gives groups, and the embeddings find them later.
Shapes: N images, P pairs, K×K frequencies.
"""

from __future__ import annotations

from collections.abc import Sequence
from functools import lru_cache
from math import ceil
from pathlib import Path

import numpy as np
from scipy.sparse import coo_matrix
from scipy.sparse.csgraph import connected_components

from ...core.errors import DataError, InputError, StepError
from ...core.ordered_map import ordered_map
from ...core.ports import Progress
from ...core.types import IntArray, Skipped
from ..block.sample import Sample
from . import phash
from .picture import read_picture

# Bits of 64 in which two hashes may differ (Zauner 2010 finds copies below 8; 6 leaves a margin).
MAX_HASH_DISTANCE = 6
# Least likeness of copies. When re-encoded at JPEG quality 50, halved or doubled in size, 95 % keep 0.9998 and the worst of
# 111 photos 0.9978 (about 1 % are missed); the nearest distinct photos of a uniform domain (solar cells)
# come to 0.998 at the 99th percentile, ordinary photos to 0.9.
LEAST_LIKENESS = 0.999

# The number of copies that an image must have until no more are looked for among images that have as many.
PARTNERS = 16

# Large JPEGs are decoded at a reduced scale that leaves the shorter side this many pixels. Against full size the likeness
# stays above 0.9998 (27 photos of 5 megapixels; 0.9993 at 256, 0.997 at 128), well clear of the 0.999 asked of copies.
SHORTER_SIDE = 512

# The number of fingerprints (512 bytes each) remembered while the process lives: a notebook splits the same data many times.
REMEMBERED = 50_000


def copy_groups(
    samples: Sequence[Sample], *, workers: int, progress: Progress
) -> tuple[IntArray, tuple[tuple[int, Skipped], ...]]:
    """(N,) group numbers, equal for copies, and (position, why) of what cannot be decoded, each alone in its group.

    Every image is decoded once (large JPEGs at a reduced scale).
    """
    stored: list[bytes] = []
    readable: list[int] = []
    unusable: list[tuple[int, Skipped]] = []
    with progress.stage("look for copies", len(samples)) as advance:
        found = ordered_map(_fingerprint_or_reason, samples, workers=workers, ahead=16 * workers)
        for row, fingerprint in enumerate(found):
            if isinstance(fingerprint, bytes):
                stored.append(fingerprint)
                readable.append(row)
            else:
                unusable.append((row, fingerprint))
            advance(1)
    i_P, j_P, _ = copy_pairs(phash.frequencies(stored))
    rows = np.asarray(readable, np.intp)
    return joined(len(samples), rows[i_P], rows[j_P]), tuple(unusable)


def copy_pairs(frequencies_NKK: phash.Frequencies) -> tuple[phash.Rows, phash.Rows, phash.Frequencies]:
    """Pairs i < j of images that are copies, as two (P,) arrays, and their (P,) likeness.

    Once an image has `PARTNERS` copies, pairs with others that have as many are not looked for: all those of a camera that never
    moved are joined all the same. Blank frames are each paired with the first.
    """
    n = len(frequencies_NKK)
    blank = np.flatnonzero(phash.blank(frequencies_NKK))
    settled_N, partners_N = np.zeros(n, bool), np.zeros(n, np.int64)
    settled_N[blank] = True
    found = [(np.repeat(blank[:1], max(len(blank) - 1, 0)), blank[1:], np.ones(max(len(blank) - 1, 0), np.float32))]
    for i_P, j_P in phash.near_pairs(phash.hashes(frequencies_NKK), MAX_HASH_DISTANCE, settled_N=settled_N):
        likeness_P = phash.likeness(frequencies_NKK, i_P, j_P)
        kept = likeness_P >= LEAST_LIKENESS
        found.append((i_P[kept], j_P[kept], likeness_P[kept]))
        partners_N += np.bincount(i_P[kept], minlength=n) + np.bincount(j_P[kept], minlength=n)
        settled_N |= partners_N >= PARTNERS
    i_P, j_P, likeness_P = (np.concatenate(column) for column in zip(*found, strict=True))
    return i_P, j_P, likeness_P


def joined(n: int, i_P: phash.Rows, j_P: phash.Rows) -> IntArray:
    """(n,) group numbers: connected components of the pairs."""
    links = coo_matrix((np.ones(len(i_P), bool), (i_P, j_P)), shape=(n, n))
    groups_N: IntArray = connected_components(links, directed=False)[1].astype(np.int64)
    return groups_N


def _fingerprint_or_reason(sample: Sample) -> bytes | Skipped:
    try:
        if isinstance(sample.x, Path):
            return _of_file(sample.x, *_version(sample.x))
        return phash.low_frequencies(read_picture(sample.x, _enough))
    except InputError as error:
        return Skipped(sample.name, error.reason, error.detail)
    except DataError as error:
        raise StepError("ImageBlock", str(sample), str(error)) from None


def _version(path: Path) -> tuple[int, int]:
    """A stamp that changes when the file does. Where it cannot be had, reading the file says why."""
    try:
        status = path.stat()
    except (OSError, ValueError):
        return 0, 0
    return status.st_size, status.st_mtime_ns


@lru_cache(maxsize=REMEMBERED)
def _of_file(path: Path, _size: int, _mtime_ns: int) -> bytes:
    return phash.low_frequencies(read_picture(path, _enough))


def _enough(width: int, height: int) -> tuple[int, int] | None:
    scale = SHORTER_SIDE / min(width, height)
    return (ceil(width * scale), ceil(height * scale)) if scale < 1 else None
