"""The truth supposed of past cases that nobody adjudicated, so that a policy can be tried on them at all."""

from __future__ import annotations

import hashlib
from collections.abc import Mapping
from dataclasses import dataclass, field
from enum import StrEnum

from ...core.case import ModelAnswer


class Supposing(StrEnum):
    """The side that an unknown truth is supposed to be on, where person and model differ. Where they agree, both are supposed
    to be right: only audits can tell."""

    NOTHING = "known"
    """Nothing is supposed: who is asked and is not on record does not answer, which counts against the model."""
    AGREED = "agreed"
    """The truth is known wherever person and model differ; where they agree, both are supposed to be right."""
    WORST = "worst"
    """The person was right wherever nobody knows."""
    BEST = "best"
    """The model was right wherever nobody knows."""
    LIKELY = "likely"
    """Each side was right as often as in those that were adjudicated, drawn at random."""


@dataclass(frozen=True)
class Supposed:
    """A supposition, and what it needs to be carried out."""

    side: Supposing
    right: Mapping[bool, tuple[float, float]] = field(default_factory=dict)
    """LIKELY: of certified answers (True) and of the others, the shares of adjudicated cases in which the model was right and the
    person."""
    seed: int = 0
    truths: Mapping[str, str] = field(default_factory=dict)
    """The truths that are known, by case id."""

    def truth(self, case_id: str, person: str | None, answer: ModelAnswer) -> str | None:
        """Return the right answer of a case, as known or as supposed; None: neither, or none of both is right."""
        if case_id in self.truths:
            return self.truths[case_id]
        if self.side is Supposing.NOTHING:
            return None
        model = answer.label
        if person == model or model is None:
            return person
        if self.side is Supposing.AGREED:
            return None
        if self.side is Supposing.BEST:
            return model
        if self.side is Supposing.WORST:
            return person
        drawn, (model_right, person_right) = _uniform(self.seed, case_id), self.right[answer.certified]
        if drawn < model_right:
            return model
        return person if drawn < model_right + person_right else None


def _uniform(seed: int, case_id: str) -> float:
    """Draw a number from 0 to 1 for a case, the same under every policy."""
    digest = hashlib.sha256(f"{seed} {case_id}".encode()).digest()
    return int.from_bytes(digest[:7], "big") / (1 << 56)
