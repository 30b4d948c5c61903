"""A drawing as pages show it."""

from __future__ import annotations

from dataclasses import dataclass


@dataclass(frozen=True)
class Plot:
    """A drawing with its title and a sentence on what it shows; ``svg`` carries its own colours."""

    title: str
    svg: str
    note: str = ""
