"""The frozen first stages of a network in ONNX Runtime: a few times as fast as torch on a CPU, and as exact.

Shapes: N batch, K channels, H and W pixels.
"""

from __future__ import annotations

from concurrent.futures import ThreadPoolExecutor

import onnx
import torch
from onnx import TensorProto, helper
from torch import Tensor

from ...core.cores import available_cores
from ...embed.session import Session
from .network import Activation

# Images a call, which takes one thread (`embed.session`): few enough that all cores get some of every batch.
PIECE = 4


class OnnxPrefix:
    """Runs a graph up to the tensor ``end`` and to the pooled ``taps`` before it."""

    def __init__(self, graph: onnx.ModelProto, stage: int, end: str, taps: tuple[str, ...]) -> None:
        self._stage = stage
        self._outputs = (end, *taps)
        self._session = Session(_cut(graph, self._outputs).SerializeToString())

    def __call__(self, pixels_NKHW: Tensor) -> Activation:
        """(N, 3, H, W) normalised images → their activation behind the prefix."""
        pieces = torch.split(pixels_NKHW.contiguous(), PIECE)
        with ThreadPoolExecutor(available_cores()) as pool:
            results = list(pool.map(lambda piece: self._session.run(piece.numpy(), self._outputs), pieces))
        end, *taps = (torch.cat([torch.from_numpy(r[i]) for r in results]) for i in range(len(self._outputs)))
        return Activation(self._stage, end, dict(zip(self._outputs[1:], taps, strict=True)))


def _cut(model: onnx.ModelProto, outputs: tuple[str, ...]) -> onnx.ModelProto:
    """Keep only the nodes that the outputs need; nodes stand in topological order."""
    wanted, kept = set(outputs), []
    for node in reversed(model.graph.node):
        if wanted & set(node.output):
            kept.append(node)
            wanted |= set(node.input)
    cut = onnx.ModelProto()
    cut.CopyFrom(model)
    del cut.graph.node[:], cut.graph.output[:], cut.graph.initializer[:]
    cut.graph.node.extend(reversed(kept))
    cut.graph.initializer.extend(tensor for tensor in model.graph.initializer if tensor.name in wanted)
    cut.graph.output.extend(helper.make_tensor_value_info(name, TensorProto.FLOAT, None) for name in outputs)
    return cut
