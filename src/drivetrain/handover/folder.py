"""The folder that is handed over: written in one step, and replaced only where nobody's own work would be lost."""

from __future__ import annotations

import hashlib
import json
import tempfile
from collections.abc import Mapping
from pathlib import Path, PurePosixPath

from ..core.errors import UsageError
from ..core.plain_file import read_plain
from ..model.publish import check_place, publish

MARKER = "drivetrain-app.json"
"""The file that lists every file written here with its sum, and the bundle they were written from."""

MAX_MARKER_BYTES = 1 << 20

# Files that Python, notebooks and desktops leave behind on their own, which nobody misses.
LITTER = frozenset({"__pycache__", ".ipynb_checkpoints", ".gradio", ".DS_Store", ".pytest_cache", "app.pyi"})


def check_out(out: Path) -> None:
    """Check that a folder may be written to ``out``: it is not there, empty, or as it was written before.

    Raises:
        UsageError: something else stands there, which says what; or it cannot be written to.
    """
    try:
        _check(out, out.resolve())
    except (OSError, RuntimeError) as error:  # the name is too long, or a link leads to itself
        reason = error.strerror if isinstance(error, OSError) else str(error)
        raise UsageError(f"cannot write to {str(out)[:200]} ({reason}); choose another place with --out") from None


def _check(out: Path, target: Path) -> None:
    if target.is_dir():
        if target == Path.cwd() or target in Path.cwd().parents:
            raise UsageError(f"{out} is the folder you are in; choose a new name, such as app")
        _check_own(out, target)
    elif target.exists():
        raise UsageError(f"{out} is a file; choose a folder's name")
    check_place(out, target)


def _check_own(out: Path, folder: Path) -> None:
    if all(path.name in LITTER for path in folder.iterdir()):
        return
    sums = _written_before(folder)
    if sums is None:
        raise UsageError(f"{out} exists and was not written by drivetrain app; choose a new name")
    present = {
        path.relative_to(folder).as_posix(): path
        for path in folder.rglob("*")
        if LITTER.isdisjoint(path.relative_to(folder).parts) and (path.is_symlink() or not path.is_dir())
    }
    foreign = sorted(name for name in present if name != MARKER and name not in sums)
    if foreign:
        raise UsageError(f"{out} holds {_some(foreign)} beside what was written, which would be lost; move it away")
    changed = sorted(name for name, path in present.items() if name != MARKER and not _is_as_written(path, sums[name]))
    if changed:
        raise UsageError(
            f"{out}: {_some(changed)} changed since it was written, which would be lost; choose a new name, or delete it"
        )


def _is_as_written(path: Path, sha256: str) -> bool:
    try:
        return not path.is_symlink() and hashlib.sha256(read_plain(path)).hexdigest() == sha256
    except OSError:
        return False  # a pipe, or a file that may not be read, was not written here


def _some(names: list[str]) -> str:
    return f"{', '.join(names[:3])}{', …' if len(names) > 3 else ''}"


def _written_before(folder: Path) -> dict[str, str] | None:
    """Read the name and SHA-256 of each file written to ``folder``; None where that is not known."""
    try:
        document = json.loads(read_plain(folder / MARKER, MAX_MARKER_BYTES))
        return {str(name): str(digest) for name, digest in document["files"].items()}
    except (OSError, ValueError, TypeError, KeyError, AttributeError, RecursionError):
        return None


def write_folder(files: Mapping[str, bytes], about: Mapping[str, str], out: Path) -> None:
    """Write ``files`` and the marker to ``out`` in one step, replacing files written there before.

    ``about``: what the marker says beside the files, such as the bundle's id.

    Raises:
        UsageError: it cannot be written, or something else stands there.
    """
    check_out(out)
    sums = {name: hashlib.sha256(data).hexdigest() for name, data in sorted(files.items())}
    marker = json.dumps({**about, "files": sums}, indent=2, ensure_ascii=False) + "\n"
    try:
        target = out.resolve()
        target.parent.mkdir(parents=True, exist_ok=True)
        with tempfile.TemporaryDirectory(dir=target.parent, prefix=".drivetrain-", ignore_cleanup_errors=True) as made:
            new = Path(made) / "app"
            new.mkdir()
            for name, data in {**files, MARKER: marker.encode()}.items():
                path = new / PurePosixPath(name)
                path.parent.mkdir(parents=True, exist_ok=True)
                path.write_bytes(data)
            publish(new, target)
    except OSError as error:
        raise UsageError(
            f"cannot write {out}: {error.strerror or error}; make room, or choose another place with --out"
        ) from error
