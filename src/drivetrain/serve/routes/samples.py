"""Pictures the console offers to try: a folder the server was started with."""

from __future__ import annotations

import asyncio
from dataclasses import dataclass
from pathlib import Path
from typing import Annotated, Any

from fastapi import APIRouter, Depends
from fastapi import Path as InPath
from pydantic import BaseModel
from starlette.responses import JSONResponse, Response

from ...core.errors import DataError, InputError, UsageError
from ...core.records import Role
from ...core.reference import Reference, read_reference
from ...data.sources.file_form import FileForm
from ...data.sources.opening import open_source
from ...embed.unpack_place import unpack_place
from ...model.inputs.input import Input
from ..http.problems import Problem, documented
from ..server import Server
from ..work.turns import IMAGES_AT_ONCE, Turns
from .history import picture

# More than anyone looks through.
MOST = 60


class SampleAnswer(BaseModel):
    """A picture to try."""

    name: str
    url: str
    label: str | None


class SamplesAnswer(BaseModel):
    """All of them; none unless the server was given a folder."""

    samples: list[SampleAnswer]


@dataclass(frozen=True)
class Sample:
    """A file with what is known of it."""

    name: str
    reference: Reference
    label: str | None


def find_samples(folder: Path | None, form: FileForm) -> tuple[Sample, ...]:
    """The pictures in a folder, labelled by the folders they stand in, if those are there.

    Raises:
        UsageError: there are none.
    """
    if folder is None:
        return ()
    try:
        source = open_source(folder, labelled=False, form=form, unpack_dir=unpack_place(None, use_cache=True))
    except DataError as error:
        raise UsageError(f"the samples cannot be read: {error}") from None
    # The listing is fixed at start, and a sample is named by its number in it: no path comes from outside.
    chosen = source.items[:: max(1, len(source.items) // MOST)][:MOST]
    return tuple(Sample(Path(item.name).name, item.reference, item.label or _label(Path(item.name))) for item in chosen)


def _label(name: Path) -> str | None:
    return name.parent.name or None


def sample_routes(server: Server) -> APIRouter:
    """The routes, bound to a server."""
    router = APIRouter(tags=["console"], dependencies=[Depends(server.needs(Role.PREDICT))])
    # Samples are for the model that answers where none is named.
    form = server.shelf.models[0].predictor.manifest.input
    samples = find_samples(server.settings.samples, form.files)
    refused = documented("unauthorized", "forbidden", "not-found")
    aside = Turns(IMAGES_AT_ONCE, server.settings.deadline_s, "other samples are being read; ask again")

    @router.get("/v1/samples", response_model=SamplesAnswer, summary="Pictures to try", responses=refused)
    async def list_samples() -> JSONResponse:
        """What the server was given to show."""
        listed: list[dict[str, Any]] = [
            {"name": sample.name, "url": f"/v1/samples/{number}", "label": sample.label}
            for number, sample in enumerate(samples)
        ]
        return JSONResponse({"samples": listed})

    @router.get(
        "/v1/samples/{number}",
        response_class=Response,
        summary="A picture to try",
        responses={200: {"content": {"image/*": {}}}, **refused, **documented("overloaded")},
    )
    async def sample(number: Annotated[int, InPath(ge=0)]) -> Response:
        """As it stands in the folder."""
        if number >= len(samples):
            raise Problem("not-found", f"there are {len(samples)} samples")
        async with aside.turn():
            data, kind = await asyncio.to_thread(_shown, server, form, samples[number])
        return picture(data, kind, "private, max-age=300")

    return router


def _shown(server: Server, form: Input, sample: Sample) -> tuple[bytes, str]:
    """Without metadata, and as a kind that browsers show."""
    try:
        stripped = server.pictures.stripped(form, read_reference(sample.reference))
    except (OSError, InputError):
        stripped = None
    if stripped is None:
        raise Problem("not-found", "this sample is no longer there, cannot be read, or is too large to be shown")
    return stripped
