"""The places of what people changed: a log beside the data, and the names in a data set that are never data."""

from __future__ import annotations

import os
from pathlib import Path

from ...core.local_path import local_path
from ..provenance.line import FILE as PROVENANCE

LOG = "edits.jsonl"
"""The log's name in a folder. That of a table or archive has the file's name in front of it, with a dot between."""


def is_record(name: str) -> bool:
    """Tells whether a file of this name is a record about the data, which no reader takes for a table of them."""
    return name in (LOG, PROVENANCE) or name.endswith(f".{LOG}")


def log_place(source: str | os.PathLike[str]) -> Path:
    """Return the place of a source's log, whether or not there is one yet.

    >>> log_place("no-such/labels.csv").name
    'labels.csv.edits.jsonl'

    Raises:
        UsageError: the source is no path on this machine.
    """
    path = local_path(source)
    return path / LOG if path.is_dir() else path.with_name(f"{path.name}.{LOG}")
