"""The curves of a rollout's gates: what they read at earlier moments, in a bounded number of points."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from .machine import Machine
from .moments import of_text, to_text
from .reading import GateReading
from .status import Curve, Point

MOST_POINTS = 100
"""Points of one curve. Where there are more, every second one is left out, and half as many are taken from then on."""

FIRST = 25
"""Cases between the first points of a stage."""

MOST_CURVES = 200
"""Curves at most: gates times slices."""


class Curves:
    """Readings over the numbers of cases, at distances that double as a stage goes on. Each stage and step begins new ones."""

    __slots__ = ("_at", "_every", "_next", "_points")

    def __init__(self) -> None:
        self._at: tuple[str, int, int] | None = None
        self._every = FIRST
        self._next = FIRST
        self._points: dict[tuple[str, str | None], tuple[float, list[Point]]] = {}

    def see(self, machine: Machine) -> None:
        """Read the gates where it is time to; called after every event."""
        standing = machine.standing
        at = (standing.stage.value, standing.step, standing.attempt)
        if at != self._at:
            self._at, self._every, self._points = at, FIRST, {}
            self._next = machine.cases_come + self._every
        if machine.cases_come < self._next:
            return
        self._next = machine.cases_come + self._every
        for reading in machine.readings():
            self._add(machine, reading)
        if max((len(points) for _, points in self._points.values()), default=0) > MOST_POINTS:
            self._every *= 2
            self._points = {key: (threshold, points[1::2]) for key, (threshold, points) in self._points.items()}

    def _add(self, machine: Machine, reading: GateReading) -> None:
        key = (reading.gate, reading.slice)
        if key not in self._points and len(self._points) >= MOST_CURVES:
            return
        points = self._points.setdefault(key, (reading.threshold, []))[1]
        points.append(Point(machine.now, reading.n, reading.value, reading.bound))

    def curves(self) -> tuple[Curve, ...]:
        """Return the curves of the present stage and step."""
        return tuple(
            Curve(gate, where, threshold, tuple(points)) for (gate, where), (threshold, points) in self._points.items()
        )

    def to_json(self) -> dict[str, Any]:
        """Return the state as plain data."""
        curves = [
            [gate, where, threshold, [[to_text(one.at), one.n, one.value, one.bound] for one in points]]
            for (gate, where), (threshold, points) in self._points.items()
        ]
        return {
            "at": None if self._at is None else list(self._at),
            "every": self._every,
            "next": self._next,
            "of": curves,
        }

    @classmethod
    def of_json(cls, state: Mapping[str, Any]) -> Curves:
        """Go on from a state."""
        curves = cls()
        curves._at = None if state["at"] is None else (state["at"][0], state["at"][1], state["at"][2])
        curves._every, curves._next = state["every"], state["next"]
        for gate, where, threshold, points in state["of"]:
            read = [Point(of_text(at), n, value, bound) for at, n, value, bound in points]
            curves._points[gate, where] = (threshold, read)
        return curves
