"""A candidate's answers to its champion's cases, through the engine and the ledger like any prediction."""

from __future__ import annotations

import threading
import time
from collections.abc import Callable

from ...core.case import Case, ModelAnswer
from ...core.errors import DrivetrainError, StoreError
from ...core.identifiers import new_id
from ...core.ports import Store
from ...core.records import Context
from ..served import ServedModel
from .engine import Engine
from .fair_queue import QueueFull
from .job import Job, Ticket, Upload, jobs_of
from .model_answers import model_answer

# Seconds within which an answer has to come; the case is asked about again later where it does not.
PATIENCE_S = 30.0

# Answers that are remembered, so that none is asked for twice where what they were for could not be written.
REMEMBERED = 1_000


class CandidateError(DrivetrainError):
    """The candidate cannot be asked just now."""


class CandidateAnswers:
    """Answers cases with one bundle. For one thread at a time."""

    def __init__(
        self,
        store: Store,
        engine: Engine,
        served: Callable[[], ServedModel],
        rollout: str,
        stops: Callable[[], bool] = lambda: False,
    ) -> None:
        """``served`` is the bundle under the name it answers to just now; ``stops`` tells that the server ends."""
        self._store, self._engine, self._served = store, engine, served
        self._rollout, self._stops = rollout, stops
        self._known: dict[str, ModelAnswer] = {}

    def __call__(self, case: Case) -> ModelAnswer | None:
        """Answer a case; None where its first image is not kept.

        Raises:
            CandidateError: the queue is full, the answer did not come in time, or the server stops.
            StoreError: the store cannot be used.
        """
        known = self._known.get(case.id)
        if known is not None:
            return known
        if self._stops():
            raise CandidateError(f"the server stops; the candidate {self._rollout} goes on after its next start")
        stored = self._store.input(case.inputs[0])
        if stored is None:
            return None
        slices = dict(case.slices)
        extra = {"rollout": self._rollout, "case": case.key, "slices": slices}
        context = Context(slices.get("camera"), slices.get("site"), case.group, case.at, extra)
        answer = self._answered(Upload("", stored.data, context))
        if len(self._known) >= REMEMBERED:
            self._known.clear()
        self._known[case.id] = answer
        return answer

    def _answered(self, upload: Upload) -> ModelAnswer:
        done, unstored = threading.Event(), list[StoreError | None]()

        def outcome(_: Ticket, error: StoreError | None) -> None:
            unstored.append(error)
            done.set()

        try:
            ticket = self._engine.submit(lambda ticket: self._jobs(upload, ticket), 1, outcome)
        except QueueFull:
            raise CandidateError(f"the queue is full; the candidate {self._rollout} waits") from None
        if not done.wait(PATIENCE_S):
            self._engine.drop(ticket)
            raise CandidateError(f"no answer of the candidate {self._rollout} within {PATIENCE_S:.0f} s")
        if unstored[0] is not None:
            raise unstored[0]
        if ticket.failure is not None:
            raise CandidateError(f"no answer of the candidate {self._rollout}: {ticket.failure}")
        return model_answer(ticket.complete()[0].record)

    def _jobs(self, upload: Upload, ticket: Ticket) -> list[Job]:
        now_s = time.monotonic()
        return jobs_of(
            self._served(),
            [upload],
            ticket,
            client=f"rollout {self._rollout}",
            request_id=new_id(),
            key_id=None,
            now_s=now_s,
            deadline_s=now_s + PATIENCE_S,
        )
