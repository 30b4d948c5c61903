"""``GET /v1/desk``: the whole desk at a glance."""

from __future__ import annotations

from typing import Annotated

from fastapi import APIRouter, Depends, Query

from ...core.records import Role
from ...data.edits.edit import Fate
from ...serve.http.problems import documented
from ...workbench.ranking import Ranking
from ...workbench.situation import Situation
from ..answers import DeskAnswer, Fates, LeftOut
from ..desk import Desk
from ..telling import ranking_answer

MOST_SHOWN = 100


def state_routes(desk: Desk) -> APIRouter:
    """The route, bound to a desk."""
    router = APIRouter(tags=["desk"], dependencies=[Depends(desk.needs(Role.REVIEW))])

    @router.get(
        "/v1/desk", response_model=DeskAnswer, summary="The desk", responses=documented("unauthorized", "forbidden")
    )
    def state(
        by: Annotated[str | None, Query(max_length=100, description="Whose steps `can_undo` speaks of")] = None,
    ) -> DeskAnswer:
        """Answers at once, also while the set is still being surveyed."""
        session, by = desk.session, by or desk.by
        situation, known = session.situation, session.ranking
        fates = situation.fates if situation else dict.fromkeys(Fate, 0)
        left_out = known.survey.skipped if known else ()
        lost, relabelled = (situation.lost, situation.relabelled) if situation else ((), 0)
        return DeskAnswer(
            source=desk.source,
            task=session.opened.lying.sample.targets.task if session.opened else None,
            mode=desk.mode,
            outputs=list(session.outputs),
            labels=dict(situation.labels) if situation else {},
            items=sum(fates.values()),
            fates=Fates(open=fates[Fate.OPEN], kept=fates[Fate.KEPT], removed=fates[Fate.REMOVED]),
            relabelled=relabelled,
            suspects=open_suspects(known, situation),
            ranking=ranking_answer(session),
            can_undo=session.edits.can_undo(by),
            can_redo=session.edits.can_redo(by),
            last_edit_id=session.edits.last_edit_id,
            unfit=known.survey.unfit if known else None,
            left_out=[LeftOut(name=o.name, reason=o.reason, detail=o.detail) for o in left_out[:MOST_SHOWN]],
            left_out_total=len(left_out),
            notes=list(known.survey.found.dataset.notes) if known else [],
            log=desk.log_path,
            lost=[one.item.name for one in lost[:MOST_SHOWN]],
        )

    return router


def open_suspects(ranking: Ranking | None, situation: Situation | None) -> int:
    """Count the suspects that nobody has decided about."""
    if ranking is None or situation is None:
        return 0
    return sum(situation.standing(row).fate is Fate.OPEN for row in ranking.by_row)
