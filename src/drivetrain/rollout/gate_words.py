"""The words in which gates say what they know, for people who decide on a rollout."""

from __future__ import annotations

from .reading import GateVerdict


def counted(n: int, noun: str) -> str:
    """Write a number of things.

    >>> counted(1, "case"), counted(12_000, "case")
    ('1 case', '12,000 cases')
    """
    return f"{n:,} {noun}{'' if n == 1 else 's'}"


def in_points(fraction: float) -> str:
    """Write a difference of shares in percentage points.

    >>> in_points(0.0123), in_points(0.01)
    ('1.23 percentage points', '1 percentage point')
    """
    number = f"{100 * fraction:.2f}".rstrip("0").rstrip(".")
    return f"{number} percentage point{'' if number == '1' else 's'}"


def sure(alpha: float) -> str:
    """Say how sure a bound is, however often it is looked at.

    >>> sure(0.02)
    'with 98 % confidence, whenever one looks,'
    """
    return f"with {100 * (1 - alpha):.4g} % confidence, whenever one looks,"


def worst_case(n: int) -> str:
    """Tell of the cases that count against the model since something of them is missing."""
    if not n:
        return ""
    verb = "counts" if n == 1 else "count"
    return f" {counted(n, 'case')} that nobody resolved in time, or somebody could not tell, {verb} against it."


def nothing_yet(noun: str, alpha: float) -> str:
    """Say that nothing can be said."""
    if alpha <= 0:
        return "The policy gives this stage no part of alpha, so that nothing can be shown: raise its part of spend."
    return f"No {noun} has been resolved yet."


def more_needed(verdict: GateVerdict, more: int | None, noun: str) -> str:
    """Say what is to be expected.

    >>> more_needed(GateVerdict.NOT_YET, 1234, "audit"), more_needed(GateVerdict.PASS, None, "audit")
    (' About 1,200 more audits are to be expected.', '')
    """
    if verdict is GateVerdict.PASS:
        return ""
    if verdict is GateVerdict.FAIL:
        return " That it is more has been shown."
    if more is None:
        return f" As things stand, more {noun}s will not show it."
    rounded = more if more < 100 else round(more, -1 if more < 1000 else -2)
    return f" About {counted(rounded, 'more ' + noun)} {'is' if rounded == 1 else 'are'} to be expected."
