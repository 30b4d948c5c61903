"""Folders for files that are needed until the end of a run only, where no cache is to be used.

Each goes with the object that holds it, and at the latest when the program ends; `sweep` is for a program that ends at once.
"""

from __future__ import annotations

import tempfile
from pathlib import Path
from weakref import WeakSet

from .errors import UsageError

_PREFIX = "drivetrain-scratch-"


class Scratch:
    """A new folder of this user's, which is removed with all in it by `remove`, or when nobody holds the object any more."""

    def __init__(self) -> None:
        """Make the folder.

        Raises:
            UsageError: none can be made.
        """
        try:
            self._folder = tempfile.TemporaryDirectory(prefix=_PREFIX, ignore_cleanup_errors=True)
        except OSError as error:
            raise UsageError(
                f"no folder for temporary files can be made ({error.strerror or error}); name one that can be written with "
                "$TMPDIR, or leave out --no-cache and give one with --cache"
            ) from None
        _LIVING.add(self)

    @property
    def path(self) -> Path:
        """The folder."""
        return Path(self._folder.name)

    def remove(self) -> None:
        """Remove it; nothing happens where it has gone already."""
        self._folder.cleanup()


_LIVING: WeakSet[Scratch] = WeakSet()


def is_scratch(folder: Path) -> bool:
    """Tells whether a folder is one of these."""
    return folder.name.startswith(_PREFIX)


def sweep() -> None:
    """Remove all that are left."""
    for one in list(_LIVING):
        one.remove()
