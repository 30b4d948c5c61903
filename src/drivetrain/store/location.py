"""The location of a store: a path, or a URL as SQLAlchemy writes them."""

from __future__ import annotations

import re
from dataclasses import dataclass
from pathlib import Path
from urllib.parse import parse_qsl

from sqlalchemy import URL
from sqlalchemy.engine import make_url
from sqlalchemy.exc import ArgumentError

from ..core.errors import UsageError

_POSTGRES = {"postgresql", "postgres", "postgresql+psycopg"}
_SYNCHRONOUS = {"normal", "full", "extra"}
_FORMS = "give a path, sqlite:///PATH or postgresql://USER@HOST/NAME"
_SCHEME = re.compile(r"([A-Za-z][A-Za-z0-9+.-]*):(?=/)")


@dataclass(frozen=True)
class Location:
    """A store's location; ``shown`` carries neither user nor password, so that it may be printed and logged."""

    shown: str
    path: Path | None
    """The file of SQLite; None for PostgreSQL."""
    url: URL
    synchronous: str = "normal"
    """SQLite's setting: ``normal`` may lose the last moments to a power cut, ``full`` waits for the disk."""


def locate(place: str | Path) -> Location:
    """Read the location that ``place`` points to.

    Raises:
        UsageError: neither a path nor a URL of SQLite or PostgreSQL.
    """
    if isinstance(place, Path):
        return _file(str(place), "normal")
    text = place.strip()
    scheme = _SCHEME.match(text)
    # A scheme of one letter is a drive of Windows.
    if scheme is None or len(scheme[1]) == 1:
        return _file(text, "normal")
    name = scheme[1].lower()
    if name in {"sqlite", "sqlite+pysqlite"}:
        return _sqlite(text[scheme.end() :])
    if name in _POSTGRES:
        return _postgres(text[scheme.end() :])
    raise UsageError(f"a store cannot be a {name} URL; {_FORMS}")


def _file(text: str, synchronous: str) -> Location:
    if not text or "\0" in text or text == ":memory:":
        raise UsageError(f"{text!r} names no file for a store; {_FORMS}")
    path = Path(text).expanduser().absolute()
    return Location(str(path), path, URL.create("sqlite+pysqlite", database=str(path)), synchronous)


def _sqlite(rest: str) -> Location:
    """Read SQLite's form: ``///relative`` or ``////absolute``, and ``?synchronous=full``."""
    name, _, query = rest.partition("?")
    if not name.startswith("///"):
        raise UsageError(
            "a URL of SQLite has three slashes and a path: sqlite:///store.sqlite, sqlite:////data/store.sqlite"
        )
    options = dict(parse_qsl(query, keep_blank_values=True))
    synchronous = options.pop("synchronous", "normal").lower()
    if options or synchronous not in _SYNCHRONOUS:
        raise UsageError(f"after ? a URL of SQLite takes synchronous=normal, full or extra, not {query[:60]!r}")
    return _file(name.removeprefix("///"), synchronous)


def _postgres(rest: str) -> Location:
    # An unescaped @ or / in a password would make part of it a host, which error messages name.
    authority = rest.removeprefix("//").partition("?")[0]
    if authority.count("@") > 1 or "/" in authority.rpartition("@")[0]:
        raise UsageError("a URL of PostgreSQL holds a user or password with @ or / in it; write them as %40 and %2F")
    try:
        url = make_url(f"postgresql+psycopg:{rest}")
        port = f":{url.port}" if url.port else ""
    except (ArgumentError, ValueError):
        raise UsageError(f"the store's URL of PostgreSQL cannot be read; {_FORMS}") from None
    return Location(f"postgresql://{url.host or ''}{port}/{url.database or ''}", None, url)
