"""Finding files that no image can be read from."""

from __future__ import annotations

from collections.abc import Iterable
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

from ...core.cores import available_cores
from ...core.errors import InputError
from .picture import read_picture


def verify_images(paths: Iterable[str | Path]) -> list[Path]:
    """Return the files that cannot be decoded, in their order. Every file is decoded in full, several at once."""

    def broken(path: Path) -> bool:
        try:
            read_picture(path)
        except InputError:
            return True
        return False

    files = [Path(path) for path in paths]
    with ThreadPoolExecutor(available_cores()) as pool:
        return [path for path, bad in zip(files, pool.map(broken, files), strict=True) if bad]
