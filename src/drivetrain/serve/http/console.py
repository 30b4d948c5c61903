"""The console and the page of the API: files that were built from ``web/`` and come with the package."""

from __future__ import annotations

import mimetypes
from collections.abc import Mapping
from pathlib import Path

from fastapi import APIRouter
from starlette.responses import HTMLResponse, Response

STATIC = Path(__file__).parents[1] / "static"

# Names of files below assets/ hold a hash of what is in them.
HASHED = "public, max-age=31536000, immutable"
FRESH = "no-cache"

MISSING = """<!doctype html><html lang="en"><meta charset="utf-8"><title>Drivetrain</title>
<h1>Drivetrain is serving</h1>
<p>The console is not part of this installation: its pages have not been built. In a checkout, <code>make web</code> builds
them. The API answers all the same, see <a href="/openapi.json">openapi.json</a>.</p></html>"""


def read_static(folder: Path = STATIC) -> dict[str, tuple[bytes, str]]:
    """Every built file by its path below the root, with its media type.

    All are read at start: they are few, a request can name nothing else, and nothing is read while others wait.
    """
    if not (folder / "index.html").is_file():
        return {}
    files = (path for path in sorted(folder.rglob("*")) if path.is_file() and not path.name.startswith("."))
    return {path.relative_to(folder).as_posix(): (path.read_bytes(), _media_type(path)) for path in files}


def _media_type(path: Path) -> str:
    # The table of the machine may say anything of these, and a browser runs no script of another type.
    known = {
        ".js": "text/javascript",
        ".css": "text/css",
        ".html": "text/html",
        ".svg": "image/svg+xml",
        ".json": "application/json",
    }
    return known.get(path.suffix) or mimetypes.guess_type(path.name)[0] or "application/octet-stream"


def console_routes(files: Mapping[str, tuple[bytes, str]]) -> APIRouter:
    """Pages and their files; they hold no data, so they need no key."""
    router = APIRouter(include_in_schema=False)

    def page(name: str) -> Response:
        if name not in files:
            return HTMLResponse(MISSING)
        data, kind = files[name]
        return Response(data, media_type=kind, headers={"Cache-Control": FRESH})

    @router.get("/")
    async def index() -> Response:
        return page("index.html")

    @router.get("/docs")
    async def docs() -> Response:
        return page("docs/index.html")

    def static(path: str, data: bytes, kind: str) -> None:
        headers = {"Cache-Control": HASHED if path.startswith("assets/") else FRESH}

        @router.get(f"/{path}")
        async def file() -> Response:
            return Response(data, media_type=kind, headers=headers)

    # One route each: a name that catches all would answer for every address that takes another method.
    for path, (data, kind) in files.items():
        static(path, data, kind)
    return router
