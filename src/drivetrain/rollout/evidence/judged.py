"""A final case, judged: what it says of the model's error beside people's, and of the model's error by itself.

The right answer is what turned out, else what adjudicators said, else what model and person agree on. Whatever is missing counts
against the model, and is told apart, so that it can be shown.
"""

from __future__ import annotations

from dataclasses import dataclass

from .resolved import Resolved


@dataclass(frozen=True, slots=True)
class Judged:
    """One number that a case gives as evidence."""

    value: float
    """The model's error less the person's (−1 to 1), or the model's error (0 to 1); halves where two adjudicators disagree."""
    exact: bool = False
    """True where it rests on an outcome, and so is free of adjudicators' errors."""
    worst: bool = False
    """Something was missing, and has been taken at its worst."""
    discordant: bool = False
    """Model and person differ, or the person could not tell."""


def person(resolved: Resolved) -> str | None:
    """Return the label of the first person who decided blind; None: nobody did, or could not tell."""
    return resolved.decisions[0].label if resolved.decisions else None


def compared(resolved: Resolved) -> Judged:
    """Return the model's error less the person's.

    A person who could not tell made no error by that, which is the worst for the model.
    """
    model, human = resolved.came.label, person(resolved)
    if human is not None and human == model:
        return Judged(0.0)
    if resolved.outcome is not None:
        return Judged(_difference(model, human, resolved.outcome), True, human is None, discordant=True)
    if not resolved.adjudications:
        return Judged(1.0, worst=True, discordant=True)
    labels = [told.label for told in resolved.adjudications]
    value = sum(1.0 if label is None else _difference(model, human, label) for label in labels) / len(labels)
    return Judged(value, worst=human is None or None in labels, discordant=True)


def _difference(model: str | None, human: str | None, right: str) -> float:
    return float(model != right) - float(human is not None and human != right)


def erred(resolved: Resolved) -> Judged:
    """Return the model's error."""
    model = resolved.came.label
    if resolved.outcome is not None:
        return Judged(float(model != resolved.outcome), exact=True)
    labels = [told.label for told in resolved.adjudications]
    if labels:
        return Judged(sum(label is None or label != model for label in labels) / len(labels), worst=None in labels)
    human = person(resolved)
    if human is not None and human == model:
        return Judged(0.0)
    return Judged(1.0, worst=True)


def two_adjudicators(resolved: Resolved) -> bool | None:
    """Tell whether two adjudicators of a discordant case disagreed; None: two did not answer, or there was nothing discordant."""
    human, labels = person(resolved), [told.label for told in resolved.adjudications]
    if human is None or human == resolved.came.label or len(labels) < 2 or None in labels:
        return None
    return labels[0] != labels[1]
