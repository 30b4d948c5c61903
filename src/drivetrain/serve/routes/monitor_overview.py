"""The overview of all monitors: each served version with its sources, alarms, estimates, and how far its monitor has read."""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from datetime import UTC, datetime, timedelta
from typing import Any

from ...core.records import Alarm
from ...monitor.certified_mix import CertifiedMix
from ...monitor.estimate import LEAST_VOTES, estimated_accuracy
from ...monitor.moment import from_us
from ...monitor.stream import Stream
from ...monitor.suspended import certificate_state
from ...monitor.watch import Watch
from ...stats.metrics import wilson
from ..served import ServedModel
from ..server import Server
from ..work.alarm_words import alarm_json, day_and_time, source_name, utc, where
from ..work.monitoring import Followed, seconds_behind
from ..work.webhook import Webhook

# Sources that are listed; a watch tells apart fewer.
MOST_LISTED = 200

# Messages to the webhook that are counted.
MOST_COUNTED = 100

# Far enough for every attempt that is still to be made.
_FAR = timedelta(days=365)


def overview(server: Server) -> dict[str, Any]:
    """As `MonitorAnswer`.

    Raises:
        StoreError: the store cannot be read.
    """
    shelf, alarms = server.shelf, server.alarms
    return {
        "on_alarm": alarms.on_alarm,
        "alarms_known": alarms.current,
        "webhook": None if server.webhook is None else _webhook(server, server.webhook),
        "models": [_model(server, model, current=shelf.find(model.name) is model) for model in shelf.models],
    }


def _webhook(server: Server, webhook: Webhook) -> dict[str, Any]:
    waiting = server.store.notices_due(datetime.now(UTC) + _FAR, MOST_COUNTED)
    return {
        "waiting": len(waiting),
        "failed": webhook.failed,
        "last_error": webhook.last_error,
        "last_sent": utc(webhook.last_sent),
    }


def _model(server: Server, model: ServedModel, *, current: bool) -> dict[str, Any]:
    bundle = (model.name, model.version)
    standing = [alarm for alarm in server.alarms.standing.alarms if (alarm.model, alarm.bundle_id) == bundle]
    monitoring, gate = server.monitoring, model.predictor.manifest.gate
    followed = monitoring.followed.get(bundle)
    with monitoring.lock:
        known = _nothing() if followed is None else _known(server, bundle, followed.watch, standing)
    progress = _progress(server, bundle, followed)
    state = _state(standing, known["votes"], has_gate=gate is not None, caught_up=progress["caught_up"])
    return {
        "model": model.name,
        "bundle_id": model.version,
        "title": model.predictor.manifest.name,
        "current": current,
        "state": state,
        "text": _text(state, standing, known, progress),
        **known,
        "expected_out_of_domain": None if gate is None else float(gate.false_alarm),
        "alarms": [alarm_json(alarm, acts=server.alarms.on_alarm == "review") for alarm in standing],
        "certificate": certificate_state(CertifiedMix.of(model.predictor.manifest), standing),
        "progress": progress,
    }


def _nothing() -> dict[str, Any]:
    """What is known before anything has been read."""
    return {
        "n": 0,
        "votes": 0,
        "last_seen": None,
        "out_of_domain": None,
        "sources": [],
        "sources_left_out": 0,
        "estimated_accuracy": None,
        "audited": None,
    }


def _known(server: Server, bundle: tuple[str, str], watch: Watch, standing: Sequence[Alarm]) -> dict[str, Any]:
    """The watch's figures; with its lock held."""
    has_gate = watch.reference.gate is not None
    together = watch.together
    rows = [_source(server, bundle, watch, name, standing) for name in watch.sources]
    rows.sort(key=lambda row: (not row["alarms"], -(row["evidence"] or 0.0), row["name"]))
    return {
        "n": together.n,
        "votes": watch.number,
        "last_seen": _last(together),
        "out_of_domain": _rate(together) if has_gate else None,
        "sources": rows[:MOST_LISTED],
        "sources_left_out": max(0, len(rows) - MOST_LISTED),
        "estimated_accuracy": _estimate(watch),
        "audited": _audited(together),
    }


def _source(
    server: Server, bundle: tuple[str, str], watch: Watch, name: str, standing: Sequence[Alarm]
) -> dict[str, Any]:
    stream = watch.sources[name]
    own = [alarm.id for alarm in standing if alarm.source == name]
    return {
        "source": name,
        "name": source_name(name),
        "n": stream.n,
        "votes": watch.total(name).n,
        "last_seen": _last(stream),
        "out_of_domain": _rate(stream) if watch.reference.gate is not None else None,
        "evidence": 1.0 if own else watch.nearness(name),
        "alarms": own,
        "held": server.alarms.holds(bundle, name),
    }


def _rate(stream: Stream) -> dict[str, Any]:
    """The share of votes that were out of domain, with a 95 % interval."""
    count, n = stream.refused, stream.with_p
    if n == 0:
        return {"value": None, "low": 0.0, "high": 1.0, "count": 0, "n": 0}
    interval = wilson(count, n)
    return {"value": interval.value, "low": interval.low, "high": interval.high, "count": count, "n": n}


def _estimate(watch: Watch) -> dict[str, Any] | None:
    found = estimated_accuracy(watch.reference, watch.total().confidences)
    if found is None or not all(map(math.isfinite, (found.value, found.low, found.high))):
        return None
    return {
        "value": found.value,
        "low": found.low,
        "high": found.high,
        "n": found.votes,
        "is": "estimate",
        "text": "Estimated from how sure the answers are to what is not turned away, without knowing a single right one. Cases "
        "that have become harder may not show in it; only labels tell.",
    }


def _audited(together: Stream) -> dict[str, Any] | None:
    n, wrong = together.audits, together.wrong
    if n == 0:
        return None
    interval = wilson(wrong, n)
    noun = "answer" if n == 1 else "answers"
    return {
        "n": n,
        "wrong": wrong,
        "value": interval.value,
        "low": interval.low,
        "high": interval.high,
        "text": f"{wrong} of {n} accepted {noun} that a person judged without seeing them were wrong.",
    }


def _last(stream: Stream) -> str | None:
    return utc(from_us(stream.last_us)) if stream.n else None


def _progress(server: Server, bundle: tuple[str, str], followed: Followed | None) -> dict[str, Any]:
    monitoring = server.monitoring
    aside = monitoring.aside.get(bundle)
    problem = aside.problem if aside is not None else None
    if monitoring.problem is not None:
        problem = "the store cannot be read just now"
    caught_up = followed is not None and followed.caught_up
    return {
        "position": 0 if followed is None else followed.read,
        "behind": 0 if caught_up else None,
        "caught_up": caught_up,
        "seconds_behind": None if followed is None else seconds_behind(followed, datetime.now(UTC)),
        "updated": None if followed is None else utc(followed.at),
        "problem": problem,
    }


def _state(standing: Sequence[Alarm], votes: int, *, has_gate: bool, caught_up: bool) -> str:
    if standing:
        return "alarm"
    if not has_gate:
        return "no-gate"
    return "ok" if caught_up and votes >= LEAST_VOTES else "learning"


def _text(state: str, standing: Sequence[Alarm], known: Mapping[str, Any], progress: Mapping[str, Any]) -> str:
    """Say in a sentence how things are."""
    if state == "alarm":
        oldest = min(standing, key=lambda alarm: alarm.raised)
        since = day_and_time(oldest.raised)
        places = list(dict.fromkeys(where(alarm.source) for alarm in standing))
        if len(standing) == 1:
            return f"An alarm stands for {places[0]} since {since}."
        return f"{len(standing)} alarms stand, for {_listed(places)}; the first since {since}."
    if progress["problem"] is not None:
        return f"Nothing new is seen: {progress['problem']}."
    if state == "no-gate":
        return (
            "This bundle has no gate, so images unlike those it was trained on are not noticed; only the confidence of its "
            "answers is watched."
        )
    votes, sources = known["votes"], len(known["sources"])
    if not progress["caught_up"]:
        return "Earlier answers are still being read."
    if state == "learning":
        return f"{votes} of the {LEAST_VOTES} votes that it takes to say something; a source has one a minute."
    return f"Nothing unusual in {votes} votes of {sources} source{'' if sources == 1 else 's'}."


def _listed(names: Sequence[str]) -> str:
    return ", ".join(names[:3]) + (f" and {len(names) - 3} more" if len(names) > 3 else "")
