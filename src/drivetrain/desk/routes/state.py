"""``GET /v1/desk``: the whole desk at a glance."""

from __future__ import annotations

from typing import Annotated

from fastapi import APIRouter, Depends, Query

from ...core.records import Role
from ...data.edits.edit import Fate
from ...serve.http.problems import documented
from ..answers import DeskAnswer, Fates, LeftOut
from ..desk import Desk
from ..telling import ranking_answer

MOST_LEFT_OUT = 100


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
        session = desk.session
        fates, known = session.fates(), session.ranking
        left_out = known.survey.skipped if known else ()
        return DeskAnswer(
            source=desk.source,
            task=known.survey.sample.targets.task if known else None,
            mode=desk.mode,
            outputs=list(session.outputs()),
            labels=session.label_counts(),
            items=sum(fates.values()),
            fates=Fates(open=fates[Fate.OPEN], kept=fates[Fate.KEPT], removed=fates[Fate.REMOVED]),
            suspects=session.open_suspects(),
            ranking=ranking_answer(session),
            can_undo=session.can_undo(by or desk.by),
            can_redo=session.can_redo(by or desk.by),
            last_edit_id=session.last_edit_id(),
            unfit=known.survey.unfit if known else None,
            left_out=[LeftOut(name=o.name, reason=o.reason, detail=o.detail) for o in left_out[:MOST_LEFT_OUT]],
            left_out_total=len(left_out),
            notes=list(known.survey.found.dataset.notes) if known else [],
            log=desk.log_path,
        )

    return router
