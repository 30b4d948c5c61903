"""Choosing and embedding features within a budget: from items to the matrix the head is fitted on."""

from __future__ import annotations

import json
import statistics
from collections.abc import Sequence
from dataclasses import dataclass, replace

import numpy as np
from numpy.typing import NDArray

from ..core.cores import available_cores
from ..core.errors import DataError, ImageError
from ..core.ports import Progress
from ..core.types import Embeddings, FloatArray, IntArray, Item
from ..curate.duplicates import find_duplicates, merge_groups
from ..data.blocks import Mode
from ..data.split import fold_count, grouped_folds
from ..embed.backbone import Backbone
from ..embed.cache import EmbeddingCache
from ..embed.embedder import Embedder
from ..embed.recipe import Recipe, View
from ..embed.registry import PACKAGED
from ..learn.report import Trial
from ..learn.selection import PILOT_IMAGES, Features, Pilot, choose, default_features
from ..learn.targets import Targets
from .backbones import resolve
from .options import AUTO, TrainOptions

# Images whose altered copies show how far an embedding moves when the picture stays the same.
PROBES = 64
TIMED_IMAGES = 3


@dataclass(frozen=True)
class Chosen:
    """The features in use, their matrix for every usable item, and how they were chosen."""

    features: Features
    embeddings: Embeddings
    """``features_ND`` is the head's input."""
    probe_cosines: FloatArray
    trials: tuple[Trial, ...]
    note: str


def choose_and_embed(
    items: Sequence[Item],
    targets: Targets,
    user_groups_N: IntArray,
    weights_N: FloatArray,
    options: TrainOptions,
    embedder: Embedder,
    cache: EmbeddingCache,
    progress: Progress,
    backbones: Sequence[Backbone],
) -> Chosen:
    """Time a few images, compare what fits the budget on a pilot, embed everything with the winner.

    Raises:
        DataError: no item can be decoded.
    """
    n = len(items)
    pilot_rows = pilot_sample(targets.strata_N, PILOT_IMAGES, options.seed)
    seconds = _seconds_per_image(items, backbones, options.seed, embedder, cache)
    affordable, mirror, note = _plan(backbones, seconds, n, len(pilot_rows), options)

    recipes = [Recipe(backbone) for backbone in affordable]
    if mirror:
        recipes.append(Recipe(affordable[-1], View.MIRROR))
    if len(affordable) > 1 or mirror or len(affordable[0].blocks) > 1:
        embedded = embedder.embed([items[row] for row in pilot_rows], recipes, stage="compare features")
        usable = pilot_rows[embedded[recipes[0].key].rows_N]
        features, trials = _compare(
            affordable, mirror, embedded, targets.take(usable), user_groups_N[usable], weights_N[usable], options
        )
    else:
        features, trials = default_features(affordable[0]), ()

    everything = embedder.embed(items, features.recipes)
    first = everything[features.recipes[0].key]
    if not len(first.rows_N):
        reasons = sorted({skipped.reason for skipped in first.skipped})
        raise DataError(f"none of the {n} files can be used ({', '.join(reasons)}); see drivetrain trace FILE")
    matrix_ND = features.matrix(lambda recipe: everything[recipe.key].features_ND)
    probes = _probe(items, first.rows_N, features, matrix_ND, options.seed, embedder)
    progress.say(f"features: {features.name}")
    return Chosen(features, replace(first, features_ND=matrix_ND), probes, trials, note)


def pilot_sample(labels_N: IntArray, size: int, seed: int) -> NDArray[np.intp]:
    """Sorted rows of a stratified sample; everything where there is little more than that."""
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


def candidates(options: TrainOptions, mode: Mode) -> list[Backbone]:
    """The backbones that a run may choose from, smallest first, with images prepared as it wants them."""
    fixed = options.backbone != AUTO
    return [
        _prepared(resolve(name, options.size), options, mode) for name in ([options.backbone] if fixed else PACKAGED)
    ]


def _prepared(backbone: Backbone, options: TrainOptions, mode: Mode) -> Backbone:
    spec = backbone.preprocess
    changes: dict[str, object] = {}
    if options.resize is not None and options.resize != spec.resize.method:
        changes["resize"] = spec.resize.model_copy(update={"method": options.resize})
    if mode != spec.mode:
        changes["mode"] = mode
    return replace(backbone, preprocess=spec.model_copy(update=changes)) if changes else backbone


def _seconds_per_image(
    items: Sequence[Item], backbones: Sequence[Backbone], seed: int, embedder: Embedder, cache: EmbeddingCache
) -> dict[str, float]:
    """Seconds of wall time an image is expected to cost with each backbone, on all cores.

    Measured on a few of the images and remembered by this machine, so that a rerun makes the same choice.
    """
    rows = np.random.default_rng(seed).permutation(len(items))[: 10 * TIMED_IMAGES]
    recipes = [Recipe(backbone) for backbone in backbones]
    cores = available_cores()
    keys = {recipe.key: f"seconds-{recipe.key}-{cores}" for recipe in recipes}
    network: dict[str, list[float]] = {}
    for recipe in recipes:
        known = cache.note(keys[recipe.key])
        if known is not None:
            network[recipe.key] = [float(json.loads(known))]
    unknown = [recipe for recipe in recipes if recipe.key not in network]
    timed = 0
    for row in rows if unknown else ():
        try:
            decode_s, seconds = embedder.time_per_image(items[row], unknown)
        except ImageError:
            continue
        for key, value in seconds.items():
            network.setdefault(key, []).append(value + decode_s)
        timed += 1
        if timed == TIMED_IMAGES:
            break
    for recipe in unknown:
        if recipe.key in network:
            cache.set_note(keys[recipe.key], json.dumps(statistics.median(network[recipe.key])))
    return {recipe.backbone.name: statistics.median(network.get(recipe.key, [0.0])) / cores for recipe in recipes}


def _plan(
    backbones: Sequence[Backbone], seconds: dict[str, float], n: int, pilot: int, options: TrainOptions
) -> tuple[list[Backbone], bool, str]:
    """The smallest backbone, the largest that fits the budget beside it, and whether a second view fits as well."""
    smallest, budget_s = backbones[0], options.budget_s
    trial_s = pilot * seconds[smallest.name]
    fitting = [b for b in backbones[1:] if n * seconds[b.name] + trial_s <= budget_s]
    chosen = [smallest, *fitting[-1:]]
    cost_s = n * seconds[chosen[-1].name] + (trial_s if fitting else 0)
    mirror = 2 * cost_s <= budget_s
    note = f"{chosen[-1].name} needs about {cost_s:.0f} s of a budget of {budget_s:.0f} s on this machine"
    if len(backbones) > 1 and not fitting:
        note = (
            f"only {smallest.name} fits the budget of {budget_s:.0f} s ({cost_s:.0f} s); "
            f"a larger --budget-s would try {backbones[-1].name} (about {n * seconds[backbones[-1].name] + trial_s:.0f} s)"
        )
    return chosen, mirror, note


def _compare(
    backbones: Sequence[Backbone],
    mirror: bool,
    embedded: dict[str, Embeddings],
    targets: Targets,
    user_groups_N: IntArray,
    weights_N: FloatArray,
    options: TrainOptions,
) -> tuple[Features, tuple[Trial, ...]]:
    first = embedded[Recipe(backbones[0]).key]
    if not len(targets) or np.ptp(targets.values, axis=0).max() == 0:  # nothing to tell apart in this sample
        return default_features(backbones[-1]), ()
    duplicates = find_duplicates(first.facts, first.features_ND)
    groups_N = merge_groups(user_groups_N, duplicates.groups_N)
    strata_N = targets.strata_N
    _, dense_N = np.unique(strata_N, return_inverse=True)
    dense_N = dense_N.astype(np.int64)
    pilot = Pilot(
        targets=targets,
        groups_N=groups_N,
        folds_N=grouped_folds(dense_N, groups_N, fold_count(dense_N, groups_N), options.seed),
        weights_N=targets.weights(weights_N, options.balance, groups_N),
        threads=available_cores(),
    )
    return choose(backbones, mirror, pilot, lambda recipe: embedded[recipe.key].features_ND)


def _probe(
    items: Sequence[Item],
    rows_N: NDArray[np.intp],
    features: Features,
    matrix_ND: FloatArray,
    seed: int,
    embedder: Embedder,
) -> FloatArray:
    """Cosines between some images and slightly altered copies of themselves."""
    sample = np.sort(np.random.default_rng(seed).permutation(len(rows_N))[:PROBES])
    recipe = Recipe(features.backbone, View.PROBE)
    probed = embedder.embed([items[rows_N[row]] for row in sample], [recipe], stage="probe duplicates")[recipe.key]
    plain = Features(features.backbone, features.blocks)
    copies_PD = plain.matrix(lambda _recipe: probed.features_ND)
    originals_PD = matrix_ND[sample[probed.rows_N]]
    norms = np.linalg.norm(copies_PD, axis=1) * np.linalg.norm(originals_PD, axis=1)
    cosines: FloatArray = (copies_PD * originals_PD).sum(axis=1) / np.maximum(norms, 1e-12)
    return cosines
