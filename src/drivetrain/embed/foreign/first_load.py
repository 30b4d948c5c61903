"""``python -m drivetrain.embed.foreign.first_load``: a foreign graph made a backbone where nothing else is lost."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import numpy as np

from ...core.child import Work, answer
from ..batch_sizes import batch_sizes
from .sidecar import Sidecar
from .try_first import MODEL


def _prepare() -> Work:
    import onnx

    from ..onnx_runtime import onnx_runtime
    from .audit import audit
    from .determinism import Trial
    from .onnx_file import blamed_on
    from .standard_form import embedding_graph

    onnx_runtime()  # heavy to load, and not to be counted as the graph's own time and memory

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
                for count in batch_sizes(spec.shape):
                    trial.run(np.zeros((count, *spec.shape), np.float32))

    return work


if __name__ == "__main__":
    answer(_prepare)
