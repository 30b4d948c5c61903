"""Unpacking a zip or tar of labelled data: once, all or nothing, and never outside its folder.

An archive is treated as hostile. Only plain files and folders are accepted, every name is checked, what a member may
grow to is bounded before it is read, and the files are written by this module, without the archive's modes or owners.
"""

from __future__ import annotations

import hashlib
import lzma
import re
import stat
import struct
import tarfile
import tempfile
import zipfile
import zlib
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from functools import partial
from pathlib import Path
from typing import IO, NamedTuple, Self, cast

from ...core.errors import SourceError
from ...core.plain_file import open_plain
from .file_form import FileForm
from .folder import is_litter, shown
from .splits import SPLITS
from .table import SUFFIXES as TABLE_SUFFIXES

SUFFIXES = (".zip", ".tar", ".tgz", ".tbz", ".tbz2", ".txz", ".tar.gz", ".tar.bz2", ".tar.xz")

CHUNK_BYTES = 1 << 20

# Longest name: long names travel in headers of their own, which tarfile reads in one piece. No file system has names this long.
TAR_HEADER_BYTES = 1 << 20
TAR_HEADERS = frozenset(
    {tarfile.XHDTYPE, tarfile.XGLTYPE, tarfile.SOLARIS_XHDTYPE, tarfile.GNUTYPE_LONGNAME, tarfile.GNUTYPE_LONGLINK}
)

DRIVE = re.compile(r"[A-Za-z]:")

# Errors that the readers raise on damaged bytes.
DAMAGE = (
    zipfile.BadZipFile,
    tarfile.TarError,
    zlib.error,
    lzma.LZMAError,
    struct.error,
    EOFError,
    ValueError,
    OverflowError,
    NotImplementedError,  # zipfile raises it for a compression it does not know
    LookupError,
    MemoryError,
    RuntimeError,
)
PLAIN_ONLY = "only plain files and folders are unpacked; pack it again without"


@dataclass(frozen=True)
class UnpackLimits:
    """The limits of unpacking an archive: at most ``total_bytes``, and at most ``ratio`` times its own size.

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


class Member(NamedTuple):
    """A plain file or folder of an archive; ``size`` in bytes as its header declares it."""

    name: str
    size: int
    is_folder: bool
    open: Callable[[], IO[bytes]]


class CheckedHeader(tarfile.TarInfo):
    """A tar header. tarfile takes a damaged one in the middle for the end of the archive, and loses what follows."""

    @classmethod
    def frombuf(cls, buf: bytes | bytearray, encoding: str, errors: str) -> Self:
        """Parse 512 bytes.

        Raises:
            tarfile.ReadError: damaged, missing or too large to be believed.
        """
        try:
            header = super().frombuf(buf, encoding, errors)
        except tarfile.HeaderError as error:
            if buf.count(0) == len(buf) == tarfile.BLOCKSIZE:
                raise  # the mark at the end of an archive
            raise tarfile.ReadError(str(error)) from None
        if header.size < 0 or (header.type in TAR_HEADERS and header.size > TAR_HEADER_BYTES):
            raise tarfile.ReadError(f"a header of {header.size} bytes")
        return header


def is_archive(path: Path) -> bool:
    """Tells whether a file's first bytes or its name say zip or tar."""
    if path.name.lower().endswith(SUFFIXES):
        return True
    with open_plain(path) as file:
        head = file.read(512)
    return head.startswith((b"PK\3\4", b"PK\5\6", b"\x1f\x8b", b"BZh", b"\xfd7zXZ\0")) or head[257:262] == b"ustar"


def unpack(archive: Path, into: Path, limits: UnpackLimits = LIMITS) -> Path:
    """The folder ``into``/<sha256 of the archive> with the archive's files; unpacked only if it is not there yet.

    The folder appears under that name when it is complete, by a rename, so any number of processes may try at once.
    A process that is killed leaves a folder ``.unpacking-…`` behind, which is never read and may be deleted.

    Raises:
        SourceError: damaged, encrypted, too large, or a member that is not a plain file or folder inside.
    """
    title = shown(str(archive))
    try:
        with open_plain(archive) as file:
            target = into / hashlib.file_digest(file, "sha256").hexdigest()
            if target.is_dir():
                return target
            into.mkdir(parents=True, exist_ok=True)
            with tempfile.TemporaryDirectory(prefix=".unpacking-", dir=into, ignore_cleanup_errors=True) as scratch:
                content = Path(scratch) / "content"
                content.mkdir()
                file.seek(0)
                _unpack(file, content, title, limits)
                try:
                    content.rename(target)
                except OSError:
                    if not target.is_dir():  # else another process was faster, with the same files
                        raise
    except OSError as error:
        reason = error.strerror or type(error).__name__
        raise SourceError(
            f"cannot unpack {title} into {shown(str(into))}: {reason}; check the archive, permissions and free space"
        ) from None
    return target


def top_folder(folder: Path, form: FileForm) -> Path:
    """Find where an unpacked archive's data starts: below folders that hold nothing but one other folder.

    A split folder is not passed, nor a folder of inputs without folders, which is a class.
    """
    while True:
        visible = [entry for entry in folder.iterdir() if not is_litter(entry.name)]
        folders = [entry for entry in visible if entry.is_dir()]
        data = any(entry.suffix.lower() in form.endings | TABLE_SUFFIXES for entry in visible if entry not in folders)
        if data or len(folders) != 1 or folders[0].name.lower() in SPLITS:
            return folder
        (only,) = folders
        if not any(entry.is_dir() or entry.suffix.lower() in TABLE_SUFFIXES for entry in only.iterdir()):
            return folder
        folder = only


def _unpack(file: IO[bytes], into: Path, title: str, limits: UnpackLimits) -> None:
    allowed = limits.bytes_for(file.seek(0, 2))
    file.seek(0)
    is_zip = file.read(4) in (b"PK\3\4", b"PK\5\6") or title.lower().endswith(".zip")
    file.seek(0)
    members = _zip_members(file, title, allowed) if is_zip else _tar_members(file, title, allowed, into)
    made = {into}
    try:
        for count, member in enumerate(members, start=1):
            if count > limits.members:
                raise SourceError(
                    f"{title} holds more than {limits.members} members; give a folder or several archives"
                )
            parts = _parts(member, title)
            if any(is_litter(part) for part in parts):
                continue
            path = into.joinpath(*parts)
            folder = path if member.is_folder else path.parent
            if folder not in made:
                folder.mkdir(parents=True, exist_ok=True)
                made.add(folder)
            if not member.is_folder:
                _write(member, path, title)
    except (FileExistsError, NotADirectoryError, IsADirectoryError):
        raise SourceError(
            f"{title} holds {member.name!r} twice (names may differ in case only, or be file and folder); pack it again"
        ) from None
    except DAMAGE as error:
        raise _damaged(title, error) from None
    except OSError as error:
        if error.errno is not None:
            raise
        raise _damaged(title, error) from None  # gzip and bz2 raise this for a stream that is cut short


def _damaged(title: str, error: Exception) -> SourceError:
    reason = " ".join(str(error).split()) or type(error).__name__
    return SourceError(f"{title} is damaged or cut short ({reason}); copy or pack it again")


def _parts(member: Member, title: str) -> tuple[str, ...]:
    """A member's name as the folders it goes through and its own name.

    Raises:
        SourceError: it could leave the folder it is unpacked to, on any operating system.
    """
    name = member.name
    parts = tuple(part for part in name.split("/") if part not in ("", "."))
    # Windows drops dots and spaces at a name's end, so that "..  " is ".." there, and a drive in any part starts anew.
    climbs = any(not part.strip(". ") or DRIVE.match(part) for part in parts)
    if climbs or name.startswith("/") or "\\" in name or "\0" in name:
        raise SourceError(
            f"{title} holds {name!r}, a name that could leave its folder; pack it again with relative paths"
        )
    if not parts and not member.is_folder:
        raise SourceError(f"{title} holds a file without a name; pack it again")
    return parts


def _write(member: Member, path: Path, title: str) -> None:
    """Write a member's bytes, exactly as many as its header declares."""
    written = 0
    with member.open() as source, path.open("xb") as target:
        while chunk := source.read(min(CHUNK_BYTES, member.size - written + 1)):
            written += len(chunk)
            if written > member.size:
                break
            target.write(chunk)
    if written != member.size:
        more = "more" if written > member.size else "less"
        raise SourceError(
            f"{title}: {member.name!r} holds {more} than the {member.size} bytes it declares; pack it again"
        )


def _too_large(title: str, allowed: int) -> SourceError:
    return SourceError(
        f"{title} would unpack to more than {allowed / 2**30:.3g} GiB, far more than its size allows for images; "
        "if you trust it, unpack it yourself and give the folder"
    )


def _zip_members(file: IO[bytes], title: str, allowed: int) -> Iterator[Member]:
    with zipfile.ZipFile(file) as archive:
        infos = archive.infolist()
        if sum(info.file_size for info in infos) > allowed:
            raise _too_large(title, allowed)
        for info in infos:
            name = _zip_name(info)
            if info.flag_bits & 0x1:
                raise SourceError(f"{title}: {name!r} is encrypted; unpack it with its password and give the folder")
            kind = stat.S_IFMT(info.external_attr >> 16)
            if kind not in (0, stat.S_IFREG, stat.S_IFDIR):
                what = "symbolic links" if kind == stat.S_IFLNK else "devices and pipes"
                raise SourceError(f"{title}: {name!r} is not a plain file; {PLAIN_ONLY} {what}")
            # The others of zipfile's methods cannot be read in bounded pieces, and hardly any program writes them.
            if info.compress_type not in (zipfile.ZIP_STORED, zipfile.ZIP_DEFLATED):
                raise SourceError(
                    f"{title}: {name!r} uses compression method {info.compress_type}; pack it with “deflate”"
                )
            yield Member(name, info.file_size, name.endswith("/"), partial(archive.open, info))


def _zip_name(info: zipfile.ZipInfo) -> str:
    """The name as stored; zipfile's own is cut at a zero byte and has its separators replaced on Windows."""
    name = info.orig_filename
    if info.flag_bits & 0x800 or name.isascii():
        return name
    try:  # macOS writes UTF-8 without marking it, and zipfile has read it as code page 437
        return name.encode("cp437").decode("utf-8")
    except UnicodeError:
        return name


def _tar_members(file: IO[bytes], title: str, allowed: int, into: Path) -> Iterator[Member]:
    try:
        archive = tarfile.open(fileobj=file, mode="r:*", tarinfo=CheckedHeader, encoding="utf-8")  # noqa: SIM115
    except tarfile.ReadError:  # its message lists one failure for each compression
        raise tarfile.ReadError("no tar archive that can be read") from None
    with archive:
        while (info := archive.next()) is not None:
            archive.members = []  # type: ignore[attr-defined]  # tarfile keeps every header: gigabytes for millions
            if info.size < 0:  # an extended header can say so, and send the reader backwards for ever
                raise tarfile.ReadError(f"a member of {info.size} bytes")
            # The position in the unpacked stream counts what is skipped, and the headers, too.
            if info.offset_data + info.size > allowed:
                raise _too_large(title, allowed)
            _refuse_special(info, title, into)
            yield Member(info.name, info.size, info.isdir(), partial(_open_tar, archive, info))


def _open_tar(archive: tarfile.TarFile, info: tarfile.TarInfo) -> IO[bytes]:
    return cast("IO[bytes]", archive.extractfile(info))  # None only for what is not a plain file


def _refuse_special(info: tarfile.TarInfo, title: str, into: Path) -> None:
    if info.issparse() or not (info.isdir() or info.isreg()):
        what = {tarfile.SYMTYPE: "symbolic links", tarfile.LNKTYPE: "hard links"}.get(info.type, "devices and pipes")
        what = "sparse files" if info.issparse() else what
        raise SourceError(f"{title}: {info.name!r} is not a plain file; {PLAIN_ONLY} {what}")
    if hasattr(tarfile, "data_filter"):  # a second opinion, since Python 3.11.4
        try:
            tarfile.data_filter(info, str(into))
        except tarfile.FilterError as error:
            raise SourceError(f"{title} holds {info.name!r}, which is refused: {error}") from None
