"""Records for tests."""

from __future__ import annotations

from dataclasses import replace
from datetime import UTC, datetime, timedelta
from random import Random
from typing import Any

from drivetrain.core.records import Alarm, Context, Entry, Record, RecordFilter, StoredInput, Timings, ToldHow, Truth
from drivetrain.core.types import Interval, Prediction, Reason, Verdict

START = datetime(2026, 3, 1, 12, tzinfo=UTC)


def made_record(number: int = 0, at: datetime | None = None, **changes: Any) -> Record:
    """A record with something in every field; its id sorts by ``number``. Changes of the prediction go by their names too."""
    at = at or START + timedelta(seconds=number)
    prediction = Prediction(
        path=f"IMG_{number}.jpg",
        label="teddy",
        confidence=0.875,
        probs={"teddy": 0.875, "grizzly": 0.125},
        verdict=Verdict.ACCEPT,
        bundle_id="b" * 32,
        p_in_domain=0.5,
        reasons=(Reason("low-confidence", "its confidence, 0.875, is below 0.9"), Reason("a-rule", "“für”")),
    )
    fields = {name: changes.pop(name) for name in list(changes) if hasattr(prediction, name) and name != "facts"}
    record = Record(
        id=f"{int(at.timestamp() * 1000):012x}7{number:019x}",
        request_id=f"{number // 2:032x}",
        at=at,
        model="bears",
        prediction=replace(prediction, **fields),
        timings=Timings(0.001, 0.002, 0.004, 0.0075),
        input_sha256=f"{number:064x}",
        facts={"width": 400, "height": 300},
        context=Context("camera 1", "Köln", "video 7", at - timedelta(seconds=2), {"gain": 1.5, "tags": ["a", None]}),
        key_id="k" * 32,
    )
    return replace(record, **changes)


def made_entry(number: int = 0, data: bytes = b"\xff\xd8 jpeg", **changes: Any) -> Entry:
    """A record with its image."""
    record = made_record(number, **changes)
    return Entry(record, StoredInput(record.input_sha256 or "", data, "image/jpeg"))


def varied_record(number: int, rng: Random) -> Record:
    """One of all kinds: each filter meets some of these; many stand at the same moment."""
    kind = rng.choice(["label", "labels", "values", "unreadable"])
    values = {"age": Interval(rng.random(), -1.0, 2.0, "split")} if kind == "values" else {}
    labels = tuple(name for name in ("rust", "crack", "dent") if rng.random() < 0.5) if kind == "labels" else ()
    return made_record(
        number,
        at=START + timedelta(seconds=number // 5),
        request_id=f"request {rng.randrange(20)}",
        model=rng.choice(["bears", "cells"]),
        label=rng.choice(["rust", "teddy", "grizzly"]) if kind == "label" else None,
        labels=labels,
        values=values,
        verdict=Verdict.UNREADABLE if kind == "unreadable" else rng.choice([Verdict.ACCEPT, Verdict.REVIEW]),
        bundle_id=rng.choice(["one", "two", "three"]),
        input_sha256=rng.choice([None, "a" * 64, "b" * 64]),
        context=Context(rng.choice([None, "c1", "c2"]), rng.choice([None, "s1", "s2"]), rng.choice([None, "g1"])),
    )


def is_wanted(record: Record, wanted: RecordFilter) -> bool:
    """What a filter means, said the plain way."""
    prediction, context = record.prediction, record.context
    pairs = (
        (wanted.model, record.model),
        (wanted.bundle_id, prediction.bundle_id),
        (wanted.verdict, prediction.verdict),
        (wanted.camera, context.camera),
        (wanted.site, context.site),
        (wanted.group, context.group),
        (wanted.request_id, record.request_id),
        (wanted.input_sha256, record.input_sha256),
    )
    return (
        all(asked is None or asked == given for asked, given in pairs)
        and (wanted.label is None or wanted.label == prediction.label or wanted.label in prediction.labels)
        and (wanted.since is None or record.at >= wanted.since)
        and (wanted.until is None or record.at < wanted.until)
    )


def varied_filter(rng: Random) -> RecordFilter:
    """None to all of the conditions at once."""
    share = rng.choice([0.1, 0.3, 0.6])

    def maybe(*choices: Any) -> Any:
        return rng.choice(choices) if rng.random() < share else None

    return RecordFilter(
        model=maybe("bears", "cells", "none"),
        bundle_id=maybe("one", "two", "three"),
        verdict=maybe(*Verdict),
        label=maybe("rust", "crack", "teddy", "none"),
        camera=maybe("c1", "c2"),
        site=maybe("s1", "s2"),
        group=maybe("g1", "g2"),
        request_id=maybe("request 1", "request 2"),
        input_sha256=maybe("a" * 64, "b" * 64),
        since=maybe(START + timedelta(seconds=10), START + timedelta(seconds=40)),
        until=maybe(START + timedelta(seconds=20), START + timedelta(seconds=50)),
    )


def made_truth(number: int = 0, prediction: int = 0, **changes: Any) -> Truth:
    """What somebody told of the record of number ``prediction``, a day after it was made."""
    truth = Truth(
        id=f"{number:032x}",
        prediction_id=made_record(prediction).id,
        at=START + timedelta(days=1, seconds=number),
        by="Ada",
        how=ToldHow.BLIND,
        label="grizzly",
        note="left of the tree",
        key_id="k" * 32,
    )
    return replace(truth, **changes)


def made_alarm(number: int = 0, **changes: Any) -> Alarm:
    """An alarm with something in every field but those of clearing."""
    alarm = Alarm(
        id=f"{number:032x}",
        model="bears",
        bundle_id="b" * 32,
        source="camera 1",
        monitor="out-of-domain-rate",
        began=START + timedelta(minutes=number),
        raised=START + timedelta(hours=1, minutes=number),
        looks_like="new-class",
        evidence={"rate": 0.125, "ids": ["a", "b"]},
    )
    return replace(alarm, **changes)
