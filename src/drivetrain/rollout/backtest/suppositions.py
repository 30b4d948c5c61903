"""The choice of what has to be supposed of unknown truths, and how it is said."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

from ...core.case import ModelAnswer
from .past import PastCase
from .player import Played
from .supposed import Supposed, Supposing

# The share of truths from which on the few that are missing count against the model, as they do live, and nothing is supposed.
_NEARLY_ALL = 0.9

# Adjudicated cases below which they say too little of the others to suppose anything.
_FEWEST_LIKELY = 10


def discordant(one: PastCase, answer: ModelAnswer) -> bool:
    """Tells whether people and model decided otherwise."""
    return one.people is not None and answer.label is not None and one.people != answer.label


def suppositions(
    cases: Sequence[PastCase], answers: Mapping[str, ModelAnswer], truths: Mapping[str, str], seed: int
) -> list[Supposed]:
    """Choose what has to be supposed of unknown truths: nothing, where (nearly) all are known."""
    apart, agreed = list[PastCase](), list[PastCase]()
    for one in cases:
        (apart if discordant(one, answers[one.case.id]) else agreed).append(one)
    known = [one for one in apart if one.case.id in truths]
    if len(known) >= _NEARLY_ALL * len(apart):
        of_agreed = sum(one.case.id in truths for one in agreed)
        enough = of_agreed >= _NEARLY_ALL * len(agreed) and of_agreed > 0
        return [Supposed(Supposing.NOTHING if enough else Supposing.AGREED, truths=truths)]
    bounds = [Supposed(side, truths=truths) for side in (Supposing.WORST, Supposing.BEST)]
    if len(known) < _FEWEST_LIKELY:
        return bounds
    shares = {certified: _shares(known, answers, truths, certified) for certified in (True, False)}
    return [Supposed(Supposing.LIKELY, shares, seed, truths), *bounds]


def _shares(
    known: Sequence[PastCase], answers: Mapping[str, ModelAnswer], truths: Mapping[str, str], certified: bool
) -> tuple[float, float]:
    """Return how often the model, and the person, was right: of certified answers or the others, of all where these are few."""
    alike = [one for one in known if answers[one.case.id].certified is certified]
    chosen = alike if len(alike) >= _FEWEST_LIKELY else known
    model = sum(truths[one.case.id] == answers[one.case.id].label for one in chosen)
    person = sum(truths[one.case.id] == one.people for one in chosen)
    return model / len(chosen), person / len(chosen)


def supposing(supposition: Supposed, run: Played, apart: int, unknown: int) -> str:
    """Say what was supposed, and what it rests on."""
    match supposition.side:
        case Supposing.AGREED:
            return "where people and model agree, both count as right: that both may be wrong, only audits of such cases can tell"
        case Supposing.LIKELY:
            model, person = supposition.right[True]
            return (
                f"of {apart:,} cases in which people and model differ, {apart - unknown:,} were adjudicated: for the stages, the "
                f"others are supposed to be like them (of certified answers the model right in {100 * model:.0f} %, people in "
                f"{100 * person:.0f} %); where both agree, both count as right"
            )
        case Supposing.WORST:
            return (
                f"of {apart:,} cases in which people and model differ, nobody knows who was right in {unknown:,}: there are "
                "only bounds, from people right in all of them to the model right in all of them; --adjudicate 100 has a sample "
                "of them judged, blind"
            )
        case _:
            reviews, open_ = (
                sum(getattr(way, name) for way in run.ways.values()) for name in ("reviews", "unanswered")
            )
            if not open_:
                return ""
            return (
                f"{open_:,} of {reviews:,} reviews that the policy would have asked for have no answer in the log; what is not "
                "answered in time counts against the model, as it does live"
            )
