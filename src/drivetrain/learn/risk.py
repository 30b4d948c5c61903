"""The error among accepted answers, as far as it can be shown: from judged answers to a threshold and what it rests on.

Shapes: J items judged, M of them independent of each other and let pass by every rule but that of the confidence.
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from ..model.manifest import Accept, Basis, Bound, Manifest
from ..model.policy import Policy
from ..model.rule import Answers
from ..model.seen import SeenItems
from ..stats.learn_then_test import RiskCurve, learn_then_test, risk_curve, times_more
from ..stats.metrics import Floats
from .judged import Judged

EVERY = Accept(confidence=0.0, coverage=0, error=None)
"""A rule that lets every confidence stand, so that only the other rules of a policy object."""


@dataclass(frozen=True)
class Target:
    """The error that may pass without a person, and with which probability it has to be kept to."""

    max_error: float
    level: float = 0.95


@dataclass(frozen=True, eq=False)
class Independent:
    """M answers of which none tells anything of another: one item of each group, drawn at random."""

    rows_M: NDArray[np.intp]
    """Their rows among the J judged."""
    confidence_M: Floats
    wrong_M: NDArray[np.bool_]
    drawn: NDArray[np.intp]
    """The rows of all independent items, those included that another rule turns away."""
    images: int
    """J, the images judged."""

    @property
    def of(self) -> int:
        """The number of independent items, those included that another rule turns away."""
        return len(self.drawn)

    def accept(self, target: Target, basis: Basis) -> Accept:
        """Return the rule that keeps to the target, as far as these answers can show it; its coverage is not reckoned yet."""
        delta = 1 - target.level
        tested = learn_then_test(self.confidence_M, self.wrong_M, target.max_error, delta)
        labelled = None
        if tested.threshold is None:
            times = times_more(self.confidence_M, self.wrong_M, target.max_error, delta)
            labelled = None if times is None else about(times * self.images)
        bound = Bound(
            max_error=target.max_error,
            level=target.level,
            independent=self.of,
            accepted=tested.accepted,
            wrong=tested.wrong,
            error_upper=tested.error_upper,
            needed=tested.needed,
            labelled=labelled,
        )
        return Accept(confidence=tested.threshold, basis=basis, coverage=0, error=None, bound=bound)

    def at(self, confidence: float) -> tuple[float, float] | None:
        """Return the share accepted from this confidence on, and the error among those; None where none is."""
        inside_M = self.confidence_M >= confidence
        return (float(inside_M.sum() / self.of), float(self.wrong_M[inside_M].mean())) if inside_M.any() else None

    def curve(self, level: float = 0.95) -> RiskCurve:
        """Return the error among accepted answers against their share, with a band that holds at all thresholds at once."""
        return risk_curve(self.confidence_M, self.wrong_M, 1 - level, self.of)


def accepting_all(manifest: Manifest) -> Manifest:
    """Return the manifest with a rule that lets every confidence stand: its policy is that of all other rules."""
    return manifest.model_copy(update={"accept": EVERY if manifest.kind.has_confidence else None})


def independent_of(
    judged: Judged,
    settings: Sequence[float],
    manifest: Manifest,
    others: Policy,
    seen: SeenItems,
    drawn: NDArray[np.intp],
) -> Independent | None:
    """Return the answers that a threshold is tested on; None for a kind whose answers have no confidence.

    ``others``: the policy of all rules but the confidence's, see `accepting_all`. ``drawn``: rows of one item of each group,
    drawn before anything is known of its answer. ``settings``: see `Figures.settings`.
    """
    wrong_J = judged.targets.wrong(judged.answers_JO, settings)
    if wrong_J is None or not manifest.kind.has_confidence:
        return None
    answers = Answers(manifest.kind, judged.answers_JO)
    passes_J = others.standing(seen, answers).stands_N
    rows_M = drawn[passes_J[drawn]]
    return Independent(rows_M, answers.confidence_N[rows_M], wrong_J[rows_M], drawn, len(judged.rows_J))


def about(number: float) -> int:
    """Round a number up to two digits.

    >>> about(1234.5), about(990.1), about(8)
    (1300, 1000, 8)
    """
    unit = int(10 ** max(math.floor(math.log10(max(number, 1))) - 1, 0))
    return math.ceil(number / unit) * unit
