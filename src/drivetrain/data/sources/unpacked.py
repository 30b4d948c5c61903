"""Files made of one source file, in a folder that is named after its content: once, all or nothing.

Archives are unpacked this way, and pictures inside tables become files.
"""

from __future__ import annotations

import hashlib
import tempfile
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import IO

from ...core.errors import SourceError
from ...core.plain_file import open_plain
from ...core.scratch import Into, Scratch, folder_of
from .folder import shown


@dataclass(frozen=True)
class UnpackLimits:
    """The limits of unpacking a file: at most ``total_bytes``, and at most ``ratio`` times its own size.

    The ratio stops bombs (images hardly compress; tables do by less than 20), and does not apply below ``free_bytes``.
    """

    total_bytes: int = 64 << 30
    free_bytes: int = 1 << 30
    ratio: int = 200
    members: int = 2_000_000

    def bytes_for(self, archive_bytes: int) -> int:
        """The bytes that an archive of ``size`` bytes may unpack to."""
        return min(self.total_bytes, max(self.free_bytes, self.ratio * archive_bytes))


LIMITS = UnpackLimits()

UNPACKED = ".drivetrain-unpacked"


def beside(source: Path) -> Path:
    """The hidden folder beside a file into which it is unpacked unless told otherwise."""
    return source.parent / UNPACKED


def too_large(title: str, allowed: int) -> SourceError:
    """The error for a file that would unpack to more than it is allowed to."""
    return SourceError(
        f"{title} would unpack to more than {allowed / 2**30:.3g} GiB, far more than its size allows for images; "
        "if you trust it, unpack it yourself and give the folder"
    )


def unpacked_once(source: Path, into: Into, fill: Callable[[IO[bytes], Path], None], what: str = "") -> Path:
    """The folder ``into``/<sha256 of the source> as ``fill`` made it; made only if it is not there yet.

    ``fill`` takes the open source and an empty folder; where a source can give several, ``what`` tells them apart. The folder
    appears under its name when it is complete, by a rename, so any number of processes may try at once. A process that is
    killed leaves a folder ``.unpacking-…`` behind, which is never read and may be deleted.

    Raises:
        SourceError: it cannot be read, or nothing can be written there; and whatever ``fill`` raises.
    """
    title = shown(str(source))
    try:
        file = open_plain(source)
    except OSError as error:
        raise SourceError(
            f"cannot read {title}: {error.strerror or type(error).__name__}; check its permissions"
        ) from None
    with file:
        digest = hashlib.file_digest(file, "sha256")
        name = digest.hexdigest() + (f"-{hashlib.sha256(what.encode()).hexdigest()[:8]}" if what else "")
        folder = folder_of(into)
        target = folder / name
        try:
            if target.is_dir():
                return target
            folder.mkdir(parents=True, exist_ok=True)
            with tempfile.TemporaryDirectory(prefix=".unpacking-", dir=folder, ignore_cleanup_errors=True) as made:
                content = Path(made) / "content"
                content.mkdir()
                file.seek(0)
                fill(file, content)
                try:
                    content.rename(target)
                except OSError:
                    if not target.is_dir():  # else another process was faster, with the same files
                        raise
        except OSError as error:
            if error.errno is None:
                raise  # a reader's way to say that the source is damaged
            reason = error.strerror or type(error).__name__
            raise SourceError(
                f"cannot unpack {title} into {shown(str(folder))}: {reason}; {_elsewhere(into)}"
            ) from None
    return target


def _elsewhere(into: Into) -> str:
    """Say how to have it unpacked where there is room and it can be written."""
    if isinstance(into, Scratch):
        return "make room there, name another folder with $TMPDIR, or give one with --cache instead of --no-cache"
    return (
        "give a folder that can be written and has room with --cache or $DRIVETRAIN_CACHE (from Python cache=, or "
        "unpack_dir= of open_source)"
    )
