"""The policy of a rollout, as ``rollout.toml`` states it: what is shown before the model may do more, and what stops it.

Units: shares and errors are fractions, 0–1; times are in the unit that a field's name ends in.
"""

from __future__ import annotations

from typing import Annotated, Literal, Self

from pydantic import ConfigDict, Field, model_validator

from ..model.part import Fraction, Name, Part

Share = Annotated[float, Field(gt=0, le=1)]
Error = Annotated[float, Field(gt=0, lt=1)]
Days = Annotated[float, Field(gt=0, le=36_500)]
MOST_NAME = 200
"""The longest name of a rollout that the API takes."""
OnAlarm = Literal["ignore", "pause", "rollback"]


class Section(Part):
    """A part of the policy. Its fields' docstrings are the descriptions of the published schema and of the starter file."""

    model_config = ConfigDict(use_attribute_docstrings=True)


class Spend(Section):
    """The parts of α that the advances may spend; they sum to at most 1."""

    parallel: Fraction = 0.5
    """The advance from parallel to supervised."""
    supervised: Fraction = 0.2
    """The advance from supervised to expanding."""
    expanding: Fraction = 0.3
    """All steps of expanding together: one running e-process for accepted risk."""

    @model_validator(mode="after")
    def _at_most_all(self) -> Self:
        total = self.parallel + self.supervised + self.expanding
        if total > 1 + 1e-9:
            raise ValueError(f"the parts of alpha sum to {total:g}, and may not be more than 1")
        return self


class Cases(Section):
    """The form of the cases."""

    slices: tuple[Name, ...] = ()
    """Columns of a case whose values are looked at by themselves: every slice in scope has to pass every gate."""
    unresolved_after_days: Days = 14.0
    """A case that nobody has resolved after so many days counts as the model's error."""
    lease_minutes: Annotated[float, Field(gt=0, le=24 * 60)] = 15.0
    """A case shown to a person comes back to the queue after so long without a decision."""
    undo_seconds: Annotated[float, Field(ge=0, le=3600)] = 60.0
    """A person may take the last decision back for so long, or until the next."""
    most_a_day: Annotated[int, Field(ge=1)] | None = None
    """The most reviews that one person is given on one day, in UTC; without a line, no limit."""
    reserve: Fraction = 0.1
    """The random share of cases that no model is ever trained on."""


class Required(Section):
    """The least that every stage asks before it may be left: enough cases, over enough days, of the kind the model knows."""

    min_cases: Annotated[int, Field(ge=0)] = 300
    """The fewest cases that the evidence has to rest on."""
    min_days: Annotated[float, Field(ge=0)] = 7.0
    """The fewest days in the stage."""
    max_out_of_domain: Fraction = 0.1
    """The share of cases unlike those trained on above which the stage is not left."""
    max_latency_ms: Annotated[float, Field(gt=0)] = 2000.0
    """The time within which 95 of 100 answers have to come."""
    max_unresolved: Fraction = 0.1
    """The share of cases in evidence that count worst-case, since nobody could or did resolve them."""


class Parallel(Required):
    """People decide every case; the model must not be worse than they by more than the margin."""

    margin: Error = 0.02
    """The most by which the model's error may exceed people's, on cases it would act on."""
    audit: Share = 0.1
    """The random share of cases that are adjudicated whether or not both agree."""
    adjudicate_twice: Fraction = 0.5
    """The share of adjudications that are made by two."""
    decide_twice: Fraction = 0.05
    """The share of cases that two people decide."""


class Scope(Section):
    """The limited scope of the supervised stage; empty: no limit."""

    slices: dict[Name, tuple[Name, ...]] = Field(default_factory=dict)
    """By column, the values that belong to it."""
    labels: tuple[Name, ...] = ()
    """The model's answers that may be proposed; empty: all."""
    share: Share = 1.0
    """The random share of units in it."""
    hours: tuple[Annotated[int, Field(ge=0, le=23)], Annotated[int, Field(ge=1, le=24)]] | None = None
    """From the first hour to before the second, in UTC; over midnight where the second is less."""

    @model_validator(mode="after")
    def _some_hours(self) -> Self:
        if self.hours is not None and self.hours[0] == self.hours[1]:
            raise ValueError(
                f"hours from {self.hours[0]} to {self.hours[1]} are none; write [0, 24], or leave hours out, for all"
            )
        return self


class Supervised(Required):
    """Within a limited scope the model proposes, and a person confirms."""

    min_cases: Annotated[int, Field(ge=0)] = 200
    """The fewest cases that the evidence has to rest on."""
    max_error: Error = 0.05
    """The risk to be certified of certified answers in scope, from those kept blind."""
    max_override: Fraction = 0.1
    """The upper bound that the rate of overridden proposals has to stay under."""
    blind: Share = 0.2
    """The random share kept blind."""
    seeded: Fraction = 0.02
    """The share of what people see whose right answer is known."""
    max_seeded_error: Fraction = 0.2
    """The error of people on seeded cases above which the stage is not left."""
    scope: Scope = Field(default_factory=Scope)
    """The limited scope."""


class Expanding(Required):
    """A growing share of certified cases takes effect by itself; audits watch them."""

    min_cases: Annotated[int, Field(ge=0)] = 100
    """The fewest cases of each step."""
    min_days: Annotated[float, Field(ge=0)] = 3.0
    """The fewest days of each step."""
    steps: tuple[Share, ...] = (0.05, 0.25, 0.5, 1.0)
    """The shares of certified cases that take effect by themselves, step by step."""
    max_error: Error = 0.05
    """The risk to be certified by one running e-process over all steps."""
    audit: Share = 0.1
    """The random share of acted cases that a person decides blind."""
    audit_early: Share = 0.3
    """The same for the first `early_cases` acted cases of each step."""
    early_cases: Annotated[int, Field(ge=0)] = 200
    """The acted cases at the beginning of each step of which more are audited."""
    new_audits: Annotated[int, Field(ge=0)] = 30
    """The audits that each step needs of its own."""

    @model_validator(mode="after")
    def _rising(self) -> Self:
        if not self.steps or list(self.steps) != sorted(set(self.steps)):
            raise ValueError(f"the steps of expanding must rise; received {list(self.steps)}")
        return self


class Rollback(Section):
    """The evidence and the silence that stop the model."""

    level: Annotated[float, Field(gt=1)] = 1000.0
    """The e-CUSUM of audited errors at which it is rolled back; of one slice, times the number of slices."""
    pause_level: Annotated[float, Field(gt=1)] = 100.0
    """The same at which it is paused."""
    max_error: Error = 0.02
    """The error among audited cases that is still healthy."""
    quiet_days: Days = 7.0
    """Without a case, or without a label, for so long, the model is paused."""
    out_of_domain: OnAlarm = "pause"
    """Done at an alarm of the monitor of the out-of-domain rate: ignore, pause or rollback."""
    confidence: OnAlarm = "pause"
    """The same of confidences."""
    score: OnAlarm = "ignore"
    """The same of the gate's scores."""
    audited_error: OnAlarm = "rollback"
    """The same of the error among answers that people told the right one to."""
    certificate: OnAlarm = "pause"
    """The same where the mix of answers is no longer that of the certificate."""

    @model_validator(mode="after")
    def _pauses_first(self) -> Self:
        if self.pause_level > self.level:
            raise ValueError(
                f"pause_level {self.pause_level:g} is above level {self.level:g}, so that it would never pause"
            )
        return self


class Policy(Section):
    """The whole policy of a rollout."""

    name: Name
    """The rollout's own name, unique in its store."""
    model: Name
    """The name the model is served under."""
    alpha: Error = 0.05
    """The probability, over the whole rollout, of advancing a model that must not be."""
    spend: Spend = Field(default_factory=Spend)
    """The parts of alpha that the advances may spend."""
    cases: Cases = Field(default_factory=Cases)
    """The form of the cases, and of their queue."""
    parallel: Parallel = Field(default_factory=Parallel)
    """People decide every case and never see the model's answer."""
    supervised: Supervised = Field(default_factory=Supervised)
    """Within a limited scope the model proposes, and a person confirms."""
    expanding: Expanding = Field(default_factory=Expanding)
    """A growing share of certified cases takes effect by itself."""
    rollback: Rollback = Field(default_factory=Rollback)
    """The evidence and the silence that stop the model, and the alarms that do."""

    @model_validator(mode="after")
    def _can_be_said(self) -> Self:
        if not self.name.isprintable() or self.name != self.name.strip() or len(self.name) > MOST_NAME:
            shown = self.name[:40]
            raise ValueError(
                f"name {shown!r} cannot be said in a line; use at most {MOST_NAME} letters, no blanks around"
            )
        return self
