"""The files of a bundle, read without trust: a folder or a zip, every byte checked against SHA256SUMS.

Reading is split in two on purpose: here nothing is interpreted, only names, sizes and sums are checked; what the bytes
mean is the business of the modules that parse them. Files that the sums do not name are never opened.
"""

from __future__ import annotations

import hashlib
import io
import os
import re
import stat
import tempfile
import zipfile
import zlib
from collections import Counter
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from pathlib import Path, PurePosixPath

from ..core.errors import BundleError, ChecksumError, UsageError
from ..core.plain_file import open_plain, read_plain
from ..core.shell_path import quoted
from .publish import check_place, publish
from .zipped import member_bytes, open_zip

SUMS = "SHA256SUMS"
MANIFEST = "manifest.json"
MODEL = "model.onnx"
ARRAYS = "arrays.safetensors"
FROZEN = "frozen.onnx"
"""The network as it was before fine-tuning, where it was fine-tuned: ``pixels`` to ``embedding``."""
GATE = "gate.safetensors"
"""The arrays by which inputs unlike those trained on are known, where there is a gate: see `gate`."""
GALLERY = "gallery.safetensors"
"""Small pictures of training images, where the bundle keeps any."""
CARD = "card.md"
REPORT = "report.html"
GOLDEN = "golden/golden.json"
REQUIRED = (MANIFEST, MODEL, ARRAYS, GOLDEN)

SIGNATURE = f"{SUMS}.sig"
"""The signature of the sums, where somebody vouches for them: see `signature`."""

MAX_FILES = 1000
MAX_NAME = 255
MAX_SUMS_BYTES = 1 << 20
MAX_SIGNATURE_BYTES = 1 << 12
MAX_SMALL_BYTES = 64 << 20
"""The most bytes of every file but those that hold weights, arrays and pictures."""
_LARGEST = dict.fromkeys((MODEL, FROZEN, ARRAYS, GALLERY), 2 << 30)


@dataclass(frozen=True)
class BundleLimits:
    """The most that a bundle may hold, in bytes. ONNX itself stops at 2 GiB, and the rest is smaller than the model.

    A zip may unpack to ``zip_free``, or to ``zip_ratio`` times its own size: weights hardly compress, pages and arrays
    about tenfold.
    """

    total: int = 4 << 30
    zip_free: int = 256 << 20
    zip_ratio: int = 20


# The most times that a bundle is read again because it was replaced while it was read.
REPLACED = 20

_LINE = re.compile(r"([0-9a-f]{64}) [ *](.+)")

_Read = Callable[[str, int], bytes]
"""A file's name and its largest size in bytes → its bytes; KeyError where there is none."""


@dataclass(frozen=True)
class Sealed:
    """A bundle as read, whose content agrees with its sums."""

    files: dict[str, bytes]
    """All files that SHA256SUMS names, by name."""
    sums: dict[str, str]
    """Name → SHA-256 (hex), as computed."""
    listed: bytes
    """The content of SHA256SUMS itself, which is signed."""
    signature: bytes | None
    """The content of SHA256SUMS.sig, where there is one; it is not checked yet."""


def read_files(path: Path, limits: BundleLimits | None = None) -> dict[str, bytes]:
    """Read the files alone, as `read_sealed` does."""
    return read_sealed(path, limits).files


def read_sealed(path: Path, limits: BundleLimits | None = None) -> Sealed:
    """Read and check every file that SHA256SUMS names.

    Raises:
        BundleError: there is no bundle at ``path``.
        ChecksumError: a file is missing, cut short, altered, too large or outside the bundle.
    """
    limits = limits or BundleLimits()
    try:
        if path.is_dir():
            return _read_folder(path, limits.total)
        if not path.exists():
            raise BundleError(
                f"{path} does not exist; train a bundle with: drivetrain train FOLDER --out {quoted(path)}"
            )
        with open_plain(path) as file:
            if zipfile.is_zipfile(file):
                return _read_zip(file, path, limits)
    except OSError as error:
        raise BundleError(f"{str(path)[:200]} cannot be read ({error.strerror or error})") from None
    if path.suffix.lower() == ".zip":
        raise ChecksumError(f"{path} was cut short or is not a zip; copy the bundle again")
    raise BundleError(f"{path} is neither a bundle folder nor a zip of one")


def _read_folder(folder: Path, most: int) -> Sealed:
    # A bundle may be replaced while it is read; files of the old one then do not fit the sums of the new one.
    for _ in range(REPLACED):
        before = _identity(folder)
        try:
            return _checked(_folder_reader(folder), str(folder), most)
        except (BundleError, OSError):
            if _identity(folder) == before:
                raise
    return _checked(_folder_reader(folder), str(folder), most)


def _identity(folder: Path) -> tuple[int, ...]:
    status = folder.stat()
    return status.st_dev, status.st_ino, status.st_mtime_ns


def look(path: Path) -> tuple[int, ...]:
    """Describe a bundle's place from outside, without reading it: it looks different once another bundle, or none, is there.

    Files may also be written over one by one, so the look of the sums counts, which every change has to touch.
    """
    seen: list[int] = []
    for part in (path, path / SUMS):
        try:
            status = part.stat()
        except OSError:
            continue
        seen += (status.st_dev, status.st_ino, status.st_mtime_ns, status.st_size)
    return tuple(seen)


def _folder_reader(folder: Path) -> _Read:
    def read(name: str, most: int) -> bytes:
        path, parts = folder / name, PurePosixPath(name).parts
        # Links are refused, as they may lead anywhere: a bundle is made of plain files.
        if any(folder.joinpath(*parts[:end]).is_symlink() for end in range(1, len(parts) + 1)):
            raise ChecksumError(f"{folder}: {name} is a link; a bundle holds plain files only")
        try:
            data = read_plain(path, most)
        except (FileNotFoundError, NotADirectoryError, IsADirectoryError):
            raise KeyError(name) from None
        if len(data) > most:
            raise ChecksumError(f"{folder}: {name} is larger than a bundle may be")
        return data

    return read


def _read_zip(file: io.BufferedReader, path: Path, limits: BundleLimits) -> Sealed:
    most = min(limits.total, max(limits.zip_free, limits.zip_ratio * os.fstat(file.fileno()).st_size))
    try:
        with open_zip(file) as archive:
            return _checked(_zip_reader(archive, path), str(path), most)
    except BundleError:
        raise
    except (zipfile.BadZipFile, zlib.error, EOFError, OSError, ValueError, NotImplementedError, RuntimeError) as error:
        raise ChecksumError(f"{path}: damaged zip ({' '.join(str(error).split())}); copy the bundle again") from None


def _zip_reader(archive: zipfile.ZipFile, path: Path) -> _Read:
    # The folder itself may have been zipped, so that its sums stand one level down.
    names = archive.namelist()
    twice = next((name for name, count in Counter(names).items() if count > 1), None)
    if twice is not None:
        raise ChecksumError(f"{path} holds {twice[:80]!r} twice, and readers differ in which they take; zip it again")
    tops = [name.removesuffix(SUMS) for name in names if name == SUMS or name.endswith(f"/{SUMS}")]
    prefix = min(tops, key=lambda name: (name.count("/"), name), default="")
    if sum(top.count("/") == prefix.count("/") for top in tops) > 1:
        raise BundleError(f"{path} holds several bundles ({', '.join(sorted(tops)[:3])}); unpack it and name one")

    return lambda name, most: member_bytes(archive, prefix + name, most, str(path))


def _checked(read: _Read, where: str, most: int) -> Sealed:
    """Read and check every named file, ``most`` bytes in all."""
    try:
        listed = read(SUMS, MAX_SUMS_BYTES)
    except KeyError:
        raise BundleError(f"{where} is not a bundle: it has no {SUMS}") from None
    try:
        sums = parse_sums(listed)
    except ChecksumError as error:
        raise ChecksumError(f"{where}: {error}") from None
    missing = [name for name in REQUIRED if name not in sums]
    if missing:
        raise ChecksumError(f"{where}: {SUMS} does not name {', '.join(missing)}")
    files: dict[str, bytes] = {}
    for name, expected in sums.items():
        try:
            data = read(name, min(most, _LARGEST.get(name, MAX_SMALL_BYTES)))
        except KeyError:
            raise ChecksumError(f"{where}: {name} is missing; copy the bundle again") from None
        except OSError as error:
            raise ChecksumError(f"{where}: {name} cannot be read ({error.strerror or error})") from None
        if hashlib.sha256(data).hexdigest() != expected:
            raise ChecksumError(f"{where}: {name} was altered or cut short ({len(data)} bytes); copy the bundle again")
        files[name] = data
        most -= len(data)
    try:
        signature = read(SIGNATURE, MAX_SIGNATURE_BYTES)
    except (KeyError, OSError):
        signature = None
    return Sealed(files, sums, listed, signature)


def parse_sums(text: bytes) -> dict[str, str]:
    """Parse SHA256SUMS, in the format of coreutils, into name → hex digest.

    Raises:
        ChecksumError: a malformed line, too many lines, or a name that leads out of the bundle.
    """
    sums: dict[str, str] = {}
    try:
        lines = text.decode("utf-8").split("\n")
    except UnicodeDecodeError:
        raise ChecksumError(f"{SUMS} is not text") from None
    if lines[-1] == "":
        lines.pop()
    if len(lines) > MAX_FILES:
        raise ChecksumError(f"{SUMS} names {len(lines)} files; a bundle has at most {MAX_FILES}")
    for number, line in enumerate(lines, 1):
        match = _LINE.fullmatch(line)
        if not match:
            raise ChecksumError(f"{SUMS}, line {number}: not a checksum: {line[:80]!r}")
        digest, name = match.groups()
        if not _stays_inside(name):
            raise ChecksumError(f"{SUMS}, line {number}: {name[:80]!r} is not a plain name inside the bundle")
        if name in sums:
            raise ChecksumError(f"{SUMS}, line {number}: {name[:80]!r} is named twice")
        sums[name] = digest
    return sums


def _stays_inside(name: str) -> bool:
    """Tells whether a name means a file below the bundle on every system, and has no second spelling."""
    path = PurePosixPath(name)
    outside = path.is_absolute() or ".." in path.parts or "\\" in name or ":" in name
    return (
        len(name) <= MAX_NAME
        and name.isprintable()
        and not outside
        and name == path.as_posix()
        and name not in (".", SUMS, SIGNATURE)
    )


def format_sums(files: Mapping[str, bytes]) -> bytes:
    """Write SHA256SUMS for these files."""
    lines = [f"{hashlib.sha256(data).hexdigest()}  {name}\n" for name, data in sorted(files.items())]
    return "".join(lines).encode()


def write_files(files: Mapping[str, bytes], out: Path, signature: bytes | None = None) -> dict[str, str]:
    """Write a bundle in one step: as a folder, or as a zip where ``out`` ends in ``.zip``. Returns the sums, by name.

    A bundle that stood there is replaced only once the new one is complete.

    Raises:
        UsageError: something that is not a bundle stands in the way.
        BundleError: it cannot be written.
    """
    check_out(out)
    complete = {**files, SUMS: format_sums(files), **({} if signature is None else {SIGNATURE: signature})}
    try:
        # Where ``out`` is a link, its target is replaced, not the link.
        target = out.resolve()
        target.parent.mkdir(parents=True, exist_ok=True)
        with tempfile.TemporaryDirectory(dir=target.parent, prefix=".drivetrain-", ignore_cleanup_errors=True) as made:
            new = Path(made) / "bundle"
            if _is_zip_name(out):
                _write_zip(complete, new)
                new.replace(target)
            else:
                _write_folder(complete, new)
                publish(new, target)
    except OSError as error:
        raise BundleError(
            f"cannot write {out}: {error.strerror or error}; make room, or choose another place with --out"
        ) from error
    return parse_sums(complete[SUMS])


def check_out(out: Path) -> None:
    """Check that a bundle may be written to ``out``; asked before the work, so that an hour is not lost to a typo.

    Raises:
        UsageError: something that is not a bundle stands there, or it cannot be written to.
    """
    try:
        _check_out(out, out.resolve())
    except (OSError, RuntimeError) as error:  # the name is too long, or a link leads to itself
        reason = error.strerror if isinstance(error, OSError) else str(error)
        raise UsageError(f"cannot write to {str(out)[:200]} ({reason}); choose another place with --out") from None


def _check_out(out: Path, target: Path) -> None:
    if _is_zip_name(out):
        if target.is_dir():
            raise UsageError(f"{out} is a folder; choose another name for the bundle")
        if target.exists() and not _is_zipped_bundle(target):
            raise UsageError(f"{out} exists and is not a bundle; choose another name, such as {out.stem}.bundle.zip")
    elif (mode := _mode(target)) is not None:
        if not stat.S_ISDIR(mode):
            raise UsageError(f"{out} is a file; choose a folder's name, or one ending in .zip")
        if target == Path.cwd() or target in Path.cwd().parents:
            raise UsageError(f"{out} is the folder you are in; choose a new name, such as model.bundle")
        _check_folder(out, target)
    check_place(out, target)


def _mode(target: Path) -> int | None:
    """The mode of what lies there; None for nothing. It is asked once, as another writer may just be putting a bundle there."""
    try:
        return target.stat().st_mode
    except (FileNotFoundError, NotADirectoryError):
        return None


def _check_folder(out: Path, folder: Path) -> None:
    try:
        names = {path.name for path in folder.iterdir()}
    except FileNotFoundError:
        return  # another writer is just putting a bundle there
    # Sums alone do not make a bundle (disc images have them, too); sums with a manifest do.
    if names and not {SUMS, MANIFEST} <= names:
        raise UsageError(f"{out} exists and is not a bundle; choose a new name, such as {folder.name}.bundle")
    own = {PurePosixPath(name).parts[0] for name in (SUMS, SIGNATURE, CARD, REPORT, FROZEN, GALLERY, GATE, *REQUIRED)}
    # Files that a desktop leaves in every folder may go; a hidden folder, such as .git, is somebody's work.
    foreign = sorted(name for name in names - own if not name.startswith(".") or (folder / name).is_dir())
    if foreign:
        raise UsageError(
            f"{out} holds {', '.join(foreign[:3])}{', …' if len(foreign) > 3 else ''} beside the bundle, which would be "
            "lost; move that, or choose another name"
        )


def _is_zip_name(out: Path) -> bool:
    return out.suffix.lower() == ".zip"


def _is_zipped_bundle(path: Path) -> bool:
    try:
        with open_plain(path) as file, open_zip(file) as archive:
            names = {PurePosixPath(name).name for name in archive.namelist()}
    except (zipfile.BadZipFile, OSError, ValueError):
        return False
    return {SUMS, MANIFEST} <= names


def _write_zip(files: Mapping[str, bytes], path: Path) -> None:
    with zipfile.ZipFile(path, "w") as archive:
        for member, data in files.items():
            # A fixed date keeps equal bundles equal to the byte; members are plain files that anybody may read.
            entry = zipfile.ZipInfo(member, (1980, 1, 1, 0, 0, 0))
            entry.external_attr = 0o644 << 16
            # Weights shrink by a few percent at most and are only stored; the pages and arrays beside them are worth packing.
            entry.compress_type = zipfile.ZIP_STORED if member == MODEL else zipfile.ZIP_DEFLATED
            archive.writestr(entry, data)


def _write_folder(files: Mapping[str, bytes], folder: Path) -> None:
    folder.mkdir()
    for member, data in files.items():
        path = folder / member
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_bytes(data)
