"""The embedding pass: every file is read and decoded once, verified on the way, and run through the network.

Threads do the work (Pillow and ONNX Runtime let go of the interpreter lock); results come back in the order of the
items; memory is bounded by the chunk, not by the data set; what is done is committed chunk by chunk.
"""

from __future__ import annotations

import hashlib
import os
import time
from collections.abc import Mapping, Sequence
from concurrent.futures import Future, ThreadPoolExecutor
from dataclasses import dataclass

import numpy as np

from ..core.errors import ImageError
from ..core.ports import Progress, Silent
from ..core.types import Embeddings, FloatArray, ImageFacts, Item, Skipped
from ..data.decode import decode
from ..data.facts import facts_of
from .cache import EmbeddingCache, Facts, Failure
from .recipe import Recipe
from .session import Session

# Also what a killed process loses at most. Large enough to amortise a commit, small enough to bound memory.
CHUNK = 32


@dataclass(frozen=True)
class _Read:
    """A file's bytes and their hash, or why there are none."""

    sha256: str
    data: bytes
    failure: Failure | None = None


@dataclass(frozen=True)
class _Done:
    """What one decode of one file gave."""

    facts: Facts
    features: Mapping[str, FloatArray]


class Embedder:
    """Runs recipes over items. Sessions are opened when first needed, so a fully cached pass opens none."""

    def __init__(self, cache: EmbeddingCache, workers: int | None = None, progress: Progress | None = None) -> None:
        """``workers`` threads decode and run the network; by default one more than there are cores."""
        self._cache = cache
        self._workers = workers or available_cores() + 1
        self._progress = progress or Silent()
        self._sessions: dict[str, Session] = {}

    def embed(self, items: Sequence[Item], recipes: Sequence[Recipe], stage: str = "embed") -> dict[str, Embeddings]:
        """Embeddings of ``items`` for each recipe, by the recipe's key.

        Files that cannot be used are listed in ``skipped``, once each, in order; nothing else stops. ``stage`` is what
        the progress bar calls the pass.
        """
        collected: list[tuple[Facts, dict[str, FloatArray]]] = []
        chunks = [items[start : start + CHUNK] for start in range(0, len(items), CHUNK)]
        # Readers are apart from workers: the next chunk is looked up in the cache while this one is computed.
        readers = ThreadPoolExecutor(2, thread_name_prefix="read")
        workers = ThreadPoolExecutor(self._workers, thread_name_prefix="embed")
        try:
            with self._progress.stage(stage, len(items)) as advance:
                reading = [readers.submit(_read, item) for item in chunks[0]] if chunks else []
                pending: _Chunk | None = None
                for index in range(len(chunks)):
                    reads = [future.result() for future in reading]
                    following = chunks[index + 1] if index + 1 < len(chunks) else ()
                    reading = [readers.submit(_read, item) for item in following]
                    started = self._start(reads, recipes, workers)
                    if pending is not None:
                        collected += self._finish(pending)
                        advance(len(pending.reads))
                    pending = started
                if pending is not None:
                    collected += self._finish(pending)
                    advance(len(pending.reads))
        finally:
            # On an interruption what is queued is dropped; what was committed stays.
            readers.shutdown(wait=False, cancel_futures=True)
            workers.shutdown(wait=True, cancel_futures=True)
        return {recipe.key: _assemble(items, collected, recipe) for recipe in recipes}

    def time_per_image(self, item: Item, recipes: Sequence[Recipe]) -> tuple[float, dict[str, float]]:
        """Seconds of one core: to decode ``item``, and to prepare and run each recipe on it (warm).

        Raises:
            ImageError: the item cannot be decoded.
        """
        read = _read(item)
        if read.failure:
            raise ImageError(read.failure.reason, read.failure.detail)
        spec = recipes[0].backbone.preprocess
        start_s = time.perf_counter()
        decoded = decode(read.data, spec.decode_size)
        decode_s = time.perf_counter() - start_s
        seconds = {}
        for recipe in recipes:
            session = self._session(recipe)
            session.run(recipe.tensor(decoded.image)[None])
            start_s = time.perf_counter()
            session.run(recipe.tensor(decoded.image)[None])
            seconds[recipe.key] = time.perf_counter() - start_s
        return decode_s, seconds

    def _start(self, reads: list[_Read], recipes: Sequence[Recipe], workers: ThreadPoolExecutor) -> _Chunk:
        hashes = [read.sha256 for read in reads if not read.failure]
        facts = self._cache.facts(hashes, _decode_key(recipes[0]))
        cached = {recipe.key: self._cache.features(hashes, recipe.key, recipe.width) for recipe in recipes}
        jobs: dict[str, Future[_Done]] = {}
        for read in reads:
            if read.failure or read.sha256 in jobs or isinstance(facts.get(read.sha256), Failure):
                continue
            missing = [recipe for recipe in recipes if read.sha256 not in cached[recipe.key]]
            if missing or read.sha256 not in facts:
                sessions = [(recipe, self._session(recipe)) for recipe in missing]
                jobs[read.sha256] = workers.submit(_compute, read, sessions, recipes)
        return _Chunk(reads, facts, cached, jobs, _decode_key(recipes[0]))

    def _finish(self, chunk: _Chunk) -> list[tuple[Facts, dict[str, FloatArray]]]:
        done = {sha256: future.result() for sha256, future in chunk.jobs.items()}
        if done:
            self._cache.put(
                chunk.decode_key,
                [(sha256, result.facts) for sha256, result in done.items()],
                [(sha256, key, vector) for sha256, result in done.items() for key, vector in result.features.items()],
            )
        collected: list[tuple[Facts, dict[str, FloatArray]]] = []
        for read in chunk.reads:
            result = done.get(read.sha256)
            facts = read.failure or (result.facts if result else chunk.facts[read.sha256])
            features = {key: found[read.sha256] for key, found in chunk.cached.items() if read.sha256 in found}
            collected.append((facts, features | dict(result.features if result else {})))
        return collected

    def _session(self, recipe: Recipe) -> Session:
        backbone = recipe.backbone
        if backbone.fingerprint not in self._sessions:
            graph = backbone.build(backbone.block_names)
            self._sessions[backbone.fingerprint] = Session(graph.SerializeToString())
        return self._sessions[backbone.fingerprint]


@dataclass(frozen=True)
class _Chunk:
    """A chunk on its way: what was read, what the cache knew, what is being computed."""

    reads: list[_Read]
    facts: dict[str, Facts]
    cached: dict[str, dict[str, FloatArray]]
    jobs: dict[str, Future[_Done]]
    decode_key: str


def _decode_key(recipe: Recipe) -> str:
    """Facts of the pixels depend on the scale they were decoded at; the first recipe's decode is the one recorded."""
    spec = recipe.backbone.preprocess
    return f"{spec.decode_floor or 'full'}{'-long' if spec.resize.method == 'pad' else ''}"


def available_cores() -> int:
    """Cores this process may use (a container's limit counts), at least 1."""
    affinity = getattr(os, "sched_getaffinity", None)
    return len(affinity(0)) if affinity else os.cpu_count() or 1


def _read(item: Item) -> _Read:
    try:
        data = item.path.read_bytes()
    except FileNotFoundError:
        return _Read("", b"", Failure("missing", "no such file"))
    except OSError as error:
        return _Read("", b"", Failure("unreadable", error.strerror or str(error)))
    return _Read(hashlib.sha256(data).hexdigest(), data)


def _compute(read: _Read, sessions: Sequence[tuple[Recipe, Session]], recipes: Sequence[Recipe]) -> _Done:
    """Decode once, then run every recipe that is missing."""
    spec = recipes[0].backbone.preprocess
    features = {}
    try:
        decoded = decode(read.data, spec.decode_size)
        for recipe, session in sessions:
            # Packaged backbones share one decode; one that asks for another gets another, never somebody else's.
            own = recipe.backbone.preprocess
            shared = own.decode_floor == spec.decode_floor and own.resize.method == spec.resize.method
            image = decoded.image if shared else decode(read.data, own.decode_size).image
            features[recipe.key] = session.run(recipe.tensor(image)[None])[0][0]
    except ImageError as error:
        return _Done(Failure(error.reason, error.detail), {})
    return _Done(facts_of(read.sha256, decoded), features)


def _assemble(
    items: Sequence[Item], collected: Sequence[tuple[Facts, dict[str, FloatArray]]], recipe: Recipe
) -> Embeddings:
    rows = [row for row, (facts, _) in enumerate(collected) if isinstance(facts, ImageFacts)]
    features_ND = np.empty((len(rows), recipe.width), np.float32)
    for position, row in enumerate(rows):
        features_ND[position] = collected[row][1][recipe.key]
    skipped = [
        Skipped(item.name, facts.reason, facts.detail)
        for item, (facts, _) in zip(items, collected, strict=True)
        if isinstance(facts, Failure)
    ]
    facts = tuple(facts for facts, _ in collected if isinstance(facts, ImageFacts))
    return Embeddings(features_ND, np.asarray(rows, np.intp), facts, tuple(skipped))
