"""The status of a rollout, put together from its machine."""

from __future__ import annotations

import math
from collections.abc import Mapping
from datetime import datetime

from ..core.rollout_records import RolloutRow
from .curves import Curves
from .machine import Machine
from .policy import Policy
from .stage import Stage
from .status import Harm, Spent, Status
from .turning import refusals

JUMP = 5.0
"""The error that harm is told for, in multiples of the error that is still healthy."""


def status_of(
    machine: Machine, row: RolloutRow, curves: Curves, queue: Mapping[str, Mapping[str, int]], now: datetime
) -> Status:
    """Say where a rollout stands."""
    standing, tally, policy = machine.standing, machine.tally, machine.policy
    at = max(now, machine.now)
    readings = machine.readings(at)
    after = standing.after()
    expanding = standing.stage is Stage.EXPANDING
    return Status(
        row=row,
        at=at,
        stage=standing.stage,
        step=standing.step,
        share=policy.expanding.steps[standing.step] if expanding else None,
        holds=machine.holds,
        next_stage=None if after is None else after[0],
        next_step=0 if after is None else after[1],
        refusals=refusals(standing, readings),
        readings=readings,
        counts=tally.counts,
        slices=tally.counts_by_slice(),
        changed=tally.changed,
        changed_slices=tally.changed_by_slice(),
        overrides=tally.overrides(),
        workload=tally.workload(),
        harm=harm(policy, machine.audit_share) if expanding else None,
        spent=Spent(policy.alpha, machine.spent, standing.attempt),
        curves=curves.curves(at, readings),
        queue=queue,
        people=machine.evidence.people.summary(machine.evidence.adjudicators),
        turns=tuple(reversed(machine.turns)),
    )


def harm(policy: Policy, audit_share: float) -> Harm:
    """Say what a fault costs that raises the error to a multiple of what is healthy: acted cases until the rollback.

    The e-CUSUM grows by the relative entropy of the two errors with every audit, on average, so that it takes about ln(level)
    over that until it fires.
    """
    healthy = policy.rollback.max_error
    error = min(JUMP * healthy, (1.0 + healthy) / 2)
    growth = error * math.log(error / healthy) + (1 - error) * math.log((1 - error) / (1 - healthy))
    audits = math.ceil(math.log(policy.rollback.level) / growth)
    acted = math.ceil(audits / audit_share)
    return Harm(audit_share, audits, acted, error, round(acted * error))
