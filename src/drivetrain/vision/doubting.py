"""Doubts about labels: of a learner, of loaders without one, and of a bundle. Shapes: T training items, C classes."""

from __future__ import annotations

import hashlib
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from os import PathLike
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from ..core.cores import available_cores
from ..core.errors import DataError, InputError, UsageError
from ..core.ordered_map import ordered_map
from ..core.ports import Progress
from ..core.reference import Reference, read_bounded
from ..core.types import Dataset, Item
from ..data.block.datablock import DataBlock
from ..data.block.datasets import Datasets
from ..data.block.loader import DataLoader, DataLoaders
from ..data.image.preprocess import for_images
from ..data.sources.opening import open_source
from ..embed.cache import EmbeddingCache, default_folder
from ..embed.unpack_place import unpack_place
from ..learn.kinds.registry import TARGETS, kind_of_block
from ..learn.kinds.targets import Targets
from ..learn.reading import read
from ..learn.target_options import TargetOptions
from ..model.kinds.tasks import FIRST
from ..model.predictor import Predictor
from ..notebook.doubted import LEFT_OUT, TRAIN, VALID, Doubts, doubted
from ..stats.metrics import Floats
from ..training.options import TrainOptions
from ..workbench.survey import survey
from .learner import VisionLearner
from .training_head import fit_on_training, plain

Answers = Mapping[str, Floats]
"""Probabilities of the classes by the item's name."""

OUT_OF_FOLD = "each answered by a head that has not seen it"
LEFT = "Items that earlier marks leave out of the loaders, or that cannot be read: nothing is answered about them."


def of_learner(learn: VisionLearner, data: str | Path | None = None) -> Doubts:
    """Doubt the labels of a learner's items: by its answers to validation items, and out of fold to training items.

    Raises:
        UsageError: it gives no classes, its items come from no path, or are no files.
    """
    _check_kind(type(learn.targets))
    how, answers = {}, dict[str, Floats]()
    if len(learn.dls.datasets.valid):
        judged, items = learn.judged()
        answers |= dict(zip((item.name for item in items), judged.answers_JO, strict=True))
        how[VALID] = "In order of the learner's loss: it has not trained on these."
    trained, how[TRAIN] = _training_answers(learn)
    return _of_datasets(learn.dls.datasets, data, answers | dict(trained), learn.targets.names, how)


def of_loaders(
    dls: DataLoaders, data: str | Path | None, backbone: str, progress: Progress, cache_folder: Path | None
) -> Doubts:
    """Doubt the labels of loaders' items out of fold, by heads on a pretrained network.

    Raises:
        UsageError: they give no classes, their items come from no path, or are no files.
        DataError: no picture can be used.
    """
    block, view = dls.datasets.train.target_block, dls.datasets.train
    if block is None:
        raise UsageError("the loaders have no target; give the DataBlock a block for it, e.g. CategoryBlock")
    _check_kind(kind_of_block(block))
    found = Dataset("a DataBlock", _lying(dls.datasets))
    folder = cache_folder or default_folder()
    cache = EmbeddingCache(folder, progress.say)
    try:
        reader = DataBlock(blocks=(view.image_block, block), get_items=open_source)
        options = TrainOptions(backbone, cache=folder)
        surveyed = survey(found, options, cache, progress, unpack_place(folder, use_cache=True), reader)
    finally:
        cache.close()
    judged, answers = surveyed.judged, dict[str, Floats]()
    if judged is not None:
        names = (surveyed.sample.items[row].name for row in judged.rows_J)
        answers = dict(zip(names, judged.answers_JO, strict=True))
    said = f"In order of the loss, {OUT_OF_FOLD}, on the pretrained network's features."
    how = f"In no order, as nothing can be learned: {surveyed.unfit}" if judged is None else said
    classes = surveyed.sample.targets.names
    return _of_datasets(dls.datasets, data, answers, classes, {TRAIN: how, VALID: how})


def of_bundle(bundle: Predictor, data: str | Path | None, progress: Progress, cache_folder: Path | None) -> Doubts:
    """Doubt the labels of a source by a bundle's answers; out of fold where the bundle has learned from a picture and kept such
    an answer.

    Raises:
        UsageError: the bundle gives no classes, or the source is none.
        SourceError: the source cannot be read.
        DataError: none of its labels is one of the bundle's classes.
    """
    _check_kind(TARGETS[bundle.manifest.task])
    if data is None:
        raise UsageError("a bundle does not hold the pictures to clean; give data= their folder, table or archive")
    place = unpack_place(cache_folder, use_cache=True)
    options = TargetOptions(task=FIRST, edits=False)
    items = read(str(data), options, None, place).dataset.items
    classes = bundle.classes
    if not any(item.label in classes for item in items):
        label = next(item.label for item in items)
        raise DataError(f"no label of {data}, such as {label!r}, is one of the bundle's classes: {', '.join(classes)}")
    seen, doubts = _Remembered.of(bundle), []
    made = ordered_map(lambda item: seen.answer(item.reference), items, workers=available_cores() + 1, ahead=64)
    with progress.stage("answer", len(items)) as advance:
        for item, (side, probs_C) in zip(items, made, strict=True):
            doubts.append(doubted(item, side, classes, probs_C))
            advance(1)
    fitted = "" if seen.all_unseen else "; of those that it was fitted to, by that fit"
    how = {
        TRAIN: f"The bundle has learned from these. In order of the loss, {OUT_OF_FOLD}{fitted}.",
        VALID: "In order of the bundle's loss: it has not learned from these.",
        LEFT_OUT: "These cannot be read.",
    }
    render = for_images(bundle.manifest.input.preprocess).render
    return Doubts(str(data), tuple(doubts), classes, how, render, place if isinstance(place, Path) else None)


@dataclass(frozen=True, eq=False)
class _Remembered:
    """A bundle, with the pictures that it has learned from, by the hash of their pixels."""

    bundle: Predictor
    rows: Mapping[bytes, int]
    unseen: Mapping[int, int]
    """Row → the place of its out-of-fold answer."""

    @classmethod
    def of(cls, bundle: Predictor) -> _Remembered:
        arrays = bundle.arrays()
        rows = {digest.tobytes(): row for row, digest in enumerate(arrays.pixels_sha256_T32)}
        unseen = {row: place for place, row in enumerate(arrays.unseen_rows_M.tolist())}
        return cls(bundle, rows, unseen)

    @property
    def all_unseen(self) -> bool:
        """Tells whether there is an out-of-fold answer to every picture learned from."""
        return all(row in self.unseen for row in self.rows.values())

    def answer(self, reference: Reference) -> tuple[str, NDArray[np.float32] | Floats | None]:
        """The side of a picture, and the probabilities of the classes."""
        preparation, kind = self.bundle.manifest.input.preprocess, self.bundle.manifest.kind
        try:
            data = read_bounded(reference)
            content = preparation.read(data)
            digest = preparation.facts(hashlib.sha256(data).hexdigest(), content).content_sha256
            row = self.rows.get(bytes.fromhex(digest))
            if row is not None and row in self.unseen:
                logits_1W = self.bundle.arrays().unseen_logits_MC[self.unseen[row]][None]
            else:
                logits_1W = self.bundle.run_tensor(self.bundle.tensor(content))[0][None]
        except InputError:
            return LEFT_OUT, None
        return (VALID if row is None else TRAIN), kind.answers(logits_1W)[0]


def _training_answers(learn: VisionLearner) -> tuple[Answers, str]:
    """Answers to a learner's training items, with a sentence on whose they are."""
    samples = learn.dls.datasets.train.samples
    try:
        head = fit_on_training(learn.learner, learn.dls, learn.targets, learn.progress, learn.learner.options.seed)
        known_T = head.targets.judgeable(head.groups_T)
        answers = head.targets.answers(head.fitted.out_of_fold.logits_NC, head.fitted.head.beta)
        named = {samples[row].name: answers[t] for t, row in enumerate(head.rows_T) if known_T[t]}
        return named, f"In order of the loss, {OUT_OF_FOLD}, on the features of the network as it is now."
    except DataError as error:
        view = replace(learn.dls.datasets.train, training=False)
        loader = DataLoader(view, learn.dls.valid.loading, learn.dls.train.item_tfms, plain(learn.dls.train))
        result = learn.learner.predict(loader)
        place = {sample.row: sample.name for sample in view.samples}
        answers = learn.targets.answers(learn.scale.decode(result.outputs_NC), 1.0)
        named = {place[int(row)]: one for row, one in zip(result.rows_N, answers, strict=True)}
        return named, f"In order of the learner's loss on what it was fitted to, as others cannot be had: {error}"


def _of_datasets(
    datasets: Datasets, data: str | Path | None, answers: Answers, classes: Sequence[str], how: Mapping[str, str]
) -> Doubts:
    source = datasets.source
    if not isinstance(source, str | PathLike):
        raise UsageError(
            "marks are kept beside the data, and these loaders were made of no folder or file; make them of one: "
            "block.dataloaders(PATH)"
        )
    if data is not None and Path(data) != Path(source):
        raise UsageError(f"data is {str(data)!r}, and the loaders were made of {str(source)!r}; leave data out")
    sides = {sample.name: TRAIN for sample in datasets.train.samples}
    sides |= {sample.name: VALID for sample in datasets.valid.samples}
    items = tuple(
        doubted(item, sides.get(item.name, LEFT_OUT), classes, answers.get(item.name)) for item in _lying(datasets)
    )
    render = datasets.train.image_block.render
    return Doubts(Path(source), items, tuple(classes), {**how, LEFT_OUT: LEFT}, render)


def _lying(datasets: Datasets) -> tuple[Item, ...]:
    """The items as they lie in the source, whatever edits say.

    Raises:
        UsageError: they are no files.
    """
    block = datasets.train.target_block
    assert block is not None, "whoever asks has checked it"
    items = []
    for sample in datasets.lying:
        if not isinstance(sample.x, Reference):
            raise UsageError(
                f"{sample} is no file; a cleaner moves and deletes files: give a DataBlock that reads them"
            )
        labels = sample.item.labels if isinstance(sample.item, Item) else None
        items.append(Item(sample.x, sample.name, block.text(sample.target), sample.group, labels=labels))
    return tuple(items)


def _check_kind(kind: type[Targets]) -> None:
    if not kind.one_label:
        raise UsageError(
            f"ImageClassifierCleaner is for one class a picture, and this is {kind.answered_as.task}; `drivetrain clean DATA` "
            "cleans it in the browser, `drivetrain suspects DATA` lists what is doubtful"
        )
