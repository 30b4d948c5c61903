"""A second rule, as the next one may be: it asks for all there is to see and objects to everything, where a manifest's name asks
for it. It stands by itself and is known by one call."""

from __future__ import annotations

from typing import ClassVar

from drivetrain.core.verdict import Reason
from drivetrain.model import policy
from drivetrain.model.kinds.kind import Answer
from drivetrain.model.manifest import Manifest
from drivetrain.model.memory import Memory
from drivetrain.model.rule import Lets, Rule, Ruling
from drivetrain.model.seen import Seen

NAME = "suspicious"
WORDS = "it looks like nothing the model was trained on"
P_IN_DOMAIN = 0.125


class Suspicious(Rule):
    """Objects to whatever it sees, having looked at it."""

    needs_frozen: ClassVar[bool] = True

    @classmethod
    def of(cls, manifest: Manifest, memory: Memory | None = None) -> Suspicious | None:  # noqa: ARG003
        return cls() if manifest.name == NAME else None

    def ruling(self, seen: Seen, answer: Answer) -> Ruling:
        assert seen.frozen_embedding_F is not None
        assert seen.frozen_embedding_F.ndim == seen.embedding_D.ndim == seen.logits_W.ndim == 1
        assert set(seen.facts) == {"width", "height"}
        assert answer.probs
        return Ruling(Reason("out-of-domain", WORDS), P_IN_DOMAIN)

    @property
    def lets(self) -> Lets:
        return Lets("that look like what it was trained on", f"of every image a rule says that {WORDS}")


policy.register(Suspicious)
