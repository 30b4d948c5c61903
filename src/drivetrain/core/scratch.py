"""Folders for files that are needed until the end of a run only, where no cache is to be used.

Each is made when it is first asked for, goes with the object that holds it, and at the latest when the program ends; `sweep`
is for a program that ends at once.
"""

from __future__ import annotations

import shutil
import tempfile
from pathlib import Path
from weakref import WeakSet, finalize

from .errors import UsageError


class Scratch:
    """A folder of this user's alone, which is removed with all in it by `remove`, or when nobody holds the object any more."""

    def __init__(self) -> None:
        self._folder: Path | None = None
        _LIVING.add(self)

    @property
    def path(self) -> Path:
        """The folder.

        Raises:
            UsageError: none can be made.
        """
        if self._folder is None:
            try:
                self._folder = Path(tempfile.mkdtemp(prefix="drivetrain-"))
            except OSError as error:
                raise UsageError(
                    f"no folder for temporary files can be made ({error.strerror or error}); name one that can be written "
                    "with $TMPDIR, or give a folder with --cache instead of --no-cache"
                ) from None
            self._remove = finalize(self, shutil.rmtree, self._folder, ignore_errors=True)
        return self._folder

    def holds(self, path: Path) -> bool:
        """Tells whether a file is in it."""
        return self._folder is not None and path.is_relative_to(self._folder)

    def remove(self) -> None:
        """Remove it; nothing happens where it has gone already, or was never made."""
        if self._folder is not None:
            self._remove()


_LIVING: WeakSet[Scratch] = WeakSet()

Into = Path | Scratch
"""A folder that is there to stay, or one until the end of a run."""


def folder_of(into: Into) -> Path:
    """The path of either.

    Raises:
        UsageError: it is one until the end of a run, and cannot be made.
    """
    return into.path if isinstance(into, Scratch) else into


def sweep() -> None:
    """Remove all that are left."""
    for one in list(_LIVING):
        one.remove()
