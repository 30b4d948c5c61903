"""Run every benchmark that needs nothing but this project and its photos, and write the results.

    python -m benchmarks

Five are run by hand, each with an environment for what it compares with, as it says at its head: ``benchmarks.network``
needs a Python with torch to export from, ``benchmarks.vs_fastai`` fastai, ``benchmarks.augment`` kornia,
``benchmarks.loader`` torchvision and ``benchmarks.serve`` the other servers.
"""

from __future__ import annotations

import subprocess
import sys

from .record import RESULTS

ALONE = (
    "accuracy",
    "embedding",
    "train_time",
    "memory",
    "help",
    "finetune_step",
    "finetune",
    "store",
    "review_queue",
    "ranges",
    "monitor",
    "monitor_server",
    "rollout",
    "rollout_server",
    "gate",
    "suspects",
    "desk",
)


def main() -> None:
    for name in ALONE:
        print(f"== {name}", flush=True)
        subprocess.run([sys.executable, "-m", f"benchmarks.{name}", "--out", str(RESULTS / f"{name}.json")], check=True)


if __name__ == "__main__":
    main()
