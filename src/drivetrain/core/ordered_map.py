"""Work done by threads, results in the order of the jobs, a bounded number of them ahead of the consumer."""

from __future__ import annotations

from collections import deque
from collections.abc import Callable, Iterable, Iterator
from concurrent.futures import Future, ThreadPoolExecutor
from itertools import islice
from typing import TypeVar

Job = TypeVar("Job")
Result = TypeVar("Result")

THREAD_NAME = "drivetrain-data"


def ordered_map(work: Callable[[Job], Result], jobs: Iterable[Job], *, workers: int, ahead: int) -> Iterator[Result]:
    """Yield ``work(job)`` of every job, in order; at most ``ahead`` results wait for the consumer at any time.

    Threads start with the first ``next`` and end with the iterator: when it is exhausted, closed or dropped, or when a
    job raises. What is queued then is cancelled, what is under way is waited for. An exception of a job is raised where
    its result would have been, so the first in order is the one that is seen, whatever the threads' timing.

    >>> list(ordered_map(lambda n: n * n, range(5), workers=3, ahead=2))
    [0, 1, 4, 9, 16]
    """
    waiting: deque[Future[Result]] = deque()
    source = iter(jobs)
    pool = ThreadPoolExecutor(workers, thread_name_prefix=THREAD_NAME)
    try:
        waiting.extend(pool.submit(work, job) for job in islice(source, ahead))
        while waiting:
            result = waiting.popleft().result()
            waiting.extend(pool.submit(work, job) for job in islice(source, 1))
            yield result
    finally:
        pool.shutdown(wait=True, cancel_futures=True)
