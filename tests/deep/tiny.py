"""A network of three small stages and photos made of noise: real ones, for tests that train."""

from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any

import numpy as np
import onnx
import torch
from numpy.typing import NDArray
from torch import nn

from drivetrain.data.image.preprocess import Preprocess, Resize
from drivetrain.embed.backbone import Block
from drivetrain.learn.deep.augment import Augment
from drivetrain.learn.deep.headed import HeadedNetwork
from drivetrain.learn.deep.learner import Learner
from drivetrain.learn.deep.network import About, Activation, Network, Prefix, mean_pool
from drivetrain.learn.deep.objective import SINGLE_LABEL, Objective
from drivetrain.learn.deep.stepper import Options
from drivetrain.learn.deep.traced import traced_graph

SIZE = 16
WIDTHS = (6, 8, 10)


class TinyNetwork(Network):
    """Convolution, batch norm and ReLU three times, with dropout before the last."""

    def __init__(self, seed: int = 0) -> None:
        blocks = (Block("head", WIDTHS[2]), Block("stage1", WIDTHS[1]))
        super().__init__(About("tiny", "none", "made here", Preprocess(resize=Resize(size=(SIZE, SIZE))), blocks))
        with torch.random.fork_rng(devices=[]):
            torch.manual_seed(seed)
            self.stages = nn.ModuleList(
                nn.Sequential(nn.Dropout(0.2 * (i == 2)), nn.Conv2d(a, b, 3, 2, 1), nn.BatchNorm2d(b), nn.ReLU())
                for i, (a, b) in enumerate(zip((3, *WIDTHS[:2]), WIDTHS, strict=True))
            )
        self.eval()

    @property
    def n_stages(self) -> int:
        return 3

    def groups(self) -> list[list[nn.Parameter]]:
        return [list(stage.parameters()) for stage in self.stages]

    def run_stage(self, activation: Activation) -> Activation:
        x = self.stages[activation.stage](activation.x_NKHW)
        pooled = dict(activation.pooled)
        if activation.stage in (1, 2):
            pooled["stage1" if activation.stage == 1 else "head"] = mean_pool(x)
        return Activation(activation.stage + 1, x, pooled)

    def prefix(self, stage: int, size: tuple[int, int]) -> Prefix:  # noqa: ARG002
        @torch.inference_mode()
        def run(pixels_NKHW: torch.Tensor) -> Activation:
            return self.advance(Activation(0, pixels_NKHW), stage)

        return run

    def graph(self, blocks: tuple[str, ...]) -> onnx.ModelProto:
        return traced_graph(self, blocks)


@dataclass(frozen=True)
class TinyBatch:
    x: NDArray[np.uint8]
    y: NDArray[Any]
    rows: NDArray[np.intp]


@dataclass(frozen=True)
class Photos:
    """Items whose colour tells their class; shuffled anew each epoch."""

    n: int = 24
    batch_size: int = 8
    first_row: int = 0
    shuffle: bool = True
    kind: str = "single"

    def __len__(self) -> int:
        return -(-self.n // self.batch_size)

    def item(self, row: int) -> tuple[NDArray[np.uint8], Any]:
        rng = np.random.default_rng(row)
        label = row % 3
        pixels = rng.integers(0, 120, (3, SIZE, SIZE))
        pixels[label] += 100
        redness = np.float32(pixels[0].mean() / 100)
        onehot = (np.arange(3) == label).astype(np.float32)
        return pixels.astype(np.uint8), {"single": label, "multi": onehot, "number": redness}[self.kind]

    def batches(self, epoch: int, start: int = 0) -> Iterator[TinyBatch]:
        order = np.arange(self.n)
        if self.shuffle:
            order = np.random.default_rng((1, epoch)).permutation(order)
        order += self.first_row
        for first in range(start * self.batch_size, self.n, self.batch_size):
            rows = order[first : first + self.batch_size]
            pixels, targets = zip(*(self.item(int(row)) for row in rows), strict=True)
            yield TinyBatch(np.stack(pixels), np.asarray(targets), rows)


@dataclass(frozen=True)
class Loaders:
    train: Any = Photos()
    valid: Any = Photos(12, 8, first_row=1000, shuffle=False)


MILD = Augment(rotate=5, zoom=1, warp=0, lighting=0.1)


def tiny_learner(
    options: Options | None = None,
    loaders: Loaders | None = None,
    objective: Objective = SINGLE_LABEL,
    weights: NDArray[np.float32] | None = None,
) -> Learner:
    n_outputs = 1 if objective.name == "regression" else 3
    model = HeadedNetwork(TinyNetwork(), n_outputs)
    return Learner(loaders or Loaders(), model, objective, MILD, options, weights=weights)


def weights(learner: Learner) -> dict[str, torch.Tensor]:
    return {name: tensor.clone() for name, tensor in learner.model.state_dict().items()}


def same(a: dict[str, torch.Tensor], b: dict[str, torch.Tensor]) -> bool:
    return a.keys() == b.keys() and all(torch.equal(a[name], b[name]) for name in a)
