"""One item's way through a DataBlock, step by step, in words."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Protocol

from ...core.errors import DataError, DrivetrainError, InputError, StepError
from ...core.types import Skipped
from .blocks import ImageBlock, TargetBlock
from .datasets import View
from .describe import called, describe
from .loader import DataLoader, Loading
from .sample import Sample, folder_of
from .splitter import Split

# The size of the small batch that is put together at the end.
BATCH_ITEMS = 4
# The most broken files that are named.
MOST_NOTES = 3


@dataclass(frozen=True)
class Step:
    """A step with the value it received and the value it gave."""

    name: str
    by: str
    received: str
    gave: str
    notes: tuple[str, ...] = ()


@dataclass(frozen=True, repr=False)
class Summary:
    """The steps that worked, and the error of the step after them if one failed. Its text is the narration."""

    steps: tuple[Step, ...]
    failed_step: str | None = None
    failure: str | None = None

    def __repr__(self) -> str:
        width = max((len(f"{step.name} {step.by}") for step in self.steps), default=0)
        lines = []
        for step in self.steps:
            lines.append(f"{f'{step.name} {step.by}':<{width}}  {step.received} → {step.gave}")
            lines += [f"{'':<{width}}  {note}" for note in step.notes]
        if self.failed_step is not None:
            lines.append(f"{self.failed_step} ✗ {self.failure}")
        return "\n".join(lines)


class Described(Protocol):
    """A description whose steps can be walked one by one: a `DataBlock`."""

    @property
    def get_items(self) -> Callable[[Any], object]: ...

    @property
    def get_x(self) -> Callable[[Any], object] | None: ...

    @property
    def get_y(self) -> Callable[[Any], object] | None: ...

    @property
    def splitter(self) -> object: ...

    @property
    def item_tfms(self) -> Any: ...

    @property
    def batch_tfms(self) -> Any: ...

    @property
    def image_block(self) -> ImageBlock: ...

    @property
    def target_block(self) -> TargetBlock[Any] | None: ...

    def items(self, source: Any) -> tuple[tuple[object, ...], tuple[Skipped, ...]]: ...

    def samples(self, items: Sequence[object], root: Path | None = None) -> tuple[Sample, ...]: ...

    def split(self, samples: Sequence[Sample]) -> Split: ...

    def encoded(self, samples: Sequence[Sample], split: Split) -> tuple[View, View]: ...


class _Narration:
    """The steps told so far, and the step that is under way."""

    def __init__(self) -> None:
        self.steps: list[Step] = []
        self.name = self.by = ""

    def begin(self, name: str, by: object) -> None:
        """Begin a step: an error from here on is this step's, unless the error names another."""
        self.name, self.by = name, by if isinstance(by, str) else called(by)

    def tell(self, received: object, gave: object, *notes: str) -> None:
        """Record that the step has worked. Texts stand as they are."""
        received, gave = (what if isinstance(what, str) else describe(what) for what in (received, gave))
        self.steps.append(Step(self.name, self.by, received, gave, notes))


def summarise(block: Described, source: Any) -> Summary:
    """Walk one item through every step, see `DataBlock.summary`; a failure is told, not raised."""
    narration = _Narration()
    try:
        _narrate(block, source, narration)
    except DrivetrainError as error:
        failed = error.step if isinstance(error, StepError) else f"{narration.name} {narration.by}"
        return Summary(tuple(narration.steps), failed, str(error))
    return Summary(tuple(narration.steps))


def _narrate(block: Described, source: Any, narration: _Narration) -> None:
    narration.begin("get_items", block.get_items)
    items, skipped = block.items(source)
    told = (f"{len(skipped)} skipped, first {skipped[0].name}: {skipped[0].reason}",) if skipped else ()
    narration.tell(describe(source), f"{len(items)} items, first {describe(items[0])}", *told)

    samples = block.samples(items, folder_of(source))
    narration.begin("splitter", block.splitter if block.splitter is not None else "None")
    split = block.split(samples)
    narration.begin("blocks", block.target_block or block.image_block)
    train, valid = block.encoded(samples, split)
    # The example is an item of the training side; the results of its first steps are known by now.
    sample = train.samples[0]
    split_step = f"{len(train)} for training, {len(valid)} for validation"
    for name, by, gave in (("get_x", block.get_x, sample.x), ("get_y", block.get_y, sample.target)):
        if name == "get_x" or block.target_block is not None:
            narration.begin(name, by or "by itself")
            narration.tell(sample.item, describe(gave))
    narration.begin("splitter", block.splitter if block.splitter is not None else "None")
    narration.tell(f"{len(samples)} items", split_step, *split.notes)
    _narrate_target(train, narration)
    _narrate_pictures(block, train, narration)


def _narrate_target(train: View, narration: _Narration) -> None:
    block, targets_N = train.target_block, train.targets_N
    if block is None or targets_N is None:
        return
    narration.begin("blocks", block)
    narration.tell(f"{len(train)} training targets", block.summary)
    target, value = train.samples[0].target, targets_N[0]
    narration.tell(describe(target), f"{value.tolist()} ({value.dtype}), and back: {block.decode(value)!r}")


def _narrate_pictures(block: Described, train: View, narration: _Narration) -> None:
    plain = DataLoader(train, Loading(min(BATCH_ITEMS, len(train)), workers=1), block.item_tfms)
    narration.begin("open", block.image_block)
    sample, notes = _first_readable(train)
    received = describe(sample.x)
    for name, by, image in plain.trace(sample, epoch=0):
        narration.begin(name, by)
        narration.tell(received, image, *notes)
        received, notes = describe(image), ()

    narration.begin("stack", block.image_block)
    batch = plain.one_batch()
    target = "" if batch.y is None else f", targets {describe(batch.y)}"
    narration.tell(f"{len(batch)} images", f"{describe(batch.x)}{target}")
    received = describe(batch.x)
    loader = DataLoader(train, plain.loading, (), block.batch_tfms)
    for name, by, changed in loader.trace_batch(batch, epoch=0, number=0):
        narration.begin(name, by)
        narration.tell(received, changed.x)
        received = describe(changed.x)


def _first_readable(view: View) -> tuple[Sample, tuple[str, ...]]:
    """Find the first sample whose picture can be decoded, and what was wrong with those before it.

    Raises:
        DataError: there is none.
    """
    notes = []
    for sample in view.samples:
        try:
            view.open(sample)
        except InputError as error:
            notes.append(f"{sample} would be skipped: {error}")
        else:
            return sample, tuple(notes[:MOST_NOTES])
    raise DataError(f"none of {len(view)} training files can be decoded; {notes[0]}")
