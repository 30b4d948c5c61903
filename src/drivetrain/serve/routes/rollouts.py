"""Rollouts: where each stands, its log, and the turns that a named person makes. For admins, as they tell of the model."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping
from typing import Annotated, Any

from fastapi import APIRouter, Depends, Query
from fastapi import Path as InPath
from starlette.requests import Request
from starlette.responses import JSONResponse, Response, StreamingResponse

from ...core.log_text import to_text
from ...core.records import Role
from ...core.rollout_records import RolloutRow
from ...rollout.live import Live
from ..access import Caller
from ..http.body import Gone
from ..http.problems import Fault, Problem, documented
from ..server import Server
from .cases import MOST_BYTES, MOST_VALUES, TOLD, body_of, in_thread
from .prediction import GONE
from .rollout_answers import LogAnswer, RolloutsAnswer, TurnBody, line_json, rollout_json
from .rollout_status import StatusAnswer
from .told_body import told_body

SCHEMAS = (TurnBody,)

ASKED = documented("unauthorized", "forbidden", "not-found", "unprocessable", "not-now", "store-unavailable")

# Lines of a log that are read at once for a download.
PAGE = 1_000

# The highest number that a line can have in a database.
MOST_LINES = 2**63 - 1

Name = Annotated[str, InPath(max_length=200, description="The rollout's name, or its id")]

TURNS: Mapping[str, tuple[Callable[[Live, str, str], None], str, str]] = {
    "advance": (
        Live.advance,
        "Advance to the next stage or step",
        "Where its gates let it; else the answer says every reason.",
    ),
    "pause": (
        Live.pause,
        "Pause",
        "The model neither proposes nor acts from now on; people decide blind. Evidence stands.",
    ),
    "resume": (
        Live.resume,
        "Go on",
        "Releases what paused it; not while an alarm stands, which has to be cleared first.",
    ),
    "rollback": (Live.rollback, "Roll back", "Latched: the model decides nothing until a person clears it."),
    "clear": (Live.clear, "Clear a rollback", "Back to parallel, with fresh evidence."),
    "end": (Live.end, "End", "For good; reviewers may see predictions again."),
}
"""The turns: what is called, and how they are described."""


def rollout_routes(server: Server) -> APIRouter:
    """The routes, bound to a server."""
    router = APIRouter(tags=["rollouts"])
    _add_status(router, server)
    _add_log(router, server)
    for name in TURNS:
        _add_turn(router, server, name)
    return router


def _row(server: Server, name: str) -> RolloutRow:
    row = server.store.rollout(name)
    if row is None:
        raise Problem("not-found", f"there is no rollout {name[:80]!r}")
    return row


def _add_status(router: APIRouter, server: Server) -> None:
    """Add the routes of all rollouts, and of one."""
    admitted = [Depends(server.needs(Role.ADMIN))]

    @router.get(
        "/v1/rollouts",
        response_model=RolloutsAnswer,
        summary="All rollouts",
        dependencies=admitted,
        responses=documented("unauthorized", "forbidden", "not-now", "store-unavailable"),
    )
    async def rollouts() -> JSONResponse:
        """Those that have ended too, the newest first."""
        rows = await in_thread(server.store.rollouts)
        served = [rollout_json(row, served=server.rollouts.serves(row) is not None) for row in rows]
        return JSONResponse({"rollouts": served})

    @router.get(
        "/v1/rollouts/{name}",
        response_model=StatusAnswer,
        summary="Where a rollout stands",
        dependencies=admitted,
        responses=ASKED,
    )
    async def status(name: Name) -> JSONResponse:
        """Its stage, what it takes to advance, and all that is known of the model, of people and of the queue."""

        def found() -> dict[str, Any]:
            return server.rollouts.any(_row(server, name)).status().to_json()

        return JSONResponse(await in_thread(found))


def _add_log(router: APIRouter, server: Server) -> None:
    """Add the routes of the log: a page of it, and all as a file."""
    admitted = [Depends(server.needs(Role.ADMIN))]

    @router.get(
        "/v1/rollouts/{name}/log",
        response_model=LogAnswer,
        summary="A rollout's log",
        dependencies=admitted,
        responses=ASKED,
    )
    async def lines(
        name: Name,
        after: Annotated[int, Query(ge=0, description="Lines behind this number")] = 0,
        limit: Annotated[int, Query(ge=1, le=PAGE)] = 200,
    ) -> JSONResponse:
        """Who, what, when and why, in the order in which it happened. Each line's hash covers all before it."""
        row = await in_thread(lambda: _row(server, name))
        found = await in_thread(lambda: server.store.lines(row.id, min(after, MOST_LINES), limit + 1))
        page = [line_json(line) for line in found[:limit]]
        return JSONResponse({"lines": page, "next": page[-1]["number"] if len(found) > limit else None})

    @router.get(
        "/v1/rollouts/{name}/log.jsonl",
        response_class=StreamingResponse,
        summary="A rollout's log as a file",
        dependencies=admitted,
        responses={200: {"content": {"application/jsonl": {}}, "description": "A line of JSON for each"}, **ASKED},
    )
    async def download(name: Name) -> Response:
        """All of it, which `drivetrain rollout verify` checks by itself."""
        row = await in_thread(lambda: _row(server, name))
        headers = {"Content-Disposition": 'attachment; filename="rollout.jsonl"'}
        return StreamingResponse(_download(server, row), media_type="application/jsonl", headers=headers)


def _download(server: Server, row: RolloutRow) -> Iterator[bytes]:
    after = 0
    while lines := server.store.lines(row.id, after, PAGE):
        for line in lines:
            yield to_text(line).encode() + b"\n"
        after = lines[-1].number


def _add_turn(router: APIRouter, server: Server, name: str) -> None:
    """Add the route of one turn."""
    needs = server.needs(Role.ADMIN)
    does, summary, description = TURNS[name]

    @router.post(
        f"/v1/rollouts/{{name}}/{name}",
        response_model=StatusAnswer,
        name=f"{name}_rollout",
        summary=summary,
        description=description,
        openapi_extra=body_of("TurnBody"),
        responses=TOLD,
    )
    async def turn(request: Request, name: Name, caller: Caller = Depends(needs)) -> Response:
        try:
            told = await told_body(
                server.bodies, request, caller.client, TurnBody, most_bytes=MOST_BYTES, most_values=MOST_VALUES
            )
        except Gone:
            return GONE
        by = _person(caller, told)

        def turned() -> dict[str, Any]:
            live = server.rollouts.any(_row(server, name))
            does(live, by, told.reason.strip())
            return live.status().to_json()

        answer = await in_thread(turned)
        server.rollouts.wake()
        return JSONResponse(answer)


def _person(caller: Caller, told: TurnBody) -> str:
    """The person who turns it: by the key; on a server without keys by the name that is given."""
    if caller.key is not None:
        if told.by not in (None, caller.key.name):
            message = f"the key is {caller.key.name}'s, and so is what it does; leave `by` out"
            raise Problem("unprocessable", message, errors=[Fault(loc=("by",), msg=message)])
        return caller.key.name
    if told.by is None:
        message = "say who does it; a server without keys cannot know"
        raise Problem("unprocessable", message, errors=[Fault(loc=("by",), msg=message)])
    return told.by.strip()
