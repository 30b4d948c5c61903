"""Finding files that no image can be read from."""

from __future__ import annotations

import warnings
from collections.abc import Iterable
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

from ...core.cores import available_cores
from ...core.errors import LIBRARY_MISSING, InputError, UsageError
from .picture import read_picture

# Reasons that say nothing of the file: it may be as good as any.
UNKNOWN = frozenset({LIBRARY_MISSING, "out of memory"})


def verify_images(paths: Iterable[str | Path]) -> list[Path]:
    """Return the files that cannot be decoded, in their order. Every file is decoded in full, several at once.

    A file that may be good is not among them: a warning counts those whose format needs a package that is not installed, and
    those that memory did not suffice for. `move_aside` puts what is returned somewhere else, and deletes nothing.

    Raises:
        UsageError: a single name, be it a folder's, instead of several files.
    """
    if isinstance(paths, str | Path):
        raise UsageError(
            f"verify_images takes several files, received one name, {str(paths)!r}; give [{str(paths)!r}], or of a folder "
            f"get_image_files({str(paths)!r})"
        )

    def fault(path: Path) -> InputError | None:
        try:
            read_picture(path)
        except InputError as error:
            return error
        return None

    files = [Path(path) for path in paths]
    with ThreadPoolExecutor(available_cores()) as pool:
        faults = [(path, error) for path, error in zip(files, pool.map(fault, files), strict=True) if error is not None]
    _warn([(path, error) for path, error in faults if error.reason in UNKNOWN])
    return [path for path, error in faults if error.reason not in UNKNOWN]


def _warn(unknown: list[tuple[Path, InputError]]) -> None:
    if unknown:
        first, error = unknown[0]
        count = f"{len(unknown)} file{'' if len(unknown) == 1 else 's'}"
        warnings.warn(f"{count} could not be verified, first {first}: {error}", stacklevel=3)
