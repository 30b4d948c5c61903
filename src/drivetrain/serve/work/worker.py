"""The work of a worker thread on the inputs it takes: bytes to tensor, one run of the network, answers as entries."""

from __future__ import annotations

import logging
import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from weakref import finalize

import numpy as np

from ...core.errors import InputError
from ...core.identifiers import new_id
from ...core.records import Context, Entry, Record, StoredInput, Timings
from ...core.types import Facts, FloatArray, Prediction
from ...model.policy import unreadable
from ...model.seen import Seen
from .job import Job
from .keeping import Keeping
from .pictures import Pictures

log = logging.getLogger(__name__)

# Seconds that a batch may take to be prepared: inputs that are ready do not wait longer for pictures that take seconds each.
TURN_S = 0.5

EPOCH = datetime(1970, 1, 1, tzinfo=UTC)

Judged = Callable[[str, Context, Prediction], Prediction]
"""Turns a model's answer to an input with that context into the one that is given, see `Alarms.judged`."""


@dataclass(frozen=True)
class Prepared:
    """An input made ready for the network, or found to be unreadable."""

    job: Job
    taken_s: float
    decode_s: float
    tensor: FloatArray | None
    """The network's input; None where the bytes cannot be read."""
    facts: Facts = field(default_factory=dict)
    error: str | None = None
    sha256: str | None = None
    kept: StoredInput | None = None


def prepare(jobs: Sequence[Job], keeping: Keeping, pictures: Pictures) -> list[Prepared]:
    """Prepare jobs for the network, in order: all of them, unless some take so long that those that are ready had better
    not wait; at least one."""
    until_s = time.monotonic() + TURN_S
    prepared = [_prepare(jobs[0], keeping, pictures)]
    for job in jobs[1:]:
        if time.monotonic() > until_s:
            break
        prepared.append(_prepare(job, keeping, pictures))
    return prepared


def as_it_is(model: str, context: Context, prediction: Prediction) -> Prediction:  # noqa: ARG001  # as `Judged`
    """Give the model's answer."""
    return prediction


def answer(prepared: Sequence[Prepared], *, wide: bool = False, judged: Judged = as_it_is) -> list[Entry]:
    """Answer jobs (all of one model) with one run of its network; entries in their order, as they are stored.

    ``wide``: on all cores, as nothing else is to do. ``judged`` has the last word on each answer.
    """
    predictor = prepared[0].job.model.predictor
    tensors = [one.tensor for one in prepared if one.tensor is not None]
    facts = [one.facts for one in prepared if one.tensor is not None]
    start_s = time.monotonic()
    seen = iter(predictor.see(_batch(tensors), facts, wide=wide) if tensors else ())
    end_s = time.monotonic()
    network_s = end_s - start_s
    return [_entry(one, None if one.tensor is None else next(seen), network_s, judged) for one in prepared]


def _batch(tensors: Sequence[FloatArray]) -> FloatArray:
    return tensors[0][None] if len(tensors) == 1 else np.stack(tensors)


def _prepare(job: Job, keeping: Keeping, pictures: Pictures) -> Prepared:
    """Read an input, make its tensor, and prepare the file to be stored, so that its content can be let go."""
    start_s = time.monotonic()
    form, data = job.model.predictor.manifest.input, job.upload.data
    if job.upload.tensor is not None:
        return Prepared(job, start_s, 0.0, job.upload.tensor)
    sha256 = keeping.sha256(data)
    kept: StoredInput | None = None
    try:
        with pictures.read(form, data) as content:
            tensor = form.tensor(content)
            decode_s = time.monotonic() - start_s
            facts, media_type, whole = form.facts(content), form.media_type(content), form.is_whole(content)
            if whole:
                kept = keeping.kept(form, data, sha256, media_type, pictures, content)
            del content  # freed before its memory is given back to the budget
        if not whole:
            kept = keeping.kept(form, data, sha256, media_type, pictures)
    except InputError as error:
        return Prepared(job, start_s, time.monotonic() - start_s, None, error=str(error), sha256=sha256)
    except MemoryError:
        reason = "out of memory: not enough memory to prepare it"
        return Prepared(job, start_s, time.monotonic() - start_s, None, error=reason, sha256=sha256)
    return Prepared(job, start_s, decode_s, tensor, facts, sha256=sha256, kept=_with_room(job, kept, pictures))


def _with_room(job: Job, kept: StoredInput | None, pictures: Pictures) -> StoredInput | None:
    """The image, if there is room for it until it is stored. What came in is counted as a request's body; what has become
    larger on the way is counted until the request is done with."""
    if kept is None or len(kept.data) <= len(job.upload.data):
        return kept
    if not pictures.waiting.try_hold(len(kept.data)):
        log.warning("an image was not kept, only its hash: too much waits to be stored")
        return None
    finalize(job.ticket, pictures.waiting.release, len(kept.data))
    return kept


def _entry(one: Prepared, seen: Seen | None, network_s: float, judged: Judged) -> Entry:
    job = one.job
    predictor, upload = job.model.predictor, job.upload
    if seen is None:
        prediction = unreadable(upload.name, one.error or "damaged", predictor.manifest.bundle_id)
    else:
        prediction = judged(job.model.name, upload.context, predictor.judge(upload.name, seen))
    # The clock is read once for both, so that ids and moments sort alike.
    now_ns = time.time_ns()
    record = Record(
        id=new_id(lambda: now_ns),
        request_id=job.request_id,
        at=EPOCH + timedelta(microseconds=now_ns // 1000),
        model=job.model.name,
        prediction=prediction,
        timings=Timings(one.taken_s - job.accepted_s, one.decode_s, network_s, time.monotonic() - job.accepted_s),
        input_sha256=one.sha256,
        facts=one.facts,
        context=upload.context,
        key_id=job.key_id,
    )
    return Entry(record, one.kept)
