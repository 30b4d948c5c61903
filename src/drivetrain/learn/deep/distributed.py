"""Several processes that train one model: each takes its share of every batch, and all end with the same weights.

They are started by `accelerate launch --multi_gpu --num_processes 4 script.py` (with `device="cpu"` it runs on CPUs
too), by torchrun or by mpirun. Whatever they must agree on goes through one small sum over all of them, `sums`, and
before anything larger is exchanged they meet there too. A process that fails or is interrupted says so at that place:
none waits for one that will not come.
"""

from __future__ import annotations

import atexit
import os
import signal
import sys
import threading
import traceback
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager, suppress
from dataclasses import dataclass
from functools import cache
from types import FrameType
from typing import TypeVar

import torch
from torch import Tensor, nn

from ...core.errors import UsageError
from ...core.installation import install_command

Value = TypeVar("Value")

# The most numbers that one exchange can add up. Every exchange has the same size, so that any two fit together.
WIDTH = 16

# Variables by which launchers tell the number of processes: torchrun and accelerate, MPICH and Intel MPI, Open MPI, MVAPICH.
COUNTS = ("WORLD_SIZE", "PMI_SIZE", "OMPI_COMM_WORLD_SIZE", "MV2_COMM_WORLD_SIZE")


class ProcessStoppedError(UsageError):
    """Another of the processes that train together has stopped."""


@dataclass(frozen=True)
class Share:
    """The share of each batch that process ``rank`` of ``size`` takes: neighbouring items, as many as the others or one less."""

    rank: int = 0
    size: int = 1

    def of(self, count: int) -> slice:
        """Return the share's slice of ``count`` items; empty where there are fewer items than processes.

        >>> [Share(rank, 3).of(8) for rank in range(3)]
        [slice(0, 2, None), slice(2, 5, None), slice(5, 8, None)]
        """
        return slice(count * self.rank // self.size, count * (self.rank + 1) // self.size)


class Team:
    """The processes that train together; this class is a team of one process."""

    def __init__(self, device: torch.device | None = None, share: Share = Share()) -> None:
        """Make a team; ``device`` is the one that this process computes on."""
        self.device = device or torch.device("cpu")
        self.share = share

    @property
    def is_main(self) -> bool:
        """Tells whether this is the process that prints and writes."""
        return self.share.rank == 0

    @contextmanager
    def together(self) -> Iterator[None]:
        """Run a block that all processes enter and leave together: an error or Ctrl-C in one of them ends it in all.

        Raises:
            ProcessStoppedError: another process has failed; its own message says why.
            KeyboardInterrupt: in every process, where one got Ctrl-C.
        """
        yield

    def sums(self, values: Sequence[float]) -> list[float]:
        """Add up each of up to 16 numbers over the processes. Raises what `together` does."""
        return list(values)

    def add_gradients(self, parameters: Sequence[nn.Parameter]) -> bool:  # noqa: ARG002
        """Add up gradients over the processes; returns whether there are any. Raises what `together` does."""
        return True

    def gather(self, value: Value) -> list[Value]:
        """The value of every process, by rank. Raises what `together` does."""
        return [value]

    def from_main(self, make: Callable[[], Value]) -> Value:
        """Return the result of ``make`` in the main process, where alone it is called. Raises what `together` does."""
        return make()

    def level(self, model: nn.Module) -> None:
        """Give every process the main one's weights. Raises what `together` does."""


class Processes(Team):
    """A team of several processes."""

    def __init__(self, device: torch.device, share: Share) -> None:
        super().__init__(device, share)
        # Numbers are exchanged on the host: a GPU would first finish all its work in hand.
        self._host = torch.distributed.new_group(backend="gloo")
        self._group = self._host if device.type == "cpu" else torch.distributed.group.WORLD
        self._depth = 0
        self._interrupted = False
        self._knows = False
        """Tells whether the others know that this process stops, or cannot be told any more."""

    @contextmanager
    def together(self) -> Iterator[None]:
        if self._depth:
            yield
            return
        self._depth, self._interrupted, self._knows = 1, False, False
        try:
            with self._listening():
                yield
                self.sums([])
        except BaseException:
            if not self._knows:
                with suppress(RuntimeError):  # no other process may be left to be told
                    self._meet([1.0])
            raise
        finally:
            self._depth = 0

    def sums(self, values: Sequence[float]) -> list[float]:
        if len(values) > WIDTH:
            raise ValueError(f"{len(values)} numbers are too many for one meeting; {WIDTH} fit")
        try:
            failed, interrupted, *summed = self._meet([0.0, float(self._interrupted), *values])
        except RuntimeError as error:
            self._knows = True
            raise ProcessStoppedError(
                "another process is gone; see what it said last, and train with resume"
            ) from error
        self._knows = bool(failed or interrupted)
        if interrupted:
            raise KeyboardInterrupt
        if failed:
            raise ProcessStoppedError("another process has stopped with an error; see what it says")
        return summed[: len(values)]

    def add_gradients(self, parameters: Sequence[nn.Parameter]) -> bool:
        self.sums([])
        # A process without an item has no gradients; a parameter that none has a gradient for must go on without one.
        present = torch.tensor([parameter.grad is not None for parameter in parameters], dtype=torch.int32)
        torch.distributed.all_reduce(present, group=self._host)
        gradients = [_gradient(p) for p, count in zip(parameters, present.tolist(), strict=True) if count]
        if not gradients:
            return False
        flat = torch.cat([gradient.reshape(-1) for gradient in gradients])
        torch.distributed.all_reduce(flat, group=self._group)
        for gradient, part in zip(gradients, torch.split(flat, [g.numel() for g in gradients]), strict=True):
            gradient.copy_(part.view(gradient.shape))
        return True

    def gather(self, value: Value) -> list[Value]:
        self.sums([])
        values: list[Value] = [value] * self.share.size
        torch.distributed.all_gather_object(values, value, group=self._host)
        return values

    def from_main(self, make: Callable[[], Value]) -> Value:
        values = [make() if self.is_main else None]
        self.sums([])
        torch.distributed.broadcast_object_list(values, src=0, group=self._host)
        return values[0]  # type: ignore[return-value]  # the main process's, which is one

    def level(self, model: nn.Module) -> None:
        self.sums([])
        for tensor in model.state_dict().values():
            plain = tensor.contiguous()
            torch.distributed.broadcast(plain, src=0, group=self._group)
            tensor.copy_(plain)

    def part(self) -> None:
        """Let go of the others, for good; it asks nobody, so that no process waits for one that is gone."""
        del self._host, self._group

    def _meet(self, values: Sequence[float]) -> list[float]:
        numbers = torch.zeros(2 + WIDTH, dtype=torch.float64)
        numbers[: len(values)] = torch.tensor(values, dtype=torch.float64)
        torch.distributed.all_reduce(numbers, group=self._host)
        return numbers.tolist()

    @contextmanager
    def _listening(self) -> Iterator[None]:
        """Hold Ctrl-C back until the next exchange, where all processes hear of it; a second Ctrl-C does not wait."""
        before = signal.getsignal(signal.SIGINT)
        if threading.current_thread() is not threading.main_thread() or before is None:
            yield
            return

        def heard(_number: int, _frame: FrameType | None) -> None:
            if self._interrupted:
                self._knows = True
                raise KeyboardInterrupt
            self._interrupted = True

        signal.signal(signal.SIGINT, heard)
        try:
            yield
        finally:
            signal.signal(signal.SIGINT, before)


def join(device: torch.device) -> Team:
    """The team this process was started in; a team of one where it was started alone, without a look at accelerate.

    Raises:
        UsageError: it was started as one of several, and they cannot find together on this kind of device.
    """
    count = next((int(os.environ[name]) for name in COUNTS if os.environ.get(name, "").isdigit()), 1)
    return Team(device) if count < 2 else _joined(device.type, count)


@cache
def _joined(kind: str, count: int) -> Team:
    try:
        from accelerate import PartialState
    except ImportError as error:
        raise UsageError(
            f"this is one of {count} processes, which takes accelerate; {install_command('deep')}"
        ) from error
    state = PartialState(cpu=kind == "cpu")
    if state.num_processes != count or kind not in ("cpu", state.device.type):
        raise UsageError(
            f"this is one of {count} processes, but accelerate finds {state.num_processes} on {state.device.type}, not "
            f"on {kind}; start one process, or make the Learner before anything else uses accelerate"
        )
    own = torch.device("cpu") if kind == "cpu" else state.device
    team = Processes(own, Share(state.process_index, state.num_processes))
    atexit.register(_leave, team, state.destroy_process_group)
    return team


def _leave(team: Processes, destroy: Callable[[], None]) -> None:
    """End the threads of the process groups while there is still an interpreter.

    A thread of gloo gives the tensors of a finished exchange back under the interpreter's lock, at times long after the
    exchange is over; if the interpreter is leaving by then, the process aborts. The threads are waited for where a
    group's last owner goes: after ``destroy`` that may be the team, or an error that came out of an exchange. The group
    of all may stay, for torch keeps it as a default of its own functions; on CPUs no exchange of ours goes through it.
    """
    team.part()
    error: BaseException | None = getattr(sys, "last_value", None)
    while error is not None:
        traceback.clear_frames(error.__traceback__)
        error = error.__cause__ or error.__context__
    destroy()


def _gradient(parameter: nn.Parameter) -> Tensor:
    if parameter.grad is None:
        parameter.grad = torch.zeros_like(parameter)
    return parameter.grad
