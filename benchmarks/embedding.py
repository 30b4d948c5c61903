"""The embedding pass against its limit: the CPU time of decoding alone plus that of the network alone, over the cores.

    python -m benchmarks.embedding --out benchmarks/results/embedding.json

Measured in turn, several times over, on the same files: decode only (the pass's own reading, hashing, decoding, resizing,
normalising and fingerprints), network only (on the tensors of those files), and the pass itself (wall time, nothing
cached). Decode and network are timed twice each: with all cores at it, which is the rate at which the cores can work
side by side (they share a last-level cache and memory), and with one core alone. ``ratio`` is wall ÷ ((decode + network)
÷ cores) with CPU times of all cores at work; ``ratio_to_one_core_alone`` uses those of one. Medians.
"""

from __future__ import annotations

import hashlib
import statistics
import time
from collections.abc import Callable, Sequence
from concurrent.futures import ThreadPoolExecutor
from typing import Any

from drivetrain.core.cores import available_cores
from drivetrain.core.types import FloatArray, Item
from drivetrain.data.sources.opening import open_source
from drivetrain.embed.cache import EmbeddingCache
from drivetrain.embed.embedder import Embedder
from drivetrain.embed.recipe import Recipe
from drivetrain.embed.registry import resolve
from drivetrain.embed.session import Session

from .record import data_root, parser, record

TARGET = 1.05


def main() -> None:
    arguments = parser(__doc__)
    arguments.add_argument("--backbone", default="efficientnet-lite0")
    arguments.add_argument("--folder", default="bears")
    arguments.add_argument("--images", type=int, default=1100)
    arguments.add_argument("--repeats", type=int, default=7)
    options = arguments.parse_args()
    every = open_source(data_root() / options.folder).items
    warm_up, items = every[:4], every[4 :: max(1, len(every) // options.images)][: options.images]
    backbone = resolve(options.backbone)
    recipe = Recipe(backbone)
    session = Session(backbone.build(backbone.block_names).SerializeToString())
    tensors = [recipe.tensor(backbone.preprocess.read(item.path.read_bytes())) for item in items]
    cores = available_cores()

    def decode_one(item: Item) -> None:
        data = item.path.read_bytes()
        sha256 = hashlib.sha256(data).hexdigest()
        content = backbone.preprocess.read(data)
        recipe.tensor(content)
        backbone.preprocess.facts(sha256, content)

    def run_one(tensor: FloatArray) -> None:
        session.run(tensor[None])

    run_one(tensors[0])
    passes: list[float] = []
    cpu: dict[tuple[str, int], list[float]] = {}
    for _ in range(options.repeats):
        for threads in {1, cores}:
            cpu.setdefault(("decode", threads), []).append(_cpu_s(decode_one, items, threads))
            cpu.setdefault(("network", threads), []).append(_cpu_s(run_one, tensors, threads))
        passes.append(_pass_wall_s(items, warm_up, recipe))
    wall_s = statistics.median(passes)
    spent = {key: statistics.median(values) for key, values in cpu.items()}
    limits = {threads: (spent["decode", threads] + spent["network", threads]) / cores for threads in (1, cores)}
    record(
        {
            "images": len(items),
            "backbone": options.backbone,
            "cores": cores,
            "cpu_ms_per_image": {
                f"{name}, {threads} at work": round(1000 * value / len(items), 3)
                for (name, threads), value in sorted(spent.items())
            },
            "pass_wall_s": [round(value, 3) for value in passes],
            "images_per_s": round(len(items) / wall_s, 1),
            "ratio": round(wall_s / limits[cores], 3),
            "ratio_to_one_core_alone": round(wall_s / limits[1], 3),
            "target": TARGET,
            "reached": wall_s / limits[cores] <= TARGET,
        },
        options.out,
    )


def _cpu_s(work: Callable[[Any], None], things: Sequence[Any], threads: int) -> float:
    """CPU seconds of all threads together."""
    with ThreadPoolExecutor(threads) as pool:
        start_s = time.process_time()
        list(pool.map(work, things))
        return time.process_time() - start_s


def _pass_wall_s(items: tuple[Item, ...], warm_up: tuple[Item, ...], recipe: Recipe) -> float:
    embedder = Embedder(EmbeddingCache(None))
    embedder.embed(warm_up, [recipe])  # opens the session; loading a graph is not part of a pass
    start_s = time.perf_counter()
    embedder.embed(items, [recipe])
    return time.perf_counter() - start_s


if __name__ == "__main__":
    main()
