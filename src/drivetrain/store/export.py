"""Records, and the right answers told of them, as tables in a file: see `table_file`.

One row a record, one column a value; what has no fixed columns (the codes of reasons, probabilities, labels, numbers with
their intervals, an input's facts, the caller's own values) is JSON text. A record's row has the right answer that was told last;
a table of its own has a row for each that was told.
"""

from __future__ import annotations

import json
import math
from collections.abc import Callable, Collection, Iterable, Iterator, Mapping, Sequence
from itertools import islice
from pathlib import Path
from typing import Any

from ..core.records import Record, Truth
from .rows import extra_text
from .table_file import Columns, write_table

_AT_ONCE = 500

COLUMNS: Columns = {
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
    "truths": "number",
    "truth_label": "text",
    "truth_labels": "text",
    "truth_values": "text",
    "truth_how": "text",
    "truth_by": "text",
    "truth_at": "time",
    "truth_note": "text",
}
"""The columns of the table of records."""

ANSWERED = (
    "model",
    "bundle_id",
    "path",
    "verdict",
    "confidence",
    "p_in_domain",
    "camera",
    "site",
    "group",
    "input_sha256",
)
"""The columns of a record that stand beside a right answer under their own names."""

TOLD_COLUMNS: Columns = {
    "id": "text",
    "prediction_id": "text",
    "at": "time",
    "by": "text",
    "how": "text",
    "label": "text",
    "labels": "text",
    "values": "text",
    "note": "text",
    "key_id": "text",
    "answered_at": "time",
    "answered_label": "text",
    "answered_labels": "text",
    "answered_values": "text",
    **{name: COLUMNS[name] for name in ANSWERED},
}
"""The columns of the table of right answers."""

TruthsOf = Callable[[Collection[str]], Mapping[str, Sequence[Truth]]]
"""The right answers of the records with these ids, oldest first; see `TruthStore.truths_of`."""


def export(records: Iterable[Record], path: Path, truths_of: TruthsOf = lambda _ids: {}) -> int:
    """Write ``records`` to a file that ends in .parquet or .csv; returns their number.

    Raises:
        UsageError: another ending.
        StoreError: the file cannot be written, or Parquet is asked for and pyarrow is not installed.
    """
    return write_table(COLUMNS, _rows(records, truths_of), path, mark="request_id")


def export_truths(told: Iterable[tuple[Truth, Record]], path: Path) -> int:
    """Write right answers, each with what had been answered, to a file; otherwise as `export`."""
    return write_table(TOLD_COLUMNS, (_told_row(truth, record) for truth, record in told), path, mark="answered_label")


def _rows(records: Iterable[Record], truths_of: TruthsOf) -> Iterator[dict[str, Any]]:
    waiting = iter(records)
    while bunch := list(islice(waiting, _AT_ONCE)):
        truths = truths_of([record.id for record in bunch])
        yield from (_row(record, truths.get(record.id, ())) for record in bunch)


def _row(record: Record, truths: Sequence[Truth]) -> dict[str, Any]:
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
        **_latest(truths),
    }


def _latest(truths: Sequence[Truth]) -> dict[str, Any]:
    """The columns about the right answer told last, and the number of all that were told."""
    told = _truth(truths[-1]) if truths else {}
    names = ("label", "labels", "values", "how", "by", "at", "note")
    return {"truths": len(truths), **{f"truth_{name}": told.get(name) for name in names}}


def _told_row(truth: Truth, record: Record) -> dict[str, Any]:
    answered = _row(record, ())
    return {
        **{name: answered[name] for name in ANSWERED},
        **{f"answered_{name}": answered[name] for name in ("at", "label", "labels", "values")},
        **_truth(truth),
    }


def _truth(truth: Truth) -> dict[str, Any]:
    return {
        "id": truth.id,
        "prediction_id": truth.prediction_id,
        "at": truth.at,
        "by": truth.by,
        "how": truth.how.value,
        "label": truth.label,
        "labels": None if truth.labels is None else _json(truth.labels),
        "values": _json(dict(truth.values)) if truth.values else None,
        "note": truth.note,
        "key_id": truth.key_id,
    }


_json = json.JSONEncoder(separators=(",", ":")).encode


def _finite(value: float | None) -> float | None:
    return value if value is not None and math.isfinite(value) else None
