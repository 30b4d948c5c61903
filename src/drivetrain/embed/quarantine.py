"""Quarantine: files from strangers are first tried by a process of their own, and those that passed are remembered.

A trial takes half a second, which a command in daily use should not pay each time. So what passed is noted in the cache
folder: by the sums of the bytes that were tried, as computed here, and by the versions that tried them. The note cannot
come with what was tried, and one that somebody else has put there does not count.
"""

from __future__ import annotations

import hashlib
import os
import stat
from collections.abc import Mapping
from contextlib import suppress
from dataclasses import dataclass
from functools import cache
from importlib.metadata import version
from pathlib import Path
from typing import Any

from .._version import __version__
from ..core import child
from ..core.child import ChildError, ChildLimits
from .cache import default_folder

FOLDER = "passed"


@dataclass(frozen=True)
class Quarantine:
    """The place where passes are noted, and the limits of a trial.

    By default the limits follow from the size of the files: loading a network takes about twice its size, and trying it a
    second or two.
    """

    folder: Path | None = None
    """The folder of the notes; None: ``passed`` in the default cache folder."""
    limits: ChildLimits | None = None

    def admit(
        self, module: str, request: Mapping[str, Any], files: Mapping[str, bytes], sums: Mapping[str, str]
    ) -> None:
        """Have ``module`` try these files, unless they have passed before.

        ``sums`` are the SHA-256 (hex) of each file, or of all that the files were made of; computed, not claimed.

        Raises:
            ChildError: the trial took too much, or its process died.
            DrivetrainError: what the trial found.
        """
        if not self.knows(sums):
            child.run(module, request, files, self.limits or _limits(sum(map(len, files.values()))))
            self.note(sums)

    def knows(self, sums: Mapping[str, str]) -> bool:
        """Tells whether these bytes have passed, with these versions, by a note of our own."""
        place = self._place(sums)
        try:
            folder, note = place.parent.stat(), place.lstat()
        except OSError:
            return False
        if not hasattr(os, "getuid"):
            return True
        # Anybody who may write to the folder could give one of our own files in it this name.
        private = folder.st_uid == os.getuid() and not folder.st_mode & (stat.S_IWGRP | stat.S_IWOTH)
        return private and stat.S_ISREG(note.st_mode) and note.st_uid == os.getuid()

    def note(self, sums: Mapping[str, str]) -> None:
        """Remember that these files have passed; where no note can be written, they are tried again the next time."""
        place = self._place(sums)
        with suppress(OSError):
            place.parent.mkdir(parents=True, exist_ok=True, mode=0o700)
            place.touch(mode=0o600)

    def _place(self, sums: Mapping[str, str]) -> Path:
        digest = hashlib.sha256(_versions().encode())
        for name, sha256 in sorted(sums.items()):
            digest.update(f"{name}\n{sha256}\n".encode())
        return (self.folder or default_folder() / FOLDER) / digest.hexdigest()


@cache
def _versions() -> str:
    return f"{__version__} {version('onnxruntime')} {version('onnx')}\n"


def _limits(size: int) -> ChildLimits:
    return ChildLimits(seconds=60 + 60 * size / (256 << 20), bytes=max(2 << 30, 4 * size))


__all__ = ["ChildError", "ChildLimits", "Quarantine"]
