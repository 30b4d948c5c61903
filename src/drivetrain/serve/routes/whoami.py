"""Who the caller is, and what the console is to show."""

from __future__ import annotations

from collections.abc import Callable
from typing import Literal

from fastapi import APIRouter
from pydantic import BaseModel, ConfigDict, Field
from starlette.requests import Request
from starlette.responses import JSONResponse

from ..._version import __version__
from ...core.role import Role
from ..access import Guard


class DeskInfo(BaseModel):
    """The desk that the console shows in place of a prediction server's pages."""

    model_config = ConfigDict(frozen=True)

    mode: Literal["clean", "label"]
    source: str
    """The name of what is worked on, for people."""
    pages: list[str]
    """The names of the pages to show, in their order."""
    name: str | None = None
    """The name for whoever gives none; null where several people may come."""


class WhoAmI(BaseModel):
    """What the caller may do."""

    keys_required: bool
    role: Role | None
    name: str | None
    version: str
    desk: DeskInfo | None
    blind: bool = Field(description="A rollout is live, and this key reaches the review queue and nothing else")


def whoami_routes(
    guard: Guard, desk: DeskInfo | None = None, *, blind: Callable[[Role | None], bool] = lambda _: False
) -> APIRouter:
    """The route; ``desk``: what is worked on, None on a prediction server; ``blind``: whether a role sees the queue only."""
    router = APIRouter(tags=["console"])
    shown = None if desk is None else desk.model_dump(mode="json")

    @router.get("/v1/whoami", response_model=WhoAmI, summary="What the caller may do")
    async def whoami(request: Request) -> JSONResponse:
        """Never an error: without a valid key the role is null."""
        caller = guard.caller(request)
        role = caller.role if caller else None
        return JSONResponse(
            {
                "keys_required": not guard.open_to_all,
                "role": None if role is None else str(role),
                "name": caller.key.name if caller and caller.key else None,
                "version": __version__,
                "desk": shown,
                "blind": blind(role),
            }
        )

    return router
