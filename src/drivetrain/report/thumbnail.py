"""A small picture in a report."""

from __future__ import annotations

from dataclasses import dataclass


@dataclass(frozen=True)
class Thumbnail:
    """A small picture: ``jpeg`` bytes (longest side about 160 px)."""

    name: str
    jpeg: bytes
