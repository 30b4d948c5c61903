"""A learner over a DataBlock's loaders: fastai's verbs, from the fitted head to the bundle.

    dls = bears.dataloaders("bears")
    learn = vision_learner(dls, "efficientnet-lite0", metrics=error_rate)
    learn.fine_tune(4)
    learn.interpretation().plot_confusion_matrix()
    learn.export("bears.bundle")

Shapes: T training items, V validation items, D embedding, O outputs.
"""

from __future__ import annotations

import os
import time
from collections.abc import Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from ..app.run import write
from ..core.errors import DataError, UsageError
from ..core.ports import Progress
from ..core.reference import local_file
from ..core.types import Dataset, FloatArray, IntArray, Item, Prediction
from ..data.block.datasets import View
from ..data.block.item_transforms import RandomResizedCrop
from ..data.block.item_transforms import Resize as ItemResize
from ..data.block.loader import DataLoader, DataLoaders
from ..data.block.sample import Sample
from ..data.image.picture import read_picture
from ..data.image.preprocess import REDUCED_DECODE_MARGIN, Preprocess, apply
from ..data.image.preprocess import Resize as ResizeSpec
from ..embed.cache import EmbeddingCache, default_folder
from ..learn.deep.augment import NONE, Augment
from ..learn.deep.devices import best_device
from ..learn.deep.export import frozen_backbone
from ..learn.deep.finder import RateSearch
from ..learn.deep.headed import HeadedNetwork
from ..learn.deep.learner import Learner
from ..learn.deep.network import Network
from ..learn.deep.networks import network
from ..learn.deep.objective import Metric, Objective
from ..learn.deep.recorder import Recorder
from ..learn.deep.schedule import Rate
from ..learn.deep.stepper import Options
from ..learn.findings import check_codes
from ..learn.head import Head
from ..learn.judged import Judged
from ..learn.kinds.targets import AnyInterpretation, Targets
from ..learn.reading import Read, item_of, targets_in
from ..learn.scale import Scale
from ..model.policy import UNJUDGED
from ..model.seen import Seen
from ..model.storage import check_out
from ..notebook.progress import here
from ..stats.metrics import Floats
from ..training.options import TrainOptions, Tuning
from ..training.ready import Ready, Tuned
from ..training.run import fit
from ..training.stopwatch import Stopwatch
from ..training.trained import TrainResult
from ..training.tuning import judge_network
from .training_head import fit_on_training, plain, unit_of

Metrics = Metric | Sequence[Metric]


def vision_learner(
    dls: DataLoaders,
    backbone: str = "efficientnet-lite0",
    metrics: Metrics = (),
    *,
    head: str = "fitted",
    seed: int = 0,
    options: Options | None = None,
    device: str | None = None,
    progress: Progress | None = None,
) -> VisionLearner:
    """Make a learner for the loaders ``dls``, on a pretrained network.

    ``backbone``: a packaged network or ``timm:NAME``. It takes pictures as the last `Resize` or `RandomResizedCrop` of
    the item transforms makes them. An `Augment` (``aug_transforms()``) among the batch transforms is applied together
    with normalisation. ``head``: ``fitted`` begins with a head fitted on the frozen network (a few seconds; Kumar et al.
    2022), ``fresh`` with a random one. ``options`` override those that follow from ``seed``.

    Raises:
        UsageError: there is no such network, it cannot take such pictures, or the loaders have no target.
    """
    if head not in ("fitted", "fresh"):
        raise UsageError(f"head is {head!r}; it must be 'fitted' or 'fresh'")
    progress = progress or here()
    block = dls.datasets.train.target_block
    if block is None or dls.datasets.train.targets_N is None:
        raise UsageError("the loaders have no target; give the DataBlock a block for it, e.g. CategoryBlock")
    net = network(backbone)
    net.prepare(_prepared(net.about.preprocess, dls))
    train, valid = (targets_in(view) for view in (dls.datasets.train, dls.datasets.valid))
    scale = train.scale()
    loaders, augment = _split_off(dls, scale)
    objective = _with_metrics(train.objective(), metrics, scale)
    model = objective.headed(net, train.width, seed=seed)
    options, device = options or Options(seed=seed), device or best_device()
    learner = Learner(loaders, model, objective, augment, options, progress=progress, device=device)
    made = VisionLearner(dls, train, valid, scale, backbone, learner, progress)
    if head == "fitted":
        made.fit_head(seed)
    return made


@dataclass(eq=False)
class VisionLearner:
    """Trains a network on a DataBlock's loaders; made by `vision_learner`."""

    dls: DataLoaders
    targets: Targets
    valid_targets: Targets
    scale: Scale
    backbone: str
    learner: Learner
    progress: Progress

    def __repr__(self) -> str:
        sides = f"{len(self.targets)} items for training, {len(self.valid_targets)} for validation"
        return f"<VisionLearner of {self.network.about.name} for {self.targets.task}: {sides}>"

    @property
    def network(self) -> Network:
        """The network without its head."""
        net: Network = self.learner.model.network
        return net

    @property
    def model(self) -> HeadedNetwork:
        """The network with its head, a torch module."""
        model: HeadedNetwork = self.learner.model
        return model

    @property
    def recorder(self) -> Recorder:
        """Losses, rates and metrics so far."""
        return self.learner.recorder

    def fit_head(self, seed: int = 0) -> None:
        """Replace the head by one fitted on the network as it is now."""
        fitted = fit_on_training(self.learner, self.dls, self.targets, self.progress, seed).fitted
        unit = unit_of(self.learner)
        factor = np.float32(fitted.head.beta)
        head = Head(fitted.head.weight_DC * unit * factor, fitted.head.bias_C * factor, 1.0, fitted.head.penalty)
        self.learner.begin_at(self.scale.inward(head))

    def fine_tune(self, epochs: int, base_lr: float = 1e-3, freeze_epochs: int | None = None, **more: Any) -> None:
        """Train the head, then the whole network; see `Learner.fine_tune`."""
        self.learner.fine_tune(epochs, base_lr, freeze_epochs, **more)

    def fit_one_cycle(self, epochs: int, lr_max: Rate = 1e-3, **more: Any) -> None:
        """See `Learner.fit_one_cycle`."""
        self.learner.fit_one_cycle(epochs, lr_max, **more)

    def fit_last_stages(self, epochs: int, lr_max: Rate = slice(1e-4, 1e-3), **more: Any) -> None:
        """See `Learner.fit_last_stages`: minutes on a CPU."""
        self.learner.fit_last_stages(epochs, lr_max, **more)

    def lr_find(self, steps: int = 100) -> RateSearch:
        """See `Learner.lr_find`."""
        return self.learner.lr_find(steps)

    def freeze(self) -> None:
        """Train only the head."""
        self.learner.freeze()

    def unfreeze(self) -> None:
        """Train everything."""
        self.learner.unfreeze()

    def validate(self) -> dict[str, float]:
        """Loss and metrics on the validation items."""
        result, objective = self.learner.validate(), self.learner.objective
        return {"loss": result.loss, **{name: f(result.outputs_NC, result.y) for name, f in objective.metrics.items()}}

    def judged(self) -> tuple[Judged, tuple[Item, ...]]:
        """Answers for the validation items, calibrated by themselves, with the items.

        Raises:
            DataError: there are none.
        """
        result, view = self.learner.validate(), self.dls.datasets.valid
        place = {sample.row: position for position, sample in enumerate(view.samples)}
        rows = np.asarray([place[int(row)] for row in result.rows_N], np.intp)
        if not len(rows):
            raise DataError(
                "there is no validation item that can be used; give the DataBlock a splitter that keeps some"
            )
        targets, groups = self.valid_targets.take(rows), self.dls.datasets.groups_of(view)[rows]
        logits = self.scale.decode(result.outputs_NC)
        answers = targets.answers(logits, targets.beta(logits))
        how = f"{len(rows)} validation items"
        items = tuple(_item(view.samples[row], view) for row in rows)
        return Judged(rows, targets, groups, logits, answers, how), items

    def interpretation(self) -> AnyInterpretation:
        """Return the learner's mistakes among the validation items."""
        judged, items = self.judged()
        return judged.interpretation(
            items, judged.figures(self.learner.options.seed).settings, self.network.about.preprocess
        )

    def class_answers(self) -> tuple[tuple[Item, ...], IntArray, Floats, IntArray, tuple[str, ...]]:
        """Return items, labels (V,), probabilities (V, C), groups (V,) and classes of the validation items.

        Raises:
            UsageError: the learner gives no classes.
            DataError: there are no validation items.
        """
        if not self.targets.one_label:
            raise UsageError(f"a learner for {self.targets.task} gives no classes; use interpretation()")
        judged, items = self.judged()
        return items, judged.targets.values, judged.answers_JO, judged.groups_J, judged.targets.names

    def predict(self, picture: object) -> Prediction:
        """Answer one picture: a path, bytes, a Pillow image or a uint8 array. For production, export and load.

        Probabilities are not calibrated before `export`, and the verdict is ``review``, since no rule was fitted yet by
        which an answer could stand.
        """
        spec = self.network.about.preprocess
        tensor = apply(read_picture(picture, spec.decode_size, spec.render), spec)
        outputs_1O, embedding_1D = self.learner.outputs_and_embeddings(tensor[None])
        logits_1W = self.scale.decode(outputs_1O)
        answer = self.targets.answer(self.targets.answers(logits_1W, 1.0)[0])
        path = str(picture) if isinstance(picture, str | Path) else ""
        return UNJUDGED.judged(path, Seen(logits_1W[0], embedding_1D[0]), answer, "")

    def export(
        self,
        path: str | Path = "export.bundle",
        *,
        name: str | None = None,
        accept: float = 0.9,
        max_error: float | None = None,
        gallery: int = TrainOptions.gallery,
        cache: str | Path | None = None,
        ignore: Sequence[str] = (),
    ) -> TrainResult:
        """Write the bundle: the network as it is now, calibrated and judged on the validation items.

        ``gallery``: pictures of the training items that it keeps, small and without metadata; 0 keeps none. Items that are
        copies of training items are left out of the figures, whichever splitter was used. ``accept`` states the confidence
        from which on an answer stands; ``max_error``, the share of such answers that may be wrong, has it found from the
        validation items instead. Findings whose codes stand in ``ignore`` are left out.

        Raises:
            UsageError: items are not files, ``path`` cannot be written, or ``ignore`` names no finding.
            DataError: there is nothing to judge by.
        """
        out, watch = Path(path), Stopwatch(time.perf_counter)
        check_out(out)
        ignore = check_codes(ignore)
        with watch("read"):
            found = self._read()
        folder = Path(cache) if cache is not None else default_folder()
        options = TrainOptions(
            self.backbone,
            name=name,
            accept=accept,
            max_error=max_error,
            gallery=gallery,
            seed=self.learner.options.seed,
            cache=folder,
            ignore=ignore,
        )
        frozen = network(self.backbone)
        frozen.prepare(self.network.about.preprocess)
        embeddings = EmbeddingCache(folder, self.progress.say)
        try:
            trained = fit(
                found, options, embeddings, self.progress, watch, tuner=self._tuned, backbone=frozen_backbone(frozen)
            )
        finally:
            embeddings.close()
        return write(trained, out, watch)

    def _tuned(self, ready: Ready) -> Tuned:
        if ready.held is None:
            raise DataError("there are no validation items to judge by; give the DataBlock a splitter that keeps some")
        device, records = self.learner.device, self.recorder.epochs
        self.model.cpu()
        try:
            result = judge_network(ready, self.model, self.scale, ready.judged, ready.judged, self.progress)
        finally:
            self.model.to(device)
        rate = max(self.recorder.rates, default=0.0) or 1e-3
        return replace(
            result,
            tuning=Tuning(epochs=max(len(records), 1), rate=rate),
            trained="by a script",
            images=len(ready.training),
            curve=self.recorder.plot(),
        )

    def _read(self) -> Read:
        """Read both sides as one data set that says which item is on which side."""
        sides = ((self.dls.datasets.train, "train"), (self.dls.datasets.valid, "valid"))
        items: list[Item] = []
        for view, split in sides:
            assert view.target_block is not None  # the constructor has checked it
            items += [replace(item_of(sample, view.target_block), split=split) for sample in view.samples]
        values = np.concatenate([self.targets.values, self.valid_targets.values])
        files = [local_file(item.reference) for item in items]
        places = [file.parent for file in files if file is not None]
        title = os.path.commonpath(places) if len(places) == len(items) else "a DataBlock"
        dataset = Dataset(title, tuple(items), self.dls.skipped, self.dls.datasets.notes)
        return Read(dataset, self.targets.with_values(values), self.dls.datasets.train.image_block)


def _prepared(own: Preprocess, dls: DataLoaders) -> Preprocess:
    """Return the network's preprocessing, with pictures of the size and shape that the item transforms make."""
    block = dls.datasets.train.image_block
    spec = own.model_copy(update={"mode": block.mode, "render": block.render})
    sizing = [tfm for tfm in dls.train.item_tfms if isinstance(tfm, ItemResize | RandomResizedCrop)]
    if not sizing:
        return spec
    last = sizing[-1]
    size, method = (last.size, last.method.value) if isinstance(last, ItemResize) else (last.size, "crop")
    resize = ResizeSpec.model_validate({"size": size, "method": method, "filter": last.filter})
    floor = None if spec.decode_floor is None else REDUCED_DECODE_MARGIN * max(resize.size)
    return spec.model_copy(update={"resize": resize, "decode_floor": floor})


def _split_off(dls: DataLoaders, scale: Scale) -> tuple[DataLoaders, Augment]:
    """Return loaders without the augmentation, and the augmentation, which is applied together with normalisation."""
    found = [tfm for tfm in dls.train.batch_tfms if isinstance(tfm, Augment)]
    if len(found) > 1:
        raise UsageError(f"there are {len(found)} augmentations among the batch transforms; put them into one")
    loaders = []
    for loader in (dls.train, dls.valid):
        encoded = None if loader.view.targets_N is None else scale.encode(loader.view.targets_N)
        view = replace(loader.view, targets_N=encoded)
        loaders.append(DataLoader(view, loader.loading, loader.item_tfms, plain(loader)))
    return replace(dls, train=loaders[0], valid=loaders[1]), found[0] if found else NONE


def _with_metrics(objective: Objective, metrics: Metrics, scale: Scale) -> Objective:
    """Return the objective with figures of its own, in the targets' own units."""
    given = (metrics,) if callable(metrics) else tuple(metrics)
    for metric in given:
        if not callable(metric):
            raise UsageError(f"{metric!r} is no metric; give functions such as error_rate")
    if not given and scale.spread_O is None:
        return objective
    named = {getattr(f, "__name__", str(f)): f for f in given} or objective.metrics
    return replace(objective, metrics={name: _in_own_units(f, scale) for name, f in named.items()})


def _in_own_units(metric: Metric, scale: Scale) -> Metric:
    def wrapped(outputs_NO: FloatArray, y: NDArray[Any]) -> float:
        return metric(scale.decode(outputs_NO), scale.decode(y))

    return wrapped


def _item(sample: Sample, view: View) -> Item:
    """Return the sample as an item for people to look at; a picture from memory has no file to show."""
    label = view.target_block.text(sample.target) if view.target_block else None
    return Item(sample.path or Path(sample.name), sample.name, label, sample.group)
