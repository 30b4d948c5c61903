"""The selection of the head's features (backbone, blocks of its embedding, views) on a pilot, by loss.

Everything is compared by calibrated, grouped, out-of-fold log-loss on the same pilot images and folds. A larger
backbone is taken when its loss is lower; other blocks, which have no such prior in their favour, only when it is lower by
more than one standard error of the difference; a second view by two, and by enough to be worth its price.
Shapes: N items, D features.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass, replace

import numpy as np
from threadpoolctl import threadpool_limits

from ..core.types import FloatArray, IntArray
from ..embed.backbone import Backbone
from ..embed.recipe import Recipe, View
from .crossval import OutOfFold, paired_difference, standard_error
from .kinds.targets import Targets

# Pooled middle stages sharpen textures and materials at no cost; of those tried on bears, clothing and solar cells
# this pair helped most often, so it is the default that others have to beat.
DEFAULT_BLOCKS = ("head", "stage4", "stage5")

# A second view doubles the work of every later prediction, so it must lower the loss by a tenth to be worth it.
VIEW_WORTH = 0.9

# The number of images on which features are compared: enough to tell a real gain, few enough to leave budget for the winner.
PILOT_IMAGES = 600


@dataclass(frozen=True)
class Trial:
    """One configuration that was tried: its loss  with its standard error."""

    name: str
    log_loss: float
    standard_error: float
    chosen: bool
    note: str = ""


@dataclass(frozen=True)
class Features:
    """The head's features: some blocks of one backbone, averaged over views."""

    backbone: Backbone
    blocks: tuple[str, ...]
    views: tuple[View, ...] = (View.PLAIN,)

    @property
    def recipes(self) -> tuple[Recipe, ...]:
        """The recipes that have to be embedded."""
        return tuple(Recipe(self.backbone, view) for view in self.views)

    @property
    def name(self) -> str:
        """The features' name for people: backbone, blocks, views."""
        blocks = "last layer" if self.blocks == ("head",) else f"last layer + {len(self.blocks) - 1} stages"
        return f"{self.backbone.name}, {blocks}" + (", mirrored too" if View.MIRROR in self.views else "")

    def matrix(self, embedded: Callable[[Recipe], FloatArray]) -> FloatArray:
        """(N, D) rows of about unit length, from the full embeddings of each recipe."""
        columns = self.backbone.columns(self.blocks)
        total = sum(embedded(recipe)[:, columns] for recipe in self.recipes)
        scale = np.float32(1 / (len(self.views) * np.sqrt(len(self.blocks))))
        features_ND: FloatArray = np.asarray(total, np.float32) * scale
        return features_ND


def default_features(backbone: Backbone) -> Features:
    """The default blocks that this backbone has."""
    return Features(backbone, tuple(block for block in backbone.block_names if block in DEFAULT_BLOCKS))


@dataclass(frozen=True)
class Candidates:
    """The candidates that features are chosen from."""

    backbones: tuple[Backbone, ...]
    """Smallest first; at least one."""
    mirror: bool = False
    """Tells whether the mirrored view may be tried beside the plain one."""

    @property
    def several(self) -> bool:
        """Tells whether there is anything to choose."""
        return len(self.backbones) > 1 or self.mirror or len(self.backbones[0].blocks) > 1

    @property
    def untried(self) -> tuple[Features, tuple[Trial, ...]]:
        """The features to use where none can be compared."""
        return self.sizes[-1], ()

    @property
    def recipes(self) -> tuple[Recipe, ...]:
        """The recipes every comparison begins with; further views are embedded only for the features that come that far."""
        return tuple(recipe for features in self.sizes for recipe in features.recipes)

    @property
    def sizes(self) -> tuple[Features, ...]:
        """Each backbone with its default blocks."""
        return tuple(default_features(backbone) for backbone in self.backbones)

    def other_blocks(self, features: Features) -> tuple[Features, ...]:
        """The last layer alone, and everything the backbone offers."""
        names = features.backbone.block_names
        others = [blocks for blocks in (("head",), names) if blocks != features.blocks and set(blocks) <= set(names)]
        return tuple(replace(features, blocks=blocks) for blocks in dict.fromkeys(others))

    def other_views(self, features: Features) -> tuple[Features, ...]:
        """Return the features with the mirrored view, where that may be tried."""
        return (replace(features, views=(View.PLAIN, View.MIRROR)),) if self.mirror else ()


@dataclass(frozen=True)
class Pilot:
    """The images features are compared on: targets, groups, folds, weights, and how many to look at side by side."""

    targets: Targets
    groups_N: IntArray
    folds_N: IntArray
    weights_N: FloatArray
    threads: int

    def quick_fit(self, features_ND: FloatArray) -> OutOfFold:
        """Out-of-fold result of a head on these features."""
        return self.targets.quick_fit(features_ND, self.folds_N, self.weights_N)


def choose(
    candidates: Candidates, pilot: Pilot, embedded: Callable[[Recipe], FloatArray | None]
) -> tuple[Features, tuple[Trial, ...]]:
    """The best features among ``candidates``, and everything that was tried.

    ``embedded(recipe)`` gives the pilot's full embeddings, or None where they cannot be had: what needs these is then not
    tried. It is asked for the recipes of whatever is to be looked at, from this thread.
    """
    results: dict[Features, OutOfFold] = {}

    def tried_out(tried: Sequence[Features]) -> list[Features]:
        """Several side by side, one thread each: better use of the cores than one after the other on all of them."""
        matrices = {features: _matrix(features, embedded) for features in tried}
        there = {features: matrix_ND for features, matrix_ND in matrices.items() if matrix_ND is not None}
        with threadpool_limits(1, user_api="blas"), ThreadPoolExecutor(pilot.threads) as pool:
            results.update(zip(there, pool.map(pilot.quick_fit, there.values()), strict=True))
        return list(there)

    sizes = tried_out(candidates.sizes)
    if not sizes:
        return candidates.untried
    chosen = sizes[0]
    for candidate in sizes[1:]:
        if results[candidate].loss < results[chosen].loss:
            chosen = candidate
    for candidate in tried_out(candidates.other_blocks(chosen)):
        if _clearly_better(results[candidate], results[chosen], pilot, errors=1):
            chosen = candidate
    for candidate in tried_out(candidates.other_views(chosen)):
        worthwhile = results[candidate].loss < VIEW_WORTH * results[chosen].loss
        if worthwhile and _clearly_better(results[candidate], results[chosen], pilot, errors=2):
            chosen = candidate
    trials = tuple(
        Trial(
            features.name,
            result.loss,
            standard_error(result.losses_N, pilot.groups_N, pilot.weights_N),
            chosen=features == chosen,
        )
        for features, result in results.items()
    )
    return chosen, trials


def _matrix(features: Features, embedded: Callable[[Recipe], FloatArray | None]) -> FloatArray | None:
    found = {recipe: embedded(recipe) for recipe in features.recipes}
    there = {recipe: embeddings for recipe, embeddings in found.items() if embeddings is not None}
    return features.matrix(there.__getitem__) if len(there) == len(found) else None


def _clearly_better(candidate: OutOfFold, incumbent: OutOfFold, pilot: Pilot, errors: float) -> bool:
    difference, error = paired_difference(candidate.losses_N, incumbent.losses_N, pilot.groups_N, pilot.weights_N)
    return difference < -errors * error
