"""The gates between a stage, or a step of expanding, and the next: what is known, against what has to be shown."""

from __future__ import annotations

from datetime import datetime

from .evidence.evidence import Evidence
from .policy import Policy
from .reading import GateReading
from .stage import Stage


def readings(
    evidence: Evidence, policy: Policy, stage: Stage, step: int, now: datetime, alarms: int = 0
) -> tuple[GateReading, ...]:
    """Return the readings of the gates between here and the next stage or step; every slice by itself, all together first.

    ``alarms`` is the number of alarms of monitors that stand. An advance needs every verdict to be a pass.
    """
    raise NotImplementedError
