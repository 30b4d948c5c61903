"""Names that stay within a folder: data from a stranger may hold names and links that lead out of it."""

from __future__ import annotations

import os
from collections.abc import Iterable
from pathlib import Path


def is_below(name: str, *, windows: bool = os.name == "nt") -> bool:
    r"""Tells whether a name with forward slashes goes neither up nor elsewhere, whatever folder it is joined to.

    On Windows a backslash divides folders, too, and a colon follows a drive; elsewhere they are signs like others.

    >>> [is_below(name) for name in ("grizzly/1.jpg", "../1.jpg", "/etc/passwd", "a//b", "")]
    [True, False, False, False, False]
    """
    if windows and ("\\" in name or ":" in name):
        return False
    return "\0" not in name and not {"", ".", ".."} & set(name.split("/"))


def leads_out(path: Path, root: Path) -> bool:
    """Tells whether a path, all links followed, lies outside a folder, or nowhere.

    What is not there counts as lying where it would be.
    """
    try:
        return not path.resolve().is_relative_to(root.resolve())
    except (OSError, RuntimeError, ValueError):  # links in a circle, or a name that no file can have
        return True


def links_out(names: Iterable[str], root: Path) -> str | None:
    """The first of the names below a root whose folder, all links followed, lies outside; None where none does."""
    folders: dict[Path, bool] = {}
    for name in names:
        above = (root / name).parent
        if above not in folders:
            folders[above] = leads_out(above, root)
        if folders[above]:
            return name
    return None


def check_at_home(path: Path) -> None:
    """Check that a file to be written is no link that leads out of the folder it lies in.

    Raises:
        OSError: it is.
    """
    if path.is_symlink() and leads_out(path, path.parent):
        raise OSError(0, "it is a link that leads out of the folder; put the file itself there")


def is_file_below(root: Path, name: str) -> bool:
    """Tells whether a name is that of a file below a folder, all links followed."""
    try:
        return is_below(name) and (root / name).is_file() and not leads_out(root / name, root)
    except OSError:  # too long a name, for one
        return False
