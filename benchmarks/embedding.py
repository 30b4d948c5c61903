"""The embedding pass against its limit: the CPU time of decoding alone plus that of the network alone, over the cores.

    python -m benchmarks.embedding --out benchmarks/results/embedding.json

The three are measured in turn, several times over, on the same files: decode only (the pass's own decoding, resizing,
normalising and fingerprints, in one thread, CPU time), network only (one single-threaded session, CPU time), and the
pass itself (wall time, no cache on disk). Medians. The ratio is wall ÷ ((decode + network) ÷ cores).
"""

from __future__ import annotations

import hashlib
import statistics
import time

from drivetrain.core.types import Item
from drivetrain.data.decode import decode
from drivetrain.data.facts import facts_of
from drivetrain.data.sources import open_source
from drivetrain.embed.cache import EmbeddingCache
from drivetrain.embed.embedder import Embedder, available_cores
from drivetrain.embed.recipe import Recipe
from drivetrain.embed.registry import resolve
from drivetrain.embed.session import Session

from .record import data_root, parser, record

TARGET = 1.05


def main() -> None:
    arguments = parser(__doc__)
    arguments.add_argument("--backbone", default="efficientnet-lite0")
    arguments.add_argument("--folder", default="bears")
    arguments.add_argument("--images", type=int, default=600)
    arguments.add_argument("--repeats", type=int, default=5)
    options = arguments.parse_args()
    every = open_source(data_root() / options.folder).items
    warm_up, items = every[:4], every[4 :: max(1, len(every) // options.images)][: options.images]
    backbone = resolve(options.backbone)
    recipe = Recipe(backbone)
    session = Session(backbone.build(backbone.block_names).SerializeToString())
    passes, decodes, networks = [], [], []
    for _ in range(options.repeats):
        decodes.append(_decode_cpu_s(items, recipe))
        networks.append(_network_cpu_s(items, recipe, session))
        passes.append(_pass_wall_s(items, warm_up, recipe))
    cores = available_cores()
    limit_s = (statistics.median(decodes) + statistics.median(networks)) / cores
    wall_s = statistics.median(passes)
    record(
        {
            "images": len(items),
            "backbone": options.backbone,
            "cores": cores,
            "decode_cpu_ms_per_image": round(1000 * statistics.median(decodes) / len(items), 3),
            "network_cpu_ms_per_image": round(1000 * statistics.median(networks) / len(items), 3),
            "pass_wall_s": [round(value, 3) for value in passes],
            "limit_s": round(limit_s, 3),
            "images_per_s": round(len(items) / wall_s, 1),
            "ratio": round(wall_s / limit_s, 3),
            "target": TARGET,
            "reached": wall_s / limit_s <= TARGET,
        },
        options.out,
    )


def _decode_cpu_s(items: tuple[Item, ...], recipe: Recipe) -> float:
    start_s = time.process_time()
    for item in items:
        data = item.path.read_bytes()
        sha256 = hashlib.sha256(data).hexdigest()
        decoded = decode(data, recipe.backbone.preprocess.decode_size)
        recipe.tensor(decoded.image)
        facts_of(sha256, decoded)
    return time.process_time() - start_s


def _network_cpu_s(items: tuple[Item, ...], recipe: Recipe, session: Session) -> float:
    tensor = recipe.tensor(decode(items[0].path.read_bytes(), recipe.backbone.preprocess.decode_size).image)[None]
    session.run(tensor)
    start_s = time.process_time()
    for _ in items:
        session.run(tensor)
    return time.process_time() - start_s


def _pass_wall_s(items: tuple[Item, ...], warm_up: tuple[Item, ...], recipe: Recipe) -> float:
    embedder = Embedder(EmbeddingCache(None))
    embedder.embed(warm_up, [recipe])  # opens the session; loading a graph is not part of a pass
    start_s = time.perf_counter()
    embedder.embed(items, [recipe])
    return time.perf_counter() - start_s


if __name__ == "__main__":
    main()
