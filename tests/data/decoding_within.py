"""Run by itself: decodes files, each in a child of its own with little memory and time, and prints what that took.

python decoding_within.py FOLDER MAX_PIXELS MEMORY
"""

from __future__ import annotations

import ctypes
import gc
import json
import os
import resource
import sys
from pathlib import Path

from drivetrain.core.errors import ImageError
from drivetrain.data.image.decode import decode, decoding_bytes

CPU_S = 30
MADV_POPULATE_READ = 22
"""Linux 5.14 and later; an older one refuses it, and then code read from disk counts as memory."""


def high_water() -> int:
    """The most memory this process held since `forget`, in bytes."""
    status = Path("/proc/self/status").read_text()
    return next(int(line.split()[1]) << 10 for line in status.splitlines() if line.startswith("VmHWM"))


def map_code() -> None:
    """Map every page of the libraries' files: a child has not those that its parent has, and would count each that it reads.

    How many these are depends on what else the machine keeps in memory, so that the measure would, too.
    """
    advise = ctypes.CDLL(None).madvise
    advise.argtypes = [ctypes.c_void_p, ctypes.c_size_t, ctypes.c_int]
    for line in Path("/proc/self/maps").read_text().splitlines():
        span, rights, _, _, inode, *_ = line.split()
        if inode != "0" and rights.startswith("r") and "w" not in rights:
            start, end = (int(place, 16) for place in span.split("-"))
            advise(start, end - start, MADV_POPULATE_READ)


def measured(data: bytes, max_pixels: int) -> dict[str, object]:
    """What the headers say it takes, what it took, and why it was refused."""
    map_code()
    Path("/proc/self/clear_refs").write_text("5")
    before = high_water()
    found: dict[str, object] = {"need": None, "error": None}
    try:
        found["need"] = decoding_bytes(data, max_pixels=max_pixels)
    except ImageError as error:
        found["refused"] = str(error)
    found["header"] = high_water() - before
    try:
        decode(data, max_pixels=max_pixels)
    except ImageError as error:
        found["error"] = str(error)
    found["took"] = high_water() - before
    return found


def main(folder: Path, max_pixels: int, memory: int) -> None:
    """Every file of the folder."""
    results = {}
    gc.freeze()  # else a collection in a child touches, and so copies, what it has from its parent: that is no memory of decoding
    for file in sorted(folder.iterdir()):
        data = file.read_bytes()
        reading, writing = os.pipe()
        child = os.fork()
        if child == 0:
            os.close(reading)
            used = int(Path("/proc/self/statm").read_text().split()[0]) * os.sysconf("SC_PAGE_SIZE")
            resource.setrlimit(resource.RLIMIT_AS, (used + memory, used + memory))
            resource.setrlimit(resource.RLIMIT_CPU, (CPU_S, CPU_S))
            with os.fdopen(writing, "w") as out:
                json.dump(measured(data, max_pixels), out)
            os._exit(0)
        os.close(writing)
        with os.fdopen(reading) as told:
            text = told.read()
        _, status = os.waitpid(child, 0)
        results[file.name] = json.loads(text) if status == 0 and text else {"died": status}
    json.dump(results, sys.stdout)


if __name__ == "__main__":
    main(Path(sys.argv[1]), int(sys.argv[2]), int(sys.argv[3]))
