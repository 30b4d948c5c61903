"""The blindness of reviewers, kept in one place: while a rollout is live, a key with the role `review` reaches the queue and
nothing from which the model's answer could be learned.

It is a list of what is allowed, asked before any route and any short way, so that a new route is closed until it is named here.
"""

from __future__ import annotations

from collections.abc import Callable, Collection

from starlette.requests import Request
from starlette.types import Scope

from ..core.role import Role
from .access import Guard
from .http.problems import Problem

REVIEWS = "/v1/reviews"
WHOAMI = "/v1/whoami"
HEALTH = "/v2/health/"

CLOSED = (
    "a rollout is live: a key with the role review reaches the review queue (/v1/reviews) and nothing else, so that no answer "
    "of the model is in sight of who decides; send cases with a key of the role predict, see answers with one of the role admin"
)


class Sight:
    """Tells what a caller may see just now."""

    def __init__(self, guard: Guard, live: Callable[[], bool | None], files: Collection[str] = ()) -> None:
        """``live``: tells whether a rollout is live; None where nobody knows. ``files``: the console's own, by their paths, which
        hold no data."""
        self._guard, self._live = guard, live
        pages = {f"/{path}" for path in files if not path.startswith("docs/")}
        self._open = frozenset({"/", WHOAMI, REVIEWS, *pages})

    def is_blind(self, role: Role | None) -> bool:
        """Tells whether a role sees the review queue only."""
        return role is Role.REVIEW and self._live() is not False

    def check(self, scope: Scope) -> None:
        """Turn a reviewer away from what might tell the model's answer.

        Raises:
            Problem: the caller is blind, and asks for anything else (403); or nobody knows whether it must be (503).
        """
        live = self._live()
        if live is False:
            return
        path: str = scope["path"]
        if path in self._open or path.startswith((f"{REVIEWS}/", HEALTH)):
            return
        caller = self._guard.caller(Request(scope))
        if caller is None or caller.role is not Role.REVIEW:
            return
        if live is None:
            raise Problem("store-unavailable", "whether a rollout is live cannot be told just now", retry_after_s=2)
        raise Problem("forbidden", CLOSED)
