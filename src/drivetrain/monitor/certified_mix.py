"""The mix of answers that a certificate was made with, and how far another may be from it before the certificate expires."""

from __future__ import annotations

import math
from collections.abc import Mapping
from dataclasses import dataclass
from datetime import datetime
from typing import Self

from ..model.manifest import Manifest

# The probability that the certificate's own sample is further from the mix it was drawn from than `margin` allows for.
UNLUCKY = 0.01


@dataclass(frozen=True)
class CertifiedMix:
    """The answers that a certificate rests on."""

    answered: Mapping[str, float]
    """The share of each label among the answers; of overlapping labels they do not add up to 1."""
    independent: int
    """The answers that these shares are known from."""
    tolerance: float
    """The change up to which the certificate stands, in total variation."""
    overlapping: bool = False
    """Tells whether an answer may have several labels."""
    made_at: datetime | None = None

    @classmethod
    def of(cls, manifest: Manifest) -> Self | None:
        """The mix of a bundle's certificate; None where it has none, or accepts nothing that it could be about."""
        accept = manifest.accept
        if accept is None or accept.confidence is None or accept.certificate is None or accept.bound is None:
            return None
        made = accept.certificate
        return cls(
            answered=dict(made.answered),
            independent=accept.bound.independent,
            tolerance=made.tolerance,
            overlapping=manifest.kind.overlapping,
            made_at=datetime.fromisoformat(made.made_at),
        )

    @property
    def margin(self) -> float:
        """The amount by which the share of some of the labels may exceed that of the certificate.

        It is the tolerance, or how far the certificate's own sample may be from the mix it was drawn from, if that is more: the
        expected total variation of n independent answers, ½ Σ √(p (1 − p) / n), and √(ln(1/δ) / 2n) above it (McDiarmid 1989).
        Of overlapping labels one is looked at, whose share differs by at most twice the tolerance, or by Hoeffding's limit for
        all labels at once.
        """
        n = max(self.independent, 1)
        if self.overlapping:
            return max(2 * self.tolerance, math.sqrt(math.log(2 * max(len(self.answered), 1) / UNLUCKY) / (2 * n)))
        expected = math.fsum(math.sqrt(share * (1 - share) / n) for share in self.answered.values()) / 2
        return max(self.tolerance, expected + math.sqrt(math.log(1 / UNLUCKY) / (2 * n)))
