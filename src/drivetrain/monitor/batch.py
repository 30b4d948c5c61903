"""A watch over a batch of images: answered in turn, told to the watch, and looked at again where an alarm stands.

Shapes: N images, D embedding.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from datetime import timedelta
from typing import Any

import numpy as np

from ..core.errors import InputError
from ..core.ports import Progress, Silent
from ..core.types import FloatArray, Prediction
from ..core.verdict import Verdict
from ..model.predictor import Predictor
from ..stats.batch_tests import classifier_two_sample
from .clusters import clusters, least_similarity
from .listing import Listed, Taken
from .moment import EPOCH
from .observation import Observation
from .raised import Raised
from .reference import Reference
from .settings import Settings
from .summary import summary
from .watch import Watch

MOST_CLUSTERED = 500
"""Refused images that are looked at for clusters, the latest; it takes a run of the network for each."""
MOST_COMPARED = 150
"""Images before and since a change that a classifier compares."""
PERMUTATIONS = 199


@dataclass(frozen=True)
class Watched:
    """A batch that was watched."""

    watch: Watch
    document: dict[str, Any]
    """The object of ``monitor --json``."""


def watch_images(
    predictor: Predictor, listed: Listed, settings: Settings | None = None, progress: Progress | None = None
) -> Watched:
    """Answer images and watch the answers. Without times each is a vote, a minute after the one before."""
    progress = progress or Silent()
    watch = Watch.of(Reference.of(predictor), settings)
    images, timed = listed.images, listed.order == "time"
    refused: list[int] = []
    unreadable = 0
    raised: list[Raised] = []
    with progress.stage("monitor", len(images)) as advance:
        for number, (taken, prediction) in enumerate(_answered(predictor, images)):
            at = taken.at if timed and taken.at is not None else EPOCH + timedelta(minutes=number)
            seen = Observation.of_prediction(prediction, at, id=_id(number), source=taken.source)
            raised += watch.update(seen)
            unreadable += prediction.verdict is Verdict.UNREADABLE
            if prediction.verdict is Verdict.OUT_OF_DOMAIN:
                refused.append(number)
            advance(1)
    document = summary(watch, dated=timed)
    names = {_id(number): taken.name for number, taken in enumerate(images)}
    if not timed:
        document["sources"] = [{**one, "last": None} for one in document["sources"]]
    document["order"] = listed.order
    document["unreadable"] = unreadable
    document["alarms"] = [_alarm(predictor, images, one, names, timed) for one in raised]
    document["clusters"] = _clusters(predictor, images, refused)
    return Watched(watch, document)


def _id(number: int) -> str:
    return f"{number:032x}"


def _answered(predictor: Predictor, images: Sequence[Taken]) -> Iterator[tuple[Taken, Prediction]]:
    return zip(images, predictor.predict_many([one.file for one in images]), strict=True)


def _alarm(
    predictor: Predictor, images: Sequence[Taken], raised: Raised, names: dict[str, str], timed: bool
) -> dict[str, Any]:
    """An alarm with the images' names in place of ids, and what a classifier makes of the images before and since."""
    document = raised.to_json()
    evidence = dict(raised.evidence)
    began = int(evidence["began_with"], 16)
    evidence["began_with"] = names[evidence["began_with"]]
    evidence["images"] = [names[one] for one in evidence["images"]]
    own = [number for number, one in enumerate(images) if raised.source is None or one.source == raised.source]
    before, since = ([n for n in own if n < began], [n for n in own if n >= began])
    compared = _compared(predictor, images, before[-MOST_COMPARED:], since[:MOST_COMPARED])
    if compared is not None:
        evidence["tests"] = [*evidence["tests"], compared]
    if not timed:
        document["began"] = document["raised"] = None
    return {**document, "evidence": evidence}


def _compared(
    predictor: Predictor, images: Sequence[Taken], before: Sequence[int], since: Sequence[int]
) -> dict[str, Any] | None:
    """Compare embeddings with a classifier; None where there are too few images before the change."""
    (_, before_ND), (_, since_ND) = (_embedded(predictor, images, rows) for rows in (before, since))
    if min(len(before_ND), len(since_ND)) < 8:
        return None
    test = classifier_two_sample(before_ND, since_ND, permutations=PERMUTATIONS)
    return {"of": "embedding", "distance": test.distance, "p": test.p, "before": len(before_ND), "since": len(since_ND)}


def _embedded(predictor: Predictor, images: Sequence[Taken], rows: Sequence[int]) -> tuple[list[int], FloatArray]:
    """The embeddings of images, without those that cannot be read."""
    kept, embeddings = [], []
    for row in rows:
        try:
            embeddings.append(predictor.run(images[row].file)[1])
        except InputError:
            continue
        kept.append(row)
    return kept, np.stack(embeddings) if embeddings else np.empty((0, 1), np.float32)


def _clusters(predictor: Predictor, images: Sequence[Taken], refused: Sequence[int]) -> list[dict[str, Any]]:
    """Groups among refused images that look alike, each perhaps a class that the model does not know."""
    kept, embedding_ND = _embedded(predictor, images, refused[-MOST_CLUSTERED:])
    found = clusters(embedding_ND, least_similarity(predictor.arrays()))
    return [
        {
            "n": len(cluster.rows_K),
            "similarity": cluster.similarity,
            "images": [images[kept[row]].name for row in cluster.rows_K],
        }
        for cluster in found
    ]
