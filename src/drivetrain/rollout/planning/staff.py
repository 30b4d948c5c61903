"""Made-up people who do the reviews of a made-up field, each after a while."""

from __future__ import annotations

from datetime import datetime, timedelta

import numpy as np

from ..effects import Ask
from ..events import Decided, ReviewKind
from ..way import HOW
from .world import Assumed, MadeUp

NAMES = ("anna", "bela", "cora", "dino", "enno", "fria")


class Staff:
    """Answers what is asked of people."""

    def __init__(self, assumed: Assumed, random: np.random.Generator) -> None:
        self._assumed, self._random = assumed, random

    def moment(self, ask: Ask, at: datetime) -> datetime:
        """Return when a review is done that is asked for now."""
        adjudicates = ask.kind is ReviewKind.ADJUDICATE
        mean = self._assumed.adjudication_days if adjudicates else self._assumed.decision_days
        return at + timedelta(days=float(self._random.exponential(mean)) if mean else 0.0)

    def answer(self, ask: Ask, made: MadeUp, at: datetime) -> Decided:
        """Do a review."""
        seconds = self._assumed.adjudication_s if ask.kind is ReviewKind.ADJUDICATE else self._assumed.decision_s
        by = next(name for name in NAMES if name not in ask.not_by)
        return Decided(at, ask.case_id, ask.kind, ask.round, by, self._label(ask, made), HOW[ask.kind], seconds)

    def _label(self, ask: Ask, made: MadeUp) -> str | None:
        chance, slip = self._random.random(2)
        if chance < self._assumed.cannot_tell:
            return None
        if ask.kind is ReviewKind.DECIDE:
            return made.person if ask.round == 0 else made.other_person
        if ask.kind is ReviewKind.CONFIRM:
            overlooks = made.answer.label != made.truth and slip < self._assumed.overlooked
            return made.answer.label if overlooks else made.truth
        if slip < self._assumed.adjudicator_error:
            return next((label for label in ask.shown if label != made.truth), made.truth)
        return made.truth
