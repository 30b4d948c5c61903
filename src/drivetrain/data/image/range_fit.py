"""The ranges of a data set's values, fitted once before training: the same for all pictures from then on.

Each picture of a sample says between which values it lies, single pixels and “no data” left out. Of these the range is made
that suits nearly all pictures; a few of another kind do not widen it. It is then rounded outward, to a scale that people use
(0 to 1, 255, 4095, …) or to a coarse grid. So it stays the same when some pictures come or go, and what was embedded by it
can be used again.
"""

from __future__ import annotations

import hashlib
import io
import json
from collections.abc import Iterable, Iterator, Sequence
from contextlib import nullcontext
from dataclasses import dataclass
from math import ceil, floor, log10
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray
from PIL import Image
from pydantic import PrivateAttr

from ...core.errors import DataError, InputError
from ...core.ordered_map import ordered_map
from ...core.plain_file import open_plain
from ...core.ports import Notes, Progress
from ...core.reference import Reference, read_bounded
from .bit_depth import is_deep, may_be_deep
from .picture import read_picture
from .render import Range, Ranges, Render
from .valid_values import counting, ends

# The most pictures that a range is fitted to, and the most files whose headers are read to find them.
PICTURES, HEADERS = 128, 2048

# Part of the names under which it is noted what pictures say: bump it when they would say something else.
NOTES_VERSION = 3

# The share of the pictures at either end that may lie beyond the range, at least one of two and more.
ODD = 0.05

# A scale that people use is taken where at least this share of it is in use; of floating point also where it is exceeded by a
# hair, as filters and calibrations do.
IN_USE, HAIR = 0.5, 1.02
SCALES = tuple(2.0**bits - 1 for bits in (8, 10, 12, 14, 16))

# Black is 0 where the lowest values are no more than this share of the highest: what is lost of the contrast is less. Negative
# noise of up to the second share is black, too.
NEAR_ZERO, NOISE = 0.25, 0.02

# The grid has at least so many steps between the lowest and the highest value.
STEPS = 8

Ends = list[tuple[bool, float, float]]
"""A picture of more than 8 bits says: floating point or not, and between which values it lies. Others say nothing."""
Named = tuple[str, object]
"""A picture's name within its source, and what it is read from; see `read_picture`."""


@dataclass(frozen=True)
class Fit:
    """A rule with the ranges that were fitted."""

    render: Render
    words: str | None
    """The ranges, and how many pictures they are from; None where nothing was fitted."""


class _Noted(Ranges):
    """Ranges that are not known, and note between which values each picture lies that asks for them."""

    _ends: Ends = PrivateAttr(default_factory=list)

    def of(self, values: NDArray[Any], no_data: float | None) -> Range | None:
        counted = counting(values, no_data)
        if len(counted):
            self._ends.append((np.issubdtype(values.dtype, np.floating), *ends(counted)))
        return None

    @property
    def found(self) -> Ends:
        """(floating point, lowest, highest) of each picture."""
        return self._ends


def fit_ranges(
    render: Render, pictures: Iterable[Named], progress: Progress, workers: int, notes: Notes | None = None
) -> Fit:
    """Fit those ranges of the rule that are not known, to the pictures of more than 8 bits.

    Neither the order of the pictures nor chance has a part in it. Files that hold 8 bits by their name are not opened. What a
    picture says is kept among the ``notes``, so that it is decoded once only.
    """
    if isinstance(render.ranges, str) or (render.ranges.integers and render.ranges.floats):
        return Fit(render, None)
    deep = _deep(pictures)
    if not deep:
        return Fit(render, None)
    ends_F: dict[bool, list[tuple[float, float]]] = {False: [], True: []}
    for found in _ends_of(deep, progress, workers, notes):
        for floats, low, high in found:
            ends_F[floats].append((low, high))
    integers = render.ranges.integers or range_of(ends_F[False], floats=False)
    floating = render.ranges.floats or range_of(ends_F[True], floats=True)
    fitted = Ranges(
        integers=None if render.ranges.integers else integers, floats=None if render.ranges.floats else floating
    )
    if not fitted.words:
        return Fit(render, None)
    counts = [len(ends_F[floats]) for floats, known in ((False, fitted.integers), (True, fitted.floats)) if known]
    ranges = Ranges(integers=integers, floats=floating)
    return Fit(render.model_copy(update={"ranges": ranges}), f"{fitted.words} (from {_counted(counts)})")


def _counted(counts: Sequence[int]) -> str:
    numbers = " and ".join(map(str, counts))
    return f"{numbers} picture{'' if counts == [1] else 's'}"


def range_of(ends: Sequence[tuple[float, float]], *, floats: bool) -> Range | None:
    """Make the range of pictures whose (lowest, highest) values are ``ends``; None where there are none, or one value only.

    >>> range_of([(0, 4000)] * 9 + [(0, 65000)], floats=False)
    (0.0, 4095.0)
    >>> range_of([(7050, 8900)] * 9, floats=False)
    (7000.0, 9000.0)
    """
    if not ends:
        return None
    lows, highs = (sorted(side) for side in zip(*ends, strict=True))
    odd = min(max(int(ODD * len(ends)), 1), (len(ends) - 1) // 2)
    low, high = lows[odd], highs[len(highs) - 1 - odd]
    if not low < high:
        return None
    low = 0.0 if -NOISE * high <= low <= NEAR_ZERO * high else low
    if low == 0 and (scale := _scale(high, floats=floats)) is not None:
        return 0.0, scale
    step = _step(high - low)
    # Without the last digits, which are the grid's own rounding.
    return float(f"{floor(low / step) * step:.12g}"), float(f"{ceil(high / step) * step:.12g}")


def _scale(high: float, *, floats: bool) -> float | None:
    """Return the scale that people use of which ``high`` is the highest value in use; None where it is none."""
    scales, most = ((1.0, *SCALES), HAIR) if floats else (SCALES, 1.0)
    return next((scale for scale in scales if IN_USE * scale <= high <= most * scale), None)


def _step(span: float) -> float:
    """Return 1, 2 or 5 times a power of ten, of which ``span`` has at least `STEPS`."""
    power = 10.0 ** floor(log10(span / STEPS))
    return next(times * power for times in (5, 2, 1) if times == 1 or times * power * STEPS <= span)


def _deep(pictures: Iterable[Named]) -> list[object]:
    """Return a sample of the pictures of more than 8 bits: the same whatever their order."""
    sources = [(name, x) for name, x in pictures if _may_be_deep(name, x)]
    sources.sort(key=lambda named: hashlib.sha256(named[0].encode("utf-8", "replace")).digest())
    found: list[object] = []
    for _, x in sources[:HEADERS]:
        if _is_deep(x):
            found.append(x)
        if len(found) == PICTURES:
            break
    return found


def _may_be_deep(name: str, x: object) -> bool:
    # A name says something of a file only: whatever else pictures are read from holds what it holds.
    return isinstance(x, bytes | Image.Image | np.ndarray) or may_be_deep(name)


def _is_deep(x: object) -> bool:
    if isinstance(x, Image.Image):
        return x.mode.startswith("I") or x.mode == "F"
    try:
        if isinstance(x, Path | str):
            with open_plain(x) as file:
                return is_deep(file)
        data = x if isinstance(x, bytes) else read_bounded(x) if isinstance(x, Reference) else b""
    except (OSError, ValueError, InputError):
        return False  # whoever reads it for good says why
    return is_deep(io.BytesIO(data))


def _ends_of(deep: Sequence[object], progress: Progress, workers: int, notes: Notes | None) -> Iterator[Ends]:
    """Yield what each picture says: as it was noted, or from its values."""
    names = [None] * len(deep) if notes is None else list(ordered_map(_name, deep, workers=workers, ahead=2 * workers))
    known = [notes.note(name) if notes is not None and name is not None else None for name in names]
    new = [x for x, text in zip(deep, known, strict=True) if text is None]
    with progress.stage("fit range of values", len(new)) if new else nullcontext() as advance:
        read = ordered_map(_read_ends, new, workers=workers, ahead=2 * workers)
        for name, text in zip(names, known, strict=True):
            if text is not None:
                yield [(bool(floats), low, high) for floats, low, high in json.loads(text)]
                continue
            found = next(read)
            if notes is not None and name is not None and found:
                notes.set_note(name, json.dumps(found))
            if advance is not None:
                advance(1)
            yield found


def _name(x: object) -> str | None:
    """Name what is noted of a picture: by its bytes; None where there are none."""
    try:
        data = x if isinstance(x, bytes) else read_bounded(x) if isinstance(x, Reference | str) else None
    except InputError:
        return None
    return None if data is None else f"range-ends-{NOTES_VERSION}-{hashlib.sha256(data).hexdigest()}"


def _read_ends(x: object) -> Ends:
    noted = _Noted()
    try:
        read_picture(x, None, Render(ranges=noted))
    except (InputError, DataError, MemoryError):
        return []
    return noted.found
