"""Promotion: a candidate whose gates have passed takes its champion's place, by a named person."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, replace
from datetime import datetime

from ..core.errors import UsageError
from ..core.rollout_port import RolloutStore
from ..core.rollout_records import RolloutRow
from .hands import Hands
from .live import Live
from .succession import PREDECESSOR, SUCCESSOR, champion_of


@dataclass(frozen=True)
class Promotion:
    """Promotes candidates in a store."""

    store: RolloutStore
    clock: Callable[[], datetime]
    new_id: Callable[[], str]

    def promote(self, name: str, by: str, reason: str) -> tuple[RolloutRow, RolloutRow]:
        """Give a candidate its champion's place; returns the champion, which has ended, and the candidate, which is supervised.

        The candidate advances first, and then the champion ends; killed in between, the same call again goes on from there. Cases
        that nobody has decided are taken over by whoever follows the champion's log for the candidate.

        Raises:
            UsageError: it is no candidate, or its gates have not passed; says every reason.
        """
        row = self.store.rollout(name)
        if row is None:
            raise UsageError(f"the store has no rollout {name[:80]!r}")
        champion = champion_of(self.store, row)
        if champion is None:
            raise UsageError(f"{row.name} is no candidate beside a live rollout, and cannot take the place of one")
        self._advance(row, champion, by, reason)
        self._end(champion, self._now(row), by, reason)
        return self._now(champion), self._now(row)

    def began(self, row: RolloutRow, champion: RolloutRow) -> bool:
        """Tells whether a promotion was begun and broken off, so that the candidate has advanced already."""
        machine = Live(self.store, row.id, self.clock, self.new_id).machine
        return any(turned.evidence.get(PREDECESSOR) == champion.id for turned in machine.turns)

    def _advance(self, row: RolloutRow, champion: RolloutRow, by: str, reason: str) -> None:
        live = Live(self.store, row.id, self.clock, self.new_id)
        with live.replica.writing() as writing:
            hands = Hands(writing, row.id, self.clock(), self.new_id)
            hands.finish_all(hands.log.held())
            hands.pass_time()
            machine, now = hands.machine, hands.log.row
            if any(turned.evidence.get(PREDECESSOR) == champion.id for turned in machine.turns):
                return
            turned = machine.advanced(by, reason, hands.now, (now.head, now.head_hash))
            hands.take(replace(turned, evidence={**turned.evidence, PREDECESSOR: champion.id}))

    def _end(self, champion: RolloutRow, row: RolloutRow, by: str, reason: str) -> None:
        live = Live(self.store, champion.id, self.clock, self.new_id)
        named = {"name": row.name, "bundle_id": row.bundle_id, "head": row.head, "head_hash": row.head_hash}
        with live.replica.writing() as writing:
            hands = Hands(writing, champion.id, self.clock(), self.new_id)
            hands.finish_all(hands.log.held())
            hands.pass_time()
            turned = hands.machine.ended(by, reason, hands.now)
            hands.take(replace(turned, evidence={SUCCESSOR: row.id, **named}))
            for ask in list(hands.machine.asks()):
                hands.log.drop_reviews(ask.case_id)

    def _now(self, row: RolloutRow) -> RolloutRow:
        return self.store.rollout(row.id) or row
