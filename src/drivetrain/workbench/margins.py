"""Suspicion by the margin alone. Shapes: A items, O outputs."""

from __future__ import annotations

import numpy as np

from ..curate.suspect import LABEL, Ground, Suspect
from .survey import Survey


def by_margin(survey: Survey) -> tuple[Suspect, ...]:
    """The items whose label another class beats, by how far."""
    judged = survey.judged
    if judged is None or not judged.targets.one_label:
        return ()
    labels_A, probs_AO = np.asarray(judged.targets.values), judged.answers_JO
    rows_A = np.arange(len(labels_A))
    own_A = probs_AO[rows_A, labels_A]
    others_AO = probs_AO.copy()
    others_AO[rows_A, labels_A] = -1
    best_A = others_AO.argmax(axis=1)
    margin_A = own_A - others_AO[rows_A, best_A]
    found = []
    for row in np.argsort(margin_A, kind="stable")[: int((margin_A < 0).sum())]:
        name, suggested = survey.sample.items[row].name, judged.targets.names[best_A[row]]
        words = f"the other items make it “{suggested}” ({others_AO[row, best_A[row]]:.0%})"
        found.append(
            Suspect(name, judged.targets.text(row), suggested, float((1 - margin_A[row]) / 2), (Ground(LABEL, words),))
        )
    return tuple(found)
