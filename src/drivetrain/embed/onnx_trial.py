"""``python -m drivetrain.embed.onnx_trial``: a foreign graph made a backbone where nothing else is lost."""

from __future__ import annotations

from collections.abc import Mapping
from typing import TYPE_CHECKING, Any

import numpy as np

from ..core.child import ChildError, Work, answer
from ..core.errors import WeightsError
from .batches import batch_sizes
from .quarantine import Quarantine
from .sidecar import Sidecar

if TYPE_CHECKING:
    import onnx

MODULE = "drivetrain.embed.onnx_trial"
MODEL = "model"


def try_first(model: onnx.ModelProto, fingerprint: str, sidecar: Sidecar, where: str, quarantine: Quarantine) -> None:
    """Have a graph taken apart, cleaned and run, unless it has passed before; ``fingerprint`` is that of all its files.

    Raises:
        WeightsError: it takes too much time or memory, or cannot be a backbone.
    """
    request = {"sidecar": sidecar.model_dump_json(), "where": where}
    sums = {MODEL: fingerprint, "sidecar": sidecar.model_dump_json()}
    if quarantine.knows(sums):
        return  # a large graph need not be written out again for that
    try:
        quarantine.admit(MODULE, request, {MODEL: model.SerializeToString()}, sums)
    except ChildError as error:
        raise WeightsError(f"{where}: to make it a backbone {error}, so it was refused") from None


def _prepare() -> Work:
    import onnx

    from .audit import audit
    from .onnx_file import blamed_on
    from .onnx_runtime import onnx_runtime
    from .standard_form import embedding_graph
    from .trial import Trial

    onnx_runtime()  # heavy, and no part of what the graph takes

    def work(request: Mapping[str, Any], files: Mapping[str, bytes]) -> None:
        sidecar, where = Sidecar.model_validate_json(request["sidecar"]), str(request["where"])
        with blamed_on(where):
            model = onnx.ModelProto()
            model.ParseFromString(files[MODEL])
            size = audit(model, where).size
            spec = sidecar.preprocess_for(size, f"the JSON of {where}")
            graph = embedding_graph(model, spec.resize.size, sidecar.output, where)
            if graph.graph.input[0].type.tensor_type.shape.dim[0].dim_param:  # any number of images at once
                trial = Trial(graph, where)
                for count in batch_sizes(*spec.resize.size):
                    trial.run(np.zeros((count, 3, *spec.resize.size), np.float32))

    return work


if __name__ == "__main__":
    answer(_prepare)
