"""Backbones by name: those that `embed` knows, and those that exist as torch networks only."""

from __future__ import annotations

from ..embed import registry
from ..embed.backbone import Backbone

TIMM = "timm:"


def resolve(name: str, side: int | None = None) -> Backbone:
    """A packaged backbone, ``FILE.onnx``, ``hub:OWNER/NAME``, or ``timm:NAME`` (needs timm and torch).

    ``side``: of a packaged backbone's input in pixels; by default its own.

    Raises:
        UsageError: there is no such backbone; the message gives the nearest.
        WeightsError: its weights cannot be had or read.
    """
    if not name.startswith(TIMM) or side is not None:
        return registry.resolve(name, side)
    from ..learn.deep.export import frozen_backbone
    from ..learn.deep.networks import network

    return frozen_backbone(network(name))
