"""How fast ordinary JPEGs are read, against an earlier checkout of this project and against Pillow alone.

    git worktree add --detach ../before COMMIT
    python -m benchmarks.reading --before ../before --out benchmarks/results/reading.json

Every photo is read as a network of 224 pixels wants it. Processes of both checkouts, and one of plain Pillow, take turns photo
set by photo set; in each the shortest time of every photo counts. As a process may by chance lay out its memory well or badly for
as long as it lives, each kind is started several times, in an order that alternates, and the medians are compared.
"""

from __future__ import annotations

import statistics
import subprocess
import sys
import time
from pathlib import Path

from .record import ROOT, data_root, parser, record

TARGET = 0.98
PHOTOS = 96
PILLOW = "Pillow"


def _serve(checkout: str) -> None:
    """Read all photos once for each line of standard input, and print the sum of the shortest times so far, in seconds."""
    read = _by_pillow
    if checkout != PILLOW:
        sys.path.insert(0, str(Path(checkout) / "src"))
        from drivetrain.data.image.preprocess import Preprocess, Resize

        read = Preprocess(resize=Resize(method="crop", size=(224, 224), filter="bicubic"), decode_floor=448).read
    paths = sorted((data_root() / "bears").rglob("*.jpg"))
    photos = [data for path in paths[:: max(1, len(paths) // PHOTOS)] if _is_plain(data := path.read_bytes())]
    shortest_s = [float("inf")] * len(photos)
    for _ in sys.stdin:
        for place, data in enumerate(photos):
            start_s = time.perf_counter()
            read(data)
            shortest_s[place] = min(shortest_s[place], time.perf_counter() - start_s)
        print(sum(shortest_s), flush=True)


def _is_plain(data: bytes) -> bool:
    return data.startswith(b"\xff\xd8\xff") and b"ICC_PROFILE" not in data


def _by_pillow(data: bytes) -> object:
    import io

    from PIL import Image, ImageOps

    with Image.open(io.BytesIO(data), formats=("JPEG",)) as image:
        factor = max(1, min(image.size) // 448)
        image.draft(None, (image.width // factor, image.height // factor))
        return ImageOps.exif_transpose(image).convert("RGB")


def _round(kinds: list[str], turns: int) -> dict[str, float]:
    """Start a process of each kind, let them take turns, and return their seconds."""
    processes = {
        kind: subprocess.Popen(
            [sys.executable, "-m", "benchmarks.reading", "--serve", kind],
            cwd=ROOT,
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            text=True,
        )
        for kind in kinds
    }
    seconds: dict[str, float] = {}
    for turn in range(turns):
        for kind in kinds if turn % 2 else kinds[::-1]:
            process = processes[kind]
            assert process.stdin is not None
            assert process.stdout is not None
            process.stdin.write("\n")
            process.stdin.flush()
            seconds[kind] = float(process.stdout.readline())
    for process in processes.values():
        process.communicate()
    return seconds


def main() -> None:
    arguments = parser(__doc__)
    arguments.add_argument("--before", type=Path, help="an earlier checkout")
    arguments.add_argument("--rounds", type=int, default=12)
    arguments.add_argument("--turns", type=int, default=8)
    arguments.add_argument("--serve", help="read photos when told to; for the processes that this starts")
    options = arguments.parse_args()
    if options.serve:
        _serve(options.serve)
        return
    before = [] if options.before is None else [str(options.before.resolve())]
    kinds = [str(ROOT), *before, PILLOW]
    rounds = [
        _round(kinds[place % len(kinds) :] + kinds[: place % len(kinds)], options.turns)
        for place in range(options.rounds)
    ]
    medians = {kind: statistics.median(one[kind] for one in rounds) for kind in kinds}
    shortest = {kind: min(one[kind] for one in rounds) for kind in kinds}
    result: dict[str, object] = {
        "milliseconds": {
            ("now", *(["before"] * len(before)), PILLOW)[kinds.index(kind)]: round(1000 * medians[kind], 2)
            for kind in kinds
        },
        "rounds": options.rounds,
        "over Pillow alone": round(medians[kinds[0]] / medians[PILLOW], 3),
    }
    if before:
        ratio = medians[before[0]] / medians[kinds[0]]
        result |= {
            "ratio": round(ratio, 3),
            "ratio of the shortest": round(shortest[before[0]] / shortest[kinds[0]], 3),
            "target": TARGET,
            "reached": ratio >= TARGET,
        }
    record(result, options.out)


if __name__ == "__main__":
    main()
