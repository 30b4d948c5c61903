"""What a model gets wrong, to look at: the interpretation that fits its task, and the plots of it a report shows."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np

from ..core.types import Item
from ..draw.plot import Plot
from .figures import AnyFigures, LabelFigures, NumberFigures
from .interpretation import Interpretation
from .judged import Judged
from .label_interpretation import LabelInterpretation
from .number_interpretation import NumberInterpretation
from .targets import ClassTargets, LabelTargets, NumberTargets

AnyInterpretation = Interpretation[Item] | LabelInterpretation[Item] | NumberInterpretation[Item]

# Of several numbers, those whose plots a report has room for.
MOST_NUMBERS = 4


def interpretation_of(judged: Judged, items: Sequence[Item], figures: AnyFigures) -> AnyInterpretation:
    """The answers to ``items``, ready to be asked."""
    targets, answers, groups = judged.targets, judged.answers_JO, judged.groups_J
    match targets, figures:
        case ClassTargets(), _:
            return Interpretation(items, targets.values, answers, groups, targets.names)
        case LabelTargets(), LabelFigures():
            thresholds = np.asarray([row.threshold for row in figures.rows])
            return LabelInterpretation(items, targets.values, answers, thresholds, groups, targets.names)
        case NumberTargets(), NumberFigures():
            widths = np.asarray(figures.half_widths)
            return NumberInterpretation(items, targets.values, answers, widths, targets.names, groups)
    raise TypeError(f"nothing to interpret in {targets!r}")


def plots_of(interpretation: AnyInterpretation) -> tuple[Plot, ...]:
    """What a report draws of it; of classes, tables say more."""
    match interpretation:
        case LabelInterpretation():
            note = "Precision: of what was given the label, how much has it. Recall: of what has it, how much was given it."
            return (Plot("Precision and recall of each label", str(interpretation.plot_precision_recall()), note),)
        case NumberInterpretation(names=names):
            plots = []
            for name in names[:MOST_NUMBERS]:
                plots += [
                    Plot(f"Answered and true: {name}", str(interpretation.plot_scatter(name))),
                    Plot(f"Errors: {name}", str(interpretation.plot_residuals(name))),
                ]
            return tuple(plots)
        case _:
            return ()
