"""An alarm in words that somebody understands who has never heard of a martingale."""

from __future__ import annotations

from collections.abc import Mapping
from datetime import UTC, datetime
from typing import Any

from ..draw.numbers import percent
from .raised import LooksLike, Monitor
from .suspended import mix_words

FOUND: Mapping[str, str] = {
    Monitor.RATE: "more images than usual are unlike those trained on",
    Monitor.SCORE: "images look less like those trained on than before",
    Monitor.CONFIDENCE: "answers are less sure than before, or surer",
    Monitor.ERROR: "more accepted answers are wrong than promised",
    Monitor.CERTIFICATE: "the mix of answers is no longer that of the certificate, which has expired",
}
LOOKS_LIKE: Mapping[str, str] = {
    LooksLike.CAMERA: "a change of camera or processing",
    LooksLike.MIX: "another mix of classes",
    LooksLike.NEW_CLASS: "something new that the model has not been trained on",
    LooksLike.HARDER: "harder cases",
    LooksLike.ERRORS: "answers that have become worse",
    LooksLike.UNCLEAR: "no kind of change that is known",
}


def moment(text: str) -> str:
    """Write a moment of ISO 8601 to the minute, in UTC.

    >>> moment("2026-11-30T14:02:00+00:00")
    '30 Nov 2026 14:02 UTC'
    """
    return datetime.fromisoformat(text).astimezone(UTC).strftime("%d %b %Y %H:%M UTC").lstrip("0")


def sentence(alarm: Mapping[str, Any]) -> str:
    """Say what an alarm of ``monitor --json`` tells.

    >>> sentence({"monitor": "score", "source": "", "began": None, "looks_like": "unclear", "evidence": {"began_with": "a.jpg"}})
    'images look less like those trained on than before, since about a.jpg; it looks like no kind of change that is known'
    """
    evidence = alarm["evidence"]
    since = moment(alarm["began"]) if alarm["began"] else evidence["began_with"]
    where = f"{alarm['source']}: " if alarm["source"] else "all sources together: " if alarm["source"] is None else ""
    shares = evidence.get("out_of_domain", {})
    share = ""
    if alarm["monitor"] == Monitor.RATE and shares.get("since") is not None:
        before = shares.get("before")
        share = f" ({percent(shares['since'])} of them" + (
            f", {percent(before)} before)" if before is not None else ")"
        )
    if alarm["monitor"] == Monitor.ERROR:
        share = f" ({evidence['wrong']} of {evidence['audits']}; at most {percent(evidence['bound'])} were promised)"
    if alarm["monitor"] == Monitor.CERTIFICATE and (moved := mix_words(evidence)):
        share = f" ({moved})"
    found = FOUND[alarm["monitor"]]
    return f"{where}{found}{share}, since about {since}; it looks like {LOOKS_LIKE[alarm['looks_like']]}"
