"""Augmenting a batch: our one warp and one change of colour beside kornia's for the same set, same tensors, same machine.

    python -m benchmarks.augment --kornia-python ENV/bin/python --out benchmarks/results/augment.json

ENV is a virtual environment with ``torch==2.14.1 torchvision==0.29.1 kornia==0.9.0``; without the option, kornia must be
installed beside Drivetrain. Both get 64 random uint8 images of 224², and flip, rotate by up to 10°, zoom up to 1.1, warp the
perspective by up to 0.2 and change brightness, contrast and saturation by up to 0.2, each on three quarters of the images
(flip: half), then normalise. kornia runs in a process of its own that waits while we run; turns alternate; the figure is
the median of the ratios of neighbouring turns.
"""

from __future__ import annotations

import json
import statistics
import subprocess
import sys
import time
from pathlib import Path
from typing import Any

import torch

from drivetrain.core.cores import available_cores
from drivetrain.data.image.preprocess import Preprocess, Resize
from drivetrain.learn.deep.augment import InputTransform, aug_transforms

from .record import parser, record

TARGET = 0.5

KORNIA = """
import json, sys, time
import torch, kornia
import kornia.augmentation as K
torch.set_num_threads(int(sys.argv[1]))
batch, size = int(sys.argv[2]), int(sys.argv[3])
pixels = torch.randint(0, 256, (batch, 3, size, size), dtype=torch.uint8)
half = torch.full((3,), 0.5)
chain = K.AugmentationSequential(
    K.RandomHorizontalFlip(p=0.5),
    K.RandomAffine(10.0, scale=(1.0, 1.1), padding_mode="reflection", p=0.75),
    K.RandomPerspective(0.2, p=0.75),
    K.ColorJitter(brightness=0.1, contrast=0.2, saturation=0.2, p=0.75),
    K.Normalize(half, half),
)
print(json.dumps({"kornia": kornia.__version__, "torch": torch.__version__}), flush=True)
with torch.inference_mode():
    for _ in sys.stdin:
        start = time.perf_counter()
        chain(pixels.float() / 255)
        print(time.perf_counter() - start, flush=True)
"""


def main() -> None:
    arguments = parser(__doc__)
    arguments.add_argument("--kornia-python", type=Path, default=Path(sys.executable))
    arguments.add_argument("--batch", type=int, default=64)
    arguments.add_argument("--size", type=int, default=224)
    arguments.add_argument("--turns", type=int, default=15)
    options = arguments.parse_args()
    cores = available_cores()
    torch.set_num_threads(cores)
    pixels = torch.randint(0, 256, (options.batch, 3, options.size, options.size), dtype=torch.uint8)
    spec = Preprocess(resize=Resize(size=(options.size, options.size)))
    transform = InputTransform(spec, aug_transforms(saturation=0.2))

    command = [str(options.kornia_python), "-c", KORNIA, *map(str, (cores, options.batch, options.size))]
    with subprocess.Popen(command, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True) as kornia:
        versions = json.loads(_line(kornia))
        ours_s, theirs_s = [], []
        for turn in range(options.turns + 2):
            _ask(kornia)
            theirs = float(_line(kornia))
            start_s = time.perf_counter()
            with torch.inference_mode():
                transform.train(pixels, range(options.batch), turn)
            if turn >= 2:  # the first two warm up
                ours_s.append(time.perf_counter() - start_s)
                theirs_s.append(theirs)
        kornia.communicate()
    ratio = statistics.median(a / b for a, b in zip(ours_s, theirs_s, strict=True))
    record(
        {
            "batch": options.batch,
            "size": options.size,
            "cores": cores,
            "turns": options.turns,
            "ours_ms": round(1000 * statistics.median(ours_s), 1),
            "kornia_ms": round(1000 * statistics.median(theirs_s), 1),
            "ratio": round(ratio, 3),
            "target": TARGET,
            "reached": ratio <= TARGET,
            "torch": torch.__version__,
            "kornia_versions": versions,
        },
        options.out,
    )


def _ask(process: subprocess.Popen[Any]) -> None:
    if process.stdin is None:
        raise RuntimeError("the process has no input")
    process.stdin.write("\n")
    process.stdin.flush()


def _line(process: subprocess.Popen[Any]) -> str:
    line = process.stdout.readline() if process.stdout else ""
    if not line:
        sys.exit("the process with kornia ended; is kornia installed there? (--kornia-python)")
    return str(line)


if __name__ == "__main__":
    main()
