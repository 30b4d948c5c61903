"""Rollouts, cases and reviews for tests."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta
from typing import Any

from drivetrain.core.canonical_json import canonical_json
from drivetrain.core.case import Case
from drivetrain.core.records import StoredInput
from drivetrain.core.rollout_records import GENESIS, Decision, Review, RolloutRow

START = datetime(2026, 3, 1, 12, tzinfo=UTC)
ROLLOUT = "a" * 32
KINDS = ("decide", "confirm", "adjudicate")


def at(minutes: float) -> datetime:
    """So many minutes after the start."""
    return START + timedelta(minutes=minutes)


def made_rollout(rollout_id: str = ROLLOUT, name: str = "cells", **changes: Any) -> RolloutRow:
    """A rollout as it is opened."""
    fields: dict[str, Any] = {
        "id": rollout_id,
        "name": name,
        "model": "cells",
        "bundle_id": "b" * 32,
        "stage": "parallel",
        "step": 0,
        "paused": False,
        "opened_at": START,
        "salt": bytes(range(32)),
        "head": 0,
        "head_hash": GENESIS,
    }
    return RolloutRow(**{**fields, **changes})


def made_case(number: int = 0, **changes: Any) -> Case:
    """A case with something in every field; its id sorts by ``number``."""
    fields: dict[str, Any] = {
        "id": f"{number:032x}",
        "key": f"cell {number}",
        "at": at(number),
        "inputs": (f"{number:064x}",),
        "slices": {"site": "Köln", "camera": "7"},
        "group": f"module {number // 4}",
        "due": at(number + 60),
        "metadata": {"string": "3b", "kelvin": 331.25, "row": 4, "dusty": False},
    }
    return Case(**{**fields, **changes})


def made_input(number: int = 0, data: bytes = b"\xff\xd8 jpeg") -> StoredInput:
    """The input of the case of that number."""
    return StoredInput(f"{number:064x}", data, "image/jpeg")


def made_review(number: int = 0, **changes: Any) -> Review:
    """A review of the case of that number; its id sorts by ``number``."""
    fields: dict[str, Any] = {
        "id": f"{number:08x}" + "e" * 24,
        "rollout_id": ROLLOUT,
        "case_id": f"{number:032x}",
        "kind": "decide",
        "round": 0,
        "due": at(number + 60),
        "order": f"{number * 7919 % 1000:064x}",
    }
    return Review(**{**fields, **changes})


def made_decision(by: str = "ada", minutes: float = 5, **changes: Any) -> Decision:
    """A decision by somebody."""
    return Decision(**{"label": "crack", "by": by, "at": at(minutes), "seconds": 3.5, **changes})


def made_body(number: int = 0, **parts: Any) -> str:
    """The body of a line."""
    return canonical_json({"event": "ticked", "number": number, "words": "größe", **parts})
