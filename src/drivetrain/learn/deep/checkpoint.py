"""The checkpoint an interrupted run goes on from: one safetensors file, tensors beside plain JSON, nothing pickled.

It is written beside its final name and moved there, so what is found is either the old or the new one, whole.
"""

from __future__ import annotations

import json
import os
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import torch
from safetensors import SafetensorError, safe_open
from safetensors.torch import save
from torch import Tensor

from ...core.errors import UsageError, WeightsError

FILE = "checkpoint.safetensors"

# Raise the version when stored values change their meaning; an older file is then refused, not misread.
VERSION = 1


@dataclass(frozen=True)
class Position:
    """The position of a run: ``batch`` batches of ``epoch`` of ``phase`` are done, all counted from 0."""

    phase: int = 0
    epoch: int = 0
    batch: int = 0


@dataclass(frozen=True)
class Checkpoint:
    """A checkpoint; ``tensors`` are ``model.*``, ``best.*``, ``mean.*`` and ``optimiser.*``; ``plan`` is what the run set out
    to do.

    Randomness needs no entry: what is drawn depends on seed and position only.
    """

    position: Position
    plan: Any
    state: Mapping[str, Any]
    tensors: Mapping[str, Tensor]

    def part(self, prefix: str) -> dict[str, Tensor]:
        """Return the tensors under ``prefix.``, without the prefix."""
        head = f"{prefix}."
        return {name.removeprefix(head): tensor for name, tensor in self.tensors.items() if name.startswith(head)}

    def write(self, folder: Path) -> None:
        """Replace the folder's checkpoint by this one."""
        folder.mkdir(parents=True, exist_ok=True)
        position = [self.position.phase, self.position.epoch, self.position.batch]
        document = {"version": VERSION, "position": position, "plan": self.plan, "state": dict(self.state)}
        plain = {name: tensor.detach().cpu().contiguous() for name, tensor in self.tensors.items()}
        data = save(plain, metadata={"drivetrain": json.dumps(document)})
        temporary = folder / f".{FILE}.{os.getpid()}"
        try:
            with temporary.open("wb") as file:
                file.write(data)
                file.flush()
                os.fsync(file.fileno())
            temporary.replace(folder / FILE)
        except OSError:
            temporary.unlink(missing_ok=True)  # half of one takes room on a disk that has none
            raise


def read(folder: Path) -> Checkpoint | None:
    """Read the folder's checkpoint; None where there is none.

    Raises:
        WeightsError: it is damaged or of another version.
    """
    path = folder / FILE
    if not os.path.exists(path):  # noqa: PTH110  # unlike Path's, it takes a folder that may not be looked into for an empty one
        return None
    try:
        with safe_open(path, framework="pt") as file:
            document = json.loads(file.metadata()["drivetrain"])
            tensors: dict[str, Tensor] = {name: file.get_tensor(name) for name in file.keys()}  # noqa: SIM118
        if document["version"] != VERSION:
            raise WeightsError(f"{path} has version {document['version']}, this program writes {VERSION}; delete it")
        return Checkpoint(Position(*document["position"]), document["plan"], document["state"], tensors)
    except (SafetensorError, KeyError, TypeError, ValueError) as error:
        detail = " ".join(f"{type(error).__name__}: {error}".split())
        raise WeightsError(f"{path} is damaged ({detail}); delete it to start again") from error


def check_plan(found: Any, wanted: Any) -> None:
    """Refuse to go on with a run that set out to do something else.

    Raises:
        UsageError: the plans differ; the message names the first difference.
    """
    found, wanted = (json.loads(json.dumps(plan)) for plan in (found, wanted))
    for name in sorted(found.keys() | wanted.keys()):
        if found.get(name) != wanted.get(name):
            raise UsageError(
                f"the checkpoint is of another run: its {name} is {found.get(name)}, now it is {wanted.get(name)}; "
                "ask for the same run, or train without resuming"
            )


def optimiser_tensors(optimiser: torch.optim.Optimizer) -> dict[str, Tensor]:
    """An optimiser's state by parameter number and name."""
    state = optimiser.state_dict()["state"]
    return {f"optimiser.{number}.{name}": value for number, slots in state.items() for name, value in slots.items()}


def restore_optimiser(optimiser: torch.optim.Optimizer, tensors: Mapping[str, Tensor]) -> None:
    """Put back the state from `optimiser_tensors`, in the memory layout of each parameter (sums depend on the layout)."""
    parameters = [parameter for group in optimiser.param_groups for parameter in group["params"]]
    for key, value in tensors.items():
        number, name = key.split(".")
        parameter = parameters[int(number)]
        slot = torch.empty_like(parameter, memory_format=torch.preserve_format) if value.ndim else value.clone()
        if value.ndim:
            slot.copy_(value)
        elif parameter.is_cuda:
            slot = slot.to(parameter.device)
        optimiser.state[parameter][name] = slot
