"""What several processes do in `test_distributed`, and one process beside them. Run by accelerate: FOLDER SCENARIO."""

from __future__ import annotations

import atexit
import dataclasses
import json
import os
import signal
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import numpy as np
import torch
from safetensors.torch import save_file
from tiny import Loaders, Photos, TinyBatch, tiny_learner

from drivetrain.core.ports import Advance
from drivetrain.learn.deep.learner import Learner
from drivetrain.learn.deep.objective import REGRESSION, SINGLE_LABEL, Objective
from drivetrain.learn.deep.stepper import Options

RANK = int(os.environ.get("RANK", "0"))

# Items a batch do not divide evenly: the last one has three, or one, so that a process goes without.
SIZES = {"three over, in steps of two": (27, 2), "one over": (25, 1)}


class Aloud:
    """Progress that counts what it is told."""

    def __init__(self) -> None:
        self.lines: list[str] = []
        self.images = 0
        self.totals: list[int] = []

    @contextmanager
    def stage(self, name: str, total: int) -> Iterator[Advance]:  # noqa: ARG002
        def advance(count: int, _note: str = "") -> None:
            self.images += count

        self.totals.append(total)
        yield advance

    def say(self, line: str) -> None:
        self.lines.append(line)

    def figure(self, name: str, svg: str) -> None:
        pass


@dataclasses.dataclass(frozen=True)
class Troubled(Photos):
    """Goes wrong in its own way at one batch of one epoch."""

    trouble: str = ""
    epoch: int = 1

    def batches(self, epoch: int, start: int = 0) -> Iterator[TinyBatch]:
        for number, batch in enumerate(super().batches(epoch, start), start):
            here = epoch == self.epoch and number == 1
            if here and RANK == 1:
                if self.trouble == "kill":
                    os.kill(os.getpid(), signal.SIGKILL)
                if self.trouble == "interrupt":
                    signal.raise_signal(signal.SIGINT)
                if self.trouble == "error":
                    raise OSError("the disk of process 1 is gone")
            y = np.where(np.arange(len(batch.y)) == 0, np.nan, batch.y) if here and self.trouble == "nan" else batch.y
            yield TinyBatch(batch.x, y, batch.rows)


def quiet(loaders: Loaders, options: Options | None = None, objective: Objective = SINGLE_LABEL) -> Learner:
    """Without dropout, whose noise is each process's own."""
    learner = tiny_learner(options, loaders, objective)
    learner.model.network.stages[2][0].p = 0.0
    return learner


def plain(items: int, accumulate: int) -> Learner:
    """Trained from its head down."""
    loaders = Loaders(Photos(items), Photos(13, first_row=1000, shuffle=False))
    learner = quiet(loaders, Options(accumulate=accumulate, clip=0.5))
    learner.fine_tune(2, base_lr=5e-2)
    return learner


def last_stage() -> Learner:
    """Trained on activations."""
    learner = quiet(Loaders(Photos(25), Photos(9, first_row=1000, shuffle=False)))
    learner.fit_last_stages(3, 1e-2, views=2)
    return learner


def resumable(folder: Path, trouble: str = "", resume: bool = True) -> Learner:
    """Two epochs of four batches, the last of three items, on from where they were."""
    options = Options(checkpoints=folder, checkpoint_steps=1, patience=5)
    learner = quiet(Loaders(Troubled(27, trouble=trouble)), options)
    learner.fit_one_cycle(2, 1e-2, resume=resume)
    return learner


def troubled(trouble: str) -> dict[str, Any]:
    """What comes of it, and what training on gives."""
    loaders = Loaders(Troubled(27, kind="number", trouble=trouble), Photos(8, first_row=1000, kind="number"))
    learner = quiet(loaders, objective=REGRESSION)
    error: BaseException | None = None
    try:
        learner.fit_one_cycle(3, 1e-2)
    except (Exception, KeyboardInterrupt) as caught:
        error = caught
    epochs = len(learner.recorder.epochs)
    learner.loaders = Loaders(Photos(27, kind="number"), loaders.valid)
    learner.fit_one_cycle(1, 1e-2)
    loss = learner.validate().loss
    return {"error": type(error).__name__, "message": str(error), "epochs": epochs, "loss": loss}


def keep(folder: Path, name: str, learner: Learner) -> None:
    """Weights and record of this process."""
    folder.mkdir(exist_ok=True)
    tensors = {key: tensor.contiguous() for key, tensor in learner.model.state_dict().items()}
    judged = learner.validate()
    tensors |= {"outputs": torch.from_numpy(judged.outputs_NC), "rows": torch.from_numpy(judged.rows_N)}
    save_file(tensors, folder / f"{name}.{RANK}.safetensors")
    record = learner.recorder.to_json()
    (folder / f"{name}.{RANK}.json").write_text(json.dumps(record))


def everything(folder: Path) -> None:
    """All that needs no new processes."""
    for name, (items, accumulate) in SIZES.items():
        keep(folder, name, plain(items, accumulate))
    keep(folder, "last stage", last_stage())
    keep(folder, "whole", resumable(folder / "checkpoints", resume=False))
    aloud = Aloud()
    learner = quiet(Loaders(Photos(27)))
    learner._progress = aloud if learner.is_main else learner._progress
    rates = learner.lr_find(20).losses
    learner.fit_one_cycle(1)
    seen = {trouble: troubled(trouble) for trouble in ("nan", "error", "interrupt")}
    seen["told"] = {"lines": len(aloud.lines), "images": aloud.images, "totals": aloud.totals}
    seen["rates"] = {"losses": rates}
    (folder / f"seen.{RANK}.json").write_text(json.dumps(seen))


def threads(folder: Path, when: str) -> None:
    """Names of all threads there are, those of libraries too; Linux knows them."""
    names = [path.read_text().strip() for path in Path("/proc/self/task").glob("*/comm")]
    (folder / f"threads {when}.{RANK}.json").write_text(json.dumps(names))


def main(folder: Path, scenario: str) -> None:
    # Registered before anything else is, it is called last.
    atexit.register(threads, folder, "at the end")
    if scenario == "everything":
        everything(folder)
    elif scenario == "kill":
        resumable(folder / "killed", trouble="kill")
    else:
        # Only the main process sees the folder.
        keep(folder, "resumed", resumable(folder / ("killed" if RANK == 0 else "nowhere")))
    threads(folder, "while together")


if __name__ == "__main__":
    main(Path(sys.argv[1]), sys.argv[2])
