"""``POST /v1/explain``: on what a single answer rests: places in the picture, and training images that look alike."""

from __future__ import annotations

import asyncio
import base64
from typing import Annotated, Any

from fastapi import APIRouter, Depends, Query
from pydantic import BaseModel, ConfigDict, Field, ValidationError
from starlette.requests import Request
from starlette.responses import JSONResponse, Response

from ...core.errors import BundleError, InputError, StoreError, UsageError
from ...core.records import Role
from ...core.types import Verdict
from ...model.explain.heat_png import heat_png
from ...model.explain.heatmap import heat_map
from ...model.explain.similar import most_similar
from ...model.inputs.input import Pictured
from ..access import Caller
from ..http.body import Body, Gone
from ..http.json_body import read_json
from ..http.problems import TAKING_IMAGES, Problem, documented
from ..http.uploads import is_json, unprocessable
from ..served import ServedModel
from ..server import Server
from ..work.job import Upload
from ..work.pictures import Pictures
from ..work.turns import Turns
from .answers import PredictionAnswer
from .history import unavailable
from .input_limits import sizes_checked
from .prediction import GONE, ModelName, ModelVersion, check_open, uploads_of

# The overlay's longest side in pixels: more than a console shows.
OVERLAY = 640

# Bytes of a body that names an image that was kept.
MOST_JSON = 4096


class HeatMapAnswer(BaseModel):
    """Where in the picture the model found its evidence."""

    method: str = Field(
        description="activation: exact shares of the score; occlusion: how it drops when a place is covered"
    )
    output: str
    png: str = Field(description="A transparent picture to lay over the image, as a data address")
    width: int
    height: int
    note: str


class SimilarAnswer(BaseModel):
    """A training image."""

    row: int
    label: str
    similarity: float = Field(description="Cosine of the embeddings")
    thumbnail: str | None


class ExplainAnswer(BaseModel):
    """What an answer rests on. It is not stored."""

    prediction: PredictionAnswer
    model: str
    bundle_id: str
    heatmap: HeatMapAnswer | None
    similar: list[SimilarAnswer]


class StoredInputBody(BaseModel):
    """An input that was kept, by the hash of its file."""

    model_config = ConfigDict(extra="forbid", frozen=True)

    input_sha256: str = Field(pattern="^[0-9a-f]{64}$")


SCHEMAS = (StoredInputBody,)

_BODY = {
    "requestBody": {
        "required": True,
        "content": {
            "multipart/form-data": {
                "schema": {
                    "type": "object",
                    "required": ["image"],
                    "properties": {"image": {"type": "string", "format": "binary"}},
                    "additionalProperties": False,
                }
            },
            "application/json": {"schema": {"$ref": "#/components/schemas/StoredInputBody"}},
        },
    }
}


Output = Annotated[str | None, Query(description="Evidence for which class, label or number; by default the winner")]
Similar = Annotated[int, Query(ge=0, le=24, description="How many training images")]


def explanation_routes(server: Server) -> APIRouter:
    """The route, bound to a server."""
    router = APIRouter(tags=["predictions"])
    needs = server.needs(Role.PREDICT)
    # Occlusion runs the network hundreds of times: one explanation at a time must not starve the answers.
    turns = Turns(1, server.settings.deadline_s, "other explanations are still being made; ask again")

    @router.post(
        "/v1/explain",
        response_model=ExplainAnswer,
        summary="Explain an answer",
        openapi_extra=_BODY,
        responses=documented(*TAKING_IMAGES),
    )
    async def explain(
        request: Request,
        caller: Caller = Depends(needs),
        model: ModelName = None,
        version: ModelVersion = None,
        output: Output = None,
        similar: Similar = 6,
        heatmap: bool = True,
    ) -> Response:
        """One image, or the hash of one that was kept. Slower than a prediction, and not stored."""
        served = server.model(model, version)
        output = output or None
        _check_output(served, output)
        try:
            check_open(server, caller, 1)
            async with server.bodies.read(request, caller.client, _largest(server, request)) as body:
                server.guard.count(caller, 1)
                # Before a kept image is loaded: those who wait must not hold one each.
                async with turns.turn():
                    upload = await _upload(server, request, caller, body, served)
                    found = await asyncio.to_thread(
                        explained, server.pictures, served, upload, output, similar, heatmap=heatmap
                    )
        except Gone:
            return GONE
        return JSONResponse(found)

    return router


def _check_output(served: ServedModel, output: str | None) -> None:
    if output is not None and output not in served.predictor.classes:
        raise Problem("unprocessable", f"{served.name} has no output {output[:80]!r}")


def _largest(server: Server, request: Request) -> int:
    """Bytes that a body may have; as JSON it holds no more than a hash."""
    return MOST_JSON if is_json(request.headers.get("content-type", "")) else server.settings.limits.largest_body


async def _upload(server: Server, request: Request, caller: Caller, body: Body, served: ServedModel) -> Upload:
    limits = server.settings.limits
    if is_json(request.headers.get("content-type", "")):
        if not caller.role.may(Role.REVIEW):
            raise Problem(
                "forbidden", f"stored images need a key with the role {Role.REVIEW}; this one has {caller.role}"
            )
        return await asyncio.to_thread(_kept, server, await body.read(_sha256, cost=0, aside=False))
    uploads = await uploads_of(server, request, body, "image")
    if len(uploads) != 1:
        raise Problem("unprocessable", f"{len(uploads)} images; send one")
    await sizes_checked(served.predictor.manifest.input, uploads, limits.pixels, ("image",))
    return uploads[0]


def _sha256(data: bytes) -> str:
    try:
        return StoredInputBody.model_validate(read_json(data, "the body", values=16)).input_sha256
    except ValidationError as error:
        raise unprocessable(error) from None


def _kept(server: Server, sha256: str) -> Upload:
    try:
        stored = server.store.input(sha256)
    except StoreError as error:
        raise unavailable(error) from None
    if stored is None:
        raise Problem("not-found", "this image was not kept, or is no longer")
    return Upload("", stored.data)


def explained(
    pictures: Pictures, served: ServedModel, upload: Upload, output: str | None, count: int, *, heatmap: bool
) -> dict[str, Any]:
    """As `ExplainAnswer`."""
    predictor = served.predictor
    form = predictor.manifest.input
    answer: dict[str, Any] = {"model": served.name, "bundle_id": served.version, "heatmap": None, "similar": []}
    try:
        with pictures.read(form, upload.data) as content:
            # What is left of it is small: a map takes long to make, and must not hold what others wait for.
            pictured, facts = form.pictured(content, OVERLAY), form.facts(content)
            tensor = pictured.tensor if pictured else form.tensor(content)
            del content
        (seen,) = predictor.see(tensor[None], [facts])
    except InputError as error:
        raise Problem("unprocessable", f"the {form.noun} cannot be read: {error}") from None
    prediction = predictor.judge(upload.name, seen)
    answer["prediction"] = prediction.to_json()
    gallery = predictor.gallery
    if count:
        rows = gallery.rows if gallery else None
        below = f"/v1/models/{served.name}/versions/{served.version}/gallery"
        answer["similar"] = [
            {
                "row": one.row,
                "label": one.label,
                "similarity": round(one.similarity, 4),
                "thumbnail": f"{below}/{one.row}" if gallery else None,
            }
            for one in most_similar(predictor, seen.embedding_D, count, only_rows=rows)
        ]
    if heatmap and pictured and prediction.verdict is not Verdict.UNREADABLE:
        found = _heat(served, pictured, output or prediction.label)
        answer["heatmap"] = found and {**found, "width": pictured.size[0], "height": pictured.size[1]}
    return answer


def _heat(served: ServedModel, pictured: Pictured, output: str | None) -> dict[str, Any] | None:
    try:
        found = heat_map(served.predictor, pictured.shown, fitted=pictured.fitted)
        shown = output or served.predictor.classes[0]
        # Numbers have units of their own, so that one cannot be drawn on the scale of another.
        png = heat_png(found, shown, longest=OVERLAY, alone=not served.predictor.manifest.kind.one_scale)
    except (BundleError, UsageError):
        return None  # the bundle's files are gone from disk, or its graph has no such map
    exact = found.method == "activation"
    return {
        "method": found.method,
        "output": shown,
        "png": "data:image/png;base64," + base64.b64encode(png).decode(),
        "note": f"Where the evidence for “{shown}” lies: orange speaks for it, blue against."
        + ("" if exact else " Estimated by covering places one after the other."),
    }
