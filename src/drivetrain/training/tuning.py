"""Fine-tuning the network itself, from the fitted head on, and judging it on images that neither has seen.

Linear probing first, then fine-tuning (Kumar et al. 2022): the network starts with the head that was fitted on it frozen.
Where the data come with a split, that is what judges; else one grouped fold is held out. It is kept only where it has a
lower loss than a head on the frozen network, trained and judged on the same images.
Shapes: A usable images, N trained on, J judged, D embedding, W logits, O outputs.
"""

from __future__ import annotations

import hashlib
import os
import shutil
from collections.abc import Callable, Sequence
from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np
from numpy.typing import NDArray

from .._version import __version__
from ..core.cores import available_cores
from ..core.errors import DataError, UsageError
from ..core.ports import Progress
from ..core.types import FloatArray, IntArray
from ..data.block.blocks import ImageBlock, InputBlock
from ..data.block.loader import DataLoaders
from ..data.image.preprocess import for_images
from ..embed.backbone import Backbone
from ..embed.cache import EmbeddingCache, default_folder
from ..embed.embedder import Embedder
from ..embed.recipe import Recipe, View
from ..learn.crossval import paired_difference
from ..learn.head import FittedHead, Head
from ..learn.judged import Judged
from ..learn.kinds.targets import Targets
from ..learn.scale import Scale
from ..stats.folds import grouped_folds
from ..stats.metrics import Floats
from .holdout import judge_head
from .options import Tuning
from .ready import Ready, Tuned
from .tuning_loaders import loaders_of

if TYPE_CHECKING:
    from ..learn.deep.augment import Augment
    from ..learn.deep.headed import HeadedNetwork
    from ..learn.deep.learner import Learner

# Share of the steps from which on weights are averaged, where asked for: by then the rate has passed its peak.
SWA_START = 0.3

# On a CPU only the last stages are trained: the first ones hold the finest grids, and so most of the time of a step.
CPU_STAGES = 3


def fine_tune(ready: Ready, input_block: InputBlock, progress: Progress) -> Tuned:
    """Train the network and judge it.

    Raises:
        UsageError: torch is not installed, the backbone cannot be trained, or items have weights.
        DataError: an image has gone since it was embedded.
    """
    from ..learn.deep.networks import network

    if not isinstance(input_block, ImageBlock):
        raise UsageError("only networks that take images are fine-tuned; leave out --deep (deep=True)")
    tuning, features = ready.options.deep or Tuning(), ready.chosen.features
    backbone = network(features.backbone.name)
    backbone.prepare(for_images(features.backbone.preprocess))
    train, held, base, frozen = _sides(ready)
    progress.say(f"fine-tuning {features.backbone.name} on {len(train)} images, judged on {len(held.rows_J)} others")
    scale = ready.sample.targets.take(train).scale()
    head = scale.inward(_for_embedding(base.head, features.blocks))
    model = ready.sample.targets.objective().headed.from_head(backbone, head, features.blocks)
    if tuning.maxima:
        model = model.widened(backbone.add_maxima(features.blocks))
    loaders = loaders_of(ready, train, held.rows_J, scale, input_block, backbone.about.preprocess.resize)
    checkpoints = _checkpoints(ready, train, backbone.about.fingerprint)
    if checkpoints is not None and os.path.exists(checkpoints):  # noqa: PTH110  # Path's raises where it may not look
        progress.say("going on where an interrupted run stopped")
    learner = _learner(ready, train, loaders, model, checkpoints, progress)
    if tuning.stages is not None and tuning.stages > backbone.n_stages:
        raise UsageError(
            f"{features.backbone.name} has {backbone.n_stages} stages; cannot train its last {tuning.stages}"
        )
    trained = _train(learner, tuning, backbone.n_stages, resume=checkpoints is not None)
    if checkpoints is not None:
        shutil.rmtree(checkpoints, ignore_errors=True)
    model.cpu()
    result = judge_network(ready, model, scale, held, frozen, progress)
    return replace(result, tuning=tuning, trained=trained, images=len(train), curve=learner.recorder.plot())


def _learner(
    ready: Ready,
    train: NDArray[np.intp],
    loaders: DataLoaders,
    model: HeadedNetwork,
    checkpoints: Path | None,
    progress: Progress,
) -> Learner:
    from ..learn.deep.augment import aug_transforms
    from ..learn.deep.devices import best_device
    from ..learn.deep.learner import Learner
    from ..learn.deep.stepper import Options

    tuning = ready.options.deep or Tuning()
    weights_A = np.ones(len(ready.sample), np.float32)
    weights_A[train] = _weights(ready, train)
    return Learner(
        loaders,
        model,
        ready.sample.targets.objective(),
        _variation(tuning, aug_transforms),
        Options(seed=ready.options.seed, checkpoints=checkpoints, swa=SWA_START if tuning.swa else None),
        progress=progress,
        device=tuning.device or best_device(),
        weights=weights_A,
    )


def _train(learner: Learner, tuning: Tuning, n_stages: int, *, resume: bool) -> str:
    """Train as asked for, and return the part that was trained, in words."""
    stages = tuning.stages or (CPU_STAGES if learner.device.type == "cpu" else n_stages)
    rates = slice(tuning.rate / 10, tuning.rate)
    if stages < n_stages:
        learner.fit_last_stages(tuning.epochs, rates, stages=stages, resume=resume)
        trained = f"last {stages} of {n_stages} stages"
    else:
        learner.unfreeze()
        learner.fit_one_cycle(tuning.epochs, rates, resume=resume)
        trained = "all stages"
    return f"{trained}, weights averaged" if tuning.swa else trained


def judge_network(
    ready: Ready, model: HeadedNetwork, scale: Scale, held: Judged, frozen: Judged, progress: Progress
) -> Tuned:
    """Judge a trained network on held-out images, through the very graph that will answer in production."""
    from ..learn.deep.export import to_backbone
    from ..model.export import with_head

    tuning = ready.options.deep or Tuning()
    backbone = to_backbone(model)
    weight_DW, bias_W = scale.outward(*model.weight_and_bias())
    features_AD = _embedded_again(ready, backbone, tuning.views, progress)
    logits_JW = features_AD[held.rows_J] @ weight_DW + bias_W
    answers_JO = crossed(held.targets, held.groups_J, logits_JW, ready.options.seed)
    judged = replace(held, logits_JW=logits_JW, answers_JO=answers_JO)
    difference, error = paired_difference(
        judged.losses_J, frozen.losses_J, held.groups_J, np.ones(len(held.groups_J), np.float32)
    )
    blocks = tuple(block.name for block in backbone.blocks)
    loss = float(judged.losses_J.mean())
    views = f", mean over {len(tuning.views)} views" if tuning.tta else ""
    return Tuned(
        tuning=tuning,
        name=f"{ready.chosen.features.backbone.name} fine-tuned{views}",
        fingerprint=backbone.fingerprint,
        views=tuning.views,
        model=with_head(backbone.build(blocks), weight_DW, bias_W, views=tuning.views),
        embeddings_AD=features_AD,
        beta=held.targets.beta(logits_JW),
        judged=judged,
        loss=loss,
        frozen_loss=loss - difference,
        error=error,
        trained="",
        images=0,
        curve="",
    )


def _embedded_again(ready: Ready, backbone: Backbone, views: Sequence[View], progress: Progress) -> FloatArray:
    """Compute the trained network's (A, D) embeddings of all images, as the mean over the views."""
    # These embeddings do not go into the cache, as no other run will have these weights.
    fresh = Embedder(EmbeddingCache(None), ready.options.workers, progress)
    recipes = [Recipe(backbone, view) for view in views]
    embedded = fresh.embed(ready.sample.items, recipes, stage="embed again")
    if len(embedded[recipes[0].key].rows_N) < len(ready.sample):
        gone = embedded[recipes[0].key].skipped[0]
        raise DataError(f"{gone.name} could be read before fine-tuning and not after it ({gone.reason}); run again")
    total_AD = sum(embedded[recipe.key].features_ND for recipe in recipes)
    features_AD: FloatArray = np.asarray(total_AD, np.float32) / np.float32(len(recipes))
    return features_AD


def crossed(targets: Targets, groups_J: IntArray, logits_JW: FloatArray, seed: int) -> Floats:
    """Return (J, O) answers, each half calibrated on the other half, so that no figure profits from its own calibration."""
    answers_JO = np.empty((len(targets), len(targets.names)))
    if len(np.unique(groups_J)) < 2:
        return targets.answers(logits_JW, targets.beta(logits_JW))
    halves_J = grouped_folds(targets.strata_N, groups_J, 2, seed)
    for half in (0, 1):
        inside, other = np.flatnonzero(halves_J == half), np.flatnonzero(halves_J != half)
        answers_JO[inside] = targets.answers(logits_JW[inside], targets.take(other).beta(logits_JW[other]))
    return answers_JO


def _sides(ready: Ready) -> tuple[NDArray[np.intp], Judged, FittedHead, Judged]:
    """Return the rows to train on, the items to judge by, and the judged answers of a frozen network's head that saw only the
    former."""
    if ready.held is not None:
        return ready.training, ready.judged, ready.fitted, ready.judged
    inside = _held_out_fold(ready)
    train, rows_J = ready.training[~inside], ready.training[inside]
    known = ready.sample.take(train)
    fitted = known.targets.fit(
        known.features_ND,
        known.groups_N,
        _weights(ready, train),
        seed=ready.options.seed,
        threads=available_cores(),
    )
    how = f"held-out fold of {len(rows_J)} images that shares no group with the others"
    frozen = judge_head(rows_J, how, ready.sample, fitted)
    return train, frozen, fitted, frozen


def _held_out_fold(ready: Ready) -> NDArray[np.bool_]:
    """Return the (N,) mask of the first fold that leaves every class to be learned and holds every class to be judged.

    Raises:
        DataError: there is none; names a class that stands in too few groups.
    """
    targets, folds_N = ready.sample.targets.take(ready.training), ready.fitted.folds_N
    everything = targets.occurring()
    lacking: set[int] = set()
    for fold in range(ready.fitted.n_folds):
        inside: NDArray[np.bool_] = folds_N == fold
        sides = [targets.take(side).occurring() for side in (~inside, inside)]
        if sides[0] == sides[1] == everything:
            return inside
        lacking |= everything - (sides[0] & sides[1])
    name = targets.names[min(lacking)]
    raise DataError(
        f"“{name}” stands in too few groups to be both learned and checked, which fine-tuning needs; add images of it from "
        "elsewhere, or train without --deep"
    )


def _for_embedding(head: Head, blocks: tuple[str, ...]) -> Head:
    """Rescale the head for the embedding as it is (its features were scaled to unit length), with its temperature taken in."""
    factor = np.float32(head.beta)
    scale = np.float32(1 / np.sqrt(len(blocks)))
    return replace(head, weight_DC=head.weight_DC * scale * factor, bias_C=head.bias_C * factor, beta=1.0)


def _checkpoints(ready: Ready, train: NDArray[np.intp], fingerprint: str) -> Path | None:
    """The folder of this very run's checkpoints; None where none are to be kept."""
    options, facts = ready.options, ready.chosen.embeddings.facts
    if not options.use_cache:
        return None
    digest = hashlib.sha256(repr((__version__, fingerprint, options, ready.chosen.features.name)).encode())
    for row in train:
        digest.update(f"{facts[row].sha256} {ready.sample.items[row].label}\n".encode())
    digest.update(_weights(ready, train).tobytes())
    return (options.cache or default_folder()) / "fine-tuning" / digest.hexdigest()[:32]


def _weights(ready: Ready, rows: NDArray[np.intp]) -> FloatArray:
    """The weight of each of these images, 1 on average."""
    taken = ready.sample.take(rows)
    return taken.targets.weights(taken.weights_N, ready.options.balance, taken.groups_N)


def _variation(tuning: Tuning, usual: Callable[..., Augment]) -> Augment:
    """The augmentation: as for photos, or, for images without an up, turned but hardly tilted."""
    if tuning.turns or tuning.flip_vertical:
        return usual(turns=tuning.turns, flip_vertical=tuning.flip_vertical, rotate=2.0, zoom=1.05, warp=0.0)
    return usual()
