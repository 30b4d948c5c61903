"""The measurement at start: which batch serves best on this machine.

On a CPU a batch of several images often runs no faster than its images one by one (the working set leaves the core's own
cache), so batching has to earn its place here: the smallest batch is taken whose time an image is within a few percent of the
best. The wait for a batch to fill is a quarter of what is left of the latency target, and none where batches do not pay.
"""

from __future__ import annotations

import statistics
import threading
import time
from collections.abc import Callable, Sequence
from concurrent.futures import ThreadPoolExecutor
from functools import partial

from ...model.predictor import Predictor
from ..settings import Settings
from .engine import Plan

SIZES = (1, 2, 4, 8)

# Larger batches make their first image wait for the last; they must be worth it, and not by chance.
WORTH = 0.85

# Seconds a size is measured for; the whole measurement must not be noticed at start.
MEASURE_S = 0.06

# Half of the time aimed at may be spent waiting. The rest goes into its own work, into storing, and, where more is asked
# than can be answered, into turning the others away, which slows the workers down.
QUEUE_SHARE = 0.5

# Runs of a lone image, each way.
LONE_RUNS = 7

# Between the workers of an image the decoding, whose share of the work differs from picture to picture, about doubles the
# network's time for photos of phones. Only the queue's length depends on it, and rejecting early is the safe side.
DECODE_SHARE = 0.35


def plan(settings: Settings, predictors: Sequence[Predictor], clock: Callable[[], float] = time.perf_counter) -> Plan:
    """Choose batch, wait and queue for the slowest of the models."""
    cores = settings.cores
    workers = settings.workers or cores + 1
    sizes = SIZES if settings.max_batch is None else (settings.max_batch,)
    slowest: dict[int, float] = {}
    for predictor in predictors:
        for size, seconds in image_seconds(predictor, sizes, cores, clock).items():
            slowest[size] = max(seconds, slowest.get(size, 0.0))
    target_s = settings.target_ms / 1000
    # All cores work at once, so a batch takes cores times as long as its images' share of the throughput.
    fitting = [size for size in sizes if size * slowest[size] * cores <= target_s / 2] or [min(sizes)]
    batch = min(fitting, key=lambda size: slowest[size])
    if batch > fitting[0]:
        # Once more, the two beside each other: what else the machine did a moment ago must not decide for hours.
        again = [image_seconds(predictor, (fitting[0], batch), cores, clock) for predictor in predictors]
        if any(max(found[batch], slowest[batch]) > WORTH * found[fitting[0]] for found in again):
            batch = fitting[0]
    image_s = slowest[batch] * (1 + DECODE_SHARE)
    wait_s = (target_s - batch * image_s * cores) / 4 if batch > 1 else 0.0
    if settings.max_wait_ms is not None:
        wait_s = settings.max_wait_ms / 1000
    queue = settings.queue or max(settings.limits.images, round(QUEUE_SHARE * target_s / image_s))
    wide = all(pays_to_widen(predictor, clock) for predictor in predictors)
    for predictor in predictors:
        warm(predictor, batch, workers)
    return Plan(workers, batch, max(0.0, wait_s), queue, 1 / image_s, wide)


def warm(predictor: Predictor, batch: int, workers: int) -> None:
    """Set aside now what runs of all workers at once will need: the first requests are then as quick as the later."""
    blank = predictor.manifest.input.blank(batch)
    with ThreadPoolExecutor(workers) as pool:
        list(pool.map(lambda _: predictor.run_batch(blank), range(2 * workers)))


def pays_to_widen(predictor: Predictor, clock: Callable[[], float] = time.perf_counter) -> bool:
    """Tells whether a lone image is answered noticeably sooner on all cores than on one."""
    if not predictor.is_wide:
        return False
    blank = predictor.manifest.input.blank()

    def median_s(wide: bool) -> float:
        took = []
        for _ in range(LONE_RUNS):
            start_s = clock()
            predictor.run_batch(blank, wide=wide)
            took.append(clock() - start_s)
        return statistics.median(took)

    median_s(True)  # the first runs set memory aside
    return median_s(True) <= WORTH * median_s(False)


def image_seconds(
    predictor: Predictor, sizes: Sequence[int], threads: int, clock: Callable[[], float] = time.perf_counter
) -> dict[int, float]:
    """Batch size → seconds an image, with as many calls at once as ``threads``."""
    found = {}
    for size in sizes:
        blank = predictor.manifest.input.blank(size)
        predictor.run_batch(blank)  # the first run of a shape sets memory aside
        found[size] = 1 / _rate(partial(predictor.run_batch, blank), size, threads, clock)
    predictor.release()  # the memory of batches that are not chosen must not stay
    return found


def _rate(run: Callable[[], object], images: int, threads: int, clock: Callable[[], float]) -> float:
    """Images a second when ``threads`` threads do nothing but ``run``."""
    done = [0] * threads
    start_s = clock()
    until_s = start_s + MEASURE_S

    def work(number: int) -> None:
        while True:
            run()
            done[number] += images
            if clock() >= until_s:
                return

    together = [threading.Thread(target=work, args=(number,)) for number in range(threads)]
    for thread in together:
        thread.start()
    for thread in together:
        thread.join()
    return sum(done) / (clock() - start_s)
