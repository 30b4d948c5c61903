"""The bytes of an item, where its file lies by now: applying edits moves files while a desk runs."""

from __future__ import annotations

import hashlib
from dataclasses import dataclass
from pathlib import Path

from ..core.errors import DataError
from ..core.reference import Reference, read_reference
from ..core.types import Item
from ..workbench.session import CleaningSession

GONE = "it lies here no more; where it was moved, start the desk anew: its edits find it by its content"


@dataclass(frozen=True)
class Bytes:
    """Bytes that were read for an item."""

    data: bytes
    surveyed: bool
    """Tells that they are those that the set was surveyed with, or that it is not known."""


def bytes_of(item: Item, session: CleaningSession) -> Bytes:
    """Read an item where it was when the set was surveyed, or where the log says that its file was moved.

    Other bytes than those surveyed are given only where the item's own are not found.

    Raises:
        OSError: it cannot be read.
    """
    there = _read(item.reference)
    if isinstance(there, bytes) and _are(item, there):
        return Bytes(there, True)
    moved = _moved(item, session)
    found = moved and _read(moved)
    if isinstance(found, bytes) and _are(item, found):
        return Bytes(found, True)
    if isinstance(there, bytes):
        return Bytes(there, False)
    raise FileNotFoundError(there.errno, GONE) if isinstance(there, FileNotFoundError) else there


def _read(reference: Reference) -> bytes | OSError:
    try:
        return read_reference(reference)
    except OSError as error:
        return error


def _are(item: Item, data: bytes) -> bool:
    return item.sha256 is None or hashlib.sha256(data).hexdigest() == item.sha256


def _moved(item: Item, session: CleaningSession) -> Path | None:
    """The file that the log says is the item's; None where it was not moved."""
    try:
        session.refresh()
    except DataError:
        return None  # a log that cannot be read says nothing
    stood = session.edits.standings.of(item.id)
    return None if stood is None or stood.file is None else session.edits.path.parent / stood.file
