"""What a run is worst at, whatever its task."""

from __future__ import annotations

import numpy as np

from .judged import Judged
from .targets import ClassTargets, LabelTargets, NumberTargets
from .worst import Worst, worst_class, worst_label, worst_range


def worst_of(judged: Judged, seed: int) -> Worst | None:
    """The worst class, label, or range of the (first) number; None where there is nothing to compare."""
    targets, answers_JO, groups_J = judged.targets, judged.answers_JO, judged.groups_J
    match targets:
        case ClassTargets():
            return worst_class(targets.values, answers_JO.argmax(axis=1), groups_J, targets.names)
        case LabelTargets():
            return worst_label(targets.values, answers_JO, groups_J, targets.names, seed)
        case NumberTargets():
            truth_J = targets.values[:, 0].astype(np.float64)
            return worst_range(truth_J, answers_JO[:, 0], groups_J, targets.names[0], seed)
    raise TypeError(f"no worst part of {targets!r}")
