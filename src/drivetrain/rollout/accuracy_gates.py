"""The gates on the model's error: beside people's, and by itself. Both are e-processes, and may be read at any time."""

from __future__ import annotations

import math

from ..draw.numbers import percent
from .evidence.adjudicators import Adjudicators
from .evidence.comparison import Comparison
from .evidence.risk import Risk
from .gate_words import counted, in_points, more_needed, nothing_yet, sure, worst_case
from .reading import GateReading, GateVerdict


def non_inferior(
    name: str | None, comparison: Comparison, margin: float, alpha: float, adjudicators: Adjudicators
) -> GateReading:
    """Read the model's error beside people's: it may exceed theirs by less than the margin."""
    if not comparison.n or alpha <= 0:
        return _unknown("non-inferior", name, margin, comparison.n, nothing_yet("case", alpha))
    evidence = comparison.evidence(margin, adjudicators)
    verdict = tested(evidence, comparison.evidence_against(margin), alpha)
    bound = comparison.upper(alpha, adjudicators)
    passes = verdict is GateVerdict.PASS
    more = None if passes else comparison.expected_more(margin, alpha, adjudicators)
    words = (
        f"{_beside_people(comparison)}; {sure(alpha)} the difference is less than {in_points(bound)}, and it has to be"
        f" less than {in_points(margin)}.{_adjudicated(adjudicators)}{worst_case(comparison.worst)}"
        f"{more_needed(verdict, more, 'labelled case')}"
    )
    return GateReading("non-inferior", name, comparison.value, bound, margin, comparison.n, verdict, more, words)


def risk(name: str | None, audited: Risk, threshold: float, alpha: float, adjudicators: Adjudicators) -> GateReading:
    """Read the share of wrong answers among those that the model acts on, or would: it has to be less than a threshold."""
    value = audited.value
    if value is None or alpha <= 0:
        return _unknown("risk", name, threshold, audited.n, nothing_yet("audited case", alpha))
    evidence = audited.evidence(threshold, adjudicators)
    verdict = tested(evidence, audited.evidence_against(threshold), alpha)
    bound = audited.upper(alpha, adjudicators)
    passes = verdict is GateVerdict.PASS
    more = None if passes else audited.expected_more(threshold, alpha, adjudicators)
    words = (
        f"{percent(value)} of {counted(audited.n, 'audited answer')} of the model count as wrong; {sure(alpha)} fewer than"
        f" {percent(bound)} are, and it has to be fewer than {percent(threshold)}.{_adjudicated(adjudicators)}"
        f"{worst_case(audited.worst)}{more_needed(verdict, more, 'audit')}"
    )
    return GateReading("risk", name, value, bound, threshold, audited.n, verdict, more, words)


def tested(evidence: float, against: float, alpha: float) -> GateVerdict:
    """Return the verdict of two log-evidences: that something lies below a threshold, and that it lies above."""
    needed = -math.log(alpha)
    if evidence >= needed:
        return GateVerdict.PASS
    return GateVerdict.FAIL if against >= needed else GateVerdict.NOT_YET


def _unknown(gate: str, name: str | None, threshold: float, n: int, words: str) -> GateReading:
    return GateReading(gate, name, None, None, threshold, n, GateVerdict.NOT_YET, None, words)


def _beside_people(comparison: Comparison) -> str:
    value = comparison.value or 0.0
    cases = counted(comparison.n, "case")
    differ = f"{comparison.discordant} of which were answered differently"
    if abs(value) < 5e-5:
        return f"In {cases}, {differ}, the model is wrong as often as people"
    return f"In {cases}, {differ}, the model is wrong {in_points(abs(value))} {'more' if value > 0 else 'less'} often than people"


def _adjudicated(adjudicators: Adjudicators) -> str:
    if adjudicators.trusted:
        return " Adjudicators are taken to be right, since the policy lets nobody adjudicate twice."
    if adjudicators.error is None:
        return " No case has been adjudicated by two yet, so that adjudicators may err as often as they like."
    pairs = counted(adjudicators.pairs, "case")
    return f" Adjudicators' errors are allowed for: two of them differ on {adjudicators.disagreed} of {pairs}."
