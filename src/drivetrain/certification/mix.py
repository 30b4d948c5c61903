"""The mix of classes that a certificate is about: as it came, or as it was stated. Shapes: N cases."""

from __future__ import annotations

from collections import Counter
from collections.abc import Mapping, Sequence

import numpy as np
from numpy.typing import NDArray

from ..core.errors import UsageError

TOLERANCE = 0.1
"""The largest change of a mix up to which a certificate stands: a tenth of the cases are of other classes than they were."""


def shares(named: Sequence[Sequence[str]], names: Sequence[str]) -> dict[str, float]:
    """Return the share of cases that have each of the names; ``named`` lists those of each case."""
    counts = Counter(name for one in named for name in one)
    return {name: counts[name] / max(len(named), 1) for name in names}


def drawn_to(
    stated: Mapping[str, float], rows_N: NDArray[np.intp], labels_N: Sequence[str], seed: int
) -> NDArray[np.intp]:
    """Return as many of the rows as there can be with the stated share of each class, drawn at random.

    Raises:
        UsageError: a class is unknown, or too few of one are there.
    """
    of_class = {name: rows_N[[label == name for label in labels_N]] for name in stated}
    if strange := sorted(set(labels_N) - set(stated)):
        raise UsageError(
            f"prevalence (--prevalence) says nothing of {', '.join(strange[:5])}, which occur; give each a share, or 0"
        )
    missing = [name for name, share in stated.items() if share > 0 and not len(of_class[name])]
    if missing:
        raise UsageError(
            f"prevalence (--prevalence) names {missing[0]}, and no independent image of it is there to be judged"
        )
    total = min(len(of_class[name]) / share for name, share in stated.items() if share > 0)
    rng = np.random.default_rng([seed, 2])
    kept = [rng.permutation(of_class[name])[: int(np.floor(total * share + 1e-9))] for name, share in stated.items()]
    return np.sort(np.concatenate(kept))
