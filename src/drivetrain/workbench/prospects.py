"""Prospects of going on: a learning curve, and the worth of more labels. Estimates, and said to be such.

Heads are fitted on nested parts of the set, whole groups at a time, and judged on all items by the same folds. The curve is read
on as a power law; its range comes from drawing groups anew. Shapes: A items, J of them judged, K sizes, B draws.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from ..core.types import IntArray, Interval
from ..stats.metrics import Floats, effective_trials, wilson
from ..stats.power_law import fit_and_read
from .gain import mean_of
from .merit import Merit
from .ranking import Ranking
from .refit import Current, Refitter

SHARES = (0.5, 0.25, 0.125)
"""Shares of the groups that are learned of beside all of them; each part lies within the one before."""
REPEATS, MANY = 3, 4000
"""Orders in which groups are taken, whose curves are averaged; of so many items one order tells as much."""
DRAWS = 400
FEWEST_ITEMS = 80
"""With fewer judged items no curve is drawn."""
MORE = 50
"""The labels whose worth is told."""


@dataclass(frozen=True)
class Point:
    """The figure of heads that learned of ``n`` items."""

    n: int
    figure: Interval


@dataclass(frozen=True)
class Worth:
    """The change of the figure that something would bring, as an estimate with its range."""

    labels: int
    change: float
    low: float
    high: float


@dataclass(frozen=True)
class Prospects:
    """Everything that is said of going on from one ranking."""

    version: int
    points: tuple[Point, ...]
    more: Worth | None


@dataclass(eq=False)
class Prospecting:
    """Works prospects out, a fit at a time, so that whoever has something more urgent can come between."""

    refitter: Refitter
    groups_A: IntArray
    merit: Merit
    version: int
    seed: int
    found: Prospects | None = None
    """Set when the work has ended."""

    def steps(self) -> Iterator[None]:
        """Do the work; between two steps it can be left."""
        current = self.refitter.current
        if current is None or len(current.own_J) < FEWEST_ITEMS:
            self.found = Prospects(self.version, (), None)
            return
        whole_J = self._merits(current, np.ones(len(current.weights_A), np.bool_))
        yield
        learned, repeats = self.refitter.learned, REPEATS if len(whole_J) < MANY else 1
        sums_KJ, sizes_K = [whole_J * repeats], [learned * len(whole_J) * repeats]
        for share in SHARES:  # the larger first, so that each fit begins near its end
            sums_J, size = np.zeros(len(whole_J)), 0.0
            for repeat in range(repeats):
                part_A = nested(self.groups_A, self.refitter.cells_A, self.seed + repeat) <= share
                sums_J += self._merits(current, part_A)
                size += learned * float(part_A[current.own_J].sum())
                yield
            sums_KJ.append(sums_J)
            sizes_K.append(size)
        sizes, merits_KJ = np.asarray(sizes_K[::-1]) / repeats, np.stack(sums_KJ[::-1]) / repeats
        groups_J = self.groups_A[current.own_J]
        points = tuple(
            Point(round(n), self._figure(one_J, groups_J)) for n, one_J in zip(sizes, merits_KJ, strict=True)
        )
        self.found = Prospects(self.version, points, self._worth(sizes, merits_KJ, groups_J))

    def _merits(self, current: Current, learned_A: NDArray[np.bool_]) -> Floats:
        return self.merit.of_each(current.targets.take(current.own_J), self.refitter.trial(learned_A))

    def _figure(self, merits_J: Floats, groups_J: IntArray) -> Interval:
        if not self.merit.is_share:
            around = mean_of(group_means(merits_J, groups_J))
            mean, half = float(merits_J.mean()), (around.high - around.low) / 2
            return Interval(mean, mean - half, mean + half, around.method)
        trials = effective_trials(merits_J, groups_J)
        return wilson(float(merits_J.mean()) * trials, trials)

    def _worth(self, sizes_K: Floats, merits_KJ: Floats, groups_J: IntArray) -> Worth:
        """The change that `MORE` labels bring by the power law, with the range of drawing groups anew."""
        errors_KJ, now = 1 - merits_KJ if self.merit.is_share else merits_KJ, len(groups_J)
        drawn_BK = drawn_means(errors_KJ, groups_J, DRAWS, self.seed)
        all_BK = np.concatenate([errors_KJ.mean(axis=1)[None], drawn_BK])
        read_B2 = fit_and_read(sizes_K, all_BK, np.asarray([now, now + MORE], np.float64))
        falls_B = read_B2[:, 0] - read_B2[:, 1]
        changes_B = falls_B if self.merit.is_share else -falls_B
        change = float(changes_B[0])
        low, high = np.quantile(changes_B[1:], [0.025, 0.975])
        return Worth(MORE, change, float(min(low, change)), float(max(high, change)))


def prospecting(refitter: Refitter, ranking: Ranking, merit: Merit) -> Prospecting:
    """Begin to work out the prospects of a ranking, which has to be that of the last refit."""
    seed = ranking.survey.options.seed
    return Prospecting(refitter, ranking.situation.board.groups_N, merit, ranking.version, seed)


def nested(groups_A: IntArray, strata_A: IntArray, seed: int) -> Floats:
    """(A,) the place of each item in an order of whole groups, from above 0 to 1: those up to a share are a part that holds
    about this share of every stratum, and each part holds the smaller ones."""
    _, first, group_A = np.unique(groups_A, return_index=True, return_inverse=True)
    rng = np.random.default_rng(seed)
    place_G = np.zeros(len(first))
    stratum_G = strata_A[first]
    for stratum in np.unique(stratum_G):
        members = rng.permutation(np.flatnonzero(stratum_G == stratum))
        place_G[members] = np.arange(1, len(members) + 1) / len(members)
    return place_G[group_A]


def group_means(values_J: Floats, groups_J: IntArray) -> Floats:
    """The mean of each group."""
    _, group_J = np.unique(groups_J, return_inverse=True)
    means: Floats = np.bincount(group_J, weights=values_J) / np.bincount(group_J)
    return means


def drawn_means(values_KJ: Floats, groups_J: IntArray, draws: int, seed: int) -> Floats:
    """(B, K) means over items, with groups drawn anew with replacement: all sizes by the same groups."""
    _, group_J = np.unique(groups_J, return_inverse=True)
    counts_G = np.bincount(group_J)
    sums_KG = np.stack([np.bincount(group_J, weights=values_J) for values_J in values_KJ])
    n = len(counts_G)
    times_BG = np.random.default_rng(seed).multinomial(n, np.full(n, 1 / n), size=draws).astype(np.float64)
    means: Floats = (times_BG @ sums_KG.T) / (times_BG @ counts_G)[:, None]
    return means
