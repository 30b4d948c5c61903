"""Finding the split folders of a tree, and where in each of them the class folders begin.

``train/cat/1.jpg`` needs no more than its name. Any other name (``seg_train/seg_train/cat``, ``training_set``, ``holdout``) is
a split only beside another one, and only if mostly the same class folders stand below both: a folder ``test`` may be a class.
"""

from __future__ import annotations

import re
from collections.abc import Collection, Iterable, Iterator, Mapping
from dataclasses import dataclass, field
from functools import cached_property

from ...core.errors import SourceError
from .folder import Tree, label_of, listed, shown
from .splits import FILLERS, NONE, REMARKED, SIDES, SPLITS, as_said, named, words_of

UNLABELLED = frozenset(
    {
        "pred",
        "predict",
        "prediction",
        "predictions",
        "unlabelled",
        "unlabeled",
        "unknown",
        "inference",
        "submission",
        "demo",
    }
)
"""Words in the names of folders whose images nobody has labelled; competitions have them beside their splits."""


# Folders that were made to hold so many files, not for what the files show.
_PORTION = re.compile(
    r"(batch|part|shard|chunk|volume|vol|block|section|slice|group|folder|dir)[ _.-]*(\d+|[ _.-][a-z])", re.IGNORECASE
)


def is_portion(name: str) -> bool:
    """Tells whether a folder only numbers a portion of the files.

    >>> is_portion("batch0"), is_portion("Part-12"), is_portion("bear 2")
    (True, True, False)
    """
    return _PORTION.fullmatch(name) is not None


@dataclass(frozen=True)
class SplitFolders:
    """The splits of a tree.

    ``starts``: folder below which a split's class folders begin → split; empty where class folders stand on top.
    ``left_out``: folders beside the splits that hold inputs and no classes. ``unlabelled``: folders that have the names of
    splits, where there are no classes below any of them. ``notes`` say what was taken for what.
    """

    starts: Mapping[str, str] = field(default_factory=dict)
    left_out: tuple[str, ...] = ()
    unlabelled: tuple[str, ...] = ()
    notes: tuple[str, ...] = ()

    @cached_property
    def _begins(self) -> tuple[tuple[str, str], ...]:
        """The beginnings of the names of files below each start, with its split."""
        return tuple((f"{start}/", split) for start, split in self.starts.items())

    def place(self, rel: str) -> tuple[str | None, str] | None:
        """The split of a file and its path from where classes begin; None of a file outside the splits.

        >>> SplitFolders({"seg/train": "train"}).place("seg/train/cat/1.jpg")
        ('train', 'cat/1.jpg')
        >>> SplitFolders().place("cat/1.jpg")
        (None, 'cat/1.jpg')
        """
        if not self.starts:
            return None, rel
        for start, split in self._begins:
            if rel.startswith(start):
                return split, rel[len(start) :]
        return None

    def holds(self, rel: str) -> bool:
        """Tells whether a file stands above the class folders of a split, on the way to them."""
        folder = rel.rpartition("/")[0]
        return any(start.startswith(f"{folder}/") for start in self.starts)

    def is_left_out(self, rel: str) -> bool:
        """Tells whether a file stands in a folder without classes beside the splits."""
        return any(rel.startswith(f"{folder}/") for folder in self.left_out)


class _Folders:
    """The folders of a tree that hold inputs, by their relative names; the root is the empty name."""

    def __init__(self, tree: Tree) -> None:
        self.inner: dict[str, set[str]] = {}
        self.filled = {file.rel.rpartition("/")[0] for file in tree.inputs}
        for folder in self.filled:
            while folder:
                above, _, name = folder.rpartition("/")
                inner = self.inner.setdefault(above, set())
                if name in inner:
                    break
                inner.add(name)
                folder = above

    def below(self, folder: str) -> list[str]:
        """Return the sorted folders directly below that hold inputs, at whatever depth."""
        return [_joined(folder, name) for name in sorted(self.inner.get(folder, ()))]

    def only(self, folder: str) -> str | None:
        """The one folder below, where there is nothing beside it."""
        inner = self.below(folder)
        return inner[0] if len(inner) == 1 and folder not in self.filled else None

    def start(self, folder: str) -> str:
        """Return where classes begin: below folders that only repeat the split's name, or say nothing (``images``)."""
        split, at = named(_last(folder)), folder
        while (only := self.only(at)) is not None:
            name = _last(only)
            repeats = name.lower() == _last(folder).lower() or (split is not None and named(name) == split)
            words = set(words_of(name))
            says_nothing = words and words <= FILLERS and len(self.below(only)) > 1
            if not (repeats or says_nothing):
                break
            at = only
        return at

    def classes(self, folder: str) -> frozenset[str]:
        """The names of a split's class folders, written alike."""
        return frozenset(label_of(_last(name)).casefold() for name in self.below(self.start(folder)))


def _last(folder: str) -> str:
    return folder.rpartition("/")[2]


def _joined(folder: str, name: str) -> str:
    return f"{folder}/{name}" if folder else name


def find_split_folders(
    tree: Tree, said: Mapping[str, str] | None = None, described: Collection[str] = ()
) -> SplitFolders:
    """Find the splits of a tree by its folders' names and content; ``said`` is what a person said of them instead.

    ``described`` are folders below which a table gives the labels, so that no class folders are needed there.

    Raises:
        SourceError: a folder that a person named does not exist.
    """
    folders = _Folders(tree)
    if said is not None:
        return _as_said(tree, folders, said)
    first = found = _Level(folders, "", described).splits()
    base = folders.only("")
    while base is not None and not found.starts and not found.unlabelled:
        found, base = _Level(folders, base, described).splits(), folders.only(base)
    return found if found.starts or found.unlabelled else first


class _Level:
    """The folders that stand beside one another, of which some may be splits."""

    def __init__(self, folders: _Folders, base: str, described: Collection[str]) -> None:
        self.folders = folders
        self.base = base
        self.beside = folders.below(base)
        self.tables = described
        self.names = {folder: found for folder in self.beside if (found := named(_last(folder))) is not None}
        self.classes = {folder: folders.classes(folder) for folder in self.names}

    def splits(self) -> SplitFolders:
        """Return the splits on this level; none where nothing speaks for them."""
        plain = [folder for folder in self.names if _last(folder).lower() in SPLITS and self._is_labelled(folder)]
        groups = self._groups()
        agreeing = [group for group in groups if self._agree(group)]
        group = agreeing[0] if len(agreeing) == 1 else self._alone()
        taken = sorted({*plain, *group})
        classes = frozenset[str]().union(*(self.classes[folder] for folder in taken))
        lone = len(classes) < 2 and not any(map(is_portion, classes))
        if taken and self.base and lone and not self.tables:
            return SplitFolders()  # a class in a folder of its own, with folders of its own
        if not taken:
            return self._none(groups)
        starts = {self.folders.start(folder): self.names[folder].split for folder in taken if self._is_labelled(folder)}
        left_out = tuple(folder for folder in self.beside if folder not in taken and self._is_unlabelled(folder, group))
        left_out += tuple(folder for folder in taken if not self._is_labelled(folder))
        return SplitFolders(starts, left_out, notes=self._notes(plain, taken, sorted(left_out)))

    def _is_labelled(self, folder: str) -> bool:
        return bool(self.classes[folder]) or self._has_table(folder)

    def _has_table(self, folder: str) -> bool:
        return any(
            not table or f"{folder}/".startswith(f"{table}/") or table.startswith(f"{folder}/") for table in self.tables
        )

    def _groups(self) -> list[list[str]]:
        """Folders of different splits whose names have all other words in common; those without any go with all."""
        groups: list[list[str]] = []
        others = {folder: found.rest - SIDES for folder, found in self.names.items()}
        for rest in sorted(set(others.values()), key=lambda rest: (-len(rest), sorted(rest))):
            group = [folder for folder, other in others.items() if other in (rest, frozenset())]
            is_new = not any(set(group) <= set(other) for other in groups)
            if is_new and len({self.names[folder].split for folder in group}) > 1:
                groups.append(group)
        return groups

    def _agree(self, group: list[str]) -> bool:
        """Tells whether mostly the same class folders stand below all that have any, and there is something to learn from."""
        known = [self.classes[folder] for folder in group if self.classes[folder]]
        if not known:
            return any(self._has_table(folder) for folder in group)
        if len(known) == 1 and len(known[0]) < 2:
            return False
        most = max(known, key=len)
        return all(2 * len(classes & most) > len(classes) for classes in known)

    def _alone(self) -> list[str]:
        """The one folder there is, where it is named like a split and nothing else, or twice, and holds several classes."""
        if len(self.beside) != 1 or len(self.classes.get(self.beside[0], ())) < 2:
            return []
        (folder,) = self.beside
        return [folder] if not self.names[folder].rest or self.folders.start(folder) != folder else []

    def _is_unlabelled(self, folder: str, group: list[str]) -> bool:
        """Tells whether a folder beside the splits holds inputs that nobody has labelled, by its name and content."""
        if self.folders.classes(folder):
            return False
        shared = {word for member in group for word in self.names[member].rest}
        return folder in self.names or bool(set(words_of(_last(folder))) & (UNLABELLED | shared))

    def _notes(self, plain: list[str], taken: list[str], left_out: list[str]) -> tuple[str, ...]:
        notes = []
        told = {folder: self.names[folder].split for folder in taken if folder not in left_out}
        if set(told) - set(plain) or self.base or any(_last(folder).lower() in REMARKED for folder in told):
            why = self._why([self.classes[folder] for folder in told if self.classes[folder]])
            took = _in_words(f"{shown(folder)} as {split}" for folder, split in told.items())
            notes.append(f"took {took}, {why}; say otherwise with --splits {NONE}, or {as_said(told)}")
        if left_out:
            has = "has" if len(left_out) == 1 else "have"
            notes.append(
                f"left out {listed(left_out)}, which {has} no class folders and stand{'s' * (has == 'has')} beside splits"
            )
        return tuple(notes)

    def _why(self, classes: list[frozenset[str]]) -> str:
        """Say why folders were taken for splits, by the classes of those that have any."""
        if not classes:
            return "which a table describes"
        if len(classes) == 1:
            stand = "class folder stands" if len(classes[0]) == 1 else "class folders stand"
            return f"because its name says so and {len(classes[0])} {stand} under it"
        common = len(frozenset.intersection(*classes))
        if not common:
            return "because their names say so, although different class folders stand under them"
        alike = all(one == classes[0] for one in classes)
        return f"because {'the same' if alike else 'mostly the same'} class folders ({common}) stand under each"

    def _none(self, groups: list[list[str]]) -> SplitFolders:
        """No splits; where folders have the names of some, say so."""
        if not groups:
            return SplitFolders()
        named_so = sorted({folder for group in groups for folder in group})
        if len(groups) == 1 and not any(self.classes[folder] for folder in named_so):
            return SplitFolders(unlabelled=tuple(named_so))
        told = {folder: self.names[folder].split for folder in named_so}
        unclear = "it is not clear which of them belong together"
        why = unclear if len(groups) > 1 else "different folders stand under them"
        note = (
            f"took {listed(named_so)} for classes, although they are named like splits, since {why}; say otherwise with "
            f"{as_said(told)}"
        )
        return SplitFolders(notes=(note,))


def _in_words(parts: Iterable[str]) -> str:
    *first, last = parts
    return f"{', '.join(first)} and {last}" if first else last


def _as_said(tree: Tree, folders: _Folders, said: Mapping[str, str]) -> SplitFolders:
    """Return the splits that a person named; whatever stands beside them is left out."""
    if not said:
        return SplitFolders()
    starts: dict[str, str] = {}
    for name, split in said.items():
        exact = [folder for folder in tree.folders if folder and folder == name]
        found = exact or [folder for folder in tree.folders if _last(folder).lower() == name.lower()]
        if len(found) != 1:
            problem = f"several folders of {tree.title}, {listed(found)}" if found else f"no folder of {tree.title}"
            there = "write its path" if found else f"there are {listed(folders.below('')) or 'none'}"
            raise SourceError(f"splits (--splits) names {name!r}, which is {problem}; {there}")
        starts[folders.start(found[0])] = split
    left_out = tuple(_outside(folders, "", starts))
    notes = (f"left out {listed(list(left_out))}, which --splits does not name",) if left_out else ()
    return SplitFolders(starts, left_out, notes=notes)


def _outside(folders: _Folders, at: str, starts: Collection[str]) -> Iterator[str]:
    for folder in folders.below(at):
        if any(start.startswith(f"{folder}/") for start in starts):
            yield from _outside(folders, folder, starts)
        elif folder not in starts:
            yield folder
