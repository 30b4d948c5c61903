"""Cases for tests of a rollout's evidence."""

from __future__ import annotations

from datetime import UTC, datetime
from typing import Any

from drivetrain.rollout.draw import Draw, Route
from drivetrain.rollout.evidence.evidence import Evidence
from drivetrain.rollout.evidence.resolved import Came, Resolved, Told
from drivetrain.rollout.policy import Cases, Parallel, Policy, Rollback
from drivetrain.rollout.stage import Stage

START = datetime(2026, 3, 2, 8, tzinfo=UTC)
BLIND = Draw(Route.BLIND)
ACTED = Draw(Route.ACTED, audit=True, audit_share=1.0, in_scope=True)
HELD_BACK = Draw(Route.BLIND, held_back=True, in_scope=True)
PROPOSED = Draw(Route.PROPOSED, in_scope=True)


def a_policy(slices: tuple[str, ...] = (), twice: float = 0.2, **rollback: Any) -> Policy:
    """A policy as a file would state it."""
    return Policy(
        name="line-3",
        model="cells",
        cases=Cases(slices=slices),
        parallel=Parallel(adjudicate_twice=twice),
        rollback=Rollback(**rollback),
    )


def came(
    number: int, draw: Draw = BLIND, stage: Stage = Stage.PARALLEL, label: str | None = "good", **more: Any
) -> Came:
    """A certified case by itself."""
    fields: dict[str, Any] = {
        "at": START,
        "step": 0,
        "unit": f"case-{number}",
        "slices": {},
        "certified": True,
        "in_domain": True,
        "latency_s": 0.05,
    }
    return Came(number=number, stage=stage, draw=draw, label=label, **{**fields, **more})


def told(*labels: str | None) -> tuple[Told, ...]:
    """Answers of different people."""
    return tuple(Told(label, f"person-{place}") for place, label in enumerate(labels))


def resolved(
    case: Came, decided: tuple[str | None, ...] = ("good",), adjudicated: tuple[str | None, ...] = (), **more: Any
) -> Resolved:
    """A final case."""
    judges = tuple(Told(label, f"judge-{place}") for place, label in enumerate(adjudicated))
    return Resolved(case, START, told(*decided), adjudications=judges, **more)


def feed(evidence: Evidence, *finals: Resolved) -> list[Any]:
    """Tell of cases that are final as soon as they come."""
    said = []
    for final in finals:
        said += [evidence.came(final.came), evidence.take(final)]
    return [stop for stop in said if stop is not None]


def in_expanding(policy: Policy) -> Evidence:
    """Evidence in the first step of expanding."""
    evidence = Evidence(policy, START)
    evidence.begin(Stage.EXPANDING, 0, START)
    return evidence
