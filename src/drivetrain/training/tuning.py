"""Fine-tuning the network itself, from the fitted head on, and judging it on images that neither has seen.

Linear probing first, then fine-tuning (Kumar et al. 2022): the network starts with the head that was fitted on it frozen.
Where the data come with a split, that is what judges; else one grouped fold is held out. It is kept only where it has a
lower loss than a head on the frozen network, trained and judged on the same images.
Shapes: A usable images, N trained on, J judged, D embedding, O outputs.
"""

from __future__ import annotations

import hashlib
import shutil
from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np
from numpy.typing import NDArray

from .._version import __version__
from ..core.cores import available_cores
from ..core.errors import DataError, UsageError
from ..core.ports import Progress
from ..core.types import FloatArray, IntArray
from ..data.block.blocks import ImageBlock, InputBlock
from ..data.block.datasets import Datasets, View
from ..data.block.item_transforms import Resize, ResizeMethod
from ..data.block.loader import DataLoader, DataLoaders, Loading
from ..data.block.sample import Sample
from ..data.image import preprocess
from ..data.image.facts import pixel_size
from ..embed.cache import EmbeddingCache, default_folder
from ..embed.embedder import Embedder
from ..embed.recipe import Recipe
from ..learn.crossval import paired_difference
from ..learn.head import FittedHead, Head
from ..learn.judged import Judged
from ..learn.targets import ClassTargets, NumberTargets, Targets
from ..stats.folds import grouped_folds
from ..stats.metrics import Floats
from .holdout import judge_head
from .options import Tuning
from .trained import Ready, Tuned

if TYPE_CHECKING:
    from ..learn.deep.augment import Augment
    from ..learn.deep.headed import HeadedNetwork
    from ..learn.deep.task import Task

# Images reach the augmentation up to this much larger than the network's input: it shrinks, magnifies and tilts them by
# sampling once, which leaves more of their detail where there is more of it than the input shows.
MARGIN = 1.15

# Share of the steps from which on weights are averaged, where that is asked for: the rate has passed its peak.
SWA_START = 0.3

# On a CPU only the last stages are trained: the first ones hold the finest grids, and so most of the time of a step.
CPU_STAGES = 3


def fine_tune(ready: Ready, input_block: InputBlock, progress: Progress) -> Tuned:
    """Train and judge.

    Raises:
        UsageError: torch is not installed, the backbone cannot be trained, or items have weights.
        DataError: an image has gone since it was embedded.
    """
    from ..learn.deep.augment import aug_transforms
    from ..learn.deep.devices import best_device
    from ..learn.deep.headed import HeadedNetwork
    from ..learn.deep.learner import Learner
    from ..learn.deep.networks import network
    from ..learn.deep.stepper import Options

    if not isinstance(input_block, ImageBlock):
        raise UsageError("only networks that take images are fine-tuned; leave out --deep (deep=True)")
    tuning = ready.options.deep or Tuning()
    features = ready.chosen.features
    backbone = network(features.backbone.name)
    backbone.prepare(preprocess.for_images(features.backbone.preprocess))
    train, held, base, frozen = _sides(ready)
    progress.say(f"fine-tuning {features.backbone.name} on {len(train)} images, judged on {len(held.rows_J)} others")
    scale = Scale.of(ready.targets.take(train))
    model = HeadedNetwork.from_head(backbone, scale.inward(_for_embedding(base.head, features.blocks)), features.blocks)
    if tuning.maxima:
        model = model.widened(backbone.add_maxima(features.blocks))
    loaders = loaders_of(ready, train, held.rows_J, scale, input_block, backbone.about.preprocess.resize)
    weights_A = np.ones(len(ready.items), np.float32)
    weights_A[train] = _weights(ready, train)
    device = tuning.device or best_device()
    checkpoints = _checkpoints(ready, train, backbone.about.fingerprint)
    if checkpoints is not None and checkpoints.exists():
        progress.say("going on where an interrupted run stopped")
    learner = Learner(
        loaders,
        model,
        task_of(ready.targets),
        _variation(tuning, aug_transforms),
        Options(seed=ready.options.seed, checkpoints=checkpoints, swa=SWA_START if tuning.swa else None),
        progress=progress,
        device=device,
        weights=weights_A,
    )
    if tuning.stages is not None and tuning.stages > backbone.n_stages:
        raise UsageError(
            f"{features.backbone.name} has {backbone.n_stages} stages; cannot train its last {tuning.stages}"
        )
    stages = tuning.stages or (CPU_STAGES if device == "cpu" else backbone.n_stages)
    rates = slice(tuning.rate / 10, tuning.rate)
    resume = checkpoints is not None
    if stages < backbone.n_stages:
        learner.fit_last_stages(tuning.epochs, rates, stages=stages, resume=resume)
        trained = f"last {stages} of {backbone.n_stages} stages"
    else:
        learner.unfreeze()
        learner.fit_one_cycle(tuning.epochs, rates, resume=resume)
        trained = "all stages"
    if tuning.swa:
        trained += ", weights averaged"
    if checkpoints is not None:
        shutil.rmtree(checkpoints, ignore_errors=True)
    model.cpu()
    result = judge_network(ready, model, scale, held, frozen, progress)
    return replace(
        result,
        tuning=tuning,
        trained=trained,
        images=len(train),
        curve=learner.recorder.plot(),
    )


def judge_network(
    ready: Ready,
    model: HeadedNetwork,
    scale: Scale,
    held: Judged,
    frozen: Judged,
    progress: Progress,
) -> Tuned:
    """What a trained network is worth on held-out images, through the very graph that will answer in production."""
    from ..learn.deep.export import to_backbone
    from ..model.export import with_head

    tuning = ready.options.deep or Tuning()
    backbone = to_backbone(model)
    weight_DO, bias_O = scale.outward(*model.weight_and_bias())
    # Nothing of it goes into the cache: no other run will have these weights.
    fresh = Embedder(EmbeddingCache(None), ready.options.workers, progress)
    recipes = [Recipe(backbone, view) for view in tuning.views]
    embedded = fresh.embed(ready.items, recipes, stage="embed again")
    if len(embedded[recipes[0].key].rows_N) < len(ready.items):
        gone = embedded[recipes[0].key].skipped[0]
        raise DataError(f"{gone.name} could be read before fine-tuning and not after it ({gone.reason}); run again")
    total_AD = sum(embedded[recipe.key].features_ND for recipe in recipes)
    features_AD: FloatArray = np.asarray(total_AD, np.float32) / np.float32(len(recipes))
    logits_JO = features_AD[held.rows_J] @ weight_DO + bias_O
    beta = held.targets.beta(logits_JO)
    answers_JO = crossed(held.targets, held.groups_J, logits_JO, ready.options.seed)
    judged = replace(held, logits_JO=logits_JO, answers_JO=answers_JO)
    difference, error = paired_difference(
        judged.losses_J, frozen.losses_J, held.groups_J, np.ones(len(held.groups_J), np.float32)
    )
    blocks = tuple(block.name for block in backbone.blocks)
    loss = float(judged.losses_J.mean())
    return Tuned(
        tuning=tuning,
        name=f"{ready.chosen.features.backbone.name} fine-tuned"
        + (f", mean over {len(tuning.views)} views" if tuning.tta else ""),
        fingerprint=backbone.fingerprint,
        views=tuning.views,
        model=with_head(backbone.build(blocks), weight_DO, bias_O, views=tuning.views),
        embeddings_AD=features_AD,
        beta=beta,
        judged=judged,
        loss=loss,
        frozen_loss=loss - difference,
        error=error,
        trained="",
        images=0,
        curve="",
    )


def crossed(targets: Targets, groups_J: IntArray, logits_JO: FloatArray, seed: int) -> Floats:
    """(J, O) answers, each half calibrated on the other half, so that no figure profits from its own calibration."""
    answers_JO = np.empty(logits_JO.shape)
    if len(np.unique(groups_J)) < 2:
        return targets.answers(logits_JO, targets.beta(logits_JO))
    halves_J = grouped_folds(targets.strata_N, groups_J, 2, seed)
    for half in (0, 1):
        inside, other = np.flatnonzero(halves_J == half), np.flatnonzero(halves_J != half)
        answers_JO[inside] = targets.answers(logits_JO[inside], targets.take(other).beta(logits_JO[other]))
    return answers_JO


def _sides(ready: Ready) -> tuple[NDArray[np.intp], Judged, FittedHead, Judged]:
    """Rows to train on, what to judge by, and a head on the frozen network that knows the former only, judged."""
    features_AD = ready.chosen.embeddings.features_ND
    if ready.held is not None:
        return ready.training, ready.judged, ready.fitted, ready.judged
    inside = _held_out_fold(ready)
    train, rows_J = ready.training[~inside], ready.training[inside]
    targets = ready.targets.take(train)
    fitted = targets.fit(
        features_AD[train],
        ready.groups_A[train],
        _weights(ready, train),
        seed=ready.options.seed,
        threads=available_cores(),
    )
    how = f"held-out fold of {len(rows_J)} images that shares no group with the others"
    frozen = judge_head(rows_J, how, ready.targets, ready.groups_A, features_AD, fitted)
    return train, frozen, fitted, frozen


def _held_out_fold(ready: Ready) -> NDArray[np.bool_]:
    """(N,) the first fold without which every class can still be learned, and with which all of them are judged.

    Raises:
        DataError: there is none; names a class that stands in too few groups.
    """
    targets, folds_N = ready.targets.take(ready.training), ready.fitted.folds_N
    if not isinstance(targets, ClassTargets):
        inside: NDArray[np.bool_] = folds_N == 0
        return inside
    everything = set(targets.values.tolist())
    lacking: set[int] = set()
    for fold in range(ready.fitted.n_folds):
        inside = folds_N == fold
        sides = [set(targets.values[side].tolist()) for side in (~inside, inside)]
        if sides[0] == sides[1] == everything:
            return inside
        lacking |= everything - (sides[0] & sides[1])
    name = targets.names[min(lacking)]
    raise DataError(
        f"“{name}” stands in too few groups to be both learned and checked, which fine-tuning needs; add images of it from "
        "elsewhere, or train without --deep"
    )


@dataclass(frozen=True)
class Scale:
    """Numbers are learnt in standard deviations from their mean, so that rates suit them; everything else as it is."""

    mean_O: FloatArray | None = None
    spread_O: FloatArray | None = None

    @classmethod
    def of(cls, targets: Targets) -> Scale:
        """From the training targets."""
        if not isinstance(targets, NumberTargets):
            return cls()
        spread_O = targets.values.std(axis=0)
        return cls(targets.values.mean(axis=0), np.where(spread_O > 0, spread_O, 1).astype(np.float32))

    def encode(self, values: NDArray[Any]) -> NDArray[Any]:
        """Targets as they are learnt."""
        if self.mean_O is None or self.spread_O is None:
            return values
        return np.asarray((values - self.mean_O) / self.spread_O, np.float32)

    def decode(self, values: NDArray[Any]) -> NDArray[Any]:
        """What is learnt, in the targets' own units."""
        if self.mean_O is None or self.spread_O is None:
            return values
        return np.asarray(values * self.spread_O + self.mean_O)

    def inward(self, head: Head) -> Head:
        """A head whose outputs are what is learnt."""
        if self.mean_O is None or self.spread_O is None:
            return head
        return replace(
            head, weight_DC=head.weight_DC / self.spread_O, bias_C=(head.bias_C - self.mean_O) / self.spread_O
        )

    def outward(self, weight_DO: FloatArray, bias_O: FloatArray) -> tuple[FloatArray, FloatArray]:
        """Weights and bias whose outputs are the numbers themselves."""
        if self.mean_O is None or self.spread_O is None:
            return weight_DO, bias_O
        return weight_DO * self.spread_O, bias_O * self.spread_O + self.mean_O


def _for_embedding(head: Head, blocks: tuple[str, ...]) -> Head:
    """The head for the embedding as it is (the features were scaled to unit length), its temperature taken in."""
    factor = np.float32(head.beta)
    scale = np.float32(1 / np.sqrt(len(blocks)))
    return replace(head, weight_DC=head.weight_DC * scale * factor, bias_C=head.bias_C * factor, beta=1.0)


def loaders_of(
    ready: Ready,
    train: NDArray[np.intp],
    valid: NDArray[np.intp],
    scale: Scale,
    image_block: ImageBlock,
    resize: preprocess.Resize,
) -> DataLoaders:
    """Both sides as batches: for training a little larger than the network's input, for judging the very pixels that it
    answers for in production."""
    targets = ready.targets
    samples = [
        Sample(row, item.name, item, item.reference, targets.text(row), group=item.group)
        for row, item in enumerate(ready.items)
    ]
    method, facts = ResizeMethod(resize.method), ready.chosen.embeddings.facts
    roomy = roomy_size([pixel_size(facts[row])[::-1] for row in train], resize)
    views = [
        View(tuple(samples[row] for row in rows), image_block, None, scale.encode(targets.values[rows]), training)
        for rows, training in ((train, True), (valid, False))
    ]
    tuning = ready.options.deep or Tuning()
    batch_size = tuning.batch_size or batch_size_for(len(train))
    loading = Loading(batch_size, ready.options.seed, ready.options.workers)
    return DataLoaders(
        train=DataLoader(
            views[0], replace(loading, shuffle=True, drop_last=True), (Resize(roomy, method, filter=resize.filter),)
        ),
        valid=DataLoader(views[1], loading, (Resize(resize.size, method, filter=resize.filter),)),
        datasets=Datasets(views[0], views[1]),
    )


def roomy_size(sizes: Sequence[tuple[int, int]], resize: preprocess.Resize) -> tuple[int, int]:
    """(height, width) to load pictures of these ``sizes`` at, (height, width) too, before they are varied.

    Larger than the input only as far as half of them have the pixels: enlarged ones are soft, and a network that learned
    on soft pictures is less good at the sharp ones it answers for.

    >>> spec = preprocess.Resize(size=(200, 200), method="crop")
    >>> roomy_size([(3000, 4000)], spec), roomy_size([(210, 280)], spec), roomy_size([(28, 28)], spec)
    ((230, 230), (210, 210), (200, 200))
    """
    height, width = resize.size
    # Where the whole picture is padded to a square there is nothing beyond it that a larger one would show.
    if resize.method == "pad":
        return height, width
    times = float(np.clip(np.median([min(h / height, w / width) for h, w in sizes]), 1, MARGIN))
    return round(times * height), round(times * width)


def batch_size_for(images: int) -> int:
    """32, or as many as leave an epoch about 32 steps, though not fewer than 8: with too few steps a good head is only lost.

    >>> [batch_size_for(n) for n in (100, 600, 5000)]
    [8, 16, 32]
    """
    return min(32, max(8, 1 << max(images // 32, 1).bit_length() - 1))


def _checkpoints(ready: Ready, train: NDArray[np.intp], fingerprint: str) -> Path | None:
    """Where this very run, and no other, keeps what it goes on from; None where nothing is to be kept."""
    options, facts = ready.options, ready.chosen.embeddings.facts
    if not options.use_cache:
        return None
    digest = hashlib.sha256(repr((__version__, fingerprint, options, ready.chosen.features.name)).encode())
    for row in train:
        digest.update(f"{facts[row].sha256} {ready.items[row].label}\n".encode())
    digest.update(_weights(ready, train).tobytes())
    return (options.cache or default_folder()) / "fine-tuning" / digest.hexdigest()[:32]


def _weights(ready: Ready, rows: NDArray[np.intp]) -> FloatArray:
    """What each of these images counts, 1 on average."""
    return ready.targets.take(rows).weights(ready.weights_A[rows], ready.options.balance, ready.groups_A[rows])


def task_of(targets: Targets) -> Task:
    """The loss and the figures shown while training."""
    from ..learn.deep.task import MULTI_LABEL, REGRESSION, SINGLE_LABEL

    if isinstance(targets, NumberTargets):
        return REGRESSION
    return SINGLE_LABEL if isinstance(targets, ClassTargets) else MULTI_LABEL


def _variation(tuning: Tuning, usual: Callable[..., Augment]) -> Augment:
    """How images are varied: as photos are, or, without an up, turned but hardly tilted."""
    if tuning.turns or tuning.flip_vertical:
        return usual(turns=tuning.turns, flip_vertical=tuning.flip_vertical, rotate=2.0, zoom=1.05, warp=0.0)
    return usual()
