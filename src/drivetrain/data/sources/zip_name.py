"""The name of a member of a zip: programs write it in many encodings, and most do not say which."""

from __future__ import annotations

import re
import struct
import zipfile
import zlib

_UTF8_FLAG = 0x800
_UNICODE_PATH = 0x7075

# The letters that code pages 437 and 850, those of Windows in America and Western Europe, have at the same places.
_WESTERN = "ÇüéâäàåçêëèïîìÄÅÉæÆôöòûùÿÖÜáíóúñÑß"

# Three of them in a row, or a capital behind a small one, are no name but bytes of something else.
_UNLIKELY = re.compile(rf"[{_WESTERN}]{{3}}|[{''.join(sign for sign in _WESTERN if sign.islower())}][A-Z]")


def zip_name(info: zipfile.ZipInfo) -> str:
    """The name as it was meant, with forward slashes; zipfile's own is cut at a zero byte.

    "Compress-Archive" of Windows PowerShell 5, and old .NET programs, write backslashes between folders.
    """
    return _decoded(info).replace("\\", "/")


def _decoded(info: zipfile.ZipInfo) -> str:
    name = info.orig_filename
    if info.flag_bits & _UTF8_FLAG or name.isascii():
        return name
    raw = name.encode("cp437")
    if told := _unicode_path(info.extra, raw):
        return told
    try:  # macOS writes UTF-8 without marking it, and zipfile has read it as code page 437
        return raw.decode("utf-8")
    except UnicodeError:
        return name


def _unicode_path(extra: bytes, raw: bytes) -> str | None:
    """Read the name in Info-ZIP's "Unicode Path" field, which counts as long as it belongs to the plain name."""
    while len(extra) >= 4:
        kind, size = struct.unpack_from("<HH", extra)
        field, extra = extra[4 : 4 + size], extra[4 + size :]
        if kind == _UNICODE_PATH and len(field) > 5 and field[0] == 1:
            (crc,) = struct.unpack_from("<I", field, 1)
            try:
                return field[5:].decode("utf-8") if crc == zlib.crc32(raw) else None
            except UnicodeDecodeError:
                return None
    return None


def is_guessed_wrongly(info: zipfile.ZipInfo, folder: str) -> bool:
    """Tells whether a folder's name is none that code page 437 would have: it is then in an encoding nobody knows.

    Western names have single accented letters among plain ones; bytes of Japanese, Chinese or Russian names become rows of
    them, and signs.
    """
    if info.flag_bits & _UTF8_FLAG or folder.isascii() or _decoded(info) != info.orig_filename:
        return False
    odd = [sign for sign in folder if not sign.isascii()]
    plain = sum(sign.isascii() and sign.isalpha() for sign in folder)
    return any(sign not in _WESTERN for sign in odd) or len(odd) > plain + 1 or bool(_UNLIKELY.search(folder))
