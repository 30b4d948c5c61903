"""``python -m drivetrain.embed.foreign.first_load``: a foreign graph made a backbone where nothing else is lost."""

from __future__ import annotations

from collections.abc import Mapping
from typing import TYPE_CHECKING, Any

import numpy as np

from ...core.child import ChildError, Work, answer
from ...core.errors import WeightsError
from ..batches import batch_sizes
from ..quarantine import Quarantine
from .sidecar import Sidecar

if TYPE_CHECKING:
    import onnx

MODULE = "drivetrain.embed.foreign.first_load"
MODEL = "model"


def try_first(model: onnx.ModelProto, fingerprint: str, sidecar: Sidecar, where: str, quarantine: Quarantine) -> bool:
    """Have a graph taken apart, cleaned and run, unless it has passed before; ``fingerprint`` is that of all its files.

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
            return free_batch  # a large graph need not be written out again for that
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


def _prepare() -> Work:
    import onnx

    from ..onnx_runtime import onnx_runtime
    from .audit import audit
    from .determinism import Trial
    from .onnx_file import blamed_on
    from .standard_form import embedding_graph

    onnx_runtime()  # heavy, and no part of what the graph takes

    def work(request: Mapping[str, Any], files: Mapping[str, bytes]) -> None:
        sidecar, where = Sidecar.model_validate_json(request["sidecar"]), str(request["where"])
        with blamed_on(where):
            model = onnx.ModelProto()
            model.ParseFromString(files[MODEL])
            size = audit(model, where).size
            spec = sidecar.preprocess_for(size, f"the JSON of {where}")
            free_batch = bool(request["free_batch"])
            graph = embedding_graph(model, spec.resize.size, sidecar.output, where, free_batch=free_batch)
            if free_batch:
                trial = Trial(graph, where)
                for count in batch_sizes(*spec.resize.size):
                    trial.run(np.zeros((count, 3, *spec.resize.size), np.float32))

    return work


if __name__ == "__main__":
    answer(_prepare)
