"""One way to run a graph: ONNX Runtime on the CPU, by default one thread a call, many calls at once.

On a CPU several single-threaded calls of one image each beat one wide call: the working set of a small network stays
in the core's own cache, and no core waits for another at every layer.
"""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from ..core.errors import WeightsError
from .backbone import INPUT
from .onnx_runtime import FORMAT, onnx_runtime


class Session:
    """A loaded graph; safe to call from several threads at once."""

    def __init__(self, model: bytes | Path, threads: int = 1) -> None:
        """Load a graph from its bytes or file; several ``threads`` for one call suit callers that make one call at a time.

        Raises:
            WeightsError: ONNX Runtime cannot load it.
        """
        ort = onnx_runtime()
        options = ort.SessionOptions()
        options.intra_op_num_threads = threads
        options.inter_op_num_threads = 1
        options.add_session_config_entry(*FORMAT)
        options.log_severity_level = 4  # errors are raised; the runtime need not print them as well
        source = model if isinstance(model, bytes) else str(model)
        try:
            # The fallback is off: it would print a banner on stdout, where a program expects JSON.
            self._session = ort.InferenceSession(source, options, providers=["CPUExecutionProvider"], enable_fallback=0)
        except Exception as error:  # ONNX Runtime raises a dozen unrelated classes here
            what = "the graph" if isinstance(model, bytes) else str(model)
            raise WeightsError(f"ONNX Runtime cannot load {what}: {' '.join(str(error).split())}") from error
        self.inputs = {node.name: tuple(node.shape[1:]) for node in self._session.get_inputs()}
        """Name → shape of one item (without the batch axis)."""
        self.outputs = {node.name: tuple(node.shape[1:]) for node in self._session.get_outputs()}

    def run(self, pixels_NKHW: NDArray[np.float32], outputs: Sequence[str] | None = None) -> list[NDArray[np.float32]]:
        """Run a batch and return the named outputs (all by default), each with N rows."""
        result: list[Any] = self._session.run(list(outputs) if outputs else None, {INPUT: pixels_NKHW})
        return result

    def release(self) -> None:
        """Give back the memory that larger or more runs than usual have set aside; otherwise it is kept for the next runs."""
        ort = onnx_runtime()
        options = ort.RunOptions()
        options.add_run_config_entry("memory.enable_memory_arena_shrinkage", "cpu:0")
        # The runtime gives memory back at the end of a run, so there has to be a run.
        self._session.run(None, {INPUT: np.zeros((1, *self.inputs[INPUT]), np.float32)}, options)
