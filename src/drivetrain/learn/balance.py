"""How classes weigh, by name. By itself, as the command line names the choices in its help."""

from __future__ import annotations

from typing import Literal

Balance = Literal["none", "sqrt", "classes", "groups"]
