"""A process that writes to a store and says what it has written: ``writer_process.py PLACE FIRST GROUPS SIZE [BYTES]``.

Prints ``open`` when the store is, then the number of each group after it was written. ``BYTES`` limits what a file may grow to.
"""

from __future__ import annotations

import resource
import sys

from made_records import made_entry

from drivetrain.core.errors import StoreError
from drivetrain.store.sql_store import open_store


def tell(line: str) -> None:
    sys.stdout.write(line + "\n")
    sys.stdout.flush()


def main() -> None:
    place, first, groups, size = sys.argv[1], *map(int, sys.argv[2:5])
    store = open_store(place)
    tell("open")
    if len(sys.argv) > 5:
        limit = int(sys.argv[5])
        resource.setrlimit(resource.RLIMIT_FSIZE, (limit, limit))
    for group in range(groups):
        start = first + group * size
        try:
            store.append([made_entry(start + n, data=b"x" * 2000) for n in range(size)])
        except StoreError as error:
            tell(f"error {error}")
            break
        tell(str(group))
    store.close()


if __name__ == "__main__":
    main()
