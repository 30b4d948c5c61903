"""A watch over the records of a store: what the server's own watch knew after the last of them."""

from __future__ import annotations

from ..core.ports import MonitorStore, Progress
from ..core.verdict import Verdict
from ..model.predictor import Predictor
from .batch import Watched
from .observation import Audit, Observation
from .reference import Reference
from .settings import Settings
from .summary import summary
from .watch import Watch

STEP = 1_000
"""Entries that are read at once."""


def replay(predictor: Predictor, store: MonitorStore, settings: Settings | None, progress: Progress) -> Watched:
    """Replay what a store holds of this bundle, in the order in which it was stored."""
    watch, bundle_id = Watch.of(Reference.of(predictor), settings), predictor.manifest.bundle_id
    position, unreadable, others = 0, 0, 0
    while entries := store.feed(position, STEP):
        position = entries[-1].position
        for fed in entries:
            prediction = fed.record.prediction
            if prediction.bundle_id != bundle_id:
                others += 1
                continue
            seen = Observation.of_record(fed.record) if fed.truth is None else Audit.of(fed.record, fed.truth)
            if seen is not None:
                watch.update(seen)
            unreadable += fed.truth is None and prediction.verdict is Verdict.UNREADABLE
    if others:
        progress.say(f"{others} entries of the store are of other bundles, and left out")
    return Watched(watch, {**summary(watch), "order": "time", "unreadable": unreadable, "clusters": []})
