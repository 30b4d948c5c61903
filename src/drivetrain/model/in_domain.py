"""The gate as a rule: an input has to look like those trained on. Shapes: N items."""

from __future__ import annotations

import math
from dataclasses import dataclass
from typing import ClassVar

import numpy as np
from numpy.typing import NDArray

from ..core.types import FloatArray
from ..core.verdict import Reason, Verdict
from ..stats.conformal import is_strange
from .gate import GateArrays
from .kinds.kind import Answer
from .manifest import Manifest
from .memory import Memory
from .rule import Answers, Lets, Rule, Ruling
from .seen import Seen, SeenItems

OUT_OF_DOMAIN = "out-of-domain"

# Training images that a reason names.
NAMED = 3


@dataclass(frozen=True, eq=False)
class InDomain(Rule):
    """An input as unlike those trained on as few of them are is out of domain."""

    verdict: ClassVar[Verdict] = Verdict.OUT_OF_DOMAIN
    needs_frozen: ClassVar[bool] = True  # fine-tuning blurs the differences between domains

    manifest: Manifest
    memory: Memory | None
    """None where the rule has only to say what it lets stand."""

    @classmethod
    def of(cls, manifest: Manifest, memory: Memory | None) -> InDomain | None:
        """Make the rule where the manifest has a gate."""
        return None if manifest.gate is None else cls(manifest, memory)

    def ruling(self, seen: Seen, answer: Answer) -> Ruling:  # noqa: ARG002
        """Give the p-value, and the reason where it is low."""
        embedding_F = seen.frozen_embedding_F
        assert embedding_F is not None  # as `needs_frozen` asks
        p = float(self._gate.p_values(embedding_F[None])[0])
        if not is_strange(p, self._level):
            return Ruling(p_in_domain=p)
        return Ruling(Reason(OUT_OF_DOMAIN, self._words(p, embedding_F)), p, Verdict.OUT_OF_DOMAIN)

    def objects(self, seen: SeenItems, answers: Answers) -> NDArray[np.bool_]:  # noqa: ARG002
        """Object to many at once."""
        p_N = seen.p_in_domain_N
        if p_N is None:
            embedding_NF = seen.frozen_embedding_NF
            assert embedding_NF is not None  # as `needs_frozen` asks
            p_N = self._gate.p_values(embedding_NF)
        return is_strange(p_N, self._level)

    def on_the_line(self, seen: Seen, answer: Answer, rounding: float) -> bool:  # noqa: ARG002
        """Tells whether the p-value is that near the level."""
        assert seen.frozen_embedding_F is not None  # as `needs_frozen` asks
        return self._gate.straddles(seen.frozen_embedding_F, self._level, rounding)

    @property
    def lets(self) -> Lets:
        """Say nothing but where every input is out of domain: usually hardly one is."""
        return Lets("", f"every {self.manifest.input.noun} is unlike those trained on")

    @property
    def _gate(self) -> GateArrays:
        if self.memory is None or self.memory.gate is None:
            raise ValueError("this policy was made without the bundle's memory; use that of the predictor to judge")
        return self.memory.gate

    @property
    def _level(self) -> float:
        assert self.manifest.gate is not None  # or there is no such rule
        return self.manifest.gate.level

    def _words(self, p: float, embedding_F: FloatArray) -> str:
        assert self.memory is not None  # or there was no p-value
        kind, nouns = self.manifest.kind, self.manifest.input.nouns
        among = max(1, math.ceil(1000 * p))
        named = [kind.target_text(target) for target in self.memory.nearest(embedding_F, NAMED)]
        between = "; " if any("," in one for one in named) else ", "  # of several labels or numbers
        return (
            f"unlike anything it was trained on: of 1,000 {nouns} like those, at most {among} look as unlike them; "
            f"the nearest training {nouns} are labelled {between.join(named)}"
        )
