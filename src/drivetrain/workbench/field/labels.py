"""Field labels: the cases of a rollout whose right answer is known well enough to learn from or to judge by."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass, field
from datetime import datetime, timedelta

from ...core.case import Case
from ...core.told_how import ToldHow
from .ruling import ASSISTED, CANNOT_TELL, DISPUTED, UNTOLD, ruling_of
from .told import FieldCase, Told

SOURCES = ("camera", "site")
"""Slices that name the place a case comes from, the surest first."""

TOGETHER = timedelta(hours=1)
"""Cases of one source within one stretch of this length, counted from midnight in UTC, show the same scene, light and batch, and
stay on one side of a split."""

WHY_NOT = (UNTOLD, ASSISTED, CANNOT_TELL, DISPUTED)


@dataclass(frozen=True, slots=True)
class FieldLabel:
    """One case with its label, and how that came about."""

    rollout: str
    case: Case
    label: str
    how: ToldHow
    by: tuple[str, ...]
    at: datetime
    """The moment it was told."""
    chance: float | None
    """The probability with which it was drawn to be looked at; None: only an outcome is known, and nobody can say how it was
    chosen."""
    reserve: bool
    """The case belongs to the random reserve that is never trained on."""

    @property
    def weight(self) -> float:
        """One over the probability of its selection: the number of cases that it stands for; 1 where that is not known."""
        return 1.0 if self.chance is None else 1.0 / self.chance

    @property
    def unit(self) -> str:
        """The name of what is assigned and drawn as one, of all rollouts."""
        return f"{self.rollout}/{self.case.unit}"

    @property
    def group(self) -> str:
        """The items that stay on one side of a split: the sender's own group, else an hour of one source, else the case."""
        case = self.case
        source = next((case.slices[name] for name in SOURCES if case.slices.get(name)), None)
        if case.group is not None or source is None:
            return f"field {self.unit}"
        start = datetime.min.replace(tzinfo=case.at.tzinfo)
        return f"field {self.rollout}/{source} {case.at - (case.at - start) % TOGETHER:%Y-%m-%dT%H:%M}"


@dataclass(frozen=True, slots=True)
class Contradiction:
    """A case of which people, or people and what turned out, said different things."""

    case_id: str
    key: str
    told: tuple[Told, ...]
    label: str | None
    """The label that counts; None: none does, and the case is left out."""

    def sentence(self) -> str:
        """Say who said what, and what counts."""
        said = ", ".join(
            f"{one.by}: {one.label if one.label is not None else 'cannot tell'} ({one.how})" for one in self.told
        )
        counts = "left out" if self.label is None else f"{self.label} counts"
        return f"{self.key}: {said}; {counts}"


@dataclass(frozen=True)
class FieldLabels:
    """All labels of a rollout, and what is not among them."""

    labels: tuple[FieldLabel, ...]
    contradictions: tuple[Contradiction, ...] = ()
    left_out: Mapping[str, int] = field(default_factory=dict)
    """Cases without a label, by the reason, of `WHY_NOT`."""

    def of_reserve(self) -> tuple[FieldLabel, ...]:
        """The labels of the reserve."""
        return tuple(one for one in self.labels if one.reserve)

    def remarks(self) -> Iterator[str]:
        """Say what was left out, and what nobody can say."""
        for why in WHY_NOT:
            if count := self.left_out.get(why):
                yield f"{count} {'case is' if count == 1 else 'cases are'} left out: {why}"
        unknown = sum(one.chance is None for one in self.labels)
        if unknown:
            yield (
                f"of {unknown} {'case' if unknown == 1 else 'cases'} only the outcome is known; how such cases came to have one "
                "nobody can say, so that they count as one each"
            )


def field_labels(cases: Iterable[FieldCase], *, assisted: bool = False) -> FieldLabels:
    """Rule on the label of every case; ``assisted``: also take what was told with the model's answer in sight."""
    labels, contradictions, left_out = list[FieldLabel](), list[Contradiction](), Counter[str]()
    for one in cases:
        ruling = ruling_of(one.told, assisted=assisted)
        if ruling.disagree:
            contradictions.append(Contradiction(one.case.id, one.case.key, one.told, ruling.label))
        if ruling.label is None or ruling.how is None or ruling.at is None:
            left_out[ruling.why_not] += 1
            continue
        chance = 1.0 - one.blind_share if ruling.how is ToldHow.ASSISTED else one.chance
        labels.append(
            FieldLabel(one.rollout, one.case, ruling.label, ruling.how, ruling.by, ruling.at, chance, one.draw.reserve)
        )
    return FieldLabels(tuple(labels), tuple(contradictions), dict(left_out))


def effective(labels: Iterable[FieldLabel]) -> float:
    """The number of equally weighted labels that these are worth, Kish's (Σw)² / Σw².

    >>> effective([])
    0.0
    """
    weights = [one.weight for one in labels]
    squares = sum(weight**2 for weight in weights)
    return sum(weights) ** 2 / squares if squares else 0.0
