"""The plan of a watch: the same recursion as the watch itself, the delays planned, and traffic as people write it."""

from __future__ import annotations

import numpy as np
import pytest
from observed import REFERENCE, observed
from scipy.stats import binom

from drivetrain.core.errors import UsageError
from drivetrain.core.traffic import per_day
from drivetrain.monitor.plan import CHANGES, CONTAMINATIONS, plan
from drivetrain.monitor.raised import Monitor
from drivetrain.monitor.reference import GateReference
from drivetrain.monitor.runs import DAILY_LEVEL, Runs
from drivetrain.monitor.settings import Settings
from drivetrain.monitor.watch import Watch

GATE = REFERENCE.gate
assert GATE is not None


@pytest.mark.parametrize("sources", [1, 3])
def test_its_runs_alarm_with_the_vote_with_which_a_watch_does(sources: int) -> None:
    for seed in range(5):
        watch, rng = Watch.of(REFERENCE), np.random.default_rng(seed)
        runs = Runs(GATE, watch.settings, sources, 500, 1, seed)
        for number in range(3_000):
            contamination = 0.25 if number % sources == 0 and number > 200 else 0.0
            one = observed(number, rng, source=f"camera {number % sources}", contamination=contamination)
            assert one.p_in_domain is not None
            raised = watch.update(one)
            runs.take(np.asarray([one.p_in_domain <= GATE.level]))
            if raised:
                break
        assert raised[0].monitor is Monitor.RATE
        assert runs.alarm_R.tolist() == [watch.number]


def test_a_plan_has_the_delays_of_the_method_and_no_false_alarms() -> None:
    settings = Settings(horizon=8_000, alpha=0.004)  # the level of 20,000 votes at 1 %
    found = plan(GATE, traffic_per_day=500, runs=60, settings=settings)
    assert [(row.contamination, row.change_after) for row in found.rows] == [
        (c, n) for c in CONTAMINATIONS for n in CHANGES
    ]
    for row in found.rows:
        # In half of the runs the gate refuses fewer than it may, so that the delays are about those planned for 5 %.
        for contamination, planned in ((0.2, 90), (0.1, 358)):
            if row.contamination == contamination:
                assert row.watch.median is not None
                assert row.watch.median <= 1.3 * planned
                assert row.watch.found == 1
    assert round(found.false_alarms.value * 60) <= binom.ppf(0.99, 60, 0.014)
    assert found.daily_false_alarms.value > 3 * DAILY_LEVEL
    document = found.to_json()
    first = document["rows"][-1]
    assert first["median_days"] == pytest.approx(first["median"] / 500)
    assert first["always_alarm"]["false_alarms"]["value"] == 1
    assert first["daily_test"]["median"] >= 500  # at the end of the first day


def test_equal_seeds_give_equal_plans() -> None:
    settings = Settings(horizon=600)
    one, same, other = (
        plan(GateReference(0.1, 40), traffic_per_day=100, sources=2, runs=20, seed=seed, settings=settings).to_json()
        for seed in (1, 1, 2)
    )
    assert one == same != other


def test_more_images_than_minutes_are_no_more_votes() -> None:
    found = plan(GATE, traffic_per_day=1e6, sources=2, runs=2, settings=Settings(horizon=10))
    assert found.votes_per_day == 2 * 1440


@pytest.mark.parametrize(
    ("text", "found"),
    [("500/day", 500), ("1,000 a day", 1000), ("20/hour", 480), ("3 per minute", 4320), ("70/weeks", 10), ("250", 250)],
)
def test_traffic_is_read_as_people_write_it(text: str, found: float) -> None:
    assert per_day(text) == pytest.approx(found)


@pytest.mark.parametrize("text", ["", "0/day", "many", "5/fortnight", "-3/day", ",/day"])
def test_traffic_that_is_none_is_refused(text: str) -> None:
    with pytest.raises(
        UsageError, match=r"cannot be read; write images per minute, hour, day, week, month, such as 500/day"
    ):
        per_day(text)


def test_a_plan_needs_a_source_and_a_run() -> None:
    for how in ({"sources": 0}, {"runs": 0}):
        with pytest.raises(UsageError, match="needs at least one source and one run"):
            plan(GATE, traffic_per_day=1, **how)
