"""Columns that say on which side of a split an image stands, whatever they are called.

A name is enough of `columns.COLUMNS` (``split``). ``usage``, ``partition`` and their like count where every cell names a split,
``is_valid`` and ``is_test`` where they say yes or no. Whatever else looks like a split is named as a doubt, and not used.
"""

from __future__ import annotations

from collections.abc import Collection, Iterable, Mapping, Sequence
from dataclasses import dataclass, field

from ...core.errors import SourceError
from ...core.types import Doubt, Item
from .cells import Table
from .distinct import distinct, plain, yes_or_no
from .folder import listed
from .splits import FILLERS, WORDS, as_said, named, split_of, split_value, words_of

UNUSED_SPLIT = "unused-split"
"""The code of the finding on a column that looks like a split and is not used."""

# A column of these words is a split where every cell names one.
_NAMES = frozenset(
    {
        "partition",
        "partitions",
        "set",
        "phase",
        "usage",
        "dataset",
        "split",
        "splits",
        "subset",
        "fold",
        "stage",
        "use",
        "purpose",
    }
)
_BESIDE = frozenset(
    {"data", "ml", "type", "name", "eval", "image", "sample", "default", "official", "original", "list"}
)
# A column with one of these words is hardly ever anything else.
_TELLING = frozenset(
    {
        "fold",
        "folds",
        "kfold",
        "cv",
        "crossval",
        "split",
        "splits",
        "partition",
        "partitions",
        "subset",
        "holdout",
        "traintest",
    }
)

_BEFORE = frozenset({"is", "in", "for"})
# Words beside a split's in the name of a column of yes and no: ``test_flag``, ``use_for_training``.
_FLAGS = frozenset({*_BEFORE, *FILLERS, "flag", "indicator", "use", "used", "only", "the"})


@dataclass(frozen=True)
class SplitColumns:
    """The columns that say the split: ``column`` by naming it, ``sides`` (column → split) by saying yes.

    A row to which all say no is trained on; where only ``is_train`` speaks it validates.
    """

    column: str | None = None
    sides: Mapping[str, str] = field(default_factory=dict)
    notes: tuple[str, ...] = ()
    doubts: tuple[Doubt, ...] = ()

    @property
    def used(self) -> frozenset[str]:
        """The names of the columns in use."""
        return frozenset(self.sides) | ({self.column} if self.column else frozenset())

    def side_of(self, cells: Mapping[str, object], at: str) -> str | None:
        """Return the split that yes and no give a row; None where they are empty.

        Raises:
            SourceError: two columns say yes, to different splits.
        """
        said = {column: _said(plain(cells.get(column)), split) for column, split in self.sides.items()}
        yes = {column: split for column, split in said.items() if split not in (None, "")}
        if len(set(yes.values())) > 1:
            raise SourceError(f"{at}: {' and '.join(map(repr, yes))} put it into different splits; correct one")
        if yes:
            return next(iter(yes.values()))
        if all(split is None for split in said.values()):
            return None
        return "valid" if set(self.sides.values()) == {"train"} else "train"


def _said(text: str | None, split: str) -> str | None:
    """The split that a cell puts its row into: empty text for a no, None for nothing."""
    if text is None:
        return None
    answer = yes_or_no(text)
    return (split if answer else "") if answer is not None else split_value(text)


def find_split_columns(table: Table, known: str | None, taken: Collection[str]) -> SplitColumns:
    """Find the columns of a split among those not ``taken``; ``known`` is the one whose name says so, which goes first."""
    column, sides, unused = known, dict[str, str](), dict[str, frozenset[str]]()
    for one in table.columns:
        if one in taken or one == known:
            continue
        cells = distinct(table, one)
        texts = frozenset(text for text in cells or () if text is not None)
        side = _side(one)
        if side and texts and all(_said(text, side) is not None for text in texts):
            sides[one] = side
        elif _names_splits(one, texts) and column is None:
            column = one
        elif _looks_like_one(one, texts, cells is None):
            unused[one] = texts
    notes = [f"took the column “{column}” of {table.name} for the split"] if column and column != known else []
    if column and sides:
        unused |= {one: frozenset() for one, split in sides.items() if _disagrees(table, column, one, split)}
        sides = {}
    elif sides:
        told = " and ".join(f"“{one}” (yes: {split})" for one, split in sides.items())
        notes.append(f"took {told} of {table.name} for the split")
    doubts = tuple(
        _doubt(table, one, texts, column) for one, texts in unused.items() if not column or _differs(table, column, one)
    )
    return SplitColumns(column, sides, tuple(notes), doubts)


def about_folders(title: str, names: Iterable[str]) -> list[Doubt]:
    """Point out that files stand in folders called like splits, where nothing says a split."""
    tops: dict[str, str] = {}
    for name in names:
        top, slash, _ = name.partition("/")
        found = named(top) if slash and top not in tops else None
        if top not in tops and found is None:
            return []  # some stand elsewhere
        if found is not None:
            tops[top] = found.split
    if len(set(tops.values())) < 2:
        return []
    sentence = (
        f"The files of {title} stand in folders called like splits ({listed(sorted(tops))}), and no column says it, so they "
        f"are taken together. Add a column called split, or say {as_said(dict(sorted(tops.items())))}."
    )
    return [Doubt(UNUSED_SPLIT, sentence)]


def about_inner_folders(items: Sequence[Item]) -> list[Doubt]:
    """Point out that folders called like splits stand within the class folders: ``cat/train/1.jpg``."""
    found: dict[str, str] = {}
    for item in items:
        if item.split is not None:
            return []
        inner = item.name.split("/")[1:-1][:1]
        one = found.get(inner[0]) or getattr(named(inner[0]), "split", None) if inner else None
        if one is None:
            return []
        found[inner[0]] = one
    if len(set(found.values())) < 2:
        return []
    sentence = (
        f"Folders called like splits ({listed(sorted(found))}) stand within the class folders and are not used. To use them, put "
        "the classes below the splits, such as train/cat."
    )
    return [Doubt(UNUSED_SPLIT, sentence)]


def _side(column: str) -> str | None:
    """The split that yes in a column such as ``is_valid`` means."""
    first, *rest = words_of(column) or [""]
    splits = {WORDS[word] for word in rest if word in WORDS}
    plainly = all(word in WORDS or word in FILLERS for word in rest)
    return splits.pop() if first in _BEFORE and plainly and len(splits) == 1 else None


def _names_splits(column: str, texts: Collection[str]) -> bool:
    """Tells whether a column is certainly a split: its name may be one's, and every cell names one."""
    words = set(words_of(column))
    return bool(words & _NAMES) and words <= _NAMES | _BESIDE and bool(texts) and all(map(split_value, texts))


def _looks_like_one(column: str, texts: Collection[str], unread: bool) -> bool:
    words = words_of(column)
    splits = [split for split in map(split_value, texts) if split]
    if _side(column) or (unread and set(words) & _TELLING):
        return True
    if set(words) & _TELLING:
        return len(texts) <= 50
    few = len(splits) * 2 >= len(texts) or set(texts) <= {"0", "1", "2"}
    if set(words) & _NAMES and texts and few:
        return True
    if _asks_for_one(words) and texts and all(yes_or_no(text) is not None for text in texts):
        return True
    return len(set(splits)) > 1 and len(splits) == len(texts)


def _asks_for_one(words: Iterable[str]) -> bool:
    """Tells whether a column's words ask whether a row is in a split: ``test``, ``test_flag``, ``testset``, ``istrain``."""
    rest = {word.removeprefix("is") for word in words} - _FLAGS
    return bool(rest) and all(split_of(word) for word in rest)


def _disagrees(table: Table, column: str, side: str, split: str) -> bool:
    """Tells whether yes and no contradict the column that names splits."""
    for _, cells in table.rows:
        one, said = split_value(plain(cells.get(column)) or "train"), _said(plain(cells.get(side)), split)
        if said is not None and (one == split) != (said == split):
            return True
    return False


def _differs(table: Table, column: str, other: str) -> bool:
    """Tells whether another column says anything else than the one in use."""
    return any(
        split_value(plain(cells.get(column)) or "train") != split_value(plain(cells.get(other)) or "train")
        for _, cells in table.rows
    )


def _doubt(table: Table, column: str, texts: Collection[str], instead: str | None) -> Doubt:
    by_number = sorted(texts, key=lambda text: (len(text), text))
    cells = f" ({listed(by_number)})" if by_number else ""
    why = f"; the split is that of “{instead}”" if instead else ""
    sentence = (
        f"The column “{column}”{cells} of {table.name} looks like a split and is not used{why}. To use it, name the split in a "
        "column called split: train, valid or test in each row."
    )
    return Doubt(UNUSED_SPLIT, sentence)
