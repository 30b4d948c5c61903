"""The way from the data's batches to the model's input: augmented images, or activations that were computed once.

Shapes: N batch, K channels, H and W pixels.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any, Protocol, runtime_checkable

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

from ...core.errors import DataError, UsageError
from ...core.ports import Progress
from .augment import InputTransform
from .distributed import Share, Team
from .loading import BatchSource, Loaders, TrainingBatch
from .network import Activation, Prefix

# The most bytes of all activations kept: half of a small laptop's memory.
MAX_BYTES = 4 << 30


@dataclass(frozen=True)
class Fed:
    """A batch in the form of the model's input; targets are still arrays."""

    inputs: Tensor | Activation
    y: NDArray[Any]
    rows_N: NDArray[np.intp]

    def __len__(self) -> int:
        return len(self.inputs)

    def first(self, count: int) -> Fed:
        """The first ``count`` items."""
        if isinstance(self.inputs, Activation):
            pooled = {name: tensor[:count] for name, tensor in self.inputs.pooled.items()}
            inputs: Tensor | Activation = Activation(self.inputs.stage, self.inputs.x_NKHW[:count], pooled)
        else:
            inputs = self.inputs[:count]
        return Fed(inputs, self.y[:count], self.rows_N[:count])


NO_ITEMS = Fed(torch.empty(0), np.empty(0), np.empty(0, np.intp))
"""A process's share of a batch that has no item for it: the others must not be kept waiting."""


@runtime_checkable
class Sharing(Protocol):
    """An interface for batches that need not be made whole where several processes share them."""

    def shares(self, epoch: int, start: int, rank: int, size: int) -> Iterator[TrainingBatch | None]:
        """Yield one process's share of each batch; None where that is no item."""
        ...


class Feed(Protocol):
    """Training batches of any epoch from any batch on, and the validation batches.

    Where several processes train, each gets its share of every batch, which may be without items.
    """

    def __len__(self) -> int:
        """Training batches an epoch."""
        ...

    def train(self, epoch: int, start: int = 0) -> Iterator[Fed]: ...

    def valid(self) -> Iterator[Fed]: ...


@dataclass(frozen=True)
class ImageFeed:
    """A feed in which every image is augmented anew each epoch."""

    loaders: Loaders
    transform: InputTransform
    channels_last: bool
    share: Share = Share()  # noqa: RUF009  # frozen

    def __len__(self) -> int:
        return len(self.loaders.train)

    def train(self, epoch: int, start: int = 0) -> Iterator[Fed]:
        for batch in _shared(self.loaders.train, epoch, start, self.share):
            if batch is None:
                yield NO_ITEMS
                continue
            x = self.transform.train(batch.x, batch.rows.tolist(), epoch)
            yield Fed(self._laid_out(x), _targets(batch), batch.rows)

    def valid(self) -> Iterator[Fed]:
        return self.of(self.loaders.valid)

    def of(self, batches: BatchSource) -> Iterator[Fed]:
        """Feed any batches, without variation."""
        for batch in _shared(batches, 0, 0, self.share):
            if batch is None:
                yield NO_ITEMS
                continue
            yield Fed(self._laid_out(self.transform.valid(batch.x)), _targets(batch), batch.rows)

    def _laid_out(self, x: Tensor) -> Tensor:
        return x.contiguous(memory_format=torch.channels_last) if self.channels_last else x


@dataclass(frozen=True)
class PrefixFeed:
    """A feed in which every image is augmented anew each epoch, and passed through the frozen stages."""

    images: ImageFeed
    prefix: Prefix

    def __len__(self) -> int:
        return len(self.images)

    def train(self, epoch: int, start: int = 0) -> Iterator[Fed]:
        return map(self._passed, self.images.train(epoch, start))

    def valid(self) -> Iterator[Fed]:
        return map(self._passed, self.images.valid())

    def _passed(self, fed: Fed) -> Fed:
        if not len(fed):
            return fed
        activation = self.prefix(_tensor(fed))
        # The tensor is copied, as one that was made in inference mode cannot take part in gradients.
        x = activation.x_NKHW.clone()
        if self.images.channels_last and x.ndim == 4:
            x = x.contiguous(memory_format=torch.channels_last)
        pooled = {name: tensor.clone() for name, tensor in activation.pooled.items()}
        return Fed(Activation(activation.stage, x, pooled), fed.y, fed.rows_N)


@dataclass(frozen=True)
class _Part:
    """Some items of a batch."""

    x: Any
    y: Any
    rows: NDArray[np.intp]


def _shared(batches: BatchSource, epoch: int, start: int, share: Share) -> Iterator[TrainingBatch | None]:
    """A process's share of each batch; None where it has no item."""
    if share.size == 1:
        yield from batches.batches(epoch, start)
    elif isinstance(batches, Sharing):
        yield from batches.shares(epoch, start, share.rank, share.size)
    else:
        for batch in batches.batches(epoch, start):
            items = share.of(len(batch.rows))
            rows = batch.rows[items]
            yield _Part(batch.x[items], None if batch.y is None else batch.y[items], rows) if len(rows) else None


def _targets(batch: TrainingBatch) -> NDArray[Any]:
    if batch.y is None:
        raise DataError(f"items {batch.rows[:3].tolist()} … have no target; training needs one for every item")
    return np.asarray(batch.y)


@dataclass(frozen=True)
class Kept:
    """Activations of one stage for many items: float16, which is exact to a two-thousandth; pooled taps in float32."""

    stage: int
    x_NKHW: Tensor
    pooled: dict[str, Tensor]
    y: NDArray[Any]
    rows_N: NDArray[np.intp]

    def at(self, places_N: NDArray[np.intp], device: torch.device, channels_last: bool) -> Fed:
        """Return some of the items as a batch."""
        index = torch.from_numpy(places_N)
        layout = torch.channels_last if channels_last and self.x_NKHW.ndim == 4 else torch.contiguous_format
        x = self.x_NKHW[index].to(device).float().contiguous(memory_format=layout)
        pooled = {name: tensor[index].to(device) for name, tensor in self.pooled.items()}
        return Fed(Activation(self.stage, x, pooled), self.y[places_N], self.rows_N[places_N])


@dataclass(frozen=True)
class ActivationFeed:
    """The activations of a few augmented views of every item; epoch e trains on view e modulo their number."""

    views: tuple[Kept, ...]
    held_out: Kept | None
    batch_size: int
    seed: int
    device: torch.device
    channels_last: bool
    share: Share = Share()  # noqa: RUF009  # frozen

    def __len__(self) -> int:
        return -(-len(self.views[0].rows_N) // self.batch_size)

    def train(self, epoch: int, start: int = 0) -> Iterator[Fed]:
        kept = self.views[epoch % len(self.views)]
        order = np.random.default_rng((self.seed, epoch)).permutation(len(kept.rows_N))
        for first in range(start * self.batch_size, len(order), self.batch_size):
            yield self._of(kept, order[first : first + self.batch_size])

    def valid(self) -> Iterator[Fed]:
        if self.held_out is None:
            return
        places = np.arange(len(self.held_out.rows_N))
        for first in range(0, len(places), self.batch_size):
            yield self._of(self.held_out, places[first : first + self.batch_size])

    def _of(self, kept: Kept, places_N: NDArray[np.intp]) -> Fed:
        own = places_N[self.share.of(len(places_N))]
        return kept.at(own, self.device, self.channels_last) if len(own) else NO_ITEMS


def keep_activations(
    images: ImageFeed, prefix: Prefix, views: int, *, team: Team, seed: int, progress: Progress
) -> ActivationFeed:
    """Run the frozen stages once over ``views`` augmentations of the training items and over the validation items.

    Several processes share the work, and each keeps all activations: which items it takes changes with each epoch.

    Raises:
        UsageError: they would not fit into 4 GiB; the message says how many views do.
        DataError: there is not one training item.
    """
    kept: list[Kept] = []
    batch_size = 0
    with progress.stage("activations", views * len(images) + len(images.loaders.valid)) as advance:
        for view in range(views):
            parts = []
            for fed in images.train(view):
                part = _passed(fed, prefix, team)
                advance(1)
                if part is None:
                    continue
                parts.append(part)
                batch_size = max(batch_size, len(part.rows_N))
                if view == 0:
                    _check_size(parts, len(images), views)
            if not parts:
                raise DataError("there is not one training item")
            kept.append(_kept(parts))
        held_out = []
        for fed in images.valid():
            part = _passed(fed, prefix, team)
            advance(1)
            if part is not None:
                held_out.append(part)
    return ActivationFeed(
        tuple(kept),
        _kept(held_out) if held_out else None,
        batch_size,
        seed,
        team.device,
        images.channels_last,
        team.share,
    )


def _tensor(fed: Fed) -> Tensor:
    if isinstance(fed.inputs, Activation):
        raise TypeError("images are needed here, not activations")
    return fed.inputs


def _passed(fed: Fed, prefix: Prefix, team: Team) -> Kept | None:
    """Return a whole batch after the frozen stages, from every process's share of it; None where it has no item."""
    own = None
    if len(fed):
        activation = prefix(_tensor(fed))
        pooled = {name: tensor.float().cpu() for name, tensor in activation.pooled.items()}
        own = Kept(activation.stage, activation.x_NKHW.half().cpu(), pooled, fed.y, fed.rows_N)
    parts = [part for part in team.gather(own) if part is not None]
    return _kept(parts) if parts else None


def _kept(parts: list[Kept]) -> Kept:
    if len(parts) == 1:
        return parts[0]
    return Kept(
        parts[0].stage,
        torch.cat([part.x_NKHW for part in parts]),
        {name: torch.cat([part.pooled[name] for part in parts]) for name in parts[0].pooled},
        np.concatenate([part.y for part in parts]),
        np.concatenate([part.rows_N for part in parts]),
    )


def _check_size(parts: list[Kept], n_batches: int, views: int) -> None:
    """Check the size of all activations after the first batch, before hours of work."""
    if len(parts) > 1:
        return
    a_view = 2 * parts[0].x_NKHW.numel() * n_batches
    if a_view * views > MAX_BYTES:
        raise UsageError(
            f"the activations of {views} views would take {a_view * views / 2**30:.1f} GiB, more than "
            f"{MAX_BYTES >> 30}; {MAX_BYTES // a_view} views fit, and fewer stages take less"
        )
