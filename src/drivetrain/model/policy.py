"""From what a model saw to a verdict: small rules, each of which may ask for a person and says why.

A policy is read from the manifest. An answer stands where no rule objects; the reasons of all that do are kept.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Protocol

from ..core.types import Prediction, Verdict
from ..core.verdict import Reason
from .kinds.kind import Answer
from .manifest import Manifest
from .seen import Seen

UNREADABLE = "unreadable"


class Rule(Protocol):
    """One ground on which an answer does not stand without a person."""

    @property
    def needs_frozen(self) -> bool:
        """Whether it looks at the frozen embedding, which takes a second network where the first was fine-tuned."""
        ...

    def objection(self, seen: Seen, answer: Answer) -> Reason | None:
        """Why a person has to look; None where this rule sees no need."""
        ...


@dataclass(frozen=True)
class Confident:
    """The confidence has to reach a threshold."""

    least: float
    needs_frozen: bool = False

    def objection(self, seen: Seen, answer: Answer) -> Reason | None:  # noqa: ARG002
        """Below the threshold, or no number at all."""
        if answer.confidence >= self.least:
            return None
        return Reason(
            "low-confidence", f"its confidence, {_below(answer.confidence, self.least)}, is below {self.least:g}"
        )


@dataclass(frozen=True)
class AlwaysReviewed:
    """Nothing says which error may pass without a person."""

    needs_frozen: bool = False

    def objection(self, seen: Seen, answer: Answer) -> Reason | None:  # noqa: ARG002
        """Always."""
        return Reason("no-accept-rule", "no error has been named that may pass without a person")


@dataclass(frozen=True)
class Policy:
    """The rules of a bundle."""

    rules: tuple[Rule, ...]

    @classmethod
    def of(cls, manifest: Manifest) -> Policy:
        """What the manifest asks for."""
        return cls((AlwaysReviewed() if manifest.accept is None else Confident(manifest.accept.confidence),))

    @property
    def needs_frozen(self) -> bool:
        """Whether `Seen.frozen_embedding_F` has to be given."""
        return any(rule.needs_frozen for rule in self.rules)

    def judged(self, path: str, seen: Seen, answer: Answer, bundle_id: str) -> Prediction:
        """The answer with its verdict, and the reasons where it does not stand."""
        found = [rule.objection(seen, answer) for rule in self.rules]
        reasons = tuple(reason for reason in found if reason is not None)
        return Prediction(
            path=path,
            label=answer.label,
            confidence=answer.confidence,
            probs=answer.probs,
            verdict=Verdict.REVIEW if reasons else Verdict.ACCEPT,
            bundle_id=bundle_id,
            labels=answer.labels,
            values=answer.values,
            reasons=reasons,
        )


UNJUDGED = Policy((AlwaysReviewed(),))
"""Of a network whose answers were not judged yet, so that nothing is known of its errors."""


def judge(manifest: Manifest, path: str, seen: Seen) -> Prediction:
    """One item's answer and its verdict."""
    answer = manifest.kind.answer(seen.logits_W)
    return Policy.of(manifest).judged(path, seen, answer, manifest.bundle_id)


def unreadable(path: str, error: str, bundle_id: str) -> Prediction:
    """What is said of an item that cannot be used; ``error`` is the reason in words."""
    reason = Reason(UNREADABLE, error)
    return Prediction(path, None, 0.0, {}, Verdict.UNREADABLE, bundle_id, error=error, reasons=(reason,))


def _below(confidence: float, least: float) -> str:
    """With as many places as show that it is less."""
    return next((text for places in (3, 6) if float(text := f"{confidence:.{places}f}") < least), repr(confidence))
