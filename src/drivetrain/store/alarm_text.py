"""An alarm as JSON text, and back."""

from __future__ import annotations

import json
from datetime import datetime

from ..core.records import Alarm
from .moment import from_us, to_us
from .rows import extra_text


def to_text(alarm: Alarm) -> str:
    """Write an alarm; moments are microseconds, and what JSON cannot hold in its evidence becomes what is nearest."""
    return extra_text(
        {
            "id": alarm.id,
            "model": alarm.model,
            "bundle_id": alarm.bundle_id,
            "source": alarm.source,
            "monitor": alarm.monitor,
            "began": to_us(alarm.began),
            "raised": to_us(alarm.raised),
            "looks_like": alarm.looks_like,
            "evidence": dict(alarm.evidence),
            "cleared": None if alarm.cleared is None else to_us(alarm.cleared),
            "cleared_by": alarm.cleared_by,
            "cleared_position": alarm.cleared_position,
            "reason": alarm.reason,
        }
    )


def of_text(text: str) -> Alarm:
    """Read what `to_text` wrote."""
    parts = json.loads(text)
    moments: dict[str, datetime | None] = {
        name: None if parts[name] is None else from_us(parts[name]) for name in ("began", "raised", "cleared")
    }
    return Alarm(**{**parts, **moments})
