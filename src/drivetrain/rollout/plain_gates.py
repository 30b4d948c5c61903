"""The gates besides the model's error: enough cases and days, of the kind it knows, answered in time, by people who look."""

from __future__ import annotations

from ..draw.numbers import percent
from .evidence.rates import Latency, Rate, Rates
from .evidence.ratio import SampleRatio
from .gate_words import counted, in_points, more_needed, sure
from .reading import GateReading, GateVerdict

ALPHA = 0.05
"""The error of the bounds of rates, which spend no alpha: a model is not advanced by them alone."""
IN_TIME = 0.95
"""The share of answers that have to come in time."""
FEWEST_SEEDED = 5
"""Seeded cases below which they say nothing."""


def cases(name: str | None, n: int, least: int) -> GateReading:
    """Read the units that have come in this stage or step."""
    missing = max(0, least - n)
    words = f"{counted(n, 'case')} of at least {least:,} {'has' if n == 1 else 'have'} come."
    return GateReading("cases", name, float(n), None, float(least), n, _enough(missing), missing or None, words)


def audits(n: int, least: int) -> GateReading:
    """Read the audits of acted cases in this step."""
    missing = max(0, least - n)
    words = f"{counted(n, 'audit')} of at least {least:,} that this step needs of its own {'is' if n == 1 else 'are'} complete."
    return GateReading("audits", None, float(n), None, float(least), n, _enough(missing), missing or None, words)


def days(passed: float, least: float) -> GateReading:
    """Read the days since the stage or step began."""
    words = f"{passed:.1f} of at least {least:g} days have passed."
    return GateReading("days", None, passed, None, least, int(passed), _enough(least - passed), None, words)


def _enough(missing: float) -> GateVerdict:
    return GateVerdict.PASS if missing <= 0 else GateVerdict.NOT_YET


def out_of_domain(name: str | None, rate: Rate, most: float) -> GateReading:
    """Read the share of cases unlike those the model was trained on."""
    return _bounded("out-of-domain", name, rate, most, "case", "unlike those that the model was trained on")


def override_rate(name: str | None, rate: Rate, most: float) -> GateReading:
    """Read the share of the model's proposals that people override."""
    return _bounded("override-rate", name, rate, most, "proposal", "overridden")


def _bounded(gate: str, name: str | None, rate: Rate, most: float, noun: str, hit: str) -> GateReading:
    """Read a rate whose upper bound has to be at most a threshold."""
    if rate.value is None:
        return _none_yet(gate, name, most, f"No {noun} has come yet.")
    bound = rate.upper(ALPHA)
    verdict = GateVerdict.PASS if bound <= most else GateVerdict.NOT_YET
    if rate.lower(ALPHA) > most:
        verdict = GateVerdict.FAIL
    more = None if verdict is GateVerdict.PASS else rate.expected_more(most, ALPHA)
    words = (
        f"{percent(rate.value)} of {counted(rate.n, noun)} {'was' if rate.n == 1 else 'were'} {hit};"
        f" {sure(ALPHA)} at most {percent(bound)} are, and at most {percent(most)} may be."
        f"{more_needed(verdict, more, noun)}"
    )
    return GateReading(gate, name, rate.value, bound, most, rate.n, verdict, more, words)


def _none_yet(gate: str, name: str | None, threshold: float, words: str) -> GateReading:
    return GateReading(gate, name, None, None, threshold, 0, GateVerdict.NOT_YET, None, words)


def unresolved(name: str | None, missing: int, n: int, most: float) -> GateReading:
    """Read the share of the evidence that is missing, and so counts against the model."""
    if not n:
        return _none_yet("unresolved", name, most, "No case has become evidence yet.")
    value = missing / n
    verdict = GateVerdict.PASS if value <= most else GateVerdict.NOT_YET
    words = (
        f"{percent(value)} of {counted(n, 'case')} in evidence were not resolved in time, or somebody could not tell;"
        f" they count against the model, and at most {percent(most)} may be such."
    )
    return GateReading("unresolved", name, value, None, most, n, verdict, None, words)


def latency(name: str | None, took: Latency, most_ms: float) -> GateReading:
    """Read the time within which 95 of 100 answers came, in milliseconds."""
    within_s = took.within_s(IN_TIME)
    if within_s is None:
        return _none_yet("latency", name, most_ms, "No answer has come yet.")
    value = 1000 * within_s
    verdict = GateVerdict.PASS if value <= most_ms else GateVerdict.FAIL
    words = f"95 of 100 answers came within {value:.3g} ms, and have to come within {most_ms:g} ms."
    return GateReading("latency", name, value, None, most_ms, took.n, verdict, None, words)


def automation_bias(rates: Rates, most: float) -> GateReading:
    """Read how much more often people who do not see the model's answer differ from it than those who see it override it.

    The bound is the lower one: it stands in the way only where people are shown to wave proposals through.
    """
    blind, seen = rates.differed, rates.overridden
    if blind.value is None or seen.value is None:
        words = (
            "Nothing can be said of people's trust in proposals before some are answered, and some cases decided blind."
        )
        return GateReading("automation-bias", None, None, None, most, 0, GateVerdict.PASS, None, words)
    value = blind.value - seen.value
    bound = blind.lower(ALPHA / 2) - seen.upper(ALPHA / 2)
    verdict = GateVerdict.FAIL if bound > most else GateVerdict.PASS
    words = (
        f"People differ from the model on {percent(blind.value)} of {counted(blind.n, 'case')} that they decide blind, and"
        f" override {percent(seen.value)} of {counted(seen.n, 'proposal')}; a difference of more than {in_points(most)} would"
        f" say that they wave wrong proposals through, and {in_points(max(0.0, bound))} or more are shown."
    )
    return GateReading("automation-bias", None, value, bound, most, blind.n + seen.n, verdict, None, words)


def seeded(rate: Rate, most: float) -> GateReading:
    """Read people's error on cases whose right answer was known before."""
    if rate.n < FEWEST_SEEDED:
        words = (
            f"{counted(rate.n, 'seeded case')} of at least {FEWEST_SEEDED} {'has' if rate.n == 1 else 'have'} been decided:"
            " send cases whose right answer is known, or set supervised.seeded to 0."
        )
        missing = FEWEST_SEEDED - rate.n
        return GateReading("seeded", None, rate.value, None, most, rate.n, GateVerdict.NOT_YET, missing, words)
    value = rate.hits / rate.n
    words = f"People got {percent(value)} of {counted(rate.n, 'seeded case')} wrong, and at most {percent(most)} may be wrong."
    verdict = GateVerdict.PASS if value <= most else GateVerdict.NOT_YET
    if rate.lower(ALPHA) > most:
        verdict = GateVerdict.FAIL
    return GateReading("seeded", None, value, None, most, rate.n, verdict, None, words)


def sample_ratio(ratio: SampleRatio) -> GateReading:
    """Read whether as many units were drawn for checks as were to be."""
    if not ratio.n:
        words = "No case has been drawn yet."
        return GateReading("sample-ratio", None, None, None, 0.0, 0, GateVerdict.PASS, None, words)
    seen, meant = ratio.drawn / ratio.n, ratio.expected / ratio.n
    uneven = ratio.mismatch
    words = f"{percent(seen)} of {counted(ratio.n, 'unit')} were drawn for checks, and {percent(meant)} were to be" + (
        ": that is not chance, and what was drawn tells nothing of the others until it is explained." if uneven else "."
    )
    verdict = GateVerdict.FAIL if uneven else GateVerdict.PASS
    return GateReading("sample-ratio", None, seen, None, meant, ratio.n, verdict, None, words)


def alarm_free(alarms: int) -> GateReading:
    """Read whether alarms of the model's monitors stand."""
    verdict = GateVerdict.FAIL if alarms else GateVerdict.PASS
    words = f"{counted(alarms, 'alarm')} of the model's monitors {'stands' if alarms == 1 else 'stand'}."
    return GateReading(
        "alarms", None, float(alarms), None, 0.0, alarms, verdict, None, words if alarms else "No alarm stands."
    )
