"""A picture that a source has found and nobody has fetched yet."""

from __future__ import annotations

from dataclasses import dataclass

from ...data.provenance.line import UNKNOWN_LICENCE


@dataclass(frozen=True, slots=True)
class Found:
    """The address of a picture, and all that its source says of it. Texts are plain, without markup."""

    url: str
    page: str | None = None
    licence: str = UNKNOWN_LICENCE
    licence_url: str | None = None
    author: str | None = None
    title: str | None = None
    group: str | None = None
    """Pictures of one group show one thing: they never stand on both sides of a split."""
    label: str | None = None
    """The class folder, where the source names one: a column of a table."""
