"""One graph for the whole model: views, backbone and head. Shapes: N batch, D embedding, C classes."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import numpy as np

from ..core.types import FloatArray
from ..embed.backbone import INPUT, OUTPUT

if TYPE_CHECKING:
    import onnx

LOGITS = "logits"


def with_head(backbone: onnx.ModelProto, weight_DC: FloatArray, bias_C: FloatArray, *, mirror: bool) -> bytes:
    """Append the head; the serialised model maps ``pixels`` to ``embedding`` (N, D) and ``logits`` (N, C).

    With ``mirror`` the embedding is the mean over the image and its mirror image, computed in one pass of 2N.
    """
    from onnx import ModelProto, TensorProto, helper, numpy_helper

    model = ModelProto()
    model.CopyFrom(backbone)
    graph = model.graph
    if mirror:
        _average_mirrored(graph)

    def constant(name: str, value: np.ndarray[Any, Any]) -> str:
        graph.initializer.append(numpy_helper.from_array(value, name))
        return name

    weight = constant("classifier.weight", np.ascontiguousarray(weight_DC, np.float32))
    bias = constant("classifier.bias", np.ascontiguousarray(bias_C, np.float32))
    graph.node.append(helper.make_node("Gemm", [OUTPUT, weight, bias], [LOGITS], name="classifier"))
    graph.output.append(helper.make_tensor_value_info(LOGITS, TensorProto.FLOAT, ["N", int(weight_DC.shape[1])]))
    return bytes(model.SerializeToString())


def _average_mirrored(graph: onnx.GraphProto) -> None:
    """Feed the backbone the batch and its mirror image, and average the two halves of what it returns."""
    from onnx import helper, numpy_helper

    both, halves = f"{INPUT}.both", f"{OUTPUT}.halves"
    for node in graph.node:
        for position, name in enumerate(node.input):
            if name == INPUT:
                node.input[position] = both
        for position, name in enumerate(node.output):
            if name == OUTPUT:
                node.output[position] = halves
    width = graph.output[0].type.tensor_type.shape.dim[1].dim_value
    integers = {
        "mirror.start": [-1],
        "mirror.end": [np.iinfo(np.int64).min],
        "mirror.axis": [3],
        "mirror.step": [-1],
        "mirror.shape": [2, -1, width],
    }
    for name, value in integers.items():
        graph.initializer.append(numpy_helper.from_array(np.asarray(value, np.int64), name))
    before = [
        helper.make_node("Slice", [INPUT, "mirror.start", "mirror.end", "mirror.axis", "mirror.step"], ["mirrored"]),
        helper.make_node("Concat", [INPUT, "mirrored"], [both], axis=0),
    ]
    after = [
        helper.make_node("Reshape", [halves, "mirror.shape"], [f"{OUTPUT}.stacked"]),
        helper.make_node("ReduceMean", [f"{OUTPUT}.stacked"], [OUTPUT], axes=[0], keepdims=0),
    ]
    nodes = [*before, *graph.node, *after]
    del graph.node[:]
    graph.node.extend(nodes)
