"""Puts the parts of a desk for labelling together. It only assembles."""

from __future__ import annotations

from fastapi import FastAPI

from .assembly import assembled
from .label_answers import SCHEMAS
from .label_desk import LabelDesk
from .labelling import label_routes
from .routes.pictures import picture_routes

DESCRIPTION = """Items without labels, a person who labels them, and a model that learns meanwhile what to ask next.

Every label is on disk before it is answered. Every answer that is not a success is a problem detail (RFC 9457)."""


def create_label_app(desk: LabelDesk) -> FastAPI:
    """The application of one desk for labelling; closing it ends the session."""
    routers = (label_routes(desk), picture_routes(desk))
    return assembled(desk, "Drivetrain desk for labelling", DESCRIPTION, routers, SCHEMAS)
