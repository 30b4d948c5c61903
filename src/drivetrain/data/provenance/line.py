"""Provenance: where an item came from and on what terms, a line an item of ``provenance.jsonl``."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime

UNKNOWN_LICENCE = "unknown"
"""The licence of what nobody stated one for; it is not among those that ``--licence cc`` takes."""

FILE = "provenance.jsonl"
"""The file's name, in the folder whose items it is about. No reader takes it for a table of labels."""


@dataclass(frozen=True, slots=True)
class Provenance:
    """The origin of one item. Texts are as the source gave them; None where it gave none."""

    name: str
    """The item's name within the folder, with forward slashes."""
    sha256: str
    """SHA-256 of the file's bytes as they were written."""
    source: str
    """The source's name: ``openverse``, ``wikimedia``, ``inaturalist``, ``ddgs``, ``urls``, ``video``, ``store``."""
    at: datetime
    url: str | None = None
    page: str | None = None
    """Address of the page on which a person finds it, with its author and licence."""
    licence: str = UNKNOWN_LICENCE
    """A short name: ``cc-by-4.0``, ``cc0-1.0``, ``pdm-1.0``, ``public-domain``, ``all-rights-reserved``, ``unknown``."""
    licence_url: str | None = None
    author: str | None = None
    title: str | None = None
    query: str | None = None
    """The words that were searched for."""
    group: str | None = None
    """Items of one group never stand on both sides of a split: the frames of one video."""
    label_how: str | None = None
    """The way its label was made: ``query`` (it answers the search), ``blind``, ``assisted`` or ``adjudicated`` by a person,
    or ``outcome``, what turned out later."""
    label_by: str | None = None
    """The name of the person, or persons, or of the system, that told it."""
