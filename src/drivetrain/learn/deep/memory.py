"""Running out of memory: recognised on every device, and answered with a batch size that fits."""

from __future__ import annotations

import gc
from collections.abc import Callable

import torch

# The words of torch's allocator for the CPU, in a RuntimeError without a class of its own.
CPU_MESSAGES = ("can't allocate memory", "not enough memory")


def is_out_of_memory(error: BaseException) -> bool:
    """Tells whether an exception means that memory ran out."""
    if isinstance(error, torch.OutOfMemoryError | MemoryError):
        return True
    return isinstance(error, RuntimeError) and any(message in str(error) for message in CPU_MESSAGES)


def release() -> None:
    """Give back memory that is no longer used."""
    gc.collect()
    if torch.cuda.is_available():
        torch.cuda.empty_cache()


def largest_that_fits(attempt: Callable[[int], None], size: int) -> int:
    """Try half of ``size``, a quarter, … and return the first with which ``attempt`` does not run out of memory; 0 if none."""
    while size > 1:
        size //= 2
        release()
        try:
            attempt(size)
        except Exception as error:
            if not is_out_of_memory(error):
                raise
        else:
            return size
    return 0
