"""Sentences that several kinds of target share."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

from ...core.finding import Finding
from ..findings import TOO_FEW_IMAGES, finding

LOG_LOSS = (
    "It is −ln of the probability that the model gave to what is the case: 0 where it is sure and right every "
    "time, ln 2 = 0.69 where it is in two minds."
)

SURE_AND_RIGHT = "sure and right every time"

BOOTSTRAP = "bootstrap 95 % over groups"

NOTHING_LEARNED = "nothing was learned that could be relied on; see in the report what it mixes up, and add images."

# With fewer images of an output than this, little can be said about it.
FEW = 20


def few_images(counts: Mapping[str, int], many: str) -> list[Finding]:
    """Make a finding on outputs with few images, by output → images; ``many`` is the word for the outputs."""
    few = [f"“{name}” {count}" for name, count in counts.items() if count < FEW]
    if not few:
        return []
    more = f" and {len(few) - 6} more" if len(few) > 6 else ""
    sentence = (
        f"Too few images to say much about some {many}: {', '.join(few[:6])}{more}. Their figures have wide intervals."
    )
    return [finding(TOO_FEW_IMAGES, sentence)]


def listed_counts(names: Sequence[str], counts: Mapping[str, int]) -> str:
    """The first of ``names`` with their counts, in words."""
    return ", ".join(f"“{name}” has {counts[name]}" for name in names[:5]) + (", …" if len(names) > 5 else "")


def perhaps_numbers(names: Sequence[str]) -> str:
    """A hint for names that are all numbers."""
    try:
        numbers = [float(name) for name in names]
    except ValueError:
        return ""
    return "; to predict a number, give --task regression" if len(numbers) > 2 else ""
