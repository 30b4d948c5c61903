"""Groups by where items came from: the frames of one video never stand on both sides of a split."""

from __future__ import annotations

import json
from collections.abc import Iterable
from pathlib import Path

from ...core.errors import SourceError
from ...core.plain_file import read_plain
from ..edits.places import LOG
from .line import FILE


def groups_below(root: Path, folders: Iterable[str]) -> dict[str, str]:
    """Item name → group, as the records in some folders below a root have it; names are relative to the root.

    Raises:
        SourceError: a record cannot be read, or a line is none; says which.
    """
    found: dict[str, str] = {}
    for folder in sorted(folders, key=lambda one: one.count("/") + bool(one)):  # the nearest record counts
        path = root / folder / FILE
        start = f"{folder}/" if folder else ""
        found |= {start + name: start + group for name, group in _groups(path).items()}
    return _followed(found, root) if found else found


def _followed(groups: dict[str, str], root: Path) -> dict[str, str]:
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


def _groups(path: Path) -> dict[str, str]:
    try:
        data = read_plain(path)
    except (FileNotFoundError, NotADirectoryError):
        return {}
    except OSError as error:
        raise SourceError(f"cannot read {path}: {error.strerror or error}; check its permissions") from None
    found: dict[str, str] = {}
    # Behind the last line end stands a line whose writer was killed.
    for number, raw in enumerate(data.split(b"\n")[:-1], start=1):
        if not raw.strip():
            continue
        try:
            line = json.loads(raw)
            name, group = line["name"], line.get("group")
            if not isinstance(name, str):
                raise TypeError(name)
        except (ValueError, KeyError, TypeError, AttributeError, RecursionError):
            raise SourceError(f"{path}, line {number}, is no provenance; correct the line, or take it out") from None
        if group is None:
            found.pop(name, None)  # the last line about an item counts
        else:
            found[name] = str(group)
    return found
