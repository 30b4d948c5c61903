"""Loading photos for training: our loader beside torchvision's ImageFolder and torch's DataLoader, on full-size originals.

    python -m benchmarks.loader --torchvision-python ENV/bin/python --out benchmarks/results/loader.json

ENV is a virtual environment with ``torch==2.14.1 torchvision==0.29.1``; without the option, torchvision must be installed
beside Drivetrain. Both make shuffled uint8 batches of 64 at 224² from ``bears_fullsize`` (27 files of 2 to 16 megapixels,
linked so often that an epoch has five batches for each core), once with ``Resize`` and once with ``RandomResizedCrop``.
Ours is ``DataBlock(...).dataloaders`` as in training, one thread a core. The peer has a process a core, kept alive
between epochs and forked, ``Resize(224)`` and ``CenterCrop(224)``, or ``RandomResizedCrop`` of the same share and shapes;
it is measured with both loaders that torchvision has: ``pil`` is what ImageFolder does unless told otherwise (a Pillow
image, ``PILToTensor`` at the end), ``tensor`` is ``decode_image`` with the transforms on tensors.

Measured are whole training runs of five epochs, with new loaders each: in the first nothing is kept, from the second on
ours reads from memory what ``keep_bytes`` had room for, each link being a file of its own. The peer decodes every file
in every epoch: torchvision has nothing that keeps decoded pictures. Turns of one epoch alternate, one of each is made
before and not counted; ratios are medians, of neighbouring turns for the first and the later epochs, of their sums for
a run. The target is for a run, against ``pil``. CPU time an image stands beside, since it moves less when the machine is
not quiet; it includes everything that a side's processes and threads did.
"""

from __future__ import annotations

import json
import math
import statistics
import subprocess
import sys
import tempfile
import time
from collections.abc import Sequence
from contextlib import ExitStack
from pathlib import Path
from typing import Any, NamedTuple

from drivetrain.core.cores import available_cores
from drivetrain.data.block.datablock import DataBlock
from drivetrain.data.block.getters import get_image_files
from drivetrain.data.block.item_transforms import ItemTransform, RandomResizedCrop, Resize
from drivetrain.data.block.labellers import parent_label
from drivetrain.data.block.loader import DataLoader
from drivetrain.data.block.splitters import GrandparentSplitter
from drivetrain.data.image.decoded_store import KEEP_BYTES

from .record import data_root, parser, record

TARGET = 2.5
EPOCHS = 5
NOTE = "the peer decodes every file in every epoch; torchvision has nothing that keeps decoded pictures"
SIZE = 224
BATCHES_A_CORE = 5
TRANSFORMS: dict[str, ItemTransform] = {"resize": Resize(SIZE), "random_crop": RandomResizedCrop(SIZE)}
LOADERS = ("pil", "tensor")

TORCHVISION = """
import json, multiprocessing, os, sys, time
import torch, torchvision
from torch.utils.data import DataLoader
from torchvision.datasets import ImageFolder
from torchvision.io import ImageReadMode, decode_image
from torchvision.transforms import v2
folder, how, loader = sys.argv[1:4]
workers, bs, size = map(int, sys.argv[4:7])
if how == "resize":
    steps = [v2.Resize(size), v2.CenterCrop(size)]
else:
    steps = [v2.RandomResizedCrop(size, scale=(0.35, 1.0), ratio=(3 / 4, 4 / 3))]
if loader == "pil":
    data = ImageFolder(folder, v2.Compose([*steps, v2.PILToTensor()]))
else:
    data = ImageFolder(folder, v2.Compose(steps), loader=lambda path: decode_image(path, mode=ImageReadMode.RGB))
batches = DataLoader(
    data, bs, shuffle=True, drop_last=True, num_workers=workers, persistent_workers=True, multiprocessing_context="fork"
)
tick_s = 1 / os.sysconf("SC_CLK_TCK")
def cpu_s():
    total = time.process_time()
    for child in multiprocessing.active_children():
        fields = open(f"/proc/{child.pid}/stat").read().rsplit(")", 1)[1].split()
        total += (int(fields[11]) + int(fields[12])) * tick_s
    return total
print(json.dumps({"torch": torch.__version__, "torchvision": torchvision.__version__}), flush=True)
for _ in sys.stdin:
    start, start_cpu, images = time.perf_counter(), cpu_s(), 0
    for x, y in batches:
        assert x.shape[1:] == (3, size, size) and x.dtype == torch.uint8
        images += len(x)
    print(json.dumps([images, time.perf_counter() - start, cpu_s() - start_cpu]), flush=True)
"""


class Turn(NamedTuple):
    """One epoch: how many images in how much time, and CPU time of all threads and processes."""

    images: int
    seconds: float
    cpu_s: float


def main() -> None:
    arguments = parser(__doc__)
    arguments.add_argument("--torchvision-python", type=Path, default=Path(sys.executable))
    arguments.add_argument("--folder", default="bears_fullsize")
    arguments.add_argument("--bs", type=int, default=64)
    arguments.add_argument("--workers", type=int, default=available_cores())
    arguments.add_argument("--batches", type=int, help="batches an epoch (default: five a worker)")
    arguments.add_argument("--epochs", type=int, default=EPOCHS, help="epochs a run")
    arguments.add_argument("--runs", type=int, default=2)
    arguments.add_argument("--keep-bytes", type=int, default=KEEP_BYTES)
    options = arguments.parse_args()
    if options.epochs < 2 or options.runs < 1:
        arguments.error("give at least 2 epochs and 1 run")
    batches = options.batches or BATCHES_A_CORE * options.workers
    results: dict[str, Any] = {}
    versions: dict[str, str] = {}
    with tempfile.TemporaryDirectory() as folder:
        photos = Path(folder)
        originals = _link(data_root() / options.folder, photos, batches * options.bs)
        for how, transform in TRANSFORMS.items():
            block = DataBlock(
                get_items=get_image_files, get_y=parent_label, splitter=GrandparentSplitter(), item_tfms=transform
            )
            with ExitStack() as stack:
                peers = [
                    stack.enter_context(_Peer(options.torchvision_python, photos, how, loader, options))
                    for loader in LOADERS
                ]
                versions = peers[0].versions
                _round(_ours(block, photos, options), peers)
                runs, kept = [], []
                for _ in range(options.runs):
                    ours = _ours(block, photos, options)
                    runs.append([_round(ours, peers) for _ in range(options.epochs)])
                    kept.append({"files": len(ours.decoded), "MiB": round(ours.decoded.n_bytes / 2**20, 1)})
                    del ours  # before the next run keeps as much again
            results[how] = {
                "first_epoch": _figures([run[0] for run in runs]),
                "later_epochs": _figures([turns for run in runs for turns in run[1:]]),
                "run": _figures([_sums(run) for run in runs]),
                "kept": kept[-1],
            }
    worst = min(result["run"]["ratio_to_pil"] for result in results.values())
    record(
        {
            "originals": originals,
            "images_an_epoch": batches * options.bs,
            "batch": options.bs,
            "size": SIZE,
            "workers": options.workers,
            "epochs_a_run": options.epochs,
            "runs": options.runs,
            "keep_bytes": options.keep_bytes,
            **results,
            "note": NOTE,
            "target": TARGET,
            "reached": worst >= TARGET,
            "versions_of_the_peer": versions,
        },
        options.out,
    )


class _Peer:
    """A process with torchvision that loads one epoch when asked, and waits."""

    def __init__(self, python: Path, photos: Path, how: str, loader: str, options: Any) -> None:
        numbers = [str(number) for number in (options.workers, options.bs, SIZE)]
        command = [str(python), "-c", TORCHVISION, str(photos / "train"), how, loader, *numbers]
        self._process = subprocess.Popen(command, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True)
        self.versions: dict[str, str] = json.loads(self._line())

    def __enter__(self) -> _Peer:
        return self

    def __exit__(self, *_: object) -> None:
        self._process.communicate()

    def turn(self) -> Turn:
        assert self._process.stdin is not None
        self._process.stdin.write("\n")
        self._process.stdin.flush()
        return Turn(*json.loads(self._line()))

    def _line(self) -> str:
        assert self._process.stdout is not None
        line = self._process.stdout.readline()
        if not line:
            sys.exit("the process with torchvision ended; is torchvision installed there? (--torchvision-python)")
        return line


def _link(source: Path, folder: Path, least: int) -> int:
    """Links to every photo in ``folder/train``, so often that there are ``least``; one a class in ``folder/valid``."""
    files = sorted(path for path in source.rglob("*.*") if path.is_file())
    for copy in range(math.ceil(least / len(files))):
        for file in files:
            link = folder / "train" / file.parent.name / f"{copy:03}_{file.name}"
            link.parent.mkdir(parents=True, exist_ok=True)
            link.symlink_to(file)
    for file in {file.parent: file for file in files}.values():
        link = folder / "valid" / file.parent.name / file.name
        link.parent.mkdir(parents=True)
        link.symlink_to(file)
    return len(files)


def _ours(block: DataBlock, photos: Path, options: Any) -> DataLoader:
    return block.dataloaders(photos, options.bs, workers=options.workers, keep_bytes=options.keep_bytes).train


def _round(ours: DataLoader, peers: Sequence[_Peer]) -> list[Turn]:
    """A turn of ours, then of each peer."""
    return [_turn(ours), *(peer.turn() for peer in peers)]


def _turn(loader: DataLoader) -> Turn:
    start_s, start_cpu_s, images = time.perf_counter(), time.process_time(), 0
    for batch in loader:
        assert batch.x.shape[1:] == (3, SIZE, SIZE)
        images += len(batch)
    if loader.skipped:
        sys.exit(f"{len(loader.skipped)} files cannot be decoded, first {loader.skipped[0].name}")
    return Turn(images, time.perf_counter() - start_s, time.process_time() - start_cpu_s)


def _sums(rounds: Sequence[Sequence[Turn]]) -> list[Turn]:
    """A run of several epochs as one turn of each side."""
    return [Turn(*(sum(column) for column in zip(*turns, strict=True))) for turns in zip(*rounds, strict=True)]


def _figures(rounds: Sequence[Sequence[Turn]]) -> dict[str, Any]:
    """Medians over the rounds, for each side and for each peer against us."""
    sides = dict(zip(("ours", *LOADERS), zip(*rounds, strict=True), strict=True))
    ours = sides["ours"]
    figures: dict[str, Any] = {}
    for side, turns in sides.items():
        figures[f"{side}_images_per_s"] = round(statistics.median(t.images / t.seconds for t in turns), 1)
        figures[f"{side}_cpu_ms_an_image"] = round(statistics.median(1000 * t.cpu_s / t.images for t in turns), 2)
        figures[f"{side}_measured_s"] = round(sum(t.seconds for t in turns), 1)
    for loader in LOADERS:
        pairs = [(a, b, a.images / b.images) for a, b in zip(ours, sides[loader], strict=True)]
        figures[f"ratio_to_{loader}"] = round(statistics.median(b.seconds / a.seconds * n for a, b, n in pairs), 2)
        figures[f"cpu_ratio_to_{loader}"] = round(statistics.median(b.cpu_s / a.cpu_s * n for a, b, n in pairs), 2)
    return figures


if __name__ == "__main__":
    main()
