"""The files of a bundle, read with suspicion: a folder or a zip of it, every byte checked against SHA256SUMS.

Reading is split in two on purpose: here nothing is interpreted, only names and sums are checked; what the bytes mean is
the business of the modules that parse them. Files that the sums do not name are never opened.
"""

from __future__ import annotations

import hashlib
import os
import re
import shutil
import tempfile
import zipfile
from collections.abc import Mapping
from pathlib import Path, PurePosixPath

from ..core.errors import BundleError, ChecksumError, UsageError

SUMS = "SHA256SUMS"
MANIFEST = "manifest.json"
MODEL = "model.onnx"
ARRAYS = "arrays.safetensors"
CARD = "card.md"
REPORT = "report.html"
GOLDEN = "golden/golden.json"
REQUIRED = (MANIFEST, MODEL, ARRAYS, GOLDEN)

MAX_FILE_BYTES = 2 << 30
_LINE = re.compile(r"([0-9a-f]{64}) [ *](.+)")


def read_files(path: Path) -> dict[str, bytes]:
    """Every file that SHA256SUMS names, by its name, checked.

    Raises:
        BundleError: there is no bundle at ``path``.
        ChecksumError: a file is missing, cut short, altered or outside the bundle.
    """
    if path.is_dir():
        read = _FolderReader(path)
        return _checked(read, str(path))
    if path.is_file() and zipfile.is_zipfile(path):
        try:
            with zipfile.ZipFile(path) as archive:
                return _checked(_ZipReader(archive), str(path))
        except (zipfile.BadZipFile, NotImplementedError, RuntimeError, EOFError, OSError) as error:
            raise ChecksumError(f"{path}: damaged zip ({error})") from None
    if path.exists():
        raise BundleError(f"{path} is neither a bundle folder nor a zip of one")
    raise BundleError(f"{path} does not exist; train a bundle with: drivetrain train FOLDER --out {path}")


class _FolderReader:
    def __init__(self, folder: Path) -> None:
        self._folder = folder

    def __call__(self, name: str) -> bytes:
        path = self._folder / name
        # A link may lead anywhere; a bundle is made of plain files.
        steps = [
            self._folder.joinpath(*PurePosixPath(name).parts[: i + 1]) for i in range(len(PurePosixPath(name).parts))
        ]
        if any(step.is_symlink() for step in steps):
            raise ChecksumError(f"{name} is a link; a bundle holds plain files only")
        if not path.is_file():
            raise KeyError(name)
        if path.stat().st_size > MAX_FILE_BYTES:
            raise ChecksumError(f"{name} is larger than {MAX_FILE_BYTES >> 30} GiB")
        return path.read_bytes()


class _ZipReader:
    def __init__(self, archive: zipfile.ZipFile) -> None:
        self._archive = archive
        tops = [name for name in archive.namelist() if name == SUMS or name.endswith(f"/{SUMS}")]
        # The folder itself may have been zipped: its sums then stand one level down.
        self._prefix = min(tops, key=len).removesuffix(SUMS) if tops else ""

    def __call__(self, name: str) -> bytes:
        entry = self._archive.getinfo(self._prefix + name)
        if entry.file_size > MAX_FILE_BYTES:
            raise ChecksumError(f"{name} is larger than {MAX_FILE_BYTES >> 30} GiB")
        return self._archive.read(entry)


def _checked(read: _FolderReader | _ZipReader, where: str) -> dict[str, bytes]:
    try:
        sums = parse_sums(read(SUMS))
    except KeyError:
        raise BundleError(f"{where} is not a bundle: it has no {SUMS}") from None
    missing = [name for name in REQUIRED if name not in sums]
    if missing:
        raise ChecksumError(f"{where}: {SUMS} does not name {', '.join(missing)}")
    files = {}
    for name, expected in sums.items():
        try:
            data = read(name)
        except KeyError:
            raise ChecksumError(f"{where}: {name} is missing; copy the bundle again") from None
        except OSError as error:
            raise ChecksumError(f"{where}: {name} cannot be read ({error.strerror or error})") from None
        if hashlib.sha256(data).hexdigest() != expected:
            raise ChecksumError(f"{where}: {name} was altered or cut short ({len(data)} bytes); copy the bundle again")
        files[name] = data
    return files


def parse_sums(text: bytes) -> dict[str, str]:
    """SHA256SUMS in the format of coreutils → name to hex digest.

    Raises:
        ChecksumError: a malformed line, or a name that leads out of the bundle.
    """
    sums: dict[str, str] = {}
    try:
        lines = text.decode("utf-8").splitlines()
    except UnicodeDecodeError:
        raise ChecksumError(f"{SUMS} is not text") from None
    for number, line in enumerate(lines, 1):
        match = _LINE.fullmatch(line)
        if not match:
            raise ChecksumError(f"{SUMS}, line {number}: not a checksum: {line[:80]!r}")
        digest, name = match.groups()
        parts = PurePosixPath(name).parts
        if name.startswith("/") or "\\" in name or ":" in name or ".." in parts or "\0" in name or not parts:
            raise ChecksumError(f"{SUMS}, line {number}: {name!r} leads out of the bundle")
        if name in sums:
            raise ChecksumError(f"{SUMS}, line {number}: {name!r} is named twice")
        sums[name] = digest
    return sums


def format_sums(files: Mapping[str, bytes]) -> bytes:
    """SHA256SUMS for these files."""
    lines = [f"{hashlib.sha256(data).hexdigest()}  {name}\n" for name, data in sorted(files.items())]
    return "".join(lines).encode()


def write_files(files: Mapping[str, bytes], out: Path) -> None:
    """Write a bundle in one step: as a folder, or as a zip where ``out`` ends in ``.zip``.

    A bundle that stood there is replaced only once the new one is complete.

    Raises:
        UsageError: something that is not a bundle stands in the way.
        BundleError: it cannot be written.
    """
    check_out(out)
    complete = {**files, SUMS: format_sums(files)}
    try:
        out.parent.mkdir(parents=True, exist_ok=True)
        if out.suffix == ".zip":
            _write_zip(complete, out)
        else:
            _write_folder(complete, out)
    except OSError as error:
        raise BundleError(f"cannot write {out}: {error.strerror or error}") from error


def check_out(out: Path) -> None:
    """Whether a bundle may be written to ``out``; asked before the work, so that an hour is not lost to a typo.

    Raises:
        UsageError: something that is not a bundle stands there.
    """
    if out.suffix == ".zip":
        if out.is_dir():
            raise UsageError(f"{out} is a folder; give --out another name")
        return
    if out.is_file():
        raise UsageError(f"{out} is a file; give --out a folder's name, or one ending in .zip")
    if out.is_dir() and any(out.iterdir()) and not (out / SUMS).is_file():
        raise UsageError(f"{out} exists and is not a bundle; give --out a new name, such as {out.name}.bundle")
    nearest = next(parent for parent in [out.absolute(), *out.absolute().parents] if parent.exists())
    if not os.access(nearest, os.W_OK):
        raise UsageError(f"cannot write to {nearest}; give --out a folder of your own")


def _write_zip(files: Mapping[str, bytes], out: Path) -> None:
    handle, name = tempfile.mkstemp(dir=out.parent, prefix=f".{out.name}.")
    os.close(handle)
    temporary = Path(name)
    try:
        with zipfile.ZipFile(temporary, "w", zipfile.ZIP_DEFLATED) as archive:
            for member, data in files.items():
                # A fixed date keeps equal bundles equal to the byte.
                archive.writestr(zipfile.ZipInfo(member, (1980, 1, 1, 0, 0, 0)), data)
        temporary.chmod(0o644)
        temporary.replace(out)
    finally:
        temporary.unlink(missing_ok=True)


def _write_folder(files: Mapping[str, bytes], out: Path) -> None:
    temporary = Path(tempfile.mkdtemp(dir=out.parent, prefix=f".{out.name}."))
    try:
        for member, data in files.items():
            path = temporary / member
            path.parent.mkdir(parents=True, exist_ok=True)
            path.write_bytes(data)
        temporary.chmod(0o755)
        if out.exists():
            old = Path(tempfile.mkdtemp(dir=out.parent, prefix=f".{out.name}.old."))
            out.replace(old / "bundle")
            temporary.replace(out)
            shutil.rmtree(old, ignore_errors=True)
        else:
            temporary.replace(out)
    finally:
        shutil.rmtree(temporary, ignore_errors=True)
