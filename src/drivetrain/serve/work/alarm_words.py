"""An alarm in words, and as the JSON that routes and webhooks give."""

from __future__ import annotations

from collections.abc import Mapping
from datetime import UTC, datetime
from typing import Any

from ...core.records import Alarm
from ...monitor.suspended import mix_words

MONITORS: Mapping[str, str] = {
    "out-of-domain-rate": "out-of-domain rate",
    "confidence": "confidence",
    "score": "out-of-domain score",
    "audited-error": "audited error",
    "certificate": "certificate's class mix",
}
"""The monitors' names in words."""

FINDINGS: Mapping[str, str] = {
    "out-of-domain-rate": "More images than usual are unlike those trained on",
    "confidence": "The confidence of the answers is not what it was",
    "score": "The images look less like those trained on than they did",
    "audited-error": "More accepted answers than promised were wrong where a person looked",
    "certificate": "The mix of answers is no longer that of the certificate, which has expired",
}
"""The finding of each monitor as the beginning of a sentence."""

KINDS: Mapping[str, str] = {
    "camera-or-processing": "camera or processing",
    "class-mix": "class mix",
    "new-class": "new class",
    "harder-cases": "harder cases",
    "errors": "errors",
    "unclear": "unclear",
}
"""The names in words of what an alarm looks like."""

LOOKS_LIKE: Mapping[str, str] = {
    "camera-or-processing": "it looks like a change of camera or processing",
    "class-mix": "it looks like another mix of classes",
    "new-class": "it looks like a new class",
    "harder-cases": "it looks like harder cases",
    "errors": "the answers have become worse",
    "unclear": "what changed is unclear",
}


def source_name(source: str | None) -> str:
    """Name a source in a table.

    >>> source_name("trail-4"), source_name(""), source_name(None)
    ('trail-4', 'unnamed', 'all sources')
    """
    if source is None:
        return "all sources"
    return source or "unnamed"


def where(source: str | None) -> str:
    """Name a source within a sentence.

    >>> where("trail-4"), where(""), where(None)
    ('trail-4', 'the images without a camera or site', 'all sources together')
    """
    if source is None:
        return "all sources together"
    return source or "the images without a camera or site"


def day_and_time(at: datetime) -> str:
    """Write a moment in UTC, to the minute.

    >>> day_and_time(datetime(2026, 11, 30, 14, 2, tzinfo=UTC))
    '30 Nov 2026 14:02 UTC'
    """
    return at.astimezone(UTC).strftime("%d %b %Y %H:%M UTC")


def sentence(alarm: Alarm) -> str:
    """Say what an alarm tells: what changed, where, since when as estimated, and what it looks like."""
    finding = FINDINGS.get(alarm.monitor, f"The monitor {alarm.monitor} has raised an alarm")
    looks_like = LOOKS_LIKE.get(alarm.looks_like, alarm.looks_like)
    if moved := mix_words(alarm.evidence):
        finding = f"{finding} ({moved})"
    return f"{finding}, for {where(alarm.source)}, since about {day_and_time(alarm.began)}; {looks_like}."


def alarm_json(alarm: Alarm, *, acts: bool) -> dict[str, Any]:
    """Write an alarm as JSON; ``acts``: it turns accepted answers into reviewed ones as long as it stands."""
    return {
        "id": alarm.id,
        "model": alarm.model,
        "bundle_id": alarm.bundle_id,
        "source": alarm.source,
        "source_name": source_name(alarm.source),
        "monitor": alarm.monitor,
        "monitor_name": MONITORS.get(alarm.monitor, alarm.monitor),
        "looks_like": alarm.looks_like,
        "looks_like_name": KINDS.get(alarm.looks_like, alarm.looks_like),
        "began": utc(alarm.began),
        "raised": utc(alarm.raised),
        "text": sentence(alarm),
        "evidence": dict(alarm.evidence),
        "acts": acts and alarm.cleared is None,
        "cleared": utc(alarm.cleared),
        "cleared_by": alarm.cleared_by,
        "reason": alarm.reason,
    }


def utc(at: datetime | None) -> str | None:
    """ISO 8601 in UTC.

    >>> utc(datetime(2026, 11, 30, 14, 2, tzinfo=UTC))
    '2026-11-30T14:02:00Z'
    """
    return None if at is None else at.astimezone(UTC).isoformat().replace("+00:00", "Z")
