"""The monitor of a certificate: it expires when the mix of answers moves further than the certificate's tolerance.

Each vote is bet on before it is seen. The bet is that its label is among those that have been more frequent lately than in the
certificate; as long as the mix is within the margin of the certificate's, that happens with probability at most their share there
plus the margin, whatever went before. So the factors have an expectation of at most 1, and their Shiryaev–Roberts sum alarms
falsely within the horizon with probability at most α, however often one looks (`stats.shiryaev_roberts`). Of overlapping labels
the bet is on the one whose share has moved furthest, that it is there, or that it is not.
"""

from __future__ import annotations

import math
from collections import deque
from collections.abc import Mapping
from typing import Any

from ..stats.shiryaev_roberts import MOST_LIKELY
from .certified_mix import CertifiedMix
from .evidence import Evidence
from .moment import Mark
from .settings import KEPT_IDS

# The rates that are looked for: so much of the way from the highest allowed one to 1. A miss multiplies by 1 − f.
WAYS = (0.1, 0.25, 0.5, 0.75)
# Votes after which all counts are halved, so that only the latest hundreds say which labels are frequent.
RECENT = 256
# Labels that an alarm names.
SHOWN = 6
_NO_BET = (1.0,) * len(WAYS)


class Expiry:
    """The evidence that the mix of answers has moved, of all sources together."""

    def __init__(self, mix: CertifiedMix, level: float) -> None:
        self.mix, self.standing = mix, False
        self._level, self._margin = level, mix.margin
        self.evidence = Evidence(len(WAYS))
        self.telling: deque[Mark] = deque(maxlen=KEPT_IDS)
        """The latest votes that were bet on."""
        self.n = 0
        """Votes that ``counts`` are of, the latest ones."""
        self.counts: dict[str, int] = {}

    def vote(self, labels: tuple[str, ...], mark: Mark) -> bool:
        """Take the labels of one answer; tells whether an alarm is raised."""
        if self.standing:
            return False
        found = self._bet(labels)
        self._count(labels)
        if found is None:
            self.evidence.take(_NO_BET, mark)
            return False
        hit, highest = found
        if hit:
            self.telling.append(mark)
        self.evidence.take([1 + f * (1 - highest) / highest if hit else 1 - f for f in WAYS], mark)
        self.standing = self.evidence.value >= self._level
        return self.standing

    def _bet(self, labels: tuple[str, ...]) -> tuple[bool, float] | None:
        """Bet on a vote by those before it: whether it is a hit, and the highest rate of hits that the certificate allows."""
        answered, counts, n = self.mix.answered, self.counts, self.n
        if not n:
            return None
        if self.mix.overlapping:
            names = {*answered, *counts}
            moved = {name: counts.get(name, 0) / n - answered.get(name, 0.0) for name in names}
            furthest = max(sorted(moved), key=lambda name: abs(moved[name]), default=None)
            if furthest is None:
                return None
            more, share = moved[furthest] > 0, answered.get(furthest, 0.0)
            hit, usual = (furthest in labels) is more, share if more else 1 - share
        else:
            frequent = [name for name, count in counts.items() if count > answered.get(name, 0.0) * n]
            hit = any(label in frequent for label in labels)
            usual = math.fsum(answered.get(name, 0.0) for name in frequent)
        highest = usual + self._margin
        return (hit, highest) if highest < MOST_LIKELY else None

    def _count(self, labels: tuple[str, ...]) -> None:
        self.n += 1
        for label in labels:
            self.counts[label] = self.counts.get(label, 0) + 1
        if self.n >= RECENT:
            self.n //= 2
            self.counts = {name: count // 2 for name, count in self.counts.items() if count > 1}

    def told(self, since: Mapping[str, int]) -> dict[str, Any]:
        """Return the evidence of an alarm: the mix of the certificate and that since, of the labels whose shares differ most.

        ``since``: answers counted since it began; of overlapping labels the latest votes say more.
        """
        counts, n = (self.counts, self.n) if self.mix.overlapping else (since, sum(since.values()))
        before, after = self.mix.answered, {name: count / max(n, 1) for name, count in counts.items()}
        moved = sorted({*before, *after}, key=lambda name: (-abs(after.get(name, 0.0) - before.get(name, 0.0)), name))[
            :SHOWN
        ]
        shares = [{name: round(mix.get(name, 0.0), 4) for name in moved} for mix in (before, after)]
        return {"mix": {"before": shares[0], "since": shares[1]}, "margin": self._margin}

    def clear(self) -> None:
        """Watch again, from nothing."""
        self.standing = False
        self.evidence.reset()
        self.telling.clear()
        self.n, self.counts = 0, {}

    def to_json(self) -> dict[str, Any]:
        """Return the state."""
        return {
            "evidence": self.evidence.to_json(),
            "standing": self.standing,
            "telling": [list(mark) for mark in self.telling],
            "n": self.n,
            "counts": self.counts,
        }

    def load(self, state: dict[str, Any]) -> None:
        """Go on from a state."""
        self.evidence.load(state["evidence"])
        self.standing, self.n, self.counts = state["standing"], state["n"], dict(state["counts"])
        self.telling.extend(Mark(*mark) for mark in state["telling"])
