"""The pass that takes the traits of many pictures: in threads, each picture once, kept by its content for the next time."""

from __future__ import annotations

import hashlib
import json
from collections.abc import Mapping, Sequence

from ...core.errors import InputError
from ...core.ordered_map import ordered_map
from ...core.ports import Notes, Progress
from ...core.reference import read_bounded
from ...core.types import Item
from .measured_traits import traits_of_bytes
from .render import SRGB, Render
from .traits import Traits

# Part of the names under which traits are kept: bump it when the same bytes would give others.
VERSION = 2

# Pictures after which what is new is kept: the most that an interruption loses.
KEPT_EVERY = 256


def traits_of(
    items: Sequence[Item], progress: Progress, workers: int, notes: Notes | None = None, render: Render = SRGB
) -> tuple[Traits | None, ...]:
    """Take the traits of each item; None of one that cannot be read or decoded.

    ``notes`` keeps them by content, so that a second pass decodes nothing, and reads nothing of items whose hash is known.
    """
    if notes is None:
        return _measured(items, None, None, progress, workers, render)
    names = [_name(sha256, render) for sha256 in _hashes(items, workers)]
    known = notes.notes([name for name in names if name is not None])
    found: list[Traits | None] = [_parsed(known, name) for name in names]
    new = [row for row, traits in enumerate(found) if traits is None and names[row] is not None]
    # Pictures of equal bytes are measured once.
    first = {names[row]: row for row in reversed(new)}
    rows = sorted(first.values())
    measured = _measured([items[row] for row in rows], [names[row] for row in rows], notes, progress, workers, render)
    by_name = {names[row]: traits for row, traits in zip(rows, measured, strict=True)}
    return tuple(by_name.get(name) if traits is None else traits for name, traits in zip(names, found, strict=True))


def _measured(
    items: Sequence[Item],
    names: Sequence[str | None] | None,
    notes: Notes | None,
    progress: Progress,
    workers: int,
    render: Render,
) -> tuple[Traits | None, ...]:
    if not items:
        return ()
    found: list[Traits | None] = []
    waiting: dict[str, str] = {}
    with progress.stage("look at light and sharpness", len(items)) as advance:
        jobs = ((item, render) for item in items)
        for row, traits in enumerate(ordered_map(_traits, jobs, workers=workers, ahead=4 * workers)):
            found.append(traits)
            name = names[row] if names else None
            if traits is not None and name is not None:
                waiting[name] = json.dumps(traits.to_json())
            if notes is not None and len(waiting) >= KEPT_EVERY:
                notes.set_notes(waiting)
                waiting = {}
            advance(1)
    if notes is not None and waiting:
        notes.set_notes(waiting)
    return tuple(found)


def _traits(job: tuple[Item, Render]) -> Traits | None:
    item, render = job
    try:
        return traits_of_bytes(read_bounded(item.reference), render)
    except (InputError, MemoryError):
        return None


def _hashes(items: Sequence[Item], workers: int) -> list[str | None]:
    """Return the hash of each item's bytes, which are read only where nobody has; None where they cannot be."""
    unread = [item for item in items if item.sha256 is None]
    found = ordered_map(_hash, unread, workers=workers, ahead=4 * workers)
    return [next(found) if item.sha256 is None else item.sha256 for item in items]


def _hash(item: Item) -> str | None:
    try:
        return hashlib.sha256(read_bounded(item.reference)).hexdigest()
    except InputError:
        return None


def _name(sha256: str | None, render: Render) -> str | None:
    return None if sha256 is None else f"traits-{VERSION}-{render.key}-{sha256}"


def _parsed(known: Mapping[str, str], name: str | None) -> Traits | None:
    """Read what was kept; None where nothing was, or nothing that can be read, which is then measured anew."""
    text = None if name is None else known.get(name)
    try:
        return None if text is None else Traits.from_json(json.loads(text))
    except (ValueError, TypeError, KeyError, AttributeError):
        return None
