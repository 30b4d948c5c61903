"""The curves of a rollout's gates: what they read at earlier moments, in a bounded number of points."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from datetime import datetime
from typing import Any

from .machine import Machine
from .moments import of_text, to_text
from .reading import GateReading
from .status import Curve, Point

FIRST = 25
"""Cases between the first points of a stage or step."""

APART = 20
"""Points are at least a 20th of the cases apart that have come in the stage: some 180 points in a million cases."""

MOST_POINTS = 200
"""Points of one curve; where there are more, every second one is left out."""

MOST_CURVES = 200
"""Curves at most: gates times slices."""


class Curves:
    """Readings over the numbers of cases, ever further apart as a stage goes on. Each stage and step begins new ones."""

    __slots__ = ("_at", "_began", "_next", "_points")

    def __init__(self) -> None:
        self._at: tuple[str, int, int] | None = None
        self._began = self._next = 0
        self._points: dict[tuple[str, str | None], tuple[float, list[Point]]] = {}

    def see(self, machine: Machine) -> None:
        """Read the gates where it is time to; called after every event."""
        standing, come = machine.standing, machine.cases_come
        at = (standing.stage.value, standing.step, standing.attempt)
        if at != self._at:
            self._at, self._began, self._next, self._points = at, come, come + FIRST, {}
        if come < self._next:
            return
        self._next = come + max(FIRST, (come - self._began) // APART)
        for reading in machine.readings():
            self._add(machine, reading)

    def _add(self, machine: Machine, reading: GateReading) -> None:
        key = (reading.gate, reading.slice)
        if key not in self._points and len(self._points) >= MOST_CURVES:
            return
        points = self._points.setdefault(key, (reading.threshold, []))[1]
        points.append(Point(machine.now, reading.n, reading.value, reading.bound))
        if len(points) > MOST_POINTS:
            del points[::2]

    def curves(self, at: datetime, readings: Sequence[GateReading]) -> tuple[Curve, ...]:
        """Return the curves of the present stage and step, each up to what the gate reads now."""
        now = {(one.gate, one.slice): Point(at, one.n, one.value, one.bound) for one in readings}
        return tuple(
            Curve(gate, where, threshold, (*points, *((now[gate, where],) if (gate, where) in now else ())))
            for (gate, where), (threshold, points) in self._points.items()
        )

    def to_json(self) -> dict[str, Any]:
        """Return the state as plain data."""
        curves = [
            [gate, where, threshold, [[to_text(one.at), one.n, one.value, one.bound] for one in points]]
            for (gate, where), (threshold, points) in self._points.items()
        ]
        at = None if self._at is None else list(self._at)
        return {"at": at, "began": self._began, "next": self._next, "of": curves}

    @classmethod
    def of_json(cls, state: Mapping[str, Any]) -> Curves:
        """Go on from a state."""
        curves = cls()
        curves._at = None if state["at"] is None else (state["at"][0], state["at"][1], state["at"][2])
        curves._began, curves._next = state["began"], state["next"]
        for gate, where, threshold, points in state["of"]:
            read = [Point(of_text(at), n, value, bound) for at, n, value, bound in points]
            curves._points[gate, where] = (threshold, read)
        return curves
