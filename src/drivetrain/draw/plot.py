"""A drawing as pages show it."""

from __future__ import annotations

from dataclasses import dataclass


@dataclass(frozen=True)
class Plot:
    """A drawing with its title and what there is to see in it; ``svg`` carries its own colours."""

    title: str
    svg: str
    note: str = ""
