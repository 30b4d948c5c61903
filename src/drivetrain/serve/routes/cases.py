"""Cases: units of work that need a decision. They are answered as predictions are, and their senders learn no answer but a
decision that took effect."""

from __future__ import annotations

import asyncio
import time
from collections.abc import Callable
from datetime import UTC, datetime
from typing import Annotated, Any, TypeVar

from fastapi import APIRouter, Depends, Header, Query
from starlette.requests import Request
from starlette.responses import JSONResponse, Response

from ...core.case import ModelAnswer
from ...core.errors import LogError, StoreError, UsageError
from ...core.identifiers import new_id
from ...core.records import Role, StoredInput
from ...rollout.event_json import of_body
from ...rollout.events import Arrived
from ...rollout.known_case import KnownCase
from ...rollout.receipt import Receipt
from ..access import Caller
from ..http.body import Gone
from ..http.problems import TAKING_BODIES, TAKING_IMAGES, Fault, Problem, documented
from ..served import ServedModel
from ..server import Server
from ..work.carried import Carried
from ..work.case_inputs import kept_inputs
from ..work.model_answers import model_answer
from .case_answers import CaseAnswer, CaseBody, CaseDecisionBody, CaseJson, OutcomeBody, case_of
from .case_upload import KEY_HEADER, SentCase, sent_case
from .history import unavailable
from .input_limits import sizes_checked
from .prediction import GONE, answered, check_open, largest_of
from .told_body import told_body
from .truths import UNNAMED

T = TypeVar("T")

MOST_BYTES = 16 << 10
MOST_VALUES = 1024

RolloutName = Annotated[
    str | None,
    Query(alias="rollout", max_length=200, description="Which rollout; it may be left out where one is live"),
]

SCHEMAS = (CaseBody, CaseJson, CaseDecisionBody, OutcomeBody)
"""Named in the document although no parameter has their type."""

TOLD = documented(*TAKING_BODIES, "not-now")

_CASE = {
    "requestBody": {
        "required": True,
        "content": {
            "multipart/form-data": {
                "schema": {
                    "type": "object",
                    "required": ["images"],
                    "properties": {
                        "images": {
                            "type": "array",
                            "minItems": 1,
                            "items": {"type": "string", "format": "binary"},
                            "description": "Image files; the model answers the first, people see all of them",
                        },
                        "case": {"type": "string", "description": "JSON: what is known of the case; see CaseBody"},
                    },
                }
            },
            "application/json": {"schema": {"$ref": "#/components/schemas/CaseJson"}},
        },
    }
}


def body_of(name: str) -> dict[str, Any]:
    schema = {"$ref": f"#/components/schemas/{name}"}
    return {"requestBody": {"required": True, "content": {"application/json": {"schema": schema}}}}


async def in_thread(work: Callable[[], T]) -> T:
    """Do what asks the store beside the event loop.

    Raises:
        Problem: the store cannot be used (503), or the rollout refuses (409).
    """
    try:
        return await asyncio.to_thread(work)
    except StoreError as error:
        raise unavailable(error) from None
    except LogError as error:
        raise Problem("not-now", f"the rollout's log cannot be gone on with: {error}") from None
    except UsageError as error:
        raise Problem("not-now", str(error)) from None


def case_routes(server: Server) -> APIRouter:
    """The routes, bound to a server."""
    router = APIRouter(tags=["cases"])
    _add_sending(router, server)
    _add_reading(router, server)
    _add_deciding(router, server)
    _add_outcome(router, server)
    return router


def _add_sending(router: APIRouter, server: Server) -> None:
    """Add the route that takes a case."""
    needs = server.needs(Role.PREDICT)

    @router.post(
        "/v1/cases",
        response_model=CaseAnswer,
        summary="Send a case that needs a decision",
        openapi_extra=_CASE,
        responses=documented(*TAKING_IMAGES, "conflict", "not-now", "deadline"),
    )
    async def send(
        request: Request,
        rollout: RolloutName = None,
        idempotency_key: Annotated[
            str | None, Header(alias=KEY_HEADER, description="The case's key, instead of `key` in `case`")
        ] = None,
        caller: Caller = Depends(needs),
    ) -> Response:
        """Its images as a form or as base64 in JSON. The model answers the first, and whether a person decides, sees that answer
        or not, is up to the rollout. Sent again with the same key it is the same case, and the answer what has become of it;
        another case under that key is a conflict."""
        del idempotency_key  # read from the request, as the body is
        one = server.rollouts.one(rollout)
        served = server.rollouts.answering(one)
        try:
            receipt = await _Sending(server, request, caller, one, served).receipt()
        except Gone:
            return GONE
        return JSONResponse(receipt.to_json())


class _Sending:
    """One case on its way in."""

    def __init__(self, server: Server, request: Request, caller: Caller, one: Carried, served: ServedModel) -> None:
        self.server, self.request, self.caller = server, request, caller
        self.one, self.served = one, served
        self._until_s = time.monotonic() + server.settings.deadline_s

    async def receipt(self) -> Receipt:
        """Take the case, or find that it was taken before.

        Raises:
            Problem: every kind the route's entry in the document names.
            Gone: the client left.
        """
        server = self.server
        check_open(server, self.caller, 1)
        async with server.bodies.read(self.request, self.caller.client, largest_of(server, self.request)) as body:
            sent = await sent_case(server, self.request, body)
            # Two requests with one key wait for each other, so that the model answers a case once.
            async with self.one.keys.turn(sent.key):
                known = await in_thread(lambda: self._known(sent))
                return known or await self._taken(sent)

    def _known(self, sent: SentCase) -> Receipt | None:
        known = self.server.rollouts.known(self.one, key=sent.key)
        if known is None:
            return None
        lines = self.server.store.lines_of(known.first.id, known.receipt.case_id)
        arrived = of_body(lines[0].body) if lines else None
        if not isinstance(arrived, Arrived) or not sent.is_same(arrived.case, arrived.known):
            raise Problem("conflict", f"the key {sent.key!r} is that of another case; give this one a key of its own")
        return known.receipt

    async def _taken(self, sent: SentCase) -> Receipt:
        server, manifest = self.server, self.served.predictor.manifest
        if sent.body.known is not None and sent.body.known not in manifest.outputs:
            message = f"{self.served.name} knows no {sent.body.known!r}, but {', '.join(manifest.outputs)}"
            raise Problem("unprocessable", message, errors=[Fault(loc=("case", "known"), msg=message)])
        await sizes_checked(manifest.input, sent.uploads, server.settings.limits.pixels)
        check_open(server, self.caller, 1)
        server.guard.count(self.caller, 1)
        first = sent.answered_first(self.one.name)
        (entry,), _ = await answered(server, self.request, self.caller, self.served, first, self._until_s)
        answer = model_answer(entry.record)
        return await in_thread(lambda: self._arrive(sent, answer))

    def _arrive(self, sent: SentCase, answer: ModelAnswer) -> Receipt:
        case = case_of(sent.body, sent.key, new_id(), datetime.now(UTC), sent.hashes)
        try:
            return self.one.live.arrive(case, answer, self._inputs(sent), sent.body.known)
        except UsageError:
            if not self.server.rollouts.handed_over(self.one):
                raise
            message = f"another rollout has just taken the place of {self.one.name}; send it again"
            raise Problem("overloaded", message, retry_after_s=1) from None

    def _inputs(self, sent: SentCase) -> tuple[StoredInput, ...]:
        """The images that the store does not keep already."""
        kept = self.server.store.kept(set(sent.hashes))
        files = zip(sent.hashes, (upload.data for upload in sent.uploads), strict=True)
        fresh = [(sha256, data) for sha256, data in files if sha256 not in kept]
        return kept_inputs(self.served.predictor.manifest.input, fresh, self.server.pictures)


def _add_reading(router: APIRouter, server: Server) -> None:
    """Add the routes of one case, by its id and by its key."""
    admitted = [Depends(server.needs(Role.PREDICT))]
    refused = documented("unauthorized", "forbidden", "not-found", "unprocessable", "not-now", "store-unavailable")

    @router.get(
        "/v1/cases", response_model=CaseAnswer, summary="One case by its key", dependencies=admitted, responses=refused
    )
    async def by_key(
        key: Annotated[str, Query(min_length=1, max_length=200)], rollout: RolloutName = None
    ) -> JSONResponse:
        """What has become of it."""
        one = server.rollouts.one(rollout)
        return _answer(await in_thread(lambda: server.rollouts.known(one, key=key)), f"key {key[:80]!r}")

    @router.get(
        "/v1/cases/{case_id}",
        response_model=CaseAnswer,
        summary="One case",
        dependencies=admitted,
        responses=refused,
    )
    async def by_id(case_id: str, rollout: RolloutName = None) -> JSONResponse:
        """What has become of it."""
        one = server.rollouts.one(rollout)
        return _answer(await in_thread(lambda: server.rollouts.known(one, case_id=case_id)), f"id {case_id[:80]!r}")


def _answer(found: KnownCase | Receipt | None, what: str) -> JSONResponse:
    if found is None:
        raise Problem("not-found", f"the rollout has no case of the {what}")
    return JSONResponse((found if isinstance(found, Receipt) else found.receipt).to_json())


def _add_deciding(router: APIRouter, server: Server) -> None:
    """Add the route for people who decide in another system."""
    needs = server.needs(Role.PREDICT)

    @router.post(
        "/v1/cases/{case_id}/decision",
        response_model=CaseAnswer,
        summary="Tell the decision of a person who decides elsewhere",
        openapi_extra=body_of("CaseDecisionBody"),
        responses=TOLD,
    )
    async def decide(
        request: Request, case_id: str, rollout: RolloutName = None, caller: Caller = Depends(needs)
    ) -> Response:
        """For people who decide in another system, where they do not see the model's answer. It is final at once. A case of
        which a proposal of the model is to be confirmed is decided in the queue."""
        one = server.rollouts.one(rollout)
        try:
            told = await told_body(
                server.bodies, request, caller.client, CaseDecisionBody, most_bytes=MOST_BYTES, most_values=MOST_VALUES
            )
        except Gone:
            return GONE

        def decided() -> Receipt | None:
            known = server.rollouts.known(one, case_id=case_id)
            if known is None:
                return None
            if known.last.id != one.row.id:
                raise _of_another(known, one)
            return one.live.decided(case_id, told.by.strip(), told.label, told.how, told.seconds)

        answer = _answer(await in_thread(decided), f"id {case_id[:80]!r}")
        server.metrics.decided(one.name, "elsewhere")
        return answer


def _of_another(known: KnownCase, one: Carried) -> Problem:
    """Say of a case of a rollout whose place this one has taken why it is not decided here."""
    if known.receipt.decision is None:
        message = f"the case of {known.last.name} is on its way to {one.name}; send the decision again"
        return Problem("overloaded", message, retry_after_s=1)
    return Problem("not-now", f"the case was decided in {known.last.name}, whose place {one.name} has taken")


def _add_outcome(router: APIRouter, server: Server) -> None:
    """Add the route of outcomes."""
    needs = server.needs(Role.PREDICT)

    @router.post(
        "/v1/cases/{case_id}/outcome",
        response_model=CaseAnswer,
        summary="Tell what turned out about a case",
        openapi_extra=body_of("OutcomeBody"),
        responses=TOLD,
    )
    async def outcome(
        request: Request, case_id: str, rollout: RolloutName = None, caller: Caller = Depends(needs)
    ) -> Response:
        """A laboratory's finding, a returned part: it is evidence on people and model alike, and changes no decision."""
        one = server.rollouts.one(rollout)
        try:
            told = await told_body(
                server.bodies, request, caller.client, OutcomeBody, most_bytes=MOST_BYTES, most_values=MOST_VALUES
            )
        except Gone:
            return GONE
        by = told.by or (caller.key.name if caller.key else UNNAMED)

        def turned_out() -> Receipt | None:
            known = server.rollouts.known(one, case_id=case_id)
            if known is None:
                return None
            # What one has decided whose place was taken since is told there, where retraining finds it.
            server.rollouts.any(known.last).turned_out(case_id, told.label, by)
            return known.receipt

        return _answer(await in_thread(turned_out), f"id {case_id[:80]!r}")
