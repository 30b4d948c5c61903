"""Moving files aside that are no use for training: nothing is deleted or overwritten, and all of it can be undone."""

from __future__ import annotations

import json
import os
import shutil
from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from pathlib import Path

from ...core.errors import DataError, UsageError
from .folder import ASIDE

SHOWN = 5
"""The most moves that are written out one by one."""


@dataclass(frozen=True, repr=False)
class Moved:
    """The files that were moved aside: from → to."""

    folder: Path
    files: dict[Path, Path]

    def __repr__(self) -> str:
        if not self.files:
            return "nothing to move aside"
        lines = [f"{len(self.files)} file{'' if len(self.files) == 1 else 's'} moved to {self.folder}, none deleted"]
        lines += [f"  {old} → {new}" for old, new in list(self.files.items())[:SHOWN]]
        lines += ["  …"] * (len(self.files) > SHOWN)
        return "\n".join([*lines, "put_back() moves them back"])

    def __len__(self) -> int:
        return len(self.files)

    def put_back(self) -> list[Path]:
        """Move every file back to where it was; one whose place has been taken meanwhile stays where it is.

        Returns the files that are back.
        """
        back = []
        for old, new in self.files.items():
            if os.path.lexists(new) and not os.path.lexists(old):
                old.parent.mkdir(parents=True, exist_ok=True)
                shutil.move(new, old)
                back.append(old)
        return back


def move_aside(
    files: Iterable[str | Path], folder: str | Path = "not-images", below: str | Path | None = None
) -> Moved:
    """Move files into ``folder``, each under the path it had below the working directory, or below the folder ``below``.

    >>> move_aside([])
    nothing to move aside

    ``bears/black/cut.jpg`` becomes ``not-images/bears/black/cut.jpg``. A name that is taken there gets a number; nothing is
    overwritten. A line about each move is added to ``moved-aside.jsonl`` in the folder, which is then passed over wherever a
    folder is read for training.

    Raises:
        UsageError: a single name instead of several, or a folder; nothing has been moved.
        DataError: a folder is read-only, and nothing has been moved; or a file cannot be moved, and those before it have been.
    """
    if isinstance(files, str | Path):
        raise UsageError(f"move_aside takes several files, received one name, {str(files)!r}; give [{str(files)!r}]")
    target = Path(folder)
    moved: dict[Path, Path] = {}
    wanted = dict.fromkeys(map(Path, files))
    if folders := [file for file in wanted if file.is_dir() and not file.is_symlink()]:
        raise UsageError(f"move_aside moves files, not folders; received the folder {str(folders[0])!r}")
    if locked := [file.parent for file in wanted if os.path.lexists(file) and not os.access(file.parent, os.W_OK)]:
        raise DataError(
            f"cannot move files out of {locked[0]}: it is read-only; nothing was moved, so copy the data first"
        )
    for file in wanted:
        place = next(one for one in _names(target / _relative(file, below)) if not os.path.lexists(one))
        try:
            place.parent.mkdir(parents=True, exist_ok=True)
            try:
                shutil.move(file, place)
            finally:
                # A move that Ctrl-C ended just after it was made is noted too.
                if os.path.lexists(place) and not os.path.lexists(file):
                    _note(target, file, place)
        except OSError as error:
            raise DataError(f"cannot move {file} to {place}: {error.strerror or error}") from None
        moved[file] = place
    return Moved(target, moved)


def _relative(file: Path, below: str | Path | None) -> Path:
    """The path below a folder, the working directory unless given; of a file elsewhere, all but what stands for the disk."""
    whole, here = Path(os.path.abspath(file)), Path(os.path.abspath(below or Path.cwd()))  # noqa: PTH100  # links stay as they are named
    return whole.relative_to(here) if whole.is_relative_to(here) else whole.relative_to(whole.anchor)


def _names(place: Path) -> Iterator[Path]:
    yield place
    number = 2
    while True:
        yield place.with_name(f"{place.stem} ({number}){place.suffix}")
        number += 1


def _note(folder: Path, old: Path, new: Path) -> None:
    line = json.dumps({"from": os.path.abspath(old), "to": os.path.abspath(new)})  # noqa: PTH100
    with (folder / ASIDE).open("a", encoding="utf-8", errors="surrogateescape") as file:
        file.write(line + "\n")
