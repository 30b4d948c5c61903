"""A watch: what alarms and what does not, when it began, what it looks like, and that a restart changes nothing."""

from __future__ import annotations

import json
import math
from collections.abc import Iterable
from dataclasses import replace
from datetime import UTC, datetime, timedelta

import numpy as np
import pytest
from observed import REFERENCE, START, observed, stream
from scipy.stats import binom

from drivetrain.core.errors import UsageError
from drivetrain.core.verdict import Verdict
from drivetrain.monitor.observation import Audit, Observation
from drivetrain.monitor.raised import LooksLike, Monitor, Raised
from drivetrain.monitor.settings import MOST_SOURCES, OTHERS, Settings
from drivetrain.monitor.summary import summary
from drivetrain.monitor.watch import Watch


def told(watch: Watch, seen: Iterable[Observation | Audit]) -> list[Raised]:
    """All alarms that these raise."""
    return [raised for one in seen for raised in watch.update(one)]


def audits(count: int, share: float, seed: int, source: str = "north", first: int = 0) -> list[Audit]:
    rng = np.random.default_rng(seed)
    at = START + timedelta(days=1)
    return [
        Audit(f"{first + n:032x}", at + timedelta(minutes=n), source, bool(rng.random() < share)) for n in range(count)
    ]


@pytest.mark.parametrize("clean", [0, 1_000, 5_000])
@pytest.mark.parametrize(("contamination", "planned", "runs"), [(0.2, 90, 100), (0.1, 358, 30)])
def test_a_change_is_found_soon_whenever_it_comes(clean: int, contamination: float, planned: int, runs: int) -> None:
    delays, off, before = [], [], Watch.of(REFERENCE)
    assert told(before, stream(clean, 1)) == []
    state = before.to_json()
    for seed in range(runs):
        watch = Watch.of_json(state, REFERENCE)
        changed = stream(3_000, seed + 100, first=clean, contamination=contamination)
        (alarm,) = next(raised for one in changed if (raised := watch.update(one)))
        assert alarm.source == "north"
        delays.append(watch.number - clean)
        off.append(abs((alarm.began - START) / timedelta(minutes=1) - clean))
    assert np.median(delays) <= 1.2 * planned
    assert np.median(off) <= planned / 3  # votes between the change and its estimate


def test_false_alarms_within_the_horizon_are_as_rare_as_stated() -> None:
    """All three monitors together, at α = 10 % within 400 votes of two sources, so that a few can be seen."""
    runs, settings = 100, Settings(alpha=0.1, horizon=400)
    alarmed = 0
    for seed in range(runs):
        watch, rng = Watch.of(REFERENCE, settings), np.random.default_rng(seed)
        alarmed += bool(told(watch, (observed(n, rng, source=("north", "south")[n % 2]) for n in range(400))))
    assert alarmed <= binom.ppf(0.99, runs, 0.1 + 0.01)


def test_day_and_night_are_no_change() -> None:
    """Nights are harder, in blocks of twelve hours for forty days; the gate's rate is the same."""
    watch, rng = Watch.of(REFERENCE), np.random.default_rng(3)
    nights = (observed(n, rng, harder=0.5 if (n // 720) % 2 else 0.0) for n in range(0, 40 * 1_440, 6))
    assert told(watch, nights) == []


def test_a_burst_is_one_vote() -> None:
    watch, rng = Watch.of(REFERENCE), np.random.default_rng(0)
    frames = [observed(n, rng, contamination=1.0, at=START + timedelta(seconds=n / 100)) for n in range(5_000)]
    assert told(watch, frames) == []
    assert (watch.together.n, watch.number) == (5_000, 1)


def test_a_clock_that_goes_backwards_counts_as_the_present_minute() -> None:
    watch, rng = Watch.of(REFERENCE), np.random.default_rng(0)
    back = [observed(n, rng, contamination=1.0, at=START - timedelta(minutes=n)) for n in range(1_440)]
    assert told(watch, back) == []
    assert watch.number == 1
    assert told(watch, [observed(9, rng, at=START + timedelta(minutes=1))]) == []
    assert watch.number == 2


def test_a_clock_that_was_set_back_for_good_is_watched_on() -> None:
    """As those of cameras are that lose their time with their batteries."""
    watch, rng = Watch.of(REFERENCE), np.random.default_rng(0)
    told(watch, [observed(n, rng) for n in range(100)])
    lost = datetime(2000, 1, 1, tzinfo=UTC)
    after = [observed(n, rng, contamination=1.0, at=lost + timedelta(minutes=n)) for n in range(100)]
    assert [alarm.monitor for alarm in told(watch, after)][:1] == [Monitor.RATE]
    assert watch.number == 200


def test_a_minute_is_one_vote_however_many_clocks_a_source_has() -> None:
    watch, rng = Watch.of(REFERENCE), np.random.default_rng(0)
    clocks = [START - timedelta(days=40 * n) for n in range(8)]
    burst = [observed(n, rng, contamination=1.0, at=clocks[n % 8] + timedelta(seconds=n / 100)) for n in range(4_000)]
    assert told(watch, burst) == []
    assert watch.number == 8


def test_groups_are_one_vote_each() -> None:
    watch, rng = Watch.of(REFERENCE), np.random.default_rng(0)
    at = [0, 1, 2, 3, 200]
    for n, group in enumerate(("a", "a", "b", "a", "b")):
        watch.update(observed(n, rng, at=START + timedelta(seconds=at[n]), group=group))
    assert watch.number == 2


def test_one_camera_alarms_by_itself_and_the_others_go_on() -> None:
    watch, rng = Watch.of(REFERENCE), np.random.default_rng(1)
    seen = [
        observed(n, rng, source=f"camera {n % 5}", contamination=0.3 if n % 5 == 3 and n > 2_000 else 0.0)
        for n in range(5_000)
    ]
    (alarm,) = told(watch, seen)
    assert (alarm.monitor, alarm.source) == (Monitor.RATE, "camera 3")
    assert alarm.evidence["images"]
    drove = {one.id: one for one in seen}
    assert all(
        drove[id].verdict is Verdict.OUT_OF_DOMAIN and drove[id].source == "camera 3" for id in alarm.evidence["images"]
    )


def test_a_camera_that_is_strange_from_its_first_vote_is_blamed_alone() -> None:
    watch, rng = Watch.of(REFERENCE), np.random.default_rng(4)
    assert told(watch, (observed(number, rng, source="north") for number in range(62))) == []
    strange = (observed(62 + number, rng, source="south", contamination=1.0) for number in range(70))
    assert [(raised.monitor, raised.source) for raised in told(watch, strange)] == [(Monitor.RATE, "south")]


def test_accuracy_is_estimated_of_what_is_not_turned_away() -> None:
    watch, rng = Watch.of(REFERENCE), np.random.default_rng(5)
    told(watch, (observed(number, rng, contamination=1.0, harder=1.0) for number in range(200)))
    assert summary(watch)["estimated_accuracy"] is None
    told(watch, (observed(200 + number, rng) for number in range(400)))
    assert summary(watch)["estimated_accuracy"]["value"] == pytest.approx(0.86, abs=0.04)


def test_a_change_at_all_cameras_is_one_of_all_together() -> None:
    watch, rng = Watch.of(REFERENCE), np.random.default_rng(1)
    seen = (observed(n, rng, source=f"camera {n % 10}", contamination=0.2 if n > 1_000 else 0.0) for n in range(1_400))
    (alarm,) = told(watch, seen)
    assert alarm.source is None


def test_an_alarm_stands_until_it_is_cleared_and_may_come_again() -> None:
    watch = Watch.of(REFERENCE)
    (first,) = told(watch, stream(1_000, 1, contamination=0.5))
    assert watch.standing == {(Monitor.RATE, "north"): first}
    assert not watch.clear(Monitor.RATE, None)
    assert watch.clear(Monitor.RATE, "north")
    assert not watch.clear(Monitor.RATE, "north")
    assert told(watch, stream(1_000, 2, first=1_000)) == []
    (second,) = told(watch, stream(1_000, 3, first=2_000, contamination=0.5))
    assert second.raised > first.raised


def test_a_restart_at_any_moment_changes_nothing() -> None:
    def events() -> list[Observation | Audit]:
        rng = np.random.default_rng(5)
        seen: list[Observation | Audit] = [
            observed(n, rng, source=f"camera {n % 70}", contamination=0.4 if n > 1_500 else 0, harder=n / 4_000)
            for n in range(2_500)
        ]
        for place, audit in enumerate(audits(200, 0.2, 6)):
            seen.insert(10 * place, audit)
        return seen

    whole, raised = Watch.of(REFERENCE), []
    parted = Watch.of(REFERENCE)
    for number, one in enumerate(events()):
        now = whole.update(one)
        assert parted.update(one) == now
        raised += now
        if number % 97 == 0:
            parted = Watch.of_json(parted.to_json(), REFERENCE)
    assert raised
    assert parted.to_json() == whole.to_json()
    assert summary(parted) == summary(whole)


def test_a_state_of_another_bundle_or_version_is_refused() -> None:
    state = Watch.of(REFERENCE).to_json()
    with pytest.raises(UsageError, match="is of bundle 0123456789abcdef, not of ffff"):
        Watch.of_json(state, replace(REFERENCE, bundle_id="ffff"))
    newer = json.dumps({**json.loads(state), "version": 2})
    with pytest.raises(UsageError, match="version 2, this drivetrain reads 1"):
        Watch.of_json(newer, REFERENCE)


def test_memory_stays_constant() -> None:
    """However many sources, votes, labels and values of facts there are."""
    watch, rng, sizes = Watch.of(REFERENCE), np.random.default_rng(0), []
    for n in range(9_000):
        one = observed(n, rng, source=f"camera {n}", width=n)
        watch.update(replace(one, label=f"label {n}"))
        if n in (4_499, 8_999):
            sizes.append(len(watch.to_json()))
    assert len(watch.sources) == MOST_SOURCES + 1
    assert watch.sources[OTHERS].n == 9_000 - MOST_SOURCES
    assert watch.name_of("yet another") == OTHERS
    assert sizes[1] < 1.2 * sizes[0] < 300_000


def test_what_is_not_known_is_no_vote_of_its_monitor() -> None:
    watch, rng = Watch.of(REFERENCE), np.random.default_rng(0)
    lacking = ({"p_in_domain": None}, {"confidence": None}, {"verdict": Verdict.UNREADABLE, "p_in_domain": None}, {})
    for n in range(4_000):
        one = replace(observed(n, rng), verdict=Verdict.REVIEW)
        assert watch.update(replace(one, **lacking[n % 4])) == ()
    total = watch.total()
    assert (total.n, total.unreadable) == (4_000, 1_000)
    assert watch.together.with_p == total.with_p == 2_000
    # Of the 2,000 with a confidence half have a p-value too, and those that it refuses are left out.
    assert 1_930 <= sum(total.confidences) < 2_000


def test_odd_names_times_and_numbers_survive_a_restart() -> None:
    """Half a surrogate pair, moments at the ends of the calendar, a p-value outside 0–1, facts that are no numbers."""
    watch, rng = Watch.of(REFERENCE), np.random.default_rng(0)
    facts = {"\ud800": "\udfff", "gain": 0.5, "noise": math.nan, "far": 1e300, "raw": True}
    moments = (datetime(1, 1, 1, tzinfo=UTC), START, datetime(9999, 12, 31, tzinfo=UTC))
    for number, (at, p) in enumerate(zip(moments, (-0.1, 1.5, 1.0), strict=True)):
        watch.update(replace(observed(number, rng), at=at, p_in_domain=p, source="\ud83d", label="\udc00", facts=facts))
    again = Watch.of_json(watch.to_json(), REFERENCE)
    assert again.to_json() == watch.to_json()
    assert summary(again) == summary(watch)
    assert again.total("\ud83d").measures == {"gain": [3.0, 1.5, 0.75]}


def test_a_refusal_without_its_p_value_counts() -> None:
    refused = (replace(one, p_in_domain=None, verdict=Verdict.OUT_OF_DOMAIN) for one in stream(100, 0))
    assert [raised.monitor for raised in told(Watch.of(REFERENCE), refused)] == [Monitor.RATE]


def test_a_bundle_without_a_gate_says_that_it_watches_no_rate() -> None:
    watch = Watch.of(replace(REFERENCE, gate=None))
    assert told(watch, stream(1_000, 0, contamination=1.0)) == []
    document = summary(watch)
    assert document["out_of_domain_rate"] is None
    assert document["monitors"] == ["confidence", "audited-error"]
    assert any("has no gate" in sentence for sentence in document["not_watched"])


@pytest.mark.parametrize(
    ("how", "looks_like"),
    [
        ({"contamination": 0.3}, LooksLike.NEW_CLASS),
        ({"contamination": 0.3, "width": 1920}, LooksLike.CAMERA),
        ({"shift": 3.0}, LooksLike.CAMERA),
        ({"contamination": 0.9}, LooksLike.CAMERA),
        ({"harder": 0.9}, LooksLike.HARDER),
        ({"harder": 0.5, "mix": (0.1, 0.2, 0.7)}, LooksLike.MIX),
    ],
)
def test_an_alarm_says_what_it_looks_like(how: dict[str, object], looks_like: LooksLike) -> None:
    watch = Watch.of(REFERENCE)
    assert told(watch, stream(600, 1)) == []
    (alarm, *_) = told(watch, stream(1_500, 2, first=600, **how))
    assert alarm.looks_like is looks_like
    assert {test["of"] for test in alarm.evidence["tests"]} >= {"width", "height", "labels", "confidence"}
    assert json.loads(json.dumps(alarm.to_json(), allow_nan=False)) == Raised.of_json(alarm.to_json()).to_json()


def test_a_camera_that_is_all_strange_is_not_taken_for_a_new_class() -> None:
    """Also where the change seems to have begun earlier, as some clean images were refused just before it."""
    watch = Watch.of(REFERENCE)
    assert told(watch, stream(600, 1)) == []
    assert told(watch, stream(24, 3, first=600, contamination=0.15)) == []
    (alarm, *_) = told(watch, stream(100, 3, first=624, contamination=1.0))
    assert alarm.evidence["refused_in_a_row"] >= 5
    assert alarm.evidence["out_of_domain"]["since"] < 0.6
    assert alarm.looks_like is LooksLike.CAMERA


def test_audits_alarm_once_and_healthy_ones_do_not() -> None:
    watch = Watch.of(REFERENCE)
    assert told(watch, audits(300, 0.01, 1)) == []
    (alarm,) = told(watch, audits(600, 0.15, 2, first=300))
    assert (alarm.monitor, alarm.looks_like) == (Monitor.ERROR, LooksLike.ERRORS)
    assert summary(watch)["audits"]["n"] == 900
    assert watch.clear(Monitor.ERROR, alarm.source)


def test_an_answer_is_audited_once() -> None:
    watch = Watch.of(REFERENCE)
    told(watch, [replace(audits(1, 1.0, 0)[0], wrong=True)] * 500)
    assert watch.together.audits == 1


def test_a_watch_that_accepts_nothing_has_no_audited_error() -> None:
    watch = Watch.of(replace(REFERENCE, error_bound=None))
    assert told(watch, audits(500, 1.0, 0)) == []
    assert summary(watch)["audits"] is None


def test_settings_that_make_no_sense_are_refused() -> None:
    with pytest.raises(UsageError, match=r"alpha is 1.5; give a probability"):
        Settings(alpha=1.5)
    with pytest.raises(UsageError, match="the horizon is 0 votes"):
        Settings(horizon=0)


def test_nearness_says_how_far_a_source_has_gone_towards_an_alarm() -> None:
    watch = Watch.of(REFERENCE)
    assert watch.nearness("north") == 0.0
    told(watch, stream(200, 3))
    calm = watch.nearness("north")
    assert 0 <= calm < 0.6
    on_the_way: list[float] = []
    for one in stream(3_000, 4, first=200, contamination=0.5):
        before = watch.nearness("north")
        if watch.update(one):
            break
        on_the_way.append(before)
    assert len(on_the_way) > 3
    assert max(on_the_way) < 1, "1 is an alarm"
    assert on_the_way[-1] > calm + 0.2
    assert watch.nearness("south") == 0.0, "which has sent nothing"
