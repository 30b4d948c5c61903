"""How long ``drivetrain --help`` takes, against a bare ``python -c "import typer, rich"`` and against Python itself.

    python -m benchmarks.help --out benchmarks/results/help.json

Each run is a process of its own, timed from its start to its end; the three take turns, so that a busy moment of the
machine meets them all, and the shortest time of each counts: what the work takes when nothing else is in its way.
"""

from __future__ import annotations

import subprocess
import sys
import time

from .record import parser, record

TARGET = 2.0

COMMANDS = {
    "help": [sys.executable, "-m", "drivetrain.cli.main", "--help"],
    "import typer, rich": [sys.executable, "-c", "import typer, rich"],
    "python": [sys.executable, "-c", "pass"],
}


def main() -> None:
    arguments = parser(__doc__)
    arguments.add_argument("--repeats", type=int, default=40)
    options = arguments.parse_args()
    seconds: dict[str, list[float]] = {name: [] for name in COMMANDS}
    for _ in range(options.repeats):
        for name, command in COMMANDS.items():
            start_s = time.perf_counter()
            subprocess.run(command, stdout=subprocess.DEVNULL, check=True)
            seconds[name].append(time.perf_counter() - start_s)
    shortest = {name: min(values) for name, values in seconds.items()}
    ratio = shortest["help"] / shortest["import typer, rich"]
    record(
        {
            "milliseconds": {name: round(1000 * value, 1) for name, value in shortest.items()},
            "repeats": options.repeats,
            "ratio": round(ratio, 3),
            "target": TARGET,
            "reached": ratio <= TARGET,
        },
        options.out,
    )


if __name__ == "__main__":
    main()
