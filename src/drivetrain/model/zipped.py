"""Reading a zip that may be hostile: its directory and its members in bounded pieces."""

from __future__ import annotations

import io
import zipfile
from collections.abc import Iterator
from contextlib import contextmanager

from ..core.errors import ChecksumError

_CHUNK_BYTES = 1 << 20


class _InPieces(io.BufferedReader):
    """A file in a zip that is read a bounded piece at a time.

    zipfile reads a zip's directory at once, as long as the zip says that it is, and makes an object of every entry; a
    million of them take a gigabyte. A bundle's directory fits into one piece, and so does all else that is read here.
    """

    def read(self, size: int | None = -1, /) -> bytes:
        """Read at most ``size`` bytes; a negative size reads the rest.

        Raises:
            zipfile.BadZipFile: that is more than a piece.
        """
        wanted = _CHUNK_BYTES + 1 if size is None or size < 0 else size
        data = super().read(min(wanted, _CHUNK_BYTES + 1))
        if len(data) > _CHUNK_BYTES:
            raise zipfile.BadZipFile("its directory is far longer than a bundle's")
        return data


@contextmanager
def open_zip(file: io.BufferedReader) -> Iterator[zipfile.ZipFile]:
    """Open the zip in a file just opened.

    Raises:
        zipfile.BadZipFile: it is none, or its directory is far longer than a bundle's.
    """
    with _InPieces(file.raw) as pieces, zipfile.ZipFile(pieces) as archive:
        yield archive


def member_bytes(archive: zipfile.ZipFile, name: str, most: int, where: str) -> bytes:
    """Read a member of at most ``most`` bytes; ``where`` names the zip in messages.

    Raises:
        KeyError: there is no such member.
        ChecksumError: it is larger, encrypted, or compressed by a method that cannot be read in bounded pieces.
    """
    entry = archive.getinfo(name)
    if entry.flag_bits & 1:
        raise ChecksumError(f"{where}: {name} is encrypted; zip the bundle without a password")
    # Other methods of zipfile cannot be read in bounded pieces: a few packed bytes may hold gigabytes.
    if entry.compress_type not in (zipfile.ZIP_STORED, zipfile.ZIP_DEFLATED):
        raise ChecksumError(f"{where}: {name} uses compression method {entry.compress_type}; zip it with “deflate”")
    if entry.file_size > most:
        raise _too_much(where, most)
    # The size in the header may lie, so the bytes themselves are counted, a piece at a time.
    data = bytearray()
    with archive.open(entry) as file:
        while piece := file.read(_CHUNK_BYTES):
            data += piece
            if len(data) > most:
                raise _too_much(where, most)
    return bytes(data)


def _too_much(where: str, most: int) -> ChecksumError:
    return ChecksumError(f"{where} unpacks to more than {most >> 20} MiB, too much for its size")
