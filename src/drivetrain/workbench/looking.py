"""A look at a set from outside: what a person should look at, and how the last audit stands, in one document."""

from __future__ import annotations

from collections import Counter
from dataclasses import dataclass
from datetime import datetime
from typing import Any

from ..core.errors import UsageError
from ..core.ports import Progress
from ..core.types import Skipped
from ..curate.suspect import Suspect
from ..data.edits.log import EditLog
from ..data.edits.places import log_place
from ..embed.cache import EmbeddingCache, default_folder
from ..embed.unpack_place import leave, unpack_place
from ..training.options import TrainOptions
from .audit import Audit, answers, draw, keep, latest, still_there, vouched
from .audit_estimate import Estimate
from .survey import Survey, survey
from .suspecting import Examined, examine


@dataclass(frozen=True, eq=False)
class Look:
    """The suspects of a set, and its audit."""

    source: str
    items: int
    suspects: tuple[Suspect, ...]
    """The suspects that no person has looked at yet, the most suspicious first."""
    looked_at: int
    """Items that a person has looked at, which are no suspects any more."""
    unfit: str | None
    """The reason why labels were not judged; None where they were."""
    skipped: tuple[Skipped, ...]
    notes: tuple[str, ...]
    audit: Estimate | None

    def counts(self) -> dict[str, int]:
        """Count the suspects by the code of each ground, the commonest first."""
        return dict(Counter(ground.code for one in self.suspects for ground in one.grounds).most_common())

    def to_json(self, top: int | None = None) -> dict[str, Any]:
        """Return the document of ``suspects --json``, with the first ``top`` of them."""
        document: dict[str, Any] = {
            "source": self.source,
            "items": self.items,
            "looked_at": self.looked_at,
            "counts": self.counts(),
            "suspects": [one.to_json() for one in self.suspects[:top]],
            "unfit": self.unfit,
            "skipped": [{"path": one.name, "reason": one.reason, "detail": one.detail} for one in self.skipped],
            "notes": list(self.notes),
        }
        return document | ({} if self.audit is None else {"audit": self.audit.to_json()})

    def audit_to_json(self) -> dict[str, Any]:
        """Return the document of ``suspects --audit``: what to answer next, with nothing that hints at the answer."""
        assert self.audit is not None, "an audit was asked for"
        open_items = [{"path": one.item.name, "label": one.label} for one in self.audit.answers.open]
        return {"source": self.source, "items": self.items, "audit": {**self.audit.to_json(), "open": open_items}}


def look(source: str, options: TrainOptions, progress: Progress, *, audit: int | None = None, now: datetime) -> Look:
    """Survey a source and suspect its items. ``audit``: begin an audit of so many items, unless one is still unanswered.

    Raises:
        SourceError: the source cannot be read.
        DataError: no item can be used; the log cannot be read or written to; there is nothing to draw for an audit.
        UsageError: an option is unusable, or the source is no place on this machine that a log could lie beside.
    """
    log = _log(source, wanted=audit is not None)
    surveyed = survey_of(source, options, progress)
    examined = examine(surveyed)
    seen = vouched(log) if log is not None and options.targets.edits else frozenset[str]()
    estimate = None
    if log is not None:
        drawn = _audit(log, surveyed, examined, audit, options.seed, now, seen)
        estimate = None if drawn is None else estimate_of(drawn, log, surveyed, examined)
    return Look(
        source=source,
        items=len(surveyed.sample),
        suspects=tuple(one for one in examined.suspects if one.name not in seen),
        looked_at=sum(item.name in seen for item in surveyed.sample.items),
        unfit=surveyed.unfit,
        skipped=surveyed.skipped,
        notes=surveyed.found.dataset.notes,
        audit=estimate,
    )


def survey_of(source: str, options: TrainOptions, progress: Progress) -> Survey:
    """Survey a source with the caches that the options name; raises what `survey` does."""
    place = unpack_place(options.cache, use_cache=options.use_cache)
    cache = EmbeddingCache(options.cache or default_folder() if options.use_cache else None, progress.say)
    try:
        return survey(source, options, cache, progress, place)
    finally:
        cache.close()
        leave(place)


def estimate_of(audit: Audit, log: EditLog, surveyed: Survey, examined: Examined) -> Estimate:
    """Reckon up an audit's answers, and what looking further at the items that are left would find."""
    seen = vouched(log)
    suspected = {one.name for one in examined.suspects}
    left = [item.name in suspected for item in surveyed.sample.items if item.name not in seen]
    told = still_there(answers(audit, log), [item.id for item in surveyed.sample.items])
    return Estimate.of(told, (sum(left), len(left) - sum(left)))


def _audit(
    log: EditLog,
    surveyed: Survey,
    examined: Examined,
    size: int | None,
    seed: int,
    now: datetime,
    seen: frozenset[str],
) -> Audit | None:
    """Return the audit under way, or begin one where one is wanted and none is."""
    last = latest(log)
    if size is None:
        return last
    items = [item.id for item in surveyed.sample.items]
    if last is not None and still_there(answers(last, log), items).open:
        return last
    drawn = draw(surveyed, examined, size, seed=seed + len(log.lines("audit")), at=now, seen=seen)
    keep(log, drawn)
    return drawn


def _log(source: str, *, wanted: bool) -> EditLog | None:
    """Open the log of a source; None where it has none and none is wanted."""
    try:
        place = log_place(source)
    except UsageError:
        if wanted:
            raise
        return None
    return EditLog.open(place) if wanted or place.exists() else None
