"""What a worker thread does with the images it takes: bytes to tensor, one run of the network, answers as entries.

Shapes: N images of a batch, K = 3 channels, H and W pixels, C outputs.
"""

from __future__ import annotations

import hashlib
import logging
import time
from collections.abc import Sequence
from dataclasses import dataclass, replace
from datetime import UTC, datetime, timedelta

import numpy as np

from ..core.errors import ImageError
from ..core.identifiers import new_id
from ..core.records import Entry, Record, StoredImage, Timings
from ..core.retention import Retention
from ..core.types import FloatArray, Prediction, Verdict
from ..data.decode import decode
from ..data.metadata import strip_metadata
from ..data.preprocess import apply
from .job import Job

log = logging.getLogger(__name__)

EPOCH = datetime(1970, 1, 1, tzinfo=UTC)

# What the image of an entry is called until its hash is known; those that could not be read are told apart.
UNHASHED, UNREAD = "", "unread"


@dataclass(frozen=True)
class Keeping:
    """What of an image goes into the store."""

    retention: Retention
    keep_metadata: bool = False


@dataclass(frozen=True)
class _Prepared:
    job: Job
    taken_s: float
    decode_s: float
    tensor_KHW: FloatArray | None
    """None where the image cannot be read."""
    width: int | None = None
    height: int | None = None
    media_type: str = "application/octet-stream"
    error: str | None = None


def answer(jobs: Sequence[Job], keeping: Keeping, *, wide: bool = False) -> list[Entry]:
    """Answer the jobs (all of one model) with one run of its network; entries in their order, to be `finished`.

    ``wide``: on all cores, as nothing else is to do.
    """
    predictor = jobs[0].model.predictor
    prepared = [_prepare(job) for job in jobs]
    tensors = [one.tensor_KHW for one in prepared if one.tensor_KHW is not None]
    start_s = time.monotonic()
    logits_NC = predictor.run_batch(_batch(tensors), wide=wide)[0] if tensors else np.empty((0, 0), np.float32)
    end_s = time.monotonic()
    rows = iter(logits_NC)
    return [_entry(one, None if one.tensor_KHW is None else next(rows), end_s - start_s, keeping) for one in prepared]


def _batch(tensors: Sequence[FloatArray]) -> FloatArray:
    return tensors[0][None] if len(tensors) == 1 else np.stack(tensors)


def _prepare(job: Job) -> _Prepared:
    start_s = time.monotonic()
    spec = job.model.predictor.manifest.preprocess
    if job.upload.tensor_KHW is not None:
        return _Prepared(job, start_s, 0.0, job.upload.tensor_KHW)
    try:
        decoded = decode(job.upload.data, spec.decode_size)
        if 0 in decoded.image.size:
            raise ImageError("damaged", "the image has no pixels")
        tensor_KHW = apply(decoded.image, spec)
    except ImageError as error:
        return _Prepared(job, start_s, time.monotonic() - start_s, None, error=str(error))
    except MemoryError:
        return _Prepared(
            job, start_s, time.monotonic() - start_s, None, error="out of memory: not enough memory to prepare it"
        )
    return _Prepared(
        job,
        start_s,
        time.monotonic() - start_s,
        tensor_KHW,
        decoded.width,
        decoded.height,
        f"image/{decoded.format.lower()}",
    )


def _entry(one: _Prepared, logits_C: FloatArray | None, network_s: float, keeping: Keeping) -> Entry:
    job = one.job
    manifest, upload = job.model.predictor.manifest, job.upload
    if logits_C is None:
        prediction = Prediction(
            upload.name, None, 0.0, {}, Verdict.UNREADABLE, manifest.bundle_id, error=one.error or "damaged"
        )
    else:
        prediction = job.model.predictor.judge(upload.name, logits_C)
    received = keeping.retention.keeps_hash and upload.tensor_KHW is None
    image = StoredImage(UNREAD if one.error else UNHASHED, upload.data, one.media_type) if received else None
    # One look at the clock for both, so that ids and moments sort alike.
    now_ns = time.time_ns()
    record = Record(
        id=new_id(lambda: now_ns),
        request_id=job.request_id,
        at=EPOCH + timedelta(microseconds=now_ns // 1000),
        model=job.model.name,
        prediction=prediction,
        timings=Timings(one.taken_s - job.accepted_s, one.decode_s, network_s, time.monotonic() - job.accepted_s),
        width=one.width,
        height=one.height,
        context=upload.context,
        key_id=job.key_id,
    )
    return Entry(record, image)


def finished(entry: Entry, keeping: Keeping) -> Entry:
    """An entry as it is stored: its image named by the hash of what was received, and kept as far as the rule says.

    The ledger does this for a group at a time. After a run of the network a worker finds nothing of Python in its core's
    cache, and the same work takes several times as long there.
    """
    received = entry.image
    if received is None or entry.record.image_sha256 is not None:
        return entry  # done before: the ledger tries again one by one where a group fails
    sha256 = hashlib.sha256(received.data).hexdigest()
    # What cannot be read is no image: nobody could look at it, and its metadata could not be taken out.
    kept = keeping.retention.keeps_image and received.sha256 != UNREAD
    return Entry(replace(entry.record, image_sha256=sha256), _stored(received, sha256, keeping) if kept else None)


def _stored(received: StoredImage, sha256: str, keeping: Keeping) -> StoredImage | None:
    if keeping.keep_metadata:
        return StoredImage(sha256, received.data, received.media_type)
    try:
        return StoredImage(sha256, *strip_metadata(received.data))
    except ImageError as error:
        log.warning("an image was not kept, as its metadata cannot be taken out: %s", error)
        return None
