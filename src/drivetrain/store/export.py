"""Records as a table in a file: Parquet or CSV.

One row a record, one column a value; what has no fixed columns (the codes of reasons, probabilities, labels, numbers with
their intervals, an input's facts, the caller's own values) is JSON text. Records pass through in bunches, so memory does not
grow with their number, and the file takes its name when it is whole.

A CSV is made to be opened in a spreadsheet, and a text that begins with = + - @ would be calculated there, with whatever a caller
named his file: also in full width, and after blanks, quotation marks and signs that are not seen, which one program or another
skips. Such a text gets an apostrophe in front. Parquet holds every text as it is.
"""

from __future__ import annotations

import csv
import json
import math
import os
import tempfile
import unicodedata
from collections.abc import Iterable, Iterator
from contextlib import contextmanager
from itertools import islice
from pathlib import Path
from typing import Any

from ..core.errors import StoreError, UsageError
from ..core.installation import install_command
from ..core.plain_file import check_writable
from ..core.records import Record
from .rows import extra_text

_BUNCH = 5000
_OPERATORS = frozenset("=+-@−")
# Unicode categories of letters and signs that show nothing.
_UNSEEN = frozenset("\u115f\u1160\u3164\uffa0\u2800")
_QUOTES = frozenset("'\"`´")

_KINDS = {
    "id": "text",
    "request_id": "text",
    "at": "time",
    "model": "text",
    "bundle_id": "text",
    "path": "text",
    "verdict": "text",
    "reasons": "text",
    "label": "text",
    "labels": "text",
    "confidence": "number",
    "p_in_domain": "number",
    "probs": "text",
    "values": "text",
    "error": "text",
    "camera": "text",
    "site": "text",
    "group": "text",
    "taken_at": "text",
    "extra": "text",
    "input_sha256": "text",
    "facts": "text",
    "queue_s": "number",
    "decode_s": "number",
    "network_s": "number",
    "total_s": "number",
    "key_id": "text",
}
COLUMNS = tuple(_KINDS)


def export(records: Iterable[Record], path: Path) -> int:
    """Write ``records`` to a file that ends in .parquet or .csv; returns their number.

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
        check_writable(path, b"request_id")  # a column of every export, and of no other table
        with _replacing(path) as unfinished:
            return write(map(_row, records), unfinished)
    except OSError as error:
        raise StoreError(f"{path} cannot be written ({error.strerror or error})") from None


@contextmanager
def _replacing(path: Path) -> Iterator[Path]:
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


def _row(record: Record) -> dict[str, Any]:
    prediction, context, timings = record.prediction, record.context, record.timings
    intervals = {
        name: {"value": _finite(v.value), "low": _finite(v.low), "high": _finite(v.high), "method": v.method}
        for name, v in prediction.values.items()
    }
    return {
        "id": record.id,
        "request_id": record.request_id,
        "at": record.at,
        "model": record.model,
        "bundle_id": prediction.bundle_id,
        "path": prediction.path,
        "verdict": prediction.verdict.value,
        "reasons": _json([reason.code for reason in prediction.reasons]) if prediction.reasons else None,
        "label": prediction.label,
        "labels": _json(prediction.labels) if prediction.labels else None,
        "confidence": _finite(prediction.confidence),
        "p_in_domain": _finite(prediction.p_in_domain),
        "probs": _json({name: _finite(p) for name, p in prediction.probs.items()}) if prediction.probs else None,
        "values": _json(intervals) if intervals else None,
        "error": prediction.error,
        "camera": context.camera,
        "site": context.site,
        "group": context.group,
        "taken_at": None if context.taken_at is None else context.taken_at.isoformat(),
        "extra": extra_text(context.extra) if context.extra else None,
        "input_sha256": record.input_sha256,
        "facts": extra_text(record.facts) if record.facts else None,
        "queue_s": _finite(timings.queue_s),
        "decode_s": _finite(timings.decode_s),
        "network_s": _finite(timings.network_s),
        "total_s": _finite(timings.total_s),
        "key_id": record.key_id,
    }


_json = json.JSONEncoder(separators=(",", ":")).encode


def _finite(value: float | None) -> float | None:
    return value if value is not None and math.isfinite(value) else None


def _whole(text: str) -> str:
    """Return text that can be written as UTF-8: half of a surrogate pair becomes a �."""
    return text.encode("utf-16", "surrogatepass").decode("utf-16", "replace")


def _write_csv(rows: Iterable[dict[str, Any]], path: Path) -> int:
    count = 0
    with path.open("w", encoding="utf-8", newline="") as file:
        writer = csv.writer(file)
        writer.writerow(COLUMNS)
        for row in rows:
            writer.writerow([_cell(name, row[name]) for name in COLUMNS])
            count += 1
    return count


def _cell(name: str, value: Any) -> Any:
    if value is None:
        return ""
    if _KINDS[name] == "time":
        return value.isoformat()
    if _KINDS[name] == "text":
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


def _write_parquet(rows: Iterable[dict[str, Any]], path: Path) -> int:
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
    schema = pyarrow.schema([(name, kinds[kind]) for name, kind in _KINDS.items()])
    count, waiting = 0, iter(rows)
    with pyarrow.parquet.ParquetWriter(path, schema, compression="zstd") as writer:
        while bunch := list(islice(waiting, _BUNCH)):
            columns = {name: [_value(row[name]) for row in bunch] for name in COLUMNS}
            writer.write_table(pyarrow.table(columns, schema=schema))
            count += len(bunch)
    return count


def _value(value: Any) -> Any:
    return _whole(value) if isinstance(value, str) and not value.isascii() else value
