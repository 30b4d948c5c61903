"""Sends decisions and outcomes of cases, which are known by their keys."""

from __future__ import annotations

import json
from collections.abc import Sequence
from dataclasses import dataclass, field
from typing import Any
from urllib.parse import quote

from ...core.errors import UsageError
from ...core.ports import Advance
from .answers_table import Told
from .case_sender import PATH
from .journal import Journal
from .server_api import Reply, ServerApi
from .tally import IN_A_ROW, Tally

DECISION, OUTCOME = "decision", "outcome"


@dataclass
class AnswersSender:
    """Sends what was decided, or what turned out."""

    api: ServerApi
    rollout: str | None
    what: str
    """`DECISION` or `OUTCOME`: the last part of the address."""
    journal: Journal
    tally: Tally = field(default_factory=Tally)

    def send(self, told: Sequence[Told], advance: Advance = lambda _count, _note="": None) -> None:
        """Send each that an earlier run has not sent.

        Raises:
            UsageError: the server cannot be reached, or refuses everything.
        """
        before = self._before()
        for one in told:
            if one.row in before:
                self.tally.before += 1
            else:
                self._send(one)
            advance(1, f"{self.tally.refused} refused" if self.tally.refused else "")

    def _before(self) -> set[tuple[str, ...]]:
        """Return what the journal has, where the server still knows the last case in it."""
        rows = [tuple(map(str, line["row"])) for line in self.journal.lines() if isinstance(line.get("row"), list)]
        if rows and self.api.get(PATH, rollout=self.rollout, key=rows[-1][0]).status != 200:
            self.journal.clear()
            return set()
        return set(rows)

    def _send(self, one: Told) -> None:
        found = self.api.get(PATH, rollout=self.rollout, key=one.key)
        if not found.is_good:
            self._refuse(one, found)
            return
        place = f"{PATH}/{quote(str(found.document.get('id')))}/{self.what}"
        reply = self.api.post(place, ("application/json", json.dumps(self._body(one)).encode()), rollout=self.rollout)
        # After a request that was lost on its way, a conflict says that it was taken.
        if reply.is_good or (reply.repeated and reply.status == 409):
            self.tally.took()
            self.journal.add({"row": list(one.row)})
        else:
            self._refuse(one, reply)

    def _body(self, one: Told) -> dict[str, Any]:
        said: dict[str, Any] = {"label": one.label, "by": one.by}
        if self.what == DECISION:
            return {**said, "how": "blind", "seconds": one.seconds}
        return said

    def _refuse(self, one: Told, reply: Reply) -> None:
        if self.tally.refuse(one.key, reply.detail):
            raise UsageError(f"{self.api.url}: {IN_A_ROW} in a row were refused: {reply.detail}")
