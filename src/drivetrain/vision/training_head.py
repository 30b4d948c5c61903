"""A head on a learner's network as it is now, fitted on the training items. Shapes: T training items, D embedding."""

from __future__ import annotations

from dataclasses import dataclass, replace

import numpy as np
from numpy.typing import NDArray

from ..core.ports import Progress
from ..core.types import FloatArray, IntArray
from ..data.block.batch import BatchTransform
from ..data.block.datasets import View
from ..data.block.loader import DataLoader, DataLoaders
from ..learn.deep.augment import Augment
from ..learn.deep.learner import Learner
from ..learn.head import FittedHead
from ..learn.kinds.targets import Targets


@dataclass(frozen=True, eq=False)
class TrainingHead:
    """A head with its evidence, and the items that it was fitted on."""

    fitted: FittedHead
    targets: Targets
    groups_T: IntArray
    rows_T: NDArray[np.intp]
    """Positions on the training side; those that cannot be read are left out."""


def fit_on_training(
    learner: Learner, dls: DataLoaders, targets: Targets, progress: Progress, seed: int
) -> TrainingHead:
    """Fit on embeddings without augmentation; raises what `Targets.fit` does."""
    view = replace(dls.datasets.train, training=False)
    features_TD, rows_T = _features(learner, dls, progress, view)
    targets = targets.take(rows_T)
    groups_T = dls.datasets.groups_of(view)[rows_T]
    weights = np.asarray([view.samples[row].weight for row in rows_T], np.float32)
    weights_T = targets.weights(weights, "none", groups_T)
    fitted = targets.fit(features_TD * unit_of(learner), groups_T, weights_T, seed=seed, threads=1)
    return TrainingHead(fitted, targets, groups_T, rows_T)


def unit_of(learner: Learner) -> np.float32:
    """The factor by which rows become of unit length, as the head's grid of penalties expects them."""
    return np.float32(1 / np.sqrt(len(learner.model.blocks)))


def plain(loader: DataLoader) -> tuple[BatchTransform, ...]:
    """The transforms of a loader's batches without the augmentation."""
    return tuple(tfm for tfm in loader.batch_tfms if not isinstance(tfm, Augment))


def _features(
    learner: Learner, dls: DataLoaders, progress: Progress, view: View
) -> tuple[FloatArray, NDArray[np.intp]]:
    """Compute (T, D) embeddings of one side's pictures without augmentation, and their positions; unreadable ones left out."""
    place = {sample.row: position for position, sample in enumerate(view.samples)}
    loader = DataLoader(view, replace(dls.valid.loading), dls.train.item_tfms, plain(dls.train))
    features, rows = [], []
    with progress.stage("fit head", len(view)) as advance:
        for batch in loader.batches(0):
            features.append(learner.embeddings(batch.x))
            rows += [place[int(row)] for row in batch.rows]
            advance(len(batch))
    return np.concatenate(features), np.asarray(rows, np.intp)
