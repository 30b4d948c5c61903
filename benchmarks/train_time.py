"""The whole of `drivetrain train` against its embedding pass, cold and with a warm cache; and that alone with one backbone.

    python -m benchmarks.train_time --out benchmarks/results/train_time.json

Each run is a process of its own, timed from its start to its end. Cold: an empty cache folder. The embedding pass is the
time the run itself reports for it (pilot, all images and probes).
"""

from __future__ import annotations

import json
import statistics
import subprocess
import sys
import tempfile
import time
from pathlib import Path
from typing import Any

from .record import data_root, parser, record

COLD_TARGET = 1.5
WARM_TARGET_S = 3.0


def main() -> None:
    arguments = parser(__doc__)
    arguments.add_argument("--folder", default="bears")
    arguments.add_argument("--repeats", type=int, default=3)
    options = arguments.parse_args()
    source = data_root() / options.folder
    result = {}
    for backbone in ("auto", "efficientnet-lite0"):
        cold, warm, ratios, images = [], [], [], 0
        for _ in range(options.repeats):
            with tempfile.TemporaryDirectory() as folder:
                seconds, document = _train(source, Path(folder), backbone)
                cold.append(seconds)
                ratios.append(seconds / document["seconds"]["embed"])
                warm.append(_train(source, Path(folder), backbone)[0])
                images = document["images"]["used"]
        result[backbone] = {
            "images": images,
            "cold_s": [round(value, 2) for value in cold],
            "cold_over_embedding_pass": round(statistics.median(ratios), 3),
            "cold_reached": statistics.median(ratios) <= COLD_TARGET,
            "warm_s": [round(value, 2) for value in warm],
            "warm_reached": statistics.median(warm) <= WARM_TARGET_S,
        }
    record({"targets": {"cold_ratio": COLD_TARGET, "warm_s": WARM_TARGET_S}, **result}, options.out)


def _train(source: Path, folder: Path, backbone: str) -> tuple[float, dict[str, Any]]:
    command = [sys.executable, "-m", "drivetrain.cli.main", "train", str(source), "--out", str(folder / "bundle")]
    command += ["--cache", str(folder / "cache"), "--backbone", backbone, "--json"]
    start_s = time.perf_counter()
    done = subprocess.run(command, capture_output=True, text=True, check=True)
    return time.perf_counter() - start_s, json.loads(done.stdout)


if __name__ == "__main__":
    main()
