"""Whether a bundle does on other images what training claimed: each claim beside the figure found.

A figure is called worse where the interval of its difference from the claim lies wholly on the wrong side: a one-sided test
of two samples, at 5 % for all figures of a bundle together (Bonferroni). Limits of shares are Clopper and Pearson's (1934)
for the number of independent images that those in groups are worth; those of mean errors come from the bootstrap over
groups. They make an interval of the difference after Newcombe 1998 and Zou and Donner 2008. So both figures count as
uncertain, the claim too. Simulated without any difference, the test errs in 5 % of runs and fewer, down to a single image;
where one side has some ten groups only, whose number then says little, in up to 7 %.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from enum import StrEnum
from statistics import NormalDist
from typing import Any

import numpy as np

from ..core.figure import Figure
from ..core.types import Interval
from ..learn.figures import AnyFigures, ClassFigures, LabelFigures, NumberFigures
from ..model.manifest import Manifest
from ..stats.metrics import Z_95, clopper_pearson, difference, independent_trials
from .accepted import Accepted

# One-sided, over all figures of a bundle, which are counted as two where there is one.
LEVEL = 0.05
FEWEST = 2

# Only what surely stays within this of the claim is called as claimed: of an accuracy, of the error among accepted
# answers (which is small, or nothing would be accepted), and as a part of a mean absolute error.
MARGIN = 0.05
ACCEPTED_MARGIN = 0.02
PART = 0.1


class Standing(StrEnum):
    """How a figure stands to its claim."""

    WORSE = "worse"
    AS_CLAIMED = "as claimed"
    CANNOT_TELL = "cannot tell"


@dataclass(frozen=True)
class _Claim:
    """What training claimed of a figure, and what was found."""

    name: str
    claimed: Interval
    found: Interval
    margin: float
    is_share: bool = True
    more_is_better: bool = True

    def compared(self, tail: float) -> Comparison:
        claimed, found = (self._limits(figure, tail) for figure in (self.claimed, self.found))
        worse_by = difference(claimed, found) if self.more_is_better else difference(found, claimed)
        return Comparison(self.name, self.claimed, self.found, worse_by, self.margin, self.is_share)

    def _limits(self, figure: Interval, tail: float) -> Interval:
        """The figure with limits that it exceeds, to either side, with probability ``tail``."""
        if self.is_share:
            trials = independent_trials(figure)
            # A claim may be a point, or know nothing; its own limits then say all there is.
            return clopper_pearson(figure.value * trials, trials, tail) if 0 < trials < np.inf else figure
        stretch = NormalDist().inv_cdf(1 - tail) / Z_95
        low, high = (figure.value + stretch * (limit - figure.value) for limit in (figure.low, figure.high))
        return Interval(figure.value, low, high, figure.method)


@dataclass(frozen=True)
class Comparison:
    """One figure found beside the one that training claimed."""

    name: str
    claimed: Interval
    found: Interval
    worse_by: Interval
    """In the figure's own unit; positive where what was found is worse, with the interval of the test."""
    margin: float
    is_share: bool

    @property
    def standing(self) -> Standing:
        """Worse, as claimed within the margin, or neither of them sure."""
        if self.worse_by.low > 0:
            return Standing.WORSE
        return Standing.AS_CLAIMED if self.worse_by.high <= self.margin else Standing.CANNOT_TELL

    def line(self) -> str:
        """For people, on one line."""
        low, high = self.claimed.low, self.claimed.high
        claim = f"{self.name} {self._amount(self.claimed.value)}  ({self._amount(low)} to {self._amount(high)})"
        match self.standing:
            case Standing.WORSE:
                return f"{claim}; here worse by {self._range()}"
            case Standing.AS_CLAIMED:
                return f"{claim}; here at most {self._step(self.worse_by.high)} worse"
        better = f"{self._step(-self.worse_by.low)} better" if self.worse_by.low < 0 else "as good"
        return f"{claim}; too few images to tell: here from {better} to {self._step(self.worse_by.high)} worse"

    def here_and_then(self) -> str:
        """Both figures, as a part of a sentence."""
        here, then = self._amount(self.found.value), self._amount(self.claimed.value)
        return f"{self.name} {here} here, {then} then (worse by {self._range()})"

    def to_json(self) -> dict[str, Any]:
        """Its part of ``evaluate --json``."""
        return {
            "figure": self.name,
            "claimed": self.claimed.value,
            "found": self.found.value,
            "worse_by": {"value": self.worse_by.value, "low": self.worse_by.low, "high": self.worse_by.high},
            "standing": str(self.standing),
        }

    def _amount(self, value: float) -> str:
        return f"{100 * value:.1f} %" if self.is_share else f"{value:.3g}"

    def _step(self, value: float) -> str:
        return f"{100 * value:.1f} points" if self.is_share else f"{value:.3g}"

    def _range(self) -> str:
        low, high = self.worse_by.low, self.worse_by.high
        return f"{100 * low:.1f} to {100 * high:.1f} points" if self.is_share else f"{low:.3g} to {high:.3g}"


def against_training(figures: AnyFigures, accepted: Accepted | None, manifest: Manifest) -> tuple[Comparison, ...]:
    """Every claim of training that has a figure here."""
    claims = list(_claims(figures, accepted, manifest))
    tail = LEVEL / max(FEWEST, len(claims))
    return tuple(claim.compared(tail) for claim in claims)


def worse_than_claimed(comparisons: Sequence[Comparison]) -> list[str]:
    """A sentence, where anything is significantly worse than training claimed."""
    worse = [one.here_and_then() for one in comparisons if one.standing is Standing.WORSE]
    if not worse:
        return []
    found = f"Significantly worse than training claimed: {'; '.join(worse)}. "
    reasons = "These images are of another kind than those trained on, or labelled by other rules; "
    return [found + reasons + "look at what is wrong (--report FILE), and train with some of them."]


def _claims(figures: AnyFigures, accepted: Accepted | None, manifest: Manifest) -> Iterator[_Claim]:
    match figures:
        case ClassFigures():
            if claim := _interval(manifest.figure("accuracy")):
                yield _Claim("accuracy", claim, figures.accuracy, MARGIN)
        case LabelFigures():
            # Not the mean average precision: its bootstrap intervals are too short on few images.
            if claim := _interval(manifest.figure("all-labels-right")):
                yield _Claim("all labels right", claim, figures.exact, MARGIN)
        case NumberFigures():
            for m, of in enumerate(figures.names):
                if claim := _interval(manifest.figure("mean-absolute-error", of)):
                    name = "mean absolute error" + (f" of {of}" if len(figures.names) > 1 else "")
                    found, margin = figures.mean_absolute_error[m], PART * claim.value
                    yield _Claim(name, claim, found, margin, is_share=False, more_is_better=False)
    error = manifest.accept.error if manifest.accept is not None else None
    if accepted is not None and accepted.n and error is not None:
        claim = Interval(error.value, error.low, error.high, error.method)
        yield _Claim("error among the accepted", claim, accepted.error, ACCEPTED_MARGIN, more_is_better=False)


def _interval(figure: Figure | None) -> Interval | None:
    """A claim that has an interval, without which there is no saying what differs from it."""
    if figure is None or figure.value is None or figure.low is None or figure.high is None:
        return None
    return Interval(figure.value, figure.low, figure.high, figure.how.rpartition("; ")[2])
