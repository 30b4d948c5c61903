"""``GET /v1/desk/gain``: the gain of this session's edits, and the prospects of going on."""

from __future__ import annotations

from fastapi import APIRouter, Depends

from ...core.records import Role
from ...core.types import Interval
from ...curate.suspect import LABEL
from ...data.edits.edit import Fate
from ...serve.http.problems import documented
from ...workbench.gain import Gain, NoGain, gain_of
from ...workbench.prospects import Prospects
from ...workbench.ranking import Ranking
from ...workbench.situation import Situation
from .. import answers
from ..desk import Desk
from ..outlook import Looked, outlook

NO_CURVE = "too few items are judged for a learning curve"
PENDING = "the learning curve is being worked out"
HOW_CURVE = (
    "models that learned from an eighth, a quarter, half and all of the set, judged on pictures they had not seen"
)


def gain_routes(desk: Desk) -> APIRouter:
    """The route, bound to a desk."""
    router = APIRouter(tags=["desk"], dependencies=[Depends(desk.needs(Role.REVIEW))])

    @router.get(
        "/v1/desk/gain",
        response_model=answers.Gain,
        summary="Gain of the edits",
        responses=documented("unauthorized", "forbidden", "overloaded"),
    )
    def gain() -> answers.Gain:
        """Before and after, paired: on the same folds, on items whose label nobody changed in this session.

        The learning curve is worked out when it is first asked for, `pending` meanwhile."""
        desk.board()
        session = desk.session
        first, now = session.first, session.ranking
        if first is None or now is None:
            return _nothing(session.problem or "the set is being surveyed", desk, 0)
        edited = session.edited_rows()
        if first.survey.judged is None:
            return _nothing(first.survey.unfit or "nothing can be learned of this set yet", desk, len(edited))
        pending = session.want_prospects()
        looked = Looked(len(edited), doubted(now, desk.situation()))
        return _answer(desk, gain_of(first, now, session.merit), now, looked, pending)

    return router


def _answer(desk: Desk, found: Gain | NoGain, now: Ranking, looked: Looked, pending: bool) -> answers.Gain:
    merit, prospects = desk.session.merit, desk.session.prospects
    known = found if isinstance(found, Gain) else None
    return answers.Gain(
        figure=merit.name,
        higher_is_better=merit.is_share,
        before=_share(known.before) if known else None,
        after=_share(known.after) if known else None,
        difference=_difference(known) if known else None,
        edited=looked.edited,
        note=found.sentence if isinstance(found, NoGain) else None,
        curve=_curve(prospects),
        curve_note=_curve_note(prospects, pending),
        outlook=outlook(prospects, known, looked, merit),
        pending=pending,
        version=now.version,
        curve_version=prospects.version if prospects else 0,
    )


def doubted(ranking: Ranking, situation: Situation) -> int:
    """Count the items with a doubted label that nobody has decided about."""
    rows = (row for row, one in ranking.by_row.items() if any(ground.code == LABEL for ground in one.grounds))
    return sum(situation.standing(row).fate is Fate.OPEN for row in rows)


def _nothing(why: str, desk: Desk, edited: int) -> answers.Gain:
    return answers.Gain(
        figure="accuracy",
        higher_is_better=True,
        before=None,
        after=None,
        difference=None,
        edited=edited,
        note=why,
        curve=[],
        curve_note=why,
        outlook=answers.Outlook(text=why, if_50_more=None, if_cleaned=None),
        pending=False,
        version=desk.session.version,
        curve_version=0,
    )


def _curve(prospects: Prospects | None) -> list[answers.CurvePoint]:
    return [
        answers.CurvePoint(n=one.n, accuracy=one.figure.value, low=one.figure.low, high=one.figure.high)
        for one in (prospects.points if prospects else ())
    ]


def _curve_note(prospects: Prospects | None, pending: bool) -> str | None:
    if prospects is None or not prospects.points:
        return PENDING if pending else NO_CURVE
    return HOW_CURVE


def _share(interval: Interval) -> answers.Share:
    return answers.Share(value=interval.value, low=interval.low, high=interval.high)


def _difference(gain: Gain) -> answers.Difference:
    one = gain.difference
    return answers.Difference(
        value=one.value, low=one.low, high=one.high, method=one.method, n=gain.groups, groups=gain.groups
    )
