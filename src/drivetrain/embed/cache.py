"""The embedding cache: what was learnt of a file's bytes, kept by their hash.

One SQLite database in WAL mode under the user's cache folder: several processes may share it, a process killed at any
moment leaves it whole, and what was committed is found again. Every row carries a checksum; a row that fails it counts
as absent and is computed anew. When the database itself cannot be used (damaged, read-only, disk full), it is set
aside or done without, with one line to say so: a cache may cost time, never a result.
"""

from __future__ import annotations

import json
import os
import sqlite3
import time
import zlib
from collections.abc import Callable, Iterable, Sequence
from dataclasses import asdict, dataclass
from pathlib import Path

import numpy as np
import platformdirs

from ..core.types import FloatArray, ImageFacts

FILE_NAME = "embeddings.sqlite"
ENVIRONMENT = "DRIVETRAIN_CACHE"
# Part of every facts key: bump it when decoding or fingerprinting changes its results.
FACTS_VERSION = 1

_SCHEMA = """
CREATE TABLE IF NOT EXISTS entry (
    sha256 TEXT NOT NULL, kind TEXT NOT NULL, value BLOB NOT NULL, crc INTEGER NOT NULL, used_s INTEGER NOT NULL,
    PRIMARY KEY (sha256, kind)
) WITHOUT ROWID;
"""


@dataclass(frozen=True)
class Failure:
    """A file that could not be decoded, remembered so that it is not tried again."""

    reason: str
    detail: str


Facts = ImageFacts | Failure


@dataclass(frozen=True)
class CacheInfo:
    """Where the cache is and how much it holds."""

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
    ) -> None:
        """Open the cache in ``folder``, or in memory for None (or where the folder cannot be used)."""
        self.path = folder / FILE_NAME if folder else None
        self._warn = warn
        self._clock = clock
        self._db = self._open()

    def _open(self) -> sqlite3.Connection:
        if self.path is None:
            return _connect(":memory:")
        try:
            self.path.parent.mkdir(parents=True, exist_ok=True)
            return _connect(str(self.path))
        except sqlite3.OperationalError as error:
            return self._without(f"{self.path} cannot be opened ({error})")
        except sqlite3.DatabaseError as error:
            return self._set_aside(error)
        except OSError as error:
            return self._without(f"{self.path.parent} cannot be made ({error.strerror})")

    def _without(self, why: str) -> sqlite3.Connection:
        self._warn(f"working without a cache: {why}")
        self.path = None
        return _connect(":memory:")

    def _set_aside(self, error: sqlite3.DatabaseError) -> sqlite3.Connection:
        assert self.path is not None
        aside = self.path.with_name(f"{FILE_NAME}.damaged-{int(self._clock())}")
        try:
            self.path.rename(aside)
            for suffix in ("-wal", "-shm"):
                self.path.with_name(FILE_NAME + suffix).unlink(missing_ok=True)
            self._warn(f"the cache was damaged ({error}); it is kept as {aside.name} and a new one is begun")
            return _connect(str(self.path))
        except (OSError, sqlite3.Error):
            return self._without(f"{self.path} is damaged ({error})")

    def facts(self, hashes: Sequence[str], decode_key: str) -> dict[str, Facts]:
        """What is known of the files with these hashes, decoded the way ``decode_key`` names."""
        found: dict[str, Facts] = {}
        for sha256, value in self._get(hashes, _facts_kind(decode_key)).items():
            fields = json.loads(value)
            if "reason" in fields:
                found[sha256] = Failure(**fields)
            else:
                found[sha256] = ImageFacts(sha256=sha256, dct=bytes.fromhex(fields.pop("dct")), **fields)
        return found

    def features(self, hashes: Sequence[str], recipe_key: str, width: int) -> dict[str, FloatArray]:
        """Embeddings of the files with these hashes, (width,) float32 each."""
        found = self._get(hashes, recipe_key)
        return {sha: np.frombuffer(value, np.float32) for sha, value in found.items() if len(value) == 4 * width}

    def put(
        self,
        decode_key: str,
        facts: Iterable[tuple[str, Facts]],
        features: Iterable[tuple[str, str, FloatArray]],
    ) -> None:
        """Store facts (hash, facts) and embeddings (hash, recipe key, vector) in one transaction."""
        rows: list[tuple[str, str, bytes]] = []
        for sha256, fact in facts:
            fields = asdict(fact)
            fields.pop("sha256", None)
            if isinstance(fact, ImageFacts):
                fields["dct"] = fact.dct.hex()
            rows.append((sha256, _facts_kind(decode_key), json.dumps(fields).encode()))
        rows += [(sha256, key, vector.tobytes()) for sha256, key, vector in features]
        self._put(rows)

    def note(self, name: str) -> str | None:
        """A small fact about this machine, kept beside the embeddings (such as a measured speed)."""
        found = self._get([name], "note")
        return found[name].decode() if name in found else None

    def set_note(self, name: str, text: str) -> None:
        """Keep a small fact about this machine."""
        self._put([(name, "note", text.encode())])

    def info(self) -> CacheInfo:
        """Size and contents."""
        images = self._db.execute("SELECT count(*) FROM entry WHERE kind LIKE 'facts-%'").fetchone()[0]
        vectors = self._db.execute(
            "SELECT count(*) FROM entry WHERE kind NOT LIKE 'facts-%' AND kind <> 'note'"
        ).fetchone()[0]
        size = sum(file.stat().st_size for file in self.path.parent.glob(f"{FILE_NAME}*")) if self.path else 0
        return CacheInfo(str(self.path or "in memory"), size, images, vectors)

    def prune(self, unused_days: float) -> int:
        """Forget what was not used for so many days; returns the number of entries."""
        oldest = int(self._clock() - unused_days * 86_400)
        with self._db:
            count = self._db.execute("DELETE FROM entry WHERE used_s <= ?", (oldest,)).rowcount
        self._db.execute("VACUUM")
        self._db.execute("PRAGMA wal_checkpoint(TRUNCATE)")
        return count

    def close(self) -> None:
        """Close the database; what was put is kept."""
        self._db.close()

    def _get(self, names: Sequence[str], kind: str) -> dict[str, bytes]:
        found: dict[str, bytes] = {}
        try:
            for start in range(0, len(names), 500):
                part = names[start : start + 500]
                marks = ",".join("?" * len(part))
                query = f"SELECT sha256, value, crc FROM entry WHERE kind = ? AND sha256 IN ({marks})"
                for name, value, crc in self._db.execute(query, (kind, *part)):
                    if zlib.crc32(value) == crc:
                        found[name] = value
            self._touch(list(found), kind)
        except sqlite3.DatabaseError as error:
            if "locked" not in str(error):
                self._db.close()
                self._db = self._set_aside(error) if self.path else self._without(str(error))
        return found

    def _touch(self, names: Sequence[str], kind: str) -> None:
        """Record the use, to the day: pruning needs no more, and most reads then need no write."""
        now_s = int(self._clock())
        if not names or self.path is None:
            return
        probe = self._db.execute("SELECT used_s FROM entry WHERE sha256 = ? AND kind = ?", (names[0], kind)).fetchone()
        if probe and now_s - probe[0] < 86_400:
            return
        try:
            with self._db:
                self._db.executemany(
                    "UPDATE entry SET used_s = ? WHERE sha256 = ? AND kind = ?", [(now_s, name, kind) for name in names]
                )
        except sqlite3.OperationalError:
            return  # read-only or full: the date of use is not worth a word

    def _put(self, rows: list[tuple[str, str, bytes]]) -> None:
        now_s = int(self._clock())
        entries = [(name, kind, value, zlib.crc32(value), now_s) for name, kind, value in rows]
        try:
            with self._db:
                self._db.executemany("INSERT OR REPLACE INTO entry VALUES (?, ?, ?, ?, ?)", entries)
        except sqlite3.OperationalError as error:
            # Full disk, read-only folder, locked beyond patience: the run goes on with what it has in memory.
            if self.path is not None:
                self._db.close()
                self._db = self._without(f"{self.path} cannot be written ({error})")


def _facts_kind(decode_key: str) -> str:
    return f"facts-{FACTS_VERSION}-{decode_key}"


def _connect(path: str) -> sqlite3.Connection:
    db = sqlite3.connect(path, timeout=30.0)
    try:
        if path != ":memory:":
            db.execute("PRAGMA journal_mode = WAL")
            # In WAL mode NORMAL survives a killed process; only a power cut may lose the last commits, never the file.
            db.execute("PRAGMA synchronous = NORMAL")
        db.executescript(_SCHEMA)
    except sqlite3.Error:
        db.close()
        raise
    return db
