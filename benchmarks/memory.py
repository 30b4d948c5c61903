"""Peak memory and time of a whole training run at 1,000, 3,000 and 10,000 images.

    python -m benchmarks.memory --out benchmarks/results/memory.json

The images are distinct JPEGs made from the benchmark photos by random crops, so that nothing is a duplicate of anything
and every file is decoded. Peak memory is the process's resident maximum as the kernel counted it.
"""

from __future__ import annotations

import json
import os
import subprocess
import sys
import tempfile
import time
from pathlib import Path

import numpy as np
from PIL import Image

from .record import data_root, parser, record

LIMIT_MIB = 1024


def main() -> None:
    arguments = parser(__doc__)
    arguments.add_argument("--sizes", type=int, nargs="+", default=[1000, 3000, 10_000])
    arguments.add_argument("--backbone", default="efficientnet-lite0")
    options = arguments.parse_args()
    rows = []
    with tempfile.TemporaryDirectory() as folder:
        photos = Path(folder) / "photos"
        made = 0
        for size in sorted(options.sizes):
            made = _make(photos, made, size)
            rows.append(_run(photos, Path(folder) / f"run{size}", options.backbone))
    first, last = rows[0], rows[-1]
    growth = last["images"] / first["images"]
    record(
        {
            "runs": rows,
            "peak_mib": last["peak_mib"],
            "limit_mib": LIMIT_MIB,
            "reached": last["peak_mib"] <= LIMIT_MIB,
            "time_growth_over_image_growth": round(last["seconds"] / first["seconds"] / growth, 3),
            "memory_growth_per_1000_images_mib": round(
                (last["peak_mib"] - first["peak_mib"]) / (last["images"] - first["images"]) * 1000, 1
            ),
        },
        options.out,
    )


def _make(folder: Path, start: int, stop: int) -> int:
    """Grow ``folder`` to ``stop`` images in three classes."""
    rng = np.random.default_rng(start)
    classes = ("black", "grizzly", "teddy")
    sources = [sorted((data_root() / "bears" / name).iterdir()) for name in classes]
    for number in range(start, stop):
        label = number % 3
        with Image.open(sources[label][number // 3 % len(sources[label])]) as photo:
            image = photo.convert("RGB")
        width, height = image.size
        scale = rng.uniform(0.55, 0.8)
        left, top = rng.uniform(0, 1 - scale) * width, rng.uniform(0, 1 - scale) * height
        out = folder / classes[label] / f"{number:05}.jpg"
        out.parent.mkdir(parents=True, exist_ok=True)
        box = (int(left), int(top), int(left + scale * width), int(top + scale * height))
        image.crop(box).resize((400, 300)).save(out, quality=88)
    return stop


def _run(photos: Path, folder: Path, backbone: str) -> dict[str, float]:
    command = [sys.executable, "-m", "drivetrain.cli.main", "train", str(photos), "--out", str(folder / "bundle")]
    command += ["--cache", str(folder / "cache"), "--backbone", backbone, "--json"]
    start_s = time.perf_counter()
    process = subprocess.Popen(command, stdout=subprocess.PIPE, stderr=subprocess.DEVNULL, text=True)
    assert process.stdout is not None
    document = json.loads(process.stdout.read())
    _, status, usage = os.wait4(process.pid, 0)
    if status:
        sys.exit(f"training failed with status {status}")
    return {
        "images": document["images"]["used"],
        "seconds": round(time.perf_counter() - start_s, 1),
        "embed_s": document["seconds"]["embed"],
        "fit_s": document["seconds"]["fit"],
        "peak_mib": round(usage.ru_maxrss / 1024, 1),
    }


if __name__ == "__main__":
    main()
