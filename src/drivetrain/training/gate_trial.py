"""Trying the gate on sets made by machine: classes left out, training images spoiled, and things that nobody trained on.

Shapes: N images trained on, F features, K files.
"""

from __future__ import annotations

import hashlib
from collections.abc import Iterator, Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from ..core.errors import InputError
from ..core.types import FloatArray, IntArray, Item
from ..embed.embedder import Embedder
from ..learn.gate_fit import Asked
from ..learn.gate_tried import Tried, known_scores, left_out, tried
from ..model.inputs.input import Input
from ..model.inputs.registry import INPUTS
from ..stats.learn_then_test import one_of_each
from ..stats.metrics import Floats
from .features import Chosen, as_the_graph
from .gating import Planted, PlantedFile, last_layer
from .options import TrainOptions
from .sides import Sides

# Training images of which spoiled copies are made; each of the four ways takes as many images to embed.
SPOILED = 10


@dataclass(frozen=True)
class Fresh:
    """A file made for the trial: the set that it belongs to, its group in it, and the fold that must not have seen it."""

    name: str
    group: int
    fold: int | None
    data: bytes


@dataclass(frozen=True, eq=False)
class GateTrial:
    """Images like those trained on, and sets near and far, as the gate sees them."""

    known: Tried
    """All images trained on, out of fold."""
    left_out: tuple[Tried, ...]
    """Classes, each by a gate that was made without it."""
    spoiled: tuple[Tried, ...]
    """Copies of training images."""
    far: tuple[Tried, ...]

    @property
    def near(self) -> tuple[Tried, ...]:
        """Sets that are nearly like the training images."""
        return (*self.left_out, *self.spoiled)


def gate_trial(
    planted: Planted,
    sides: Sides,
    chosen: Chosen,
    folds_N: NDArray[np.int64],
    options: TrainOptions,
    embedder: Embedder,
) -> GateTrial:
    """Try the gate; the same for the same data and seed. An input of which no such sets are made has none."""
    known, gate, targets = sides.trained_on, planted.fitted, sides.trained_on.targets
    asked = Asked(options.false_alarm, options.gate_mode, options.seed)
    form = _form(chosen)
    itself = tried(f"Training {form.nouns}, out of fold", gate, gate.scores_N, known.groups_N, None)
    assert itself is not None  # nothing is trained on no images
    without = tuple(_left_out(sides, chosen, folds_N, asked)) if targets.one_label else ()
    rows_I = np.random.default_rng(options.seed).permutation(one_of_each(known.groups_N, options.seed))[:SPOILED]
    spoiled = list(_spoiled([known.items[row] for row in rows_I], folds_N[rows_I], form))
    others = list(_others(form))
    scores_K, kept = _scored([*spoiled, *others], planted, chosen, embedder)
    against_I = known_scores(gate, known.groups_N, options.seed)

    def sets(files: Sequence[Fresh]) -> Iterator[Tried]:
        for name in dict.fromkeys(one.name for one in files):
            places = [place for place, one in enumerate(kept) if one.name == name]
            groups_K: IntArray = np.asarray([kept[place].group for place in places], np.int64)
            found = tried(name, gate, scores_K[places], groups_K, against_I)
            if found is not None:
                yield found

    return GateTrial(itself, without, tuple(sets(spoiled)), tuple(sets(others)))


def _left_out(sides: Sides, chosen: Chosen, folds_N: NDArray[np.int64], asked: Asked) -> Iterator[Tried]:
    """Try gates made without a class on its images."""
    known, targets = sides.trained_on, sides.trained_on.targets
    embeddings_NF, columns = as_the_graph(known.features_ND, chosen), last_layer(chosen)
    for one, gate, scores_K, rows_K in left_out(
        embeddings_NF, targets.strata_N, known.groups_N, folds_N, asked, columns
    ):
        name = f"{targets.one.capitalize()} “{targets.text(int(rows_K[0]))}”, left out"
        against_I = known_scores(gate, known.groups_N[targets.strata_N != one], asked.seed)
        found = tried(name, gate, scores_K, known.groups_N[rows_K], against_I)
        assert found is not None  # a class without images is none
        yield found


def _form(chosen: Chosen) -> Input:
    preparation = chosen.features.backbone.preprocess
    return INPUTS[preparation.input_type].of(preparation)


def _spoiled(items: Sequence[Item], folds: NDArray[np.int64], form: Input) -> Iterator[Fresh]:
    """Make spoiled copies of images."""
    for number, (item, fold) in enumerate(zip(items, folds, strict=True)):
        try:
            copies = form.spoiled(form.read(item.reference))
        except InputError:
            continue  # the file is gone since it was embedded; the others will do
        for how, data in copies.items():
            yield Fresh(f"Training {form.nouns}, {how}", number, int(fold), data)


def _others(form: Input) -> Iterator[Fresh]:
    for name, things in form.other_things().items():
        for group, views in enumerate(things):
            for data in views:
                yield Fresh(name, group, None, data)


def _scored(files: Sequence[Fresh], planted: Planted, chosen: Chosen, embedder: Embedder) -> tuple[Floats, list[Fresh]]:
    """Return the scores of those files that can be read, each by arrays that have not seen what it was made of."""
    if not files:
        return np.empty(0), []
    items = []
    for number, file in enumerate(files):
        digest = hashlib.sha256(file.data).hexdigest()
        reference = PlantedFile(f"{file.name} {number}", file.data)
        items.append(Item(reference, reference.name, sha256=digest))
    found = embedder.embed(items, chosen.features.recipes, stage="try the gate on others")
    features_KF: FloatArray = chosen.features.matrix(lambda recipe: found[recipe.key].features_ND)
    rows_K = found[chosen.features.recipes[0].key].rows_N
    embeddings_KF, kept = as_the_graph(features_KF, chosen), [files[row] for row in rows_K]
    scores_K = np.empty(len(kept))
    for fold in {file.fold for file in kept}:
        inside_K = np.asarray([file.fold == fold for file in kept])
        arrays = planted.fitted.arrays if fold is None else planted.fitted.by_fold[fold]
        scores_K[inside_K] = arrays.scores(embeddings_KF[inside_K])
    return scores_K, kept
