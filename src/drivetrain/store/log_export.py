"""The log of a rollout as a file of JSON lines, which can be verified by itself."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

from ..core.errors import StoreError, UsageError
from ..core.log_chain import chained
from ..core.log_text import of_text, to_text
from ..core.plain_file import check_writable, open_plain
from ..core.rollout_port import RolloutStore
from ..core.rollout_records import GENESIS, LogLine
from .table_file import replacing

_MARK = b'"hash":"'
_LONGEST = 16 << 20


@dataclass(frozen=True, slots=True)
class LogEnd:
    """The last line of a log that was verified: whoever knows its hash knows every line before it."""

    number: int
    """The lines there are."""
    hash: str


def export_log(store: RolloutStore, rollout_id: str, path: Path) -> LogEnd:
    """Verify a rollout's log and write it to a file, which takes its name when it is whole.

    Raises:
        UsageError: there is no such rollout.
        StoreError: a line was changed or is missing, or the file cannot be written.
    """
    end = LogEnd(0, GENESIS)
    try:
        check_writable(path, _MARK)
        with replacing(path) as unfinished, unfinished.open("w", encoding="ascii", newline="\n") as file:
            for line in store.verify_log(rollout_id):
                file.write(to_text(line) + "\n")
                end = LogEnd(line.number, line.hash)
    except OSError as error:
        raise StoreError(f"{path} cannot be written ({error.strerror or error})") from None
    return end


def verify_file(path: Path) -> LogEnd:
    """Verify a log that was exported.

    That lines are missing at the end shows in the hash of the last line alone, see `is_beginning`.

    Raises:
        UsageError: there is no such file, or it is no log.
        StoreError: a line was changed, left out, put in later or moved; says which.
    """
    end = LogEnd(0, GENESIS)
    for line in chained(_lines(path), str(path)):
        end = LogEnd(line.number, line.hash)
    if end.number == 0:
        raise UsageError(f"{path} holds no line of a log")
    return end


def is_beginning(store: RolloutStore, rollout_id: str, end: LogEnd) -> bool:
    """Tells whether the log in a store begins with the very lines of a file that was verified."""
    lines = store.lines(rollout_id, end.number - 1, 1)
    return bool(lines) and (lines[0].number, lines[0].hash) == (end.number, end.hash)


def _lines(path: Path) -> Iterator[LogLine]:
    try:
        with open_plain(path) as file:
            place = 0
            while text := file.readline(_LONGEST):
                place += 1
                try:
                    yield of_text(text.decode("ascii"))
                except ValueError as error:
                    if place == 1:
                        raise UsageError(f"{path} is not the exported log of a rollout") from None
                    raise StoreError(f"{path}: line {place} cannot be read, or was cut ({str(error)[:100]})") from None
    except OSError as error:
        raise UsageError(f"{path} cannot be read ({error.strerror or error})") from None
