"""The history of a name: the rollouts that held it, those beside them, and what people and evidence did to them."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from datetime import datetime
from typing import Any

from ..core.errors import UsageError
from ..core.rollout_port import RolloutStore
from ..core.rollout_records import RolloutRow
from .events import Looked, Opened, Turned
from .moments import to_text
from .stage import Stage
from .succession import PREDECESSOR, events_of, holder_of, predecessors_of, shadows_of


@dataclass(frozen=True, slots=True)
class Past:
    """One thing that happened."""

    at: datetime
    row: RolloutRow
    what: str
    """``opened``, ``looked``, ``promoted``, or another turn."""
    by: str | None
    """The person; None: the evidence by itself."""
    words: str
    stage: Stage | None
    """The stage after it; None where it changes none."""
    evidence: Mapping[str, Any]

    def to_json(self) -> dict[str, Any]:
        """Return the object that ``rollout history --json`` prints."""
        return {
            "at": to_text(self.at),
            "rollout": self.row.name,
            "bundle_id": self.row.bundle_id,
            "what": self.what,
            "by": self.by,
            "words": self.words,
            "stage": self.stage,
            "evidence": dict(self.evidence),
        }


@dataclass(frozen=True, slots=True)
class History:
    """Everything that happened to the rollouts of a name, the oldest first, and who holds it now."""

    champion: RolloutRow
    candidates: tuple[RolloutRow, ...]
    """Rollouts that read the champion's cases along just now."""
    events: tuple[Past, ...]

    def to_json(self) -> dict[str, Any]:
        """Return the document of ``rollout history --json``."""
        aliases = {"champion": _alias(self.champion), "candidates": [_alias(row) for row in self.candidates]}
        return {"aliases": aliases, "events": [one.to_json() for one in self.events]}


def history_of(store: RolloutStore, name: str) -> History:
    """Return the history of a name.

    Raises:
        UsageError: there is no rollout of this name.
        LogError: a log cannot be read.
    """
    champion = holder_of(store, name)
    if champion is None:
        raise UsageError(f"the store has no rollout {name[:80]!r}")
    own = (champion, *predecessors_of(store, champion))
    rows = {row.id: row for one in own for row in (one, *shadows_of(store, one))}
    events = sorted((past for row in rows.values() for past in _past(store, row)), key=lambda one: one.at)
    beside = tuple(row for row in shadows_of(store, champion) if row.stage != Stage.ENDED)
    return History(champion, beside, tuple(events))


def _past(store: RolloutStore, row: RolloutRow) -> Iterator[Past]:
    for event in events_of(store, row.id):
        match event:
            case Opened():
                yield Past(event.at, row, "opened", event.by, "", Stage.PARALLEL, {})
            case Turned():
                what = "promoted" if PREDECESSOR in event.evidence else event.turn.value
                yield Past(event.at, row, what, event.by, event.reason, event.stage, event.evidence)
            case Looked():
                seen = {"bundle_ids": list(event.bundle_ids), "reserve": event.reserve, "recent": event.recent}
                yield Past(event.at, row, "looked", event.by, event.words, None, seen)
            case _:
                pass


def _alias(row: RolloutRow) -> dict[str, Any]:
    return {"rollout": row.name, "id": row.id, "bundle_id": row.bundle_id, "stage": row.stage}
