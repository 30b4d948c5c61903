"""From independent answers to the rule that is certified, overall and in slices.

Shapes: J answers judged, M of them independent, T thresholds.
"""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
from numpy.typing import NDArray

from ..learn.risk import Independent, Target, about
from ..model.manifest import Accept, SliceBound
from ..stats.learn_then_test import (
    counted,
    error_upper,
    fewest_without_error,
    first_count,
    reached,
    thresholds,
    times_more,
)
from .slices import Slice

Inside = tuple[str, NDArray[np.bool_]]
"""A slice's name, and (M,) which of the independent answers are in it."""


def find_rule(
    independent: Independent, slices: Sequence[Slice], target: Target, *, jointly: bool
) -> tuple[Accept, tuple[SliceBound, ...]]:
    """Find the rule, and say in which slices the error is kept to.

    Each by itself: the threshold is that of all answers, and a slice is certified where its own sequence of tests, at the full
    level, came as far. Jointly: the level is shared out over the slices (Bonferroni), and the threshold is the loosest that
    all of them reached. Either way a slice's claim holds whatever chose the threshold, as its sequence controls all of its
    thresholds at once.
    """
    inside = [(name, mask_J[independent.rows_M]) for name, mask_J in slices]
    delta = (1 - target.level) / (max(len(inside), 1) if jointly else 1)
    tried_T = thresholds(independent.confidence_M, first_count(target.max_error, 1 - target.level))
    passed = {name: _passed(independent, mask_M, tried_T, target, delta) for name, mask_M in inside}
    rule = independent.accept(target, "certificate")
    if jointly:
        start = max((one.start for one in passed.values()), default=0)
        stop = min((one.stop for one in passed.values()), default=0)
        all_passed = all(passed.values()) and start < stop
        rule = _at(independent, rule, float(tried_T[stop - 1]) if all_passed else None)
        rule = _needed_in_each(independent, rule, [mask_M for _, mask_M in inside], delta)
    place = None if rule.confidence is None else int(np.flatnonzero(tried_T == rule.confidence)[0])
    of = {name: int(mask_J[independent.drawn].sum()) for name, mask_J in slices}
    bounds = tuple(
        _bound(name, of[name], independent, mask_M, rule, delta, certified=place is not None and place in passed[name])
        for name, mask_M in inside
    )
    return rule, bounds


def _passed(
    independent: Independent, mask_M: NDArray[np.bool_], tried_T: NDArray[np.float64], target: Target, delta: float
) -> range:
    if mask_M.sum() < fewest_without_error(target.max_error, delta):
        return range(0)
    return reached(independent.confidence_M[mask_M], independent.wrong_M[mask_M], tried_T, target.max_error, delta)


def _at(independent: Independent, rule: Accept, threshold: float | None) -> Accept:
    """Return the rule with another threshold, or with none."""
    assert rule.bound is not None  # as every rule that was tested
    accepted, wrong, upper = 0, 0, 1.0
    if threshold is not None:
        (accepted,), (wrong,) = (
            found.tolist() for found in counted(independent.confidence_M, independent.wrong_M, np.asarray([threshold]))
        )
        upper = error_upper(accepted=accepted, wrong=wrong, delta=1 - rule.bound.level)
    bound = rule.bound.model_copy(update={"accepted": accepted, "wrong": wrong, "error_upper": upper})
    return rule.model_copy(update={"confidence": threshold, "bound": bound})


def _needed_in_each(independent: Independent, rule: Accept, masks: Sequence[NDArray[np.bool_]], delta: float) -> Accept:
    """Return the rule with what it takes to show the error in every slice at its share of the level."""
    assert rule.bound is not None  # as every rule that was tested
    error, labelled = rule.bound.max_error, None
    if rule.confidence is None:
        times = times_more(independent.confidence_M, independent.wrong_M, error, delta, masks)
        labelled = None if times is None else about(times * independent.images)
    update = {"needed": fewest_without_error(error, delta), "labelled": labelled}
    return rule.model_copy(update={"bound": rule.bound.model_copy(update=update)})


def _bound(
    name: str,
    of: int,
    independent: Independent,
    mask_M: NDArray[np.bool_],
    rule: Accept,
    delta: float,
    *,
    certified: bool,
) -> SliceBound:
    accepted_M = mask_M & (independent.confidence_M >= (np.inf if rule.confidence is None else rule.confidence))
    accepted, wrong = int(accepted_M.sum()), int((accepted_M & independent.wrong_M).sum())
    return SliceBound(
        slice=name,
        certified=certified,
        level=1 - delta,
        independent=of,
        accepted=accepted,
        wrong=wrong,
        error_upper=error_upper(wrong, accepted, delta),
    )
