"""Labels that are what programs write where nothing is known: each is a label like any other, and may not be meant as one."""

from __future__ import annotations

from collections.abc import Collection, Mapping

from ..core.types import Doubt
from .findings import LABELS_LIKE_MISSING

WORDS = frozenset({"na", "n/a", "n.a.", "<na>", "#n/a", "nan", "-nan", "null", "<null>", "none", "?", "nat"})
"""Texts, in lower case, that pandas, R, SQL, spreadsheets and Python write for a missing value."""


def like_missing(labels: Collection[str]) -> list[str]:
    """Return those labels that look like missing values, unless they are written as all others are, as one of a set.

    >>> like_missing(["cat", "dog", "nan", "NA", "None", "?"])
    ['nan', 'NA', 'None', '?']
    >>> like_missing(["none", "mild", "severe"]), like_missing(["AF", "EU", "NA"])
    ([], [])
    """
    found = [label for label in labels if label.strip().casefold() in WORDS]
    others = [label for label in labels if label not in found]
    return [label for label in found if not (others and _is_one_of(label, others))]


def _is_one_of(label: str, others: Collection[str]) -> bool:
    """Tell whether a label that has a meaning of its own stands among such labels: no damage, or a continent's code."""
    if label == "NA":
        return all(len(other) == 2 and other.isalpha() and other.isupper() for other in others)
    if label in ("none", "None", "NONE"):
        forms = (str.islower, str.istitle, str.isupper)
        form = next(form for form in forms if form(label))
        return all(len(other) > 2 and form(other.partition(" ")[0]) for other in others)
    return False


def about_missing(labels: Mapping[str, int], meant: Collection[str] = ()) -> list[Doubt]:
    """Point out labels, given with their counts, that look like missing values; ``meant`` are those a person named."""
    found = [label for label in like_missing(labels) if label not in meant]
    if not found:
        return []
    told = ", ".join(f"“{label}” ({labels[label]})" for label in found[:5])
    more = f" and {len(found) - 5} more" if len(found) > 5 else ""
    one = len(found) == 1
    sentence = (
        f"{'A label looks like a missing value and counts' if one else 'Some labels look like missing values and count'} as "
        f"{'a label' if one else 'labels'} like any other: {told}{more} (with {'its number' if one else 'their numbers'} of "
        "images). Where it means that nobody knows, leave the cell empty, or the folder out."
    )
    return [Doubt(LABELS_LIKE_MISSING, sentence)]
