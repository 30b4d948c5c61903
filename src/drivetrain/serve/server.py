"""The objects that the routes of one server process share."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass, field

from starlette.requests import Request

from ..core.ports import Store
from ..core.records import Role
from .access import Caller, Guard
from .http.body import BodyReader
from .http.metrics import Metrics
from .http.problems import Problem
from .served import NoSuchModel, ServedModel, Shelf
from .settings import Settings
from .sight import Sight
from .work.alarms import Alarms
from .work.engine import Engine
from .work.ledger import Ledger
from .work.memory_shares import MemoryShares
from .work.monitoring import Monitoring
from .work.pictures import Pictures
from .work.rollouts import Rollouts
from .work.webhook import Webhook

# A server says that it is not ready after so many seconds in which no image got through. The largest picture that may be sent
# takes less, and a store that is only slow answers sooner.
STUCK_S = 15.0


@dataclass(frozen=True, eq=False)
class Server:
    """Made once at start; the parts change, the set of parts does not."""

    settings: Settings
    shelf: Shelf
    store: Store
    ledger: Ledger
    engine: Engine
    guard: Guard
    metrics: Metrics
    bodies: BodyReader
    memory: MemoryShares
    pictures: Pictures
    alarms: Alarms
    monitoring: Monitoring
    rollouts: Rollouts
    sight: Sight
    files: Mapping[str, tuple[bytes, str]]
    """The console's files, see `read_static`."""
    webhook: Webhook | None = None
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

    def stuck_s(self) -> float:
        """Return the seconds for which nothing has got through, either into the store or past the workers."""
        return max(self.ledger.stuck_s(), self.engine.stuck_s())

    def check_ready(self) -> None:
        """Raise the `Problem` that says why it cannot answer, if it cannot (503)."""
        if self.state.draining:
            raise Problem("draining", "this server is going down; ask again, another will answer", retry_after_s=2)
        if self.ledger.failure is not None:
            raise Problem("store-unavailable", "answers cannot be stored just now; ask again soon", retry_after_s=2)
        if not self.guard.can_tell:
            raise Problem("store-unavailable", "whether a key is needed cannot be told just now", retry_after_s=2)
        if (waited_s := self.ledger.stuck_s()) > STUCK_S:
            raise Problem(
                "store-unavailable",
                f"the store has not answered for {waited_s:.0f} s; ask again later",
                retry_after_s=5,
            )
        if (busy_s := self.engine.stuck_s()) > STUCK_S:
            raise Problem(
                "overloaded", f"no image has got through for {busy_s:.0f} s; ask again later", retry_after_s=5
            )

    def needs(self, role: Role) -> Callable[[Request], Caller]:
        """A dependency that lets only such callers pass."""

        async def admitted(request: Request) -> Caller:
            return self.guard.admit(request, role)

        return admitted  # type: ignore[return-value]  # FastAPI awaits it


@dataclass
class State:
    """The state that changes while the server runs."""

    draining: bool = False
