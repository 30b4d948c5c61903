"""Splitters: by lot, by folder, by a column, by time, by group, and the default, which leaks nothing.

All draw by name rather than by place in the list: the same seed gives the same split in whatever order the items are
listed and wherever the data lie. What a splitter is and what a split must hold stands in `splitter`.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace
from typing import TypeVar

import numpy as np

from ...core.cores import available_cores
from ...core.errors import DataError, StepError
from ...core.ports import Progress
from ...core.types import IntArray
from ..image.copies import copy_groups, joined
from ..sources.folder import listed
from ..sources.splits import split_value
from ..sources.table import text_of
from .describe import called, describe
from .holdout import Mask, hold_out, ranks
from .labellers import Column, place_of, read_column
from .moment import moment
from .sample import Sample
from .splitter import Rows, Split, Splitter, check_share, check_two

T = TypeVar("T")
GroupOf = Column | Callable[[object], object] | None

YES = frozenset({"true", "yes", "1"})
NO = frozenset({"false", "no", "0"})


@dataclass(frozen=True)
class RandomSplitter(Splitter):
    """Holds out a share of the items by lot.

    Near-duplicates and groups are torn apart, which flatters every figure; `LeakFreeSplitter` keeps them together.

    >>> train, valid = RandomSplitter(0.25, seed=42)(["a.jpg", "b.jpg", "c.jpg", "d.jpg"])
    >>> len(train), len(valid)
    (3, 1)
    """

    valid_pct: float = 0.2
    seed: int = 0

    def __post_init__(self) -> None:
        check_share(self.valid_pct, called(self))

    def split(self, samples: Sequence[Sample], progress: Progress) -> Split:  # noqa: ARG002  # quick
        check_two(samples, called(self))
        n_valid = min(max(int(self.valid_pct * len(samples) + 0.5), 1), len(samples) - 1)
        held_N = np.zeros(len(samples), bool)
        held_N[np.argsort(_ranks(samples, self.seed), kind="stable")[:n_valid]] = True
        return Split.of(held_N)


@dataclass(frozen=True)
class GrandparentSplitter(Splitter):
    """Splits by the folder above the label's: ``train/cat/1.jpg`` and ``valid/cat/2.jpg``. Other items are left out.

    >>> train, valid = GrandparentSplitter()(["train/cat/1.jpg", "valid/cat/2.jpg", "test/cat/3.jpg"])
    >>> train.tolist(), valid.tolist()
    ([0], [1])
    """

    train_name: str = "train"
    valid_name: str = "valid"

    def split(self, samples: Sequence[Sample], progress: Progress) -> Split:  # noqa: ARG002  # quick
        folders = [_read(sample, self, _grandparent) for sample in samples]
        sides = []
        for wanted in (self.train_name, self.valid_name):
            rows = np.asarray([row for row, folder in enumerate(folders) if folder == wanted], np.intp)
            if not len(rows):
                found = listed([repr(folder) for folder, _ in Counter(folders).most_common()])
                raise DataError(
                    f"GrandparentSplitter finds none of {len(samples)} items two folders below {wanted!r}, but below "
                    f"{found}; name the folders there are, or use another splitter"
                )
            sides.append(rows)
        return Split(sides[0], sides[1], _left_out(samples, sides))


def _grandparent(sample: Sample) -> str:
    return (sample.path or place_of(sample.item)).parent.parent.name


@dataclass(frozen=True)
class ColSplitter(Splitter):
    """Splits by a column: true, 1 or ``valid`` validates; false, 0, ``train`` or an empty cell trains; ``test`` is left out.

    ``ColSplitter("split")`` also reads what `open_source` found in folders or tables.

    >>> train, valid = ColSplitter()([{"is_valid": False}, {"is_valid": True}, {"is_valid": 0}])
    >>> train.tolist(), valid.tolist()
    ([0, 2], [1])
    """

    column: Column = "is_valid"

    def split(self, samples: Sequence[Sample], progress: Progress) -> Split:  # noqa: ARG002  # quick
        marks = np.asarray([_read(sample, self, self._mark) for sample in samples])
        sides = [np.flatnonzero(marks == "train"), np.flatnonzero(marks == "valid")]
        if not all(len(side) for side in sides):
            raise DataError(
                f"ColSplitter: column {self.column!r} marks {len(sides[0])} of {len(samples)} items for training and "
                f"{len(sides[1])} for validation; both need some"
            )
        return Split(sides[0], sides[1], _left_out(samples, sides))

    def _mark(self, sample: Sample) -> str:
        text = text_of(read_column(sample.item, self.column), f"column {self.column!r}")
        if text is None or text.lower() in NO:
            return "train"
        if text.lower() in YES:
            return "valid"
        split = split_value(text)
        if split is None:
            raise DataError(f"column {self.column!r} is {text!r}; use true and false, or train, valid and test")
        return split


@dataclass(frozen=True)
class TimeSplitter(Splitter):
    """Holds out the latest share of the items, as in production, where a model only ever meets later ones.

    The column holds numbers, dates or ISO 8601 texts. Items of one time stay on one side: the cut is made at the
    nearest change of time.

    >>> days = [{"day": f"2024-05-0{day}"} for day in (3, 1, 2, 4)]
    >>> TimeSplitter("day", valid_pct=0.25)(days).valid.tolist()
    [3]
    """

    column: Column
    valid_pct: float = 0.2

    def __post_init__(self) -> None:
        check_share(self.valid_pct, called(self))

    def split(self, samples: Sequence[Sample], progress: Progress) -> Split:  # noqa: ARG002  # quick
        check_two(samples, called(self))
        read = [_read(sample, self, self._moment) for sample in samples]
        for (kind, _), sample in zip(read, samples, strict=True):
            if kind != read[0][0]:
                raise DataError(
                    f"TimeSplitter: column {self.column!r} is a {read[0][0]} in {samples[0]} and a {kind} in {sample}; "
                    "use one kind of time"
                )
        time_N = np.asarray([at for _, at in read])
        times_T, counts_T = np.unique(time_N, return_counts=True)
        if len(times_T) < 2:
            raise DataError(
                f"TimeSplitter: column {self.column!r} is the same in all {len(samples)} items; give two times"
            )
        later_T = len(samples) - np.cumsum(counts_T)[:-1]  # the number of items later than each time but the last
        return Split.of(time_N > times_T[np.argmin(np.abs(later_T - self.valid_pct * len(samples)))])

    def _moment(self, sample: Sample) -> tuple[str, float]:
        cell = read_column(sample.item, self.column)
        found = moment(cell)
        if found is None:
            raise DataError(
                f"column {self.column!r} is {describe(cell)}; give a number, a date, or text like 2024-05-31"
            )
        return found


@dataclass(frozen=True)
class GroupSplitter(Splitter):
    """Holds out a share of the items, groups whole and labels in proportion; an item without a group is one by itself.

    ``group``: a column, or a function of the item; by default the group that an `Item` carries.

    >>> frames = [{"file": f"{n}.jpg", "video": n // 2} for n in range(8)]
    >>> train, valid = GroupSplitter(0.25, group="video")(frames)
    >>> len(valid), len({frames[row]["video"] for row in valid})
    (2, 1)
    """

    valid_pct: float = 0.2
    seed: int = 0
    group: GroupOf = None

    def __post_init__(self) -> None:
        check_share(self.valid_pct, called(self))

    def split(self, samples: Sequence[Sample], progress: Progress) -> Split:  # noqa: ARG002  # quick
        groups_N = _given_groups(samples, self)
        if len(np.unique(groups_N)) == len(samples):
            raise DataError(
                f"GroupSplitter finds no two of {len(samples)} items in one group; say with group= which column, or "
                "function of an item, names the group, or use LeakFreeSplitter"
            )
        split = _split_groups(samples, groups_N, self)
        return replace(split, notes=_kept_together(groups_N, "given"), groups_N=groups_N)


@dataclass(frozen=True)
class LeakFreeSplitter(Splitter):
    """The default: holds out a share of the items such that validation knows nothing of training.

    Copies (re-encoded, resized, mirrored, turned; found by perceptual hash) and groups stay on one side, labels in
    proportion. Every file is decoded once for it, so those that cannot be are known and left out from the start. Where
    the source marks a split, it is kept: ``test`` is left out, and of ``valid`` whatever is a copy or group member of
    a training item. ``group`` is as for `GroupSplitter`; ``workers`` threads decode, by default one a core.
    """

    valid_pct: float = 0.2
    seed: int = 0
    group: GroupOf = None
    workers: int | None = None

    def __post_init__(self) -> None:
        check_share(self.valid_pct, called(self))

    def split(self, samples: Sequence[Sample], progress: Progress) -> Split:
        copies_N, unusable = copy_groups(samples, workers=self.workers or available_cores(), progress=progress)
        given_N = _given_groups(samples, self)
        groups_N = _merged(copies_N, given_N)
        n_test = sum(sample.split == "test" for sample in samples)
        notes = _kept_together(copies_N, "of near-duplicates") + _kept_together(given_N, "given")
        notes += (f"{n_test} items marked test left out",) if n_test else ()
        left_out = {row for row, _ in unusable}
        usable = np.asarray(
            [row for row, sample in enumerate(samples) if sample.split != "test" and row not in left_out], np.intp
        )
        if any(samples[row].split == "valid" for row in usable):
            split = _keep_marks(samples, usable, groups_N)
        else:
            part = _split_groups([samples[row] for row in usable], groups_N[usable], self)
            split = Split(usable[part.train], usable[part.valid])
        skipped = tuple(skip for _, skip in unusable)
        return replace(split, notes=notes + split.notes, groups_N=groups_N, skipped=skipped)


def _keep_marks(samples: Sequence[Sample], usable: Rows, groups_N: IntArray) -> Split:
    """Keep the split that the source marks, less the validation items that leak."""
    held_N = np.asarray([samples[row].split == "valid" for row in usable])
    train, marked = usable[~held_N], usable[held_N]
    leaks = np.isin(groups_N[marked], groups_N[train])
    if leaks.all() or not len(train):
        raise DataError(
            f"all {len(marked)} items marked valid are copies or group members of training items; give others"
            if len(train)
            else f"all {len(marked)} usable items are marked valid; mark some for training, or none at all"
        )
    if not leaks.any():
        return Split(train, marked)
    row = marked[leaks][0]
    partner = train[groups_N[train] == groups_N[row]][0]
    note = (
        f"{int(leaks.sum())} of {len(marked)} items marked valid left out: they are copies or group members of "
        f"training items; first pair {samples[partner].name}, {samples[row].name}"
    )
    return Split(train, marked[~leaks], (note,))


def _split_groups(samples: Sequence[Sample], groups_N: IntArray, by: GroupSplitter | LeakFreeSplitter) -> Split:
    check_two(samples, called(by))
    if len(np.unique(groups_N)) < 2:
        raise DataError(
            f"{called(by)} cannot split {len(samples)} items that are one group (copies, or a group given); "
            "add items from elsewhere"
        )
    number: dict[str, int] = {}
    strata_N = np.asarray([number.setdefault(sample.stratum or "", len(number)) for sample in samples], np.int64)
    held_N: Mask = hold_out(strata_N, groups_N, _ranks(samples, by.seed), by.valid_pct)
    return Split.of(held_N)


def _given_groups(samples: Sequence[Sample], by: GroupSplitter | LeakFreeSplitter) -> IntArray:
    """(N,) one number for each group named, one for each item without."""
    names: dict[str, int] = {}
    groups = []
    for row, sample in enumerate(samples):
        name = _read(sample, by, lambda one: _group_name(one, by.group))
        groups.append(names.setdefault(name, len(names)) if name is not None else -1 - row)
    return np.asarray(groups, np.int64)


def _group_name(sample: Sample, group: GroupOf) -> str | None:
    if group is None:
        return sample.group
    return text_of(group(sample.item) if callable(group) else read_column(sample.item, group), "the group")


def _merged(a_N: IntArray, b_N: IntArray) -> IntArray:
    """Merge two groupings, so that items joined in either are joined."""
    links = []
    for groups_N in (a_N, b_N):
        order = np.argsort(groups_N, kind="stable")
        same = groups_N[order][1:] == groups_N[order][:-1]
        links.append((order[:-1][same], order[1:][same]))
    return joined(len(a_N), np.concatenate([i for i, _ in links]), np.concatenate([j for _, j in links]))


def _kept_together(groups_N: IntArray, what: str) -> tuple[str, ...]:
    sizes = np.unique(groups_N, return_counts=True)[1]
    sizes = sizes[sizes > 1]
    groups = "1 group" if len(sizes) == 1 else f"{len(sizes)} groups"
    return (f"{sizes.sum()} items in {groups} {what} kept together",) if len(sizes) else ()


def _left_out(samples: Sequence[Sample], sides: Sequence[Rows]) -> tuple[str, ...]:
    rest = len(samples) - sum(len(side) for side in sides)
    return (f"{rest} items on neither side left out",) if rest else ()


def _ranks(samples: Sequence[Sample], seed: int) -> np.ndarray[tuple[int], np.dtype[np.uint64]]:
    return ranks([sample.name for sample in samples], seed)


def _read(sample: Sample, splitter: object, read: Callable[[Sample], T]) -> T:
    """Read a value from a sample; an error says from which sample."""
    try:
        return read(sample)
    except DataError as error:
        raise StepError(called(splitter), str(sample), str(error)) from None
