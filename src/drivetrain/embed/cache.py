"""The embedding cache: facts and embeddings of a file's bytes, kept by their hash.

One SQLite database in WAL mode under the user's cache folder: several processes may share it, a process killed at any
moment leaves it whole, and what was committed is found again. Every row carries a checksum; a row that fails it counts
as absent and is computed anew. When the database itself cannot be used (damaged, read-only, disk full, locked), it is
set aside, done without or waited for in passing, with one line to say so: a cache may cost time, never a result.
"""

from __future__ import annotations

import json
import os
import sqlite3
import time
import zlib
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import asdict, dataclass
from pathlib import Path

import numpy as np
import PIL
import platformdirs

from ..core.errors import CacheError
from ..core.types import FloatArray, ItemFacts
from ..data.preparation import Preparation

FILE_NAME = "embeddings.sqlite"
ENVIRONMENT = "DRIVETRAIN_CACHE"
ELSEWHERE = f"name another folder with --cache or ${ENVIRONMENT}"
# Part of every facts key: bump it when decoding or fingerprinting changes its results.
FACTS_VERSION = 2

# Columns of the facts that every input has; their names are from the first version, which knew images only.
_CONTENT, _FINGERPRINT = "pixels_sha256", "dct"

# Seconds that another process may hold the database before this one goes on without waiting.
PATIENCE_S = 10.0
DAY_S = 86_400

_SCHEMA = """
CREATE TABLE IF NOT EXISTS entry (
    sha256 TEXT NOT NULL, kind TEXT NOT NULL, value BLOB NOT NULL, crc INTEGER NOT NULL, used_s INTEGER NOT NULL,
    PRIMARY KEY (sha256, kind)
) WITHOUT ROWID;
"""
_COLUMNS = ("sha256", "kind", "value", "crc", "used_s")

# Names looked up at a time; SQLite's limit of variables was 999 until 2020.
_NAMES_A_QUERY = 500


@dataclass(frozen=True)
class Failure:
    """A file that could not be decoded, remembered so that it is not tried again (by the same version of Pillow)."""

    reason: str
    detail: str


Facts = ItemFacts | Failure


@dataclass(frozen=True)
class CacheInfo:
    """The cache's place and the amount it holds."""

    path: str
    bytes: int
    images: int
    embeddings: int


def default_folder() -> Path:
    """``$DRIVETRAIN_CACHE``, or the platform's cache folder for this program."""
    return Path(os.environ.get(ENVIRONMENT) or platformdirs.user_cache_dir("drivetrain"))


class EmbeddingCache:
    """Key–value store: file hash × kind → checked bytes. Used from one thread."""

    def __init__(
        self,
        folder: Path | None,
        warn: Callable[[str], None] = lambda _line: None,
        clock: Callable[[], float] = time.time,
        patience_s: float = PATIENCE_S,
    ) -> None:
        """Open the cache in ``folder``, or in memory for None (or where the folder cannot be used)."""
        self.path = folder / FILE_NAME if folder else None
        self._warn = warn
        self._clock = clock
        self._patience_s = patience_s
        self._unwritten: dict[tuple[str, str], bytes] = {}
        """(name, kind) → value: put, but not in the database yet, which is locked or cannot be written."""
        self._writable = True
        self._locked = False
        self._db = self._open()

    def _open(self) -> sqlite3.Connection:
        if self.path is None:
            return _connect(":memory:", 0)
        try:
            self.path.parent.mkdir(parents=True, exist_ok=True)
            return _connect(str(self.path), self._patience_s)
        except sqlite3.OperationalError as error:
            return self._without(f"{self.path} cannot be opened ({error})")
        except sqlite3.DatabaseError as error:
            return self._set_aside(error)
        except (OSError, ValueError) as error:
            return self._without(f"{self.path.parent} cannot be made ({getattr(error, 'strerror', None) or error})")

    def _without(self, why: str) -> sqlite3.Connection:
        self._warn(f"working without a cache: {why}; {ELSEWHERE}")
        self.path = None
        return _connect(":memory:", 0)

    def _set_aside(self, error: sqlite3.DatabaseError) -> sqlite3.Connection:
        assert self.path is not None
        aside = self.path.with_name(f"{FILE_NAME}.damaged-{int(self._clock())}")
        try:
            self.path.rename(aside)
            for suffix in ("-wal", "-shm"):
                self.path.with_name(FILE_NAME + suffix).unlink(missing_ok=True)
            fresh = _connect(str(self.path), self._patience_s)
        except (OSError, sqlite3.Error):
            return self._without(f"{self.path} is damaged ({error})")
        self._warn(f"the cache was damaged ({error}); it is kept as {aside.name} and a new one is begun")
        return fresh

    def facts(self, hashes: Sequence[str], preparation: Preparation) -> dict[str, Facts]:
        """Look up the facts of the files with these hashes, as read by ``preparation``."""
        found: dict[str, Facts] = {}
        for sha256, value in self._get(hashes, _facts_kind(preparation)).items():
            known = _parse_facts(sha256, value, preparation)
            if known is not None:
                found[sha256] = known
        return found

    def features(self, hashes: Sequence[str], recipe_key: str, width: int) -> dict[str, FloatArray]:
        """Look up the embeddings of the files with these hashes, (width,) float32 each."""
        found = self._get(hashes, recipe_key)
        return {sha: np.frombuffer(value, np.float32) for sha, value in found.items() if len(value) == 4 * width}

    def put(
        self,
        preparation: Preparation,
        facts: Iterable[tuple[str, Facts]],
        features: Iterable[tuple[str, str, FloatArray]],
    ) -> None:
        """Store facts (hash, facts) and embeddings (hash, recipe key, vector) in one transaction."""
        rows = [(sha256, _facts_kind(preparation), _facts_value(fact)) for sha256, fact in facts]
        rows += [(sha256, key, vector.tobytes()) for sha256, key, vector in features]
        self._put(rows)

    def note(self, name: str) -> str | None:
        """Return a small fact kept beside the embeddings, such as a network's multiply-adds."""
        found = self._get([name], "note")
        return found[name].decode() if name in found else None

    def set_note(self, name: str, text: str) -> None:
        """Keep a small fact."""
        self.set_notes({name: text})

    def notes(self, names: Sequence[str]) -> dict[str, str]:
        """Return those small facts that are kept, by name."""
        return {name: value.decode() for name, value in self._get(names, "note").items()}

    def set_notes(self, texts: Mapping[str, str]) -> None:
        """Keep small facts in one transaction."""
        self._put([(name, "note", text.encode()) for name, text in texts.items()])

    def info(self) -> CacheInfo:
        """Size and contents.

        Raises:
            CacheError: the database cannot be read.
        """
        try:
            (images,) = self._db.execute(
                "SELECT count(DISTINCT sha256) FROM entry WHERE kind LIKE 'facts-%'"
            ).fetchone()
            (vectors,) = self._db.execute(
                "SELECT count(*) FROM entry WHERE kind NOT LIKE 'facts-%' AND kind <> 'note'"
            ).fetchone()
            size = sum(file.stat().st_size for file in self.path.parent.glob(f"{FILE_NAME}*")) if self.path else 0
        except (sqlite3.Error, OSError) as error:
            raise CacheError(
                f"{self.path} cannot be read ({error}); try again, delete it, or name another folder with --cache"
            ) from None
        return CacheInfo(str(self.path or "in memory"), size, images, vectors)

    def prune(self, unused_days: float) -> int:
        """Forget what was not used for so many days, and databases set aside as damaged; returns the number of entries.

        Raises:
            CacheError: the database cannot be written just now.
        """
        oldest = int(self._clock() - unused_days * DAY_S)
        try:
            with self._db:
                count = self._db.execute("DELETE FROM entry WHERE used_s <= ?", (oldest,)).rowcount
        except sqlite3.Error as error:
            if _is_locked(error):
                raise CacheError(
                    f"{self.path} cannot be tidied ({error}); try again when no other run uses it"
                ) from None
            raise CacheError(
                f"{self.path} cannot be tidied ({error}); delete it, as all in it can be made anew, or name another folder with "
                "--cache"
            ) from None
        try:
            self._db.execute("VACUUM")
            self._db.execute("PRAGMA wal_checkpoint(TRUNCATE)")
            for aside in self.path.parent.glob(f"{FILE_NAME}.damaged-*") if self.path else ():
                aside.unlink(missing_ok=True)
        except (sqlite3.Error, OSError):
            return count  # the database is in use, or the disk is too full to pack it; the next entries reuse the space anyhow
        return count

    def close(self) -> None:
        """Close the database; entries that were put are kept."""
        if self._unwritten and self._writable:
            self._wait(self._patience_s)
            self._write()
        if self._unwritten and self._writable:
            self._warn(f"{self.path} stayed locked: {len(self._unwritten)} new entries are not kept")
        self._db.close()

    def _get(self, names: Sequence[str], kind: str) -> dict[str, bytes]:
        found: dict[str, bytes] = {}
        stale: list[str] = []
        stale_s = int(self._clock()) - DAY_S
        try:
            for start in range(0, len(names), _NAMES_A_QUERY):
                part = names[start : start + _NAMES_A_QUERY]
                marks = ",".join("?" * len(part))
                # The cast is there because in a damaged page a value may have become a number or a text.
                query = (
                    "SELECT sha256, CAST(value AS BLOB), crc, used_s <= ? FROM entry "
                    f"WHERE kind = ? AND sha256 IN ({marks})"
                )
                for name, value, crc, is_stale in self._db.execute(query, (stale_s, kind, *part)):
                    if value is not None and zlib.crc32(value) == crc:
                        found[name] = value
                        if is_stale:
                            stale.append(name)
            self._touch(stale, kind)
        except sqlite3.DatabaseError as error:
            self._recover(error)
        found.update({name: self._unwritten[name, kind] for name in names if (name, kind) in self._unwritten})
        return found

    def _touch(self, names: Sequence[str], kind: str) -> None:
        """Record the use, to the day: pruning needs no more, and most reads then need no write."""
        if not names or not self._writable:
            return
        now_s = int(self._clock())
        self._wait(0)
        try:
            with self._db:
                self._db.executemany(
                    "UPDATE entry SET used_s = ? WHERE sha256 = ? AND kind = ?", [(now_s, name, kind) for name in names]
                )
        except sqlite3.OperationalError:
            return  # the database is locked, read-only or full, and the date of use is not worth a message
        finally:
            self._wait(0 if self._locked else self._patience_s)

    def _put(self, rows: list[tuple[str, str, bytes]]) -> None:
        self._unwritten.update({(name, kind): value for name, kind, value in rows})
        if self._writable:
            self._write()

    def _write(self) -> None:
        """Write the unwritten entries. Where that fails, they stay in memory, and the run goes on."""
        now_s = int(self._clock())
        entries = ((name, kind, value, zlib.crc32(value), now_s) for (name, kind), value in self._unwritten.items())
        try:
            with self._db:
                self._db.executemany("INSERT OR REPLACE INTO entry VALUES (?, ?, ?, ?, ?)", entries)
        except sqlite3.DatabaseError as error:
            self._recover(error)
            return
        self._unwritten.clear()
        if self._locked:
            self._locked = False
            self._wait(self._patience_s)

    def _recover(self, error: sqlite3.DatabaseError) -> None:
        """Recover from a failed read or write: make the next one possible, or needless."""
        if isinstance(error, sqlite3.ProgrammingError):
            raise error  # the cache was used after `close`, or from another thread, which is a mistake of ours
        if _is_locked(error):
            if not self._locked:
                self._warn(f"{self.path} is locked by another program; going on, to write when it lets go")
            self._locked = True  # waiting ends here, as every chunk of images would wait as long again
            self._wait(0)
        elif isinstance(error, sqlite3.OperationalError):
            # The disk is full, read-only or unreadable: old entries may still be read, new ones stay in memory.
            if self._writable:
                self._warn(f"{self.path} cannot be used fully ({error}); what is new is not kept; {ELSEWHERE}")
            self._writable = False
        elif self.path is None:
            raise error
        else:
            self._db.close()
            self._db = self._set_aside(error)

    def _wait(self, seconds: float) -> None:
        self._db.execute(f"PRAGMA busy_timeout = {int(seconds * 1000)}")


def _facts_kind(preparation: Preparation) -> str:
    return f"facts-{FACTS_VERSION}-{preparation.reading}"


def _facts_value(facts: Facts) -> bytes:
    values: dict[str, object]
    if isinstance(facts, ItemFacts):
        values = {**facts.details, _CONTENT: facts.content_sha256}
        if facts.fingerprint is not None:
            values[_FINGERPRINT] = facts.fingerprint.hex()
    else:
        values = {**asdict(facts), "pillow": PIL.__version__}
    return json.dumps(values).encode()


def _parse_facts(sha256: str, value: bytes, preparation: Preparation) -> Facts | None:
    """Read facts from a row; None where another version wrote the row, or another Pillow found the file undecodable."""
    try:
        values = json.loads(value)
        if "reason" in values:
            current = values.pop("pillow", None) == PIL.__version__
            return Failure(**values) if current else None
        content = values.pop(_CONTENT)
        fingerprint = bytes.fromhex(values.pop(_FINGERPRINT)) if preparation.fingerprint_bytes else None
    except (ValueError, TypeError, KeyError, AttributeError):
        return None
    as_stated = {name: type(detail) for name, detail in values.items()} == dict(preparation.details)
    if not as_stated or type(content) is not str or len(fingerprint or b"") != preparation.fingerprint_bytes:
        return None
    return ItemFacts(sha256, content, values, fingerprint)


def _connect(path: str, patience_s: float) -> sqlite3.Connection:
    # With IMMEDIATE, a write that would have to wait says so at its start, before any work.
    db = sqlite3.connect(path, timeout=patience_s, isolation_level="IMMEDIATE")
    deadline_s = time.monotonic() + patience_s
    try:
        while True:
            try:
                _prepare(db)
                return db
            except sqlite3.OperationalError as error:
                # Where several processes make the database at once, SQLite reports the lock without waiting for it.
                if not _is_locked(error) or time.monotonic() >= deadline_s:
                    raise
                time.sleep(0.02)
    except sqlite3.Error:
        db.close()
        raise


def _prepare(db: sqlite3.Connection) -> None:
    # A database in memory ignores both pragmas.
    db.execute("PRAGMA journal_mode = WAL")
    # In WAL mode NORMAL survives a killed process; only a power cut may lose the last commits, never the file.
    db.execute("PRAGMA synchronous = NORMAL")
    db.executescript(_SCHEMA)
    columns = tuple(row[1] for row in db.execute("PRAGMA table_info(entry)"))
    if columns != _COLUMNS:
        raise sqlite3.DatabaseError(f"not a cache: its columns are {', '.join(columns)}")


def _is_locked(error: sqlite3.Error) -> bool:
    code = getattr(error, "sqlite_errorcode", 0)  # the attribute is absent where Python, not SQLite, found the fault
    return code & 0xFF in (sqlite3.SQLITE_BUSY, sqlite3.SQLITE_LOCKED)  # the low byte is the class of the error
