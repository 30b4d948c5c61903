"""Scores as p-values among the earlier ones of the same source and time of day.

Day and night are unlike each other at most cameras, and come in blocks; compared with pictures of the same hours of the day,
they stay exchangeable (a taxonomy in the sense of Vovk, Gammerman and Shafer 2005, section 4.5). Nothing stands in it to begin
with: the bundle's own scores are of all hours and of other cameras, so that a harmless difference from them would pass for a
change. What is wrong from the first picture on is for the out-of-domain rate to find.
"""

from __future__ import annotations

from typing import Any

from ..stats.jumper import conformal_p, place_of, tie_of
from .moment import DAY_US

PARTS = 8
"""Parts of a day, three hours each."""


class Ranks:
    """The counts of one score in fixed bins, by source and part of the day."""

    def __init__(self, edges: tuple[float, ...], key: bytes) -> None:
        self._edges, self._key = edges, key
        self.counts: dict[tuple[str, int], list[int]] = {}

    def place(self, score: float) -> int:
        """The bin of a score."""
        return place_of(self._edges, score)

    def p_value(self, score: float, source: str, at_us: int, case_id: str) -> float:
        """Rank a score, and count it."""
        slot = source, at_us % DAY_US * PARTS // DAY_US
        counts = self.counts.get(slot)
        if counts is None:
            counts = self.counts[slot] = [0] * (len(self._edges) + 1)
        place = self.place(score)
        p = conformal_p(counts, place, tie_of(self._key, case_id))
        counts[place] += 1
        return p

    def to_json(self) -> list[Any]:
        """Return the state."""
        return [[*slot, counts] for slot, counts in self.counts.items()]

    def load(self, state: list[Any]) -> None:
        """Go on from a state."""
        self.counts = {(source, part): list(counts) for source, part, counts in state}
