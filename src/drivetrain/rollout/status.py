"""The status of a rollout, as the console and the command line show it."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import asdict, dataclass
from datetime import datetime
from typing import Any

from ..core.rollout_records import RolloutRow
from .events import Turned
from .hold import Hold
from .moments import to_text
from .reading import GateReading
from .row_json import row_json
from .stage import Stage


@dataclass(frozen=True, slots=True)
class Point:
    """A reading of a gate at an earlier moment."""

    at: datetime
    n: int
    value: float | None
    bound: float | None


@dataclass(frozen=True, slots=True)
class Curve:
    """The way of a gate over time, in a bounded number of points."""

    gate: str
    slice: str | None
    threshold: float
    points: tuple[Point, ...]


@dataclass(frozen=True, slots=True)
class Counts:
    """Counts of cases, of everything or of one slice, since the rollout was opened."""

    arrived: int = 0
    waiting: int = 0
    """Cases that nobody has decided yet."""
    blind: int = 0
    """Cases decided by people without sight of the model's answer."""
    assisted: int = 0
    """Cases decided by people who saw the model's proposal."""
    acted: int = 0
    """Cases that the model decided."""
    undecided: int = 0
    """Cases of which nobody could tell."""
    certified: int = 0
    """Cases whose answer the model's own policy lets stand."""
    out_of_domain: int = 0
    seeded: int = 0
    final: int = 0
    """Cases whose evidence is complete, or counted worst-case."""
    unresolved: int = 0
    """Final cases that nobody resolved in time."""
    cannot_tell: int = 0
    """Final cases of which somebody who was asked could not tell."""


@dataclass(frozen=True, slots=True)
class Changed:
    """The difference that the model would have made, or made, on certified cases with a person's blind decision."""

    compared: int = 0
    discordant: int = 0
    """Person and model differ."""
    model_right: int = 0
    """Discordant, and adjudication or outcome sided with the model: an error prevented."""
    person_right: int = 0
    """The same, sided with the person: an error made."""
    neither: int = 0
    cannot_tell: int = 0
    unresolved: int = 0
    both_wrong: int = 0
    """Both agree, and adjudication or outcome said otherwise."""


@dataclass(frozen=True, slots=True)
class Overrides:
    """Proposals that one person, or all in one slice, confirmed or overrode."""

    by: str | None
    slice: str | None
    proposed: int
    overridden: int
    cannot_tell: int


@dataclass(frozen=True, slots=True)
class Workload:
    """The work of people, and what the model has saved of it."""

    decisions: int = 0
    """Reviews that people have finished."""
    seconds: float = 0.0
    """Seconds that people spent on those that tell it."""
    timed: int = 0
    """Reviews that tell it."""
    saved: int = 0
    """Cases that the model decided and nobody had to look at."""


@dataclass(frozen=True, slots=True)
class Harm:
    """The harm to be expected until a fault is found: errors of acted cases between the fault and the rollback."""

    audit_share: float
    """The share of acted cases that are audited just now."""
    audits: int
    """Audits until the rollback, about, where the error jumps to ``error``."""
    acted: int
    """Acted cases in that time: audits over their share."""
    error: float
    errors: int
    """Wrong decisions among them."""


@dataclass(frozen=True, slots=True)
class Spent:
    """The probability of a false advance that the advances have spent."""

    alpha: float
    """The policy's whole."""
    spent: float
    """Spent in this attempt, since it was opened or last cleared."""
    attempt: int
    """0: the first; each clearing of a rollback begins another one."""


@dataclass(frozen=True, slots=True)
class Status:
    """Where a rollout stands."""

    row: RolloutRow
    at: datetime
    stage: Stage
    step: int
    share: float | None
    """The share of certified cases in scope that the model acts on; None outside of expanding."""
    holds: tuple[Hold, ...]
    next_stage: Stage | None
    """The stage an advance leads to; None: there is none."""
    next_step: int
    refusals: tuple[str, ...]
    readings: tuple[GateReading, ...]
    counts: Counts
    slices: Mapping[str, Counts]
    """By ``column=value``."""
    changed: Changed
    changed_slices: Mapping[str, Changed]
    overrides: tuple[Overrides, ...]
    workload: Workload
    harm: Harm | None
    spent: Spent
    curves: tuple[Curve, ...]
    queue: Mapping[str, Mapping[str, int]]
    """By kind of review: ``open``, ``leased``, ``held``, ``overdue``."""
    people: Mapping[str, Any]
    """People's own error and agreement, as far as double decisions, double adjudications and seeded cases tell."""
    turns: tuple[Turned, ...]
    """The latest turns, the newest first."""

    @property
    def expected_more(self) -> int | None:
        """Labelled cases still to be expected until the slowest gate passes; None: unknown, or none."""
        waited = [one.expected_more for one in self.readings if one.expected_more is not None]
        return max(waited, default=None)

    def to_json(self) -> dict[str, Any]:
        """Return the document of ``drivetrain rollout status --json`` and of ``GET /v1/rollouts/{name}``; see docs/json.md."""
        return {
            **row_json(self.row),
            "at": to_text(self.at),
            # The machine may have turned since the row was written.
            "stage": self.stage.value,
            "step": self.step,
            "share": self.share,
            "paused": bool(self.holds),
            "holds": [hold.to_json() for hold in self.holds],
            "next": None if self.next_stage is None else {"stage": self.next_stage.value, "step": self.next_step},
            "may_advance": not self.refusals,
            "refusals": list(self.refusals),
            "expected_more": self.expected_more,
            "readings": [one.to_json() for one in self.readings],
            "counts": asdict(self.counts),
            "slices": {name: asdict(counts) for name, counts in self.slices.items()},
            "changed": asdict(self.changed),
            "changed_slices": {name: asdict(changed) for name, changed in self.changed_slices.items()},
            "overrides": [asdict(one) for one in self.overrides],
            "workload": asdict(self.workload),
            "harm": None if self.harm is None else asdict(self.harm),
            "spent": asdict(self.spent),
            "curves": [_curve(one) for one in self.curves],
            "queue": {kind: dict(counts) for kind, counts in self.queue.items()},
            "people": dict(self.people),
            "turns": [_turn(one) for one in self.turns],
        }


def _curve(curve: Curve) -> dict[str, Any]:
    points = [{"at": to_text(one.at), "n": one.n, "value": one.value, "bound": one.bound} for one in curve.points]
    return {"gate": curve.gate, "slice": curve.slice, "threshold": curve.threshold, "points": points}


def _turn(turned: Turned) -> dict[str, Any]:
    return {
        "at": to_text(turned.at),
        "turn": turned.turn.value,
        "by": turned.by,
        "reason": turned.reason,
        "stage": turned.stage.value,
        "step": turned.step,
        "evidence": dict(turned.evidence),
    }
