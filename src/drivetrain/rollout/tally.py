"""The tally of a rollout: plain counts since it was opened, for people to look at. No gate rests on them."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

from ..core.told_how import ToldHow
from .events import Decided, ReviewKind
from .evidence.resolved import Came, Resolved
from .status import Changed, Counts, Overrides, Workload

MOST_SLICES = 200
"""Slices that are counted by themselves; what comes in further ones is counted in the whole alone."""

MOST_OVERRIDES = 2_000
"""Pairs of a person and a slice that overrides are counted of."""

_COUNTS = tuple(Counts.__dataclass_fields__)
_CHANGED = tuple(Changed.__dataclass_fields__)
_SETTLED = {ToldHow.BLIND: "blind", ToldHow.ASSISTED: "assisted", ToldHow.MODEL: "acted"}


def truth_of(resolved: Resolved) -> tuple[str | None, bool]:
    """Return the right label of a case as far as it is known, and tell whether somebody said it who decided between answers.

    The outcome goes before adjudicators; of two adjudicators who differ, neither is believed.
    """
    if resolved.outcome is not None:
        return resolved.outcome, True
    said = {one.label for one in resolved.adjudications}
    if len(said) == 1:
        return said.pop(), True
    return None, bool(said)


class Tally:
    """Counts of cases, of what the model changed, of overrides and of work."""

    __slots__ = ("_by_slice", "_overrides", "_total", "work")

    def __init__(self) -> None:
        self._total: tuple[dict[str, int], dict[str, int]] = _zeros()
        self._by_slice: dict[str, tuple[dict[str, int], dict[str, int]]] = {}
        self._overrides: dict[tuple[str | None, str | None], list[int]] = {}
        self.work: dict[str, float] = {"decisions": 0, "seconds": 0.0, "timed": 0, "saved": 0}

    def came(self, came: Came) -> None:
        """Count a case that has come."""
        for counts, _ in self._of(came):
            counts["arrived"] += 1
            counts["waiting"] += 1
            counts["certified"] += came.certified
            counts["out_of_domain"] += not came.in_domain
            counts["seeded"] += came.draw.seeded

    def settled(self, came: Came, label: str | None, how: ToldHow, seen: bool) -> None:
        """Count a decision that took effect. ``seen``: a person is asked for the case all the same."""
        name = "undecided" if label is None else _SETTLED[how]
        for counts, _ in self._of(came):
            counts["waiting"] -= 1
            counts[name] += 1
        if how is ToldHow.MODEL and not seen:
            self.work["saved"] += 1

    def decided(self, came: Came, event: Decided) -> None:
        """Count a finished review."""
        self.work["decisions"] += 1
        if event.seconds is not None:
            self.work["seconds"] += event.seconds
            self.work["timed"] += 1
        if event.review is not ReviewKind.CONFIRM:
            return
        slices: list[str | None] = [None, *(f"{column}={value}" for column, value in came.slices.items())]
        for by in (event.by, None):
            for name in slices:
                row = self._override(by, name)
                if row is not None:
                    row[0] += 1
                    row[1] += event.label is not None and event.label != came.label
                    row[2] += event.label is None

    def final(self, resolved: Resolved, tests: bool) -> None:
        """Count a case of which nothing more is to come. ``tests``: it is evidence on the model."""
        came = resolved.came
        told = (*resolved.decisions, *resolved.adjudications)
        names = ["final"]
        names += ["unresolved"] if resolved.expired else []
        names += ["cannot_tell"] if any(one.label is None for one in told) else []
        changed = _changed(resolved) if tests else []
        for counts, changes in self._of(came):
            for name in names:
                counts[name] += 1
            for name in changed:
                changes[name] += 1

    def _of(self, came: Came) -> list[tuple[dict[str, int], dict[str, int]]]:
        if not came.slices:
            return [self._total]
        found = [self._total]
        for column, value in came.slices.items():
            name = f"{column}={value}"
            one = self._by_slice.get(name)
            if one is None:
                if len(self._by_slice) >= MOST_SLICES:
                    continue
                one = self._by_slice[name] = _zeros()
            found.append(one)
        return found

    def _override(self, by: str | None, name: str | None) -> list[int] | None:
        row = self._overrides.get((by, name))
        if row is None and len(self._overrides) < MOST_OVERRIDES:
            row = self._overrides[by, name] = [0, 0, 0]
        return row

    @property
    def counts(self) -> Counts:
        """Counts of all cases."""
        return Counts(**self._total[0])

    @property
    def changed(self) -> Changed:
        """The difference the model would have made on all cases."""
        return Changed(**self._total[1])

    def counts_by_slice(self) -> dict[str, Counts]:
        """Counts by slice."""
        return {name: Counts(**counts) for name, (counts, _) in sorted(self._by_slice.items())}

    def changed_by_slice(self) -> dict[str, Changed]:
        """The difference the model would have made, by slice."""
        return {name: Changed(**changed) for name, (_, changed) in sorted(self._by_slice.items())}

    def overrides(self) -> tuple[Overrides, ...]:
        """Overrides by person and slice; both sums first."""
        rows = sorted(self._overrides.items(), key=lambda row: (row[0][0] or "", row[0][1] or ""))
        return tuple(Overrides(by, name, *counted) for (by, name), counted in rows)

    def workload(self) -> Workload:
        """The work of people, and what was saved of it."""
        work = self.work
        return Workload(int(work["decisions"]), work["seconds"], int(work["timed"]), int(work["saved"]))

    def to_json(self) -> dict[str, Any]:
        """Return the state as plain data."""
        return {
            "total": _packed(self._total),
            "slices": {name: _packed(one) for name, one in self._by_slice.items()},
            "overrides": [[by, name, *row] for (by, name), row in self._overrides.items()],
            "work": dict(self.work),
        }

    @classmethod
    def of_json(cls, state: Mapping[str, Any]) -> Tally:
        """Go on from a state."""
        tally = cls()
        tally._total = _unpacked(state["total"])
        tally._by_slice = {name: _unpacked(one) for name, one in state["slices"].items()}
        tally._overrides = {(by, name): list(row) for by, name, *row in state["overrides"]}
        tally.work = dict(state["work"])
        return tally


def _zeros() -> tuple[dict[str, int], dict[str, int]]:
    return dict.fromkeys(_COUNTS, 0), dict.fromkeys(_CHANGED, 0)


def _packed(one: tuple[dict[str, int], dict[str, int]]) -> list[list[int]]:
    return [list(one[0].values()), list(one[1].values())]


def _unpacked(state: Sequence[Sequence[int]]) -> tuple[dict[str, int], dict[str, int]]:
    return dict(zip(_COUNTS, state[0], strict=True)), dict(zip(_CHANGED, state[1], strict=True))


def _changed(resolved: Resolved) -> list[str]:
    """Name what a case says of the difference between model and person."""
    first = resolved.decisions[0].label if resolved.decisions else None
    if first is None:
        return []
    label, (truth, asked) = resolved.came.label, truth_of(resolved)
    if first == label:
        return ["compared", "both_wrong"] if truth is not None and truth != label else ["compared"]
    named = ["compared", "discordant"]
    if truth is None:
        return [*named, "cannot_tell" if asked else "unresolved"]
    return [*named, {label: "model_right", first: "person_right"}.get(truth, "neither")]
