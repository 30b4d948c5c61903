"""The turns of a rollout that people make, and what alarms do by its policy."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import replace
from datetime import datetime

from ..core.errors import UsageError
from .events import Turn, Turned
from .policy import OnAlarm, Policy
from .reading import GateReading, GateVerdict
from .stage import Stage
from .standing import Standing


def on_alarm(policy: Policy, monitor: str) -> OnAlarm:
    """Return what an alarm of a monitor does; one that the policy does not know pauses."""
    rollback = policy.rollback
    known: dict[str, OnAlarm] = {
        "out-of-domain-rate": rollback.out_of_domain,
        "confidence": rollback.confidence,
        "score": rollback.score,
        "audited-error": rollback.audited_error,
        "certificate": rollback.certificate,
    }
    return known.get(monitor, "pause")


def refusals(standing: Standing, readings: Iterable[GateReading]) -> tuple[str, ...]:
    """Say why a rollout cannot advance; empty: a named person may advance it."""
    refusal = standing.refusal(Turn.ADVANCED)
    if refusal is not None and standing.after() is None:
        return (refusal,)
    said = [] if refusal is None else [refusal]
    return (*said, *(_words(one) for one in readings if one.verdict is not GateVerdict.PASS))


def _words(reading: GateReading) -> str:
    where = "" if reading.slice is None else f" of {reading.slice}"
    said = f": {reading.words}" if reading.words else ""
    return f"{reading.gate}{where} {'fails' if reading.verdict is GateVerdict.FAIL else 'does not pass yet'}{said}"


def by_person(standing: Standing, turn: Turn, by: str, reason: str, at: datetime) -> Turned:
    """Make the event of a person's turn.

    Raises:
        UsageError: it cannot be.
    """
    refusal = standing.refusal(turn)
    if not by.strip() or not reason.strip():
        refusal = "give the name of a person and a reason"
    if refusal is not None:
        raise UsageError(f"the rollout cannot be {turn.value}: {refusal}")
    return Turned(at, turn, by, reason, *standing.destination(turn))


def advanced(
    standing: Standing,
    readings: Sequence[GateReading],
    alpha: float,
    spent: float,
    by: str,
    reason: str,
    at: datetime,
    head: tuple[int, str] | None,
) -> Turned:
    """Make the event that advances a rollout, with the readings that it rests on and the alpha that it spends.

    ``alpha`` is the part of this stage in this attempt. All steps of expanding rest on one running process, which is paid for
    with the first of them.

    Raises:
        UsageError: a gate does not pass, or it cannot advance from here.
    """
    said = refusals(standing, readings)
    if said or not readings:
        raise UsageError(f"it cannot advance from {standing.stage.value}: {'; '.join(said) or 'no gate has been read'}")
    number, line_hash = head or (None, None)
    evidence = {
        "readings": [one.to_json() for one in readings],
        "alpha": standing.policy.alpha,
        "attempt": standing.attempt,
        "spent_before": spent,
        "spent": 0.0 if standing.stage is Stage.EXPANDING and standing.step else alpha,
        "head": number,
        "head_hash": line_hash,
    }
    return replace(by_person(standing, Turn.ADVANCED, by, reason, at), evidence=evidence)
