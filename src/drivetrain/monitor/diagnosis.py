"""The kind of change that an alarm looks like, from counts before it began and since.

Rules in the order of what they rest on: facts of the files, which cannot change by themselves; then whether all scores moved or
only some images stand out; then the mix of answers; then confidence. A diagnosis is a hint with its evidence beside it.
"""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from ..stats.batch_tests import NOTHING, TwoSample, categories, kolmogorov_smirnov, means, spent
from .history import Counts
from .raised import LooksLike, Monitor
from .reference import Reference
from .settings import BINS

LEAST_BEFORE = 50
"""Votes before a change below which it is compared with training instead."""
ALPHA = 0.05
# Distances that a person would call a change: a third of the files have another size, a sixth of the answers another label.
FACTS_APART, MIX_APART, CONFIDENCE_APART = 0.33, 0.15, 0.1
# From this share of refused images on, or as many in a row, it is no longer some images that are strange, but all. An alarm
# may come after a handful of votes, with clean ones among those since the estimated beginning.
ALL_REFUSED, IN_A_ROW = 0.6, 5
SHOWN = 5


@dataclass(frozen=True)
class Diagnosis:
    """The kind of change, and why it is thought so."""

    looks_like: LooksLike
    evidence: Mapping[str, Any]


def diagnose(
    monitor: Monitor, reference: Reference, before: Counts, since: Counts, *, streak: int = 0, look: int = 1
) -> Diagnosis:
    """Say what a change looks like.

    ``streak``: the latest votes in a row that were refused. ``look``: the number of this diagnosis, from 1, by which its level
    is spent.
    """
    level = spent(ALPHA, look)
    facts = [(name, *compared) for name, *compared in _facts(before, since)]
    mix = _mix(reference, before, since)
    confidence = _confidence(reference, before, since)
    rest = _rest(reference, since)
    found = _kind(
        monitor, reference, since, [test for _, test, *_ in facts], mix[0], confidence, rest[0], streak, level
    )
    evidence: dict[str, Any] = {
        "votes": since.n,
        "votes_before": before.n,
        "out_of_domain": {
            "before": _share(before.refused, before.with_p),
            "since": _share(since.refused, since.with_p),
        },
        "refused_in_a_row": streak,
        "unreadable": {"before": _share(before.unreadable, before.n), "since": _share(since.unreadable, since.n)},
        "tests": [
            *(_told(name, test, earlier, later) for name, test, earlier, later in facts),
            _told("labels", *mix),
            _told("confidence", confidence, _mean(reference, before), _mean(reference, since)),
            _told("scores of images inside the domain", *rest),
        ],
    }
    return Diagnosis(found, evidence)


def _kind(
    monitor: Monitor,
    reference: Reference,
    since: Counts,
    facts: Sequence[TwoSample],
    mix: TwoSample,
    confidence: TwoSample,
    rest: TwoSample,
    streak: int,
    level: float,
) -> LooksLike:
    if monitor is Monitor.ERROR:
        return LooksLike.ERRORS
    if monitor is Monitor.CERTIFICATE:
        return LooksLike.MIX
    if any(test.p < level / len(facts) and test.distance >= FACTS_APART for test in facts):
        return LooksLike.CAMERA
    usual = reference.gate.level if reference.gate is not None else 1.0
    share = since.refused / since.with_p if since.with_p else 0.0
    if share >= 2 * usual:
        all_of_them = share >= ALL_REFUSED or streak >= IN_A_ROW or rest.p < level
        return LooksLike.CAMERA if all_of_them else LooksLike.NEW_CLASS
    if mix.p < level and mix.distance >= MIX_APART:
        return LooksLike.MIX
    if confidence.p < level and confidence.distance >= CONFIDENCE_APART:
        return LooksLike.HARDER
    return LooksLike.UNCLEAR


def _facts(before: Counts, since: Counts) -> list[tuple[str, TwoSample, Any, Any]]:
    shared = sorted(before.facts.keys() & since.facts.keys())
    told: list[tuple[str, TwoSample, Any, Any]] = [
        (name, categories(before.facts[name], since.facts[name]), _top(before.facts[name]), _top(since.facts[name]))
        for name in shared
    ]
    for name in sorted(before.measures.keys() & since.measures.keys()):
        a, b = before.measures[name], since.measures[name]
        told.append((name, means(a, b), a[1] / a[0], b[1] / b[0]))
    return told


def _mix(reference: Reference, before: Counts, since: Counts) -> tuple[TwoSample, Any, Any]:
    if sum(before.labels.values()) >= LEAST_BEFORE:
        return categories(before.labels, since.labels), _top(before.labels), _top(since.labels)
    known = {label: share * reference.judged for label, share in reference.mix.items()}
    return categories(known, since.labels), _top(known), _top(since.labels)


def _confidence(reference: Reference, before: Counts, since: Counts) -> TwoSample:
    if reference.confidence is None:
        return NOTHING
    enough = sum(before.confidences) >= LEAST_BEFORE
    return kolmogorov_smirnov(before.confidences if enough else reference.confidence.counts, since.confidences)


def _rest(reference: Reference, since: Counts) -> tuple[TwoSample, float | None, float | None]:
    """Compare the scores of what was not refused with training's: they stay as they were where only some images are strange.

    Uniform above the level, they have a known mean; the test is of its fall (normal, one-sided).
    """
    if reference.gate is None:
        return NOTHING, None, None
    first = min(int(reference.gate.level * BINS + 1), BINS - 1)
    n = sum(since.scores[first:])
    usual, width = (first / BINS + 1) / 2, 1 - first / BINS
    if not n:
        return NOTHING, usual, None
    mean = sum(count * (place + 0.5) for place, count in enumerate(since.scores[first:], first)) / BINS / n
    fall = max(0.0, usual - mean)
    return TwoSample(2 * fall / width, math.erfc(fall / (width / math.sqrt(12 * n)) / math.sqrt(2)) / 2), usual, mean


def _told(name: str, test: TwoSample, before: Any, since: Any) -> dict[str, Any]:
    return {"of": name, "distance": test.distance, "p": test.p, "before": before, "since": since}


def _top(counts: Mapping[str, float]) -> dict[str, float]:
    """The most frequent names with their shares."""
    total = sum(counts.values()) or 1
    first = sorted(counts.items(), key=lambda pair: (-pair[1], pair[0]))[:SHOWN]
    return {name: round(n / total, 4) for name, n in first}


def _mean(reference: Reference, counts: Counts) -> float | None:
    known, n = reference.confidence, sum(counts.confidences)
    if known is None or not n:
        return None
    return sum(count * mean for count, mean in zip(counts.confidences, known.means, strict=True)) / n


def _share(part: int, whole: int) -> float | None:
    return part / whole if whole else None
