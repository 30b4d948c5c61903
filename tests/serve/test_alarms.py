"""Where an alarm stands, or nobody knows whether one does, accepted answers become reviewed ones until it is cleared."""

from __future__ import annotations

from dataclasses import replace
from datetime import UTC, datetime

import pytest
from memory_store import MemoryStore, is_down

from drivetrain.core.records import Alarm, Context
from drivetrain.core.types import Prediction, Reason, Verdict
from drivetrain.monitor.settings import OTHERS
from drivetrain.serve.work.alarms import Alarms

AT = datetime(2026, 11, 30, 14, 2, tzinfo=UTC)
BUNDLE = "b" * 16
SURE = Prediction("a.jpg", "rot", 0.97, {"rot": 0.97, "blau": 0.03}, Verdict.ACCEPT, BUNDLE)
ALARM = Alarm("0" * 32, "farben", BUNDLE, "trail-4", "out-of-domain-rate", AT, AT, "new-class")


def alarms(*standing: Alarm) -> Alarms:
    store = MemoryStore()
    store.alarmed = standing
    return Alarms(store)


@pytest.mark.parametrize(
    ("context", "held"),
    [
        (Context(camera="trail-4"), True),
        (Context(camera="trail-4", site="valley"), True),
        (Context(site="trail-4"), True),  # a site is the source where there is no camera
        (Context(camera="north-3", site="trail-4"), False),
        (Context(camera="north-3"), False),
        (Context(), False),
    ],
)
def test_an_alarm_holds_what_comes_from_its_source(context: Context, held: bool) -> None:
    judged = alarms(ALARM).judged("farben", context, SURE)
    if not held:
        assert judged is SURE
        return
    assert judged.verdict is Verdict.REVIEW
    (reason,) = judged.reasons
    assert reason.code == "alarm"
    assert "trail-4" in reason.words
    assert "out-of-domain rate" in reason.words
    assert "30 Nov 2026 14:02 UTC" in reason.words
    assert replace(judged, verdict=SURE.verdict, reasons=()) == SURE


@pytest.mark.parametrize("source", ["trail-4", "north-3", ""])
def test_an_alarm_of_all_together_holds_every_source(source: str) -> None:
    judged = alarms(replace(ALARM, source=None)).judged("farben", Context(camera=source or None), SURE)
    assert judged.verdict is Verdict.REVIEW
    assert "all sources" in judged.reasons[0].words


def test_an_alarm_of_the_unnamed_holds_what_names_no_source() -> None:
    unnamed = alarms(replace(ALARM, source=""))
    assert unnamed.judged("farben", Context(), SURE).verdict is Verdict.REVIEW
    assert unnamed.judged("farben", Context(camera="north-3"), SURE) is SURE


def test_an_alarm_of_all_other_sources_holds_those_that_are_not_told_apart() -> None:
    others = alarms(replace(ALARM, source=OTHERS))
    # As long as nobody knows which sources are told apart, it may be about any of them.
    assert others.judged("farben", Context(camera="north-3"), SURE).verdict is Verdict.REVIEW
    others.watched["farben", BUNDLE] = frozenset({"north-3"})
    assert others.judged("farben", Context(camera="north-3"), SURE) is SURE
    assert others.judged("farben", Context(camera="new-9"), SURE).verdict is Verdict.REVIEW


def test_an_alarm_is_of_one_model_and_one_bundle() -> None:
    held = alarms(ALARM)
    assert held.judged("bears", Context(camera="trail-4"), SURE) is SURE
    other = replace(SURE, bundle_id="c" * 16)
    assert held.judged("farben", Context(camera="trail-4"), other) is other


def test_only_what_would_be_accepted_is_held() -> None:
    for verdict in (Verdict.REVIEW, Verdict.OUT_OF_DOMAIN, Verdict.UNREADABLE):
        other = replace(SURE, verdict=verdict, reasons=(Reason("x", "y"),))
        assert alarms(ALARM).judged("farben", Context(camera="trail-4"), other) is other


def test_where_alarms_only_tell_nothing_is_held() -> None:
    store = MemoryStore()
    store.alarmed = (ALARM,)
    tells = Alarms(store, "tell")
    assert tells.judged("farben", Context(camera="trail-4"), SURE) is SURE
    assert not tells.holds(("farben", BUNDLE), "trail-4")
    assert tells.standing.alarms == (ALARM,)


def test_of_several_alarms_the_oldest_is_told() -> None:
    later = replace(ALARM, id="1" * 32, monitor="confidence", raised=AT.replace(hour=18))
    words = alarms(later, ALARM).judged("farben", Context(camera="trail-4"), SURE).reasons[0].words
    assert "14:02" in words
    assert "18:02" not in words


def test_until_the_store_has_said_which_alarms_stand_everything_is_reviewed(caplog: pytest.LogCaptureFixture) -> None:
    store = MemoryStore()
    store.failure = is_down()
    unknown = Alarms(store)
    judged = unknown.judged("farben", Context(camera="north-3"), SURE)
    assert judged.verdict is Verdict.REVIEW
    assert judged.reasons[0].code == "alarm"
    assert "has not said" in judged.reasons[0].words
    unknown.refresh()
    assert len(caplog.records) == 1, "it is said once, not every second"
    store.failure = None
    unknown.refresh()
    assert unknown.judged("farben", Context(camera="north-3"), SURE) is SURE


def test_alarms_that_are_known_stay_while_the_store_is_down() -> None:
    store = MemoryStore()
    store.alarmed = (ALARM,)
    known = Alarms(store)
    store.failure, store.alarmed = is_down(), ()
    known.refresh()
    was_current = known.current
    assert known.judged("farben", Context(camera="trail-4"), SURE).verdict is Verdict.REVIEW
    assert known.judged("farben", Context(camera="north-3"), SURE) is SURE
    store.failure = None
    known.refresh()
    assert (was_current, known.current) == (False, True)
    assert known.judged("farben", Context(camera="trail-4"), SURE) is SURE
