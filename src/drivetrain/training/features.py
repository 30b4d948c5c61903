"""Choosing and embedding features within a budget: from items to the matrix the head is fitted on."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace

import numpy as np
from numpy.typing import NDArray

from ..core.cores import available_cores
from ..core.errors import LIBRARY_MISSING, DataError, UsageError
from ..core.ports import Progress
from ..core.types import Embeddings, FloatArray, IntArray, Item
from ..curate.duplicates import find_duplicates, merge_groups
from ..data.block.blocks import InputBlock
from ..embed.backbone import Backbone
from ..embed.cache import EmbeddingCache
from ..embed.embedder import Embedder
from ..embed.recipe import Recipe, View
from ..embed.registry import packaged
from ..learn.selection import PILOT_IMAGES, Candidates, Features, Pilot, Trial, choose
from ..stats.folds import fold_count, grouped_folds
from .backbones import resolve
from .budget import plan
from .options import AUTO, TrainOptions
from .sample import Sample

# The number of images whose altered copies show how far an embedding moves when the picture stays the same.
PROBES = 64


@dataclass(frozen=True)
class Chosen:
    """The features in use, their matrix for every usable item, and how they were chosen."""

    features: Features
    embeddings: Embeddings
    """``features_ND`` is the head's input."""
    probe_cosines: FloatArray
    trials: tuple[Trial, ...]
    note: str


def as_the_graph(features_ND: FloatArray, chosen: Chosen) -> FloatArray:
    """Return features as the frozen graph gives them: several blocks were scaled to unit length by one factor."""
    return features_ND * np.float32(np.sqrt(len(chosen.features.blocks)))


def choose_and_embed(
    sample: Sample,
    options: TrainOptions,
    embedder: Embedder,
    cache: EmbeddingCache,
    progress: Progress,
    backbones: Sequence[Backbone],
) -> Chosen:
    """Compare the features that fit the budget on a pilot, and embed everything with the winner.

    Raises:
        DataError: no item can be decoded.
    """
    items, n = sample.items, len(sample)
    pilot_rows = pilot_sample(sample.targets.strata_N, PILOT_IMAGES, options.seed)
    fitting, note = plan(backbones, items, len(pilot_rows), options.budget_s, cache)
    features, trials = fitting.untried
    if fitting.several:
        looks = _Looks([items[row] for row in pilot_rows], fitting.recipes, embedder)
        features, trials = _compare(fitting, looks, sample.take(pilot_rows[looks.rows_S]), options)

    everything = embedder.embed(items, features.recipes)
    first = everything[features.recipes[0].key]
    if not len(first.rows_N):
        reasons = sorted({skipped.reason for skipped in first.skipped})
        none = f"none of the {n} files can be used" if n > 1 else "the one file cannot be used"
        # The first to be told of is a file that installing something would mend.
        told = next((one for one in first.skipped if one.reason == LIBRARY_MISSING), first.skipped[0])
        raise DataError(f"{none} ({', '.join(reasons)}; {told.name}: {told.detail}); give images that can be read")
    matrix_ND = features.matrix(lambda recipe: everything[recipe.key].features_ND)
    probes = probe(items, first.rows_N, features, matrix_ND, options.seed, embedder)
    progress.say(f"features: {features.name}; {note}")
    return Chosen(features, replace(first, features_ND=matrix_ND), probes, trials, note)


class _Looks:
    """The images that features are compared on, S of them usable.

    An embedding that is not there yet is made when it is asked for, so whatever may be chosen can be looked at.
    """

    def __init__(self, items: Sequence[Item], recipes: Sequence[Recipe], embedder: Embedder) -> None:
        """Embed ``items`` with ``recipes`` in one pass, each file being decoded once for all of them."""
        self._embedder = embedder
        self._known = embedder.embed(items, recipes, stage="compare features")
        first = self._known[recipes[0].key]
        self.rows_S, self.facts = first.rows_N, first.facts
        self._items = [items[row] for row in self.rows_S]

    def embedded(self, recipe: Recipe) -> FloatArray | None:
        """(S, D) full embeddings; None where a file has gone since the first pass, and rows no longer match."""
        if recipe.key not in self._known:
            self._known |= self._embedder.embed(self._items, [recipe], stage="compare views")
        features_SD = self._known[recipe.key].features_ND
        return features_SD if len(features_SD) == len(self._items) else None


def pilot_sample(labels_N: IntArray, size: int, seed: int) -> NDArray[np.intp]:
    """Return the sorted rows of a stratified sample; all rows where there are few more."""
    n = len(labels_N)
    if n <= size * 1.5:
        return np.arange(n)
    rng = np.random.default_rng(seed)
    chosen = []
    for label in np.unique(labels_N):
        members = np.flatnonzero(labels_N == label)
        # A rare class keeps enough members to appear in every fold.
        share = max(round(size * len(members) / n), min(10, len(members)))
        chosen.append(rng.permutation(members)[:share])
    return np.sort(np.concatenate(chosen))


def candidates(options: TrainOptions, block: InputBlock) -> list[Backbone]:
    """The backbones that a run may choose from, smallest first, with inputs prepared as it wants them.

    Raises:
        UsageError: one takes another input than ``block`` reads, or none takes that.
    """
    names = [options.backbone] if options.backbone != AUTO else packaged(block.input_type)
    if not names:
        raise UsageError(
            f"no packaged network takes the input “{block.input_type}”; name one with --backbone (backbone=)"
        )
    found = [resolve(name, options.size) for name in names]
    return [replace(one, preprocess=block.prepared(one.preprocess, options.resize)) for one in found]


def _compare(
    candidates: Candidates, looks: _Looks, sample: Sample, options: TrainOptions
) -> tuple[Features, tuple[Trial, ...]]:
    """The best features for the images looked at; ``sample`` holds those of them that can be used."""
    first_ND, targets = looks.embedded(candidates.recipes[0]), sample.targets
    if (
        first_ND is None or not len(targets) or np.ptp(targets.values, axis=0).max() == 0
    ):  # there is nothing to tell apart among these
        return candidates.untried
    groups_N = merge_groups(sample.groups_N, find_duplicates(looks.facts, first_ND).groups_N)
    if len(np.unique(groups_N)) < 2:  # all are one picture, so that none can be held out
        return candidates.untried
    _, dense_N = np.unique(targets.strata_N, return_inverse=True)
    dense_N = dense_N.astype(np.int64)
    pilot = Pilot(
        targets=targets,
        groups_N=groups_N,
        folds_N=grouped_folds(dense_N, groups_N, fold_count(dense_N, groups_N), options.seed),
        weights_N=targets.weights(sample.weights_N, options.balance, groups_N),
        threads=available_cores(),
    )
    return choose(candidates, pilot, looks.embedded)


def probe(
    items: Sequence[Item],
    rows_N: NDArray[np.intp],
    features: Features,
    matrix_ND: FloatArray,
    seed: int,
    embedder: Embedder,
) -> FloatArray:
    """Cosines between some images and slightly altered copies of themselves; none of inputs of which no such copy is made."""
    if not features.backbone.preprocess.can_be_varied:
        return np.empty(0, np.float32)
    sample = np.sort(np.random.default_rng(seed).permutation(len(rows_N))[:PROBES])
    recipe = Recipe(features.backbone, View.PROBE)
    probed = embedder.embed([items[rows_N[row]] for row in sample], [recipe], stage="look for copies")[recipe.key]
    plain = Features(features.backbone, features.blocks)
    copies_PD = plain.matrix(lambda _recipe: probed.features_ND)
    originals_PD = matrix_ND[sample[probed.rows_N]]
    norms = np.linalg.norm(copies_PD, axis=1) * np.linalg.norm(originals_PD, axis=1)
    cosines: FloatArray = (copies_PD * originals_PD).sum(axis=1) / np.maximum(norms, 1e-12)
    return cosines
