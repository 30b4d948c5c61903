"""Training's claims about a bundle, each compared with the figure found on other images.

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

from ..core.figure import Figure, Format
from ..core.finding import Finding
from ..core.types import Interval
from ..draw.numbers import between, percent_number, significant, written
from ..learn.accept_rule import Accepted
from ..learn.figures import Figures, interval_of
from ..learn.findings import WORSE_THAN_CLAIMED, finding
from ..learn.kinds.registry import TARGETS
from ..model.manifest import Manifest
from ..stats.metrics import Z_95, clopper_pearson, difference, independent_trials

# One-sided level of the test over all figures of a bundle; a single figure counts as two.
LEVEL = 0.05
FEWEST = 2

# A figure is “as claimed” only where it surely stays within this margin of the claim: of a share, of the error among accepted
# answers (which is small, or nothing would be accepted), and as a part of a figure in a unit of its own.
MARGIN = 0.05
ACCEPTED_MARGIN = 0.02
PART = 0.1


class Standing(StrEnum):
    """The standing of a figure against its claim."""

    WORSE = "worse"
    AS_CLAIMED = "as claimed"
    CANNOT_TELL = "cannot tell"


@dataclass(frozen=True)
class _Claim:
    """Training's claim for a figure, and the figure found."""

    name: str
    claimed: Interval
    found: Interval
    margin: float
    form: Format
    more_is_better: bool

    def compared(self, tail: float) -> Comparison:
        claimed, found = (self._limits(figure, tail) for figure in (self.claimed, self.found))
        worse_by = difference(claimed, found) if self.more_is_better else difference(found, claimed)
        return Comparison(self.name, self.claimed, self.found, worse_by, self.margin, self.form)

    def _limits(self, figure: Interval, tail: float) -> Interval:
        """Return the figure with limits that it exceeds, to either side, with probability ``tail``."""
        if self.form == "percent":
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
    """The difference in the figure's own unit, positive where the figure found is worse, with the interval of the test."""
    margin: float
    form: Format

    @property
    def standing(self) -> Standing:
        """The standing: worse, as claimed within the margin, or not certain either way."""
        if self.worse_by.low > 0:
            return Standing.WORSE
        return Standing.AS_CLAIMED if self.worse_by.high <= self.margin else Standing.CANNOT_TELL

    def line(self) -> str:
        """Write the comparison on one line, for people."""
        limits = between(self.claimed.low, self.claimed.high, self.form)
        claim = f"{self.name} {written(self.claimed.value, self.form)}  ({limits})"
        match self.standing:
            case Standing.WORSE:
                return f"{claim}; here worse by {self._range()}"
            case Standing.AS_CLAIMED:
                most = self.worse_by.high
                here = f"at most {self._step(most)} worse" if most >= 0 else f"at least {self._step(-most)} better"
                return f"{claim}; here {here}"
        better = f"{self._step(-self.worse_by.low)} better" if self.worse_by.low < 0 else "as good"
        return f"{claim}; too few images to tell: here from {better} to {self._step(self.worse_by.high)} worse"

    def here_and_then(self) -> str:
        """Write both figures as a part of a sentence."""
        here, then = (written(figure.value, self.form) for figure in (self.found, self.claimed))
        return f"{self.name} {here} here, {then} then (worse by {self._range()})"

    def to_json(self) -> dict[str, Any]:
        """Return the comparison's part of ``evaluate --json``."""
        return {
            "figure": self.name,
            "claimed": self.claimed.value,
            "found": self.found.value,
            "worse_by": {"value": self.worse_by.value, "low": self.worse_by.low, "high": self.worse_by.high},
            "standing": str(self.standing),
        }

    def _step(self, value: float) -> str:
        return f"{percent_number(value)} points" if self.form == "percent" else significant(value)

    def _range(self) -> str:
        low, high = self.worse_by.low, self.worse_by.high
        if self.form == "percent":
            return f"{percent_number(low)} to {percent_number(high)} points"
        return between(low, high, "significant")


def against_training(figures: Figures, accepted: Accepted | None, manifest: Manifest) -> tuple[Comparison, ...]:
    """Compare every claim of training that has a figure here."""
    claims = list(_claims(figures, accepted, manifest))
    tail = LEVEL / max(FEWEST, len(claims))
    return tuple(claim.compared(tail) for claim in claims)


def worse_than_claimed(comparisons: Sequence[Comparison]) -> list[Finding]:
    """Make a finding where any figure is significantly worse than training claimed."""
    worse = [one.here_and_then() for one in comparisons if one.standing is Standing.WORSE]
    if not worse:
        return []
    found = f"Significantly worse than training claimed: {'; '.join(worse)}. "
    reasons = "These images are of another kind than those trained on, or labelled by other rules; "
    sentence = found + reasons + "look at what is wrong (evaluate --report FILE), and train with some of them."
    return [finding(WORSE_THAN_CLAIMED, sentence)]


def _claims(figures: Figures, accepted: Accepted | None, manifest: Manifest) -> Iterator[_Claim]:
    for slug in TARGETS[manifest.task].compared:
        rows = figures.each(slug)
        for row in rows:
            claimed = manifest.figure(slug, row.of)
            if claimed is not None and claimed.value is not None:
                yield _claim(row, claimed, several=len(rows) > 1)
    if accepted is not None and accepted.n and manifest.accept is not None and manifest.accept.error is not None:
        error = manifest.accept.error
        claimed_error = Interval(error.value, error.low, error.high, error.method)
        name = "error among the accepted"
        yield _Claim(name, claimed_error, accepted.error, ACCEPTED_MARGIN, "percent", more_is_better=False)


def _claim(found: Figure, claimed: Figure, *, several: bool) -> _Claim:
    claim = interval_of(claimed)
    return _Claim(
        f"{found.name} of {found.of}" if several else found.name,
        claim,
        interval_of(found),
        MARGIN if found.format == "percent" else PART * claim.value,
        found.format,
        more_is_better=found.better == "higher",
    )
