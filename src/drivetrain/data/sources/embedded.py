"""Pictures inside a Parquet table become files: once, all or nothing, as archives are unpacked.

They lie in a folder that is named after the table's content, each under the number of its row. A name that comes with a
picture is shown to people, and is no path: nothing is written outside that folder.
"""

from __future__ import annotations

import os
import re
import unicodedata
from collections.abc import Iterator
from pathlib import Path
from typing import IO, Any, NamedTuple

from ...core.errors import SourceError
from ...core.reference import MAX_BYTES
from ...core.scratch import Into
from .unpacked import LIMITS, UnpackLimits, too_large, unpacked_once

BATCH_ROWS = 32
"""Rows that are held in memory at a time; each may be a photo of some megabytes."""

FOLDER_ROWS = 10_000
"""Rows a folder: one with a million files is slow to list on some file systems."""

MAX_NAME = 60

# Signs that stand for themselves in a file's name on every system.
_UNSAFE = re.compile(r"[^\w.()+=,@ -]")


class PictureColumn(NamedTuple):
    """A column that holds pictures; ``nested`` are structs of ``bytes`` and perhaps ``path``, as Hugging Face writes them."""

    name: str
    nested: bool
    has_path: bool


def files_of(
    table: Path, column: PictureColumn, into: Into, title: str, limits: UnpackLimits = LIMITS
) -> dict[int, str]:
    """Row number, from 1 → the file with its picture; rows without bytes are left out.

    Raises:
        SourceError: the table would unpack to too much, or nothing can be written below ``into``.
    """

    def fill(_file: IO[bytes], folder: Path) -> None:
        _extract(table, column, folder, title, limits)

    folder = unpacked_once(table, into, fill, f"pictures 1 {column.name}")
    found: dict[int, str] = {}
    for part in sorted(os.listdir(folder)):  # noqa: PTH208  # a Path for each of a million files takes seconds
        with os.scandir(folder / part) as entries:
            found |= {int(entry.name.partition("-")[0].partition(".")[0]): entry.path for entry in entries}
    return found


def _extract(path: Path, column: PictureColumn, folder: Path, title: str, limits: UnpackLimits) -> None:
    import pyarrow.parquet

    allowed = limits.bytes_for(path.stat().st_size)
    # Neither the file nor a whole row group is ever in memory: pages are read as their rows are asked for.
    with pyarrow.parquet.ParquetFile(path, buffer_size=1 << 20, pre_buffer=False) as table:
        if table.metadata.num_rows > limits.members:
            raise SourceError(f"{title} holds more than {limits.members} rows; give it in several tables")
        if _declared(table.metadata, column.name) > allowed:
            raise too_large(title, allowed)
        written = 0
        for row, data, hint in _pictures(table, column):
            written += len(data)
            if written > allowed or len(data) > MAX_BYTES:
                raise too_large(title, allowed)
            part = folder / f"{row // FOLDER_ROWS:04}"
            part.mkdir(exist_ok=True)
            with (part / _file_name(row, hint)).open("xb") as target:
                target.write(data)


def _declared(metadata: Any, column: str) -> int:
    """The bytes that a column unpacks to, as the file itself says."""
    groups = (metadata.row_group(number) for number in range(metadata.num_row_groups))
    chunks = (group.column(number) for group in groups for number in range(group.num_columns))
    return sum(one.total_uncompressed_size for one in chunks if f"{one.path_in_schema}.".startswith(f"{column}."))


def _pictures(table: Any, column: PictureColumn) -> Iterator[tuple[int, bytes, str]]:
    """Yield row, bytes and name of each picture; the name may be empty."""
    leaves = [f"{column.name}.bytes", *([f"{column.name}.path"] if column.has_path else [])]
    row = 0
    columns = leaves if column.nested else [column.name]
    for batch in table.iter_batches(BATCH_ROWS, columns=columns, use_threads=False):
        for cell in batch.column(0).to_pylist():
            row += 1
            data, hint = (cell.get("bytes"), cell.get("path")) if isinstance(cell, dict) else (cell, None)
            if data:
                yield row, data, hint if isinstance(hint, str) else ""


def _file_name(row: int, hint: str) -> str:
    """The name of a row's file: its number, and what is harmless of the name that came with it.

    >>> _file_name(7, "../../etc/b000.jpg"), _file_name(8, "C:\\\\x\\\\löwe:1?.png"), _file_name(9, "")
    ('0000007-b000.jpg', '0000008-löwe_1_.png', '0000009')
    """
    last = unicodedata.normalize("NFC", re.split(r"[/\\]", hint)[-1].encode("utf-8", "replace").decode())
    plain = _UNSAFE.sub("_", last)[-MAX_NAME:].strip(". ")
    return f"{row:07}-{plain}" if plain else f"{row:07}"
