"""The outlook in words and numbers: estimates with their range, and said to be such."""

from __future__ import annotations

from ..draw.numbers import decimals, percent_number
from ..workbench.gain import Gain
from ..workbench.merit import Merit
from ..workbench.prospects import Prospects, Worth
from .answers import Outlook, Purchase


def outlook(prospects: Prospects | None, merit: Merit) -> Outlook:
    """Say what more labels, and cleaning the rest, may bring."""
    if prospects is None:
        return Outlook(text="not worked out yet", if_50_more=None, if_cleaned=None)
    more = None if prospects.more is None else _more(prospects.more, merit)
    cleaned = None if prospects.cleaned is None else _cleaned(prospects.cleaned, prospects.doubted, merit)
    parts = [one.text for one in (more, cleaned) if one is not None]
    if not prospects.doubted:
        parts.append("No label that nobody has looked at is doubted any more.")
    return Outlook(text=" ".join(parts) or "too few items are judged to say", if_50_more=more, if_cleaned=cleaned)


def _more(worth: Worth, merit: Merit) -> Purchase:
    text = (
        f"By the learning curve {worth.labels} more labels like these would change the {merit.name} by "
        f"{_change(worth.change, merit)} ({_between(worth.low, worth.high, merit)}): an estimate, read beyond the curve's end."
    )
    return Purchase(labels=worth.labels, gain=worth.change, low=worth.low, high=worth.high, text=text)


def _cleaned(gain: Gain, doubted: int, merit: Merit) -> Purchase:
    found = gain.difference
    labels = f"the {doubted} doubted labels" if doubted > 1 else "the one doubted label"
    text = (
        f"Without {labels} that nobody has looked at, the {merit.name} on the others changes by "
        f"{_change(found.value, merit)} ({_between(found.low, found.high, merit)}): an estimate of the worth of cleaning them."
    )
    return Purchase(labels=doubted, gain=found.value, low=found.low, high=found.high, text=text)


def _change(value: float, merit: Merit) -> str:
    return f"{_signed(value, merit)}{' percentage points' if merit.is_share else ''}"


def _between(low: float, high: float, merit: Merit) -> str:
    return f"{_signed(low, merit)} to {_signed(high, merit)}"


def _signed(value: float, merit: Merit) -> str:
    shown = percent_number(abs(value)) if merit.is_share else decimals(abs(value))
    if not shown.strip("0."):
        return shown
    return f"{'+' if value > 0 else '−'}{shown}"
