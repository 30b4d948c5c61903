"""The registry of backbones, and the way from a name on the command line to one."""

from __future__ import annotations

import difflib
from collections.abc import Callable
from functools import partial

from ..core.errors import UsageError
from ..core.local_path import local_path
from ..data.image.preprocess import Preprocess
from ..data.preparation import Preparation
from . import efficientnet_lite
from .backbone import Backbone
from .foreign import onnx_file

Load = Callable[..., Backbone]
"""Loads a backbone for a ``side`` of the network's input in pixels; None for its own."""

# A new packaged backbone takes one module and one line here.
PACKAGED: dict[str, Load] = {
    "efficientnet-lite0": partial(efficientnet_lite.load, efficientnet_lite.LITE0),
    "efficientnet-lite1": partial(efficientnet_lite.load, efficientnet_lite.LITE1),
    "efficientnet-lite2": partial(efficientnet_lite.load, efficientnet_lite.LITE2),
}

HUB_PREFIX = "hub:"

_IMAGE = Preprocess.input_type
_TAKES: dict[str, str] = {}
"""The type of input, by name, of backbones that do not take images."""


def register(name: str, load: Load, takes: str = _IMAGE) -> None:
    """Register a backbone by name, among those that are tried for its type of input; ``takes`` is a `Preparation.input_type`.

    Raises:
        ValueError: another one has that name.
    """
    if PACKAGED.setdefault(name, load) is not load:
        raise ValueError(f"there is a backbone “{name}” already")
    _TAKES[name] = takes


def packaged(takes: str) -> tuple[str, ...]:
    """Return the names of the backbones for a type of input, the smallest first."""
    return tuple(name for name in PACKAGED if _TAKES.get(name, _IMAGE) == takes)


def resolve_like(name: str, preparation: Preparation) -> Backbone:
    """Find the packaged backbone with an input as large as ``preparation`` makes it.

    Raises:
        WeightsError: the weights cannot be read.
    """
    side = preparation.resize.size[0] if isinstance(preparation, Preprocess) else None
    return PACKAGED[name](side=side)


def resolve(name: str, side: int | None = None) -> Backbone:
    """Find a packaged backbone by name, an ONNX file by path, or a model on a hub as ``hub:owner/name``.

    ``side``: of a packaged backbone's input in pixels; by default its own.

    Raises:
        UsageError: no backbone is known by this name; the message gives the nearest. Or it has one size only.
        WeightsError: the weights cannot be read or downloaded.
    """
    if name in PACKAGED:
        return PACKAGED[name](side=side)
    if side is not None:
        raise UsageError(f"“{name}” has an input of one size; only {', '.join(PACKAGED)} take others (--size)")
    if name.startswith(HUB_PREFIX):
        from .foreign import hub

        return hub.load(name.removeprefix(HUB_PREFIX))
    if name.endswith(".onnx"):
        return onnx_file.load(local_path(name))
    near = difflib.get_close_matches(name, PACKAGED, n=1, cutoff=0.4)
    hint = f"did you mean {near[0]}? There" if near else "there"
    raise UsageError(
        f"unknown backbone “{name}”; {hint} are {', '.join(PACKAGED)}, any FILE.onnx and {HUB_PREFIX}OWNER/NAME."
    )
