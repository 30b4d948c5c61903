"""A folder of inputs: walking it, and what its names and files are called.

Names in a tree are relative, with forward slashes, and sorted by code point. ``rel`` is the file system's own name
(surrogate-escaped where it is not UTF-8); `shown` turns it into one that any terminal, file or web page can hold.
"""

# ruff: noqa: PTH116
# Paths are strings until they are items: 100,000 files must take about a second, and a Path each is half of that.

from __future__ import annotations

import os
import re
import unicodedata
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import NamedTuple

from ...core.errors import SourceError
from ...core.types import Skipped
from ..edits.places import is_record
from .file_form import FileForm
from .foreign_files import ARCHIVE

# Files that operating systems leave behind; macOS puts the last one into zip files.
LITTER = frozenset({"thumbs.db", "desktop.ini", "__macosx"})

UNREADABLE_FOLDER = "unreadable folder"
"""The reason why a folder was skipped, and with it perhaps a class; all other reasons concern files."""


class File(NamedTuple):
    """One visible file. ``top`` is the first folder on the way to it; ``problem`` is the reason why it is no input, and a
    sentence."""

    name: str
    rel: str
    top: str
    path: str
    problem: tuple[str, str] | None


@dataclass(frozen=True)
class Tree:
    """All that stands below a folder. ``title`` is what messages call it; ``folders`` are the relative names read; ``form``
    is that of the files looked for."""

    root: str
    title: str
    form: FileForm
    files: tuple[File, ...]
    folders: tuple[str, ...]
    skipped: tuple[Skipped, ...]

    @property
    def inputs(self) -> Iterator[File]:
        """The files that were looked for, in order."""
        return (file for file in self.files if file.problem is None)

    def only(self, files: Sequence[File], folders: Sequence[str]) -> Tree:
        """The same tree with no more than those files and folders."""
        return replace(self, files=tuple(files), folders=tuple(folders))


def shown(name: str) -> str:
    """Return the name in a form that can be encoded: bytes that are not UTF-8 appear as U+FFFD."""
    if name.isascii():
        return name
    try:
        return os.fsencode(name).decode("utf-8", "replace")
    except UnicodeEncodeError:  # a lone surrogate that came from a table, not from the file system
        return name.encode("utf-8", "replace").decode("utf-8")


def label_of(name: str) -> str:
    """Return a class folder's name as a label: composed (NFC), because macOS stores names decomposed and tables seldom do."""
    return unicodedata.normalize("NFC", shown(name))


# A folder may be named by a number such as .33, which hides nothing.
_NUMBER = re.compile(r"\.[0-9]+")


def is_litter(name: str) -> bool:
    """Tells whether a file or folder of this name is passed over in silence."""
    return (name.startswith(".") and not _NUMBER.fullmatch(name)) or name.lower() in LITTER


BUNDLE = {"SHA256SUMS", "manifest.json"}
"""Files by which a folder is known as one of our bundles."""


ASIDE = "moved-aside.jsonl"
"""The file by which a folder is known as one that `move_aside` has put files in."""


def walk(root: Path, title: str, form: FileForm, max_depth: int | None = None) -> Tree:
    """Find everything visible below ``root``, following links and reading each folder once; ``form`` tells inputs from others.

    ``max_depth`` counts folders: 0 reads the root's own files only.

    Raises:
        SourceError: the root itself cannot be read.
    """
    base = os.path.normpath(root)
    real = os.path.realpath(base)
    # A link that leads back above the root would read all of it a second time, and the disk around it.
    seen = {_identity(real)} | {_identity(str(above)) for above in Path(real).parents}
    files: list[File] = []
    folders: list[str] = []
    skipped: list[Skipped] = []
    plain: list[tuple[str, str]] = [("", base)]
    links: list[tuple[str, str]] = []
    while plain or links:
        if not plain:
            # Linked folders come last and in order, so that a folder never loses its files to a link that points to it.
            links.sort(reverse=True)
            plain.append(links.pop())
        rel, folder = plain.pop()
        if rel:
            identity = _identity(folder)
            if identity in seen:
                skipped.append(Skipped(shown(rel), "repeated", "a link to a folder that is read under its own name"))
                continue
            seen.add(identity)
        try:
            with os.scandir(folder) as entries:
                seen_here = (one for one in entries if not is_litter(one.name) and not is_record(one.name))
                found = sorted(seen_here, key=lambda entry: entry.name)
        except OSError as error:
            if not rel:
                raise SourceError(f"cannot read the folder {title}: {error.strerror}; check its permissions") from None
            skipped.append(Skipped(shown(rel), UNREADABLE_FOLDER, f"cannot read the folder: {error.strerror}"))
            continue
        names = {entry.name for entry in found}
        if rel and (names >= BUNDLE or ASIDE in names):
            continue  # a model written among the inputs is not a class of them, nor is what was moved out of their way
        folders.append(rel)
        deeper = max_depth is None or (rel.count("/") + 1 if rel else 0) < max_depth
        for entry in found:
            below = f"{rel}/{entry.name}" if rel else entry.name
            try:
                if not entry.is_dir():
                    file = _look(entry, below, form)
                    if isinstance(file, File):
                        files.append(file)
                    else:
                        skipped.append(file)
                elif deeper:
                    (links if entry.is_symlink() else plain).append((below, entry.path))
            except OSError as error:  # the entry is a link to itself, or the disk fails
                skipped.append(Skipped(shown(below), "unreadable", error.strerror or type(error).__name__))
    return Tree(base, title, form, tuple(sorted(files)), tuple(sorted(folders)), tuple(skipped))


def _look(entry: os.DirEntry[str], rel: str, form: FileForm) -> File | Skipped:
    """Look at a folder's entry that is not a folder itself."""
    if entry.is_file():
        top = rel.partition("/")[0] if "/" in rel else ""
        return File(shown(rel), rel, top, entry.path, form.problem(entry.path))
    if entry.is_symlink() and not Path(entry.path).exists():
        return Skipped(shown(rel), "missing", "a link to a file that does not exist")
    return Skipped(shown(rel), f"not {form.a_one}", "not a regular file")  # to open a pipe could take for ever


def _identity(folder: str) -> tuple[int, int] | str:
    """The folder's identity: equal for two names of one folder."""
    try:
        status = os.stat(folder)
    except OSError:
        return os.path.realpath(folder)
    # Some network file systems on Windows number nothing.
    return (status.st_dev, status.st_ino) if status.st_ino else os.path.realpath(folder)


def no_inputs(tree: Tree, advice: str) -> SourceError:
    """The error for a tree without inputs, which says what the tree holds instead."""
    blocked = f", and {len(tree.skipped)} that cannot be read, e.g. {tree.skipped[0].name}" if tree.skipped else ""
    others = f"{_count(len(tree.files), 'other file')}, e.g. {tree.files[0].name}" if tree.files else "no files at all"
    inside = [file.name for file in tree.files if file.problem and file.problem[1].endswith(ARCHIVE)]
    if inside:
        advice = f"archives within are not opened: unpack {listed(inside, 2)}, or give the one with the {tree.form.many} itself"
    return SourceError(f"found no {tree.form.many} in {tree.title} ({others}{blocked}); {advice}")


def no_classes(tree: Tree) -> SourceError:
    """The error for a folder without class folders: why it is no labelled source, and how to make it one."""
    form, inner = tree.form, sorted({file.top for file in tree.inputs if file.top})
    place = shown(inner[0]) if inner else Path(tree.title).name.partition(".")[0] or form.folder
    advice = f"put each class's {form.many} in a folder of its own, e.g. {place}/cat/1.{form.usual}"
    inputs = sum(1 for _ in tree.inputs)
    if not inputs:
        return no_inputs(tree, f"{advice}, or give a CSV with path and label columns")
    where = f"{listed(inner)} of {tree.title}" if inner else tree.title
    return SourceError(
        f"found {_count(inputs, f'{form.one} file')} directly in {where} and no class folders; "
        f"{advice}, or give a CSV with path and label columns; drivetrain label shows them for you to label"
    )


def _count(number: int, noun: str) -> str:
    return f"{number} {noun}{'' if number == 1 else 's'}"


def listed(names: list[str], most: int = 5) -> str:
    """List names for a sentence: the first few of many."""
    tail = f" and {len(names) - most} more" if len(names) > most else ""
    return ", ".join(shown(name) for name in names[:most]) + tail
