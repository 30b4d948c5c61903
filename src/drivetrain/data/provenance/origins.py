"""Where items came from, as columns: what a source or an author has in common may tell their labels."""

from __future__ import annotations

from collections.abc import Iterable
from pathlib import Path

from ...core.errors import SourceError
from .groups import followed
from .line import UNKNOWN_LICENCE
from .record import read_record

# Fields that several items share. The words searched for are the label itself, and items of one group are kept together anyway.
SHARED = ("source", "author", "licence")


def origins_below(root: Path, folders: Iterable[str]) -> dict[str, dict[str, str]]:
    """Return the values by item name of each field, by the records in some folders below a root; what cannot be read is left
    out, as whoever reads the items tells of it."""
    found: dict[str, dict[str, str]] = {field: {} for field in SHARED}
    for folder in sorted(folders, key=lambda one: one.count("/") + bool(one)):  # the nearest record counts
        try:
            lines = read_record(root / folder)
        except SourceError:
            continue
        start = f"{folder}/" if folder else ""
        for line in lines:
            for field in SHARED:
                value = getattr(line, field)
                if value is not None and value != UNKNOWN_LICENCE:
                    found[field][start + line.name] = value
    return {field: followed(values, root) for field, values in found.items() if values}
