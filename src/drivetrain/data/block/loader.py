"""The loader: pictures to batches, by threads, ahead of the consumer, and the same batches whatever the threads.

Threads decode and transform (Pillow lets go of the interpreter lock while it does); there are no other processes, so it
works alike in notebooks, scripts, on Linux, macOS and Windows. What an item looks like in an epoch depends on the seed,
the epoch and the item's row, and on nothing else. At most ``prefetch`` batches wait for the consumer, and decoded files
are kept for later epochs up to ``keep_bytes``, so memory is bounded whatever the size of the data.
"""

from __future__ import annotations

from collections.abc import Generator, Iterator, Sequence
from contextlib import closing
from dataclasses import dataclass, replace
from itertools import islice
from typing import Any

import numpy as np
from numpy.typing import NDArray
from PIL import Image

from ...core.cores import available_cores
from ...core.errors import DataError, InputError, StepError, UsageError
from ...core.ordered_map import ordered_map
from ...core.types import Skipped
from ..image.contact_sheet import contact_sheet, pictures
from ..image.decode import DecodeSize
from ..image.decoded_store import KEEP_BYTES, DecodedStore
from .batch import Batch, BatchTransform
from .datasets import Datasets, View
from .describe import called, describe
from .item_transforms import ItemTransform, PlainTransform, Plan, full_size
from .sample import Sample

# First word of a seed's key: the purpose of the draw, so that a further kind of draw does not change the others.
ORDER, ITEM, BATCH = 0, 1, 2

Pixels = NDArray[np.uint8]


@dataclass(frozen=True)
class Loading:
    """The settings of a loader. ``workers`` None: one thread a core."""

    bs: int = 64
    seed: int = 0
    workers: int | None = None
    shuffle: bool = False
    drop_last: bool = False
    """Tells whether a last batch of fewer items is left out, unless it is the only one."""
    prefetch: int = 2
    """Batches made ahead of the consumer."""
    keep_bytes: int = KEEP_BYTES
    """Memory for decoded files, from one epoch to the next; the loaders of one `DataLoaders` share it. 0: decode anew."""

    def __post_init__(self) -> None:
        bounds = {"bs": 1, "seed": 0, "workers": 1, "prefetch": 1, "keep_bytes": 0}
        for name, least in bounds.items():
            value = getattr(self, name)
            if value is None and name == "workers":
                continue
            if isinstance(value, bool) or not isinstance(value, int | np.integer) or value < least:
                raise UsageError(f"{name} is {value!r}; give a whole number of at least {least}")


class DataLoader:
    """Batches of one side of a split. Each iteration is the next epoch; `batches` gives any epoch again."""

    def __init__(
        self,
        view: View,
        loading: Loading,
        item_tfms: Sequence[ItemTransform | PlainTransform] = (),
        batch_tfms: Sequence[BatchTransform] = (),
    ) -> None:
        self._view = view
        self.loading = loading
        self._item_tfms = tuple(item_tfms)
        self.batch_tfms = tuple(batch_tfms)
        self.decoded = DecodedStore(loading.keep_bytes)
        """The decoded pictures that are kept from one epoch to the next."""
        self._maker = object()  # marks pictures kept after this loader's transforms as its own
        self._workers = loading.workers or available_cores()
        self._next_epoch = 0
        self._skipped: dict[int, Skipped] = {}

    @property
    def view(self) -> View:
        """The side of the split that the loader reads."""
        return self._view

    @property
    def item_tfms(self) -> tuple[ItemTransform | PlainTransform, ...]:
        """The loader's transforms of one picture. They cannot change, as kept pictures have been through them: make another
        loader."""
        return self._item_tfms

    def __len__(self) -> int:
        """The number of batches in an epoch."""
        full, rest = divmod(len(self.view), self.loading.bs)
        return full + (rest > 0 and not (self.loading.drop_last and full))

    def __repr__(self) -> str:
        return f"<{len(self)} batches of {self.loading.bs}, {self.view!r}>"

    @property
    def skipped(self) -> tuple[Skipped, ...]:
        """Files that could not be decoded so far, by row. They are left out of their batches."""
        return tuple(self._skipped[row] for row in sorted(self._skipped))

    def __iter__(self) -> Iterator[Batch]:
        epoch = self._next_epoch
        self._next_epoch += 1
        return self.batches(epoch)

    def order(self, epoch: int) -> NDArray[np.intp]:
        """(N,) positions in the view, in the order of an epoch."""
        positions = np.arange(len(self.view))
        return self._rng(ORDER, epoch).permutation(positions) if self.loading.shuffle else positions

    def batches(self, epoch: int, start: int = 0) -> Iterator[Batch]:
        """The batches of one epoch, from number ``start`` on: the same ones each time, for a run that is resumed.

        Closing the iterator, or dropping it, ends its threads. A batch none of whose files can be decoded is passed
        over.

        Raises:
            StepError: a transform failed; says on which item and what it received.
            DataError: pictures of a batch differ in size, or no file at all can be decoded.
        """
        empty = start == 0
        with closing(self._each(epoch, start, 0, 1)) as made:
            for batch in made:
                if batch is not None:
                    empty = False
                    yield batch
        if empty and len(self):
            raise self._nothing()

    def shares(self, epoch: int, start: int, rank: int, size: int) -> Iterator[Batch | None]:
        """Yield the share of each batch that process ``rank`` of ``size`` takes: neighbouring items; None where none is usable.

        Only these are decoded, unless there are batch transforms, which have to see the whole batch. Raises StepError
        and DataError as `batches` does, but not where no file can be decoded: the other processes may have some.
        """
        with closing(self._each(epoch, start, rank, size)) as made:
            yield from made

    def _each(self, epoch: int, start: int, rank: int, size: int) -> Generator[Batch | None, None, None]:
        bs = self.loading.bs
        order = self.order(epoch)[: len(self) * bs].tolist()
        drawn = epoch if self.view.training else 0  # validation judges the same pictures in every epoch
        wholes = [order[number * bs : (number + 1) * bs] for number in range(start, len(self))]
        wanted = wholes if self.batch_tfms else [whole[_share(len(whole), rank, size)] for whole in wholes]
        made = ordered_map(
            lambda position: self._prepare(self.view.samples[position], drawn),
            [position for positions in wanted for position in positions],
            workers=self._workers,
            ahead=self.loading.prefetch * bs,
        )
        try:
            for number, positions in enumerate(wanted, start):
                batch = self._collect(positions, list(islice(made, len(positions))))
                if batch is not None and self.batch_tfms:
                    batch = _part(self._transformed(batch, drawn, number), rank, size)
                yield batch
        finally:
            made.close()  # type: ignore[attr-defined]  # a generator

    def one_batch(self) -> Batch:
        """The first batch of the first epoch.

        Raises:
            UsageError: there are no items.
        """
        batches = self.batches(0)
        try:
            for batch in batches:
                return batch
        finally:
            batches.close()  # type: ignore[attr-defined]  # a generator
        raise UsageError(f"there is no batch in {self!r}; this side of the split has no items")

    def show_batch(self, max_n: int = 9, nrows: int | None = None, *, unique: bool = False) -> Image.Image:
        """Some pictures as the learner gets them, with their targets, in one image.

        They are those of the first epoch. ``unique``: one picture, as it comes in ``max_n`` epochs.

        Raises:
            UsageError: nothing to show.
        """
        if max_n < 1:
            raise UsageError(f"max_n is {max_n}; show at least one picture")
        shown: list[tuple[int, Pixels]] = []
        for position in self.order(0).tolist():
            epochs = range(max_n) if unique else range(1)
            made = [self._prepare(self.view.samples[position], epoch) for epoch in epochs]
            shown += [(position, pixels) for pixels in made if not isinstance(pixels, Skipped)]
            if len(shown) >= max_n:
                break
        batch = self._collect([position for position, _ in shown], [pixels for _, pixels in shown])
        if batch is None:
            raise UsageError(f"there is nothing to show in {self!r}")
        batch = self._transformed(batch, 0, 0)
        for tfm in reversed(self.batch_tfms):
            undo = getattr(tfm, "undo", None)
            batch = undo(batch) if undo is not None else batch
        return contact_sheet(pictures(batch.x), [self._caption(sample) for sample in batch.samples], nrows)

    def _caption(self, sample: Sample) -> str:
        block = self.view.target_block
        return sample.name if block is None else block.text(sample.target)

    def _rng(self, *key: int) -> np.random.Generator:
        return np.random.default_rng(np.random.SeedSequence(self.loading.seed, spawn_key=key))

    def trace(self, sample: Sample, epoch: int) -> Iterator[tuple[str, object, Image.Image]]:
        """Yield an item's steps from decoding to the last transform: (step, the function's name, the picture it gives).

        Raises:
            ImageError: the file cannot be decoded.
            StepError: a transform failed.
        """
        plans = self._plans(sample, epoch)
        image = self._open(sample, plans[0].decode_size if plans else full_size)
        yield "open", self.view.image_block, image
        for step, plan in enumerate(plans):
            image = self._apply(step, plan, sample, image)
            yield f"item_tfms[{step}]", self.item_tfms[step], image

    def trace_batch(self, batch: Batch, epoch: int, number: int) -> Iterator[tuple[str, object, Batch]]:
        """Yield a batch's steps, one for each batch transform: (step, the function's name, the batch it gives).

        Raises:
            StepError: a transform failed.
        """
        for step, tfm in enumerate(self.batch_tfms):
            try:
                batch = tfm(batch, self._rng(BATCH, epoch, number, step))
            except Exception as error:
                what = f"batch {number} of epoch {epoch} ({len(batch)} items, first {batch.names[0]})"
                raise _failed(f"batch_tfms[{step}] {called(tfm)}", what, error, batch.x) from error
            yield f"batch_tfms[{step}]", tfm, batch

    def _prepare(self, sample: Sample, epoch: int) -> Pixels | Skipped:
        """Decode and transform one item, in a thread: (H, W, K), or the reason why it cannot be used."""
        plans = self._plans(sample, epoch)
        fixed = next((step for step, plan in enumerate(plans) if not plan.fixed), len(plans))

        def make(decode_size: DecodeSize) -> Image.Image:
            image = self._open(sample, decode_size)
            for step in range(fixed):
                image = self._apply(step, plans[step], sample, image)
            if fixed == len(plans):
                # Metadata are not needed any more, and may take more memory than the pixels.
                image = image.copy()
                image.info.clear()
            return image

        decode_size = plans[0].decode_size if plans else full_size
        try:
            if sample.path is None:
                image = make(decode_size)
            else:
                image = self.decoded.picture(sample.path, (self._maker, fixed), decode_size, make)
        except InputError as error:
            return Skipped(sample.name, error.reason, error.detail)
        for step in range(fixed, len(plans)):
            image = self._apply(step, plans[step], sample, image)
        return self.view.image_block.array(image)

    def _open(self, sample: Sample, decode_size: DecodeSize) -> Image.Image:
        try:
            return self.view.open(sample, decode_size)
        except InputError:
            raise
        except DataError as error:
            raise StepError("ImageBlock", str(sample), str(error)) from None

    def _apply(self, step: int, plan: Plan, sample: Sample, image: Image.Image) -> Image.Image:
        try:
            return self.view.image_block.in_mode(plan.apply(image))
        except Exception as error:
            raise _failed(f"item_tfms[{step}] {called(self.item_tfms[step])}", str(sample), error, image) from error

    def _plans(self, sample: Sample, epoch: int) -> list[Plan]:
        return [self._plan(step, tfm, sample, epoch) for step, tfm in enumerate(self.item_tfms)]

    def _plan(self, step: int, tfm: ItemTransform | PlainTransform, sample: Sample, epoch: int) -> Plan:
        """Plan each transform with a random generator of its own, so that a further transform does not change the others'
        draws."""
        rng = self._rng(ITEM, epoch, sample.row, step)
        if not isinstance(tfm, ItemTransform):
            return Plan(lambda image: tfm(image, rng))
        try:
            return tfm.plan(rng, training=self.view.training)
        except Exception as error:
            raise _failed(f"item_tfms[{step}] {called(tfm)}", str(sample), error, None) from error

    def _collect(self, positions: Sequence[int], made: Sequence[Pixels | Skipped]) -> Batch | None:
        usable: list[tuple[int, Pixels]] = []
        for position, pixels in zip(positions, made, strict=True):
            if isinstance(pixels, Skipped):
                self._skipped[self.view.samples[position].row] = pixels
            else:
                usable.append((position, pixels))
        if not usable:
            return None
        samples = tuple(self.view.samples[position] for position, _ in usable)
        x_NKHW = self.view.image_block.stack([pixels for _, pixels in usable], [str(sample) for sample in samples])
        targets_N = self.view.targets_N
        y = None if targets_N is None else targets_N[[position for position, _ in usable]]
        return Batch(x_NKHW, y, samples, self.view.training)

    def _transformed(self, batch: Batch, epoch: int, number: int) -> Batch:
        for _, _, changed in self.trace_batch(batch, epoch, number):
            batch = changed
        return batch

    def _nothing(self) -> DataError:
        first = self.skipped[0]
        return DataError(
            f"none of {len(self.view)} files can be decoded (first {first.name}: {first.reason}, {first.detail}); "
            "check the source and get_x"
        )


@dataclass(frozen=True, eq=False)
class DataLoaders:
    """The two loaders of a DataBlock, and the data sets they read."""

    train: DataLoader
    valid: DataLoader
    datasets: Datasets

    def __post_init__(self) -> None:
        if self.valid.loading.keep_bytes == self.train.loading.keep_bytes:
            self.valid.decoded = self.train.decoded  # both share one bound on memory

    @property
    def vocab(self) -> tuple[str, ...]:
        """The labels, in the order of their numbers; empty for numbers and for no target."""
        return self.datasets.vocab

    @property
    def skipped(self) -> tuple[Skipped, ...]:
        """All files known so far to be unusable."""
        return self.datasets.skipped + self.train.skipped + self.valid.skipped

    def one_batch(self) -> Batch:
        """The first training batch."""
        return self.train.one_batch()

    def show_batch(self, max_n: int = 9, nrows: int | None = None, *, unique: bool = False) -> Image.Image:
        """Some training pictures; see `DataLoader.show_batch`."""
        return self.train.show_batch(max_n, nrows, unique=unique)


def _share(count: int, rank: int, size: int) -> slice:
    return slice(count * rank // size, count * (rank + 1) // size)


def _part(batch: Batch, rank: int, size: int) -> Batch | None:
    """Cut a process's share out of a whole batch."""
    if size == 1:
        return batch
    items = _share(len(batch), rank, size)
    samples, y = batch.samples[items], batch.y
    return replace(batch, x=batch.x[items], y=None if y is None else y[items], samples=samples) if samples else None


def _failed(step: str, item: str, error: Exception, received: Any) -> StepError:
    what = str(error) if isinstance(error, DataError) else f"{type(error).__name__}: {' '.join(str(error).split())}"
    return StepError(step, item, what if received is None else f"{what}; received {describe(received)}")
