"""Events as the lines of the log hold them: canonical JSON, so that equal events have equal hashes."""

from __future__ import annotations

import json
from collections.abc import Callable, Mapping
from datetime import datetime
from typing import Any

from ..core.canonical_json import canonical_json
from ..core.case import Case, ModelAnswer
from ..core.errors import LogError
from ..core.told_how import ToldHow
from .draw import Draw, Route
from .events import (
    Alarmed,
    Arrived,
    Decided,
    Event,
    Followed,
    Looked,
    Opened,
    ReviewKind,
    Ticked,
    Turn,
    Turned,
    TurnedOut,
)
from .moments import of_text, to_text
from .stage import Stage


def to_body(event: Event) -> str:
    """Write an event as the body of a line."""
    name, write = _WRITERS[type(event)]
    return canonical_json({"event": name, "at": to_text(event.at), **write(event)})


def of_body(body: str) -> Event:
    """Read the body of a line.

    Raises:
        LogError: it is no event of a rollout.
    """
    try:
        document = json.loads(body)
        return _READERS[document["event"]](of_text(document["at"]), document)
    except (ValueError, KeyError, TypeError, AttributeError) as error:
        said = f"{type(error).__name__}: {error}"
        raise LogError(f"a line of the log is no event that this version knows ({said}): {body[:120]}") from None


def about(event: Event) -> str | None:
    """Return the case that an event is about."""
    if isinstance(event, Arrived):
        return event.case.id
    return event.case_id if isinstance(event, Decided | TurnedOut) else None


def case_to_json(case: Case) -> dict[str, Any]:
    """Return a case as plain data."""
    return {
        "id": case.id,
        "key": case.key,
        "at": to_text(case.at),
        "inputs": list(case.inputs),
        "slices": dict(case.slices),
        "group": case.group,
        "due": None if case.due is None else to_text(case.due),
        "metadata": dict(case.metadata),
    }


def case_of_json(document: Mapping[str, Any]) -> Case:
    """Read what `case_to_json` wrote."""
    due = document["due"]
    return Case(
        id=document["id"],
        key=document["key"],
        at=of_text(document["at"]),
        inputs=tuple(document["inputs"]),
        slices=document["slices"],
        group=document["group"],
        due=None if due is None else of_text(due),
        metadata=document["metadata"],
    )


_ANSWER = tuple(ModelAnswer.__dataclass_fields__)
_DRAW = tuple(name for name in Draw.__dataclass_fields__ if name != "route")


def draw_to_json(draw: Draw) -> dict[str, Any]:
    """Return a draw as plain data."""
    return {"route": draw.route.value, **{name: getattr(draw, name) for name in _DRAW}}


def draw_of_json(document: Mapping[str, Any]) -> Draw:
    """Read what `draw_to_json` wrote."""
    return Draw(**{**document, "route": Route(document["route"])})


def _opened(event: Opened) -> dict[str, Any]:
    return {
        "by": event.by,
        "policy": dict(event.policy),
        "bundle_id": event.bundle_id,
        "labels": list(event.labels),
        "salt_sha256": event.salt_sha256,
    }


def _arrived(event: Arrived) -> dict[str, Any]:
    return {
        "case": case_to_json(event.case),
        "answer": {name: getattr(event.answer, name) for name in _ANSWER},
        "draw": draw_to_json(event.draw),
        "known": event.known,
    }


def _decided(event: Decided) -> dict[str, Any]:
    return {
        "case_id": event.case_id,
        "review": event.review.value,
        "round": event.round,
        "by": event.by,
        "label": event.label,
        "how": event.how.value,
        "seconds": event.seconds,
    }


def _turned(event: Turned) -> dict[str, Any]:
    return {
        "turn": event.turn.value,
        "by": event.by,
        "reason": event.reason,
        "stage": event.stage.value,
        "step": event.step,
        "evidence": dict(event.evidence),
    }


_WRITERS: Mapping[type, tuple[str, Callable[[Any], dict[str, Any]]]] = {
    Opened: ("opened", _opened),
    Arrived: ("arrived", _arrived),
    Decided: ("decided", _decided),
    TurnedOut: ("turned-out", lambda one: {"case_id": one.case_id, "label": one.label, "by": one.by}),
    Alarmed: (
        "alarmed",
        lambda one: {"alarm_id": one.alarm_id, "monitor": one.monitor, "words": one.words, "cleared": one.cleared},
    ),
    Ticked: ("ticked", lambda _one: {}),
    Turned: ("turned", _turned),
    Looked: (
        "looked",
        lambda one: {
            "by": one.by,
            "bundle_ids": list(one.bundle_ids),
            "reserve": one.reserve,
            "recent": one.recent,
            "words": one.words,
        },
    ),
    Followed: (
        "followed",
        lambda one: {"line": one.line, "line_hash": one.line_hash, "passed_over": one.passed_over},
    ),
}


def _read_arrived(at: datetime, one: Mapping[str, Any]) -> Arrived:
    return Arrived(at, case_of_json(one["case"]), ModelAnswer(**one["answer"]), draw_of_json(one["draw"]), one["known"])


def _read_decided(at: datetime, one: Mapping[str, Any]) -> Decided:
    return Decided(
        at,
        one["case_id"],
        ReviewKind(one["review"]),
        one["round"],
        one["by"],
        one["label"],
        ToldHow(one["how"]),
        one["seconds"],
    )


def _read_turned(at: datetime, one: Mapping[str, Any]) -> Turned:
    return Turned(at, Turn(one["turn"]), one["by"], one["reason"], Stage(one["stage"]), one["step"], one["evidence"])


_READERS: Mapping[str, Callable[[datetime, Mapping[str, Any]], Event]] = {
    "opened": lambda at, one: Opened(
        at, one["by"], one["policy"], one["bundle_id"], tuple(one["labels"]), one["salt_sha256"]
    ),
    "arrived": _read_arrived,
    "decided": _read_decided,
    "turned-out": lambda at, one: TurnedOut(at, one["case_id"], one["label"], one["by"]),
    "alarmed": lambda at, one: Alarmed(at, one["alarm_id"], one["monitor"], one["words"], one["cleared"]),
    "ticked": lambda at, _one: Ticked(at),
    "turned": _read_turned,
    "looked": lambda at, one: Looked(
        at, one["by"], tuple(one["bundle_ids"]), one["reserve"], one["recent"], one["words"]
    ),
    "followed": lambda at, one: Followed(at, one["line"], one["line_hash"], one["passed_over"]),
}
