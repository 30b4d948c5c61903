"""What the monitors see, the alarms they raised, and how a person clears one."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import UTC, datetime
from typing import Annotated, Any

from fastapi import APIRouter, Depends, Query
from starlette.concurrency import run_in_threadpool
from starlette.requests import Request
from starlette.responses import JSONResponse, Response

from ...core.errors import StoreError
from ...core.records import Alarm, Record, Role
from ..access import Caller
from ..http.body import Gone
from ..http.problems import Fault, Problem, documented
from ..server import Server
from ..work.alarm_words import alarm_json
from ..work.background import apart
from ..work.refused import Refused
from ..work.turns import Turns
from .answers import history_json
from .history import unavailable
from .monitor_answers import AlarmAnswer, AlarmDetails, AlarmPage, ClearBody, ClustersAnswer, MonitorAnswer
from .monitor_overview import overview
from .prediction import GONE, ModelName, ModelVersion
from .told_body import told_body

# Predictions that are shown of those that drive an alarm.
MOST_PREDICTIONS = 50

# Bytes and values of a body that clears an alarm: room for the longest reason, however its signs are written.
MOST_BYTES = 64 << 10
MOST_VALUES = 64

_CLEARING = {
    "requestBody": {
        "required": True,
        "content": {"application/json": {"schema": {"$ref": "#/components/schemas/ClearBody"}}},
    }
}

REFUSED = documented("unauthorized", "forbidden", "store-unavailable")
NOT_THERE = documented("unauthorized", "forbidden", "not-found", "store-unavailable")


def monitor_routes(server: Server) -> APIRouter:
    """The routes, bound to a server."""
    router = APIRouter(tags=["monitor"], dependencies=[Depends(server.needs(Role.REVIEW))])
    _add_overview(router, server)
    _add_alarms(router, server)
    _add_clearing(router, server)
    _add_clusters(router, server)
    return router


def _add_overview(router: APIRouter, server: Server) -> None:
    """Add the route of all monitors."""

    @router.get("/v1/monitor", response_model=MonitorAnswer, summary="What the monitors see", responses=REFUSED)
    def monitor() -> JSONResponse:
        """Each served version: whether an alarm stands, and what is known of each source. Sources under alarm come first."""
        try:
            return JSONResponse(overview(server))
        except StoreError as error:
            raise unavailable(error) from None


def _add_alarms(router: APIRouter, server: Server) -> None:
    """Add the routes of alarms, many and one."""

    @router.get(
        "/v1/monitor/alarms",
        response_model=AlarmPage,
        summary="Alarms raised",
        responses=documented("unauthorized", "forbidden", "unprocessable", "store-unavailable"),
    )
    def alarms(
        standing: Annotated[bool | None, Query(description="Only those that stand, or only those cleared")] = None,
        model: Annotated[str | None, Query(max_length=200)] = None,
        limit: Annotated[int, Query(ge=1, le=200)] = 50,
        cursor: Annotated[str | None, Query(max_length=500, description="`next` of the page before")] = None,
    ) -> JSONResponse:
        """From the newest back."""
        try:
            before = None if cursor is None else server.store.alarm(cursor)
            if cursor is not None and before is None:
                raise Problem("unprocessable", f"{cursor[:80]!r} is no cursor; take `next` of the page before")
            found = server.store.alarms(standing=standing, model=model, limit=limit + 1, before=before)
        except StoreError as error:
            raise unavailable(error) from None
        page = found[:limit]
        following = page[-1].id if len(found) > limit else None
        return JSONResponse({"alarms": [_json(server, alarm) for alarm in page], "next": following})

    @router.get("/v1/monitor/alarms/{alarm_id}", response_model=AlarmDetails, summary="One alarm", responses=NOT_THERE)
    def alarm(alarm_id: str) -> JSONResponse:
        """With the predictions that drive it, the most telling first."""
        try:
            found = server.store.alarm(alarm_id)
            if found is None:
                raise _unknown(alarm_id)
            ids = predictions_of(found)
            records = [record for one in ids if (record := server.store.record(one)) is not None]
            return JSONResponse(
                {
                    **_json(server, found),
                    "predictions": _history(server, records),
                    "predictions_missing": len(ids) - len(records),
                }
            )
        except StoreError as error:
            raise unavailable(error) from None


def _add_clearing(router: APIRouter, server: Server) -> None:
    """Add the route that clears an alarm."""
    needs = server.needs(Role.REVIEW)

    @router.post(
        "/v1/monitor/alarms/{alarm_id}/clear",
        response_model=AlarmAnswer,
        summary="Clear an alarm",
        openapi_extra=_CLEARING,
        responses=documented(
            "bad-request",
            "unauthorized",
            "forbidden",
            "not-found",
            "timeout",
            "too-large",
            "unsupported-media",
            "unprocessable",
            "overloaded",
            "store-unavailable",
        ),
    )
    async def clear(request: Request, alarm_id: str, caller: Caller = Depends(needs)) -> Response:
        """From then on answers of its source may be accepted again, in this process at once and in others within a second.
        The alarm stays on record with the reason. One that was cleared before stays as it was cleared first. Whoever may
        review answers may clear an alarm: it is the same judgement, on many of them."""
        try:
            body = await told_body(
                server.bodies, request, caller.client, ClearBody, most_bytes=MOST_BYTES, most_values=MOST_VALUES
            )
        except Gone:
            return GONE
        by = body.by or (caller.key.name if caller.key else None)
        if by is None:
            message = "say who clears the alarm; a server without keys cannot know"
            raise Problem("unprocessable", message, errors=[Fault(loc=("by",), msg=message)])
        try:
            cleared = await run_in_threadpool(
                server.monitoring.clear, alarm_id, datetime.now(UTC), by.strip(), body.reason.strip()
            )
        except StoreError as error:
            raise unavailable(error) from None
        if cleared is None:
            raise _unknown(alarm_id)
        return JSONResponse(_json(server, cleared))


def _add_clusters(router: APIRouter, server: Server) -> None:
    """Add the route of clusters among refused images."""
    refused = Refused(server.store, server.pictures)
    turns = Turns(1, server.settings.deadline_s, "other images are being looked at; ask again")

    @router.get(
        "/v1/monitor/clusters",
        response_model=ClustersAnswer,
        summary="Refused images that look alike",
        responses=documented("unauthorized", "forbidden", "not-found", "overloaded", "store-unavailable"),
    )
    async def alike(model: ModelName = None, version: ModelVersion = None) -> JSONResponse:
        """Among the newest 200 that the model found unlike its training images, those whose files were kept. The first
        question takes seconds, as each file is read again."""
        served = server.model(model, version)
        try:
            async with turns.turn():
                return JSONResponse(await apart(lambda: refused.clusters(served)))
        except StoreError as error:
            raise unavailable(error) from None


def predictions_of(alarm: Alarm) -> list[str]:
    """Ids of the predictions that drive an alarm, as its evidence names them."""
    named = alarm.evidence.get("images")
    if not isinstance(named, (list, tuple)):
        return []
    return [one for one in named if isinstance(one, str)][:MOST_PREDICTIONS]


def _history(server: Server, records: Sequence[Record]) -> list[dict[str, Any]]:
    kept = server.store.kept({record.input_sha256 for record in records if record.input_sha256 is not None})
    return [history_json(record, input_kept=record.input_sha256 in kept) for record in records]


def _json(server: Server, alarm: Alarm) -> dict[str, Any]:
    return alarm_json(alarm, acts=server.settings.on_alarm == "review")


def _unknown(alarm_id: str) -> Problem:
    return Problem("not-found", f"there is no alarm {alarm_id[:80]!r}")
