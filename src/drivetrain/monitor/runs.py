"""Many runs of a watch's main monitor at once, and of a test every day beside it.

The recursion of `family` in arrays; a test holds the two against each other. Shapes: R runs, K sources, Q alternatives.
"""

from __future__ import annotations

from copy import copy

import numpy as np
from scipy.special import bdtrc

from ..core.types import IntArray
from ..stats.metrics import Floats
from ..stats.shiryaev_roberts import alarm_level, factors
from .raised import Monitor
from .reference import GateReference
from .settings import Settings
from .watch import SHARES, bound_of

# The level of a day's test, as people choose it who do not think of all the other days.
DAILY_LEVEL = 0.01


class Runs:
    """R streams of votes, sent by K sources in turn, of which the first may change."""

    def __init__(
        self, gate: GateReference, settings: Settings, sources: int, votes_a_day: int, runs: int, seed: int
    ) -> None:
        """Begin, with a rate of false rejections drawn for each run from what the calibration leaves possible."""
        self.bound = bound_of(gate, settings)
        by = factors(self.bound, settings.multiples)
        self._hit_Q, self._miss_Q = np.asarray(by.hit), np.asarray(by.miss)
        self._level, self._usual = alarm_level(settings.horizon, settings.alpha * SHARES[Monitor.RATE]), gate.level
        self._sources, self._votes_a_day = sources, votes_a_day
        self._rng = np.random.default_rng(seed)
        rank = max(1, int(gate.level * (gate.calibrated_on + 1) + 1e-9))
        self._rate_R: Floats = self._rng.beta(rank, gate.calibrated_on + 1 - rank, runs)
        self._together_RQ = np.zeros((runs, len(by.hit)))
        self._own_RKQ = np.zeros((runs, sources, len(by.hit)))
        self._total_R = np.zeros(runs)
        self._refused_RK = np.zeros((runs, sources), np.int64)
        self._sent_K = np.zeros(sources, np.int64)
        self.number = 0
        self.alarm_R: IntArray = np.zeros(runs, np.int64)
        """The vote that alarmed first; 0 where none did."""
        self.daily_R: IntArray = np.zeros(runs, np.int64)
        """The same for a test at the end of every day."""

    def copy(self) -> Runs:
        """Return runs that go on from here by themselves."""
        other = copy(self)
        for name, value in vars(self).items():
            if isinstance(value, np.ndarray):
                setattr(other, name, value.copy())
        other._rng = np.random.default_rng(self._rng.integers(1 << 62))
        return other

    @property
    def is_done(self) -> bool:
        """Tells whether every run has alarmed, both ways."""
        return bool(self.alarm_R.all() and self.daily_R.all())

    def vote(self, contamination: float = 0.0) -> None:
        """Send one vote in each run; of the first source a share ``contamination`` is of another domain."""
        source = self.number % self._sources
        rate_R = self._rate_R if source else contamination + (1 - contamination) * self._rate_R
        self.take(self._rng.random(len(rate_R)) < rate_R)

    def take(self, refused_R: np.ndarray) -> None:
        """Take the next vote: refused or not."""
        source = self.number % self._sources
        self.number += 1
        by_RQ = np.where(refused_R[:, None], self._hit_Q, self._miss_Q)
        self._total_R -= self._own_RKQ[:, source].mean(axis=1)
        self._own_RKQ[:, source] = (self._own_RKQ[:, source] + 1) * by_RQ
        self._total_R += self._own_RKQ[:, source].mean(axis=1)
        self._together_RQ = (self._together_RQ + 1) * by_RQ
        alarmed_R = (self._together_RQ.mean(axis=1) + self._total_R) / 2 >= self._level
        if alarmed_R.any():
            self.alarm_R[alarmed_R & (self.alarm_R == 0)] = self.number
            # A run that has alarmed stays where it is, so that its sums cannot overflow.
            self._together_RQ[alarmed_R], self._own_RKQ[alarmed_R], self._total_R[alarmed_R] = 0, 0, 0
        self._refused_RK[:, source] += refused_R
        self._sent_K[source] += 1
        if self.number % self._votes_a_day == 0:
            self._end_day()

    def _end_day(self) -> None:
        # P(more than k − 1 of n) is that of at least k.
        p_RK = np.where(self._refused_RK > 0, bdtrc(self._refused_RK - 1.0, self._sent_K, self._usual), 1.0)
        found_R = (p_RK <= DAILY_LEVEL).any(axis=1) & (self.daily_R == 0)
        self.daily_R[found_R] = self.number
        self._refused_RK[:] = 0
        self._sent_K[:] = 0

    def delays(self, change_after: int) -> tuple[Floats, Floats]:
        """Votes from the change to the alarm, and to that of the daily test: infinite where there is none, and without the runs
        that had alarmed before."""
        both = []
        for alarm_R in (self.alarm_R, self.daily_R):
            left = alarm_R[(alarm_R == 0) | (alarm_R > change_after)].astype(np.float64)
            both.append(np.where(left > 0, left - change_after, np.inf))
        return both[0], both[1]
