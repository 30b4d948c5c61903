"""A rule of a policy: one ground on which an answer does not stand without a person.

A further rule is a class of its own and one call of `policy.register`; whoever answers, replays, evaluates or reports asks the
policy, and needs no edit. Shapes: N items, C outputs.
"""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Sequence
from dataclasses import dataclass
from typing import ClassVar, Self

import numpy as np
from numpy.typing import NDArray

from ..core.verdict import Reason, Verdict
from ..stats.metrics import Floats
from .kinds.kind import Answer, Kind
from .manifest import Manifest
from .memory import Memory
from .seen import Seen, SeenItems


@dataclass(frozen=True)
class Ruling:
    """The ruling on one answer."""

    reason: Reason | None = None
    """The reason why a person has to look; None where the rule sees no need."""
    p_in_domain: float | None = None
    """0–1, the conformal p-value of the item being of the kind trained on; None from a rule that does not judge it."""
    verdict: Verdict = Verdict.REVIEW
    """The verdict where there is a reason."""


@dataclass(frozen=True)
class Lets:
    """The answers that rules let stand, as parts of sentences. Those left empty say the same as those given."""

    which: str
    """After “answers”: ``of confidence 0.9 and more``; empty where it goes without saying."""
    none: str
    """A clause, where none does: ``no answer reaches confidence 0.9``."""
    where: str = ""
    """After “accepted”: ``from confidence 0.9 on``."""
    at: str = ""
    """After “answered”: ``at 90 % confidence``."""
    too_few: str = ""
    """``none`` in fewer words: ``no answer is sure enough``."""

    @classmethod
    def joined(cls, parts: Sequence[Lets]) -> Lets:
        """Join what several rules let stand."""
        return cls(
            which=" and ".join(one.which for one in parts if one.which),
            none="; ".join(one.none for one in parts),
            where=" and ".join(one.where or one.which for one in parts if one.which),
            at=" and ".join(one.at or one.which for one in parts if one.which),
            too_few="; ".join(one.too_few or one.none for one in parts),
        )


@dataclass(frozen=True, eq=False)
class Answers:
    """Answers to N items: (N, C) probabilities or numbers, and the kind that reads them."""

    kind: Kind
    values_NC: Floats

    def __len__(self) -> int:
        return len(self.values_NC)

    def __getitem__(self, row: int) -> Answer:
        return self.kind.answered(self.values_NC[row])

    @property
    def confidence_N(self) -> Floats:
        """(N,) how sure each is, 0–1."""
        return self.kind.confidences(self.values_NC)


class Rule(ABC):
    """One ground on which an answer does not stand without a person."""

    verdict: ClassVar[Verdict] = Verdict.REVIEW
    """The verdict of its rulings, where they have a reason."""
    needs_frozen: ClassVar[bool] = False
    """Tells whether the rule looks at the frozen embedding, which takes a second network where the first was fine-tuned."""

    @classmethod
    @abstractmethod
    def of(cls, manifest: Manifest, memory: Memory | None) -> Self | None:
        """The rule as a manifest asks for it; None where it does not.

        ``memory`` is what the bundle remembers of its training set. Without one, the rule only has to say what it lets stand.
        """

    @abstractmethod
    def ruling(self, seen: Seen, answer: Answer) -> Ruling:
        """Return the ruling on one answer."""

    @property
    @abstractmethod
    def lets(self) -> Lets:
        """The answers that the rule lets stand, in words."""

    def objects(self, seen: SeenItems, answers: Answers) -> NDArray[np.bool_]:
        """(N,) where `ruling` has a reason. A rule that is asked of many thousands has a form of its own, in arrays."""
        reasons = [self.ruling(seen[row], answers[row]).reason for row in range(len(answers))]
        return np.asarray([reason is not None for reason in reasons], np.bool_)

    def on_the_line(self, seen: Seen, answer: Answer, rounding: float) -> bool:  # noqa: ARG002  # for subclasses
        """Tells whether another machine's last digits, ``rounding``, may decide whether the rule objects."""
        return False
