"""A certificate expires when the mix of answers moves, and hardly ever else."""

from __future__ import annotations

import json
from dataclasses import replace
from datetime import UTC, datetime, timedelta
from itertools import pairwise
from pathlib import Path

import numpy as np
import pytest
from observed import REFERENCE, START, observed
from scipy.stats import binom

from drivetrain.core.errors import UsageError
from drivetrain.core.verdict import Verdict
from drivetrain.model.manifest import Accept, Bound, Certificate
from drivetrain.model.predictor import load
from drivetrain.monitor.certified_mix import CertifiedMix
from drivetrain.monitor.expiry import RECENT, Expiry
from drivetrain.monitor.moment import Mark
from drivetrain.monitor.observation import Observation
from drivetrain.monitor.raised import LooksLike, Monitor, Raised
from drivetrain.monitor.settings import Settings
from drivetrain.monitor.summary import summary
from drivetrain.monitor.suspended import certificate_state
from drivetrain.monitor.watch import Watch
from drivetrain.monitor.words import sentence
from drivetrain.stats.shiryaev_roberts import alarm_level

LABELS = ("bear", "deer", "fox")
MIX = CertifiedMix(
    {"bear": 0.5, "deer": 0.3, "fox": 0.2}, independent=1_000, tolerance=0.1, made_at=datetime(2026, 4, 1, tzinfo=UTC)
)
CERTIFIED = replace(REFERENCE, certificate=MIX)


def expired_after(expiry: Expiry, labels: list[tuple[str, ...]]) -> int | None:
    """The number of votes after which a certificate expires."""
    return next((n for n, one in enumerate(labels, 1) if expiry.vote(one, Mark(n, n, f"{n:032x}"))), None)


def drawn(rng: np.random.Generator, count: int, mix: tuple[float, ...]) -> list[tuple[str, ...]]:
    return [(LABELS[place],) for place in rng.choice(3, count, p=mix).tolist()]


def told(watch: Watch, seen: list[Observation]) -> list[Raised]:
    return [raised for one in seen for raised in watch.update(one)]


def answers(count: int, seed: int, mix: tuple[float, float, float], first: int = 0) -> list[Observation]:
    rng = np.random.default_rng(seed)
    return [observed(first + n, rng, mix=mix) for n in range(count)]


def test_at_the_edge_of_the_tolerance_it_expires_no_more_often_than_stated() -> None:
    """The worst case that still stands, with nights unlike days, at α = 10 % within 600 votes."""
    runs, level, expired = 200, alarm_level(600, 0.1), 0
    for seed in range(runs):
        rng = np.random.default_rng(seed)
        days = [(0.6, 0.3, 0.1), (0.5, 0.2, 0.3)] if seed % 2 else [(0.45, 0.25, 0.3)]
        labels = [one for block in range(6) for one in drawn(rng, 100, days[block % len(days)])]
        expired += expired_after(Expiry(replace(MIX, independent=10**6), level), labels) is not None
    assert 0 < expired <= binom.ppf(0.99, runs, 0.1)


@pytest.mark.parametrize("independent", [60, 300, 1_000])
def test_a_mix_that_stays_hardly_ever_expires_a_certificate_of_few_cases(independent: int) -> None:
    """The certificate's own shares are drawn, too."""
    runs, expired, true = 60, 0, (0.5, 0.3, 0.2)
    for seed in range(runs):
        rng = np.random.default_rng(seed)
        shares = rng.multinomial(independent, true) / independent
        mix = CertifiedMix(dict(zip(LABELS, shares.tolist(), strict=True)), independent, 0.1)
        expired += expired_after(Expiry(mix, alarm_level(500, 0.1)), drawn(rng, 500, true)) is not None
    assert expired <= binom.ppf(0.99, runs, 0.1 + 0.01)


def test_the_allowance_for_the_certificates_own_sample_holds() -> None:
    """The mix that a certificate was drawn from lies within the margin, 99 times of 100."""
    rng, runs = np.random.default_rng(0), 1_000
    for true in ((0.5, 0.3, 0.2), (0.9, 0.1, 0.0), (0.05,) * 20):
        for n in (60, 300):
            shares = rng.multinomial(n, true, runs) / n
            outside = 0
            for one in shares:
                margin = CertifiedMix({str(k): p for k, p in enumerate(one.tolist())}, n, 0.0).margin
                outside += np.abs(one - true).sum() / 2 > margin
            assert outside <= binom.ppf(0.99, runs, 0.01)
    margins = [replace(MIX, independent=n).margin for n in (60, 300, 1_000, 10**6)]
    assert all(a >= b for a, b in pairwise(margins))
    assert margins[-1] == MIX.tolerance


@pytest.mark.parametrize("stable", [0, 2_000])
def test_a_mix_that_has_moved_expires_it_soon_whenever_it_moves(stable: int) -> None:
    """From a fifth to three fifths of foxes."""
    delays = []
    for seed in range(20):
        rng, expiry = np.random.default_rng(seed), Expiry(MIX, alarm_level(20_000, 0.01))
        assert expired_after(expiry, drawn(rng, stable, (0.5, 0.3, 0.2))) is None
        delays.append(expired_after(expiry, drawn(rng, 2_000, (0.2, 0.2, 0.6))) or 2_000)
    assert np.median(delays) <= (100 if stable == 0 else 150)
    assert min(delays) > 12, "a handful of votes is not enough"


def test_a_class_that_the_certificate_never_met_expires_it() -> None:
    mix = CertifiedMix({"bear": 0.6, "deer": 0.4, "fox": 0.0}, 1_000, 0.1)
    moved = drawn(np.random.default_rng(0), 500, (0.3, 0.2, 0.5))
    assert expired_after(Expiry(mix, alarm_level(20_000, 0.01)), moved) is not None


def test_of_overlapping_labels_one_that_comes_or_goes_expires_it() -> None:
    mix = CertifiedMix({"wet": 0.5, "red": 0.4}, 2_000, 0.1, overlapping=True)

    def some(rng: np.random.Generator, wet: float, red: float) -> list[tuple[str, ...]]:
        return [
            tuple(name for name, there in zip(("wet", "red"), one, strict=True) if there)
            for one in (rng.random((600, 2)) < (wet, red)).tolist()
        ]

    for wet, red, expires in ((0.5, 0.4, False), (0.95, 0.4, True), (0.5, 0.0, True)):
        rng = np.random.default_rng(1)
        found = expired_after(Expiry(mix, alarm_level(20_000, 0.01)), some(rng, wet, red))
        assert (found is not None) is expires


def test_the_alarm_names_both_mixes_and_stands_until_it_is_cleared() -> None:
    watch = Watch.of(CERTIFIED)
    assert told(watch, answers(600, 1, (0.5, 0.3, 0.2))) == []
    (alarm,) = told(watch, answers(400, 2, (0.1, 0.2, 0.7), first=600))
    assert (alarm.monitor, alarm.source, alarm.looks_like) == (Monitor.CERTIFICATE, None, LooksLike.MIX)
    assert abs((alarm.began - START) / timedelta(minutes=1) - 600) < 60
    mix = alarm.evidence["mix"]
    assert mix["before"] == dict(MIX.answered)
    assert mix["since"]["fox"] > 0.5
    assert alarm.evidence["images"]
    state = certificate_state(MIX, [alarm])
    assert state is not None
    assert state["stands"] is False
    assert "The certificate of 1 Apr 2026 has expired since about 1 May 2026" in state["text"]
    assert "fox from 20.0 % to" in state["text"]
    assert "fox from 20.0 % to" in sentence(alarm.to_json())
    assert summary(watch)["certificate"]["stands"] is False
    assert Raised.of_json(json.loads(json.dumps(alarm.to_json()))).to_json() == alarm.to_json()

    assert watch.clear(Monitor.CERTIFICATE, None)
    assert not watch.clear(Monitor.CERTIFICATE, None)
    assert summary(watch)["certificate"]["stands"] is True
    assert told(watch, answers(400, 3, (0.5, 0.3, 0.2), first=1_000)) == []
    assert told(watch, answers(400, 4, (0.1, 0.2, 0.7), first=1_400))


def test_it_goes_on_from_its_state_to_the_bit() -> None:
    whole, parted, raised = Watch.of(CERTIFIED), Watch.of(CERTIFIED), []
    seen = answers(2 * RECENT, 1, (0.5, 0.3, 0.2)) + answers(300, 2, (0.1, 0.2, 0.7), first=2 * RECENT)
    for number, one in enumerate(seen):
        now = whole.update(one)
        assert parted.update(one) == now
        raised += now
        if number % 37 == 0:
            parted = Watch.of_json(parted.to_json(), CERTIFIED)
    assert [one.monitor for one in raised] == [Monitor.CERTIFICATE]
    assert parted.to_json() == whole.to_json()


def test_without_a_certificate_nothing_changes() -> None:
    with_one, without = Watch.of(CERTIFIED), Watch.of(REFERENCE)
    for one in answers(400, 1, (0.1, 0.2, 0.7)):
        assert [raised.monitor for raised in with_one.update(one) if raised.monitor is not Monitor.CERTIFICATE] == [
            raised.monitor for raised in without.update(one)
        ]
    assert with_one.standing
    assert not without.standing
    state = json.loads(with_one.to_json())
    del state["certificate"]
    state["standing"], state["raised"] = [], 0
    assert json.loads(without.to_json()) == state
    assert summary(without)["certificate"] is None
    with pytest.raises(UsageError, match="did not watch the certificate"):
        Watch.of_json(without.to_json(), CERTIFIED)


def test_only_answers_that_may_stand_count() -> None:
    """Unreadable ones have no answer, and those under another alarm are reviewed anyway."""
    watch, rng = Watch.of(CERTIFIED), np.random.default_rng(0)
    unreadable = [replace(observed(n, rng), verdict=Verdict.UNREADABLE, label=None, labels=()) for n in range(300)]
    assert told(watch, unreadable) == []
    watch = Watch.of(CERTIFIED, Settings(alpha=0.5))
    strange = [observed(n, rng, contamination=1.0, mix=(0.5, 0.3, 0.2)) for n in range(50)]
    assert [raised.monitor for raised in told(watch, strange)] == [Monitor.RATE]
    assert told(watch, answers(500, 1, (0.0, 0.0, 1.0), first=50)) == []
    state = summary(watch)["certificate"]
    assert state["stands"] is False
    assert "is suspended while an alarm stands, for north" in state["text"]


def test_it_comes_from_the_manifest() -> None:
    manifest = load(Path(__file__).parent.parent / "bundles" / "v3-classes", golden=False, quarantine=None).manifest
    bound = Bound(max_error=0.02, level=0.95, independent=300, accepted=200, wrong=1, error_upper=0.018, needed=149)
    made = Certificate(
        made_at="2026-11-30T14:02:00+00:00",
        source="field.csv",
        images=450,
        leaks=0,
        mix={"a": 1.0},
        answered={"a": 0.75, "b": 0.25},
        stated=False,
        tolerance=0.1,
        jointly=False,
        slices=(),
    )
    accept = Accept(confidence=0.9, basis="certificate", coverage=0.6, error=None, bound=bound, certificate=made)
    found = CertifiedMix.of(manifest.model_copy(update={"accept": accept}))
    assert found is not None
    assert (found.answered, found.independent, found.tolerance) == (made.answered, 300, 0.1)
    assert found.made_at == datetime(2026, 11, 30, 14, 2, tzinfo=UTC)
    nothing = accept.model_copy(update={"confidence": None})
    for other in (None, nothing, accept.model_copy(update={"certificate": None})):
        assert CertifiedMix.of(manifest.model_copy(update={"accept": other})) is None
    assert certificate_state(None, []) is None
