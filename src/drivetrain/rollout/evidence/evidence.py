"""All evidence of a rollout since it was opened, or last cleared.

A machine tells it of each case when it comes (`came`), once more when it is final (`take`), and of each stage and step that
begins (`begin`). It answers with a `Stop` where the evidence itself pauses the model or rolls it back.
"""

from __future__ import annotations

from collections.abc import Iterable
from datetime import datetime
from typing import Any, Self

from ..draw import Route
from ..policy import Policy
from ..stage import Stage
from .adjudicators import Adjudicators
from .alpha import alpha_of
from .comparison import Comparison
from .cusum import Cusum
from .judged import Judged, compared, erred, person, two_adjudicators
from .people import People
from .rates import Rates
from .ratio import SampleRatio
from .resolved import Came, Resolved, Stop
from .risk import Risk
from .slices import Slices
from .units import Units
from .watermark import Watermark

TESTED = (Stage.PARALLEL, Stage.SUPERVISED, Stage.EXPANDING)
"""The stages whose cases may be evidence."""


class Evidence:
    """The evidence of one round: from opening, or from the clearing of a rollback, on."""

    def __init__(self, policy: Policy, at: datetime, round: int = 0) -> None:
        self.policy = policy
        self.round = round
        """0 when the rollout is opened, and one more each time that a rollback is cleared: each has a part of alpha."""
        self.adjudicators = Adjudicators(policy.parallel.adjudicate_twice == 0)
        self.people = People()
        self.cusum = Cusum(policy.rollback.max_error)
        self.marks = {stage: Watermark() for stage in TESTED}
        self.comparison = Comparison()
        self.comparisons: dict[str, Comparison] = {}
        """By slice; likewise below."""
        self.risk = {stage: Risk() for stage in TESTED[1:]}
        self.risks: dict[Stage, dict[str, Risk]] = {stage: {} for stage in TESTED[1:]}
        self.slices = Slices(policy)
        self._units = Units()
        self._warned = False
        self._fallen = False
        self.begin(Stage.PARALLEL, 0, at)

    def begin(self, stage: Stage, step: int, at: datetime) -> None:
        """Begin a stage or step: fewest cases and days count from here; evidence on the same question goes on."""
        self.stage, self.step, self.since = stage, step, at
        self.rates = Rates()
        self.rates_of: dict[str, Rates] = {}
        self.ratio = SampleRatio()
        self._uneven = False

    @property
    def alpha(self) -> float:
        """The probability of a false advance that leaving this stage may spend."""
        return alpha_of(self.policy, self.stage, self.round)

    def comparison_of(self, name: str | None) -> Comparison:
        """Return the comparison with people of a slice; None: of all together."""
        return self.comparison if name is None else self.comparisons.get(name, Comparison())

    def risk_of(self, name: str | None) -> Risk:
        """Return the risk that this stage audits, of a slice; None: of all together."""
        return self.risk[self.stage] if name is None else self.risks[self.stage].get(name, Risk())

    def came(self, came: Came) -> Stop | None:
        """Take a case that has come in; in order of numbers."""
        if came.counts and self._units.is_new(came, came.stage.value):
            self.marks[came.stage].came(came.number)
        if came.draw.seeded or not self._is_now(came):
            return None
        new = self._units.is_new(came, f"{came.stage.value} {came.step} all")
        for rates in self._rates(came):
            rates.cases += new
            rates.latency.take(came.latency_s)
            if new:
                rates.out_of_domain.take(not came.in_domain)
        return self._assigned(came) if new else None

    def awaits(self, came: Came) -> bool:
        """Tells whether a case that came is waited for as evidence on the model: the first of its unit that counts."""
        return came.counts and came.number in self.marks[came.stage]

    def _is_now(self, came: Came) -> bool:
        return came.stage is self.stage and came.step == self.step

    def _rates(self, came: Came) -> Iterable[Rates]:
        yield self.rates
        for name in self.slices.of(came.slices):
            yield self.rates_of.setdefault(name, Rates())

    def _assigned(self, came: Came) -> Stop | None:
        """Hold the drawn units against those that were to be drawn."""
        draw = came.draw
        if came.stage is Stage.PARALLEL:
            self.ratio.take(draw.audit_share, draw.audit)
        elif came.stage is Stage.SUPERVISED and draw.in_scope:
            self.ratio.take(self.policy.supervised.blind, draw.held_back)
        elif came.stage is Stage.EXPANDING and draw.route is Route.ACTED:
            self.ratio.take(draw.audit_share, draw.audit)
        if self._uneven or not self.ratio.mismatch:
            return None
        self._uneven = True
        seen, meant = self.ratio.drawn, self.ratio.expected
        return Stop(
            False, f"{seen} of {self.ratio.n} units were drawn for checks, and {meant:.0f} were to be: not by chance"
        )

    def take(self, resolved: Resolved) -> Stop | None:
        """Take a case that is final, at whatever time; each exactly once."""
        came = resolved.came
        if resolved.decisions or resolved.confirmed is not None:
            self.people.take(resolved)
            self._assisted(resolved)
        mark = self.marks.get(came.stage)
        if mark is None or came.number not in mark:
            return None
        released = mark.take(resolved)
        for one in released:
            self._release(one)
        # The e-CUSUM rises with errors alone, so that nothing has to be looked at where none has come.
        if came.stage is not Stage.EXPANDING or not any(map(_error_ahead, (resolved, *released))):
            return None
        return self._stop()

    def _assisted(self, resolved: Resolved) -> None:
        """Count overrides, and beside them how often people who were kept blind differ from the model."""
        came = resolved.came
        if came.draw.seeded or not came.draw.in_scope or not self._is_now(came):
            return
        if came.draw.route is Route.PROPOSED and resolved.confirmed is not None:
            for rates in self._rates(came):
                rates.overridden.take(resolved.confirmed.label != came.label)
        elif came.draw.held_back and resolved.decisions:
            for rates in self._rates(came):
                rates.differed.take(person(resolved) != came.label)

    def _release(self, resolved: Resolved) -> None:
        """Take a case as evidence, in the order in which cases came."""
        came = resolved.came
        names = self.slices.of(came.slices)
        disagreed = two_adjudicators(resolved) if resolved.outcome is None else None
        if disagreed is not None:
            self.adjudicators.take(disagreed)
        if self._is_now(came) and (came.stage is not Stage.EXPANDING or came.draw.route is Route.ACTED):
            for rates in self._rates(came):
                rates.audits += 1
        if came.stage is Stage.PARALLEL:
            judged = compared(resolved)
            self.comparison.take(judged)
            for name in names:
                self.comparisons.setdefault(name, Comparison()).take(judged)
            return
        self._risked(came.stage, names, erred(resolved))

    def _risked(self, stage: Stage, names: tuple[str, ...], judged: Judged) -> None:
        self.risk[stage].take(judged)
        for name in names:
            self.risks[stage].setdefault(name, Risk()).take(judged)
        if stage is Stage.EXPANDING and not judged.worst:
            self.cusum.take(names, judged.value)

    def _stop(self) -> Stop | None:
        """Stop where errors reach a level: once for each time that they do."""
        rule = self.policy.rollback
        if self._reached(rule.level):
            if self._fallen:
                return None
            self._fallen = self._warned = True
            return Stop(True, self._words(rule.level))
        paused = self._reached(rule.pause_level)
        stop = None if not paused or self._warned else Stop(False, self._words(rule.pause_level))
        self._warned = paused
        return stop

    def _reached(self, level: float) -> bool:
        if self.cusum.reached(level) is not None:
            return True
        mark = self.marks[Stage.EXPANDING]
        return mark.ahead > 0 and self.cusum.ahead(map(_error_ahead, mark.beyond())) >= level

    def _words(self, level: float) -> str:
        found = self.cusum.reached(level)
        where = "" if found is None or found.slice is None else f" of {found.slice}"
        healthy = self.policy.rollback.max_error
        return (
            f"errors among audited cases{where} have reached level {level:g}: so many are hardly chance while"
            f" {healthy:.3g} of them are wrong or fewer ({self.cusum.errors:g} of {self.cusum.audits} audits so far)"
        )

    def to_json(self) -> dict[str, Any]:
        """Return the state, exact, as plain data."""
        return {
            "round": self.round,
            "at": [self.stage.value, self.step, self.since.isoformat()],
            "said": [self._warned, self._fallen, self._uneven],
            "adjudicators": self.adjudicators.to_json(),
            "people": self.people.to_json(),
            "cusum": self.cusum.to_json(),
            "marks": {stage.value: mark.to_json() for stage, mark in self.marks.items()},
            "comparison": self.comparison.to_json(),
            "comparisons": {name: kept.to_json() for name, kept in self.comparisons.items()},
            "risk": {stage.value: kept.to_json() for stage, kept in self.risk.items()},
            "risks": {
                stage.value: {name: kept.to_json() for name, kept in of.items()} for stage, of in self.risks.items()
            },
            "rates": self.rates.to_json(),
            "rates_of": {name: kept.to_json() for name, kept in self.rates_of.items()},
            "ratio": self.ratio.to_json(),
            "slices": self.slices.to_json(),
            "units": self._units.to_json(),
        }

    @classmethod
    def of_json(cls, policy: Policy, state: dict[str, Any]) -> Self:
        """Go on from a state."""
        stage, step, since = state["at"]
        evidence = cls(policy, datetime.fromisoformat(since), state["round"])
        evidence.stage, evidence.step = Stage(stage), step
        evidence._warned, evidence._fallen, evidence._uneven = state["said"]
        evidence.adjudicators = Adjudicators.of_json(evidence.adjudicators.trusted, state["adjudicators"])
        evidence.people = People.of_json(state["people"])
        evidence.cusum = Cusum.of_json(policy.rollback.max_error, state["cusum"])
        evidence.marks = {Stage(stage): Watermark.of_json(kept) for stage, kept in state["marks"].items()}
        evidence._load_tests(state)
        evidence.rates = Rates.of_json(state["rates"])
        evidence.rates_of = {name: Rates.of_json(kept) for name, kept in state["rates_of"].items()}
        evidence.ratio = SampleRatio.of_json(state["ratio"])
        evidence.slices.load(state["slices"])
        evidence._units = Units.of_json(state["units"])
        return evidence

    def _load_tests(self, state: dict[str, Any]) -> None:
        self.comparison = Comparison.of_json(state["comparison"])
        self.comparisons = {name: Comparison.of_json(kept) for name, kept in state["comparisons"].items()}
        self.risk = {Stage(stage): Risk.of_json(kept) for stage, kept in state["risk"].items()}
        self.risks = {
            Stage(stage): {name: Risk.of_json(kept) for name, kept in of.items()}
            for stage, of in state["risks"].items()
        }


def _error_ahead(resolved: Resolved | None) -> float | None:
    """Return the error of a case behind the watermark; None: still open, or nobody could tell."""
    if resolved is None:
        return None
    judged = erred(resolved)
    return None if judged.worst else judged.value
