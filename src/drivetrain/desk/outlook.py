"""The outlook in words and numbers: estimates with their range, and said to be such."""

from __future__ import annotations

from dataclasses import dataclass

from ..draw.numbers import decimals, percent_number
from ..workbench.gain import Gain
from ..workbench.merit import Merit
from ..workbench.prospects import Prospects, Worth
from .answers import Outlook, Purchase

FEWEST_LOOKED = 10
"""Below so many items looked at, no rate is read from them."""


@dataclass(frozen=True)
class Looked:
    """The items looked at in this session, and those that are left."""

    edited: int
    doubted: int
    """Items with a doubted label that nobody has decided about."""


def outlook(prospects: Prospects | None, gain: Gain | None, looked: Looked, merit: Merit) -> Outlook:
    """Say what more labels, and cleaning the rest, may bring."""
    more = None if prospects is None or prospects.more is None else _more(prospects.more, merit)
    cleaned = None
    if gain is not None and looked.doubted and looked.edited >= FEWEST_LOOKED:
        cleaned = _cleaned(gain, looked, merit)
    parts = [one.text for one in (more, cleaned) if one is not None]
    if not looked.doubted:
        parts.append("No label that nobody has looked at is doubted any more.")
    return Outlook(text=" ".join(parts) or "Too little is known yet to say.", if_50_more=more, if_cleaned=cleaned)


def _more(worth: Worth, merit: Merit) -> Purchase:
    text = (
        f"By the learning curve {worth.labels} more labels like these would change the {merit.name} by "
        f"{_change(worth.change, merit)} ({_between(worth.low, worth.high, merit)}): an estimate, read beyond the curve's end."
    )
    return Purchase(labels=worth.labels, gain=worth.change, low=worth.low, high=worth.high, text=text)


def _cleaned(gain: Gain, looked: Looked, merit: Merit) -> Purchase:
    """Read on at the rate so far: the change on the others for each item that was looked at."""
    found, times = gain.difference, looked.doubted / looked.edited
    change, low, high = found.value * times, found.low * times, found.high * times
    labels = f"the {looked.doubted} doubted labels" if looked.doubted > 1 else "the one doubted label"
    text = (
        f"At the rate of the {looked.edited} items looked at so far, {labels} left would change the {merit.name} by "
        f"{_change(change, merit)} ({_between(low, high, merit)}): an estimate, rather too large, as the "
        "most suspicious came first."
    )
    return Purchase(labels=looked.doubted, gain=change, low=low, high=high, text=text)


def _change(value: float, merit: Merit) -> str:
    return f"{_signed(value, merit)}{' percentage points' if merit.is_share else ''}"


def _between(low: float, high: float, merit: Merit) -> str:
    return f"{_signed(low, merit)} to {_signed(high, merit)}"


def _signed(value: float, merit: Merit) -> str:
    shown = percent_number(abs(value)) if merit.is_share else decimals(abs(value))
    if not shown.strip("0."):
        return shown
    return f"{'+' if value > 0 else '−'}{shown}"
