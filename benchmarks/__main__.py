"""Run every benchmark that needs nothing but this project and its photos, and write the results.

    python -m benchmarks

``benchmarks.network`` needs a torch to export from, ``benchmarks.vs_fastai`` an environment with fastai: see there.
"""

from __future__ import annotations

import subprocess
import sys

from .record import RESULTS

ALONE = ("accuracy", "embedding", "train_time", "memory", "help")


def main() -> None:
    for name in ALONE:
        print(f"== {name}", flush=True)
        subprocess.run([sys.executable, "-m", f"benchmarks.{name}", "--out", str(RESULTS / f"{name}.json")], check=True)


if __name__ == "__main__":
    main()
