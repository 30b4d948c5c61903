"""The place where a run unpacks archives, and pictures inside tables: in the cache, or until its end only."""

from __future__ import annotations

from pathlib import Path

from ..core.scratch import Into, Scratch
from .cache import default_folder

FOLDER = "archives"


def unpack_place(cache: Path | None, *, use_cache: bool) -> Into:
    """The place: a folder given as ``cache``, the user's cache, or where no cache is to be used a temporary one."""
    if cache is None and not use_cache:
        return Scratch()
    return (cache or default_folder()) / FOLDER


def leave(place: Into) -> None:
    """Remove what was unpacked, unless it is there to stay."""
    if isinstance(place, Scratch):
        place.remove()
