"""The label of a case of which several things were said: what turned out, before what was adjudicated, before what was decided.

- An outcome counts before anything that people said; of several, the latest, which corrects the others.
- An adjudication counts before a decision. Where two were made they have to agree.
- Decisions made blind have to agree where there are several.
- A decision with the model's answer in sight counts only where it is asked for, and there is nothing else.
- Whoever cannot tell says nothing; where an adjudicator could not tell, decisions do not count either, as they were in dispute.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime

from ...core.told_how import ToldHow
from .told import Told

UNTOLD = "nobody has decided it blind"
CANNOT_TELL = "whoever looked cannot tell"
DISPUTED = "those who looked disagree"
ASSISTED = "told with the model's answer in sight"


@dataclass(frozen=True, slots=True)
class Ruling:
    """The label, or the reason why there is none."""

    label: str | None
    how: ToldHow | None
    by: tuple[str, ...] = ()
    """People whose statement it is."""
    at: datetime | None = None
    why_not: str = ""
    disagree: bool = False
    """Others said otherwise, or those whose statement would count did."""


def ruling_of(told: Sequence[Told], *, assisted: bool = False) -> Ruling:
    """Rule on the label of one case; ``assisted``: count decisions made with the model's answer in sight where nothing else is
    known."""
    usable = [one for one in told if assisted or one.how is not ToldHow.ASSISTED]
    labels = {one.label for one in usable if one.label is not None and one.how is not ToldHow.MODEL}
    disagree = len(labels) > 1
    outcomes = [one for one in usable if one.how is ToldHow.OUTCOME]
    if outcomes:
        return _ruled([outcomes[-1]], disagree=disagree)
    for how in (ToldHow.ADJUDICATED, ToldHow.BLIND, ToldHow.ASSISTED):
        said = [one for one in usable if one.how is how]
        if not said:
            continue
        telling = [one for one in said if one.label is not None]
        if not telling:
            return Ruling(None, None, why_not=CANNOT_TELL, disagree=disagree)
        if len({one.label for one in telling}) > 1:
            return Ruling(None, None, why_not=DISPUTED, disagree=True)
        return _ruled(telling, disagree=disagree)
    seen = any(one.how is ToldHow.ASSISTED for one in told)
    return Ruling(None, None, why_not=ASSISTED if seen else UNTOLD)


def _ruled(telling: Sequence[Told], *, disagree: bool) -> Ruling:
    first = telling[0]
    by = tuple(dict.fromkeys(one.by for one in telling))
    return Ruling(first.label, first.how, by, max(one.at for one in telling), disagree=disagree)
