"""The learner: a network with its head, the data, and fastai's verbs over them.

>>> learner = Learner(dls, HeadedNetwork.from_head(network("efficientnet-lite0"), head), SINGLE_LABEL)  # doctest: +SKIP
>>> learner.fine_tune(4)  # doctest: +SKIP
"""

from __future__ import annotations

import math
from collections.abc import Iterator

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

from ...core.errors import UsageError
from ...core.ports import Progress, Silent
from ...core.types import FloatArray
from ..head import Head
from .augment import Augment, InputTransform
from .distributed import join
from .feed import Fed, Feed, ImageFeed, PrefixFeed, keep_activations
from .finder import RateSearch, search
from .headed import HeadedNetwork
from .loading import BatchSource, Loaders
from .objective import SINGLE_LABEL, Objective
from .recorder import Recorder
from .run import Run, copied, freeze_to
from .schedule import Phase, Rate, group_rates
from .stepper import Options, Stepper, Validation, autocast_type, evaluate


class Learner:
    """Trains ``model`` on ``loaders``. After an error or Ctrl-C it can be used, and trained further.

    In a script that `accelerate launch` has started several times, each process takes its share of every batch, and all
    end with the weights that one process gets, up to rounding and the noise of dropout. Every process must then call
    the same methods in the same order; what only one should do, such as writing the model, is for `is_main`.
    """

    def __init__(
        self,
        loaders: Loaders,
        model: HeadedNetwork,
        objective: Objective = SINGLE_LABEL,
        augment: Augment | None = None,
        options: Options | None = None,
        *,
        progress: Progress | None = None,
        device: torch.device | str = "cpu",
        weights: FloatArray | None = None,
    ) -> None:
        """Make a learner; ``augment`` None: the usual augmentation, `aug_transforms()`.

        ``weights``: what each item counts in the training loss, by its row in the data set, 1 on average.

        Raises:
            UsageError: this is one of several processes that cannot find together on this device.
        """
        self.loaders, self.objective = loaders, objective
        self.options = options or Options()
        self._team = join(torch.device(device))
        self.device = self._team.device
        layout = torch.channels_last if self.options.channels_last else torch.contiguous_format
        self.model = model.to(self.device).to(memory_format=layout)  # type: ignore[call-overload]
        self.transform = InputTransform(
            model.network.about.preprocess, augment or Augment(), seed=self.options.seed, device=self.device
        )
        self.recorder = Recorder()
        self._progress = progress if progress is not None and self._team.is_main else Silent()
        self._weights = None if weights is None else torch.from_numpy(np.asarray(weights, np.float32))
        self._frozen_to = 0
        self.model.eval()

    @property
    def is_main(self) -> bool:
        """Tells whether this is the process that prints and writes; a process that trains alone is."""
        return self._team.is_main

    @property
    def n_groups(self) -> int:
        """The number of groups of parameters, the head being the last."""
        return len(self.model.groups())

    def begin_at(self, head: Head) -> None:
        """Replace the head by a fitted one (LP-FT); raises what `HeadedNetwork.put` does."""
        self.model.put(head)

    def embeddings(self, pixels_NKHW: NDArray[np.uint8]) -> FloatArray:
        """(N, D) features of the model's blocks, of uint8 images, without variation."""
        network = self.model.network
        prefix = network.prefix(network.n_stages, self.transform.preprocess.resize.size)
        with torch.inference_mode():
            features_ND: Tensor = network.embedding(prefix(self.transform.valid(pixels_NKHW)))
        return features_ND[:, self.model.columns.to(features_ND.device)].float().cpu().numpy()

    def outputs_and_embeddings(self, tensors_NKHW: FloatArray) -> tuple[FloatArray, FloatArray]:
        """(N, C) outputs and (N, D) embeddings, all blocks of them, for preprocessed images."""
        with torch.inference_mode():
            embedding_ND: Tensor = self.model.network(torch.from_numpy(tensors_NKHW).to(self.device))
            outputs_NC = self.model.outputs(embedding_ND)
        return outputs_NC.float().cpu().numpy(), embedding_ND.float().cpu().numpy()

    def freeze_to(self, group: int) -> None:
        """Train only the groups from ``group`` on; negative numbers count from the end.

        Raises:
            UsageError: there is no such group.
        """
        n = self.n_groups
        if not -n <= group < n:
            raise UsageError(f"there are {n} groups; cannot freeze to {group}")
        self._frozen_to = group % n
        freeze_to(self.model, self._frozen_to)

    def freeze(self) -> None:
        """Train only the head."""
        self.freeze_to(-1)

    def unfreeze(self) -> None:
        """Train everything."""
        self.freeze_to(0)

    def fit_one_cycle(
        self,
        epochs: int,
        lr_max: Rate = 1e-3,
        *,
        pct_start: float = 0.25,
        div: float = 25.0,
        div_final: float = 1e5,
        resume: bool = False,
    ) -> None:
        """Train what is not frozen for ``epochs`` with one cycle of rates. Raises what `Run.train` does."""
        rates = group_rates(lr_max, self.n_groups)
        self._run([Phase(epochs, self._frozen_to, rates, pct_start, div, div_final)], resume)

    def fine_tune(
        self,
        epochs: int,
        base_lr: float = 2e-3,
        freeze_epochs: int | None = None,
        *,
        lr_mult: float = 100.0,
        resume: bool = False,
    ) -> None:
        """Train by fastai's schedule: the head alone, then everything at half the rate, early groups a hundredth of it.

        ``freeze_epochs`` None: 1 for a fresh head, 0 for one that was fitted (LP-FT), which has nothing left to gain.
        Raises what `Run.train` does.
        """
        if freeze_epochs is None:
            freeze_epochs = 0 if self.model.fitted else 1
        n = self.n_groups
        half = base_lr / 2
        phases = [
            Phase(freeze_epochs, n - 1, group_rates(slice(base_lr), n), pct_start=0.99),
            Phase(epochs, 0, group_rates(slice(half / lr_mult, half), n), pct_start=0.3, div=5.0),
        ]
        self._run([phase for phase in phases if phase.epochs], resume)
        self.unfreeze()

    def fit_last_stages(
        self,
        epochs: int,
        lr_max: Rate = slice(1e-4, 1e-3),
        *,
        stages: int = 1,
        views: int | None = None,
        resume: bool = False,
    ) -> None:
        """Train the head and the last ``stages`` stages; the others pass on what they see as fast as they can.

        What makes fine-tuning a matter of minutes on a CPU: there the frozen stages run in ONNX Runtime, several times as
        fast as in torch, and nothing flows back through them. With ``views`` they run but once for so many
        augmentations of each item, whose activations are kept in memory (4 GiB at most): faster still where few stages are
        trained for many epochs, with less variety. Raises what `Run.train` does, and UsageError where the network has no
        such stages.
        """
        network = self.model.network
        cut = network.n_stages - stages
        if not 0 <= cut <= network.n_stages:
            raise UsageError(f"{network.about.name} has {network.n_stages} stages; cannot train its last {stages}")
        size = self.transform.preprocess.resize.size
        with self._team.together():
            self._team.level(self.model)
            feed: Feed = PrefixFeed(self._images(), network.prefix(cut, size))
            if views is not None:
                feed = keep_activations(
                    self._images(), network.prefix(cut, size), views,
                    team=self._team, seed=self.options.seed, progress=self._progress,
                )  # fmt: skip
        # Groups and stages agree where a network can be cut at all; one in a single piece is cut before its head.
        first = cut if len(network.groups()) == network.n_stages else (0 if cut == 0 else self.n_groups - 1)
        self.freeze_to(first)
        self._run([Phase(epochs, first, group_rates(lr_max, self.n_groups))], resume, feed)

    def lr_find(self, steps: int = 100, low: float = 1e-7, high: float = 10.0) -> RateSearch:
        """Record losses over growing rates, and suggest one; weights and random numbers are as before afterwards."""
        before = copied(self.model)
        rates = group_rates(1.0, self.n_groups)
        devices = [self.device] if self.device.type == "cuda" else []
        try:
            with self._team.together(), torch.random.fork_rng(devices=devices):
                self._team.level(self.model)
                torch.manual_seed(self.options.seed + self._team.share.rank)
                stepper = Stepper(
                    self.model, self.objective, self.options, self.device, rates, self._team, self._weights
                )
                self.model.train()
                batches = self._endless()
                with self._progress.stage("learning rates", steps) as advance:

                    def step(rate: float) -> float:
                        own, _ = stepper.backward(next(batches), 1.0)
                        [loss] = self._team.sums([float(own)])
                        if math.isfinite(loss):
                            stepper.update(rate, 0.95)
                        advance(1)
                        return loss

                    return search(step, steps, low, high)
        finally:
            self.model.zero_grad(set_to_none=True)
            self.model.load_state_dict(before)
            self.model.eval()

    def validate(self) -> Validation:
        """Outputs for the validation items."""
        return self.predict(self.loaders.valid)

    def predict(self, batches: BatchSource) -> Validation:
        """Outputs for any batches, without variation."""
        dtype = autocast_type(self.options.precision, self.device)
        with self._team.together():
            return evaluate(self.model, self.objective, self._images().of(batches), self.device, dtype, self._team)

    def _images(self) -> ImageFeed:
        return ImageFeed(self.loaders, self.transform, self.options.channels_last, self._team.share)

    def _endless(self) -> Iterator[Fed]:
        epoch, images = 0, self._images()
        while True:
            yield from images.train(epoch)
            epoch += 1

    def _run(self, phases: list[Phase], resume: bool, feed: Feed | None = None) -> None:
        if any(phase.epochs < 1 for phase in phases) or not phases:
            raise UsageError("there must be at least one epoch")
        run = Run(
            self.model,
            self.objective,
            feed or self._images(),
            self.options,
            self.device,
            self._progress,
            self.recorder,
            self._team,
            self._weights,
        )
        run.train(phases, resume=resume)
