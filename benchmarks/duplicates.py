"""Copies: how many planted ones are found, whether what is found is real, and how long 100,000 images take.

    python -m benchmarks.duplicates --out benchmarks/results/duplicates.json [--part bears …]

Planted: copies of bears, clothing and scenes, re-encoded at quality 50, resized to 60 %, cut to 90 % of each side, mirrored; each
kind beside all the originals. Pairs of originals are held against those judged by eye (`benchmarks.judged_copies`). 100,000
images: embeddings and fingerprints of these photos, mixed two and two with a little noise, and 2,000 copies among them; each part
in a process of its own, whose largest memory counts. ``--peers FOLDER``: packages of usearch and faiss-cpu, asked for the pairs
of the embeddings alone. ``--part`` runs some parts only, and puts their figures among those that the file has already.
"""

from __future__ import annotations

import argparse
import importlib
import io
import json
import resource
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
from PIL import Image, ImageOps

from drivetrain.core.types import Embeddings, Item, ItemFacts
from drivetrain.curate.duplicates import find_duplicates
from drivetrain.curate.near_pairs import near_pairs, norms
from drivetrain.data.block.image_block import ImageBlock
from drivetrain.data.image import phash
from drivetrain.data.image.copies import copy_pairs
from drivetrain.data.image.picture import read_picture
from drivetrain.embed.cache import EmbeddingCache
from drivetrain.embed.embedder import Embedder
from drivetrain.learn.selection import default_features
from drivetrain.training.features import candidates, probe
from drivetrain.training.options import TrainOptions

from .judged_copies import JUDGED
from .record import data_root, parser, record

SETS = {"bears": 250, "clothing": 250, "scenes": 90}
ENDINGS = {".jpg", ".jpeg", ".png", ".webp"}
LARGE, COPIES, NEAR = 100_000, 2_000, 0.93
SEED = 15
LARGE_PARTS, PEER_PARTS = ("hashes", "pairs", "all"), ("usearch", "faiss")


def main() -> None:
    arguments = parser(__doc__)
    arguments.add_argument("--cache", type=Path, default=Path(tempfile.gettempdir()) / "drivetrain-duplicates")
    arguments.add_argument("--peers", type=Path, help="a folder of pip install --target")
    arguments.add_argument("--part", action="append", choices=[*SETS, *LARGE_PARTS, *PEER_PARTS])
    arguments.add_argument("--alone", help=argparse.SUPPRESS)
    options = arguments.parse_args()
    if options.alone:
        print(json.dumps(_part(options.alone, options.cache, options.peers)))
        return
    options.cache.mkdir(parents=True, exist_ok=True)
    result: dict[str, Any] = {}
    if options.out and options.out.exists():
        result = json.loads(options.out.read_text(encoding="utf-8"))["result"]
    for part in options.part or (*SETS, *LARGE_PARTS, *(PEER_PARTS if options.peers else ())):
        if part in SETS:
            result[part] = _planted(part, SETS[part], options.cache)
        else:
            if not (options.cache / "matrix.npy").exists():
                _keep_sample(options.cache)
            result.setdefault("large", {})[part] = _alone(part, options.cache, options.peers)
        record(result, options.out)


def _planted(name: str, count: int, cache: Path) -> dict[str, Any]:
    root = data_root() / name
    files = sorted(path for path in root.rglob("*") if path.suffix.lower() in ENDINGS)
    rng = np.random.default_rng(SEED)
    picked = np.sort(rng.permutation(len(files))[:count]).tolist()
    originals = [Item(path, path.relative_to(root).as_posix()) for path in files]
    found: dict[str, Any] = {"images": len(files), "planted_of_each": len(picked), "recall": {}, "precision": {}}
    all_real = all_pairs = 0
    with tempfile.TemporaryDirectory() as folder:
        for how, alter in ALTERED.items():
            planted = [
                _saved(alter(read_picture(files[row]), rng), Path(folder) / f"{how} {row}.jpg", how) for row in picked
            ]
            one = _found(originals, planted, cache)
            where = {row: place for place, row in enumerate(one.rows)}
            hit = [one.groups[where[len(files) + k]] == one.groups[where[row]] for k, row in enumerate(picked)]
            found["recall"][how] = float(np.mean(hit))
            source = [row if row < len(files) else picked[row - len(files)] for row in one.rows]
            real = sum(
                source[i] == source[j] or _judged(name, originals[source[i]], originals[source[j]]) is True
                for i, j, _, _ in one.pairs
            )
            found["precision"][how] = real / max(len(one.pairs), 1)
            all_real, all_pairs = all_real + real, all_pairs + len(one.pairs)
    found["precision_with_planted"] = all_real / all_pairs
    own = _found(originals, [], cache)
    judged = [_judged(name, originals[own.rows[i]], originals[own.rows[j]]) for i, j, _, _ in own.pairs]
    found["own_pairs"], found["own_pairs_real"] = len(judged), judged.count(True)
    found["own_pairs_not_judged"] = judged.count(None)
    return found | {"seconds": {"wall_s": round(own.wall_s, 3), "cpu_s": round(own.cpu_s, 3)}}


def _judged(name: str, a: Item, b: Item) -> bool | None:
    """Whether two originals show one picture, by eye; None where nobody looked."""
    return JUDGED[name].get((a.name, b.name), JUDGED[name].get((b.name, a.name)))


@dataclass(frozen=True)
class _Look:
    """Pairs, groups, the row among originals and planted ones of each usable image, and what finding them cost."""

    pairs: tuple[tuple[int, int, str, float], ...]
    groups: Any
    rows: list[int]
    wall_s: float
    cpu_s: float


def _found(originals: list[Item], planted: list[Item], cache: Path) -> _Look:
    items = [*originals, *planted]
    embedded, matrix, probes = _embedded(items, len(originals), cache)
    wall_s, cpu_s = time.perf_counter(), time.process_time()
    found = find_duplicates(embedded.facts, matrix, probes)
    wall_s, cpu_s = time.perf_counter() - wall_s, time.process_time() - cpu_s
    return _Look(found.pairs, found.groups_N, embedded.rows_N.tolist(), wall_s, cpu_s)


def _embedded(items: list[Item], n_originals: int, cache: Path) -> tuple[Embeddings, Any, Any]:
    store = EmbeddingCache(cache)
    features = default_features(candidates(TrainOptions(backbone="efficientnet-lite0"), ImageBlock())[0])
    embedder = Embedder(store)
    embedded = embedder.embed(items, features.recipes)[features.recipes[0].key]
    matrix = features.matrix(lambda _recipe: embedded.features_ND)
    rows = embedded.rows_N[embedded.rows_N < n_originals]
    probes = probe(items, rows, features, matrix, 0, embedder)
    store.close()
    return embedded, matrix, probes


def _cut(image: Image.Image, rng: np.random.Generator) -> Image.Image:
    width, height = round(image.width * 0.9), round(image.height * 0.9)
    x, y = (int(rng.integers(0, most + 1)) for most in (image.width - width, image.height - height))
    return image.crop((x, y, x + width, y + height))


ALTERED: dict[str, Callable[[Image.Image, np.random.Generator], Image.Image]] = {
    "re-encoded": lambda image, _rng: image,
    "resized": lambda image, _rng: image.resize(
        (round(image.width * 0.6), round(image.height * 0.6)), Image.Resampling.LANCZOS
    ),
    "cut": _cut,
    "mirrored": lambda image, _rng: ImageOps.mirror(image),
}


def _saved(image: Image.Image, path: Path, how: str) -> Item:
    buffer = io.BytesIO()
    image.save(buffer, "JPEG", quality=50 if how == "re-encoded" else 85)
    path.write_bytes(buffer.getvalue())
    return Item(path, path.name)


def _keep_sample(cache: Path) -> None:
    """Keep embeddings and fingerprints of all the photos, of which the large set is mixed."""
    matrices, prints = [], []
    for name in SETS:
        root = data_root() / name
        files = sorted(path for path in root.rglob("*") if path.suffix.lower() in ENDINGS)
        embedded, matrix, _ = _embedded([Item(path, path.name) for path in files], len(files), cache)
        matrices.append(matrix)
        prints.append(phash.frequencies([one.fingerprint or b"" for one in embedded.facts]))
    np.save(cache / "matrix.npy", np.concatenate(matrices))
    np.save(cache / "prints.npy", np.concatenate(prints))


def _large(cache: Path) -> tuple[Any, Any]:
    """(N, D) embeddings and (N, K, K) fingerprints, the last `COPIES` near copies of the first."""
    rng = np.random.default_rng(SEED)
    real, prints = np.load(cache / "matrix.npy"), np.load(cache / "prints.npy")
    features = np.empty((LARGE, real.shape[1]), np.float32)
    frequencies = np.empty((LARGE, 16, 16), np.float32)
    for start in range(0, LARGE, 2000):
        a, b = rng.integers(0, len(real), (2, 2000))
        share = rng.uniform(0.4, 1, (2000, 1)).astype(np.float32)
        noise = rng.normal(0, 0.3 / np.sqrt(real.shape[1]), (2000, real.shape[1])).astype(np.float32)
        features[start : start + 2000] = share * real[a] + (1 - share) * real[b] + noise
        frequencies[start : start + 2000] = share[:, :, None] * prints[a] + (1 - share[:, :, None]) * prints[b]
    lengths = np.linalg.norm(features[:COPIES], axis=1, keepdims=True)
    move = rng.normal(0, 0.2 / np.sqrt(real.shape[1]), (COPIES, real.shape[1])).astype(np.float32)
    features[-COPIES:] = features[:COPIES] + lengths * move
    frequencies[-COPIES:] = phash.turn(frequencies[:COPIES], 3) * np.float32(1.01)
    return features, frequencies.astype(np.float16)


def _alone(part: str, cache: Path, peers: Path | None) -> Any:
    more = ["--peers", str(peers)] if peers else []
    command = [sys.executable, "-m", "benchmarks.duplicates", "--alone", part, "--cache", str(cache), *more]
    return json.loads(subprocess.run(command, stdout=subprocess.PIPE, text=True, check=True).stdout)


def _part(part: str, cache: Path, peers: Path | None) -> dict[str, Any]:
    features, frequencies = _large(cache)
    before_mib = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1024
    wall_s, cpu_s = time.perf_counter(), time.process_time()
    if part == "hashes":
        i, j, _ = copy_pairs(frequencies.astype(np.float32))
    elif part == "pairs":
        parts = list(near_pairs(features, norms(features), NEAR))
        i, j = (np.concatenate([piece[side] for piece in parts]) for side in (0, 1))
    elif part == "all":
        facts = tuple(ItemFacts(f"{k:064x}", f"{k:064x}", {}, one.tobytes()) for k, one in enumerate(frequencies))
        found = find_duplicates(facts, features, np.full(64, 0.98, np.float32))
        i, j = (np.asarray([pair[side] for pair in found.pairs]) for side in (0, 1))
    else:
        sys.path.append(str(peers))
        i, j = PEERS[part](features)
    wall_s, cpu_s = time.perf_counter() - wall_s, time.process_time() - cpu_s
    keys = np.sort(np.minimum(i, j) * LARGE + np.maximum(i, j))
    if part == "pairs":
        np.save(cache / "pairs.npy", keys)
    planted = np.arange(COPIES) * LARGE + np.arange(LARGE - COPIES, LARGE)
    result = {
        "images": LARGE,
        "dimensions": features.shape[1],
        "pairs": len(i),
        "planted_found": float(np.isin(planted, keys).mean()),
        "wall_s": round(wall_s, 1),
        "cpu_s": round(cpu_s, 1),
        "peak_mib": round(resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1024),
        "before_mib": round(before_mib),
    }
    if part in PEERS and (cache / "pairs.npy").exists():
        result["found_of_our_pairs"] = float(np.isin(np.load(cache / "pairs.npy"), keys).mean())
    return result


def _usearch(features: Any) -> tuple[Any, Any]:
    index = importlib.import_module("usearch.index").Index(ndim=features.shape[1], metric="cos", dtype="f32")
    index.add(np.arange(len(features)), features, threads=2)
    # A nearest-neighbour index is asked for so many of each; who has more near ones loses the rest.
    found = index.search(features, 6, threads=2)
    labels, cosines = found.keys.astype(np.intp), 1 - found.distances
    rows, at = np.nonzero((cosines >= NEAR) & (labels != np.arange(len(labels))[:, None]))
    pairs = np.unique(np.sort(np.stack([rows, labels[rows, at]]), axis=0), axis=1)
    return pairs[0], pairs[1]


def _faiss(features: Any) -> tuple[Any, Any]:
    faiss = importlib.import_module("faiss")
    faiss.omp_set_num_threads(2)
    unit = features / np.linalg.norm(features, axis=1, keepdims=True)
    index = faiss.index_factory(unit.shape[1], "IVF256,Flat", faiss.METRIC_INNER_PRODUCT)
    index.train(unit[:20_000])
    index.add(unit)
    index.nprobe = 4
    limits, _, labels = index.range_search(unit, NEAR)
    rows = np.repeat(np.arange(len(unit)), np.diff(limits.astype(np.intp)))
    later = labels > rows
    return rows[later], labels[later].astype(np.intp)


PEERS = {"usearch": _usearch, "faiss": _faiss}

if __name__ == "__main__":
    main()
