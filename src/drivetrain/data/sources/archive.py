"""Unpacking a zip or tar of labelled data: once, all or nothing, and never outside its folder.

An archive is treated as hostile. Only plain files and folders are accepted, every name is checked, what a member may
grow to is bounded before it is read, and the files are written by this module, without the archive's modes or owners.
"""

from __future__ import annotations

import lzma
import re
import stat
import struct
import tarfile
import zipfile
import zlib
from collections.abc import Callable, Iterator
from functools import partial
from pathlib import Path
from typing import IO, NamedTuple, Self, cast

from ...core.errors import SourceError
from ...core.plain_file import open_plain
from ...core.scratch import Into
from .file_form import FileForm
from .folder import is_litter, shown
from .splits import SPLITS
from .table import SUFFIXES as TABLE_SUFFIXES
from .unpacked import LIMITS, UnpackLimits, too_large, unpacked_once
from .zip_name import is_guessed_wrongly, zip_name

SUFFIXES = (".zip", ".tar", ".tgz", ".tbz", ".tbz2", ".txz", ".tar.gz", ".tar.bz2", ".tar.xz")

# Names of the parts of an archive that was cut into several files.
PART = re.compile(r"\.(z[0-9]{2,3}|(zip|7z|rar|tar|tgz|tar\.[a-z0-9]+)\.?[0-9]{3}|part[0-9]+\.rar)$", re.IGNORECASE)

COMPRESSED = (b"\x1f\x8b", b"BZh", b"\xfd7zXZ\0")

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
    """Tells whether a file's first bytes or its name say zip or tar, or a part of one."""
    if path.name.lower().endswith(SUFFIXES) or PART.search(path.name):
        return True
    with open_plain(path) as file:
        head = file.read(512)
    return head.startswith((b"PK\3\4", b"PK\5\6", b"PK\7\x08", *COMPRESSED)) or head[257:262] == b"ustar"


def unpack(archive: Path, into: Into, limits: UnpackLimits = LIMITS) -> Path:
    """The folder ``into``/<sha256 of the archive> with the archive's files; unpacked only if it is not there yet.

    Raises:
        SourceError: damaged, encrypted, too large, a part of one, or a member that is not a plain file or folder inside; or
            the folder cannot be written, see `unpacked_once`.
    """
    title = shown(str(archive))
    if PART.search(archive.name):
        raise _one_of_several(title)
    return unpacked_once(archive, into, lambda file, folder: _unpack(file, folder, title, limits))


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
    is_zip = file.read(4) in (b"PK\3\4", b"PK\5\6", b"PK\7\x08") or title.lower().endswith(".zip")
    if is_zip and _is_last_of_several(file):
        raise _one_of_several(title)
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


def _is_last_of_several(file: IO[bytes]) -> bool:
    """Tells whether a zip's last record says that the zip began in another file."""
    size = file.seek(0, 2)
    file.seek(max(0, size - (1 << 16) - 22))
    tail = file.read()
    at = tail.rfind(b"PK\5\6")
    return at >= 0 and tail[at + 4 : at + 6] not in (b"", b"\0", b"\0\0", b"\xff\xff")


def _one_of_several(title: str) -> SourceError:
    return SourceError(
        f"{title} is one part of an archive that was cut into several files; put them together (7-Zip opens the first, "
        "zip -s 0 PARTS.zip --out WHOLE.zip) and give the whole one, or unpack it and give the folder"
    )


def _damaged(title: str, error: Exception) -> SourceError:
    reason = " ".join(str(error).split()) or type(error).__name__
    return SourceError(f"{title} is damaged or cut short ({reason}); copy or pack it again")


def _parts(member: Member, title: str) -> tuple[str, ...]:
    """A member's name as the folders it goes through and its own name.

    Raises:
        SourceError: it could leave the folder it is unpacked to, on any operating system.
    """
    name = member.name.replace("\\", "/")  # programs on Windows write it between folders, also in a tar
    parts = tuple(part for part in name.split("/") if part not in ("", "."))
    # Windows drops dots and spaces at a name's end, so that "..  " is ".." there, and a drive in any part starts anew.
    climbs = any(not part.strip(". ") or DRIVE.match(part) for part in parts)
    if climbs or name.startswith("/") or "\0" in name:
        raise SourceError(
            f"{title} holds {member.name!r}, a name that could leave its folder; pack it again with relative paths"
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


def _zip_members(file: IO[bytes], title: str, allowed: int) -> Iterator[Member]:
    with zipfile.ZipFile(file) as archive:
        infos = archive.infolist()
        if sum(info.file_size for info in infos) > allowed:
            raise too_large(title, allowed)
        for info in infos:
            name = zip_name(info)
            if wrong := next((one for one in name.split("/")[:-1] if is_guessed_wrongly(info, one)), None):
                raise SourceError(
                    f"{title} holds the folder {wrong!r}, whose name is in an encoding that the archive does not tell; pack it "
                    "again with names in UTF-8 (7-Zip: -mcu=on), or unpack it (unzip -O CP932 for Japanese, CP936 for "
                    "Chinese, CP866 for Russian names) and give the folder"
                )
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


def _tar_members(file: IO[bytes], title: str, allowed: int, into: Path) -> Iterator[Member]:
    try:
        archive = tarfile.open(fileobj=file, mode="r:*", tarinfo=CheckedHeader, encoding="utf-8")  # noqa: SIM115
    except tarfile.ReadError:  # its message lists one failure for each compression
        file.seek(0)
        if file.read(6).startswith(COMPRESSED) and not title.lower().endswith(SUFFIXES):
            raise SourceError(f"{title} is one compressed file and no tar; unpack it and give what is in it") from None
        raise tarfile.ReadError("no tar archive that can be read") from None
    with archive:
        while (info := archive.next()) is not None:
            archive.members = []  # type: ignore[attr-defined]  # tarfile keeps every header: gigabytes for millions
            if info.size < 0:  # an extended header can say so, and send the reader backwards for ever
                raise tarfile.ReadError(f"a member of {info.size} bytes")
            # The position in the unpacked stream counts what is skipped, and the headers, too.
            if info.offset_data + info.size > allowed:
                raise too_large(title, allowed)
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
