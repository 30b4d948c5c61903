"""The registry of trainable networks, and the way from a name to one."""

from __future__ import annotations

import difflib
from collections.abc import Callable, Mapping
from functools import partial

from ...core.errors import UsageError
from ...embed.efficientnet_lite import LITE0, LITE1, LITE2
from . import efficientnet_lite, timm_network
from .network import Network

TIMM_PREFIX = "timm:"

# A new packaged network takes one module and one line here.
PACKAGED: Mapping[str, Callable[[], Network]] = {
    variant.name: partial(efficientnet_lite.load, variant) for variant in (LITE0, LITE1, LITE2)
}


def network(name: str) -> Network:
    """A packaged network by name, or one of timm's as ``timm:NAME``, in evaluation mode.

    Raises:
        UsageError: no trainable network is known by this name; the message gives the nearest.
        WeightsError: the weights cannot be read or downloaded.
    """
    if name in PACKAGED:
        return PACKAGED[name]()
    if name.startswith(TIMM_PREFIX):
        return timm_network.load(name.removeprefix(TIMM_PREFIX))
    near = difflib.get_close_matches(name, PACKAGED, n=1, cutoff=0.4)
    hint = f"did you mean {near[0]}? There" if near else "there"
    raise UsageError(f"no trainable network “{name}”; {hint} are {', '.join(PACKAGED)} and {TIMM_PREFIX}NAME.")
