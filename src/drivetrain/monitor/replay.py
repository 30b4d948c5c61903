"""A watch over the records of a store: what the server's own watch knew after the last of them."""

from __future__ import annotations

from ..core.errors import UsageError
from ..core.ports import MonitorStore, Progress
from ..core.verdict import Verdict
from ..model.predictor import Predictor
from .batch import Watched
from .following import tell
from .reference import Reference
from .summary import summary
from .watch import Watch

STEP = 1_000
"""Entries that are read at once."""


def replay(predictor: Predictor, store: MonitorStore, model: str | None, progress: Progress) -> Watched:
    """Replay what a store holds of this bundle, in the order in which it was stored, clearings of alarms included.

    ``model``: the name it was served under, needed where there were several.

    Raises:
        UsageError: there were several, and none is given.
    """
    reference, bundle_id = Reference.of(predictor), predictor.manifest.bundle_id
    watches: dict[str, Watch] = {} if model is None else {model: Watch.of(reference)}
    unreadable: dict[str, int] = {}
    position, others = 0, 0
    while entries := store.feed(position, STEP):
        position = entries[-1].position
        for fed in entries:
            record = fed.record
            if record.prediction.bundle_id != bundle_id or model not in (None, record.model):
                others += 1
                continue
            if record.model not in watches:
                watches[record.model] = Watch.of(reference)
            is_unreadable = fed.truth is None and record.prediction.verdict is Verdict.UNREADABLE
            unreadable[record.model] = unreadable.get(record.model, 0) + is_unreadable
        for name, watch in watches.items():
            tell(watch, (name, bundle_id), entries, store)
    if others:
        progress.say(f"{others} entries of the store are of other bundles or models, and left out")
    if len(watches) > 1:
        raise UsageError(f"the bundle was served as {', '.join(sorted(watches))}; say with --model which is meant")
    name, watch = next(iter(watches.items()), ("", Watch.of(reference)))
    return Watched(watch, {**summary(watch), "order": "time", "unreadable": unreadable.get(name, 0), "clusters": []})
