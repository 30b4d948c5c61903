"""The right answers that people tell: ``POST /v1/predictions/{id}/label``, and the routes that list them.

One that is told stands in the store before it is acknowledged, beside the prediction and whatever else was told of it.
"""

from __future__ import annotations

import asyncio
from collections.abc import Collection
from dataclasses import replace
from datetime import UTC, datetime
from typing import Annotated, Any, Literal, Self

from fastapi import APIRouter, Depends, Query
from pydantic import BaseModel, ConfigDict, Field, FiniteFloat, StringConstraints, model_validator
from starlette.requests import Request
from starlette.responses import JSONResponse, Response

from ...core.errors import StoreError, UsageError
from ...core.identifiers import new_id
from ...core.records import Record, Role, ToldHow, Truth, TruthFilter
from ..access import Caller
from ..http.body import Gone
from ..http.problems import TAKING_BODIES, Fault, Problem, documented
from ..http.uploads import Moment
from ..served import NoSuchModel
from ..server import Server
from .answers import TruthAnswer, truth_json
from .history import Text, only_what_is_known, unavailable
from .prediction import GONE
from .told_body import told_body

# Bytes and values of a body: room for as many long labels as may be told at once.
MOST_BYTES = 1 << 20
MOST_VALUES = 8192
MOST_NAMES = 500
_SHOWN = 8

UNNAMED = "unnamed"
"""The person who tells something, where neither he nor a key says who he is."""

Name = Annotated[str, StringConstraints(min_length=1, max_length=500, pattern=r"\S")]


class LabelBody(BaseModel):
    """The right answer to one prediction: ``label``, ``labels`` or ``values``, in the form of the prediction's own answer."""

    model_config = ConfigDict(extra="forbid", frozen=True)

    label: Name | None = Field(None, description="Of a model that gives one label")
    labels: list[Name] | None = Field(
        None, max_length=MOST_NAMES, description="Of one that gives any number: all that are right, or []"
    )
    values: dict[Name, FiniteFloat] | None = Field(
        None, min_length=1, max_length=MOST_NAMES, description="Of one that gives numbers: those that are known"
    )
    how: Literal["blind", "assisted", "adjudicated", "outcome"] = Field(
        "assisted",
        description="blind: the model's answer was not in sight; assisted: it was; adjudicated: decided between answers without "
        "knowing whose they were; outcome: it turned out. Assisted by default, as whoever has a prediction's id has mostly "
        "seen its answer. What the model says itself is no right answer",
    )
    by: Name | None = Field(None, description="Who says so; by default the key's name")
    note: str | None = Field(None, max_length=4000)
    new: bool = Field(
        False, description="The label is one that the model does not know, and that is no slip of the pen"
    )
    id: str | None = Field(
        None,
        pattern="^[0-9a-f]{32}$",
        description="An id of your own, at random: sent again, the same is not stored twice",
    )

    @model_validator(mode="after")
    def _one_answer(self) -> Self:
        given = [name for name in ("label", "labels", "values") if getattr(self, name) is not None]
        if len(given) != 1:
            raise ValueError(f"{' and '.join(given) or 'nothing'} given; give one of label, labels and values")
        return self

    @property
    def form(self) -> str:
        """The name of the field with the answer."""
        return "label" if self.label is not None else "labels" if self.labels is not None else "values"


SCHEMAS = (LabelBody,)

_BODY = {
    "requestBody": {
        "required": True,
        "content": {"application/json": {"schema": {"$ref": "#/components/schemas/LabelBody"}}},
    }
}


class TruthList(BaseModel):
    """The right answers told of one prediction, the oldest first."""

    truths: list[TruthAnswer]


class TruthPage(BaseModel):
    """Right answers from the newest back."""

    truths: list[TruthAnswer]
    next: str | None


def truth_routes(server: Server) -> APIRouter:
    """The routes, bound to a server."""
    router = APIRouter(tags=["labels"])
    _add_telling(router, server)
    _add_list(router, server)
    _add_search(router, server)
    return router


def _add_telling(router: APIRouter, server: Server) -> None:
    """Add the route that takes a right answer."""
    needs = server.needs(Role.REVIEW)

    @router.post(
        "/v1/predictions/{record_id}/label",
        response_model=TruthAnswer,
        summary="Tell the right answer",
        openapi_extra=_BODY,
        responses=documented(*TAKING_BODIES, "conflict"),
    )
    async def label(request: Request, record_id: str, caller: Caller = Depends(needs)) -> Response:
        """Stored beside the prediction before it is acknowledged; it replaces nothing that was told before."""
        try:
            told = await told_body(
                server.bodies, request, caller.client, LabelBody, most_bytes=MOST_BYTES, most_values=MOST_VALUES
            )
        except Gone:
            return GONE
        return JSONResponse(truth_json(await asyncio.to_thread(_kept, server, caller, record_id, told)))


def _kept(server: Server, caller: Caller, record_id: str, told: LabelBody) -> Truth:
    """Store a right answer; where its id is there already, return what is there.

    Raises:
        Problem: there is no such prediction (404), it cannot have such an answer (422), its id stands for something else
            (409), or the store cannot be used (503).
    """
    try:
        record = server.store.record(record_id)
        if record is None:
            raise _unknown(record_id)
        _check(server, record, told)
        truth = Truth(
            id=told.id or new_id(),
            prediction_id=record.id,
            at=datetime.now(UTC),
            by=told.by or (caller.key.name if caller.key else UNNAMED),
            how=ToldHow(told.how),
            label=told.label,
            labels=None if told.labels is None else tuple(dict.fromkeys(told.labels)),
            values=told.values or {},
            note=told.note or None,
            key_id=caller.key.id if caller.key else None,
        )
        kept = server.store.add_truth(truth)
    except UsageError:  # it was pruned at this moment
        raise _unknown(record_id) from None
    except StoreError as error:
        raise unavailable(error) from None
    if replace(kept, at=truth.at, key_id=truth.key_id) != truth:
        raise Problem("conflict", f"{truth.id} was told already, and is another answer; give this one an id of its own")
    if kept.at == truth.at:
        server.metrics.told(record.model, truth.how)
        server.monitoring.wake()
    return kept


def _unknown(record_id: str) -> Problem:
    return Problem("not-found", f"there is no prediction {record_id[:80]!r}")


def _check(server: Server, record: Record, told: LabelBody) -> None:
    """Raise a `Problem` where the answer is not of the prediction's form, or names what its model does not know."""
    prediction = record.prediction
    known: Collection[str] = prediction.probs or prediction.values
    if known:
        form = "label" if prediction.label is not None else "labels" if prediction.probs else "values"
        if told.form != form:
            message = f"{told.form} was given, and {record.model} answers with {form}; give {form}"
            raise Problem("unprocessable", message, errors=[Fault(loc=(told.form,), msg=message)])
    else:  # it could not be read, so its answer has no form
        known = _outputs(server, record)
    given = {"label": [told.label or ""], "labels": told.labels or [], "values": list(told.values or {})}[told.form]
    strange = [name for name in given if name not in known]
    if strange and known and (told.form == "values" or not told.new):
        names = ", ".join(list(known)[:_SHOWN]) + (", …" if len(known) > _SHOWN else "")
        way_out = "" if told.form == "values" else '; if it is right nevertheless, add "new": true'
        message = f"{record.model} knows no {strange[0][:80]!r}, but {names}{way_out}"
        raise Problem("unprocessable", message, errors=[Fault(loc=(told.form,), msg=message)])


def _outputs(server: Server, record: Record) -> tuple[str, ...]:
    """The names that a prediction's bundle answers with; none where it is no longer served, as nobody knows them then."""
    try:
        return server.shelf.find(record.model, record.prediction.bundle_id).predictor.manifest.outputs
    except NoSuchModel:
        return ()


def _add_list(router: APIRouter, server: Server) -> None:
    """Add the route that lists what was told of one prediction."""

    @router.get(
        "/v1/predictions/{record_id}/labels",
        response_model=TruthList,
        summary="Right answers told of one prediction",
        dependencies=[Depends(server.needs(Role.REVIEW))],
        responses=documented("unauthorized", "forbidden", "not-found", "store-unavailable"),
    )
    def labels_of(record_id: str) -> JSONResponse:
        """All of them, the oldest first."""
        try:
            record = server.store.record(record_id)
            truths = server.store.truths_of([record_id]) if record else {}
        except StoreError as error:
            raise unavailable(error) from None
        if record is None:
            raise _unknown(record_id)
        return JSONResponse({"truths": [truth_json(truth) for truth in truths.get(record.id, ())]})


def _add_search(router: APIRouter, server: Server) -> None:
    """Add the route that searches all that was told."""

    @router.get(
        "/v1/labels",
        response_model=TruthPage,
        summary="Right answers that people told",
        dependencies=[Depends(server.needs(Role.REVIEW)), Depends(only_what_is_known)],
        responses=documented("unauthorized", "forbidden", "unprocessable", "store-unavailable"),
    )
    def labels(
        limit: Annotated[int, Query(ge=1, le=200)] = 50,
        cursor: Annotated[str | None, Query(max_length=500, description="`next` of the page before")] = None,
        prediction_id: Text = None,
        model: Text = None,
        bundle_id: Text = None,
        how: ToldHow | None = None,
        by: Text = None,
        label: Text = None,
        since: Annotated[Moment | None, Query(description="Told from this moment on")] = None,
        until: Annotated[Moment | None, Query(description="Told before this moment")] = None,
    ) -> JSONResponse:
        """From the newest back."""
        wanted = TruthFilter(prediction_id, model, bundle_id, how, by, label, since, until)
        try:
            page = server.store.truths(wanted, limit, cursor)
        except UsageError as error:
            raise Problem("unprocessable", str(error)) from None
        except StoreError as error:
            raise unavailable(error) from None
        found: dict[str, Any] = {"truths": [truth_json(truth) for truth in page.truths], "next": page.next}
        return JSONResponse(found)
