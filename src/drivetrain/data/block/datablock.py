"""The DataBlock: a description of data from which data sets and loaders are made.

    bears = DataBlock(
        blocks=(ImageBlock, CategoryBlock),
        get_items=get_image_files,
        get_y=parent_label,
        item_tfms=Resize(128),
    )
    dls = bears.dataloaders("bears")

A block never changes; `new` makes another of it. Steps, in their order: ``get_items`` of the source; ``get_x`` and
``get_y`` of every item, whose results the blocks parse; the splitter; the target block's vocabulary, from the training
items; then, when a picture is asked for, decoding, ``item_tfms``, and ``batch_tfms``. `summary` walks one item through.
"""

from __future__ import annotations

import inspect
from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

from ...core.errors import DataError, StepError, UsageError
from ...core.ports import Progress, Silent
from ...core.types import Dataset, Item, Skipped
from ..image.decoded_store import KEEP_BYTES
from .batch import BatchTransform
from .blocks import CategoryBlock, ImageBlock, InputBlock, TargetBlock
from .datasets import Datasets, View
from .describe import called, describe
from .edited import edited_samples, grouped_samples
from .getters import get_image_files
from .item_transforms import ItemTransform, PlainTransform
from .loader import DataLoader, DataLoaders, Loading
from .sample import Sample, default_x, folder_of, marks_of, names_of
from .splitter import PlainSplitter, Split, Splitter, check_labels, split_samples
from .splitters import LeakFreeSplitter
from .summary import Summary, summarise

Blocks = tuple[InputBlock] | tuple[InputBlock, TargetBlock[Any]]
Getter = Callable[[Any], object]

LEAK_FREE = LeakFreeSplitter()


@dataclass(frozen=True)
class DataBlock:
    """The way from a source to batches.

    ``blocks``: the input's block (`ImageBlock`) and the target's (or the former alone), as classes or objects. ``get_items``: a
    function of the source that gives `Item`s, paths, rows of a table or pictures; `open_source` also does. Of an `Item`
    or path, ``get_x`` is the path itself by default, and ``get_y`` the label that an `Item` carries. ``item_tfms`` and
    ``batch_tfms`` take one transform or several.

    Raises:
        UsageError: a part is not what it must be.
    """

    blocks: Any = (ImageBlock, CategoryBlock)
    get_items: Getter = get_image_files
    get_x: Getter | None = None
    get_y: Getter | None = None
    splitter: Splitter | PlainSplitter | None = LEAK_FREE
    item_tfms: Any = ()
    batch_tfms: Any = ()

    def __post_init__(self) -> None:
        object.__setattr__(self, "blocks", _checked_blocks(self.blocks))
        for name in ("get_items", "get_x", "get_y", "splitter"):
            part = getattr(self, name)
            if part in Splitter.__subclasses__() or not (callable(part) or (part is None and name != "get_items")):
                raise UsageError(
                    f"{name} is {describe(part)}; give a function" + ", e.g. RandomSplitter()" * (name == "splitter")
                )
        object.__setattr__(self, "item_tfms", _checked_tfms(self.item_tfms, "item_tfms", "(image, rng)"))
        object.__setattr__(self, "batch_tfms", _checked_tfms(self.batch_tfms, "batch_tfms", "(batch, rng)"))

    @property
    def input_block(self) -> InputBlock:
        """The block of the input that is predicted from."""
        block: InputBlock = self.blocks[0]
        return block

    @property
    def image_block(self) -> ImageBlock:
        """The block that says what the pictures become.

        Raises:
            UsageError: there are none.
        """
        block = self.input_block
        if isinstance(block, ImageBlock):
            return block
        raise UsageError(f"data sets and loaders are for pictures; this DataBlock reads {called(block)}")

    @property
    def target_block(self) -> TargetBlock[Any] | None:
        """The block of the target; without a vocabulary yet, unless one was given."""
        return self.blocks[1] if len(self.blocks) > 1 else None

    def new(self, **changes: Any) -> DataBlock:
        """A block like this one but for ``changes``, e.g. ``bears.new(item_tfms=RandomResizedCrop(128))``.

        Raises:
            UsageError: there is no such part, or it is not what it must be.
        """
        known = list(self.__dataclass_fields__)
        if unknown := [name for name in changes if name not in known]:
            raise UsageError(f"a DataBlock has no {unknown[0]!r}; it has {', '.join(known)}")
        return replace(self, **changes)

    def items(self, source: Any) -> tuple[tuple[object, ...], tuple[Skipped, ...]]:
        """Return the items that ``get_items`` gives, and those it found unusable. A `Dataset` is its own items.

        Raises:
            DataError: it fails, or gives nothing.
        """
        items, skipped, _ = self._found(source)
        return items, skipped

    def _found(self, source: Any) -> tuple[tuple[object, ...], tuple[Skipped, ...], tuple[str, ...]]:
        """Return the items, those that are unusable, and what was noted of the source."""
        notes: tuple[str, ...] = ()
        try:
            found = source if isinstance(source, Dataset) else self.get_items(source)
        except DataError:
            raise
        except Exception as error:
            raise StepError(f"get_items {called(self.get_items)}", describe(source), _reason(error)) from error
        if isinstance(found, Dataset):
            items, skipped, notes = found.items, found.skipped, found.notes
        elif isinstance(found, Iterable) and not isinstance(found, str | bytes):
            items, skipped = tuple(found), ()
        else:
            raise DataError(f"get_items {called(self.get_items)} gave {describe(found)}; it must give a list of items")
        if not items:
            raise DataError(
                f"get_items {called(self.get_items)} gave no items for {describe(source)}; check the source"
            )
        return items, skipped, notes

    def samples(self, items: Sequence[object], root: Path | None = None) -> tuple[Sample, ...]:
        """Resolve each item's x and target; names are relative to ``root``.

        Raises:
            StepError: ``get_x`` or ``get_y`` failed, or gave what the block cannot use; says for which item.
        """
        xs = [self._x(item, f"item {row}") for row, item in enumerate(items)]
        names = names_of(items, xs, root)
        whos = [f"item {row} ({name})" for row, name in enumerate(names)]
        block = self.target_block
        targets: list[Any] = [None] * len(items)
        strata: Sequence[str | None] = targets
        if block is not None:
            targets = [self._target(block, item, who) for item, who in zip(items, whos, strict=True)]
            strata = block.strata(targets)
        samples = []
        for row, (item, x, name) in enumerate(zip(items, xs, names, strict=True)):
            _, group, split, weight = marks_of(item)
            samples.append(Sample(row, name, item, x, targets[row], strata[row], group, split, weight))
        return tuple(samples)

    def split(self, samples: Sequence[Sample], progress: Progress | None = None) -> Split:
        """Split the samples into those that train and those that validate.

        Raises:
            DataError: the splitter cannot split them.
        """
        try:
            return split_samples(self.splitter, samples, progress or Silent())
        except DataError:
            raise
        except Exception as error:
            raise StepError(f"splitter {called(self.splitter)}", f"{len(samples)} items", _reason(error)) from error

    def encoded(self, samples: Sequence[Sample], split: Split, progress: Progress | None = None) -> tuple[View, View]:
        """Encode both sides' targets as numbers, by the vocabulary that the training side teaches; the pictures' block is fitted
        to that side as well.

        Raises:
            StepError: a validation item has a label that training lacks; names both.
            DataError: a side lacks a label.
        """
        named = ((samples[row].name, samples[row].x) for row in split.train)
        inputs = self.image_block.fitted(named, progress or Silent()).block
        block = self.target_block
        if block is not None:
            block = block.setup([samples[row].target for row in split.train])
        views = []
        for rows, training in ((split.train, True), (split.valid, False)):
            chosen = tuple(samples[row] for row in rows)
            targets_N = block.stack([_encoded(block, sample) for sample in chosen]) if block is not None else None
            views.append(View(chosen, inputs, block, targets_N, training))
        if block is not None and block.needs_each_side:
            check_labels(samples, split, called(self.splitter))
        return views[0], views[1]

    def datasets(self, source: Any, progress: Progress | None = None, *, edits: bool = True) -> Datasets:
        """Read the source and split it; pictures are decoded when asked for (the default splitter looks at each once).

        What people edited (``edits.jsonl`` beside the data) counts, unless ``edits=False`` takes the data as they lie.

        Raises:
            DataError: a step failed; says which, on which item, and what it received.
        """
        items, skipped, notes = self._found(source)
        samples = lying = grouped_samples(self.samples(items, folder_of(source)), source)
        if edits:
            samples, told = edited_samples(samples, source, self.target_block, self.get_y)
            notes += told
        split = self.split(samples, progress)
        train, valid = self.encoded(samples, split, progress)
        known = train.image_block.render.known
        if known != self.image_block.render.known:
            notes += (f"range of values of more than 8 bits, fitted: {known}",)
        return Datasets(train, valid, notes + split.notes, skipped + split.skipped, split.groups_N, source, lying)

    def dataloaders(
        self,
        source: Any,
        bs: int = 64,
        *,
        seed: int = 0,
        workers: int | None = None,
        keep_bytes: int = KEEP_BYTES,
        progress: Progress | None = None,
        edits: bool = True,
    ) -> DataLoaders:
        """Loaders of both sides: training shuffled, without a last batch of fewer items; validation in order.

        ``keep_bytes``: how much memory decoded files may take from one epoch to the next, on both sides together. ``edits``: as
        for `datasets`.

        Raises:
            DataError: as `datasets`.
            UsageError: ``bs``, ``seed``, ``workers`` or ``keep_bytes`` is no such number.
        """
        loading = Loading(bs, seed, workers, keep_bytes=keep_bytes)
        datasets = self.datasets(source, progress, edits=edits)
        return DataLoaders(
            DataLoader(datasets.train, replace(loading, shuffle=True, drop_last=True), self.item_tfms, self.batch_tfms),
            DataLoader(datasets.valid, loading, self.item_tfms, self.batch_tfms),
            datasets,
        )

    def summary(self, source: Any) -> Summary:
        """One item's way through every step, as text: what came in, what came out, and where it fails, if it does."""
        return summarise(self, source)

    def _x(self, item: object, who: str) -> object:
        step = f"get_x {called(self.get_x)}" if self.get_x is not None else "get_x"
        x = _attempt(step, who, item, lambda: default_x(item) if self.get_x is None else self.get_x(item))
        return _attempt(step, who, item, lambda: default_x(x))

    def _target(self, block: TargetBlock[Any], item: object, who: str) -> Any:
        raw: object
        if self.get_y is None:
            raw = block.carried(item.label, item.labels) if isinstance(item, Item) else None
            if raw is None:
                advice = "give get_y, e.g. get_y=parent_label, or items that carry labels (get_items=open_source)"
                raise StepError("get_y", who, f"{describe(item)} has no label of its own; {advice}")
        else:
            raw = _attempt(f"get_y {called(self.get_y)}", who, item, lambda: self.get_y(item))  # type: ignore[misc]  # not None here; a lambda forgets it
        return _attempt(called(block), who, None, lambda: block.parse(raw))


def _encoded(block: TargetBlock[Any], sample: Sample) -> Any:
    return _attempt(called(block), str(sample), None, lambda: block.encode(sample.target))


def _attempt(step: str, who: str, received: object, work: Callable[[], Any]) -> Any:
    """Run ``work()``; an error says in which step and on which item."""
    try:
        return work()
    except StepError:
        raise
    except DataError as error:
        raise StepError(step, who, str(error)) from None
    except Exception as error:
        raise StepError(step, who, f"{_reason(error)}; received {describe(received)}") from error


def _reason(error: Exception) -> str:
    return f"{type(error).__name__}: {' '.join(str(error).split())}"


def _checked_blocks(given: Any) -> Blocks:
    parts = tuple(given) if isinstance(given, tuple | list) else (given,)
    blocks = tuple(part() if inspect.isclass(part) else part for part in parts)
    kinds = [InputBlock, TargetBlock]
    if not 1 <= len(blocks) <= 2 or not all(isinstance(b, kind) for b, kind in zip(blocks, kinds, strict=False)):
        names = ", ".join(describe(block) for block in blocks) or "none"
        raise UsageError(f"blocks are {names}; give an ImageBlock and the target's, e.g. (ImageBlock, CategoryBlock)")
    return blocks  # type: ignore[return-value]  # one or two, as just checked


def _checked_tfms(given: Any, name: str, takes: str) -> tuple[ItemTransform | PlainTransform | BatchTransform, ...]:
    """One transform or several, as a tuple; each can be called with what it will be given."""
    tfms = tuple(given) if isinstance(given, tuple | list) else () if given is None else (given,)
    for place, tfm in enumerate(tfms):
        if inspect.isclass(tfm) or not callable(tfm):
            raise UsageError(
                f"{name}[{place}] is {describe(tfm)}; give a transform, e.g. Resize(224), or a function {takes}"
            )
        try:
            inspect.signature(tfm).bind(None, None)
        except TypeError:
            raise UsageError(
                f"{name}[{place}] {called(tfm)} cannot be called with {takes}; give it these two"
            ) from None
        except ValueError:
            continue  # a function written in C that does not say what it takes
    return tfms
