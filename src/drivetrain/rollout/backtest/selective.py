"""Selective labels: outcomes that exist only where the old decision was of one kind. They say nothing of the others."""

from __future__ import annotations

from collections import Counter
from collections.abc import Sequence

from scipy.stats import chi2_contingency

from ...core.errors import DataError
from .past import PastCase

# A difference of shares that chance makes once in a thousand logs, or less often, is taken for a rule of who gets an outcome.
_CHANCE = 0.001

# Fewer cases of a decision than this prove nothing where none of them has an outcome.
_FEWEST = 20

# A decision of whose cases so small a part has an outcome, beside others of whose cases much more do, has none to speak of.
_NONE, _SOME = 0.01, 0.1

Coverage = tuple[str, int, int]
"""A decision, its cases, and those of them with an outcome."""


def coverage_of(cases: Sequence[PastCase]) -> list[Coverage]:
    """Count outcomes by the decision of people, the most frequent first. Seeded cases are left out: nobody waits for theirs."""
    decided = [(one.people, bool(one.outcomes)) for one in cases if one.people is not None and one.known is None]
    total = Counter(label for label, _ in decided)
    known = Counter(label for label, has in decided if has)
    return [(str(label), count, known[label]) for label, count in total.most_common()]


def p_even(found: Sequence[Coverage]) -> float:
    """The probability that shares with an outcome differ as much between decisions, were outcomes known regardless of them.

    >>> p_even([("good", 500, 0), ("defect", 50, 48)]) < 1e-9, p_even([("good", 500, 250), ("defect", 50, 26)]) > 0.5
    (True, True)
    """
    table = [[known, cases - known] for _, cases, known in found]
    if len(table) < 2 or not 0 < sum(row[0] for row in table) < sum(map(sum, table)):
        return 1.0
    return float(chi2_contingency(table).pvalue)


def check_selective(cases: Sequence[PastCase], source: str) -> tuple[str, ...]:
    """Refuse outcomes that only some decisions have; return a sentence where they are known unevenly.

    Raises:
        DataError: of some decision (nearly) no case has an outcome, while others' have; says what cannot be known.
    """
    found = coverage_of(cases)
    if p_even(found) > _CHANCE:
        return ()
    most = max(found, key=lambda one: one[2] / one[1])
    blind = [one for one in found if one[2] / one[1] <= _NONE and one[1] >= _FEWEST]
    if blind and most[2] / most[1] >= _SOME:
        label, count, known = blind[0]
        raise DataError(
            f"{source} has outcomes for {most[2]:,} of {most[1]:,} cases decided as {most[0]!r} and for {known:,} of {count:,} "
            f"decided as {label!r} (selective labels): what became of those, and so who was right where the model says "
            "otherwise, cannot be known from this log; give outcomes for a random sample of them, or leave the column "
            "'outcome' out and have a sample adjudicated (--adjudicate 100)"
        )
    said = ", ".join(f"{label} {100 * known / count:.0f} %" for label, count, known in found[:6])
    sentence = (
        f"outcomes are known unevenly by decision ({said}): the cases that have one are no random sample of all, so that the "
        "bounds can be relied on, and the estimates cannot"
    )
    return (sentence,)
