"""Plots of a report for labels and numbers."""

from __future__ import annotations

from ..learn.report import Plot
from ..learn.targets import LabelTargets, NumberTargets
from ..model.metrics import Floats


def label_plots(targets: LabelTargets, probs_JL: Floats, thresholds_L: Floats) -> tuple[Plot, ...]:
    return ()


def number_plots(targets: NumberTargets, numbers_JM: Floats, half_widths_M: Floats) -> tuple[Plot, ...]:
    return ()
