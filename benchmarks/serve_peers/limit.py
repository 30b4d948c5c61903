"""The limit: images a second without any server, decoding overlapped with the network in the threads of one process.

Either each worker takes an image all the way, or some decode and others run the network on batches. One thread within a
call of the network: on a CPU that is what does most (see `drivetrain.embed.session`).
"""

from __future__ import annotations

import itertools
import queue
import statistics
import threading
import time
from collections.abc import Callable, Sequence
from functools import partial
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from .work import Work

WORKERS = (1, 2, 3, 4)
# Threads that decode, threads that run the network, images a batch.
STAGES = ((1, 1, 1), (1, 2, 1), (1, 2, 4), (2, 2, 1), (2, 1, 8))


def pipelines(bundle: Path, images: Sequence[bytes], seconds: float) -> dict[str, float]:
    """Images a second of every arrangement, each measured for so long."""
    work = Work(bundle, threads=1)
    for data in images:
        work.answer(data)
    speeds = {f"{n} workers": _whole(work, images, n, seconds) for n in WORKERS}
    for stages in STAGES:
        decoders, runners, batch = stages
        speeds[f"{decoders} decode, {runners} run, batch {batch}"] = _staged(work, images, *stages, seconds)
    return speeds


def median_ms(predict: Callable[[bytes], object], images: Sequence[bytes], seconds: float) -> float:
    """The median time of one call after another."""
    for data in images:
        predict(data)
    times_s, end_s = [], time.perf_counter() + seconds
    for data in itertools.cycle(images):
        start_s = time.perf_counter()
        if start_s > end_s:
            break
        predict(data)
        times_s.append(time.perf_counter() - start_s)
    return 1000 * statistics.median(times_s)


def _whole(work: Work, images: Sequence[bytes], workers: int, seconds: float) -> float:
    counts = [0] * workers
    end_s = time.perf_counter() + seconds

    def worker(number: int) -> None:
        for data in itertools.cycle([*images[number:], *images[:number]]):
            if time.perf_counter() > end_s:
                return
            work.answer(data)
            counts[number] += 1

    elapsed_s = _run([partial(worker, number) for number in range(workers)])
    return sum(counts) / elapsed_s


def _staged(work: Work, images: Sequence[bytes], decoders: int, runners: int, batch: int, seconds: float) -> float:
    ready: queue.Queue[NDArray[np.float32]] = queue.Queue(maxsize=4 * batch)
    counts = [0] * runners
    end_s = time.perf_counter() + seconds

    def decoder(number: int) -> None:
        for data in itertools.cycle([*images[number:], *images[:number]]):
            tensor = work.tensor(data)
            try:
                ready.put(tensor, timeout=max(0.0, end_s - time.perf_counter()))
            except queue.Full:
                return
            if time.perf_counter() > end_s:
                return

    def runner(number: int) -> None:
        while True:
            try:
                tensors = [ready.get(timeout=max(0.0, end_s - time.perf_counter())) for _ in range(batch)]
            except queue.Empty:
                return
            work.answers(tensors)
            counts[number] += batch

    threads = [partial(decoder, number) for number in range(decoders)]
    threads += [partial(runner, number) for number in range(runners)]
    elapsed_s = _run(threads)
    return sum(counts) / elapsed_s


def _run(bodies: Sequence[Callable[[], None]]) -> float:
    """Run in a thread each; seconds until the last has ended."""
    start_s = time.perf_counter()
    threads = [threading.Thread(target=body) for body in bodies]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    return time.perf_counter() - start_s
