"""What to label next: accuracy against the number of labels, for the queue of ``drivetrain label`` and for three others.

    python -m benchmarks.label_queue --out benchmarks/results/label_queue.json

A person labels ten at a time, from nothing; the answers are the data's labels (of CIFAR-10N one person's, 17 % of them
wrong). The model is the one of the page, refitted after each ten, and judged on pictures that are not in the pool: bears on
another source, clothing on its validation split, CIFAR-10N by the true labels of every fourth picture. The others:
``random``; ``uncertainty``, the smallest margins once ten random labels are there; ``diversity``, the item farthest from all
chosen ones (greedy k-centre). Each with the same seeds; differences to random are paired by seed, with a 95 % interval of
Student's t over the seeds. Also: whether the interval of the estimated accuracy holds the accuracy on all of the pool, where
labelled items are answered by a model that had not seen them; and what the labels after the advice to stop brought. The
queue's constants were settled while looking at three of the seeds.
"""

from __future__ import annotations

import csv
import tempfile
from collections.abc import Callable
from dataclasses import dataclass
from functools import partial
from pathlib import Path
from typing import Any

import numpy as np
from scipy.stats import t as student

from drivetrain.core.ports import Silent
from drivetrain.core.types import Dataset, Item
from drivetrain.curate.diversity import unsure
from drivetrain.data.sources.opening import open_source
from drivetrain.embed.cache import EmbeddingCache
from drivetrain.workbench.label_model import LabelModel, learn
from drivetrain.workbench.label_progress import Settling, advised, changed_since, estimated
from drivetrain.workbench.label_queue import LabelQueue
from drivetrain.workbench.pool import Pool, pool_of

from .record import data_root, parser, record

SIZES = (20, 40, 60, 100, 150, 200, 300)
BATCH = 10
METHODS = ("random", "uncertainty", "diversity", "queue")


@dataclass(frozen=True, eq=False)
class Task:
    """A pool with the answers a person would give, and pictures to judge by."""

    pool: Pool
    answers: tuple[str, ...]
    judged: Pool
    truths: tuple[str, ...]


@dataclass(frozen=True, eq=False)
class Walk:
    """One run: accuracy by number of labels, and what the page would have said."""

    accuracy: dict[int, float]
    held: dict[int, bool]
    width: dict[int, float]
    stopped: int | None
    """Labels at the first advice to stop."""
    at_stop: float | None


def main() -> None:
    arguments = parser(__doc__)
    arguments.add_argument("--seeds", type=int, default=8)
    arguments.add_argument("--cache", type=Path)
    arguments.add_argument("--tasks", default="bears,clothing,cifar10n")
    options = arguments.parse_args()
    with tempfile.TemporaryDirectory() as folder:
        cache = EmbeddingCache(options.cache or Path(folder) / "cache")
        found = {name: TASKS[name](data_root(), cache) for name in options.tasks.split(",")}
        cache.close()
    result: dict[str, Any] = {"labels": SIZES, "at a time": BATCH, "seeds": options.seeds}
    for name, task in found.items():
        walks = {method: [_walk(task, method, seed) for seed in range(options.seeds)] for method in METHODS}
        result[name] = {"pool": len(task.pool), "judged on": len(task.judged), **_summary(walks)}
        print(name, result[name]["accuracy"], flush=True)
    record(result, options.out)


def _bears(root: Path, cache: EmbeddingCache) -> Task:
    known = open_source(root / "bears_lowres").items
    return _task(open_source(root / "bears").items, [item for item in known if item.label != "polar"], cache)


def _clothing(root: Path, cache: EmbeddingCache) -> Task:
    items = open_source(root / "clothing").items
    return _task([one for one in items if one.split == "train"], [one for one in items if one.split != "train"], cache)


def _cifar10n(root: Path, cache: EmbeddingCache) -> Task:
    folder = root / "cifar10n"
    with (folder / "labels.csv").open(newline="") as file:
        rows = sorted(csv.DictReader(file), key=lambda row: row["path"])
    pool = [Item(folder / row["path"], row["path"], row["random1"]) for place, row in enumerate(rows) if place % 4 != 3]
    return _task(pool, [Item(folder / row["path"], row["path"], row["clean"]) for row in rows[3::4]], cache)


TASKS: dict[str, Callable[[Path, EmbeddingCache], Task]] = {
    "bears": _bears,
    "clothing": _clothing,
    "cifar10n": _cifar10n,
}


def _task(pool: Any, judged: Any, cache: EmbeddingCache) -> Task:
    pools = [pool_of(Dataset("benchmark", tuple(items)), cache, Silent()) for items in (pool, judged)]
    answers, truths = (tuple(str(item.label) for item in one.items) for one in pools)
    return Task(pools[0], answers, pools[1], truths)


def _walk(task: Task, method: str, seed: int) -> Walk:
    pool = task.pool
    queue = LabelQueue(pool.features_AD, pool.duplicates.groups_N, seed)
    choose = partial(CHOOSE.get(method, _others), method, queue, np.random.default_rng(seed))
    labels: dict[int, str] = {}
    model: LabelModel | None = None
    history: list[Settling] = []
    walk = Walk({}, {}, {}, None, None)
    while len(labels) < max(SIZES):
        probs_AC = model.probs_AC if model else None
        rows = choose(labels, probs_AC)
        labels |= {row: task.answers[row] for row in rows}
        model = learn(pool.features_AD, pool.duplicates.groups_N, labels, None, model)
        if model is not None:
            history.append(Settling(len(labels), model.answers()))
            walk = _noted(walk, task, queue, labels, model, history)
    return walk


def _by_queue(
    _method: str,
    queue: LabelQueue,
    _random: np.random.Generator,
    labels: dict[int, str],
    probs_AC: np.ndarray | None,
) -> list[int]:
    return [one.row for one in queue.following(BATCH, labels, (), probs_AC)]


CHOOSE = {"queue": _by_queue}


def _others(
    method: str, queue: LabelQueue, random: np.random.Generator, labels: dict[int, str], probs_AC: np.ndarray | None
) -> list[int]:
    """The rows that another method asks for next; copies count once here, too."""
    groups_A = queue.groups_A
    done_A = np.isin(groups_A, groups_A[list(labels)])
    _, first = np.unique(groups_A, return_index=True)
    free = first[~done_A[first]]
    if method == "diversity":
        chosen: list[int] = [] if labels else [int(random.choice(free))]
        nearest_M = (queue.features_AD[free] @ queue.features_AD[[*labels, *chosen]].T).max(axis=1)
        while len(chosen) < BATCH:
            row = int(free[np.argmin(nearest_M)])
            chosen.append(row)
            nearest_M = np.maximum(nearest_M, queue.features_AD[free] @ queue.features_AD[row])
        return chosen
    if method == "random" or probs_AC is None:
        return [int(row) for row in random.choice(free, BATCH, replace=False)]
    return [int(row) for row in free[np.argsort(-unsure(probs_AC[free]), kind="stable")[:BATCH]]]


def _noted(
    walk: Walk, task: Task, queue: LabelQueue, labels: dict[int, str], model: LabelModel, history: list[Settling]
) -> Walk:
    count, stopped, at_stop = len(labels), walk.stopped, walk.at_stop
    rest_A = np.ones(len(task.pool), np.bool_)
    rest_A[list(labels)] = False
    changed = changed_since(history, rest_A)
    stops = stopped is None and advised(1, changed)[0] == "settled"
    if count not in SIZES and not stops:
        return walk
    accuracy = _accuracy(task, labels, model)
    if stops:
        stopped, at_stop = count, accuracy
    if count in SIZES:
        walk.accuracy[count] = accuracy
        interval, _, _ = estimated(queue.reserve, labels, model.judged, ())
        if interval is not None:
            right_A = model.answers() == np.asarray(task.answers)
            right_A[list(model.judged)] = [model.judged[row] == task.answers[row] for row in model.judged]
            walk.held[count] = interval.low <= float(right_A.mean()) <= interval.high
            walk.width[count] = interval.high - interval.low
    return Walk(walk.accuracy, walk.held, walk.width, stopped, at_stop)


def _accuracy(task: Task, labels: dict[int, str], model: LabelModel) -> float:
    """Judge a model by pictures outside of the pool: they go with the pool's as items without a label."""
    both_AD = np.concatenate([task.pool.features_AD, task.judged.features_AD])
    groups_A = np.concatenate([task.pool.duplicates.groups_N, -1 - np.arange(len(task.judged))])
    again = learn(both_AD, groups_A, labels, None, model)
    assert again is not None  # it is the same fit as before
    return float(np.mean(again.answers()[len(task.pool) :] == np.asarray(task.truths)))


def _summary(walks: dict[str, list[Walk]]) -> dict[str, Any]:
    queue = walks["queue"]
    random_SK = _accuracies(walks["random"])
    stops = [(one.stopped, one.at_stop, one.accuracy[max(SIZES)]) for one in queue if one.stopped and one.at_stop]
    return {
        "accuracy": {name: _means(_accuracies(found)) for name, found in walks.items()},
        "against random, points": {
            name: _means(100 * (_accuracies(found) - random_SK), 2) for name, found in walks.items() if name != "random"
        },
        "labels that random needs for what the queue has": _needed(walks),
        "the estimate's interval holds the accuracy on the pool": {
            str(size): f"{sum(one.held[size] for one in queue)} of {len(queue)}, "
            f"±{50 * float(np.mean([one.width[size] for one in queue])):.1f} points"
            for size in SIZES
            if all(size in one.held for one in queue)
        },
        "advice to stop": {
            "in runs": f"{len(stops)} of {len(queue)}",
            "labels": [stop[0] for stop in stops],
            "accuracy then": round(float(np.mean([stop[1] for stop in stops])), 4) if stops else None,
            "accuracy at the end": round(float(np.mean([stop[2] for stop in stops])), 4) if stops else None,
        },
    }


def _accuracies(walks: list[Walk]) -> np.ndarray:
    return np.asarray([[one.accuracy[size] for size in SIZES] for one in walks])


def _means(found_SK: np.ndarray, digits: int = 4) -> dict[str, list[float]]:
    """Mean over seeds with its 95 % interval, by number of labels."""
    mean_K, n = found_SK.mean(axis=0), len(found_SK)
    half_K = student.ppf(0.975, n - 1) * found_SK.std(axis=0, ddof=1) / np.sqrt(n)
    return {
        str(size): [round(float(value), digits) for value in (mean, mean - half, mean + half)]
        for size, mean, half in zip(SIZES, mean_K, half_K, strict=True)
    }


def _needed(walks: dict[str, list[Walk]]) -> dict[str, str]:
    """By linear interpolation between the means."""
    random_K, queue_K = (_accuracies(walks[name]).mean(axis=0) for name in ("random", "queue"))
    rising_K = np.maximum.accumulate(random_K)
    return {
        str(size): f"{np.interp(value, rising_K, SIZES):.0f}" if value <= rising_K[-1] else f"more than {max(SIZES)}"
        for size, value in zip(SIZES, queue_K, strict=True)
    }


if __name__ == "__main__":
    main()
