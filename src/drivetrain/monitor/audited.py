"""The monitor of the error that people found among accepted answers: an e-CUSUM for each source and for all together.

One source alarms at the level times the number of sources, so that however many there are a false alarm of any of them is as
rare as of all together. It latches; a person clears it. An alarm of all together is one of every source.
"""

from __future__ import annotations

from typing import Any

from ..stats.shiryaev_roberts import Factors, factors
from .evidence import Evidence
from .moment import Mark
from .settings import KEPT_AUDITS, Settings


class AuditedError:
    """The evidence that accepted answers are wrong more often than promised."""

    def __init__(self, bound: float, settings: Settings) -> None:
        self._level = settings.error_level
        self._factors: Factors = factors(bound, settings.error_multiples)
        self.together = self._make()
        self.by_source: dict[str, Evidence] = {}
        self.standing: set[str | None] = set()
        self._seen: dict[str, None] = {}

    def _make(self) -> Evidence:
        return Evidence(len(self._factors.hit))

    def is_new(self, case_id: str) -> bool:
        """Tells whether this case has not been audited yet, and remembers the latest."""
        if case_id in self._seen:
            return False
        self._seen[case_id] = None
        if len(self._seen) > KEPT_AUDITS:
            del self._seen[next(iter(self._seen))]
        return True

    def audit(self, source: str, wrong: bool, mark: Mark) -> tuple[str | None, Evidence] | None:
        """Take one audit; return the source that alarms (None: all together) with its evidence, or None."""
        by = self._factors.hit if wrong else self._factors.miss
        if source in self.standing or None in self.standing:
            return None
        own = self.by_source.setdefault(source, self._make())
        own.take(by, mark)
        self.together.take(by, mark)
        if own.run >= self._level * len(self.by_source):
            return source, own
        if self.together.run >= self._level:
            return None, self.together
        return None

    def latch(self, source: str | None) -> None:
        """Let an alarm stand."""
        self.standing.add(source)
        if source is not None:
            self.by_source[source].reset()
        self.together.reset()

    def clear(self, source: str | None) -> None:
        """Watch a stream again, from nothing."""
        self.standing.discard(source)
        if source in self.by_source:
            self.by_source[source].reset()
        if source is None:
            self.together.reset()

    def to_json(self) -> dict[str, Any]:
        """Return the state."""
        return {
            "together": self.together.to_json(),
            "by_source": [[source, evidence.to_json()] for source, evidence in self.by_source.items()],
            "standing": sorted(self.standing, key=lambda source: (source is not None, source or "")),
            "seen": list(self._seen),
        }

    def load(self, state: dict[str, Any]) -> None:
        """Go on from a state."""
        self.together.load(state["together"])
        self.by_source = {source: self._make().load(kept) for source, kept in state["by_source"]}
        self.standing = set(state["standing"])
        self._seen = dict.fromkeys(state["seen"])
