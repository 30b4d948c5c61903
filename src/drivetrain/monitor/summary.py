"""The state of a watch in figures, as JSON holds them: for the command line, the server and its console."""

from __future__ import annotations

from typing import Any

from ..stats.metrics import wilson
from .estimate import estimated_accuracy
from .moment import from_us
from .raised import Monitor
from .stream import Stream
from .suspended import certificate_state
from .watch import Watch

NO_GATE = (
    "this bundle has no gate, so that neither out-of-domain rate nor score is watched; train it again with more images"
)
NO_CONFIDENCE = "answers of this bundle have no confidence, so that it is not watched"
NO_AUDITS = "no answer was accepted in training, so that there is no error among accepted ones to watch"


def summary(watch: Watch, *, dated: bool = True) -> dict[str, Any]:
    """The object of ``drivetrain monitor --json``; ``dated``: it is known when images were taken.

    ``out_of_domain_rate`` is of votes, with Wilson's 95 % interval, and None without a gate; ``estimated_accuracy`` is None
    where too little is known.
    """
    return {
        "bundle_id": watch.reference.bundle_id,
        "n": watch.together.n,
        "votes": watch.number,
        "sources": [source_summary(watch, source) for source in watch.sources],
        "alarms": [raised.to_json() for raised in watch.standing.values()],
        "out_of_domain_rate": _rate(watch.together),
        "in_domain_at_most": watch.highest_rate,
        "estimated_accuracy": _estimate(watch, watch.together),
        "audits": _audits(watch.together),
        "certificate": certificate_state(watch.reference.certificate, watch.standing.values(), dated=dated),
        "monitors": [str(monitor) for monitor in watch.monitors],
        "not_watched": not_watched(watch),
    }


def source_summary(watch: Watch, source: str) -> dict[str, Any]:
    """The figures of one source."""
    stream = watch.sources[source]
    total = stream.history.total()
    return {
        "source": source,
        "n": stream.n,
        "votes": total.n,
        "last": from_us(stream.last_us).isoformat(),
        "out_of_domain_rate": _rate(stream),
        "unreadable": total.unreadable,
        "estimated_accuracy": _estimate(watch, stream),
        "audits": _audits(stream),
        "alarms": [str(monitor) for monitor, name in watch.standing if name == source],
    }


def not_watched(watch: Watch) -> list[str]:
    """Sentences on the monitors that this bundle does not allow."""
    told = {Monitor.RATE: NO_GATE, Monitor.CONFIDENCE: NO_CONFIDENCE, Monitor.ERROR: NO_AUDITS}
    return [sentence for monitor, sentence in told.items() if monitor not in watch.monitors]


def _rate(stream: Stream) -> dict[str, float] | None:
    if not stream.with_p:
        return None
    rate = wilson(stream.refused, stream.with_p)
    return {"value": rate.value, "low": rate.low, "high": rate.high}


def _estimate(watch: Watch, stream: Stream) -> dict[str, Any] | None:
    found = estimated_accuracy(watch.reference, stream.history.total().confidences)
    return None if found is None else found.to_json()


def _audits(stream: Stream) -> dict[str, Any] | None:
    if not stream.audits:
        return None
    error = wilson(stream.wrong, stream.audits)
    shown = {"value": error.value, "low": error.low, "high": error.high}
    return {"n": stream.audits, "wrong": stream.wrong, "error": shown}
