"""Groups by where items came from: the frames of one video never stand on both sides of a split."""

from __future__ import annotations

import json
from collections.abc import Iterable
from pathlib import Path

from ...core.plain_file import read_plain
from ..edits.places import LOG
from .record import read_record


def groups_below(root: Path, folders: Iterable[str]) -> dict[str, str]:
    """Item name → group, as the records in some folders below a root have it; names are relative to the root.

    Raises:
        SourceError: a record cannot be read, or a line is none; says which.
    """
    found: dict[str, str] = {}
    for folder in sorted(folders, key=lambda one: one.count("/") + bool(one)):  # the nearest record counts
        start = f"{folder}/" if folder else ""
        found |= {start + name: start + group for name, group in _groups(root / folder).items()}
    return followed(found, root) if found else found


def followed(groups: dict[str, str], root: Path) -> dict[str, str]:
    """The groups under the names that files have since edits were applied, see `edits.moves`."""
    try:
        lines = read_plain(root / LOG).split(b"\n")[:-1]
    except OSError:
        return groups
    for raw in lines:
        if b'"moves"' not in raw:
            continue
        try:
            moved = {old: new for old, new, _ in json.loads(raw).get("moves", ())}
        except (ValueError, TypeError, AttributeError, RecursionError):
            continue  # whoever reads the edits says what is wrong with the line
        gone = {moved[name]: group for name, group in groups.items() if name in moved}
        groups = {name: group for name, group in groups.items() if name not in moved} | gone
    return groups


def _groups(folder: Path) -> dict[str, str]:
    lines = {line.name: line for line in read_record(folder)}  # the last line about an item counts
    return {name: line.group for name, line in lines.items() if line.group is not None}
