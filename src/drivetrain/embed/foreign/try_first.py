"""The trial of a foreign graph in another process before this one loads it, see `drivetrain.embed.foreign.first_load`."""

from __future__ import annotations

from typing import TYPE_CHECKING

from ...core.child import ChildError
from ...core.errors import WeightsError
from ..quarantine import Quarantine
from .sidecar import Sidecar

if TYPE_CHECKING:
    import onnx

MODULE = "drivetrain.embed.foreign.first_load"
MODEL = "model"


def try_first(model: onnx.ModelProto, fingerprint: str, sidecar: Sidecar, where: str, quarantine: Quarantine) -> bool:
    """Have another process parse, clean and run a graph, unless it has passed before; ``fingerprint`` is that of all its files.

    Returns whether it can be run on several images at once. One that cannot may take any amount of memory for two, so this
    is found out by the other process as well, and not tried again in this one.

    Raises:
        WeightsError: it takes too much time or memory, or cannot be a backbone.
    """
    request = {"sidecar": sidecar.model_dump_json(), "where": where}
    sums = {MODEL: fingerprint, "sidecar": sidecar.model_dump_json()}
    many, single = ({**sums, "": how} for how in ("several images at once", "one image at a time"))
    for tried, free_batch in ((many, True), (single, False)):
        if quarantine.knows(tried):
            return free_batch  # without a change, a large graph need not be written out again
    files = {MODEL: model.SerializeToString()}
    try:
        try:
            quarantine.admit(MODULE, {**request, "free_batch": True}, files, many)
        except WeightsError:
            quarantine.admit(MODULE, {**request, "free_batch": False}, files, single)
            return False
    except ChildError as error:
        raise WeightsError(f"{where}: to make it a backbone {error}, so it was refused") from None
    return True
