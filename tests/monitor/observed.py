"""Made-up answers of a bundle with a gate, as a watch is told of them."""

from __future__ import annotations

from collections.abc import Iterator
from datetime import UTC, datetime, timedelta
from typing import Any

import numpy as np

from drivetrain.core.verdict import Verdict
from drivetrain.monitor.observation import Observation
from drivetrain.monitor.reference import ConfidenceReference, GateReference, Reference

START = datetime(2026, 5, 1, tzinfo=UTC)
LEVEL = 0.05
CALIBRATED_ON = 500

REFERENCE = Reference(
    bundle_id="0123456789abcdef",
    gate=GateReference(LEVEL, CALIBRATED_ON),
    confidence=ConfidenceReference.of(np.random.default_rng(99).beta(6, 1, 600)),
    mix={"bear": 0.5, "deer": 0.3, "fox": 0.2},
    accuracy=0.86,
    judged=600,
    error_bound=0.02,
)


def observed(
    number: int,
    rng: np.random.Generator,
    *,
    source: str = "north",
    contamination: float = 0.0,
    harder: float = 0.0,
    at: datetime | None = None,
    width: int = 640,
    mix: tuple[float, float, float] = (0.5, 0.3, 0.2),
    shift: float = 1.0,
    group: str | None = None,
) -> Observation:
    """One answer: a share ``contamination`` is far out of domain; confidences fall with ``harder``; p-values with ``shift``."""
    p = 0.001 if rng.random() < contamination else float(rng.random() ** shift)
    return Observation(
        id=f"{number:032x}",
        at=at or START + timedelta(minutes=number),
        source=source,
        p_in_domain=p,
        confidence=float(rng.beta(6 - 5 * harder, 1)),
        verdict=Verdict.OUT_OF_DOMAIN if p <= LEVEL else Verdict.ACCEPT,
        label=(label := ("bear", "deer", "fox")[int(rng.choice(3, p=mix))]),
        labels=(label,),
        group=group,
        facts={"width": width, "height": 480},
    )


def stream(count: int, seed: int, first: int = 0, **how: Any) -> Iterator[Observation]:
    """Answers a minute apart."""
    rng = np.random.default_rng(seed)
    return (observed(first + number, rng, **how) for number in range(count))
