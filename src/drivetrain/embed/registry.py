"""Which backbones there are, and how a name on the command line becomes one."""

from __future__ import annotations

import difflib
from collections.abc import Callable, Mapping
from functools import partial

from ..core.errors import UsageError
from ..core.local_path import local_path
from . import efficientnet_lite
from .backbone import Backbone
from .foreign import onnx_file

# A new packaged backbone is one module and one line here.
PACKAGED: Mapping[str, Callable[..., Backbone]] = {
    "efficientnet-lite0": partial(efficientnet_lite.load, efficientnet_lite.LITE0),
    "efficientnet-lite1": partial(efficientnet_lite.load, efficientnet_lite.LITE1),
    "efficientnet-lite2": partial(efficientnet_lite.load, efficientnet_lite.LITE2),
}

HUB_PREFIX = "hub:"


def resolve(name: str, side: int | None = None) -> Backbone:
    """A packaged backbone by name, an ONNX file by path, or a model on a hub as ``hub:owner/name``.

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
