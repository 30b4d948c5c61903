"""A rollout's row as commands, API and status write it."""

from __future__ import annotations

from typing import Any

from ..core.rollout_records import RolloutRow
from .moments import to_text


def row_json(row: RolloutRow) -> dict[str, Any]:
    """Return a rollout as lists show it, but for its salt, which is a secret."""
    return {
        "id": row.id,
        "name": row.name,
        "model": row.model,
        "bundle_id": row.bundle_id,
        "stage": row.stage,
        "step": row.step,
        "paused": row.paused,
        "opened_at": to_text(row.opened_at),
        "head": row.head,
        "head_hash": row.head_hash,
        "shadow_of": row.shadow_of,
    }
