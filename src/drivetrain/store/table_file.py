"""A table in a file: Parquet or CSV.

Rows pass through in bunches, so memory does not grow with their number, and the file takes its name when it is whole.

A CSV is made to be opened in a spreadsheet, and a text that begins with = + - @ would be calculated there, with whatever a caller
named his file: also in full width, and after blanks, quotation marks and signs that are not seen, which one program or another
skips. Such a text gets an apostrophe in front. Parquet holds every text as it is.
"""

from __future__ import annotations

import csv
import os
import tempfile
import unicodedata
from collections.abc import Iterable, Iterator, Mapping
from contextlib import contextmanager
from itertools import islice
from pathlib import Path
from typing import Any, Literal

from ..core.errors import StoreError, UsageError
from ..core.installation import install_command
from ..core.plain_file import check_writable

_BUNCH = 5000
_OPERATORS = frozenset("=+-@−")
# Unicode categories of letters and signs that show nothing.
_UNSEEN = frozenset("\u115f\u1160\u3164\uffa0\u2800")
_QUOTES = frozenset("'\"`´")

Columns = Mapping[str, Literal["text", "number", "time"]]
"""The names of a table's columns, in their order, and what stands in them."""
Row = Mapping[str, Any]


def write_table(columns: Columns, rows: Iterable[Row], path: Path, mark: str) -> int:
    """Write rows to a file that ends in .parquet or .csv; returns their number.

    ``mark`` is a column that every such table has and no other one: a file without it is somebody's own, and stays.

    Raises:
        UsageError: another ending.
        StoreError: the file cannot be written, or Parquet is asked for and pyarrow is not installed.
    """
    match path.suffix.lower():
        case ".csv":
            write = _write_csv
        case ".parquet":
            write = _write_parquet
        case other:
            raise UsageError(
                f"{path.name[:60]!r} ends in {other or 'nothing'}; give a name that ends in .parquet or .csv"
            )
    try:
        check_writable(path, mark.encode())
        with replacing(path) as unfinished:
            return write(columns, rows, unfinished)
    except OSError as error:
        raise StoreError(f"{path} cannot be written ({error.strerror or error})") from None


@contextmanager
def replacing(path: Path) -> Iterator[Path]:
    """Open a file beside ``path`` that takes its place in the end, or is deleted on an error."""
    handle, name = tempfile.mkstemp(dir=path.absolute().parent, prefix=f".{path.name[:40]}-", suffix=".part")
    os.close(handle)
    unfinished = Path(name)
    try:
        yield unfinished
        with unfinished.open("rb") as file:
            os.fsync(file.fileno())
        unfinished.replace(path)
    finally:
        unfinished.unlink(missing_ok=True)


def _whole(text: str) -> str:
    """Return text that can be written as UTF-8: half of a surrogate pair becomes a �."""
    return text.encode("utf-16", "surrogatepass").decode("utf-16", "replace")


def _write_csv(columns: Columns, rows: Iterable[Row], path: Path) -> int:
    count = 0
    with path.open("w", encoding="utf-8", newline="") as file:
        writer = csv.writer(file)
        writer.writerow(columns)
        for row in rows:
            writer.writerow([_cell(kind, row[name]) for name, kind in columns.items()])
            count += 1
    return count


def _cell(kind: str, value: Any) -> Any:
    if value is None:
        return ""
    if kind == "time":
        return value.isoformat()
    if kind == "text":
        # NULs go, as many readers take one for the end of a text.
        value = _whole(value).replace("\0", "�")
        return f"'{value}" if _may_be_calculated(value) else value
    return value


def _may_be_calculated(text: str) -> bool:
    """Tells whether a spreadsheet might take the text for a formula: any text that does not begin with a plain visible sign."""
    first = text[:1]
    if not first or (first.isascii() and first.isalnum()):
        return False
    # Such beginnings are blanks, control and format characters, combining marks, dashes and quotation marks of every kind.
    if unicodedata.category(first)[0] in "ZCM" or unicodedata.category(first) in ("Pd", "Pi", "Pf"):
        return True
    plain = unicodedata.normalize("NFKC", first)[:1]
    return first in _UNSEEN or plain in _OPERATORS or plain in _QUOTES or plain.isspace()


def _write_parquet(columns: Columns, rows: Iterable[Row], path: Path) -> int:
    try:
        import pyarrow
        import pyarrow.parquet
    except ImportError:
        raise StoreError(
            f"Parquet needs pyarrow, which is not installed; {install_command('parquet')}, or give a name ending in .csv"
        ) from None
    kinds = {
        "text": pyarrow.string(),
        "number": pyarrow.float64(),
        "time": pyarrow.timestamp("us", tz="UTC"),
    }
    schema = pyarrow.schema([(name, kinds[kind]) for name, kind in columns.items()])
    count, waiting = 0, iter(rows)
    with pyarrow.parquet.ParquetWriter(path, schema, compression="zstd") as writer:
        while bunch := list(islice(waiting, _BUNCH)):
            values = {name: [_value(row[name]) for row in bunch] for name in columns}
            writer.write_table(pyarrow.table(values, schema=schema))
            count += len(bunch)
    return count


def _value(value: Any) -> Any:
    return _whole(value) if isinstance(value, str) and not value.isascii() else value
