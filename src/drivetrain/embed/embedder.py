"""The embedding pass: every item is read and decoded once, verified on the way, and run through the network.

Threads do the work (Pillow and ONNX Runtime let go of the interpreter lock); results come back in the order of the
items; memory is bounded by the chunk, not by the data set; what is done is committed chunk by chunk.
"""

from __future__ import annotations

import hashlib
import os
from collections import deque
from collections.abc import Callable, Iterator, Mapping, Sequence
from concurrent.futures import Future, ThreadPoolExecutor
from dataclasses import dataclass
from functools import partial
from pathlib import Path

import numpy as np

from ..core.cores import available_cores
from ..core.errors import ImageError, InputError
from ..core.plain_file import open_plain
from ..core.ports import Progress, Silent
from ..core.reference import MAX_BYTES, Reference, read_reference
from ..core.types import Embeddings, FloatArray, Item, ItemFacts, Skipped
from ..data.preparation import Preparation
from .cache import EmbeddingCache, Facts, Failure
from .recipe import Recipe
from .session import Session

# Items of a chunk, which is also the most that a killed process loses. Large enough to amortise a commit, small enough to
# bound memory.
CHUNK = 32

# Images a worker decodes before it runs the network on them, one by one: switching between the two for every image
# costs a core its caches, about 5 % of the pass. Fewer where a chunk would not give every worker a batch.
BATCH = 8

# Files up to this size are kept in memory between hashing and decoding; three chunks of them at most. A larger file
# is hashed as it is read, and read again before it is decoded, which costs less than decoding it.
KEPT_BYTES = 8 << 20


Network = Callable[[FloatArray], FloatArray]
"""Tensors (N, …), of images (N, 3, H, W) → embeddings (N, D); called from several threads at once."""


@dataclass(frozen=True)
class _Read:
    """A file's hash and, unless the file is large, its bytes; or the failure to read them."""

    reference: Reference
    sha256: str
    data: bytes | None
    failure: Failure | None = None

    def bytes(self) -> bytes:
        """Return the bytes with this hash, and no others.

        Raises:
            ImageError: the file has changed or gone since it was hashed.
        """
        if self.data is not None:
            return self.data
        try:
            data = read_reference(self.reference)
        except OSError as error:
            raise ImageError("unreadable", error.strerror or str(error)) from None
        if hashlib.sha256(data).hexdigest() != self.sha256:
            raise ImageError("changed", "the file was written to while it was read; run again")
        return data


@dataclass(frozen=True)
class _Known:
    """The knowledge of one file: its facts, and embeddings by recipe key (none where the file cannot be used)."""

    facts: Facts
    features: Mapping[str, FloatArray]


class Embedder:
    """Runs recipes over items. Sessions are opened when first needed, so a fully cached pass opens none."""

    def __init__(
        self,
        cache: EmbeddingCache,
        workers: int | None = None,
        progress: Progress | None = None,
        loaded: Mapping[str, Network] | None = None,
    ) -> None:
        """``workers`` threads decode and run the network; by default one more than there are cores.

        ``loaded``: networks that are in memory already, by the key of the recipe they stand for.
        """
        self._cache = cache
        self._workers = workers or available_cores() + 1
        self._progress = progress or Silent()
        self._loaded = loaded or {}
        self._sessions: dict[tuple[str, tuple[str, ...]], Session] = {}

    def embed(self, items: Sequence[Item], recipes: Sequence[Recipe], stage: str = "embed") -> dict[str, Embeddings]:
        """Compute the embeddings of ``items`` for each recipe, by the recipe's key.

        Files that cannot be used are listed in ``skipped``, once each, in order; nothing else stops. ``stage`` is what
        the progress bar calls the pass.
        """
        known: dict[str, _Known] = {}
        order: list[str | Failure] = []
        pending: deque[_Chunk] = deque()
        started: set[str] = set()
        readers = ThreadPoolExecutor(2, thread_name_prefix="read")
        workers = ThreadPoolExecutor(self._workers, thread_name_prefix="embed")
        try:
            with self._progress.stage(stage, len(items)) as advance:

                def finish() -> None:
                    chunk = pending.popleft()
                    known.update(self._finish(chunk))
                    advance(chunk.items)

                for reads in _read_ahead(items, readers):
                    order += [read.failure or read.sha256 for read in reads]
                    # Files with equal bytes are computed once.
                    new = {r.sha256: r for r in reads if not r.failure and r.sha256 not in started}
                    started.update(new)
                    # The next chunk is looked up and queued before the last one is finished, so that workers never run dry.
                    pending.append(self._start(new, len(reads), recipes, workers))
                    if len(pending) > 1:
                        finish()
                while pending:
                    finish()
        finally:
            # An interruption or error drops the queued work; committed entries stay.
            readers.shutdown(wait=False, cancel_futures=True)
            workers.shutdown(wait=True, cancel_futures=True)
        everything = [_Known(entry, {}) if isinstance(entry, Failure) else known[entry] for entry in order]
        return {recipe.key: _assemble(items, everything, recipe) for recipe in recipes}

    def _start(
        self, reads: Mapping[str, _Read], n_items: int, recipes: Sequence[Recipe], workers: ThreadPoolExecutor
    ) -> _Chunk:
        """Look files up by their hash, and begin to compute those that the cache lacks."""
        hashes = list(reads)
        # Facts depend on how the content was read; those recorded are of the first recipe's way.
        preparation = recipes[0].backbone.preprocess
        facts = self._cache.facts(hashes, preparation)
        cached = {recipe.key: self._cache.features(hashes, recipe.key, recipe.width) for recipe in recipes}
        work: list[tuple[_Read, list[Recipe]]] = []
        for sha256, read in reads.items():
            if isinstance(facts.get(sha256), Failure):
                continue
            missing = [recipe for recipe in recipes if sha256 not in cached[recipe.key]]
            if missing or sha256 not in facts:
                work.append((read, missing))
        networks = {recipe.key: self._network(recipe) for _, missing in work for recipe in missing}
        batch = max(1, min(BATCH, len(work) // self._workers))
        jobs = [
            workers.submit(_compute, work[start : start + batch], networks, preparation)
            for start in range(0, len(work), batch)
        ]
        return _Chunk(n_items, facts, cached, jobs, preparation)

    def _finish(self, chunk: _Chunk) -> dict[str, _Known]:
        """Wait for a chunk, commit its new entries and return all that is known of its files, by hash."""
        done = {sha256: result for job in chunk.jobs for sha256, result in job.result().items()}
        lasting = {sha256: result for sha256, result in done.items() if not _is_passing(result.facts)}
        if lasting:
            self._cache.put(
                chunk.preparation,
                [(sha256, result.facts) for sha256, result in lasting.items()],
                [
                    (sha256, key, vector)
                    for sha256, result in lasting.items()
                    for key, vector in result.features.items()
                ],
            )
        known = {}
        for sha256, facts in (chunk.facts | {sha256: result.facts for sha256, result in done.items()}).items():
            features = {key: found[sha256] for key, found in chunk.cached.items() if sha256 in found}
            known[sha256] = _Known(facts, features | dict(done[sha256].features if sha256 in done else {}))
        return known

    def _network(self, recipe: Recipe) -> Network:
        return self._loaded.get(recipe.key) or partial(_first_output, self._session(recipe))

    def _session(self, recipe: Recipe) -> Session:
        backbone = recipe.backbone
        graph = (backbone.fingerprint, backbone.block_names)
        if graph not in self._sessions:
            self._sessions[graph] = Session(backbone.build(backbone.block_names).SerializeToString())
        return self._sessions[graph]


@dataclass(frozen=True)
class _Chunk:
    """The new files of a chunk under way: what the cache knew of them, and the jobs that compute the rest."""

    items: int
    facts: dict[str, Facts]
    cached: dict[str, dict[str, FloatArray]]
    jobs: list[Future[dict[str, _Known]]]
    preparation: Preparation


def _read_ahead(items: Sequence[Item], readers: ThreadPoolExecutor) -> Iterator[list[_Read]]:
    """Yield the items' files chunk by chunk, each read while the chunk before is in use."""
    reading = [readers.submit(_read, item) for item in items[:CHUNK]]
    for start in range(CHUNK, len(items) + CHUNK, CHUNK):
        reads = [future.result() for future in reading]
        reading = [readers.submit(_read, item) for item in items[start : start + CHUNK]]
        yield reads


def _read(item: Item) -> _Read:
    def failed(reason: str, detail: str) -> _Read:
        return _Read(reference, "", None, Failure(reason, detail))

    reference = item.reference
    try:
        if isinstance(reference, Path):
            with open_plain(reference) as file:
                size = os.fstat(file.fileno()).st_size
                if size > MAX_BYTES:
                    return failed("too large", f"{size >> 20} MiB; at most {MAX_BYTES >> 20} MiB")
                if size > KEPT_BYTES:
                    return _Read(reference, hashlib.file_digest(file, "sha256").hexdigest(), None)
                data = file.read()
        else:
            data = reference.read_bytes()
            if len(data) > MAX_BYTES:
                return failed("too large", f"{len(data) >> 20} MiB; at most {MAX_BYTES >> 20} MiB")
    except FileNotFoundError:
        return failed("missing", "no such file")
    except (OSError, ValueError) as error:  # ValueError: the path contains a null character
        return failed("unreadable", getattr(error, "strerror", None) or str(error))
    except MemoryError:
        return failed("out of memory", "not enough memory to read it")
    kept = data if len(data) <= KEPT_BYTES else None
    return _Read(reference, hashlib.sha256(data).hexdigest(), kept)


def _compute(
    work: Sequence[tuple[_Read, Sequence[Recipe]]], networks: Mapping[str, Network], preparation: Preparation
) -> dict[str, _Known]:
    """Read each item once, then run every recipe that is missing. Facts are those of ``preparation``."""
    facts: dict[str, Facts] = {}
    tensors: dict[str, list[tuple[str, FloatArray]]] = {}
    for read, missing in work:
        try:
            own, facts[read.sha256] = _prepare(read, missing, preparation)
        except InputError as error:
            facts[read.sha256] = Failure(error.reason, error.detail)
        except MemoryError:
            facts[read.sha256] = Failure("out of memory", "not enough memory to decode and resize it")
        else:
            for key, tensor in own.items():
                tensors.setdefault(key, []).append((read.sha256, tensor))
    features: dict[str, dict[str, FloatArray]] = {sha256: {} for sha256 in facts}
    for key, inputs in tensors.items():
        for sha256, tensor in inputs:
            features[sha256][key] = networks[key](tensor[None])[0]
    return {sha256: _Known(fact, features[sha256]) for sha256, fact in facts.items()}


def _first_output(session: Session, tensors_NKHW: FloatArray) -> FloatArray:
    return session.run(tensors_NKHW)[0]


def _prepare(
    read: _Read, recipes: Sequence[Recipe], preparation: Preparation
) -> tuple[dict[str, FloatArray], ItemFacts]:
    """Prepare each recipe's tensor, by the recipe's key, and the facts of the item."""
    data = read.bytes()
    content = preparation.read(data)
    tensors = {}
    for recipe in recipes:
        # Packaged backbones share one reading; a backbone whose preparation reads in another way gets a reading of its own.
        own = recipe.backbone.preprocess
        tensors[recipe.key] = recipe.tensor(content if own.reading == preparation.reading else own.read(data))
    return tensors, preparation.facts(read.sha256, content)


def _is_passing(facts: Facts) -> bool:
    """Tells whether a failure has nothing to do with the bytes, so that the file may be usable the next time."""
    return isinstance(facts, Failure) and facts.reason in InputError.PASSING


def _assemble(items: Sequence[Item], known: Sequence[_Known], recipe: Recipe) -> Embeddings:
    usable = [(row, one, one.facts) for row, one in enumerate(known) if isinstance(one.facts, ItemFacts)]
    features_ND = np.empty((len(usable), recipe.width), np.float32)
    for position, (_, one, _) in enumerate(usable):
        features_ND[position] = one.features[recipe.key]
    skipped = tuple(
        Skipped(item.name, one.facts.reason, one.facts.detail)
        for item, one in zip(items, known, strict=True)
        if isinstance(one.facts, Failure)
    )
    rows_N = np.asarray([row for row, _, _ in usable], np.intp)
    return Embeddings(features_ND, rows_N, tuple(facts for _, _, facts in usable), skipped)
