"""The cases of a champion that become evidence on its candidate: as if drawn at random from all that came.

A candidate has only what people decided blind. While the champion proposes and acts, these are all cases out of its scope, a
share of those in it, and a share of those it acted on: hard cases, mostly. So that the candidate is not judged on these alone,
kinds of which more are seen are thinned out, by chance, to the share of the one of which the fewest are.
"""

from __future__ import annotations

from .assignment import Assignment
from .draw import Draw, Route
from .events import Turn, Turned
from .policy import Policy
from .stage import Stage


class Thinning:
    """Follows a champion's turns, and says which of its cases are kept."""

    __slots__ = ("_assignment", "_paused", "_policy", "_stage")

    def __init__(self, policy: Policy, assignment: Assignment) -> None:
        """``policy``: the champion's."""
        self._policy = policy
        self._assignment = assignment
        self._stage = Stage.PARALLEL
        self._paused = False

    def turned(self, event: Turned) -> None:
        """Take a turn of the champion."""
        self._stage = event.stage
        self._paused = event.turn is Turn.PAUSED

    def keeps(self, unit: str, draw: Draw) -> bool:
        """Tells whether a case is evidence: people are to decide it blind, and chance does not thin it out."""
        if draw.seeded or draw.route is Route.PROPOSED or (draw.route is Route.ACTED and not draw.audit):
            return False
        return self._assignment.chosen("shadow", unit, self._least / self._share(draw))

    @property
    def _works(self) -> bool:
        return self._stage in (Stage.SUPERVISED, Stage.EXPANDING) and not self._paused

    @property
    def _least(self) -> float:
        """The share of the kind of cases of which people decide the fewest blind, just now."""
        blind, expanding = self._policy.supervised.blind, self._policy.expanding
        if not self._works:
            return 1.0
        return min(blind, expanding.audit, expanding.audit_early) if self._stage is Stage.EXPANDING else blind

    def _share(self, draw: Draw) -> float:
        """The share of cases of this kind that people decide blind."""
        if draw.route is Route.ACTED:
            return draw.audit_share
        return self._policy.supervised.blind if draw.held_back and self._works else 1.0
