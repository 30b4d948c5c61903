"""A run of training: phases of epochs, watched, recorded, and able to go on where it was interrupted.

What is drawn at random anywhere in a step depends on the seed and the step's position only, so a run that goes on from a
checkpoint ends in the same weights to the bit as one that was never interrupted.
"""

from __future__ import annotations

import dataclasses
import hashlib
import math
import time
from collections.abc import Iterator, Sequence
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass, field
from itertools import chain, islice
from typing import Any, cast

import torch
from torch import Tensor
from torch.optim.swa_utils import AveragedModel

from ...core.errors import DataError, UsageError
from ...core.ports import Advance, Progress
from . import checkpoint
from .checkpoint import Checkpoint, Position
from .distributed import Team
from .feed import Fed, Feed
from .headed import HeadedNetwork
from .objective import Objective
from .recorder import EpochRecord, Recorder
from .schedule import Phase
from .stepper import Options, Stepper, autocast_type, evaluate

# On a GPU losses are read only after this many batches: reading one waits until everything before it is done.
READ_EVERY = 10

# Seconds after which the figure is drawn anew within an epoch.
FIGURE_EVERY_S = 3.0


class DivergedError(UsageError):
    """The loss is no longer a number."""


@dataclass
class _Tally:
    """The running sums of a run at a position, as they stand in a checkpoint."""

    first_epoch: int
    """The run's first epoch, counted over all the learner has trained; order and augmentation are drawn from that count."""
    loss_sum: float = 0.0
    items: int = 0
    best_loss: float = math.inf
    waited: int = 0


@dataclass(frozen=True)
class _Unread:
    """A batch whose loss may still be under way; ``loss`` is this process's part of it."""

    batch: int
    rows: list[int]
    items: int
    rate: float
    loss: Tensor


@dataclass
class Run:
    """A run, which trains ``model`` in place and adds to ``recorder``."""

    model: HeadedNetwork
    objective: Objective
    feed: Feed
    options: Options
    device: torch.device
    progress: Progress
    recorder: Recorder
    team: Team = field(default_factory=Team)
    weights: Tensor | None = None
    """The weight of each item in the loss, by its row in the data set."""
    _mean: AveragedModel | None = None
    """The mean of the weights of the steps so far, where they are averaged."""
    _best: dict[str, Tensor] = field(default_factory=dict)
    _good: dict[str, Tensor] = field(default_factory=dict)
    _unread: list[_Unread] = field(default_factory=list)
    _drawn_s: float = 0.0
    _unkept: bool = False
    """Tells whether it was said that a checkpoint cannot be kept."""

    def train(self, phases: Sequence[Phase], *, resume: bool) -> None:
        """Go through the phases; with ``resume`` from the checkpoint on, where there is one.

        Raises:
            DivergedError: a loss is not a number; the weights are those from before the epoch.
            MemoryFullError: a batch does not fit into memory.
            UsageError: the checkpoint is of another run.
            DataError: there are no training batches, or none of their items can be used.
            ProcessStoppedError: another of the processes that train together has failed.
        """
        with self.team.together():
            self._train(phases, resume)

    def _train(self, phases: Sequence[Phase], resume: bool) -> None:
        if not len(self.feed):
            raise DataError("there is not one training batch")
        if self.options.swa is not None:
            # Buffers are averaged too: batch norm's statistics have to go with the weights.
            self._mean = AveragedModel(self.model, avg_fn=_running_mean, use_buffers=True)
        tally, position = _Tally(len(self.recorder.epochs)), Position()
        found = self._restore(phases) if resume else None
        if found is not None:
            tally, position = _Tally(**found.state["tally"]), found.position
        self.team.level(self.model)
        try:
            with self._surroundings():
                for number in range(position.phase, len(phases)):
                    freeze_to(self.model, phases[number].frozen_to)
                    rates = phases[number].rates
                    stepper = Stepper(
                        self.model, self.objective, self.options, self.device, rates, self.team, self.weights
                    )
                    if found is not None:
                        checkpoint.restore_optimiser(stepper.optimiser, found.part("optimiser"))
                        stepper.scaler.load_state_dict(found.state["scaler"])
                        found = None
                    if not self._phase(phases, position, stepper, tally):
                        break
                    position = Position(number + 1)
                if self._best or self._judged is not self.model:
                    self.model.load_state_dict(self._best or self._judged.state_dict())
        finally:
            # However the run ended, even by Ctrl-C, the model is left so that it can be used and trained further.
            self._unread.clear()
            self.model.zero_grad(set_to_none=True)
            self.model.eval()

    @property
    def _judged(self) -> HeadedNetwork:
        """The model that would be kept if the run ended here: the mean of the weights once there is one."""
        if self._mean is None or not self._mean.n_averaged:
            return self.model
        return cast("HeadedNetwork", self._mean.module)

    def _phase(self, phases: Sequence[Phase], start: Position, stepper: Stepper, tally: _Tally) -> bool:
        """Train one phase from ``start`` on; False where patience ended it."""
        before = sum(phase.epochs for phase in phases[: start.phase])
        total = sum(phase.epochs for phase in phases)
        for epoch in range(start.epoch, phases[start.phase].epochs):
            if self.options.patience is not None and tally.waited >= self.options.patience:
                self.progress.say(f"no lower validation loss for {tally.waited} epochs; back to the best")
                return False
            began_s = time.perf_counter()
            number = tally.first_epoch + before + epoch
            title = f"epoch {before + epoch + 1}/{total}"
            position = start if epoch == start.epoch else Position(start.phase, epoch)
            self._epoch(phases, position, number, title, stepper, tally)
            self._judge(number, title, tally, began_s)
            self._save(phases, Position(start.phase, epoch + 1), stepper, tally)
        return True

    def _epoch(
        self, phases: Sequence[Phase], start: Position, number: int, title: str, stepper: Stepper, tally: _Tally
    ) -> None:
        """Train the rest of epoch ``number`` (over all runs) from ``start`` on."""
        accumulate, n_batches = self.options.accumulate, len(self.feed)
        steps = -(-n_batches // accumulate)
        cycle = phases[start.phase].cycle(steps * phases[start.phase].epochs)
        last = start.phase == len(phases) - 1
        first_averaged = math.inf if self.options.swa is None or not last else self.options.swa * cycle.steps
        self._good = copied(self.model)
        self.model.train()
        read_every = 1 if self.device.type == "cpu" else READ_EVERY
        step, factor, momentum, waiting, note = 0, 0.0, 0.0, False, ""
        with self._shown(title, self.feed.train(number, start.batch), n_batches - start.batch) as (batches, advance):
            for batch, fed in enumerate(batches, start.batch):
                torch.manual_seed(_mixed(self.options.seed, number, batch) + self.team.share.rank)
                step = start.epoch * steps + batch // accumulate
                factor, momentum = cycle.at(step)
                together = min(accumulate, n_batches - batch // accumulate * accumulate)
                loss, items = stepper.backward(fed, 1 / together)
                if items:
                    rate = stepper.peak_rate * factor
                    self._unread.append(_Unread(batch, fed.rows_N[:4].tolist(), items, rate, loss))
                if len(self._unread) >= read_every:
                    self._read(number, tally)
                    note = self.recorder.note()
                advance(items, note)
                self._draw(FIGURE_EVERY_S)
                waiting = (batch + 1) % accumulate != 0
                if waiting:
                    continue
                self._update(stepper, factor, momentum, averaged=step >= first_averaged)
                every = self.options.checkpoint_steps
                if every is not None and (batch + 1) // accumulate % every == 0 and batch + 1 < n_batches:
                    self._read(number, tally)
                    self._save(phases, Position(start.phase, start.epoch, batch + 1), stepper, tally)
        self._read(number, tally)
        if waiting:
            self._update(stepper, factor, momentum, averaged=step >= first_averaged)
        if not tally.items:
            raise DataError("not one training item can be used; check that the files can be opened")

    def _update(self, stepper: Stepper, factor: float, momentum: float, *, averaged: bool) -> None:
        stepper.update(factor, momentum)
        if averaged and self._mean is not None:
            self._mean.update_parameters(self.model)

    def _read(self, epoch: int, tally: _Tally) -> None:
        """Take in the losses of the last batches.

        Raises:
            DivergedError: one is not a number.
        """
        own = [float(one.loss) for one in self._unread]
        for one, part, loss in zip(self._unread, own, self.team.sums(own), strict=True):
            if not math.isfinite(loss):
                self.model.load_state_dict(self._good)
                found = self.team.gather([] if math.isfinite(part) else one.rows)
                rows = ", ".join(str(row) for some in found for row in some)
                raise DivergedError(
                    f"the loss is {loss} in batch {one.batch} of epoch {epoch} (rows {rows}, …), at a learning rate of "
                    f"{one.rate:.2g}; the weights are those from before this epoch; look at these items, or take a "
                    "lower rate"
                )
            tally.loss_sum += loss * one.items
            tally.items += one.items
            self.recorder.losses.append(loss)
            self.recorder.rates.append(one.rate)
        self._unread.clear()

    def _judge(self, number: int, title: str, tally: _Tally, began_s: float) -> None:
        """Validate, record, and note whether this is the best so far."""
        dtype = autocast_type(self.options.precision, self.device)
        result = evaluate(self._judged, self.objective, self.feed.valid(), self.device, dtype, self.team)
        metrics = {
            name: metric(result.outputs_NC, result.y) if len(result.y) else math.nan
            for name, metric in self.objective.metrics.items()
        }
        train_loss = tally.loss_sum / max(tally.items, 1)
        seconds = time.perf_counter() - began_s
        record = EpochRecord(number, train_loss, result.loss, metrics, seconds, len(self.recorder.losses))
        self.recorder.epochs.append(record)
        self.progress.say(f"{title}: {record.line()}")
        self._draw(0.0)
        tally.loss_sum, tally.items = 0.0, 0
        if self.options.patience is None:
            return
        if result.loss < tally.best_loss:
            tally.best_loss, tally.waited = result.loss, 0
            self._best = copied(self._judged)
        else:
            tally.waited += 1

    def _draw(self, pause_s: float) -> None:
        """Show the losses so far, unless that was done less than ``pause_s`` ago."""
        if self.team.is_main and time.perf_counter() - self._drawn_s >= pause_s:
            self.progress.figure("loss", self.recorder.plot())
            self._drawn_s = time.perf_counter()

    def _save(self, phases: Sequence[Phase], position: Position, stepper: Stepper, tally: _Tally) -> None:
        if self.options.checkpoints is None or not self.team.is_main:
            return
        tensors = {f"model.{name}": tensor for name, tensor in self.model.state_dict().items()}
        tensors |= {f"best.{name}": tensor for name, tensor in self._best.items()}
        if self._mean is not None:
            tensors |= {f"mean.{name}": tensor for name, tensor in self._mean.state_dict().items()}
        tensors |= checkpoint.optimiser_tensors(stepper.optimiser)
        state = {
            "tally": dataclasses.asdict(tally),
            "recorder": self.recorder.to_json(),
            "scaler": stepper.scaler.state_dict(),
        }
        try:
            Checkpoint(position, self._plan(phases), state, tensors).write(self.options.checkpoints)
        except OSError as error:
            # A run is worth more than the way back into it.
            if not self._unkept:
                self.progress.say(
                    f"no checkpoint can be kept in {self.options.checkpoints} ({error.strerror or error}), so an interrupted run "
                    "begins anew; name another folder with --cache or $DRIVETRAIN_CACHE, or do without with --no-cache"
                )
            self._unkept = True

    def _restore(self, phases: Sequence[Phase]) -> Checkpoint | None:
        """Put back the state that does not need the optimiser, which does not exist yet."""
        folder = self.options.checkpoints
        if folder is None:
            raise UsageError("there is nothing to resume from; give a folder for checkpoints")
        # The main process reads the checkpoint, which it wrote: the others need not see its folder.
        found = self.team.from_main(lambda: checkpoint.read(folder))
        if found is None:
            return None
        checkpoint.check_plan(found.plan, self._plan(phases))
        self.model.load_state_dict(found.part("model"))
        self._best = found.part("best")
        if self._mean is not None:
            self._mean.load_state_dict(found.part("mean"))
        before = Recorder.from_json(found.state["recorder"])
        self.recorder.losses[:] = before.losses
        self.recorder.rates[:] = before.rates
        self.recorder.epochs[:] = before.epochs
        return found

    def _plan(self, phases: Sequence[Phase]) -> dict[str, Any]:
        """The settings that must be the same for a checkpoint to be of this run."""
        options = dataclasses.asdict(self.options)
        del options["checkpoints"], options["checkpoint_steps"]
        return {
            "network": self.model.network.about.name,
            "task": self.objective.name,
            "batches an epoch": len(self.feed),
            "phases": [dataclasses.asdict(phase) for phase in phases],
            **options,
        }

    @contextmanager
    def _surroundings(self) -> Iterator[None]:
        """Give the run a random state of its own, and the same kernels each time; both are put back afterwards."""
        devices = [self.device] if self.device.type == "cuda" else []
        with ExitStack() as stack:
            stack.enter_context(torch.random.fork_rng(devices=devices))
            if devices:
                stack.enter_context(torch.backends.cudnn.flags(benchmark=False, deterministic=True))
            yield

    @contextmanager
    def _shown(self, title: str, batches: Iterator[Fed], expected: int) -> Iterator[tuple[Iterator[Fed], Advance]]:
        """Show a progress bar in images for the batches; their number is reckoned from the first batch."""
        first = list(islice(batches, 1))
        with self.progress.stage(title, sum(map(len, first)) * self.team.share.size * expected) as advance:
            yield chain(first, batches), advance


def _running_mean(mean: Tensor, now: Tensor, counted: Tensor | int) -> Tensor:
    """Update a mean by one more value; torch's own default refuses whole numbers, such as batch norm's counters."""
    return mean + (now - mean) / (counted + 1)


def copied(model: HeadedNetwork) -> dict[str, Tensor]:
    """Copy the weights as they are now."""
    return {name: tensor.detach().clone() for name, tensor in model.state_dict().items()}


def freeze_to(model: HeadedNetwork, group: int) -> None:
    """Freeze the groups before ``group``, and let the others be trained."""
    for number, parameters in enumerate(model.groups()):
        for parameter in parameters:
            parameter.requires_grad_(number >= group)


def _mixed(*numbers: int) -> int:
    """Make a seed from several numbers."""
    text = "/".join(map(str, numbers)).encode()
    return int.from_bytes(hashlib.blake2b(text, digest_size=8).digest(), "little") >> 1
