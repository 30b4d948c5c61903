"""Holding out a share of the items: groups whole, labels in proportion, the same items however they are listed.

Shapes: N items, G groups, C strata, S = 2 sides: 0 is training, 1 validation.
"""

from __future__ import annotations

import hashlib
from collections.abc import Sequence

import numpy as np
from numpy.typing import NDArray

from ...core.types import IntArray

Mask = NDArray[np.bool_]


def ranks(names: Sequence[str], seed: int) -> NDArray[np.uint64]:
    """(N,) random numbers, one for each name: the same for a name wherever it stands in the list, another for another seed.

    Drawing by name rather than by position keeps a split when files are added, removed or listed in another order.
    """
    draws = [hashlib.blake2b(f"{seed}\0{name}".encode(), digest_size=8).digest() for name in names]
    return np.frombuffer(b"".join(draws), np.dtype("<u8")).astype(np.uint64)


def hold_out(strata_N: IntArray, groups_N: IntArray, rank_N: NDArray[np.uint64], share: float) -> Mask:
    """(N,) mask of the items that are held out. No group is cut; each stratum gives nearly its ``share``.

    Groups of several items go first, the largest ahead, each to the side it leaves most balanced; then single items fill
    each stratum to its share, those of the lowest rank held out. A stratum of two groups or more stands on both sides
    wherever moving one group there can bring it about.
    """
    _, group_N, sizes_G = np.unique(groups_N, return_inverse=True, return_counts=True)
    members_G = np.split(np.argsort(group_N, kind="stable"), np.cumsum(sizes_G)[:-1])
    rank_G = np.asarray([rank_N[members].min() for members in members_G], np.uint64)
    total_C = np.bincount(strata_N)
    want_SC = np.maximum(np.stack([(1 - share) * total_C, share * total_C]), 1e-9)
    filled_SC = np.zeros_like(want_SC)
    held_G = np.zeros(len(sizes_G), bool)

    several = np.flatnonzero(sizes_G > 1)
    for group in several[np.lexsort((rank_G[several], -sizes_G[several]))]:
        counts_C = np.bincount(strata_N[members_G[group]], minlength=len(total_C))
        added_SC = counts_C / want_SC
        # The cost is the growth of the squared overfill, relative to what each side wants.
        cost_S = (added_SC * (2 * (filled_SC / want_SC - 1) + added_SC)).sum(axis=1)
        side = int(cost_S[1] < cost_S[0])
        held_G[group] = side == 1
        filled_SC[side] += counts_C

    alone = np.flatnonzero(sizes_G == 1)
    alone = alone[np.argsort(rank_G[alone], kind="stable")]
    stratum_A = strata_N[[members_G[group][0] for group in alone]] if len(alone) else alone
    for stratum in np.unique(stratum_A):
        mine = alone[stratum_A == stratum]
        lacking = int(share * total_C[stratum] + 0.5) - int(filled_SC[1, stratum])
        held_G[mine[: max(lacking, 0)]] = True
    _stand_on_both_sides(held_G, strata_N, group_N, members_G, rank_G)
    return held_G[group_N]


def _stand_on_both_sides(
    held_G: Mask,
    strata_N: IntArray,
    group_N: NDArray[np.intp],
    members_G: Sequence[NDArray[np.intp]],
    rank_G: NDArray[np.uint64],
) -> None:
    """Move a group (the smallest that will do) for each stratum that one side lacks, if the other can spare it."""
    n_strata = int(strata_N.max(initial=0)) + 1
    count_SC = np.stack([np.bincount(strata_N[held_G[group_N] == side], minlength=n_strata) for side in (False, True)])
    for side, stratum in np.argwhere((count_SC == 0) & (count_SC.sum(axis=0) > 0)).tolist():
        groups = np.unique(group_N[strata_N == stratum]).tolist()
        for group in sorted(groups, key=lambda group: (len(members_G[group]), rank_G[group])):
            moved_C = np.bincount(strata_N[members_G[group]], minlength=n_strata)
            if ((count_SC[1 - side] > moved_C) | (moved_C == 0)).all():
                held_G[group] = side == 1
                count_SC[side] += moved_C
                count_SC[1 - side] -= moved_C
                break
