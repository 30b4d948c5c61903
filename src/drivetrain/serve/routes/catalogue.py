"""The models that are served: what each is, how good, and the files that come with it."""

from __future__ import annotations

from collections.abc import Sequence
from functools import partial
from typing import Annotated, Any

from fastapi import APIRouter, Depends, Path
from fastapi.params import Depends as DependsOn
from pydantic import BaseModel, Field
from starlette.responses import JSONResponse, Response

from ...core.figure import Better, Figure, Format
from ...core.records import Role
from ...model.accept_words import accept_words
from ...model.figure_words import named
from ...model.gallery import Gallery
from ...model.gate_words import gate_words
from ...model.manifest import Basis, GateMode
from ...model.storage import CARD, REPORT
from ..http.browser import REPORT_POLICY
from ..http.problems import Problem, documented
from ..served import ServedModel
from ..server import Server
from ..work.background import apart
from .answers import TaskName
from .history import picture

BUNDLE = "/v1/models/{name}/versions/{version}"
ACCEPT = {"confidence", "width", "basis", "coverage", "bound"}
"""The fields of the manifest's accept rule that are shown."""

GATE = {"false_alarm", "mode", "calibrated_on"}
"""The fields of the manifest's gate that are shown."""

REFUSED = documented("unauthorized", "forbidden", "not-found")

Name = Annotated[str, Path(max_length=100)]
Version = Annotated[str, Path(max_length=100)]


class MetricAnswer(BaseModel):
    """A figure of the model's training, with its interval where it has one."""

    slug: str = Field(description="Names the figure in programs, and never changes")
    name: str = Field(description="As people read it; with what it is about, where that is not the whole model")
    of: str | None = Field(description="The class, label or number it is about; null for the model as a whole")
    value: float
    low: float | None
    high: float | None
    format: Format = Field(description="How it is read: 0.953 as 95.3 %, as 95.3 percentage points, as 0.953, or plain")
    better: Better | None = Field(description="Null where neither is")
    unit: str = Field(description="Of its own, where it has one")
    how: str
    n: int | None = Field(description="Items it was measured on, where that is known")
    note: str = Field(description="What to compare it with")


class BoundAnswer(BaseModel):
    """The error among accepted answers that was asked for, and on what it rests."""

    max_error: float
    level: float = Field(description="Probability with which it is kept to")
    independent: int = Field(description="Independent answers judged: one of each group")
    accepted: int
    wrong: int
    error_upper: float = Field(description="One-sided limit of the error; 1 where nothing is accepted")
    needed: int = Field(description="Fewest accepted, independent, error-free answers that can show it")
    labelled: int | None = Field(
        description="About how many labelled images would show it, where it could not be shown"
    )


class AcceptAnswer(BaseModel):
    """Which answers may stand without a person, and what is known of the error among them."""

    words: str = Field(description="All of it in a sentence")
    confidence: float | None = Field(description="From which on; null where no answer may stand, and of numbers")
    width: float | None = Field(description="Of numbers: half the width that an interval may have")
    basis: Basis = Field(description="A stated convention, a cross-fitted estimate from training, or a certificate")
    coverage: float = Field(description="Share of the training images, unseen, that would have been accepted")
    bound: BoundAnswer | None = Field(description="Null for a convention")


class GateAnswer(BaseModel):
    """What the gate turns away as unlike the training images."""

    words: str = Field(description="All of it in a sentence")
    false_alarm: float = Field(description="Share of images like those trained on that may be turned away")
    mode: GateMode = Field(description="That share on average, or at most that share with a probability of 95 %")
    calibrated_on: int = Field(description="Independent images behind the p-values")


class InputAnswer(BaseModel):
    """What the model is asked with."""

    type: str = Field(description="What the files are: `image`")
    media_types: list[str] = Field(description="Of the files")
    shape: list[int] = Field(
        description="Of the tensor that the network sees; of an image 3 channels, height and width"
    )


class ParityAnswer(BaseModel):
    """How closely this machine reproduces the bundle's golden answers."""

    images: int
    max_probability: float


class LinksAnswer(BaseModel):
    """Where the bundle's files are."""

    manifest: str
    card: str | None
    report: str | None


class ModelAnswer(BaseModel):
    """A model that is served."""

    name: str
    version: str = Field(description="The bundle's id")
    default: bool = Field(description="It answers where no model is named")
    current: bool = Field(description="It answers for its name where no version is named")
    title: str
    task: TaskName
    gives: str = Field(description="What an answer is, in a few words")
    outputs: list[str]
    outputs_are: str = Field(description="What the outputs are called, as a heading")
    created_at: str
    images: int = Field(description="Images it was trained on")
    metrics: list[MetricAnswer]
    accept: AcceptAnswer | None
    gate: GateAnswer | None = Field(description="Null where images unlike those trained on are not told apart")
    input: InputAnswer
    backbone: str
    parity: ParityAnswer | None
    gallery: int = Field(description="Training pictures the bundle carries")
    problem: str | None = Field(description="Why what stands on disk now was refused")
    links: LinksAnswer


class ModelsAnswer(BaseModel):
    """All of them, in the order they were given."""

    models: list[ModelAnswer]


def catalogue_routes(server: Server) -> APIRouter:
    """The routes, bound to a server."""
    router = APIRouter(tags=["models"])
    may_predict = [Depends(server.needs(Role.PREDICT))]

    @router.get(
        "/v1/models", response_model=ModelsAnswer, summary="All models", dependencies=may_predict, responses=REFUSED
    )
    async def models() -> JSONResponse:
        """What is served, how good it is, and how that is known."""
        return JSONResponse(catalogue(server))

    _add_files(router, server, may_predict)
    _add_gallery(router, server, may_predict)

    @router.post(
        "/v1/models/{name}/reload",
        response_model=ModelsAnswer,
        summary="Look for a new version now",
        dependencies=[Depends(server.needs(Role.ADMIN))],
        responses=REFUSED,
    )
    async def reload(name: Name) -> JSONResponse:
        """Load what stands on disk now, if it is another version and passes its golden replay; else the old one goes on
        serving, and `problem` says why."""
        server.model(name, None)
        await apart(partial(server.shelf.refresh, name, force=True))
        return JSONResponse(catalogue(server))

    return router


def _add_files(router: APIRouter, server: Server, may_predict: Sequence[DependsOn]) -> None:
    """Add the routes of a bundle's manifest, card and report."""

    @router.get(f"{BUNDLE}/manifest", summary="A bundle's manifest", dependencies=may_predict, responses=REFUSED)
    async def manifest(name: Name, version: Version) -> JSONResponse:
        """Everything the bundle says of itself."""
        return JSONResponse(server.model(name, version).predictor.manifest.published())

    @router.get(
        f"{BUNDLE}/card",
        summary="A bundle's model card",
        response_class=Response,
        dependencies=may_predict,
        responses={200: {"content": {"text/markdown": {}}}, **REFUSED},
    )
    async def card(name: Name, version: Version) -> Response:
        """Markdown with a head of YAML, as Hugging Face has it."""
        return Response(_file(server.model(name, version), CARD), media_type="text/markdown; charset=utf-8")

    @router.get(
        f"{BUNDLE}/report",
        summary="A bundle's training report",
        response_class=Response,
        dependencies=may_predict,
        responses={200: {"content": {"text/html": {}}}, **REFUSED},
    )
    async def report(name: Name, version: Version) -> Response:
        """One page, complete in itself."""
        return Response(
            _file(server.model(name, version), REPORT),
            headers={"Content-Security-Policy": REPORT_POLICY},
            media_type="text/html; charset=utf-8",
        )


def _add_gallery(router: APIRouter, server: Server, may_predict: Sequence[DependsOn]) -> None:
    """Add the route of the training pictures that a bundle carries."""

    @router.get(
        f"{BUNDLE}/gallery/{{row}}",
        summary="A training picture",
        response_class=Response,
        dependencies=may_predict,
        responses={200: {"content": {"image/jpeg": {}}}, **REFUSED},
    )
    async def training_picture(name: Name, version: Version, row: Annotated[int, Path(ge=0)]) -> Response:
        """A thumbnail of the training image in that row of the bundle's embeddings."""
        gallery = server.model(name, version).predictor.gallery
        data = gallery.thumbnail(row) if gallery else None
        if data is None:
            raise Problem("not-found", f"the bundle carries no picture of training image {row}")
        return picture(data, "image/jpeg")


def catalogue(server: Server) -> dict[str, Any]:
    """As `ModelsAnswer`."""
    shelf = server.shelf
    first = shelf.find()
    return {
        "models": [
            describe(model, default=model is first, current=shelf.find(model.name) is model) for model in shelf.models
        ]
    }


def describe(model: ServedModel, *, default: bool, current: bool) -> dict[str, Any]:
    """As `ModelAnswer`."""
    predictor = model.predictor
    manifest, parity = predictor.manifest, predictor.parity
    accept = manifest.accept
    below = f"/v1/models/{model.name}/versions/{model.version}"
    return {
        "name": model.name,
        "version": model.version,
        "default": default,
        "current": current,
        "title": manifest.name,
        "task": manifest.task,
        "gives": manifest.kind.words.gives,
        "outputs": list(manifest.outputs),
        "outputs_are": manifest.kind.words.outputs,
        "created_at": manifest.created_at,
        "images": manifest.data.images,
        # What could not be reckoned has no value to show.
        "metrics": [metric_json(figure) for figure in manifest.rows if figure.value is not None],
        "accept": accept and {"words": accept_words(manifest), **accept.model_dump(mode="json", include=ACCEPT)},
        "gate": manifest.gate
        and {"words": gate_words(manifest), **manifest.gate.model_dump(mode="json", include=GATE)},
        "input": dict(manifest.input.described()),
        "backbone": manifest.backbone.name,
        "parity": parity and {"images": parity.images, "max_probability": parity.max_probability},
        "gallery": _pictures(predictor.gallery),
        # Where on this machine a bundle lies is nobody's business who may only predict.
        "problem": model.problem and model.problem.replace(str(model.path), model.path.name),
        "links": {
            "manifest": f"{below}/manifest",
            "card": f"{below}/card" if predictor.file(CARD) else None,
            "report": f"{below}/report" if predictor.file(REPORT) else None,
        },
    }


def metric_json(figure: Figure) -> dict[str, Any]:
    """As `MetricAnswer`."""
    return {
        "slug": figure.slug,
        "name": named(figure),
        "of": figure.of,
        "value": figure.value,
        "low": figure.low,
        "high": figure.high,
        "format": figure.format,
        "better": figure.better,
        "unit": figure.unit,
        "how": figure.how,
        "n": figure.n,
        "note": figure.note,
    }


def _pictures(gallery: Gallery | None) -> int:
    return len(gallery.rows) if gallery else 0


def _file(model: ServedModel, name: str) -> bytes:
    data = model.predictor.file(name)
    if data is None:
        raise Problem("not-found", f"the bundle {model.version} holds no {name}")
    return data
