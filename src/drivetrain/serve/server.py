"""What the routes of one server process share."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, field

from starlette.requests import Request

from ..core.ports import PredictionStore
from ..core.records import Role
from .body import BodyReader
from .engine import Engine
from .guard import Caller, Guard
from .ledger import Ledger
from .metrics import Metrics
from .problems import Problem
from .served import NoSuchModel, ServedModel, Shelf
from .settings import Settings


@dataclass(frozen=True, eq=False)
class Server:
    """Made once at start; the parts change, the set of parts does not."""

    settings: Settings
    shelf: Shelf
    store: PredictionStore
    ledger: Ledger
    engine: Engine
    guard: Guard
    metrics: Metrics
    bodies: BodyReader
    state: State = field(default_factory=lambda: State())

    def model(self, name: str | None, version: str | None) -> ServedModel:
        """The model that is meant.

        Raises:
            Problem: there is none (404).
        """
        try:
            return self.shelf.find(name, version)
        except NoSuchModel as error:
            raise Problem("not-found", str(error)) from None

    def needs(self, role: Role) -> Callable[[Request], Caller]:
        """A dependency that lets only such callers pass."""

        async def admitted(request: Request) -> Caller:
            return self.guard.admit(request, role)

        return admitted  # type: ignore[return-value]  # FastAPI awaits it


@dataclass
class State:
    """Where the server stands."""

    draining: bool = False


def request_id(request: Request) -> str:
    """The id the envelope gave."""
    given: str = request.scope["state"]["request_id"]
    return given
