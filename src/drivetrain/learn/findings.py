"""Findings, which a reader must not miss: one table of the rules, and leaving out those a person has chosen to ignore.

Every code has a page in ``docs/findings``. Codes never change.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import NamedTuple

from ..core.errors import UsageError
from ..core.finding import Finding, Severity
from ..core.given import read_names
from ..data.sources.split_columns import UNUSED_SPLIT


class Heading(NamedTuple):
    """The severity and the title of whatever a rule finds."""

    severity: Severity
    title: str


SPLIT_LEAKS = "split-leaks"
UNREADABLE_FOLDER = "unreadable-folder"
CONTRADICTING_COPIES = "contradicting-copies"
CONFLICTING_ROWS = "conflicting-rows"
NO_BETTER_THAN_GUESSING = "no-better-than-guessing"
FINE_TUNING_LEFT_OUT = "fine-tuning-left-out"
TOO_FEW_IMAGES = "too-few-images"
UNEQUAL_CLASSES = "unequal-classes"
RANDOM_SPLIT_FLATTERS = "random-split-flatters"
FEW_FOLDS = "few-folds"
MANY_FILES_LEFT_OUT = "many-files-left-out"
WORSE_THAN_CLAIMED = "worse-than-claimed"
CACHE_DIFFERS = "cache-differs"
COPIES_OF_TRAINING = "copies-of-training"
UNKNOWN_LABELS = "unknown-labels"
FILES_NOT_JUDGED = "files-not-judged"
PROFILES_IGNORED = "profiles-ignored"
BANDS_GUESSED = "bands-guessed"
LABELS_ALIKE = "labels-alike"
LABELS_LIKE_MISSING = "labels-like-missing"
RANGE_FITTED = "range-fitted"
RANGE_GUESSED = "range-guessed"
RANGE_EXCEEDED = "range-exceeded"
NO_THRESHOLD = "no-threshold"
NO_GATE = "no-gate"
SHORTCUT = "shortcut"
WORSE_SLICES = "worse-slices"

RULES: dict[str, Heading] = {
    SPLIT_LEAKS: Heading(Severity.WARNING, "The split leaks"),
    UNREADABLE_FOLDER: Heading(Severity.SERIOUS, "A folder cannot be read"),
    CONTRADICTING_COPIES: Heading(Severity.WARNING, "Copies of a picture contradict each other"),
    CONFLICTING_ROWS: Heading(Severity.WARNING, "Files are listed twice, with labels that differ"),
    NO_BETTER_THAN_GUESSING: Heading(Severity.SERIOUS, "No better than guessing"),
    NO_THRESHOLD: Heading(Severity.WARNING, "The error asked for cannot be shown"),
    FINE_TUNING_LEFT_OUT: Heading(Severity.NOTE, "Fine-tuning did not help"),
    TOO_FEW_IMAGES: Heading(Severity.WARNING, "Too few images"),
    UNEQUAL_CLASSES: Heading(Severity.NOTE, "Some classes are far commoner than others"),
    RANDOM_SPLIT_FLATTERS: Heading(Severity.NOTE, "A random split would flatter"),
    FEW_FOLDS: Heading(Severity.WARNING, "Few folds"),
    MANY_FILES_LEFT_OUT: Heading(Severity.WARNING, "Many files could not be used"),
    WORSE_THAN_CLAIMED: Heading(Severity.SERIOUS, "Worse than training claimed"),
    CACHE_DIFFERS: Heading(Severity.NOTE, "Cached answers differ from the bundle's"),
    COPIES_OF_TRAINING: Heading(Severity.WARNING, "Copies of training images"),
    UNKNOWN_LABELS: Heading(Severity.WARNING, "Labels that the bundle does not know"),
    FILES_NOT_JUDGED: Heading(Severity.WARNING, "Files that do not count"),
    PROFILES_IGNORED: Heading(Severity.WARNING, "Colour profiles could not be used"),
    BANDS_GUESSED: Heading(Severity.WARNING, "The meaning of bands was guessed"),
    LABELS_ALIKE: Heading(Severity.WARNING, "Labels that differ only in how they are written"),
    LABELS_LIKE_MISSING: Heading(Severity.WARNING, "Labels that look like missing values"),
    UNUSED_SPLIT: Heading(Severity.WARNING, "Something looks like a split and is not used"),
    RANGE_FITTED: Heading(Severity.NOTE, "The range of values was fitted"),
    RANGE_GUESSED: Heading(Severity.WARNING, "The range of values was guessed"),
    RANGE_EXCEEDED: Heading(Severity.WARNING, "Images lie beyond the range of values"),
    SHORTCUT: Heading(Severity.WARNING, "Something besides the picture gives the answer away"),
    WORSE_SLICES: Heading(Severity.WARNING, "Some kinds of images are answered worse"),
    NO_GATE: Heading(Severity.WARNING, "Images unlike those trained on are not told apart"),
}
"""All rules, by code."""


def finding(code: str, sentence: str, where: str | None = None) -> Finding:
    """Make a finding of the rule ``code``; ``where``: the section of the report that shows more."""
    rule = RULES[code]
    return Finding(code, rule.severity, rule.title, sentence, where)


def check_codes(codes: object) -> tuple[str, ...]:
    """Check the codes to leave out, and return each once.

    Raises:
        UsageError: it is no list of names, or there is no such rule; names those there are.
    """
    given = tuple(dict.fromkeys(read_names("ignore", codes)))
    strange = next((code for code in given if code not in RULES), None)
    if strange is not None:
        raise UsageError(f"ignore (--ignore): there is no finding {strange!r}; the codes are {', '.join(RULES)}")
    return tuple(map(str, given))


def without(found: Sequence[Finding], ignore: Sequence[str]) -> tuple[tuple[Finding, ...], tuple[str, ...]]:
    """Leave out findings by code; returns those that are left, and the codes that were left out."""
    left_out = dict.fromkeys(one.code for one in found if one.code in ignore)
    return tuple(one for one in found if one.code not in ignore), tuple(left_out)
