"""The images that a bundle refused of late, and those among them that look alike: a new class, perhaps, ready to be labelled.

Only images whose files were kept can be looked at again. They are read and embedded one after the other, a bounded number of
them, within the memory that all pictures share; embeddings are remembered by the hash of the file.
"""

from __future__ import annotations

import logging
import threading
from collections import Counter, OrderedDict
from dataclasses import dataclass
from datetime import datetime
from typing import Any

from ...core.errors import InputError
from ...core.ports import PredictionStore
from ...core.records import Record, RecordFilter
from ...core.types import FloatArray, Verdict
from ...monitor.clusters import Cluster, clusters, joined, least_similarity
from ..served import ServedModel
from .alarm_words import source_name, utc
from .alarms import source_of
from .pictures import Pictures

log = logging.getLogger(__name__)

# So many of the newest refused images are looked at. The search for them gives up after so many pages.
MOST_IMAGES = 200
MOST_PAGES = 20

# Embeddings that are remembered, of all models together: some 5 kB each.
REMEMBERED = 1000

EXAMPLES = 6


@dataclass(frozen=True, eq=False)
class _Looked:
    """Refused images whose files could be read, and their embeddings (N, D)."""

    refused: int
    records: tuple[Record, ...]
    embedding_ND: FloatArray


class Refused:
    """Finds clusters among refused images. Call it off the event loop, one caller at a time."""

    def __init__(self, store: PredictionStore, pictures: Pictures) -> None:
        self._store, self._pictures = store, pictures
        self._remembered: OrderedDict[tuple[str, str], FloatArray | None] = OrderedDict()
        """Embeddings by bundle and file, None where the file cannot be read."""
        self._answers: dict[tuple[str, str], tuple[tuple[str, ...], dict[str, Any]]] = {}
        """The last answer for each bundle, and the predictions it was about."""
        self._turn = threading.Lock()

    def clusters(self, model: ServedModel) -> dict[str, Any]:
        """Answer as `ClustersAnswer`.

        Raises:
            StoreError: the store cannot be read.
        """
        with self._turn:
            records = self._refused(model)
            key = (model.name, model.version)
            kept = self._store.kept({record.input_sha256 for record in records if record.input_sha256 is not None})
            about = tuple(record.id for record in records if record.input_sha256 in kept)
            known = self._answers.get(key)
            if known is not None and known[0] == about and known[1]["refused"] == len(records):
                return known[1]
            answer = self._answer(model, self._looked(model, records, kept))
            self._answers[key] = (about, answer)
            return answer

    def _refused(self, model: ServedModel) -> list[Record]:
        wanted = RecordFilter(model=model.name, bundle_id=model.version, verdict=Verdict.OUT_OF_DOMAIN)
        found: list[Record] = []
        cursor: str | None = None
        for _ in range(MOST_PAGES):
            page = self._store.page(wanted, MOST_IMAGES, cursor)
            found += page.records
            cursor = page.next
            if cursor is None or len(found) >= MOST_IMAGES:
                break
        return found[:MOST_IMAGES]

    def _looked(self, model: ServedModel, records: list[Record], kept: frozenset[str]) -> _Looked:
        seen: list[Record] = []
        parts: list[FloatArray] = []
        for record in records:
            if record.input_sha256 is None or record.input_sha256 not in kept:
                continue
            embedding = self._embedding(model, record.input_sha256)
            if embedding is not None:
                seen.append(record)
                parts.append(embedding)
        return _Looked(len(records), tuple(seen), joined(parts))

    def _embedding(self, model: ServedModel, sha256: str) -> FloatArray | None:
        key = (model.version, sha256)
        if key in self._remembered:
            self._remembered.move_to_end(key)
            return self._remembered[key]
        found = self._remembered[key] = self._embed(model, sha256)
        while len(self._remembered) > REMEMBERED:
            self._remembered.popitem(last=False)
        return found

    def _embed(self, model: ServedModel, sha256: str) -> FloatArray | None:
        stored = self._store.input(sha256)
        if stored is None:
            return None  # forgotten meanwhile
        form = model.predictor.manifest.input
        try:
            with self._pictures.read(form, stored.data) as content:
                tensor = form.tensor(content)
                del content
        except (InputError, MemoryError):
            return None
        return model.predictor.run_tensor(tensor)[1]

    def _answer(self, model: ServedModel, looked: _Looked) -> dict[str, Any]:
        found = clusters(looked.embedding_ND, least_similarity(model.predictor.arrays()))
        alike = sum(len(cluster.rows_K) for cluster in found)
        embedded = len(looked.records)
        return {
            "model": model.name,
            "bundle_id": model.version,
            "refused": looked.refused,
            "embedded": embedded,
            "clusters": [_cluster_json(cluster, looked.records) for cluster in found],
            "alone": embedded - alike,
            "text": _told(looked.refused, embedded, alike, len(found)),
        }


def _cluster_json(cluster: Cluster, records: tuple[Record, ...]) -> dict[str, Any]:
    members = [records[row] for row in cluster.rows_K]
    sources = Counter(source_of(record.context) for record in members)
    moments: list[datetime] = sorted(record.at for record in members)
    return {
        "size": len(members),
        "sources": [
            {"source": source, "name": source_name(source), "n": count} for source, count in sources.most_common()
        ],
        "first": utc(moments[0]),
        "last": utc(moments[-1]),
        "similarity": round(cluster.similarity, 4),
        "ids": [record.id for record in members],
        "examples": [
            {
                "id": record.id,
                "input": f"/v1/inputs/{record.input_sha256}",
                "label": record.prediction.label,
                "at": utc(record.at),
            }
            for record in members[:EXAMPLES]
        ],
    }


def _told(refused: int, embedded: int, alike: int, groups: int) -> str:
    """Say in a sentence what was found."""
    if refused == 0:
        return "No images were refused."
    if embedded == 0:
        return f"{refused} images were refused, and none of their files was kept; serve --images 30d keeps them."
    if groups == 0:
        return f"No three of {embedded} refused images look alike."
    kinds = "one kind" if groups == 1 else f"{groups} kinds"
    return f"{alike} of {embedded} refused images look alike, in {kinds}: a new class, perhaps."
