"""One source, or all together: its votes so far and what is kept of them."""

from __future__ import annotations

from collections import deque
from typing import Any

from .history import History
from .moment import Mark
from .settings import KEPT_IDS
from .votes import Votes


class Stream:
    """The counters of one stream."""

    __slots__ = (
        "audits",
        "history",
        "last_us",
        "least_sure",
        "n",
        "refused",
        "streak",
        "unlike",
        "votes",
        "with_p",
        "wrong",
    )

    def __init__(self) -> None:
        self.n = 0
        """Observations, votes or not."""
        self.votes = Votes()
        self.with_p = 0
        """Votes whose p-value is known."""
        self.refused = 0
        """Votes that were out of domain."""
        self.streak = 0
        """The latest of them in a row."""
        self.last_us = 0
        self.history = History()
        self.unlike: deque[Mark] = deque(maxlen=KEPT_IDS)
        """The latest votes that were out of domain."""
        self.least_sure: deque[Mark] = deque(maxlen=KEPT_IDS)
        """The latest votes of low confidence."""
        self.audits = 0
        self.wrong = 0

    def to_json(self) -> dict[str, Any]:
        """Return the state."""
        return {
            "n": self.n,
            "votes": self.votes.to_json(),
            "with_p": self.with_p,
            "refused": self.refused,
            "streak": self.streak,
            "last_us": self.last_us,
            "history": self.history.to_json(),
            "unlike": [list(mark) for mark in self.unlike],
            "least_sure": [list(mark) for mark in self.least_sure],
            "audits": self.audits,
            "wrong": self.wrong,
        }

    @classmethod
    def of_json(cls, state: dict[str, Any]) -> Stream:
        """Go on from a state."""
        stream = cls()
        stream.n, stream.with_p = state["n"], state["with_p"]
        stream.refused, stream.streak = state["refused"], state["streak"]
        stream.last_us, stream.audits, stream.wrong = state["last_us"], state["audits"], state["wrong"]
        stream.votes, stream.history = Votes.of_json(state["votes"]), History.of_json(state["history"])
        for kept, marks in ((stream.unlike, state["unlike"]), (stream.least_sure, state["least_sure"])):
            kept.extend(Mark(*mark) for mark in marks)
        return stream
