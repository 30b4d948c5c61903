"""A list of addresses, a line each, or a table with a column ``url``."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path

from ...core.errors import SourceError
from ...core.plain_file import read_plain
from ...data.provenance.line import UNKNOWN_LICENCE
from ...data.sources.delimited import load_delimited
from .found import Found
from .licences import address_of, short_name
from .source import text_of
from .wish import folder_name

_SEPARATORS = {".csv": ",", ".tsv": "\t", ".tab": "\t"}
_URL, _LABEL, _LICENCE = "url", "label", ("licence", "license")


def read_addresses(path: Path) -> tuple[Found, ...]:
    """Read addresses. A table may also have columns ``label``, ``licence``, ``author``, ``title`` and ``page``.

    Raises:
        SourceError: it cannot be read, has no address, or no column ``url``.
    """
    try:
        usual = _SEPARATORS.get(path.suffix.lower())
        found = _lines(path) if usual is None else _rows(path, usual)
    except OSError as error:
        raise SourceError(f"{path} cannot be read ({error.strerror or error}); give a list of addresses") from None
    if not found:
        raise SourceError(f"{path} holds no address; write one a line, or a table with a column url")
    return found


def _lines(path: Path) -> tuple[Found, ...]:
    try:
        text = read_plain(path).decode("utf-8-sig")
    except UnicodeDecodeError:
        raise SourceError(f"{path} is no UTF-8 text; write one address a line") from None
    lines = (line.strip() for line in text.splitlines())
    return tuple(Found(line) for line in lines if line and not line.startswith("#"))


def _rows(path: Path, usual: str) -> tuple[Found, ...]:
    table = load_delimited(path, path.name, usual)
    columns = {column.strip().lower(): column for column in table.columns}
    if _URL not in columns:
        raise SourceError(f"{path} has the columns {', '.join(table.columns)}; one must be called url")
    return tuple(
        _found({name: text for name, column in columns.items() if (text := text_of(cells.get(column)))})
        for _, cells in table.rows
        if text_of(cells.get(columns[_URL]))
    )


def _found(texts: Mapping[str, str]) -> Found:
    stated = next((texts[name] for name in _LICENCE if name in texts), None)
    licence = UNKNOWN_LICENCE if stated is None else short_name(stated)
    return Found(
        texts[_URL],
        page=texts.get("page"),
        licence=licence,
        licence_url=address_of(licence),
        author=texts.get("author"),
        title=texts.get("title"),
        label=folder_name(texts[_LABEL]) if _LABEL in texts else None,
    )
