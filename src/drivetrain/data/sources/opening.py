"""Opening a user's source as a data set: a folder, a table, an archive, a pattern or a Python list.

``open_source("photos")`` reads ``photos/cat/1.jpg`` as an item named ``cat/1.jpg`` with the label ``cat``;
``open_source([("a.jpg", "cat"), ("b.jpg", "dog", "video 7")])`` takes labels and groups from Python.

Whatever is read from disk is sorted by name, so that the file system has no say in the order;
a Python list keeps its own.
"""

from __future__ import annotations

import difflib
import fnmatch
import os
import re
import reprlib
from collections import Counter
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import replace
from itertools import pairwise
from operator import attrgetter
from pathlib import Path

from ...core.errors import SourceError, UsageError
from ...core.local_path import local_path
from ...core.plain_file import not_plain
from ...core.scratch import Into
from ...core.types import Dataset, Item, Skipped
from ..edits.places import is_record
from ..image.files import IMAGES
from ..provenance.groups import groups_below
from ..provenance.line import FILE as PROVENANCE
from . import table
from .archive import is_archive, top_folder, unpack
from .cells import Table
from .columns import COLUMNS, Meaning, check_roles, named_roles
from .file_form import FileForm
from .folder import BUNDLE, Tree, is_litter, no_inputs, shown, walk
from .labelled_folder import read_labelled
from .locate import Place
from .shards import find_shards, read_shards
from .splits import read_splits
from .table import Listing, Row
from .unpacked import UNPACKED, beside

WILD = re.compile(r"[*?[]")

# The most names of a folder that are compared with a misspelled one: difflib takes about 20 µs for each.
MOST_NAMES = 5000

ELEMENTS = "Items, (path, label) or (path, label, group) tuples, or dicts such as those of frame.to_dict('records')"


def open_source(
    source: str | Path | Dataset | Iterable[object],
    *,
    unpack_dir: Into | None = None,
    labelled: bool = True,
    form: FileForm = IMAGES,
    splits: str | None = None,
) -> Dataset:
    """Read a source of images, or of another input's files; none is decoded.

    Args:
        source: a folder (``<class>/*.jpg``, with or without ``train/valid/test`` above, or with a ``metadata.csv``); a
            CSV, TSV, JSON lines or Parquet file with path and label columns; a zip or tar of these; or an iterable of
            `Item`, ``(path, label)``, ``(path, label, group)`` or mappings with such columns. Without labels also one
            image, any folder, a pattern such as ``photos/**/*.jpg``, or an iterable of paths. A `Dataset` is taken as
            it is.
        unpack_dir: where archives are unpacked; by default a hidden folder beside the archive.
        labelled: whether every item must have a label. If not, labels are neither needed nor kept.
        form: by what the files are known.
        splits: what stands for a split: ``none``, or folders such as ``seg_train=train,seg_test=test``; by default what is
            called like one (see `split_folders`).

    Raises:
        SourceError: nothing usable; one line that says what was found and what to do.
        UsageError: ``splits`` cannot be understood.
    """
    said = read_splits(splits)
    if isinstance(source, Dataset):
        return source
    if isinstance(source, str | os.PathLike):
        title, found = shown(str(source)), _open_path(str(source), unpack_dir, form, labelled, said)
        _sort(found.items)
        found.skipped.sort(key=lambda one: (one.name, one.detail))
    else:
        title = f"Python {type(source).__name__}"
        found = _placed(_read_python(source, title, form, labelled, no_splits=said is not None), said, title)
    if not found.items:
        raise _nothing(title, found.skipped, form)
    return Dataset(title, tuple(found.items), tuple(found.skipped), found.notes, found.doubts)


def _sort(items: list[Item]) -> None:
    """Sort by name, and those of one name by their paths, whose texts cost more than the sorting."""
    items.sort(key=attrgetter("name"))
    if any(one.name == other.name for one, other in pairwise(items)):
        items.sort(key=lambda item: (item.name, str(item.path)))


def _nothing(title: str, skipped: list[Skipped], form: FileForm) -> SourceError:
    if not skipped:
        return SourceError(f"found nothing in {title}; give a folder, table or list with at least one {form.one}")
    counts = ", ".join(f"{count} {reason}" for reason, count in Counter(one.reason for one in skipped).most_common())
    first = f"first {skipped[0].name}: {skipped[0].detail}"
    return SourceError(
        f"found no usable {form.one} in {title} ({counts}; {first}); correct these or give another source"
    )


def _open_path(
    source: str, unpack_dir: Into | None, form: FileForm, labelled: bool, said: Mapping[str, str] | None
) -> Listing:
    if not source:
        raise SourceError("the source is an empty text; give a folder, a table or an archive")
    try:
        path = local_path(source)
    except UsageError as error:
        raise SourceError(shown(str(error))) from None
    if source.startswith("~"):
        source = str(path)
    title = shown(source)
    try:
        if path.is_dir():
            return _read_folder(walk(path, title, form), labelled, said, unpack_dir or path / UNPACKED, unpacked=False)
        if not path.exists():
            return _read_missing(source, title, form, labelled)
        if not path.is_file():
            what = not_plain(path) or "it is neither a file nor a folder"
            raise SourceError(f"{title}: {what}; give a folder, a table or an archive")
        if is_record(path.name):
            raise SourceError(f"{title} is a record about the data beside it, and no table; give the data themselves")
        if path.suffix.lower() in table.SUFFIXES:
            cells, place = table.load(path, shown(path.name), unpack_dir=unpack_dir), Place(str(path.parent))
            found = table.read_listing(cells, place, title, form, labelled=labelled, no_splits=said is not None)
            return _placed(found, said, title)
        if is_archive(path):
            return _read_archive(path, title, unpack_dir or beside(path), form, labelled, said)
    except OSError as error:
        raise SourceError(
            f"cannot read {title}: {error.strerror or type(error).__name__}; check its permissions"
        ) from None
    return _read_file(path, title, form, labelled)


def _placed(found: Listing, said: Mapping[str, str] | None, title: str) -> Listing:
    """Put items into the splits of the folders that a person named.

    Raises:
        SourceError: no item stands in such a folder.
    """
    items = list(found.items)
    for folder, split in (said or {}).items():
        inside = [row for row, item in enumerate(items) if f"/{item.name}".startswith(f"/{folder}/")]
        if not inside:
            raise SourceError(f"splits (--splits) names {folder!r}, in which no file of {title} stands; write its path")
        for row in inside:
            items[row] = replace(items[row], split=split)
    return found._replace(items=items)


def _read_archive(
    path: Path, title: str, into: Into, form: FileForm, labelled: bool, said: Mapping[str, str] | None
) -> Listing:
    if path.suffix.lower() in (".xlsx", ".ods", ".docx"):
        raise SourceError(f"{title} is an office document; save the sheet as “CSV UTF-8” and give that")
    tree = walk(top_folder(unpack(path, into), form), title, form)
    return _read_folder(tree, labelled, said, into, unpacked=True)


def _read_file(path: Path, title: str, form: FileForm, labelled: bool) -> Listing:
    problem = form.problem(str(path))
    if problem is not None:
        raise SourceError(
            f"{title} is not {form.a_one}, a table or an archive ({problem[1]}); "
            "give a folder, CSV, TSV, JSON lines, Parquet, zip or tar"
        )
    if labelled:
        raise SourceError(
            f"{title} is a single {form.one} without a label; give a folder such as {form.folder}/cat/1.{form.usual}, or a "
            "table"
        )
    return Listing([Item(path, shown(path.name))], [])


def _read_folder(tree: Tree, labelled: bool, said: Mapping[str, str] | None, into: Into, *, unpacked: bool) -> Listing:
    """Read a folder; ``unpacked`` where it comes from a stranger's archive, whose tables may list only its own files.
    Pictures inside tables become files below ``into``."""
    if {file.rel for file in tree.files} >= BUNDLE:
        raise SourceError(
            f"{tree.title} is a bundle, a trained model; give the {tree.form.many} to look at, not a model"
        )
    shards = find_shards(tree)
    held = read_shards(shards, tree, into, labelled=labelled) if shards else Listing([], [])
    if labelled:
        found = held if shards else read_labelled(tree, unpacked, said)
        found = _grouped(found, tree)
        return Listing.joined([found, Listing([], list(tree.skipped))])
    items = [Item(Path(file.path), file.name) for file in tree.inputs]
    opened = {shard.file.rel for shard in shards}
    skipped = [Skipped(file.name, *file.problem) for file in tree.files if file.problem and file.rel not in opened]
    if not items and not held.items:
        form = tree.form
        pattern = f"a pattern such as {form.folder}/*.{form.usual}"
        raise no_inputs(tree, f"give a folder with {form.many}, one {form.one}, or {pattern}")
    return Listing.joined([Listing(items, skipped + list(tree.skipped)), held])


def _grouped(found: Listing, tree: Tree) -> Listing:
    """Give items the groups that records of origins have for them, where nothing else gives groups."""
    groups = groups_below(Path(tree.root), tree.folders)
    if not groups:
        return found
    items = [replace(item, group=groups.get(item.name)) if item.group is None else item for item in found.items]
    grouped = sum(before is not after for before, after in zip(found.items, items, strict=True) if after.group)
    note = f"{PROVENANCE}: {grouped} {tree.form.many} are in groups by where they came from"
    return found._replace(items=items, notes=(*found.notes, note)) if grouped else found


def _read_missing(source: str, title: str, form: FileForm, labelled: bool) -> Listing:
    """Read a pattern; where nothing matches, the error says which name nearby was perhaps meant."""
    if WILD.search(source) and labelled:
        raise SourceError(
            f"{title} is a pattern, which gives no labels; give the folder above the class folders, or a table"
        )
    if WILD.search(source):
        return _read_pattern(source, title, form)
    missing = Path(source)
    while not missing.parent.exists():
        missing = missing.parent
    if missing.is_symlink():  # the name is right, so no similar name is offered
        raise SourceError(f"{shown(str(missing))} is a link that leads nowhere; give what it should lead to")
    names = sorted(name for name in os.listdir(missing.parent) if not is_litter(name))[:MOST_NAMES]  # noqa: PTH208
    near = difflib.get_close_matches(missing.name.lower(), [name.lower() for name in names], n=3)
    meant = [shown(str(missing.parent / name)) for name in names if name.lower() in near]
    question = f"did you mean {' or '.join(meant)}?" if meant else "check the spelling and the current folder"
    raise SourceError(f"there is no {shown(str(missing))}; {question}")


def _read_pattern(source: str, title: str, form: FileForm) -> Listing:
    parts = source.replace(os.sep, "/").split("/")
    start = next(position for position, part in enumerate(parts) if WILD.search(part))
    base, wild = "/".join([*parts[:start], ""]) or ".", parts[start:]
    if not Path(base).is_dir():
        return _read_missing(base, title, form, labelled=False)
    tree = walk(Path(base), title, form, None if "**" in wild else len(wild) - 1)
    files = [file for file in tree.files if _matches(file.rel.split("/"), wild)]
    if not files:
        seen = f"{len(tree.files)} files looked at in {shown(base)}"
        raise SourceError(f"no file matches {title} ({seen}); ** stands for any number of folders")
    items = [Item(Path(file.path), file.name) for file in files if file.problem is None]
    return Listing(items, [Skipped(file.name, *file.problem) for file in files if file.problem])


def _matches(parts: list[str], pattern: list[str]) -> bool:
    """Tells whether a path fits a pattern, both cut at the slashes; ``**`` stands for any number of folders."""
    if not parts or not pattern:
        return not parts and not pattern
    head, *rest = pattern
    if head == "**":
        return any(_matches(parts[skipped:], rest or ["*"]) for skipped in range(len(parts)))
    return fnmatch.fnmatch(parts[0], head) and _matches(parts[1:], rest)


def _read_python(source: Iterable[object], title: str, form: FileForm, labelled: bool, *, no_splits: bool) -> Listing:
    kind = type(source).__name__
    if not isinstance(source, Iterable) or isinstance(source, bytes | Mapping):
        raise SourceError(f"a source is a path or an iterable; received one of type {kind}; give {ELEMENTS}")
    elements = list(source)
    if elements and all(isinstance(element, Mapping) for element in elements):  # the records of a data frame
        cells = _python_table(elements, kind)
        return table.read_listing(cells, Place(""), title, form, labelled=labelled, no_splits=no_splits)
    rows = [_python_row(element, f"{kind}[{position}]", labelled) for position, element in enumerate(elements)]
    return table.resolve(rows, Place(""), title, form, labelled=labelled)


def _python_table(elements: Sequence[object], kind: str) -> Table:
    rows = [
        (f"{kind}[{position}]", element) for position, element in enumerate(elements) if isinstance(element, Mapping)
    ]
    columns = dict.fromkeys(key for _, element in rows for key in element if isinstance(key, str))
    return Table(f"Python {kind}", tuple(columns), tuple(rows))


def _python_row(element: object, at: str, labelled: bool) -> Row:
    named = Meaning({role: role for role in COLUMNS} if labelled else {"path": "path"})
    match element:
        case Item(path, name, label, group, split, weight, labels=labels):
            one = label if labels is None else list(labels)
            cells = {"path": path, "label": one, "group": group, "split": split, "weight": weight}
            return table.row_of(at, cells, named)._replace(name=shown(name))
        case (path, label) if isinstance(element, tuple):
            return table.row_of(at, {"path": path, "label": label}, named)
        case (path, label, group) if isinstance(element, tuple):
            return table.row_of(at, {"path": path, "label": label, "group": group}, named)
        case Mapping():
            columns = tuple(key for key in element if isinstance(key, str))
            roles = named_roles(columns, at, labelled=labelled)
            check_roles(columns, roles, at, needs_label=labelled)
            return table.row_of(at, element, Meaning(roles))
        case str() | os.PathLike() if not labelled:
            return table.row_of(at, {"path": element}, named)
    raise SourceError(f"{at}: received {reprlib.repr(element)} of type {type(element).__name__}; give {ELEMENTS}")
