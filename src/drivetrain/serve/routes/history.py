"""What was answered earlier, and the inputs it was answered for."""

from __future__ import annotations

import asyncio
import re
from collections.abc import Sequence
from typing import Annotated

from fastapi import APIRouter, Depends, Query
from fastapi.routing import APIRoute
from starlette.requests import Request
from starlette.responses import JSONResponse, Response

from ...core.errors import InputError, StoreError, UsageError
from ...core.records import Record, RecordFilter, Role
from ...core.types import Verdict
from ..http.browser import IMAGE_POLICY
from ..http.problems import Fault, Problem, documented
from ..http.uploads import Moment
from ..server import Server
from ..work.turns import IMAGES_AT_ONCE, Turns
from .answers import HistoryEntry, HistoryPage, history_json, moment

SHA256 = re.compile(r"[0-9a-f]{64}")

# Longest side of a thumbnail, in pixels.
SIDES = (16, 1024)

# An image never changes under its hash. Private: it must not stay in a shared cache.
FOREVER = "private, max-age=31536000, immutable"

Text = Annotated[str | None, Query(max_length=200)]


def history_routes(server: Server) -> APIRouter:
    """The routes, bound to a server. Most are plain functions, so FastAPI runs them beside the event loop."""
    router = APIRouter(tags=["history"], dependencies=[Depends(server.needs(Role.REVIEW))])
    _add_search(router, server)
    _add_entry(router, server)
    _add_input(router, server)
    return router


def only_what_is_known(request: Request) -> None:
    """Refuse a question of another name: passed over, it would find every answer, as if none had been asked.

    Raises:
        Problem: there is one (422).
    """
    route: APIRoute = request.scope["route"]
    known = [field.alias for field in route.dependant.query_params]
    for name in request.query_params:
        if name not in known:
            message = f"{name[:40]!r} is nothing that answers can be searched by; those are {', '.join(known)}"
            raise Problem("unprocessable", message, errors=[Fault(loc=("query", name[:40]), msg=message)])


def _add_search(router: APIRouter, server: Server) -> None:
    """Add the route that searches the answers."""

    @router.get(
        "/v1/predictions",
        response_model=HistoryPage,
        summary="Answers given earlier",
        dependencies=[Depends(only_what_is_known)],
        responses=documented("unauthorized", "forbidden", "unprocessable", "store-unavailable"),
    )
    def predictions(
        limit: Annotated[int, Query(ge=1, le=200)] = 50,
        cursor: Annotated[str | None, Query(max_length=500, description="`next` of the page before")] = None,
        model: Text = None,
        bundle_id: Text = None,
        verdict: Verdict | None = None,
        label: Text = None,
        camera: Text = None,
        site: Text = None,
        group: Text = None,
        request_id: Text = None,
        input_sha256: Text = None,
        since: Annotated[Moment | None, Query(description="From this moment on")] = None,
        until: Annotated[Moment | None, Query(description="Before this moment")] = None,
    ) -> JSONResponse:
        """From the newest back. A search looks through a bounded stretch of time at once: a page may be short, even empty,
        and still have a `next`; `searched_to` says how far it got."""
        wanted = RecordFilter(
            model, bundle_id, verdict, label, camera, site, group, request_id, input_sha256, since, until
        )
        try:
            page = server.store.page(wanted, limit, cursor)
            kept = _kept(server, page.records)
            truths = server.store.truths_of([record.id for record in page.records])
        except UsageError as error:
            raise Problem("unprocessable", str(error)) from None
        except StoreError as error:
            raise unavailable(error) from None
        return JSONResponse(
            {
                "predictions": [
                    history_json(record, input_kept=record.input_sha256 in kept, truths=truths.get(record.id, ()))
                    for record in page.records
                ],
                "next": page.next,
                "searched_to": moment(page.searched_to),
            }
        )


def _add_entry(router: APIRouter, server: Server) -> None:
    """Add the route of one answer."""

    @router.get(
        "/v1/predictions/{record_id}",
        response_model=HistoryEntry,
        summary="One answer",
        responses=documented("unauthorized", "forbidden", "not-found", "store-unavailable"),
    )
    def prediction(record_id: str) -> JSONResponse:
        """By its id."""
        try:
            record = server.store.record(record_id)
            kept = _kept(server, [record] if record else [])
            truths = server.store.truths_of([record_id]) if record else {}
        except StoreError as error:
            raise unavailable(error) from None
        if record is None:
            raise Problem("not-found", f"there is no prediction {record_id[:80]!r}")
        told = truths.get(record.id, ())
        return JSONResponse(history_json(record, input_kept=record.input_sha256 in kept, truths=told))


def _add_input(router: APIRouter, server: Server) -> None:
    """Add the route of a file that was kept."""
    aside = Turns(IMAGES_AT_ONCE, server.settings.deadline_s, "other images are being made small; ask again")

    @router.get(
        "/v1/inputs/{sha256}",
        response_class=Response,
        summary="An input that was kept",
        responses={
            200: {
                "content": {"image/*": {}},
                "description": "The file; of an image a smaller JPEG, where `size` asks for it",
            },
            **documented("unauthorized", "forbidden", "not-found", "unprocessable", "overloaded", "store-unavailable"),
        },
    )
    async def kept_input(
        sha256: str,
        size: Annotated[int | None, Query(ge=SIDES[0], le=SIDES[1], description="Longest side in pixels")] = None,
    ) -> Response:
        """By the SHA-256 of the file as it was received. Its metadata has been taken out unless the server was told to keep
        it, so the bytes may have another hash."""
        if not SHA256.fullmatch(sha256):
            raise Problem("not-found", "an input is named by 64 hexadecimal digits")
        async with aside.turn():
            data, media_type = await asyncio.to_thread(shown, server, sha256, size)
        return picture(data, media_type)


def picture(data: bytes, media_type: str, cache: str = FOREVER) -> Response:
    """An image as an answer; whatever it claims to be, a browser must take it as a picture and nothing else."""
    headers = {"Cache-Control": cache, "Content-Security-Policy": IMAGE_POLICY, "Content-Disposition": "inline"}
    kind = media_type if media_type.startswith("image/") and "svg" not in media_type else "application/octet-stream"
    return Response(data, headers=headers, media_type=kind)


def _kept(server: Server, records: Sequence[Record]) -> frozenset[str]:
    """Hashes of the inputs that are there: not all that could be were kept, and those of long ago are forgotten."""
    return server.store.kept({record.input_sha256 for record in records if record.input_sha256 is not None})


def shown(server: Server, sha256: str, size: int | None) -> tuple[bytes, str]:
    """A kept image, or a JPEG of it no larger than ``size`` × ``size``, with its media type.

    Raises:
        Problem: it was not kept, or cannot be read (404), or the store cannot (503).
    """
    try:
        stored = server.store.input(sha256)
    except StoreError as error:
        raise unavailable(error) from None
    if stored is None:
        raise Problem("not-found", "this image was not kept, or is no longer")
    if size is None:
        return stored.data, stored.media_type
    try:
        # An image may have been sent to several models; it is shown as the first of them all sees it.
        form = server.model(None, None).predictor.manifest.input
        return server.pictures.thumbnail(stored.data, size, form), "image/jpeg"
    except InputError as error:
        raise Problem("not-found", f"the image cannot be shown: {error}") from None


def unavailable(error: StoreError) -> Problem:
    """The store's failure as a problem; its own words stay in the log."""
    del error
    return Problem("store-unavailable", "the store cannot be read just now; ask again soon", retry_after_s=2)
