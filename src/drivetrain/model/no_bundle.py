"""Advice for a wrong path: what stands where a bundle was looked for, and what was probably meant."""

from __future__ import annotations

import difflib
import zipfile
from collections.abc import Iterable
from pathlib import Path, PurePath, PurePosixPath

from ..core.errors import BundleError
from ..core.plain_file import open_plain
from ..core.shell_path import quoted
from ..data.sources.file_form import HEAD_BYTES, FileForm
from ..data.sources.foreign_files import foreign_file
from .inputs.registry import INPUTS
from .storage import MANIFEST, SUMS, Sealed, read_sealed

# The most entries of a folder that are looked at to say what it holds.
MOST_ENTRIES = 2000

# Endings of files that hold a network, in one form or another.
NETWORKS = frozenset({".onnx", ".pt", ".pth", ".pkl", ".h5", ".keras", ".tflite", ".safetensors", ".ckpt"})


def read_bundle(path: Path) -> Sealed:
    """Read a bundle as `read_sealed` does, with advice in the error where there is no bundle. Raises what that does."""
    try:
        return read_sealed(path)
    except BundleError as error:
        # A damaged bundle was meant, so its error gets no advice.
        meant = None if type(error) is not BundleError else instead_of(path)
        if meant is None:
            raise
        raise BundleError(f"{error}; {meant}") from None


def is_bundle(path: Path) -> bool:
    """Tells whether this looks like a bundle: a folder or zip with sums and a manifest."""
    try:
        if path.is_dir():
            return all((path / name).is_file() for name in (SUMS, MANIFEST))
        if not (path.is_file() and zipfile.is_zipfile(path)):
            return False
        with zipfile.ZipFile(path) as archive:
            return {SUMS, MANIFEST} <= {PurePosixPath(name).name for name in archive.namelist()}
    except (OSError, ValueError, zipfile.BadZipFile):
        return False


def instead_of(path: Path) -> str | None:
    """Say what is at ``path``, which is no bundle, and what to give instead; None where there is nothing to say."""
    try:
        if not path.exists():
            return _nearby(path)
        around = next((parent for parent in path.absolute().parents[:3] if is_bundle(parent)), None)
        if around is not None:
            return f"it is a part of a bundle; did you mean {_as_given(path, around)}?"
        return _folder(path) if path.is_dir() else _file(path)
    except (OSError, ValueError, zipfile.BadZipFile):
        return None  # the original error stands without advice


def _nearby(path: Path) -> str | None:
    """Find a bundle beside the path with a name much like it."""
    if not path.parent.is_dir():
        return None
    names = {entry.name for entry, _ in zip(sorted(path.parent.iterdir()), range(MOST_ENTRIES), strict=False)}
    near = difflib.get_close_matches(path.name, names, n=3)
    found = next((name for name in near if is_bundle(path.parent / name)), None)
    return f"did you mean {path.parent / found}?" if found else None


def _folder(path: Path) -> str:
    entries = [entry for entry, _ in zip(sorted(path.iterdir()), range(MOST_ENTRIES), strict=False)]
    bundles = [entry for entry in entries if is_bundle(entry)]
    if bundles:
        return f"there {'is a bundle' if len(bundles) == 1 else 'are bundles'} in it; did you mean {_names(bundles)}?"
    inner = [entry for entry in entries if entry.is_dir() and not entry.name.startswith(".")]
    below = [file for folder in inner[:50] for file, _ in zip(folder.iterdir(), range(50), strict=False)]
    if form := _form_of((*entries, *below)):
        made = quoted(f"{path.resolve().name or 'model'}.bundle")
        return (
            f"it is a folder of {form.many}, and a bundle is what train makes of one: "
            f"drivetrain train {quoted(path)} --out {made}"
        )
    return "it is empty" if not entries else f"it holds {_names(entries)}"


def _file(path: Path) -> str | None:
    if not path.is_file():
        return "it is neither a file nor a folder"
    if zipfile.is_zipfile(path):
        with zipfile.ZipFile(path) as archive:
            names = [name for name in archive.namelist() if not name.endswith("/")]
        if form := _form_of([PurePosixPath(name) for name in names]):
            made = quoted(f"{path.stem}.bundle")
            return f"it is a zip with {form.many}: drivetrain train {quoted(path)} --out {made} makes a bundle of them"
        return f"it is a zip of {len(names)} other files" if names else "it is an empty zip"
    if path.suffix.lower() in NETWORKS:
        backbone = (
            f": drivetrain train FOLDER --backbone {quoted(path)} --out NEW" if path.suffix.lower() == ".onnx" else ""
        )
        return f"it is a network, and a bundle is a network with all that belongs to it{backbone}"
    with open_plain(path) as file:
        head = file.read(HEAD_BYTES)
    form = _form_of([path]) or next((one.files for one in INPUTS.values() if one.files.begins(head)), None)
    if form is not None:
        return f"it is {form.a_one}"
    what = foreign_file(head)
    return f"it is {what.partition(';')[0]}" if what else None


def _as_given(path: Path, around: Path) -> Path:
    """Return the bundle around a path, relative where the path is."""
    above = len(path.absolute().parts) - len(around.parts)
    return path.parents[above - 1] if above <= len(path.parents) and not path.is_absolute() else around


def _names(entries: list[Path]) -> str:
    more = f" and {len(entries) - 3} more" if len(entries) > 3 else ""
    return ", ".join(entry.name if len(entries) > 3 else str(entry) for entry in entries[:3]) + more


def _form_of(paths: Iterable[PurePath]) -> FileForm | None:
    """The inputs among these files, by their endings."""
    endings = {path.suffix.lower() for path in paths}
    return next((one.files for one in INPUTS.values() if one.files.endings & endings), None)
