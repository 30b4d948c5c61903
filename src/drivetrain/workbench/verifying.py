"""Verifying a data set: files that cannot be read, bad pictures, copies, and copies with different labels; and moving them aside.

Nothing has to be labelled for it, and nothing is fitted. One pass embeds the images, another looks at light and sharpness; both
keep what they found, so that an interrupted or repeated run goes on from there.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable, Collection, Sequence
from dataclasses import dataclass
from datetime import datetime
from pathlib import Path
from typing import Any

import numpy as np

from ..core.cores import available_cores
from ..core.errors import LIBRARY_MISSING, SourceError
from ..core.local_path import local_path
from ..core.ports import Progress
from ..core.scratch import Into
from ..core.types import Dataset, Embeddings, Item
from ..curate.contradictions import contradictions
from ..curate.duplicates import Duplicates, find_duplicates
from ..curate.quality import faults
from ..curate.suspect import BLURRED, CONTRADICTORY, NEAR_BLACK, NEAR_DUPLICATE, TINY, UNREADABLE, Ground
from ..data.block.image_block import ImageBlock
from ..data.edits.edit import Change, Fate, Standing
from ..data.edits.log import EditLog
from ..data.edits.overlay import edited
from ..data.edits.places import log_place
from ..data.sources.aside import Moved, move_aside
from ..data.sources.opening import open_source
from ..embed.cache import EmbeddingCache
from ..embed.embedder import Embedder
from ..learn.selection import default_features
from ..training.features import candidates, probe
from ..training.options import TrainOptions

# The codes in the order in which they are told; those that make a data set wrong, rather than worse.
CODES = (UNREADABLE, CONTRADICTORY, NEAR_BLACK, TINY, BLURRED, NEAR_DUPLICATE)
SERIOUS = frozenset({UNREADABLE, CONTRADICTORY})

# Reasons that say nothing of the file: it may be as good as any.
UNKNOWN = frozenset({LIBRARY_MISSING, "out of memory", "changed"})

# The network whose embeddings tell copies: the smallest of those packaged.
BACKBONE = "efficientnet-lite0"

BY = "drivetrain verify"

_SAME = {"exact": "has the same pixels as", "hash": "is a copy of", "crop": "shows the same picture, cut otherwise, as"}


@dataclass(frozen=True, slots=True)
class Faulty:
    """An item that is no good as it is, and why."""

    item: Item
    grounds: tuple[Ground, ...]
    others: tuple[str, ...] = ()
    """The other copies of its picture."""

    def to_json(self) -> dict[str, Any]:
        """Return an entry of the list that ``verify --json`` prints."""
        return {
            "path": self.item.name,
            "label": self.item.label,
            "reasons": [{"code": ground.code, "text": ground.words} for ground in self.grounds],
            "copies": list(self.others),
        }


@dataclass(frozen=True)
class Verified:
    """The faults of a data set."""

    dataset: Dataset
    faulty: tuple[Faulty, ...]
    """By the items' names."""

    @property
    def counts(self) -> dict[str, int]:
        """Code → number of items, in the order of `CODES`."""
        found = Counter(ground.code for one in self.faulty for ground in one.grounds)
        return {code: found[code] for code in CODES if found[code]}

    @property
    def serious(self) -> bool:
        """Tells whether something makes the data wrong: a file that cannot be read, or one picture with two labels."""
        return not SERIOUS.isdisjoint(self.counts)

    def keeping(self, codes: Collection[str]) -> Verified:
        """Return the same without the grounds of some codes."""
        left = (
            Faulty(one.item, tuple(ground for ground in one.grounds if ground.code not in codes), one.others)
            for one in self.faulty
        )
        return Verified(self.dataset, tuple(one for one in left if one.grounds))


def verify(
    source: str, cache: EmbeddingCache, progress: Progress, unpack_dir: Into, backbone: str = BACKBONE
) -> Verified:
    """Look at every image of a source, labelled or not. Items that an edit has removed are left out.

    Raises:
        SourceError: there is no image, or no such source.
        UsageError: there is no such network.
    """
    dataset = edited(_opened(source, unpack_dir), source)
    block, workers = ImageBlock(), available_cores()
    network = candidates(TrainOptions(backbone=backbone), block)[0]
    features = default_features(network)
    embedder = Embedder(cache, None, progress)
    embedded = embedder.embed(dataset.items, features.recipes)[features.recipes[0].key]
    items = embedded.of(dataset.items)
    matrix_ND = features.matrix(lambda _recipe: embedded.features_ND)
    grounds: dict[str, list[Ground]] = {}
    others: dict[str, tuple[str, ...]] = {}
    for one in embedded.skipped:
        if one.reason not in UNKNOWN:
            grounds.setdefault(one.name, []).append(Ground(UNREADABLE, f"cannot be read: {one.detail}"))
    bad = faults(block.traits(items, progress, workers, cache)) if items else ()
    for item, found in zip(items, bad, strict=True):
        grounds.setdefault(item.name, []).extend(found)
    if len(items) > 1:
        probes = probe(dataset.items, embedded.rows_N, features, matrix_ND, 0, embedder)
        _copied(find_duplicates(embedded.facts, matrix_ND, probes), items, embedded, grounds, others)
    by_name = {item.name: item for item in dataset.items}
    faulty = (Faulty(by_name[name], tuple(found), others.get(name, ())) for name, found in grounds.items() if found)
    return Verified(dataset, tuple(sorted(faulty, key=lambda one: one.item.name)))


def _opened(source: str, unpack_dir: Into) -> Dataset:
    """Read a source with its labels; where it has none, all images below it."""
    try:
        return open_source(source, unpack_dir=unpack_dir)
    except SourceError as error:
        try:
            return open_source(source, unpack_dir=unpack_dir, labelled=False)
        except SourceError:
            raise error from None


def _copied(
    duplicates: Duplicates,
    items: Sequence[Item],
    embedded: Embeddings,
    grounds: dict[str, list[Ground]],
    others: dict[str, tuple[str, ...]],
) -> None:
    """Add copies to the grounds: all of a picture where their labels differ, else all but the best one."""
    targets_N = np.unique([item.label or "" for item in items], return_inverse=True)[1].reshape(-1, 1)
    against = {}
    for found in contradictions(duplicates, targets_N, are_numbers=False):
        against[int(duplicates.pictures_N[found.first])] = (found.first, found.second)
    kinds = {(i, j): kind for i, j, kind, _ in duplicates.pairs}
    for cluster in duplicates.clusters():
        names = [items[row].name for row in cluster]
        pair = against.get(int(duplicates.pictures_N[cluster[0]]))
        # The one that stays has no fault of its own, if any has none, and the most pixels.
        best = min(
            cluster, key=lambda row: (bool(grounds.get(items[row].name)), -_pixels(embedded, row), items[row].name)
        )
        for row in cluster:
            if pair is not None:
                other = pair[1] if row == pair[0] or items[row].label == items[pair[0]].label else pair[0]
                ground = Ground(
                    CONTRADICTORY,
                    f"shows the same picture as {items[other].name}, which is labelled “{items[other].label}”",
                )
            elif row != best:
                kind = kinds.get((min(row, best), max(row, best)), "")
                words = _SAME.get(kind, "is nearly the same picture as")
                ground = Ground(NEAR_DUPLICATE, f"{words} {items[best].name}, which stays")
            else:
                continue
            grounds.setdefault(items[row].name, []).append(ground)
            others[items[row].name] = tuple(name for name in names if name != items[row].name)


def _pixels(embedded: Embeddings, row: int) -> int:
    details = embedded.facts[row].details
    return int(details.get("width", 0)) * int(details.get("height", 0))


def set_aside(verified: Verified, source: str, folder: Path | None, now: Callable[[], datetime]) -> Moved | None:
    """Take what is faulty out of a data set, deleting nothing.

    Of a folder the files are moved, by default to ``quarantine`` within it, which no reader looks into. A table or an archive
    stays as it is, and nothing is moved (None): its log of edits says which items are removed.

    Raises:
        DataError: a file cannot be moved, or the log cannot be written; those before it have been.
    """
    root = local_path(source)
    if root.is_dir():
        files = [one.item.path for one in verified.faulty]
        return move_aside(files, folder or root / "quarantine", below=root)
    standings = {one.item.id: Standing(one.item.label, Fate.OPEN, one.item.labels) for one in verified.faulty}
    changes = [
        Change(one.item.id, Standing(one.item.label, Fate.REMOVED, one.item.labels), one.grounds[0].code)
        for one in verified.faulty
    ]
    if changes:
        EditLog.open(log_place(source)).record(changes, BY, now(), lambda item: standings[item])
    return None
