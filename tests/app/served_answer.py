"""The answer of a server's worker to one upload, without a server."""

from __future__ import annotations

import time
from pathlib import Path

from drivetrain.core.memory_budget import MemoryBudget
from drivetrain.core.retention import Retention
from drivetrain.model.predictor import Predictor
from drivetrain.serve.served import ServedModel
from drivetrain.serve.work.job import Entry, Ticket, Upload, jobs_of
from drivetrain.serve.work.keeping import Keeping
from drivetrain.serve.work.pictures import Pictures
from drivetrain.serve.work.worker import answer, prepare


def served_answer(predictor: Predictor, name: str, data: bytes) -> Entry:
    """Let a worker that keeps nothing answer one file."""
    jobs = jobs_of(
        ServedModel("m", Path("m"), predictor),
        [Upload(name, data)],
        Ticket(1, lambda _: None),
        client="a",
        request_id="r",
        key_id=None,
        now_s=time.monotonic(),
        deadline_s=float("inf"),
    )
    (entry,) = answer(prepare(jobs, Keeping(Retention.parse("none")), Pictures(MemoryBudget(1 << 30))))
    return entry
