"""The Open Inference Protocol, version 2 (as KServe, Triton and others speak it): health, metadata, inference.

Inputs, of images: ``image``, BYTES of shape [N], each an image file in base64; or ``pixels``, FP32 of shape [N, 3, H, W],
prepared as the bundle's manifest says. Another input has names and a shape of its own. Outputs: ``probabilities`` (``values``
of a model of numbers), ``label`` and ``verdict``.
Shapes: N inputs, C outputs.
"""

from __future__ import annotations

import asyncio
import math
import time
from collections.abc import Sequence
from dataclasses import replace
from typing import Annotated, Any, Literal

import numpy as np
from fastapi import APIRouter, Depends
from pydantic import BaseModel, ConfigDict, Field, JsonValue, ValidationError
from starlette.requests import Request
from starlette.responses import JSONResponse, Response

from ..._version import __version__
from ...core.records import Context, Entry, Role
from ...core.types import FloatArray
from ...model.inputs.input import Input
from ...model.kinds.kind import Answer, Tensor
from ...model.manifest import Manifest
from ..access import Caller
from ..http.body import Body, Gone
from ..http.json_body import MOST_VALUES, cost_of, read_json
from ..http.problems import Fault, Problem, documented
from ..http.uploads import Metadata, from_base64, unprocessable
from ..served import ServedModel
from ..server import Server
from ..settings import RequestLimits
from ..work.job import Upload
from .input_limits import sizes_checked
from .prediction import GONE, JSON_IN_THREAD, answered, check_open

PLATFORM = "onnx_drivetrain"
VERDICT = Tensor("verdict", "BYTES", ())
PLACES = ("camera", "site", "group", "taken_at")
"""Parameters of a request that say where its images come from: by these they are watched, and an alarm about them acts."""


class TensorMetadata(BaseModel):
    """A tensor a model takes or gives; -1 is any length."""

    name: str
    datatype: str
    shape: list[int]


class ModelMetadata(BaseModel):
    """What a model takes and gives."""

    name: str
    versions: list[str]
    platform: str
    inputs: list[TensorMetadata]
    outputs: list[TensorMetadata]


class ServerMetadata(BaseModel):
    """What this server is."""

    name: str
    version: str
    extensions: list[str]


class InferInput(BaseModel):
    """A tensor that is sent."""

    model_config = ConfigDict(extra="forbid")

    name: str = Field(
        description="As the model's metadata names its inputs: of images `image` or `pixels`", max_length=200
    )
    datatype: Literal["BYTES", "FP32"]
    shape: list[Annotated[int, Field(ge=1, le=1 << 31)]] = Field(min_length=1, max_length=4)
    data: list[JsonValue] = Field(description="BYTES: base64; FP32: numbers, flat or nested")
    parameters: dict[str, JsonValue] = Field(default_factory=dict)


class InferRequestedOutput(BaseModel):
    """An output that is wanted."""

    model_config = ConfigDict(extra="forbid")

    name: str
    parameters: dict[str, JsonValue] = Field(default_factory=dict)


class InferRequest(BaseModel):
    """The body of an inference request."""

    model_config = ConfigDict(extra="forbid")

    id: str | None = Field(None, max_length=200)
    inputs: list[InferInput] = Field(min_length=1, max_length=1)
    outputs: list[InferRequestedOutput] | None = Field(None, max_length=64)
    parameters: dict[str, JsonValue] = Field(
        default_factory=dict,
        description="`camera`, `site`, `group` and `taken_at` of all images, as in Metadata; others are passed over",
    )


class InferOutput(BaseModel):
    """A tensor that is answered, its data flat in row-major order."""

    name: str
    datatype: str
    shape: list[int]
    data: list[float | str | None]


class InferAnswer(BaseModel):
    """The body of an inference answer."""

    model_name: str
    model_version: str
    id: str | None
    outputs: list[InferOutput]


INFER_BODY = {
    "requestBody": {
        "required": True,
        "content": {
            "application/json": {
                "schema": {"$ref": "#/components/schemas/InferRequest"},
                "example": {
                    "inputs": [{"name": "image", "datatype": "BYTES", "shape": [1], "data": ["/9j/4AAQSkZJRg=="]}]
                },
            }
        },
    }
}


INFER_PROBLEMS = documented(
    "bad-request",
    "timeout",
    "too-large",
    "unprocessable",
    "too-many-requests",
    "overloaded",
    "deadline",
    "store-unavailable",
    "draining",
)


def health_routes(server: Server) -> APIRouter:
    """Whether the process lives, and whether it can answer; open without a key."""
    router = APIRouter(tags=["open inference protocol"])

    @router.get("/v2/health/live", summary="Whether the process lives")
    async def live() -> JSONResponse:
        """Always, while it answers at all."""
        return JSONResponse({"live": True})

    @router.get(
        "/v2/health/ready",
        summary="Whether it can answer",
        responses=documented("draining", "store-unavailable", "overloaded"),
    )
    async def ready() -> JSONResponse:
        """Models are loaded, the store takes answers, images get through, and the server is not going down."""
        server.check_ready()
        return JSONResponse({"ready": True})

    return router


def inference_routes(server: Server) -> APIRouter:
    """Metadata and inference."""
    needs = server.needs(Role.PREDICT)
    router = APIRouter(tags=["open inference protocol"], dependencies=[Depends(needs)])
    refused = documented("unauthorized", "forbidden", "not-found")

    @router.get("/v2", response_model=ServerMetadata, summary="About the server", responses=refused)
    async def about() -> JSONResponse:
        """Name, version, extensions."""
        return JSONResponse({"name": "drivetrain", "version": __version__, "extensions": []})

    async def metadata(name: str, version: str | None = None) -> JSONResponse:
        """The model's tensors."""
        return JSONResponse(metadata_of(server, server.model(name, version)))

    async def ready(name: str, version: str | None = None) -> JSONResponse:
        """Whether the model is there; what is served here is ready."""
        model = server.model(name, version)
        return JSONResponse({"name": model.name, "ready": True})

    async def infer(
        request: Request, name: str, caller: Caller = Depends(needs), version: str | None = None
    ) -> Response:
        """Image files or prepared pixels in, probabilities, labels and verdicts out; stored as `/v1/predict` does."""
        try:
            return await _inferred(server, request, caller, server.model(name, version))
        except Gone:
            return GONE

    for below, kind in (("/v2/models/{name}", ""), ("/v2/models/{name}/versions/{version}", " (a version)")):
        router.get(below, response_model=ModelMetadata, summary=f"About a model{kind}", responses=refused)(metadata)
        router.get(f"{below}/ready", summary=f"Whether a model is ready{kind}", responses=refused)(ready)
        router.post(
            f"{below}/infer",
            response_model=InferAnswer,
            summary=f"Infer{kind}",
            openapi_extra=INFER_BODY,
            responses={**refused, **INFER_PROBLEMS},
        )(infer)
    return router


async def _inferred(server: Server, request: Request, caller: Caller, model: ServedModel) -> Response:
    """Read the request, have its images answered and stored, and say so as the protocol does.

    Raises:
        Problem: as `INFER_PROBLEMS` lists.
        Gone: the client left.
    """
    check_open(server, caller, 1)
    limits = server.settings.limits
    async with server.bodies.read(request, caller.client, limits.largest_json) as body:
        asked, uploads = await _read(body, model, limits)
        await sizes_checked(model.predictor.manifest.input, uploads, limits.pixels, ("inputs", 0, "data"))
        server.guard.count(caller, len(uploads))
        deadline_s = time.monotonic() + server.settings.deadline_s
        entries, _ = await answered(server, request, caller, model, uploads, deadline_s)
    return JSONResponse(_answer(model, asked, entries))


SCHEMAS = (InferRequest,)
"""Named in the document although no parameter has their type."""


def metadata_of(server: Server, model: ServedModel) -> dict[str, Any]:
    """As `ModelMetadata`."""
    manifest = model.predictor.manifest
    form = manifest.input
    versions = [other.version for other in server.shelf.models if other.name == model.name]
    return {
        "name": model.name,
        "versions": versions,
        "platform": PLATFORM,
        "inputs": [
            {"name": form.type, "datatype": "BYTES", "shape": [-1]},
            {"name": form.tensor_name, "datatype": "FP32", "shape": [-1, *form.shape]},
        ],
        "outputs": [
            {"name": tensor.name, "datatype": tensor.datatype, "shape": [-1, *tensor.shape]}
            for tensor in (*manifest.kind.tensors(), VERDICT)
        ],
    }


def _outputs(manifest: Manifest) -> tuple[str, ...]:
    return tuple(tensor.name for tensor in (*manifest.kind.tensors(), VERDICT))


async def _read(body: Body, model: ServedModel, limits: RequestLimits) -> tuple[InferRequest, list[Upload]]:
    """What is asked, and the images of it."""
    aside = body.size >= JSON_IN_THREAD
    cost = 0
    if aside:
        found = await asyncio.to_thread(cost_of, body.pieces)
        # Lists are copied once when they are checked, and numbers once as FP32.
        cost = found.weight + (8 + 4) * found.commas
    return await body.read(lambda data: _understood(data, model, limits), cost=cost, aside=aside)


def _understood(data: bytes, model: ServedModel, limits: RequestLimits) -> tuple[InferRequest, list[Upload]]:
    asked = _parse(data, _most_numbers(model, limits))
    _check_outputs(asked, model)
    context = _context(asked.parameters)
    return asked, [replace(upload, context=context) for upload in _uploads(asked.inputs[0], model, limits.images)]


def _context(parameters: dict[str, JsonValue]) -> Context:
    """Where the images come from, as far as the request's parameters say so; the protocol lets a server pass over others."""
    try:
        return Metadata.model_validate({name: parameters[name] for name in PLACES if name in parameters}).context()
    except ValidationError as error:
        raise unprocessable(error, ("parameters",)) from None


def _most_numbers(model: ServedModel, limits: RequestLimits) -> int:
    """Numbers, and lists of them, that all of the images of a request may have."""
    *outer, inner = model.predictor.manifest.input.shape
    return limits.images * (math.prod(outer) * (inner + 1) + 4)


def _parse(data: bytes, numbers: int) -> InferRequest:
    try:
        return InferRequest.model_validate(read_json(data, "the body", values=MOST_VALUES, numbers=numbers))
    except ValidationError as error:
        raise unprocessable(error) from None


def _uploads(tensor: InferInput, model: ServedModel, most: int) -> list[Upload]:
    if tensor.shape[0] > most:
        raise Problem("too-large", f"{tensor.shape[0]} images in one request; at most {most}")
    form = model.predictor.manifest.input
    if tensor.name == form.type:
        return _files(tensor, form)
    if tensor.name == form.tensor_name:
        return [Upload("", b"", tensor=values) for values in _values(tensor, form)]
    fault = Fault(loc=("inputs", 0, "name"), msg=f"Input should be '{form.type}' or '{form.tensor_name}'")
    raise Problem("unprocessable", f"{fault.place}: {fault.msg}", errors=[fault])


def _files(tensor: InferInput, form: Input) -> list[Upload]:
    if tensor.datatype != "BYTES" or tensor.shape != [len(tensor.data)]:
        raise Problem(
            "unprocessable",
            f"{form.type} is {tensor.datatype} {tensor.shape} of {len(tensor.data)} entries; send BYTES [N] with N of them",
        )
    uploads = []
    for place, text in enumerate(tensor.data):
        if not isinstance(text, str):
            raise Problem("unprocessable", f"{form.noun} {place} is no text; send each {form.noun} file in base64")
        uploads.append(Upload("", from_base64(text, "inputs", 0, "data", place)))
    return uploads


def _values(tensor: InferInput, form: Input) -> FloatArray:
    shape, name, wanted = tuple(tensor.shape), form.tensor_name, form.shape
    if tensor.datatype != "FP32" or shape[1:] != wanted:
        raise Problem(
            "unprocessable", f"{name} is {tensor.datatype} {list(shape)}; send FP32 [N, {', '.join(map(str, wanted))}]"
        )
    try:
        with np.errstate(over="ignore"):  # too large for FP32 is infinite, and refused below
            values = np.asarray(tensor.data, np.float32)
    except (ValueError, TypeError, OverflowError):
        raise Problem(
            "unprocessable", f"{name} holds something that is no number, or rows of different lengths"
        ) from None
    if values.size != np.prod(shape, dtype=np.int64) or not np.isfinite(values).all():
        raise Problem(
            "unprocessable", f"{name} holds {values.size} numbers for the shape {list(shape)}; all must be finite"
        )
    return np.ascontiguousarray(values.reshape(shape))


def _check_outputs(asked: InferRequest, model: ServedModel) -> None:
    """Before the work is done, and its answers stored."""
    names = _outputs(model.predictor.manifest)
    for output in asked.outputs or ():
        if output.name not in names:
            raise Problem(
                "unprocessable", f"there is no output {output.name[:80]!r}; {model.name} gives {', '.join(names)}"
            )


def _answer(model: ServedModel, asked: InferRequest, entries: Sequence[Entry]) -> dict[str, Any]:
    kind, predictions = model.predictor.manifest.kind, [entry.record.prediction for entry in entries]
    answers = [Answer(p.label, p.confidence, p.probs, p.labels, p.values) for p in predictions]
    n = len(entries)
    tensors: list[dict[str, Any]] = [
        {
            "name": tensor.name,
            "datatype": tensor.datatype,
            "shape": [n, *tensor.shape],
            "data": [value for answer in answers for value in kind.tensor_row(tensor.name, answer)],
        }
        for tensor in kind.tensors()
    ]
    verdicts = [str(prediction.verdict) for prediction in predictions]
    tensors.append({"name": VERDICT.name, "datatype": VERDICT.datatype, "shape": [n], "data": verdicts})
    if asked.outputs is not None:
        wanted = {output.name for output in asked.outputs}
        tensors = [tensor for tensor in tensors if tensor["name"] in wanted]
    return {"model_name": model.name, "model_version": model.version, "id": asked.id, "outputs": tensors}
