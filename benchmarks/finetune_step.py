"""A step of fine-tuning with the learner beside a bare torch loop: same network, weights, tensors and optimiser.

    python -m benchmarks.finetune_step --out benchmarks/results/finetune_step.json

Both train all of EfficientNet-Lite0 with a linear head on random tensors that are ready in memory (no decoding, no
augmentation), with fused AdamW and channels last. The bare loop is forward, loss, backward, step, zero_grad; the learner's
step also schedules, checks and records the loss and tells the progress bar. The two take turns inside one run: the
learner asks its feed for a batch, and before it gets one the bare loop has made a step. The figure is the median of the
ratios of neighbouring steps.
"""

from __future__ import annotations

import copy
import statistics
import time
from collections.abc import Callable, Iterator

import numpy as np
import torch
from torch.nn.functional import cross_entropy

from drivetrain.core.cores import available_cores
from drivetrain.core.ports import Silent
from drivetrain.learn.deep.feed import Fed
from drivetrain.learn.deep.headed import HeadedNetwork
from drivetrain.learn.deep.networks import network
from drivetrain.learn.deep.objective import SINGLE_LABEL
from drivetrain.learn.deep.recorder import Recorder
from drivetrain.learn.deep.run import Run
from drivetrain.learn.deep.schedule import Phase
from drivetrain.learn.deep.stepper import Options

from .record import parser, record

TARGET = 1.05
WARM_UP = 2
N_CLASSES = 10
RATE = 1e-4


class TakingTurns:
    """A feed that makes a bare step before each batch it gives, and times both."""

    def __init__(self, batches: list[Fed], bare: Callable[[Fed], None], device: torch.device) -> None:
        self._batches, self._bare, self._device = batches, bare, device
        self.bare_s: list[float] = []
        self.learner_s: list[float] = []

    def __len__(self) -> int:
        return len(self._batches)

    def train(self, epoch: int, start: int = 0) -> Iterator[Fed]:  # noqa: ARG002  # the same every epoch
        for fed in self._batches[start:]:
            began_s = self._now()
            self._bare(fed)
            self.bare_s.append(self._now() - began_s)
            began_s = self._now()
            yield fed
            self.learner_s.append(self._now() - began_s)

    def valid(self) -> Iterator[Fed]:
        return iter(())

    def _now(self) -> float:
        if self._device.type == "cuda":
            torch.cuda.synchronize(self._device)
        return time.perf_counter()


def main() -> None:
    arguments = parser(__doc__)
    arguments.add_argument("--batch", type=int, default=16)
    arguments.add_argument("--size", type=int, default=224)
    arguments.add_argument("--turns", type=int, default=20)
    arguments.add_argument("--device", default="cpu")
    arguments.add_argument("--threads", type=int, default=available_cores())
    options = arguments.parse_args()
    device = torch.device(options.device)
    torch.set_num_threads(options.threads)
    model = HeadedNetwork(network("efficientnet-lite0"), N_CLASSES).to(device).to(memory_format=torch.channels_last)
    twin = copy.deepcopy(model).train()
    optimiser = torch.optim.AdamW(twin.parameters(), lr=RATE, weight_decay=0.01, fused=True)

    def bare(fed: Fed) -> None:
        loss = cross_entropy(twin(fed.inputs), torch.from_numpy(fed.y).to(device))
        loss.backward()
        optimiser.step()
        optimiser.zero_grad()

    feed = TakingTurns(_batches(options.turns + WARM_UP, options.batch, options.size, device), bare, device)
    run = Run(model, SINGLE_LABEL, feed, Options(precision="fp32"), device, Silent(), Recorder())
    run.train([Phase(1, 0, (RATE,) * len(model.groups()))], resume=False)
    ours_s, bare_s = feed.learner_s[WARM_UP:], feed.bare_s[WARM_UP:]
    ratio = statistics.median(a / b for a, b in zip(ours_s, bare_s, strict=True))
    record(
        {
            "backbone": "efficientnet-lite0",
            "device": torch.cuda.get_device_name(device) if device.type == "cuda" else "cpu",
            "threads": torch.get_num_threads(),
            "batch": options.batch,
            "size": options.size,
            "turns": options.turns,
            "learner_ms": round(1000 * statistics.median(ours_s), 1),
            "bare_ms": round(1000 * statistics.median(bare_s), 1),
            "learner_images_per_s": round(options.batch / statistics.median(ours_s), 1),
            "ratio": round(ratio, 3),
            "target": TARGET,
            "reached": ratio <= TARGET,
            "torch": torch.__version__,
        },
        options.out,
    )


def _batches(count: int, batch: int, size: int, device: torch.device) -> list[Fed]:
    rng = np.random.default_rng(0)
    images = torch.from_numpy(rng.standard_normal((batch, 3, size, size)).astype(np.float32))
    images = images.to(device).contiguous(memory_format=torch.channels_last)
    return [Fed(images, rng.integers(N_CLASSES, size=batch), np.arange(batch)) for _ in range(count)]


if __name__ == "__main__":
    main()
