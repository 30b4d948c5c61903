"""One monitor over many streams: that of all sources together, and one of each source, which share one false-alarm rate.

The sum of a source's evidence grows in expectation by at most 1 a vote of that source (`stats.shiryaev_roberts`), so that the
sums of all sources together grow by at most 1 a vote, however many sources there are; and so does that of the common stream.
Their average, (R₀ + Σ R_s) / 2, reaches horizon/α within so many votes with probability at most α. When it does, the alarm is of
one source, or of all together where the others add to its evidence since the change began (by the e-CUSUM, which forgets what
was before: a source that is strange from its first vote would else be outweighed by the votes of the others before it). A
stream that has alarmed is set back to nothing in all families, and stays there until a person clears the alarm: that can only
lower the average, and one change raises one alarm. An alarm of all together is one of every source.
"""

from __future__ import annotations

from collections.abc import Callable, Collection, Iterator
from typing import Any, Generic, TypeVar

from .evidence import Evidence

E = TypeVar("E", bound=Evidence)

OTHERS_ADD = 10.0
"""The factor by which the others have to add to the evidence of the strongest source for an alarm to be of all together."""


class Family(Generic[E]):
    """The evidence of all streams of one monitor."""

    def __init__(self, level: float, make: Callable[[], E], latched: Collection[str | None]) -> None:
        """Make a family. ``latched``: the sources whose alarm nobody has cleared, None for all together; it is kept elsewhere."""
        self.level = level
        self._make = make
        self._latched = latched
        self.together = make()
        self.by_source: dict[str, E] = {}

    def streams(self, source: str) -> Iterator[E]:
        """The streams that a vote of this source counts in."""
        if source in self._latched or None in self._latched:
            return
        own = self.by_source.get(source)
        if own is None:
            own = self.by_source[source] = self._make()
        yield own
        yield self.together

    @property
    def average(self) -> float:
        """The statistic that alarms."""
        total = self.together.value
        for evidence in self.by_source.values():
            total += evidence.value
        return total / 2

    def alarmed(self) -> tuple[str | None, E] | None:
        """The source that alarms now, or None for all together, with its evidence; None where nothing does."""
        if self.average < self.level:
            return None
        sources = self.by_source
        source = max(sources, key=lambda name: sources[name].run)
        if sources[source].run * OTHERS_ADD >= self.together.run:
            return source, sources[source]
        return None, self.together

    def reset(self, source: str | None) -> None:
        """Set a stream back to nothing; and all together too, as what a source contributed must leave it with the source."""
        if source in self.by_source:
            self.by_source[source].reset()
        self.together.reset()

    def to_json(self) -> dict[str, Any]:
        """Return the state."""
        return {
            "together": self.together.to_json(),
            "by_source": [[source, evidence.to_json()] for source, evidence in self.by_source.items()],
        }

    def load(self, state: dict[str, Any]) -> None:
        """Go on from a state."""
        self.together.load(state["together"])
        self.by_source = {source: self._make().load(kept) for source, kept in state["by_source"]}
