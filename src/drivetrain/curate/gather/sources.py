"""The sources by their names."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from types import MappingProxyType

from .ddgs_images import DdgsImages
from .inaturalist import INaturalist
from .openverse import Openverse
from .source import Source
from .wikimedia import Wikimedia

SOURCES: Mapping[str, Callable[..., Source]] = MappingProxyType(
    {"openverse": Openverse, "wikimedia": Wikimedia, "inaturalist": INaturalist, "ddgs": DdgsImages}
)
"""The name of ``--source`` → what makes the source; the first is taken where none is named."""
