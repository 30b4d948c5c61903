"""Doing what a journal says: files get other names, tables other content. Nothing is overwritten, and nothing deleted.

Every step can be done again, so that a journal that was cut off is finished by doing all of it once more.
"""

from __future__ import annotations

import ctypes
import errno
import hashlib
import json
import os
import shutil
import sys
from pathlib import Path

from ...core.confined import leads_out, links_out
from ...core.errors import DataError
from ...core.plain_file import open_plain
from ...core.ports import Progress, Silent
from ..sources.folder import ASIDE, shown
from .moves import Journal, Move, Swap

_AT_FDCWD = -100
_NO_REPLACE, _EXCLUSIVE = 1, 4
"""Flags by which renaming fails where something has the new name, from linux/fs.h and sys/stdio.h."""


def carry_out(
    journal: Journal, root: Path, progress: Progress | None = None, *, again: bool = False
) -> tuple[str, ...]:
    """Do what is not done yet; returns a sentence on each file for which that was not possible any more.

    ``again``: a program was killed over it, so that a file may be one that has been moved there already.

    Raises:
        DataError: a file cannot be renamed or written; those before it are.
    """
    left: list[str] = []
    at = ""
    try:
        check_links(journal, root)
        for folder in journal.made:
            at = folder
            (root / folder).mkdir(parents=True, exist_ok=True)
        if journal.aside and any(name.startswith(f"{journal.aside}/") for name in _targets(journal)):
            _mark(root / journal.aside)
        with (progress or Silent()).stage("move files", len(journal.moves) + len(journal.swaps)) as advance:
            for move in journal.moves:
                at = move.old
                left += _moved(move, root, again)
                advance(1)
            for swap in journal.swaps:
                at = swap.table
                left += _swapped(swap, root)
                advance(1)
        for place in {(root / name).parent for move in journal.moves for name in (move.old, move.new)}:
            sync_folder(place)
        for folder in journal.unmade:
            _unmake(root / folder)
    except OSError as error:
        raise DataError(f"cannot move or write {shown(at)} in {shown(str(root))}: {error.strerror or error}") from None
    return tuple(left)


def check_links(journal: Journal, root: Path) -> None:
    """Check that no link leads out of the root on the way to what is to be changed: a log may come with a stranger's data.

    Raises:
        DataError: one does; nothing has been done.
    """
    aside = (f"{journal.aside}/{ASIDE}",) if journal.aside else ()
    inside = [f"{folder}/{ASIDE}" for folder in (*journal.made, *journal.unmade)]
    names = [name for move in journal.moves for name in (move.old, move.new)]
    out = links_out([*names, *(name for swap in journal.swaps for name in (swap.old, swap.new)), *aside, *inside], root)
    files = [name for swap in journal.swaps for name in (swap.table, swap.old, swap.new)]
    out = out or next((name for name in files if leads_out(root / name, root)), None)
    if out is not None:
        raise DataError(
            f"the way to {shown(out)} leads out of {shown(str(root))} by a link; nothing was moved: put the files "
            "themselves there"
        )


def _targets(journal: Journal) -> list[str]:
    return [*(move.new for move in journal.moves), *(swap.new for swap in journal.swaps)]


def _moved(move: Move, root: Path, again: bool) -> list[str]:
    old, new = root / move.old, root / move.new
    if not os.path.lexists(old):
        return [] if os.path.lexists(new) else [f"{shown(move.old)} is gone"]
    if again and move.sha256 and sha256_of(old) != move.sha256:
        done = os.path.lexists(new) and sha256_of(new) == move.sha256
        return [] if done else [f"{shown(move.old)} is another file now and stays where it is"]
    new.parent.mkdir(parents=True, exist_ok=True)
    try:
        rename_new(old, new)
    except FileExistsError:
        return [f"{shown(move.old)} stays where it is, as another file is at {shown(move.new)}"]
    return []


def _swapped(swap: Swap, root: Path) -> list[str]:
    table = (root / swap.table).resolve()
    now = sha256_of(table) if table.exists() else None
    if now == swap.new_sha256:
        return []
    if now != swap.old_sha256:
        return [f"{shown(swap.table)} has been changed meanwhile and stays as it is"]
    ready = table.with_name(f".{table.name}.applying")
    ready.unlink(missing_ok=True)  # what a killed program has left, or a link somebody laid there
    shutil.copyfile(root / swap.new, ready)
    shutil.copymode(table, ready)
    sync_file(ready)
    ready.replace(table)
    sync_folder(table.parent)
    return []


def rename_new(old: Path, new: Path) -> None:
    """Give a file another name that nothing has yet.

    Raises:
        FileExistsError: something has it.
        OSError: it cannot be renamed.
    """
    done = _renamed_at_once(old, new)
    if done is not None:
        if done:
            raise OSError(done, os.strerror(done), os.fspath(new))
        return
    if os.path.lexists(new):
        raise FileExistsError(errno.EEXIST, os.strerror(errno.EEXIST), os.fspath(new))
    old.rename(new)


def _renamed_at_once(old: Path, new: Path) -> int | None:
    """Rename in one step that replaces nothing: 0, or the error's number; None where the system or file system cannot."""
    names = os.fsencode(old), os.fsencode(new)
    try:
        libc = ctypes.CDLL(None, use_errno=True)
        if sys.platform == "linux":
            failed = libc.renameat2(_AT_FDCWD, names[0], _AT_FDCWD, names[1], _NO_REPLACE)
        elif sys.platform == "darwin":
            failed = libc.renamex_np(*names, _EXCLUSIVE)
        else:
            return None
    except (AttributeError, OSError, TypeError):
        return None  # the C library is old, or lacks the call
    code = ctypes.get_errno() if failed else 0
    return None if code in (errno.EINVAL, errno.ENOSYS, errno.ENOTSUP) else code


def _mark(folder: Path) -> None:
    """Mark a folder as one that holds what was moved out of the way, which no reader takes for a class."""
    folder.mkdir(exist_ok=True)
    if not (folder / ASIDE).exists():
        line = {
            "by": "drivetrain apply",
            "about": "files that edits.jsonl says are removed; drivetrain undo moves them back",
        }
        (folder / ASIDE).write_text(json.dumps(line) + "\n", encoding="utf-8")


def _unmake(folder: Path) -> None:
    """Remove a folder that was made for this where nothing is left in it but its mark."""
    try:
        names = os.listdir(folder)  # noqa: PTH208  # names are all that is asked for
        if names == [ASIDE]:
            (folder / ASIDE).unlink()
        if not set(names) - {ASIDE}:
            folder.rmdir()
    except FileNotFoundError:
        return


def sha256_of(path: Path) -> str:
    """SHA-256 of a file's bytes.

    Raises:
        OSError: it cannot be read.
    """
    with open_plain(path) as file:
        return hashlib.file_digest(file, "sha256").hexdigest()


def sync_file(path: Path) -> None:
    """Have a file's bytes survive a loss of power."""
    file = os.open(path, os.O_RDWR)
    try:
        os.fsync(file)
    finally:
        os.close(file)


def sync_folder(folder: Path) -> None:
    """Have the names in a folder survive a loss of power, where the system can."""
    if os.name == "nt" or not folder.is_dir():
        return
    file = os.open(folder, os.O_RDONLY)
    try:
        os.fsync(file)
    finally:
        os.close(file)
