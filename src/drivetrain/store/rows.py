"""A record as a row, and back.

Columns hold what is searched for and compared; what is only shown again stands in two JSON texts, ``answer`` and ``extra``.
This is on the way of every answer, so the usual record takes no detour: texts that no database could index, and values that
are no JSON, are found by a look and mended apart.
"""

from __future__ import annotations

import json
import math
from collections.abc import Iterable, Mapping, Sequence
from datetime import datetime
from typing import Any

from ..core.records import Context, Record, Timings
from ..core.types import Interval, Prediction, Verdict
from ..core.verdict import Reason
from .indexed import SEPARATOR, indexed
from .moment import from_us, to_us
from .tables import PREDICTIONS

COLUMNS = tuple(PREDICTIONS.columns.keys())
_MAX_DEPTH = 64
# The longest integer in bits: Python reads none of more than 4,300 digits from text (sys.get_int_max_str_digits).
_MAX_BITS = 14_000

Row = tuple[Any, ...]


def _item(value: Any) -> Any:
    """Turn values that the encoder does not know: numpy's numbers become Python's, mappings plain."""
    if isinstance(value, Mapping):
        return dict(value)
    listed = getattr(value, "tolist", None)
    return listed() if callable(listed) else str(value)


# The encoders are kept ready, as json.dumps makes one for each call.
_encode_answer = json.JSONEncoder(separators=(",", ":"), default=_item).encode
_encode_extra = json.JSONEncoder(separators=(",", ":"), allow_nan=False).encode


def to_row(record: Record) -> Row:
    """Turn a record into values in the order of `COLUMNS`."""
    prediction, context, timings = record.prediction, record.context, record.timings
    odd: dict[str, str] = {}

    def text(name: str, value: str | None) -> str | None:
        if value is None:
            return None
        kept = indexed(value)
        if kept is not value:
            odd[name] = value
        return kept

    label = text("label", prediction.label)
    request_id, model = text("request_id", record.request_id), text("model", record.model)
    bundle_id, key_id = text("bundle_id", prediction.bundle_id), text("key_id", record.key_id)
    camera, site, group = text("camera", context.camera), text("site", context.site), text("group", context.group)
    return (
        indexed(record.id),
        request_id,
        to_us(record.at),
        model,
        bundle_id,
        prediction.verdict.value,
        label,
        joined(prediction.labels) if prediction.labels else None,
        camera,
        site,
        group,
        text("input_sha256", record.input_sha256),
        key_id,
        float(prediction.confidence),
        None if prediction.p_in_domain is None else float(prediction.p_in_domain),
        float(timings.queue_s),
        float(timings.decode_s),
        float(timings.network_s),
        float(timings.total_s),
        extra_text(record.facts) if record.facts else None,
        None if context.taken_at is None else context.taken_at.isoformat(),
        _answer(prediction, odd),
        extra_text(context.extra) if context.extra else None,
    )


def label_rows(row: Row) -> list[tuple[str, int, str]]:
    """Make the rows of the table of labels for a record's row: (label, at, id)."""
    record_id, at_us, label, labels = row[0], row[2], row[6], row[7]
    if labels is None:
        return [] if label is None else [(label, at_us, record_id)]
    names = set(labels.strip(SEPARATOR).split(SEPARATOR)) | ({label} if label is not None else set())
    return [(name, at_us, record_id) for name in sorted(names)]


def to_record(row: Sequence[Any]) -> Record:
    """Turn a row with the columns of `COLUMNS` into a record."""
    (
        record_id, request_id, at_us, model, bundle_id, verdict, label, _, camera, site, group, input_sha256, key_id,
        confidence, p_in_domain, queue_s, decode_s, network_s, total_s, facts, taken_at, answer, extra,
    ) = row  # fmt: skip
    known = json.loads(answer)
    odd = known.get("odd")
    if odd:
        request_id, model = odd.get("request_id", request_id), odd.get("model", model)
        bundle_id, label = odd.get("bundle_id", bundle_id), odd.get("label", label)
        camera, site, group = odd.get("camera", camera), odd.get("site", site), odd.get("group", group)
        input_sha256, key_id = odd.get("input_sha256", input_sha256), odd.get("key_id", key_id)
    return Record(
        id=record_id,
        request_id=request_id,
        at=from_us(at_us),
        model=model,
        prediction=Prediction(
            path=known.get("path", ""),
            label=label,
            confidence=_number(confidence),
            probs=known.get("probs", {}),
            verdict=Verdict(verdict),
            bundle_id=bundle_id,
            error=known.get("error"),
            p_in_domain=p_in_domain,
            labels=tuple(known.get("labels", ())),
            values={name: Interval(*parts) for name, parts in known.get("values", {}).items()},
            reasons=tuple(Reason(*parts) for parts in known.get("reasons", ())),
        ),
        timings=Timings(_number(queue_s), _number(decode_s), _number(network_s), _number(total_s)),
        input_sha256=input_sha256,
        facts={} if facts is None else json.loads(facts),
        context=Context(
            camera=camera,
            site=site,
            group=group,
            taken_at=None if taken_at is None else datetime.fromisoformat(taken_at),
            extra={} if extra is None else json.loads(extra),
        ),
        key_id=key_id,
    )


def extra_text(extra: Mapping[str, Any]) -> str:
    """Write a caller's own values as JSON that every reader takes: NaN and infinities become null."""
    try:
        text = _encode_extra(extra if type(extra) is dict else dict(extra))
    except (ValueError, TypeError, RecursionError):
        return _encode_extra(_plain(extra))
    # Nesting that could be written may be too deep to be read again by a caller with less of the stack left.
    if text.count("[") + text.count("{") > _MAX_DEPTH:
        return _encode_extra(_plain(extra))
    return text


def needle(label: str) -> str:
    """The text that is searched for in the column ``labels``."""
    return f"{SEPARATOR}{indexed(label)}{SEPARATOR}"


def joined(labels: Iterable[str]) -> str:
    """The form in which several labels stand in one column, where `needle` finds each."""
    return SEPARATOR + SEPARATOR.join(map(indexed, labels)) + SEPARATOR


def _answer(prediction: Prediction, odd: dict[str, str]) -> str:
    parts: dict[str, Any] = {"path": prediction.path}
    if prediction.probs:
        parts["probs"] = prediction.probs
    if prediction.labels:
        parts["labels"] = prediction.labels
    if prediction.values:
        parts["values"] = {name: (v.value, v.low, v.high, v.method) for name, v in prediction.values.items()}
    if prediction.reasons:
        parts["reasons"] = [(reason.code, reason.words) for reason in prediction.reasons]
    if prediction.error is not None:
        parts["error"] = prediction.error
    if odd:
        parts["odd"] = odd
    return _encode_answer(parts)


def _number(value: float | None) -> float:
    """Read a number; SQLite keeps NaN as NULL."""
    return math.nan if value is None else value


def _plain(value: Any, depth: int = 0) -> Any:
    """Return the nearest value that JSON can hold."""
    if value is None or isinstance(value, str | bool):
        return value
    if isinstance(value, int):
        return int(value) if value.bit_length() <= _MAX_BITS else hex(value)
    if isinstance(value, float):
        return float(value) if math.isfinite(value) else None
    if depth >= _MAX_DEPTH:
        return None
    if isinstance(value, Mapping):
        return {key if isinstance(key, str) else str(key): _plain(part, depth + 1) for key, part in value.items()}
    if isinstance(value, list | tuple | set | frozenset):
        return [_plain(part, depth + 1) for part in value]
    known = _item(value)
    return known if isinstance(known, str) else _plain(known, depth + 1)
