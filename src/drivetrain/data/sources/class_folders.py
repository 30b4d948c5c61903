"""Reading class folders, with or without split folders above them, as items."""

from __future__ import annotations

import unicodedata
from collections.abc import Iterator
from pathlib import Path

from ...core.errors import SourceError
from ...core.types import Item, Skipped
from .folder import File, Tree, label_of, listed, shown
from .split_folders import SplitFolders
from .splits import NONE


def read_classes(tree: Tree, splits: SplitFolders) -> tuple[list[Item], list[Skipped]]:
    """Items of class folders, which stand below the split folders where there are any.

    Files outside the class folders are passed over, except that inputs there are on record as ``no label``.

    Raises:
        SourceError: class folders stand beside split folders, or two have names that cannot be told apart.
    """
    items: list[Item] = []
    skipped: list[Skipped] = []
    beside: set[str] = set()
    labels: dict[str, str] = {}
    for file in tree.files:
        placed = splits.place(file.rel)
        if placed is None:
            if file.problem is None and file.top and not splits.holds(file.rel) and not splits.is_left_out(file.rel):
                beside.add(_beside(file, splits))
            elif file.problem is None:
                skipped.append(Skipped(file.name, "no label", f"{tree.form.a_one} outside the class folders"))
            continue
        split, below = placed
        folder, slash, _ = below.partition("/")
        if not slash:
            if file.problem is None:
                skipped.append(Skipped(file.name, "no label", f"{tree.form.a_one} outside the class folders"))
        elif file.problem is not None:
            skipped.append(Skipped(file.name, *file.problem))
        else:
            label = labels.get(folder) or labels.setdefault(folder, label_of(folder))
            items.append(Item(Path(file.path), file.name, label, split=split))
    if beside:
        raise _no_split(tree, sorted(beside), splits)
    _tell_apart(labels, tree.title)
    return items, skipped + list(_empty_classes(tree, splits))


def _beside(file: File, splits: SplitFolders) -> str:
    """The folder that a file outside the splits stands in, on their level."""
    depth = min(start.count("/") for start in splits.starts)
    return "/".join(file.rel.split("/")[:-1][: depth + 1])


def _no_split(tree: Tree, beside: list[str], splits: SplitFolders) -> SourceError:
    starts = sorted(splits.starts)
    tops = listed(sorted({start.partition("/")[0] for start in starts}))
    some = ",".join(f"{start}={split}" for start, split in sorted(splits.starts.items()))
    return SourceError(
        f"found folders with {tree.form.many} ({listed(beside)}) beside the split folders {tops} in "
        f"{tree.title}; move each class below its split, e.g. {shown(starts[0])}/{shown(beside[0])}, or say --splits {NONE} if "
        f"these are no splits, or --splits {shown(some)} to leave out the others"
    )


def _tell_apart(labels: dict[str, str], title: str) -> None:
    """Check that two folders share a label only as two spellings (NFC, NFD) of one name."""
    owners: dict[str, str] = {}
    for folder, label in sorted(labels.items()):
        first = owners.setdefault(label, folder)
        if unicodedata.normalize("NFC", first) != unicodedata.normalize("NFC", folder):
            raise SourceError(f"class folders {first!r} and {folder!r} in {title} are not UTF-8 names; rename them")


def _empty_classes(tree: Tree, splits: SplitFolders) -> Iterator[Skipped]:
    """Find class folders without any file: their classes would otherwise vanish unseen."""
    tops = tuple(splits.starts) or ("",)
    depths = {start.count("/") + 1 if start else 0 for start in tops}
    filled = {"/".join(file.rel.split("/", depth + 1)[: depth + 1]) for file in tree.files for depth in depths}
    for folder in tree.folders:
        if folder and folder.rpartition("/")[0] in tops and folder not in filled:
            yield Skipped(shown(folder), f"no {tree.form.many}", "an empty folder")
