"""Answers to what goes wrong in an application, and its OpenAPI document; a server's and a desk's alike."""

from __future__ import annotations

from collections.abc import Collection, Iterable, Mapping
from typing import Any

from fastapi import FastAPI
from fastapi.exceptions import RequestValidationError
from fastapi.openapi.utils import get_openapi
from pydantic import BaseModel
from pydantic.json_schema import models_json_schema
from starlette.exceptions import HTTPException
from starlette.requests import Request
from starlette.responses import Response

from .problems import Problem, ProblemDetail, Slug, documented, invalid


def request_id(request: Request) -> str:
    """The id the envelope gave."""
    given: str = request.scope["state"]["request_id"]
    return given


def handle_problems(app: FastAPI) -> None:
    """Answer with a problem detail wherever something goes wrong."""
    app.add_exception_handler(Problem, _problem)
    app.add_exception_handler(RequestValidationError, _invalid)
    app.add_exception_handler(HTTPException, _http)


async def _problem(request: Request, error: Exception) -> Response:
    assert isinstance(error, Problem)  # what this handler is registered for
    return error.response(request_id(request))


async def _invalid(request: Request, error: Exception) -> Response:
    assert isinstance(error, RequestValidationError)
    return invalid(error.errors()).response(request_id(request))


_BY_STATUS: Mapping[int, Slug] = {404: "not-found", 405: "method-not-allowed", 400: "bad-request", 413: "too-large"}


async def _http(request: Request, error: Exception) -> Response:
    assert isinstance(error, HTTPException)
    slug = _BY_STATUS.get(error.status_code, "bad-request")
    # Not `request.url`: that wants a query and a host that are text.
    detail = f"{request.method[:20]} {request.scope['path'][:80]}: {error.detail}"
    headers = dict(error.headers or {})
    if error.status_code == 405 and (allowed := _allowed(request)):
        headers["Allow"] = allowed
    return Problem(slug, detail, headers=headers).response(request_id(request))


def _allowed(request: Request) -> str:
    """The methods of an address: of several routes at one, the framework names those of the first."""
    path = getattr(request.scope.get("route"), "path", None)
    methods: Mapping[str, Any] = request.app.openapi()["paths"].get(path, {})
    return ", ".join(method.upper() for method in methods)


def document(app: FastAPI, own: Iterable[type[BaseModel]], *, keyless: Collection[str]) -> dict[str, Any]:
    """The OpenAPI document, with what FastAPI cannot know: bodies that are read by hand (``own``), problems, keys.

    ``keyless`` are beginnings of the paths that anybody may ask.
    """
    if app.openapi_schema:
        return app.openapi_schema
    forms: tuple[type[BaseModel], ...] = (ProblemDetail, *own)
    document = get_openapi(title=app.title, version=app.version, description=app.description, routes=app.routes)
    _, definitions = models_json_schema(
        [(model, "validation") for model in forms], ref_template="#/components/schemas/{model}"
    )
    components = document.setdefault("components", {})
    components.setdefault("schemas", {}).update(definitions["$defs"])
    components["securitySchemes"] = {
        "key": {"type": "http", "scheme": "bearer", "description": "A key, if the server needs one"}
    }
    problem, refused = documented("unprocessable")[422], documented("forbidden")[403]
    twice, unknown = documented("bad-request")[400], documented("store-unavailable")[503]
    for path, methods in document["paths"].items():
        for operation in methods.values():
            # FastAPI announces an error body of its own wherever there are parameters; here it is a problem.
            if "422" in operation["responses"]:
                operation["responses"]["422"] = problem
            # Anywhere a head that says something twice is refused, and a page of another site turned away, see `browser`.
            operation["responses"].setdefault("400", twice)
            operation["responses"].setdefault("403", refused)
            if not path.startswith(tuple(keyless)):
                # Where nobody knows whether a key is needed, see `guard`.
                operation["responses"].setdefault("503", unknown)
                operation["security"] = [{"key": []}, {}]
    for unused in ("HTTPValidationError", "ValidationError"):
        components["schemas"].pop(unused, None)
    app.openapi_schema = document
    return document
