"""A bundle's answers to many files, from the cache of embeddings where possible.

Where the backbone that the bundle was trained on is at hand, its embeddings are what `train` keeps as well: of images seen
before there is nothing left to run but the head, a matrix product. Any other network (fine-tuned, or from a file that is
elsewhere) is run once, and what it gave is kept by the hash of the graph. Either way some images are answered by the
bundle's own graph too; where the two differ, the graph answers everything anew, and the reader is told.
Shapes: N usable items, D embedding, O outputs.
"""

from __future__ import annotations

import hashlib
from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace

import numpy as np

from ..core.errors import BundleError, InputError, UsageError, WeightsError
from ..core.ports import Progress
from ..core.types import Embeddings, FloatArray, Item
from ..embed.backbone import OUTPUT, Backbone, Block
from ..embed.cache import EmbeddingCache
from ..embed.embedder import Embedder, Network
from ..embed.recipe import Recipe, View
from ..embed.registry import PACKAGED, resolve_like
from ..learn.selection import Features
from ..model.export import LOGITS, head_of
from ..model.inputs.input import Input
from ..model.predictor import Predictor
from ..model.seen import SeenItems
from ..model.storage import FROZEN, MODEL, read_files

# The number of images that the bundle's own graph answers as well, to check the cache.
SAMPLE = 16

# The most by which those answers may differ: of probabilities, or of numbers in spreads of the training data. Other
# versions of the runtime, or other processors, move an answer by less than a hundredth of this.
AGREEMENT = 1e-3


@dataclass(frozen=True, eq=False)
class Embedded:
    """Answers to the items that could be used."""

    embeddings: Embeddings
    """``features_ND`` as the bundle's graph gives them."""
    logits_NO: FloatArray
    frozen_NF: FloatArray | None
    """The embeddings of the network before fine-tuning; None where no rule of the policy asks for it."""
    remark: str | None
    """A sentence, where the cache could not be relied on."""

    def seen(self, form: Input) -> SeenItems:
        """All that verdicts need; ``form`` is the bundle's input."""
        frozen_NF = self.frozen_NF
        return SeenItems(
            self.logits_NO,
            lambda: self.embeddings.features_ND,
            None if frozen_NF is None else lambda: frozen_NF,
            lambda row: form.facts_in(self.embeddings.facts[row].details),
        )


@dataclass(frozen=True, eq=False)
class _Outputs:
    """The outputs of a bundle's graphs."""

    embedding_ND: FloatArray
    logits_NO: FloatArray
    frozen_NF: FloatArray | None


@dataclass(frozen=True, eq=False)
class _Way:
    """A way to answers: the recipes to embed, and the step from embeddings to answers."""

    recipes: tuple[Recipe, ...]
    answers: Callable[[Callable[[Recipe], FloatArray]], _Outputs]
    """From what each recipe gave."""
    loaded: dict[str, Network]


def answer_items(
    predictor: Predictor, items: Sequence[Item], cache: EmbeddingCache, workers: int | None, progress: Progress
) -> Embedded:
    """The bundle's embeddings and logits of each item that can be decoded."""
    graph = _by_graph(predictor)
    way = _by_backbone(predictor) or graph
    answered = _answer(way, items, cache, workers, progress)
    gap = _largest_difference(predictor, items, answered)
    if gap <= AGREEMENT:
        return answered
    memory = EmbeddingCache(None)
    try:
        anew = _answer(graph, items, memory, workers, progress)
    finally:
        memory.close()
    remark = (
        f"Answers from cached embeddings differ from the bundle's own by up to {gap:.2g} (at most {AGREEMENT:g}), so every "
        "image was answered by the bundle anew; drivetrain cache prune --unused-days 0 empties the cache."
    )
    return replace(anew, remark=remark)


def _answer(
    way: _Way, items: Sequence[Item], cache: EmbeddingCache, workers: int | None, progress: Progress
) -> Embedded:
    embedded = Embedder(cache, workers, progress, way.loaded).embed(items, way.recipes, stage="evaluate")
    gave = way.answers(lambda recipe: embedded[recipe.key].features_ND)
    embeddings = replace(embedded[way.recipes[0].key], features_ND=gave.embedding_ND)
    return Embedded(embeddings, gave.logits_NO, gave.frozen_NF, None)


def _by_backbone(predictor: Predictor) -> _Way | None:
    """Answer by the bundle's named backbone and the head of its graph; None where either is not to be had."""
    backbone, head = _backbone_of(predictor), _head_of(predictor)
    if backbone is None or head is None:
        return None
    about, (weight_DO, bias_O) = predictor.manifest.backbone, head
    features = Features(backbone, about.blocks, tuple(View(view) for view in about.views))
    if len(backbone.columns(about.blocks)) != len(weight_DO):
        return None
    # `Features` scales the row of blocks to unit length, the graph does not.
    scale = np.float32(np.sqrt(len(about.blocks)))

    def answers(embedded: Callable[[Recipe], FloatArray]) -> _Outputs:
        embedding_ND: FloatArray = np.asarray(features.matrix(embedded) * scale, np.float32)
        logits_NO: FloatArray = embedding_ND @ weight_DO + bias_O
        # Nothing was fine-tuned, or there would be no such way.
        return _Outputs(embedding_ND, logits_NO, embedding_ND)

    return _Way(features.recipes, answers, {})


def _backbone_of(predictor: Predictor) -> Backbone | None:
    manifest = predictor.manifest
    about, spec = manifest.backbone, manifest.input.preprocess
    if manifest.training.fine_tuning is not None or about.name not in PACKAGED:
        return None
    try:
        backbone = resolve_like(about.name, spec)
    except (UsageError, WeightsError):
        return None
    known = set(backbone.block_names)
    if backbone.fingerprint != about.fingerprint or not about.blocks or not known.issuperset(about.blocks):
        return None
    if not about.views or not {str(view) for view in View}.issuperset(about.views):
        return None
    return replace(backbone, preprocess=spec)


def _head_of(predictor: Predictor) -> tuple[FloatArray, FloatArray] | None:
    try:
        model = read_files(predictor.path)[MODEL]
    except BundleError:
        return None
    # The file is gone or replaced since it was loaded: the bundle in memory answers.
    return head_of(model) if hashlib.sha256(model).hexdigest() == predictor.model_sha256 else None


def _by_graph(predictor: Predictor) -> _Way:
    """With the bundle's own graph, as loaded; and with that before fine-tuning, where the policy asks for it."""
    manifest = predictor.manifest
    width, frozen_width = manifest.embedding_width, manifest.frozen_width or 0
    frozen = predictor.policy.needs_frozen and bool(frozen_width)

    def build(_blocks: tuple[str, ...]) -> object:
        raise UsageError("the graph of a bundle is loaded already")

    whole = Backbone(
        name=manifest.name,
        fingerprint=predictor.model_sha256 + (manifest.backbone.fingerprint if frozen else ""),
        licence=manifest.backbone.licence,
        source=str(predictor.path),
        preprocess=manifest.input.preprocess,
        blocks=(Block(OUTPUT, width), Block(LOGITS, manifest.kind.width), *[Block(FROZEN, frozen_width)] * frozen),
        build=build,  # type: ignore[arg-type]  # never called: the network is handed over as it is
    )
    recipe = Recipe(whole)

    def run(tensors_NKHW: FloatArray) -> FloatArray:
        logits_NO, embedding_ND = predictor.run_batch(tensors_NKHW)
        before = [np.stack([predictor.run_frozen(tensor) for tensor in tensors_NKHW])] if frozen else []
        return np.concatenate([embedding_ND, logits_NO, *before], axis=1)

    def answers(embedded: Callable[[Recipe], FloatArray]) -> _Outputs:
        embedding_ND, logits_NO, before_NF = np.split(embedded(recipe), [width, width + manifest.kind.width], axis=1)
        # Without fine-tuning both are one.
        return _Outputs(embedding_ND, logits_NO, before_NF if frozen else None if frozen_width else embedding_ND)

    return _Way((recipe,), answers, {recipe.key: run})


def _largest_difference(predictor: Predictor, items: Sequence[Item], answered: Embedded) -> float:
    """Between answers and those of the bundle's graph, over a sample of the items."""
    rows_N, gap = answered.embeddings.rows_N, 0.0
    for row in np.random.default_rng(0).permutation(len(rows_N))[:SAMPLE]:
        try:
            logits_O, _ = predictor.run(items[rows_N[row]].reference)
        except InputError:
            continue  # the file is gone since it was embedded
        both = predictor.manifest.kind.comparable(np.stack([logits_O, answered.logits_NO[row]]))
        difference = float(np.abs(both[0] - both[1]).max())
        # NaN, as a damaged head gives, is no agreement.
        gap = max(gap, difference if np.isfinite(difference) else float("inf"))
    return gap
