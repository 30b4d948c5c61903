"""The ways to weigh classes, by name. A module of its own, as the command line names the choices in its help."""

from __future__ import annotations

from typing import Literal

Balance = Literal["none", "sqrt", "classes", "groups"]
