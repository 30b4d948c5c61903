"""What the allocator keeps for the next block and what it gives back at once, in a process of its own that is told so."""

from __future__ import annotations

import platform
import subprocess
import sys

import pytest

pytestmark = pytest.mark.processes

TIMES = 200

# In a thread, as a server's workers are: each has a share of the heap of its own.
PROGRAM = f"""
import resource, threading
from drivetrain.core.memory import KEPT_FREE_BYTES, OWN_BLOCK_BYTES, resident_memory, return_large_blocks

return_large_blocks()

def faults(size):
    b"x" * size
    before = resource.getrusage(resource.RUSAGE_SELF).ru_minflt
    for _ in range({TIMES}):
        b"x" * size
    return resource.getrusage(resource.RUSAGE_SELF).ru_minflt - before

def work():
    print(faults(KEPT_FREE_BYTES // 2))
    before = resident_memory()
    block = b"x" * (8 * OWN_BLOCK_BYTES)
    held = resident_memory() - before
    del block
    print(held, resident_memory() - before)

thread = threading.Thread(target=work)
thread.start()
thread.join()
"""


@pytest.mark.skipif(platform.libc_ver()[0] != "glibc", reason="only glibc can be told")
def test_blocks_of_ordinary_pictures_need_no_new_pages_each_time_and_large_ones_go_back_at_once() -> None:
    done = subprocess.run([sys.executable, "-c", PROGRAM], capture_output=True, text=True, timeout=60, check=True)
    faults, held, left = map(int, done.stdout.split())
    assert faults < TIMES  # each time anew it would be 512 pages, a hundred thousand faults
    assert held > 30 << 20
    assert left < 1 << 20
