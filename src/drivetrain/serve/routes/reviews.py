"""The review queue: what is asked of a person about a case, and what that person answers.

A key of the role `review` alone may review. While a rollout is live it reaches nothing else (see `sight`), so whoever decides
blind has not seen the model's answer here.
"""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable, Collection, Sequence
from datetime import timedelta
from typing import Annotated, Any

from fastapi import APIRouter, Depends, Query
from fastapi import Path as InPath
from starlette.requests import Request
from starlette.responses import JSONResponse, Response

from ...core.errors import UsageError
from ...core.records import Role
from ...rollout.events import ReviewKind
from ...rollout.shown import Shown
from ..access import Caller
from ..http.body import Gone
from ..http.problems import Fault, Problem, documented
from ..server import Server
from ..work.carried import Carried
from ..work.turns import IMAGES_AT_ONCE, Turns
from .answers import moment
from .cases import MOST_BYTES, MOST_VALUES, TOLD, RolloutName, body_of, in_thread
from .history import SIDES, picture, shown
from .prediction import GONE
from .review_answers import (
    NextReview,
    ReviewBody,
    ReviewDone,
    ReviewGrid,
    ReviewSkipped,
    ReviewSummary,
    ReviewUndone,
)
from .told_body import told_body

SCHEMAS = (ReviewBody,)

MOST_AT_ONCE = 24
MOST_SKIPPED = 200

STATES = ("open", "leased", "held", "overdue")

# Nothing of a review may lie in a browser's cache: it would be there still when somebody else sits at it.
PRIVATE = "no-store"

ASKED = documented("unauthorized", "forbidden", "not-found", "not-now", "unprocessable", "store-unavailable")

OPEN_SERVER = (
    "this server has no keys, so everybody sees the model's answers, and nobody can review; make a key for each person: "
    "drivetrain keys add NAME --role review"
)
ADMIN = (
    "a key of the role admin sees the model's answers, so it may not review; make one that does not: "
    "drivetrain keys add NAME --role review"
)

Reviewer = Callable[[Request], Awaitable[Caller]]

Kinds = Annotated[list[ReviewKind] | None, Query(description="Only these kinds; by default all")]
Skip = Annotated[
    list[str] | None, Query(max_length=MOST_SKIPPED, description="Ids of reviews that this person passes over for now")
]
ReviewId = Annotated[str, InPath(max_length=100)]


def review_routes(server: Server) -> APIRouter:
    """The routes, bound to a server."""
    router = APIRouter(tags=["reviews"])
    reviewer = _reviewer(server)
    _add_giving(router, server, reviewer)
    _add_undo(router, server, reviewer)
    _add_summary(router, server, reviewer)
    _add_answering(router, server, reviewer)
    _add_skipping(router, server, reviewer)
    _add_images(router, server, reviewer)
    return router


def _reviewer(server: Server) -> Reviewer:
    """A dependency that lets reviewers pass, whose key tells who they are."""

    async def admitted(request: Request) -> Caller:
        caller = server.guard.admit(request, Role.REVIEW)
        if caller.key is None:
            raise Problem("not-now", OPEN_SERVER)
        if caller.role is not Role.REVIEW:
            raise Problem("not-now", ADMIN)
        return caller

    return admitted


def _name(caller: Caller) -> str:
    """The person's name: that of the key."""
    assert caller.key is not None  # or it is no reviewer
    return caller.key.name


def _private(content: dict[str, Any]) -> JSONResponse:
    return JSONResponse(content, headers={"Cache-Control": PRIVATE})


def _add_giving(router: APIRouter, server: Server, reviewer: Reviewer) -> None:
    """Add the routes that give reviews, one or several."""

    @router.get("/v1/reviews/next", response_model=NextReview, summary="The next review", responses=ASKED)
    async def following(
        rollout: RolloutName = None, kind: Kinds = None, skip: Skip = None, caller: Caller = Depends(reviewer)
    ) -> JSONResponse:
        """It is leased: nobody else is given it until it is answered, put back, or the lease has ended. Whoever asks again
        without answering is given the same one. The order is by due time, then by chance, and never by what a model says."""
        some = server.rollouts.some(rollout)
        given = await in_thread(lambda: _given(server, some, caller, kind, skip or (), 1))
        return _private({"review": given[0] if given else None})

    @router.get("/v1/reviews/grid", response_model=ReviewGrid, summary="Several reviews at once", responses=ASKED)
    async def grid(
        rollout: RolloutName = None,
        kind: Kinds = None,
        skip: Skip = None,
        n: Annotated[int, Query(ge=1, le=MOST_AT_ONCE)] = 9,
        caller: Caller = Depends(reviewer),
    ) -> JSONResponse:
        """As the next one, several times. Each is leased."""
        some = server.rollouts.some(rollout)
        return _private({"reviews": await in_thread(lambda: _given(server, some, caller, kind, skip or (), n))})


def _given(
    server: Server,
    some: Sequence[Carried],
    caller: Caller,
    kinds: Collection[ReviewKind] | None,
    skip: Collection[str],
    most: int,
) -> list[dict[str, Any]]:
    found: list[tuple[Carried, Shown]] = []
    by, queue = _name(caller), server.rollouts.queue
    for one in some:
        beside = (other for other in some if other is not one and queue(other) == queue(one))
        elsewhere = sum(other.live.done_today(by) for other in beside)
        while len(found) < most:
            passed = [*skip, *(shown.review_id for _, shown in found)]
            review = one.live.next_review(by, kinds or tuple(ReviewKind), passed, elsewhere)
            if review is None:
                break
            found.append((one, review))
    return [review_json(queue(one), review) for one, review in found]


def _rollout_of(server: Server, rollout: str | None, review_id: str) -> Carried:
    """The live rollout that has a review.

    Raises:
        Problem: none has (404).
    """
    for one in server.rollouts.some(rollout):
        if server.store.review(one.row.id, review_id) is not None:
            return one
    raise Problem("not-found", f"there is no review {review_id[:80]!r}; it was withdrawn, if there was")


def review_json(queue: str, review: Shown) -> dict[str, Any]:
    """As `ReviewAnswer`; ``queue`` is the name of the rollout as people know it."""
    case = review.case
    return {
        "id": review.review_id,
        "rollout": queue,
        "kind": review.kind.value,
        "shown": list(review.shown),
        "labels": list(review.labels),
        "case": {
            "metadata": dict(case.metadata),
            "slices": dict(case.slices),
            "due": moment(case.due),
            "images": [f"/v1/reviews/{review.review_id}/images/{number}" for number in range(len(case.inputs))],
        },
        "lease_until": moment(review.lease_until),
        "left_today": review.left_today,
        "done_today": review.done_today,
    }


def _add_undo(router: APIRouter, server: Server, reviewer: Reviewer) -> None:
    """Add the route that takes back a person's last decision."""

    @router.post(
        "/v1/reviews/undo", response_model=ReviewUndone, summary="Take back the last decision", responses=ASKED
    )
    async def undo(rollout: RolloutName = None, caller: Caller = Depends(reviewer)) -> JSONResponse:
        """This person's last one, as long as it can be undone. Its review is this person's again."""
        return _private(await in_thread(lambda: _undone(server, server.rollouts.some(rollout), _name(caller))))


def _undone(server: Server, some: Sequence[Carried], by: str) -> dict[str, Any]:
    refused: UsageError | None = None
    for one in some:
        try:
            return {"review": review_json(server.rollouts.queue(one), one.live.undo(by))}
        except UsageError as error:
            refused = refused or error
    raise refused or UsageError("there is nothing to take back")


def _add_summary(router: APIRouter, server: Server, reviewer: Reviewer) -> None:
    """Add the route of the queue's counts."""

    @router.get("/v1/reviews/summary", response_model=ReviewSummary, summary="The queue in numbers", responses=ASKED)
    async def summary(rollout: RolloutName = None, caller: Caller = Depends(reviewer)) -> JSONResponse:
        """What waits, and this person's own part; nothing of the model."""
        one = server.rollouts.one(rollout)
        return _private(await in_thread(lambda: _summary(server, one, _name(caller))))


def _summary(server: Server, one: Carried, by: str) -> dict[str, Any]:
    # Only what this person may do is counted: an adjudication that a decision has led to would tell that the model differs.
    now = server.rollouts.now()
    # A candidate's questions are in its champion's queue, and are counted with that one's.
    queues = [beside.row.id for beside in server.rollouts.some(one.row.id)]
    counts = [server.store.queue_counts(rollout_id, now, by) for rollout_id in queues]
    by_kind = {
        kind.value: {name: sum(count.get(kind.value, {}).get(name, 0) for count in counts) for name in STATES}
        for kind in ReviewKind
    }
    midnight = now.replace(hour=0, minute=0, second=0, microsecond=0)
    done = sum(server.store.done_since(rollout_id, by, midnight) for rollout_id in queues)
    most = one.live.policy.cases.most_a_day
    return {
        "rollout": one.name,
        "by": by,
        "by_kind": by_kind,
        "overdue": sum(count["overdue"] for count in by_kind.values()),
        "left_today": None if most is None else max(0, most - done),
        "done_today": done,
        "agreement": _agreement(one),
    }


def _agreement(one: Carried) -> dict[str, Any] | None:
    with one.live.reading() as machine:
        people = machine.evidence.people
        found, pairs = people.agreement, sum(people.pairs.values())
    return None if found is None else {"kappa": found.value, "low": found.low, "high": found.high, "n": pairs}


def _add_answering(router: APIRouter, server: Server, reviewer: Reviewer) -> None:
    """Add the route that takes a person's answer."""

    @router.post(
        "/v1/reviews/{review_id}",
        response_model=ReviewDone,
        summary="Answer a review",
        openapi_extra=body_of("ReviewBody"),
        responses=TOLD,
    )
    async def answer(
        request: Request, review_id: ReviewId, rollout: RolloutName = None, caller: Caller = Depends(reviewer)
    ) -> Response:
        """It is taken down, and becomes final when it can no longer be undone. The answer waits for nothing that depends on what
        the model said."""
        try:
            told = await told_body(
                server.bodies, request, caller.client, ReviewBody, most_bytes=MOST_BYTES, most_values=MOST_VALUES
            )
        except Gone:
            return GONE
        return _private(await in_thread(lambda: _decided(server, rollout, _name(caller), review_id, told)))


def _decided(server: Server, rollout: str | None, by: str, review_id: str, told: ReviewBody) -> dict[str, Any]:
    one = _rollout_of(server, rollout, review_id)
    labels = one.live.labels
    if told.label is not None and told.label not in labels:
        message = f"{told.label[:80]!r} is none of the answers, which are {', '.join(labels)}"
        raise Problem("unprocessable", message, errors=[Fault(loc=("label",), msg=message)])
    done = one.live.decide(review_id, by, told.label, told.seconds)
    server.metrics.decided(one.name, done.kind)
    at = server.rollouts.now() if done.held is None else done.held.at
    undo_s = one.live.policy.cases.undo_seconds
    return {"id": review_id, "undo_until": moment(at + timedelta(seconds=undo_s))}


def _add_skipping(router: APIRouter, server: Server, reviewer: Reviewer) -> None:
    """Add the route that puts a review back."""

    @router.post(
        "/v1/reviews/{review_id}/skip", response_model=ReviewSkipped, summary="Put a review back", responses=ASKED
    )
    async def skip(
        review_id: ReviewId, rollout: RolloutName = None, caller: Caller = Depends(reviewer)
    ) -> JSONResponse:
        """Undecided; somebody else may be given it at once. Name it in `skip` of the next question, or it comes again."""
        await in_thread(lambda: _rollout_of(server, rollout, review_id).live.release(review_id, _name(caller)))
        return _private({"id": review_id})


def _add_images(router: APIRouter, server: Server, reviewer: Reviewer) -> None:
    """Add the route of a case's images."""
    aside = Turns(IMAGES_AT_ONCE, server.settings.deadline_s, "other images are being made small; ask again")

    @router.get(
        "/v1/reviews/{review_id}/images/{number}",
        response_class=Response,
        summary="An image of the case",
        responses={
            200: {"content": {"image/*": {}}, "description": "The file; with `size` a smaller JPEG"},
            **ASKED,
            **documented("overloaded"),
        },
    )
    async def image(
        review_id: ReviewId,
        number: Annotated[int, InPath(ge=0, le=1000)],
        rollout: RolloutName = None,
        size: Annotated[int | None, Query(ge=SIDES[0], le=SIDES[1], description="Longest side in pixels")] = None,
        caller: Caller = Depends(reviewer),
    ) -> Response:
        """For the person who holds the review's lease or has just answered it. Neither name nor hash comes along."""
        review = await in_thread(lambda: _rollout_of(server, rollout, review_id).live.shown(review_id, _name(caller)))
        if review is None:
            raise Problem("not-found", f"the review {review_id[:80]!r} is not yours, or is no longer")
        if number >= len(review.case.inputs):
            raise Problem("not-found", f"the case has {len(review.case.inputs)} images, numbered from 0")
        async with aside.turn():
            data, kind = await asyncio.to_thread(shown, server, review.case.inputs[number], size)
        return picture(data, kind, PRIVATE)
