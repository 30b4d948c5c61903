"""Findings on a training run, the most important first."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

from ..core.finding import Finding
from ..core.types import Doubt, Skipped
from ..data.reasons import reasons
from ..data.sources.folder import UNREADABLE_FOLDER as CLOSED
from ..data.sources.table import CONFLICTING_LABELS
from ..learn.balance import Balance
from ..learn.figures import Figures
from ..learn.findings import (
    CONFLICTING_ROWS,
    CONTRADICTING_COPIES,
    FEW_FOLDS,
    FINE_TUNING_LEFT_OUT,
    MANY_FILES_LEFT_OUT,
    NO_GATE,
    NO_THRESHOLD,
    SPLIT_LEAKS,
    UNREADABLE_FOLDER,
    finding,
)
from ..learn.sections import FILES_LEFT_OUT, OCCURS_AGAIN
from ..model.accept_words import cannot
from ..model.manifest import Accept
from ..stats.folds import DEFAULT_FOLDS
from .contradictions import Contradictory
from .outcome import Outcome
from .sides import Sides

# The share of files left out from which on it is worth a finding.
MANY = 0.05


@dataclass(frozen=True)
class Circumstances:
    """Facts that findings are about, beside figures and images."""

    leak: str | None
    """A sentence on the leak, where a given split leaks."""
    contradictory: tuple[Contradictory, ...]
    n_folds: int
    balance: Balance
    outcome: Outcome | None
    """The outcome of fine-tuning."""
    doubts: tuple[Doubt, ...] = ()
    """The questions that the source leaves open."""
    pictures: tuple[Finding, ...] = ()
    """Findings on how values and colours became sRGB."""
    no_gate: str | None = None
    """The reason why there is no gate, although one was asked for."""


def findings_of(sides: Sides, figures: Figures, run: Circumstances) -> tuple[Finding, ...]:
    """Make all findings, the most important first."""
    targets, skipped = sides.trained_on.targets, sides.skipped
    found = [finding(SPLIT_LEAKS, run.leak)] if run.leak else []
    found += [finding(doubt.code, doubt.sentence) for doubt in run.doubts]
    found += _about_closed_folders(skipped)
    if run.contradictory:
        found.append(_about_contradictions(run.contradictory, targets.said))
    found += _about_conflicts(skipped)
    found += targets.about_guessing(figures)
    if run.outcome is not None and not run.outcome.kept:
        found.append(finding(FINE_TUNING_LEFT_OUT, f"Fine-tuning was {run.outcome.words}."))
    found += targets.about_counts(run.balance)
    if sides.held is None:
        found += targets.about_leakage(figures)
    if run.n_folds < DEFAULT_FOLDS:
        found.append(_about_folds(run.n_folds, targets.few_groups))
    if run.no_gate is not None:
        found.append(finding(NO_GATE, run.no_gate))
    return (*found, *run.pictures, *_about_files(skipped, len(targets)))


def about_threshold(accept: Accept | None) -> list[Finding]:
    """Make a finding where the error that was named could not be shown, so that nothing is accepted."""
    if accept is None or accept.bound is None or accept.confidence is not None:
        return []
    sentence = cannot(accept)
    return [finding(NO_THRESHOLD, f"{sentence[:1].upper()}{sentence[1:]}. The bundle accepts nothing.")]


def _about_closed_folders(skipped: Sequence[Skipped]) -> list[Finding]:
    closed = [one for one in skipped if one.reason == CLOSED]
    if not closed:
        return []
    names = ", ".join(f"“{one.name}”" for one in closed[:5]) + (", …" if len(closed) > 5 else "")
    sentence = f"What lies in {names} is not in the model, as it cannot be read; check the folder's permissions."
    return [finding(UNREADABLE_FOLDER, sentence, FILES_LEFT_OUT)]


def _about_contradictions(found: tuple[Contradictory, ...], what: str) -> Finding:
    one = len(found) == 1
    first = found[0]
    sentence = (
        f"{len(found)} picture{'' if one else 's'} occur{'s' if one else ''} with {what} that contradict each other, so at "
        f"least one of {'them' if one else 'each'} is wrong; {'the' if one else 'first'} pair: {first.first} "
        f"({first.first_label}) and {first.second} ({first.second_label}). The report shows "
        f"{'it' if one else 'them'} under “{OCCURS_AGAIN}”."
    )
    return finding(CONTRADICTING_COPIES, sentence, OCCURS_AGAIN)


def _about_conflicts(skipped: Sequence[Skipped]) -> list[Finding]:
    """Files that a table names twice, with labels that contradict each other: left out, so that they are no `Contradictory`."""
    conflicts = {one.name: one.detail for one in skipped if one.reason == CONFLICTING_LABELS}
    if not conflicts:
        return []
    name, detail = next(iter(conflicts.items()))
    who, first = (
        ("1 file is", "was left out; it is")
        if len(conflicts) == 1
        else (f"{len(conflicts)} files are", "were left out; the first is")
    )
    sentence = f"{who} listed with labels that contradict each other, and {first} {name}: {detail}."
    return [finding(CONFLICTING_ROWS, sentence, FILES_LEFT_OUT)]


def _about_folds(n_folds: int, few_groups: str) -> Finding:
    sentence = (
        f"{few_groups} in few groups, so there are only {n_folds} folds instead of {DEFAULT_FOLDS} (rounds in which the model "
        "is tested on groups it has not seen): the figures say less than usual."
    )
    return finding(FEW_FOLDS, sentence)


def _about_files(skipped: Sequence[Skipped], used: int) -> list[Finding]:
    total = used + len(skipped)
    if len(skipped) <= MANY * total:
        return []
    sentence = (
        f"{len(skipped)} of {total} files could not be used ({reasons(skipped)}); the report lists them under "
        f"“{FILES_LEFT_OUT}”."
    )
    return [finding(MANY_FILES_LEFT_OUT, sentence, FILES_LEFT_OUT)]
