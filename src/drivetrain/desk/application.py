"""Puts the parts of a desk together. It only assembles."""

from __future__ import annotations

from collections.abc import Callable

from fastapi import APIRouter, FastAPI

from .assembly import assembled
from .bodies import SCHEMAS
from .desk import Desk
from .routes.audit import audit_routes
from .routes.changes import change_routes
from .routes.duplicates import duplicate_routes
from .routes.edits import edit_routes
from .routes.gain import gain_routes
from .routes.gotchas import gotcha_routes
from .routes.items import item_routes
from .routes.pictures import picture_routes
from .routes.state import state_routes

DESCRIPTION = """A set of labelled items on which people work: what is suspicious, what they change, and what it does.

Every edit is on disk before it is answered. Every answer that is not a success is a problem detail (RFC 9457)."""

ROUTES: tuple[Callable[[Desk], APIRouter], ...] = (
    state_routes,
    item_routes,
    picture_routes,
    edit_routes,
    change_routes,
    duplicate_routes,
    gain_routes,
    gotcha_routes,
    audit_routes,
)
"""All that answers, a module of ``routes`` each."""


def create_app(desk: Desk) -> FastAPI:
    """The application of one desk; closing it ends the session."""
    return assembled(desk, "Drivetrain desk", DESCRIPTION, [routes(desk) for routes in ROUTES], SCHEMAS)
