"""Reading a source by a DataBlock: the items with files, and the targets, that a run works on."""

from __future__ import annotations

from collections.abc import Collection, Iterable, Mapping, Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

from ..core.errors import DataError, SourceError, StepError, UsageError
from ..core.reference import Reference
from ..core.scratch import Into
from ..core.types import Dataset, Item, Skipped
from ..data.block.blocks import ImageBlock, InputBlock, TargetBlock
from ..data.block.datablock import LEAK_FREE, DataBlock
from ..data.block.datasets import View
from ..data.block.edited import edited_samples, grouped_samples
from ..data.block.sample import Sample, folder_of
from ..data.edits.overlay import NO_LABEL, edited, log_of
from ..data.sources.opening import open_source
from ..model.kinds.tasks import TaskName
from .kinds.registry import TARGETS, kind_of_block
from .kinds.targets import Targets
from .missing_values import about_missing
from .spelling import about_alike, about_merged, counted, renamed, spelled
from .target_options import TargetOptions

Source = str | Path | Dataset | Iterable[object]


@dataclass(frozen=True, eq=False)
class Read:
    """Items, each with a file, and the targets of all of them."""

    dataset: Dataset
    targets: Targets
    input_block: InputBlock


@dataclass(frozen=True, eq=False)
class Labelled:
    """The content of a source, with the targets as the block reads them."""

    dataset: Dataset
    samples: tuple[Sample, ...]
    target: TargetBlock[Any]
    kind: type[Targets]


def block_for(options: TargetOptions, inputs: InputBlock | None = None) -> DataBlock:
    """The DataBlock of a run that was given none: ``inputs`` (images by default), and labels as `open_source` finds them, read
    as the task has them."""
    return TARGETS[options.task].data_block(options, inputs or ImageBlock())


def task_of_block(block: DataBlock | None) -> TaskName | None:
    """Return the task of a block's targets; None without a block, or with one of another kind."""
    if block is None:
        return None
    return next((kind.answered_as.task for kind in TARGETS.values() if kind.reads(block.target_block)), None)


def read(source: Source, options: TargetOptions, block: DataBlock | None, unpack_dir: Into) -> Read:
    """Resolve every item of a source.

    Raises:
        SourceError: the source cannot be read.
        StepError: an item has no target, or one that the block cannot use; says which.
        UsageError: the block has transforms, which embeddings know nothing of, or items without files.
        DataError: the block's splitter cannot split the items; no image has a label, or one has no number.
    """
    found = _as_spelled(samples_of(source, options, block, unpack_dir), options)
    dataset, target = found.dataset, found.target
    if block is None:
        found.kind.check_samples(dataset.source, found.samples, options)
    block = block or block_for(options)
    marked = _marked(block, found.samples)
    described = replace(dataset, items=tuple(item_of(sample, target) for sample in marked))
    return Read(described, targets_of(found.kind, target, marked, options), block.input_block)


def _as_spelled(found: Labelled, options: TargetOptions) -> Labelled:
    """Merge labels that differ only in how they are written, or point them out; and those that look like missing values."""
    meant = options.order or getattr(found.target, "vocab", None) or ()
    labels = counted(found.kind, found.samples)
    if options.normalise_labels:
        found, alike = respelled(found, spelled(labels, meant)), []
        labels = counted(found.kind, found.samples)
    else:
        alike = about_alike(labels)
    doubts = (*found.dataset.doubts, *alike, *about_missing(labels, meant))
    return replace(found, dataset=replace(found.dataset, doubts=doubts))


def respelled(found: Labelled, names: Mapping[str, str]) -> Labelled:
    """Return the content with other labels for those in ``names``, which is noted."""
    if not names:
        return found
    noted = found.dataset.noting(about_merged(counted(found.kind, found.samples), names))
    return replace(found, dataset=noted, samples=renamed(found.kind, found.samples, names))


def samples_of(
    source: Source,
    options: TargetOptions,
    block: DataBlock | None,
    unpack_dir: Into,
    inputs: InputBlock | None = None,
    vocabulary: Collection[str] = (),
) -> Labelled:
    """Read a source, with the targets as the block reads them; ``inputs``: of a block that is not given, by default
    images; ``vocabulary``: the labels known already. Raises what `read` does."""
    if block is not None and (block.item_tfms or block.batch_tfms):
        raise UsageError(
            "images are prepared as the backbone wants them; leave item_tfms and batch_tfms to vision_learner "
            "(resize= and --resize choose between crop, pad and squish)"
        )
    own_reader = block is not None and block.get_items is not open_source
    given, block = block, block or block_for(options, inputs)
    target = block.target_block
    if target is None:
        raise UsageError("the DataBlock has no target; give blocks such as (ImageBlock, CategoryBlock)")
    kind = TARGETS[options.task] if given is None else kind_of_block(target)
    if own_reader:
        items, skipped = block.items(source)
        title = str(source) if isinstance(source, str | Path) else f"Python {type(source).__name__}"
        samples = grouped_samples(block.samples(items, folder_of(source)), source)
        return _as_edited(Labelled(Dataset(title, (), tuple(skipped)), samples, target, kind), block, source, options)
    dataset = _opened(source, options, block.input_block, unpack_dir)
    if given is None and options.edits:
        dataset = edited(dataset, source)
    # Items without a label are left out, as they cannot teach one; a block with a get_y of its own may know better.
    knows_better = given is not None and given.get_y is not None
    labelled = [item for item in dataset.items if item.label is not None or knows_better]
    if given is None:
        kind.check_labels(labelled)
        options, notes = kind.settled(options, labelled, vocabulary)
        block, dataset = block_for(options, inputs), dataset.noting(*notes)
    found = Labelled(dataset, block.samples(labelled), target, kind)
    return found if given is None else _as_edited(found, given, source, options)


def _opened(source: Source, options: TargetOptions, inputs: InputBlock, unpack_dir: Into) -> Dataset:
    """Open a source with the labels that it has. One without any is as good where a person has labelled it since."""
    try:
        return open_source(source, unpack_dir=unpack_dir, form=inputs.files, splits=options.splits)
    except SourceError:
        log = log_of(source) if options.edits else None
        if log is None or not any(stood.standing.label is not None for stood in log.standings.values()):
            raise
        bare = open_source(source, unpack_dir=unpack_dir, form=inputs.files, labelled=False)
        skipped = tuple(Skipped(item.name, NO_LABEL, "nobody has labelled it yet") for item in bare.items)
        return replace(bare, items=(), skipped=(*bare.skipped, *skipped))


def _as_edited(found: Labelled, block: DataBlock, source: Source, options: TargetOptions) -> Labelled:
    """Lay people's edits over what a block of their own has read."""
    if not options.edits:
        return found
    samples, notes = edited_samples(found.samples, source, block.target_block, block.get_y)
    return replace(found, samples=samples, dataset=found.dataset.noting(*notes))


def targets_of(
    kind: type[Targets], block: TargetBlock[Any], samples: Sequence[Sample], options: TargetOptions
) -> Targets:
    """The samples' targets as one array, with the vocabulary of all of them unless the block has one.

    Raises:
        DataError: one of them has no place in the vocabulary, or is too large a number.
    """
    known = kind.known(block, samples)
    rows = []
    for sample in samples:
        try:
            rows.append(known.encode(sample.target))
        except DataError as error:
            raise StepError(type(block).__name__, str(sample), str(error)) from None
    return kind.of_block(known, known.stack(rows), options)


def targets_in(view: View) -> Targets:
    """The targets of one side of a DataBlock's data set.

    Raises:
        UsageError: it has none, or of a kind that cannot be trained.
    """
    if view.target_block is None or view.targets_N is None:
        raise UsageError("there is no target; give the DataBlock a block for it, e.g. CategoryBlock")
    return kind_of_block(view.target_block).of_block(view.target_block, view.targets_N, TargetOptions())


def _marked(block: DataBlock, samples: Sequence[Sample]) -> Sequence[Sample]:
    """The samples with the side that the block's splitter gives them; the default leaves the source's own marks."""
    if block.splitter is None or block.splitter is LEAK_FREE:
        return samples
    split = block.split(samples)
    sides = {**dict.fromkeys(split.train.tolist(), "train"), **dict.fromkeys(split.valid.tolist(), "valid")}
    return [replace(sample, split=sides[sample.row]) for sample in samples if sample.row in sides]


def item_of(sample: Sample, block: TargetBlock[Any]) -> Item:
    """The sample as an item with its file.

    Raises:
        UsageError: it has none.
    """
    if not isinstance(sample.x, Reference):
        raise UsageError(f"{sample} is no file; a bundle is trained on files, so that it can tell copies of them later")
    return Item(sample.x, sample.name, block.text(sample.target), sample.group, sample.split, sample.weight)
