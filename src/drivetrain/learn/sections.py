"""A report's sections on answers, as plain data; and their names, for sentences that point to them."""

from __future__ import annotations

from dataclasses import dataclass

from ..draw.numbers import whole_percent
from ..draw.plot import Plot
from ..model.manifest import Manifest
from ..model.policy import Policy
from ..stats.mistakes import CONFIDENT, ClassRow, ReliabilityBin

FILES_LEFT_OUT = "Files left out"
OCCURS_AGAIN = "Pictures that occur more than once"
SHORTCUTS = "What gives the answer away"
SLICES = "Where it does worse"
ACCEPTED_ALONE = "What passes without a person"

MISTAKES_SHOWN = 24


@dataclass(frozen=True)
class Example:
    """One of the J answers judged, to be shown beside its picture.

    ``loss`` is −ln ``p_label``, ``confidence`` that of ``predicted``. Where there is no confidence (several labels,
    numbers), ``facts`` are shown in its place.
    """

    row: int
    label: str
    predicted: str
    confidence: float = 0.0
    p_label: float = 0.0
    loss: float = 0.0
    facts: tuple[str, ...] = ()


@dataclass(frozen=True)
class AnswerSections:
    """A report's sections on answers, the same for a training run and an evaluation. Empty ones are left out."""

    called: tuple[str, str] = ("class", "classes")
    """The words for one output and for several."""
    classes: tuple[str, ...] = ()
    confusion_CC: tuple[tuple[int, ...], ...] = ()
    """Rows: label; columns: predicted."""
    class_rows: tuple[ClassRow, ...] = ()
    several_labels: bool = False
    """Tells whether an image may count in several rows of ``class_rows``, or in none."""
    plots: tuple[Plot, ...] = ()
    reliability: tuple[ReliabilityBin, ...] = ()
    ece: float | None = None
    """Expected calibration error, a fraction."""
    top_losses: tuple[Example, ...] = ()
    """The items with the greatest losses, without those among ``confident_mistakes``."""
    confident_mistakes: tuple[Example, ...] = ()
    confident_note: str = ""
    """The confidence from which on a mistake counts as confident, and the number of such mistakes."""


@dataclass(frozen=True)
class ConfidentFrom:
    """When a mistake counts as confident."""

    least: float
    """The confidence from which on."""
    unlooked: bool
    """Tells whether nobody looks at such an answer again."""

    @classmethod
    def of(cls, manifest: Manifest) -> ConfidentFrom:
        """Where answers are accepted, as far as that is by confidence; never from less than `mistakes.CONFIDENT`."""
        accept = manifest.accept.confidence if manifest.accept and manifest.accept.confidence is not None else 1.0
        least = max(accept, CONFIDENT)
        others = manifest.gate is not None or bool(Policy.of(manifest).besides_confidence)
        return cls(least, unlooked=least == accept and not others)


def confident_note(sure: int, wrong: int, confident: ConfidentFrom) -> str:
    """Say how many of the mistakes were made with confidence, and what that means."""
    from_ = f"with a confidence of {whole_percent(confident.least)} or more"
    if confident.unlooked:
        from_ += ", from which on nobody looks at an answer again"
    if not wrong:
        return "The model made no mistake on these images."
    if not sure:
        made = "the one mistake was not" if wrong == 1 else f"none of the {wrong} mistakes was"
        return f"There are none: {made} made {from_}."
    shown = f" The {MISTAKES_SHOWN} surest are shown." if sure > MISTAKES_SHOWN else ""
    return f"{sure} of {wrong} mistake{'s' * (wrong > 1)} {'was' if sure == 1 else 'were'} made {from_}.{shown}"
