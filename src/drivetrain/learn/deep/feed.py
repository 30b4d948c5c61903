"""From the data's batches to what the model reads: augmented images, or activations that were computed once.

Shapes: N batch, K channels, H and W pixels.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any, Protocol

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

from ...core.errors import DataError, UsageError
from ...core.ports import Progress
from .augment import BatchTransform
from .batches import Batch, Batches, Loaders
from .network import Activation, Prefix

# Of the activations kept, together: half of a small laptop's memory.
MAX_BYTES = 4 << 30


@dataclass(frozen=True)
class Fed:
    """A batch as the model reads it; targets are still arrays."""

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


class Feed(Protocol):
    """Training batches of any epoch from any batch on, and the validation batches."""

    def __len__(self) -> int:
        """Training batches an epoch."""
        ...

    def train(self, epoch: int, start: int = 0) -> Iterator[Fed]: ...

    def valid(self) -> Iterator[Fed]: ...


@dataclass(frozen=True)
class ImageFeed:
    """Every image augmented anew each epoch."""

    loaders: Loaders
    transform: BatchTransform
    channels_last: bool

    def __len__(self) -> int:
        return len(self.loaders.train)

    def train(self, epoch: int, start: int = 0) -> Iterator[Fed]:
        for batch in self.loaders.train.batches(epoch, start):
            x = self.transform.train(batch.x, batch.rows.tolist(), epoch)
            yield Fed(self._laid_out(x), _targets(batch), batch.rows)

    def valid(self) -> Iterator[Fed]:
        return self.of(self.loaders.valid)

    def of(self, batches: Batches) -> Iterator[Fed]:
        """Any batches, without variation."""
        for batch in batches.batches(0):
            yield Fed(self._laid_out(self.transform.valid(batch.x)), _targets(batch), batch.rows)

    def _laid_out(self, x: Tensor) -> Tensor:
        return x.contiguous(memory_format=torch.channels_last) if self.channels_last else x


def _targets(batch: Batch) -> NDArray[Any]:
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
        """Some of the items as a batch."""
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

    def __len__(self) -> int:
        return -(-len(self.views[0].rows_N) // self.batch_size)

    def train(self, epoch: int, start: int = 0) -> Iterator[Fed]:
        kept = self.views[epoch % len(self.views)]
        order = np.random.default_rng((self.seed, epoch)).permutation(len(kept.rows_N))
        for first in range(start * self.batch_size, len(order), self.batch_size):
            yield kept.at(order[first : first + self.batch_size], self.device, self.channels_last)

    def valid(self) -> Iterator[Fed]:
        if self.held_out is None:
            return
        places = np.arange(len(self.held_out.rows_N))
        for first in range(0, len(places), self.batch_size):
            yield self.held_out.at(places[first : first + self.batch_size], self.device, self.channels_last)


def keep_activations(
    images: ImageFeed, prefix: Prefix, views: int, *, device: torch.device, seed: int, progress: Progress
) -> ActivationFeed:
    """Run the frozen stages once over ``views`` augmentations of the training items and over the validation items.

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
                parts.append((prefix(_tensor(fed)), fed))
                batch_size = max(batch_size, len(fed))
                if view == 0:
                    _check_size(parts, len(images), views)
                advance(1)
            if not parts:
                raise DataError("there is not one training item")
            kept.append(_kept(parts))
        held_out = []
        for fed in images.valid():
            held_out.append((prefix(_tensor(fed)), fed))
            advance(1)
    return ActivationFeed(
        tuple(kept), _kept(held_out) if held_out else None, batch_size, seed, device, images.channels_last
    )


def _tensor(fed: Fed) -> Tensor:
    if isinstance(fed.inputs, Activation):
        raise TypeError("images are needed here, not activations")
    return fed.inputs


def _kept(parts: list[tuple[Activation, Fed]]) -> Kept:
    activations = [activation for activation, _ in parts]
    return Kept(
        activations[0].stage,
        torch.cat([activation.x_NKHW.half().cpu() for activation in activations]),
        {
            name: torch.cat([activation.pooled[name].float().cpu() for activation in activations])
            for name in activations[0].pooled
        },
        np.concatenate([fed.y for _, fed in parts]),
        np.concatenate([fed.rows_N for _, fed in parts]),
    )


def _check_size(parts: list[tuple[Activation, Fed]], n_batches: int, views: int) -> None:
    """After the first batch, before hours of work."""
    if len(parts) > 1:
        return
    a_view = 2 * parts[0][0].x_NKHW.numel() * n_batches
    if a_view * views > MAX_BYTES:
        raise UsageError(
            f"the activations of {views} views would take {a_view * views / 2**30:.1f} GiB, more than "
            f"{MAX_BYTES >> 30}; {MAX_BYTES // a_view} views fit, and fewer stages take less"
        )
