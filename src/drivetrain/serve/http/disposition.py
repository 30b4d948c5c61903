"""Content-Disposition of a form's part: the field it belongs to, and the name of its file.

Forms of browsers give `filename` alone (RFC 7578). Other clients also send `filename*`, the extended form of RFC 5987, and
some nothing else; it is understood, and wins over `filename`, as RFC 6266 has it for downloads.
"""

from __future__ import annotations

import re
from dataclasses import dataclass
from urllib.parse import unquote_to_bytes

from .problems import Problem

_PARAMETER = re.compile(r';[ \t]*([^\s=;"]+)[ \t]*=[ \t]*("(?:\\.|[^"\\])*"|[^;]*)')
_EXTENDED = re.compile(r"([A-Za-z0-9!#$%&+\-^_`{}~.]*)'([^']*)'(.*)", re.DOTALL)
_BROKEN_ESCAPE = re.compile(rb"%(?![0-9A-Fa-f]{2})")

# RFC 5987 knows the first two; the others are what clients put there.
_CHARSETS = {
    "utf-8": "utf-8",
    "iso-8859-1": "latin-1",
    "utf8": "utf-8",
    "us-ascii": "ascii",
    "windows-1252": "cp1252",
}

_WANTED = "write it as filename*=UTF-8''name.jpg with other signs than letters and digits as %XX, or send filename=\"name.jpg\""


@dataclass(frozen=True)
class Disposition:
    """The name of a part's field; ``file_name`` None is a text field."""

    name: str
    file_name: str | None


def read_disposition(header: bytes) -> Disposition:
    """Read the header of a part.

    >>> read_disposition(b"form-data; name=images; filename*=UTF-8''na%C3%AFve.jpg")
    Disposition(name='images', file_name='naïve.jpg')

    Raises:
        Problem: it is not that of a form's part with a name, or the only file name that it has is malformed (400).
    """
    kind, _, rest = header.decode("latin-1").partition(";")
    given = {found[1].lower(): _unquoted(found[2].strip(" \t")) for found in _PARAMETER.finditer(f";{rest}")}
    if kind.strip(" \t").lower() != "form-data" or "name" not in given:
        raise Problem("bad-request", "a part of the form has no Content-Disposition: form-data with a name")
    name, plain = _text(given["name"]), given.get("filename")
    extended = next((key for key in given if key.startswith("filename*")), None)
    if extended is None:
        return Disposition(name, None if plain is None else _text(plain))
    fault, file_name = _extended(extended, given[extended])
    if fault and plain is not None:
        return Disposition(name, _text(plain))  # as RFC 6266 has it: what is malformed is as if it were not there
    if fault:
        raise Problem("bad-request", f"the part {name[:80]!r} has a {extended[:20]} {fault}; {_WANTED}")
    return Disposition(name, file_name)


def _extended(key: str, value: str) -> tuple[str, str]:
    """Read an extended file name: what is wrong with it, empty where nothing is, and the name."""
    if key != "filename*":
        return "that is cut into pieces", ""
    parts = _EXTENDED.fullmatch(value)
    if parts is None:
        return "without a charset and two apostrophes before the name", ""
    charset = _CHARSETS.get(parts[1].lower())
    if charset is None:
        return f"of the charset {parts[1][:20]!r}, which is not UTF-8" if parts[1] else "that names no charset", ""
    raw = parts[3].encode("latin-1")
    if _BROKEN_ESCAPE.search(raw):
        return "with a % that two hexadecimal digits do not follow", ""
    try:
        return "", unquote_to_bytes(raw).decode(charset)
    except UnicodeDecodeError:
        return f"that is not {parts[1]}, as it says", ""


def _unquoted(value: str) -> str:
    """Take the quotes from a value; only quotes and backslashes are escaped, as some browsers send folders of Windows."""
    if len(value) >= 2 and value[0] == value[-1] == '"':
        return re.sub(r'\\(["\\])', r"\1", value[1:-1])
    return value


def _text(value: str) -> str:
    return value.encode("latin-1").decode("utf-8", "replace")
