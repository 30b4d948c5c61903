"""From a source and a DataBlock to what a run works on: items with files, and their targets."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from ..core.errors import DataError, StepError, UsageError
from ..core.reference import Reference
from ..core.types import Dataset, Item
from ..data.block.blocks import CategoryBlock, ImageBlock, InputBlock, MultiCategoryBlock, RegressionBlock, TargetBlock
from ..data.block.datablock import LEAK_FREE, DataBlock
from ..data.block.datasets import View
from ..data.block.sample import Sample, folder_of
from ..data.sources.opening import open_source
from .target_options import TargetOptions, Task
from .targets import ClassTargets, LabelTargets, NumberTargets, Targets

Source = str | Path | Dataset | Iterable[object]

# Numbers are float32, and what is reckoned with them must stay finite.
GREATEST_NUMBER = 1e30


@dataclass(frozen=True, eq=False)
class Read:
    """Items, each with a file, and the targets of all of them."""

    dataset: Dataset
    targets: Targets
    input_block: InputBlock


def block_for(options: TargetOptions) -> DataBlock:
    """The DataBlock of a run that was given none: labels as `open_source` finds them, read as the task has them."""
    match options.task:
        case "classification":
            return DataBlock((ImageBlock, CategoryBlock), open_source)
        case "multi-label":
            return DataBlock((ImageBlock, MultiCategoryBlock), open_source, get_y=_Labels(options.delimiter))
        case "regression":
            return DataBlock((ImageBlock, RegressionBlock), open_source, get_y=_label)


def task_of_block(block: DataBlock | None) -> Task | None:
    """What a block's targets are; None without a block, or with one of another kind."""
    match block.target_block if block is not None else None:
        case CategoryBlock():
            return "classification"
        case MultiCategoryBlock():
            return "multi-label"
        case RegressionBlock():
            return "regression"
    return None


@dataclass(frozen=True)
class _Labels:
    """Several labels in one cell."""

    delimiter: str

    def __call__(self, item: Item) -> list[str]:
        text = (item.label or "").strip()
        # A table's cells come without spaces around them, so a delimiter alone may have lost its own.
        if text == self.delimiter.strip():
            return []
        return [part.strip() for part in text.split(self.delimiter) if part.strip()]


def _label(item: Item) -> str | None:
    return item.label


def read(source: Source, options: TargetOptions, block: DataBlock | None, unpack_dir: Path) -> Read:
    """Resolve every item of a source.

    Raises:
        SourceError: the source cannot be read.
        StepError: an item has no target, or one that the block cannot use; says which.
        UsageError: the block has transforms, which embeddings know nothing of, or items without files.
        DataError: the block's splitter cannot split the items; no image has a label, or one has no number.
    """
    dataset, samples, target = samples_of(source, options, block, unpack_dir)
    if block is None and options.task == "multi-label" and not any(sample.target for sample in samples):
        raise DataError(
            f"none of the {len(samples)} images of {dataset.source} has a label; every one has nothing but the delimiter "
            f"“{options.delimiter}”"
        )
    block = block or block_for(options)
    marked = _marked(block, samples)
    described = Dataset(dataset.source, tuple(item_of(sample, target) for sample in marked), dataset.skipped)
    return Read(described, targets_of(target, marked, options.target_names), block.input_block)


def samples_of(
    source: Source, options: TargetOptions, block: DataBlock | None, unpack_dir: Path
) -> tuple[Dataset, tuple[Sample, ...], TargetBlock[Any]]:
    """What a source holds, with the targets as the block reads them. Raises what `read` does."""
    if block is not None and (block.item_tfms or block.batch_tfms):
        raise UsageError(
            "images are prepared as the backbone wants them; leave item_tfms and batch_tfms to vision_learner "
            "(resize= and --resize choose between crop, pad and squish)"
        )
    own_reader = block is not None and block.get_items is not open_source
    given, block = block, block or block_for(options)
    target = block.target_block
    if target is None:
        raise UsageError("the DataBlock has no target; give blocks such as (ImageBlock, CategoryBlock)")
    if own_reader:
        items, skipped = block.items(source)
        title = str(source) if isinstance(source, str | Path) else f"Python {type(source).__name__}"
        return Dataset(title, (), tuple(skipped)), block.samples(items, folder_of(source)), target
    dataset = open_source(source, unpack_dir=unpack_dir)
    # What carries no label cannot teach one; with a get_y of its own, a block may know better.
    knows_better = given is not None and given.get_y is not None
    labelled = [item for item in dataset.items if item.label is not None or knows_better]
    if given is None and options.task == "regression":
        _check_numbers(labelled)
    return dataset, block.samples(labelled), target


def _check_numbers(items: Sequence[Item]) -> None:
    """In the words of somebody who has never heard of blocks.

    Raises:
        DataError: a label is no number.
    """
    for item in items:
        try:
            RegressionBlock().parse(item.label)
        except DataError:
            comma = "; write a decimal point, not a comma" if "," in (item.label or "") else ""
            raise DataError(
                f"{item.name} is labelled {item.label!r}, which is no finite number; regression needs a plain number, "
                f"without a unit, for every image{comma}"
            ) from None


def with_vocab(block: TargetBlock[Any], outputs: tuple[str, ...]) -> TargetBlock[Any]:
    """The block with a bundle's outputs for its vocabulary."""
    return replace(block, vocab=outputs) if isinstance(block, CategoryBlock | MultiCategoryBlock) else block


def targets_of(block: TargetBlock[Any], samples: Sequence[Sample], names: tuple[str, ...] = ()) -> Targets:
    """The samples' targets as one array, with the vocabulary of all of them unless the block has one.

    Raises:
        DataError: one of them has no place in the vocabulary, or is too large a number.
    """
    if isinstance(block, CategoryBlock) and block.vocab is None:
        # Whether there are classes enough is asked later, of the images that can be used.
        block = replace(block, vocab=tuple(sorted({str(sample.target) for sample in samples})))
    known = block.setup([sample.target for sample in samples])
    rows = []
    for sample in samples:
        if isinstance(block, RegressionBlock):
            _check_reach(sample)
        try:
            rows.append(known.encode(sample.target))
        except DataError as error:
            raise StepError(type(block).__name__, str(sample), str(error)) from None
    return _targets(known, known.stack(rows), names)


def _check_reach(sample: Sample) -> None:
    numbers = np.asarray(sample.target, np.float64)
    if not (np.abs(numbers) <= GREATEST_NUMBER).all():
        found = ", ".join(f"{number:.4g}" for number in np.ravel(numbers))
        raise DataError(
            f"{sample.name} has the number {found}; numbers may reach {GREATEST_NUMBER:g}, so give it in a larger unit"
        )


def targets_in(view: View) -> Targets:
    """The targets of one side of a DataBlock's data set.

    Raises:
        UsageError: it has none, or of a kind that cannot be trained.
    """
    if view.target_block is None or view.targets_N is None:
        raise UsageError("there is no target; give the DataBlock a block for it, e.g. CategoryBlock")
    return _targets(view.target_block, view.targets_N, ())


def _targets(known: TargetBlock[Any], values: NDArray[Any], names: tuple[str, ...]) -> Targets:
    match known:
        case CategoryBlock():
            return ClassTargets(known.labels, np.asarray(values, np.int64))
        case MultiCategoryBlock():
            return LabelTargets(known.labels, np.asarray(values, np.float32))
        case RegressionBlock(n_out=count):
            return NumberTargets(_number_names(names, count), np.asarray(values, np.float32))
    raise UsageError(f"{type(known).__name__} has no task that can be trained; use one of the blocks of this library")


def _number_names(names: tuple[str, ...], count: int) -> tuple[str, ...]:
    if not names:
        return ("number",) if count == 1 else tuple(f"number {m + 1}" for m in range(count))
    if len(names) != count or len(set(names)) != count:
        raise UsageError(
            f"{len(names)} target names were given ({', '.join(map(str, names))}) for {count} numbers; name each once"
        )
    for name in names:
        if not isinstance(name, str) or not name.strip():
            raise UsageError(f"{name!r} was given for the name of a number; give a text, such as years")
    # What cannot be encoded cannot be written to the manifest either.
    return tuple(name.strip().encode("utf-8", "replace").decode("utf-8") for name in names)


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
